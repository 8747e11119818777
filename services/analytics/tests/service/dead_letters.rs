//! What the service cannot take: set aside with its reason, and taken once when an operator gives it again.

use bus::Record;
use kernel::Workspace;
use prost::Message as _;
use sea_orm::{ActiveModelTrait as _, IntoActiveModel as _, Set};
use store::dead_letter::{Choice, row::Model as Letter};
use store::{Database, Tenant};
use testkit::letters;

use super::*;

/// A flush every second event.
const SMALL: [&str; 2] = ["analytics.flush_rows=2", "analytics.batch=1"];

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
    letters::until(&db, "set aside", |letters| letters.len() == 2).await.unwrap();
    assert_eq!(count(&stage).await, 2.0);

    // The cause is not mended: they stay, and are not tried for ever.
    assert_eq!(letters::give_again(&db, &Choice::default()).await.unwrap(), 2);
    letters::until(&db, "tried", |letters| letters.iter().all(|letter| !letter.redrive)).await.unwrap();
    assert_eq!((letters::all(&db).await.unwrap().len(), count(&stage).await), (2, 2.0));

    let first = letters::all(&db).await.unwrap().remove(0);
    mend(&db, first, &event(1, "product_viewed", 1, json!({}))).await;
    assert_eq!(letters::give_again(&db, &Choice::default()).await.unwrap(), 2);
    // Nothing else is read meanwhile: the place in the log is the same as at the last flush.
    letters::until(&db, "taken", |letters| letters.len() == 1 && !letters[0].redrive).await.unwrap();
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
    letters::until(&db, "set aside", |letters| !letters.is_empty()).await.unwrap();
    let kept = letters::all(&db).await.unwrap().remove(0);
    assert_eq!((kept.reason.as_str(), kept.payload), ("UNREADABLE_EVENT", vec![0xFF; 3]));
    assert_eq!(count(&stage).await, 2.0);
}
