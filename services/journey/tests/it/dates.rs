//! Birthdays.

use kernel::Time;
use serde_json::json;
use wire::journey as proto;
use wire::journey::entry::Trigger;

use crate::scene::{Scene, customer, exit, on, record, send};

fn birthday(at: &str, offset_days: i32) -> proto::Definition {
    let mut definition = on("", vec![("greet", send(&["mail"], "birthday", "end")), ("end", exit("done"))]);
    let date = proto::DateTrigger { attribute: "birthday".to_owned(), offset_days, at: at.to_owned() };
    definition.entry.as_mut().unwrap().trigger = Some(Trigger::Date(date));
    definition
}

async fn entered(scene: &Scene) -> Vec<(String, Time)> {
    let runs = scene.runs("birthday").await;
    runs.into_iter().map(|run| (run.customer_id, Time::from(run.entered_at.unwrap()))).collect()
}

fn time(text: &str) -> Time {
    Time::parse(text).unwrap()
}

#[tokio::test]
async fn customers_enter_every_year_on_their_day_also_those_who_were_there_before() {
    let mut scene = Scene::open().await;
    for (n, day) in [(1, "1990-11-22"), (2, "12-01"), (3, "生日"), (4, "1992-02-29")] {
        scene.world().attributes.insert(customer(n), json!({ "birthday": day }).as_object().unwrap().clone());
        scene.world().records.insert(customer(n), record(n));
    }
    scene.publish("birthday", birthday("09:00", 0)).await;
    scene.pass("1d").await;
    assert_eq!(entered(&scene).await, [(customer(1), time("2026-11-22T09:00:00+08:00"))]);
    assert!(scene.world().sent[0].cause_id.is_empty());
    // One changes the day, one takes it away, a new one comes.
    for (n, day) in [(2, json!("1991-12-24")), (1, json!(null)), (5, json!("2000-11-25"))] {
        scene
            .happen(
                "profile.updated",
                n,
                json!({ "attributes": { "birthday": day }, "priority": 0, "by": "x" }),
            )
            .await;
    }
    let scene = scene.reopen().await;
    scene.pass("101d").await;
    let expected = [
        (customer(1), time("2026-11-22T09:00:00+08:00")),
        (customer(5), time("2026-11-25T09:00:00+08:00")),
        (customer(2), time("2026-12-24T09:00:00+08:00")),
        (customer(4), time("2027-02-28T09:00:00+08:00")),
    ];
    assert_eq!(entered(&scene).await, expected);
    scene.pass("365d").await;
    let again: Vec<_> = entered(&scene).await.split_off(4);
    assert_eq!(again.last(), Some(&(customer(4), time("2028-02-29T09:00:00+08:00"))));
    assert_eq!(again.len(), 3);
    scene.audit("birthday").await;
}

#[tokio::test]
async fn profiles_too_large_for_one_answer_are_read_one_by_one_and_keep_nobody_waiting() {
    let scene = Scene::open().await;
    let large = |megabytes: usize| "大".repeat(megabytes * 350_000);
    for n in 1..=4 {
        let attributes = json!({ "birthday": "1990-11-22", "bio": large(9) });
        scene.world().attributes.insert(customer(n), attributes.as_object().unwrap().clone());
        scene.world().records.insert(customer(n), record(n));
    }
    scene.publish("birthday", birthday("09:00", 0)).await;
    scene.pass("1d").await;
    assert_eq!(entered(&scene).await.len(), 4);
    // One that fits into no answer: what comes after it is not read, and other journeys are.
    scene.world().attributes.get_mut(&customer(3)).unwrap().insert("bio".to_owned(), large(17).into());
    scene.publish("cut_short", birthday("09:00", 0)).await;
    scene.world().attributes.clear();
    scene.world().attributes.insert(customer(5), json!({ "birthday": "11-24" }).as_object().unwrap().clone());
    scene.world().records.insert(customer(5), record(5));
    scene.publish("later", birthday("10:00", 0)).await;
    scene.pass("2d").await;
    assert_eq!(scene.stats("later").await.entered, 1);
    scene.pass("365d").await;
    let runs = scene.runs("cut_short").await;
    let of = |n: u128| runs.iter().filter(|run| run.customer_id == customer(n)).count();
    assert_eq!([1, 2, 3, 4].map(of), [1, 1, 0, 0]);
}

#[tokio::test]
async fn offsets_pauses_and_merges_move_the_day() {
    let mut scene = Scene::open().await;
    scene.publish("birthday", birthday("20:00", -2)).await;
    for (n, day) in [(1, "12-01"), (2, "12-10")] {
        scene.happen("profile.updated", n, json!({ "attributes": { "birthday": day }, "by": "x" })).await;
        scene.pass("1s").await;
    }
    let ids = [customer(2)];
    let records: Vec<_> =
        [1, 2].map(|n| json!({ "record_id": record(n), "customer_id": customer(1) })).into();
    let merge = json!({ "survivor": customer(1), "merged": ids, "records": records });
    scene.happen("customer.merged", 1, merge).await;
    // The later statement is the survivor's day now.
    scene.pass("18d").await;
    assert_eq!(entered(&scene).await, [(customer(1), time("2026-12-08T20:00:00+08:00"))]);
    scene.client().pause_journey(proto::PauseJourneyRequest { key: "birthday".to_owned() }).await.unwrap();
    scene.pass("365d").await;
    scene.client().resume_journey(proto::ResumeJourneyRequest { key: "birthday".to_owned() }).await.unwrap();
    scene.pass("1d").await;
    assert_eq!(entered(&scene).await.len(), 1);
    scene.pass("365d").await;
    assert_eq!(entered(&scene).await.len(), 2);
}
