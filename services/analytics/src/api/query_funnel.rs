//! How far customers came through a series of steps.

use chassis::Caller;
use kernel::{Result, Time};
use wire::analytics::query_funnel_response::Group;
use wire::analytics::{FunnelOrder, FunnelStepResult, QueryFunnelRequest, QueryFunnelResponse};

use super::Api;
use super::fields::Fields;
use crate::domain::funnel::{MAX_STEPS, Order, Step};
use crate::engine::query::Filter;
use crate::engine::query::funnel::FunnelQuery;
use crate::reader::blocking;

impl Api {
    pub(super) async fn do_query_funnel(
        &self,
        caller: Caller,
        message: QueryFunnelRequest,
    ) -> Result<QueryFunnelResponse> {
        let query = self.read_funnel(&message)?;
        let place = self.place().await?;
        let opened = self.current.get().await?;
        let funnel = blocking(&opened.engine, move |engine| {
            let _held = place;
            engine.funnel(&caller.workspace, &query)
        })
        .await?;
        let names: Vec<&str> = message.steps.iter().map(|step| step.event.as_str()).collect();
        let group = |(key, steps)| Group { key, steps: to_wire(&names, steps) };
        Ok(QueryFunnelResponse {
            groups: funnel.groups.into_iter().map(group).collect(),
            steps: to_wire(&names, funnel.steps),
        })
    }

    fn read_funnel(&self, message: &QueryFunnelRequest) -> Result<FunnelQuery> {
        let mut fields = Fields::default();
        let as_of = message.as_of.as_ref().map(Time::from);
        let now = as_of.unwrap_or_else(|| self.clock.now());
        let (from, to) = fields.range(message.from.as_ref(), message.to.as_ref(), now);
        let window = message.window.as_ref().map_or(0, micros);
        if window <= 0 {
            fields
                .refuse("window", "is required and must be longer than nothing, such as 604800s for a week");
        }
        let query = FunnelQuery {
            steps: steps(&mut fields, message),
            window,
            order: order(&mut fields, message.order),
            breakdown: fields.breakdown(&message.breakdown),
            from,
            to,
            as_of,
            now,
        };
        fields.finish().map(|()| query)
    }
}

fn steps(fields: &mut Fields, message: &QueryFunnelRequest) -> Vec<(String, Option<Filter>)> {
    if message.steps.is_empty() || message.steps.len() > MAX_STEPS {
        fields.refuse("steps", format!("must be 1 to {MAX_STEPS}"));
    }
    let mut steps = Vec::new();
    for (at, step) in message.steps.iter().enumerate() {
        if step.event.is_empty() {
            fields.refuse(format!("steps[{at}].event"), "name an event");
        }
        steps.push((step.event.clone(), fields.filter(&format!("steps[{at}].filter"), &step.filter)));
    }
    steps
}

fn order(fields: &mut Fields, number: i32) -> Order {
    match FunnelOrder::try_from(number) {
        Ok(FunnelOrder::Unspecified | FunnelOrder::Ordered) => Order::Ordered,
        Ok(FunnelOrder::Strict) => Order::Strict,
        Ok(FunnelOrder::Any) => Order::Any,
        Err(_) => {
            fields.refuse("order", format!("{number} is not an order"));
            Order::Ordered
        }
    }
}

fn to_wire(names: &[&str], steps: Vec<Step>) -> Vec<FunnelStepResult> {
    let result = |(name, step): (&&str, Step)| FunnelStepResult {
        event: (*name).to_owned(),
        customers: i64::try_from(step.customers).unwrap_or(i64::MAX),
        conversion: step.conversion,
        median_time: step.median.map(duration),
        immature: i64::try_from(step.immature).unwrap_or(i64::MAX),
    };
    names.iter().zip(steps).map(result).collect()
}

fn micros(duration: &prost_types::Duration) -> i64 {
    duration.seconds.saturating_mul(1_000_000).saturating_add(i64::from(duration.nanos / 1_000))
}

fn duration(micros: i64) -> prost_types::Duration {
    let nanos = i32::try_from(micros.rem_euclid(1_000_000)).unwrap_or(0) * 1_000;
    prost_types::Duration { seconds: micros.div_euclid(1_000_000), nanos }
}
