//! Trouble on order: the next n requests of a path go wrong, the ones after succeed.

use std::time::Duration;

use kernel::{Error, Result};
use serde::Deserialize;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// HTTP 200 with this `errcode`.
    Errcode(i64),
    /// This HTTP status with an empty body.
    Status(u16),
    /// HTTP 200 with half a JSON object.
    InvalidJson,
    /// The answer comes late (real time: it is the caller's network time-out that is tried).
    Delay(Duration),
}

/// An order, as the control side takes it. Exactly one of the effects is set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    /// Empty: any account.
    #[serde(default)]
    app_id: String,
    /// Such as `/cgi-bin/message/custom/send` or `/_sim/webhook/crm`.
    path: String,
    errcode: Option<i64>,
    http_status: Option<u16>,
    #[serde(default)]
    invalid_json: bool,
    timeout_ms: Option<u64>,
    /// The request takes effect all the same and only its answer is spoilt.
    #[serde(default)]
    processed: bool,
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

/// A checked order with its remaining number.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    app_id: String,
    path: String,
    pub(crate) effect: Effect,
    pub(crate) processed: bool,
    left: u32,
}

impl TryFrom<Order> for Fault {
    type Error = Error;

    fn try_from(order: Order) -> Result<Self> {
        let effects = [
            order.errcode.map(Effect::Errcode),
            order.http_status.map(Effect::Status),
            order.invalid_json.then_some(Effect::InvalidJson),
            order.timeout_ms.map(|millis| Effect::Delay(Duration::from_millis(millis))),
        ];
        let mut chosen = effects.into_iter().flatten();
        let (Some(effect), None) = (chosen.next(), chosen.next()) else {
            return Err(Error::invalid(
                "",
                "set exactly one of errcode, http_status, invalid_json and timeout_ms",
            ));
        };
        if let Effect::Status(status) = effect
            && !(200..=599).contains(&status)
        {
            return Err(Error::invalid("http_status", format!("{status} is not between 200 and 599")));
        }
        if !order.path.starts_with('/') {
            return Err(Error::invalid("path", format!("`{}` does not begin with /", order.path)));
        }
        let Order { app_id, path, processed, times, .. } = order;
        Ok(Self { app_id, path, effect, processed, left: times })
    }
}

/// The next fault for this request, counted down.
pub(crate) fn take(faults: &mut Vec<Fault>, app_id: &str, path: &str) -> Option<Fault> {
    faults.retain(|fault| fault.left > 0);
    let fault = faults
        .iter_mut()
        .find(|fault| fault.path == path && (fault.app_id.is_empty() || fault.app_id == app_id))?;
    fault.left -= 1;
    Some(fault.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(json: &str) -> Result<Fault> {
        Fault::try_from(serde_json::from_str::<Order>(json).unwrap())
    }

    #[test]
    fn n_times_then_nothing() {
        let mut faults = vec![order(r#"{"app_id":"wx1","path":"/p","errcode":-1,"times":2}"#).unwrap()];
        assert!(take(&mut faults, "wx2", "/p").is_none());
        assert!(take(&mut faults, "wx1", "/q").is_none());
        assert_eq!(take(&mut faults, "wx1", "/p").unwrap().effect, Effect::Errcode(-1));
        assert!(take(&mut faults, "wx1", "/p").is_some());
        assert!(take(&mut faults, "wx1", "/p").is_none());
    }

    #[test]
    fn an_order_has_one_effect() {
        for wrong in [
            r#"{"path":"/p"}"#,
            r#"{"path":"/p","errcode":1,"http_status":500}"#,
            r#"{"path":"p","errcode":1}"#,
            r#"{"path":"/p","http_status":42}"#,
        ] {
            assert!(order(wrong).is_err(), "{wrong}");
        }
    }
}
