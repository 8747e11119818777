//! The disk takes nothing for a while: the service stops reading, and everything counts once when it is over.

use super::*;

/// A flush is due behind the second batch.
const SMALL: [&str; 3] = ["analytics.flush_rows=5", "analytics.batch=4", "analytics.fan_in=2"];
/// What memory holds at the most: a batch less than what calls for a flush, and a batch.
const BOUND: f64 = 8.0;
/// So long the service has for reading more than it should; it tries again every 200 ms.
const WATCHED: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn what_cannot_be_flushed_keeps_the_service_from_reading_more() {
    let stage = Stage::open(assembly(&SMALL)).await.unwrap();
    stage.settled().await;
    // A file in the folder's place: whoever writes, root too, is refused.
    let folder = stage.folder().join("analytics");
    let away = stage.folder().join("away");
    std::fs::rename(&folder, &away).unwrap();
    std::fs::write(&folder, "").unwrap();
    let events: Vec<_> = (0..60).map(|n| event(1, "product_viewed", n, json!({}))).collect();
    stage.append(Stream::Events, 1, &events).await.unwrap();
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    let begins = async {
        while count(&stage).await == 0.0 {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begins).await.expect("it reads");
    let too_much = async {
        while count(&stage).await <= BOUND {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(WATCHED, too_much).await.expect_err("it reads on while nothing can be flushed");
    std::fs::remove_file(&folder).unwrap();
    std::fs::rename(&away, &folder).unwrap();
    stage.settled().await;
    assert_eq!(count(&stage).await, 60.0);
    let stage = stage.reopen(assembly(&SMALL)).await.unwrap();
    stage.settled().await;
    assert_eq!(count(&stage).await, 60.0);
}
