//! How many events a second are resolved; printed, not judged.

use std::time::{Duration, Instant};

use bus::Stream;
use chassis::{Assembly, Layers};
use identity::Identity;
use testkit::{Stage, event, start_time};

#[tokio::test]
async fn known_people_are_resolved_from_memory() {
    const EVENTS: u64 = 4_000;
    let stage = Stage::open(Assembly::new(Layers::default()).with::<Identity>()).await.unwrap();
    for (round, name) in ["cold", "warm", "warm again"].into_iter().enumerate() {
        let round = u64::try_from(round).unwrap();
        let events: Vec<_> = (0..EVENTS)
            .map(|n| {
                let time = start_time().plus(Duration::from_millis(round * EVENTS + n));
                let (anonymous, user) =
                    (format!("anonymous_id=a-{}", n % 1_000), format!("user_id=u-{}", n % 1_000));
                event(
                    &format!("e{round}-{n}"),
                    "page_viewed",
                    time,
                    &[&anonymous, &user],
                    serde_json::json!({"n": n}),
                )
            })
            .collect();
        let began = Instant::now();
        stage.append(Stream::Raw, round * EVENTS, &events).await.unwrap();
        stage.settled().await;
        let seconds = began.elapsed().as_secs_f64();
        println!("{name}: {:.0} events/s through raw, identity and events", EVENTS as f64 / seconds);
    }
    let events = stage.events(Stream::Events).await.unwrap();
    assert_eq!(events.iter().filter(|event| event.name == "page_viewed").count(), 3 * 4_000);
    assert_eq!(events.iter().filter(|event| event.name == "customer.created").count(), 1_000);
}
