//! Events a second through the consumer, with many segments: `cargo bench -p segmentation`.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement")]

use std::time::Instant;

use bus::Stream;
use chassis::{Assembly, Layers};
use segmentation::Segmentation;
use serde_json::json;
use testkit::Stage;
use uuid::Uuid;
use wire::event::Event;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;
use wire::segmentation::{CreateSegmentRequest, Segment};

const CUSTOMERS: u128 = 2_000;
const EVENTS: u64 = 20_000;
const NAMES: [&str; 10] = [
    "page_viewed",
    "product_viewed",
    "cart_added",
    "order_completed",
    "message_replied",
    "content_shared",
    "form_submitted",
    "coupon_used",
    "search_done",
    "video_watched",
];

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for segments in [0, 100] {
        runtime.block_on(measure(segments));
    }
}

async fn measure(segments: usize) {
    let stage = Stage::open(Assembly::new(Layers::default()).with::<Segmentation>()).await.unwrap();
    let mut api = SegmentationServiceClient::new(stage.client());
    for n in 0..segments {
        let name = NAMES[n % NAMES.len()];
        let days = 1 + n % 30;
        let condition = match n % 4 {
            0 => format!(r#"events("{name}").within("{days}d").count() >= {}"#, 1 + n % 7),
            1 => format!(r#"events("{name}").within("{days}d").sum("total") > {}"#, 10 * n),
            2 => format!(r#"profile.city == "上海" && events("{name}").count() > {}"#, n % 9),
            _ => {
                format!(r#"events("{name}", e.properties.total > {}).within("{days}d").count() >= 2"#, n % 50)
            }
        };
        let segment = Segment { key: format!("s{n}"), condition, ..Segment::default() };
        api.create_segment(CreateSegmentRequest { segment: Some(segment) }).await.unwrap();
    }
    stage.settled().await;
    let events: Vec<Event> = (0..EVENTS).map(|n| event(&stage, n)).collect();
    stage.append(Stream::Events, 1, &events[..4_000]).await.unwrap();
    stage.settled().await;
    let begun = Instant::now();
    for (chunk, n) in events[4_000..].chunks(1_000).zip((4_001..).step_by(1_000)) {
        stage.append(Stream::Events, n, chunk).await.unwrap();
    }
    stage.settled().await;
    let seconds = begun.elapsed().as_secs_f64();
    let count = (EVENTS - 4_000) as f64;
    println!("{segments} segments: {:.0} events/s, {:.0} µs each", count / seconds, 1e6 * seconds / count);
}

fn event(stage: &Stage, n: u64) -> Event {
    let mut random = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    random ^= random >> 29;
    let person =
        Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | (u128::from(random) % CUSTOMERS));
    let name = NAMES[(random >> 13) as usize % NAMES.len()];
    let properties = json!({"total": random % 90, "category": "travel", "page": "首页"});
    let plain = testkit::event(&format!("e{n}"), name, stage.warp.now(), &[], properties);
    Event { customer_id: person.to_string(), record_id: person.to_string(), ..plain }
}
