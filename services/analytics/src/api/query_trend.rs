//! How much of an event there was, interval by interval.

use chassis::Caller;
use kernel::{Result, Time, Workspace};
use wire::analytics::{self, Point, QueryTrendRequest, QueryTrendResponse};

use super::Api;
use super::fields::Fields;
use crate::domain::Interval;
use crate::engine::query::trend::{Measure, Series, TrendQuery};
use crate::reader::blocking;

impl Api {
    pub(super) async fn do_query_trend(
        &self,
        caller: Caller,
        message: QueryTrendRequest,
    ) -> Result<QueryTrendResponse> {
        let query = self.read_trend(&caller.workspace, &message)?;
        let place = self.place().await?;
        let opened = self.current.get().await?;
        let series = blocking(&opened.engine, move |engine| {
            let _held = place;
            engine.trend(&caller.workspace, &query)
        })
        .await?;
        Ok(QueryTrendResponse { series: series.into_iter().map(to_wire).collect() })
    }

    fn read_trend(&self, workspace: &Workspace, message: &QueryTrendRequest) -> Result<TrendQuery> {
        let mut fields = Fields::default();
        let (from, to) = fields.range(message.from.as_ref(), message.to.as_ref(), self.clock.now());
        let measure = measure(&mut fields, message.measure);
        if matches!(measure, Measure::Sum | Measure::Average) && message.property.is_empty() {
            fields.refuse("property", "name the property whose numbers count");
        }
        let query = TrendQuery {
            event: message.event.clone(),
            filter: fields.filter("filter", &message.filter),
            measure,
            property: format!(
                "properties.{}",
                message.property.strip_prefix("properties.").unwrap_or(&message.property)
            ),
            interval: interval(&mut fields, message.interval),
            breakdown: fields.breakdown(&message.breakdown),
            from,
            to,
            zone: self.workspaces.zone(workspace).clone(),
        };
        fields.finish().map(|()| query)
    }
}

fn measure(fields: &mut Fields, number: i32) -> Measure {
    use analytics::Measure as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified | Wire::Count) => Measure::Count,
        Ok(Wire::Unique) => Measure::Unique,
        Ok(Wire::Sum) => Measure::Sum,
        Ok(Wire::Average) => Measure::Average,
        Ok(Wire::CustomerDays) => Measure::CustomerDays,
        Err(_) => {
            fields.refuse("measure", format!("{number} is not a measure"));
            Measure::Count
        }
    }
}

fn interval(fields: &mut Fields, number: i32) -> Interval {
    use analytics::Interval as Wire;
    match Wire::try_from(number) {
        Ok(Wire::Unspecified) => Interval::Whole,
        Ok(Wire::Hour) => Interval::Hour,
        Ok(Wire::Day) => Interval::Day,
        Ok(Wire::Week) => Interval::Week,
        Ok(Wire::Month) => Interval::Month,
        Err(_) => {
            fields.refuse("interval", format!("{number} is not an interval"));
            Interval::Whole
        }
    }
}

fn to_wire(series: Series) -> analytics::Series {
    let point = |(time, value): (Time, f64)| Point { time: Some(time.into()), value };
    analytics::Series {
        key: series.key,
        points: series.points.into_iter().map(point).collect(),
        total: series.total,
    }
}
