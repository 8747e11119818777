//! When it happened, by our clock, told from what the sender's clock says.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use kernel::Time;
use serde_json::{Map, Value};

/// Numbers below are seconds since the epoch, above milliseconds.
const SECONDS_BELOW: f64 = 100_000_000_000.0;

/// `receivedAt − (sentAt − originalTimestamp)`; without `sentAt` the time as it is, without any the time of arrival.
///
/// # Errors
/// The name of the member that is not a time.
pub(super) fn corrected(call: &Map<String, Value>, received: Time) -> Result<Time, &'static str> {
    let original = match read(call.get("originalTimestamp")) {
        Ok(Some(original)) => Some(original),
        Ok(None) => read(call.get("timestamp")).map_err(|()| "timestamp")?,
        Err(()) => return Err("originalTimestamp"),
    };
    // A `sentAt` that cannot be read corrects nothing.
    let sent = read(call.get("sentAt")).unwrap_or(None);
    Ok(match (original, sent) {
        (Some(original), Some(sent)) => Time(received.0.saturating_sub(sent.0.saturating_sub(original.0))),
        (Some(original), None) => original,
        (None, _) => received,
    })
}

fn read(value: Option<&Value>) -> Result<Option<Time>, ()> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => read_text(text.trim()).map(Some),
        Some(Value::Number(number)) => read_number(number.as_f64().ok_or(())?).map(Some),
        Some(_) => Err(()),
    }
}

/// RFC 3339, a date, or what Python writes without a zone: UTC then.
fn read_text(text: &str) -> Result<Time, ()> {
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Ok(moment.into());
    }
    let civil: DateTime = text.parse().map_err(|_| ())?;
    civil.to_zoned(TimeZone::UTC).map(|zoned| zoned.timestamp().into()).map_err(|_| ())
}

#[expect(clippy::cast_possible_truncation, reason = "checked to be within jiff's range")]
fn read_number(number: f64) -> Result<Time, ()> {
    let millis = if number.abs() < SECONDS_BELOW { number * 1_000.0 } else { number };
    if !(0.0..2.5e14).contains(&millis) {
        return Err(());
    }
    Ok(Time::from_millis(millis as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn time(call: Value) -> Result<i64, &'static str> {
        corrected(call.as_object().unwrap(), Time::from_seconds(1_000_000)).map(Time::seconds)
    }

    #[test]
    fn the_senders_clock_is_corrected_by_when_it_sent() {
        let original = "1970-01-12T10:00:00Z";
        assert_eq!(time(json!({})), Ok(1_000_000));
        assert_eq!(time(json!({"timestamp": original})), Ok(986_400));
        assert_eq!(time(json!({"timestamp": original, "sentAt": "1970-01-12T10:00:05Z"})), Ok(999_995));
        assert_eq!(time(json!({"timestamp": "x", "originalTimestamp": original})), Ok(986_400));
        assert_eq!(time(json!({"timestamp": "1970-01-12T10:00:00.000"})), Ok(986_400));
        assert_eq!(time(json!({"timestamp": 986_400, "sentAt": null})), Ok(986_400));
        assert_eq!(time(json!({"timestamp": 1_760_000_000_000_i64})), Ok(1_760_000_000));
        assert_eq!(time(json!({"timestamp": original, "sentAt": "soon"})), Ok(986_400));
        assert_eq!(time(json!({"timestamp": "昨天"})), Err("timestamp"));
        assert_eq!(time(json!({"originalTimestamp": []})), Err("originalTimestamp"));
        assert_eq!(time(json!({"timestamp": -5})), Err("timestamp"));
    }
}
