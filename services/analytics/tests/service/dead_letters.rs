//! What the service cannot take: set aside with its reason, and taken once when an operator gives it again.

use bus::Record;
use kernel::Workspace;
use prost::Message as _;
use sea_orm::{ActiveModelTrait as _, IntoActiveModel as _, Set};
use store::dead_letter::{self, Act, Choice, row::Model as Letter};
use store::{Database, Tenant};

use super::*;

/// A flush every second event.
const SMALL: [&str; 2] = ["analytics.flush_rows=2", "analytics.batch=1"];

async fn letters(db: &Database) -> Vec<Letter> {
    let all = Choice::default();
    Tenant::Platform.scope(dead_letter::list(db.read(), &all, 0, 100)).await.unwrap()
}

/// As `guanxi dead-letters analytics --redrive` does beside the process.
async fn give_again(db: &Database) -> usize {
    let work = async {
        let mut unit = db.begin().await.unwrap();
        let asked = dead_letter::act(&mut unit, Act::Redrive, &Choice::default(), "王芳").await.unwrap();
        unit.commit().await.unwrap();
        asked
    };
    Tenant::Platform.scope(work).await
}

/// As if a later release understood what this one cannot.
async fn mend(db: &Database, letter: Letter, event: &Event) {
    let work = async {
        let unit = db.begin().await.unwrap();
        let mut row = letter.into_active_model();
        row.payload = Set(event.encode_to_vec());
        row.update(unit.db()).await.unwrap();
        unit.commit().await.unwrap();
    };
    Tenant::Platform.scope(work).await;
}

async fn until(db: &Database, what: &str, reached: impl Fn(&[Letter]) -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let wait = async {
        while !reached(&letters(db).await) {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(30), wait).await.is_ok(), "never {what}");
}

async fn append_garbage(stage: &Stage, sequence: u64) {
    let record = Record {
        workspace: Workspace::new("demo"),
        key: "k".into(),
        producer: "test".into(),
        sequence,
        payload: vec![0xFF; 3].into(),
    };
    stage.running.log.append(Stream::Events, vec![record]).await.unwrap();
}

#[tokio::test]
async fn what_was_set_aside_counts_once_when_it_is_given_again() {
    let stage = Stage::open(assembly(&SMALL)).await.unwrap();
    let db = stage.database::<Analytics>().await.unwrap();
    let nobody = |hours| Event { record_id: String::new(), ..event(1, "product_viewed", hours, json!({})) };
    play(&stage, 1, &[nobody(1), event(1, "product_viewed", 2, json!({})), nobody(3)]).await;
    play(&stage, 4, &[event(1, "product_viewed", 4, json!({}))]).await;
    until(&db, "set aside", |letters| letters.len() == 2).await;
    assert_eq!(count(&stage).await, 2.0);

    // The cause is not mended: they stay, and are not tried for ever.
    assert_eq!(give_again(&db).await, 2);
    until(&db, "tried", |letters| letters.iter().all(|letter| !letter.redrive)).await;
    assert_eq!((letters(&db).await.len(), count(&stage).await), (2, 2.0));

    let first = letters(&db).await.remove(0);
    mend(&db, first, &event(1, "product_viewed", 1, json!({}))).await;
    assert_eq!(give_again(&db).await, 2);
    // Nothing else is read meanwhile: the place in the log is the same as at the last flush.
    until(&db, "taken", |letters| letters.len() == 1 && !letters[0].redrive).await;
    assert_eq!(count(&stage).await, 3.0);
    let stage = stage.reopen(assembly(&SMALL)).await.unwrap();
    stage.settled().await;
    assert_eq!(count(&stage).await, 3.0);
}

#[tokio::test]
async fn what_cannot_be_read_at_all_is_set_aside_too() {
    let stage = Stage::open(assembly(&SMALL)).await.unwrap();
    let db = stage.database::<Analytics>().await.unwrap();
    append_garbage(&stage, 1).await;
    play(&stage, 2, &[1, 2].map(|hours| event(1, "product_viewed", hours, json!({})))).await;
    until(&db, "set aside", |letters| !letters.is_empty()).await;
    let kept = letters(&db).await.remove(0);
    assert_eq!((kept.reason.as_str(), kept.payload), ("UNREADABLE_EVENT", vec![0xFF; 3]));
    assert_eq!(count(&stage).await, 2.0);
}
