//! Poison events: set aside with their reason while the others go on, and applied once when they are given again.

use store::dead_letter::Choice;
use testkit::letters;

use super::*;

#[tokio::test]
async fn one_poison_event_among_many_is_set_aside_and_the_others_hardly_wait() {
    const EVENTS: usize = 100_000;
    let bench = Bench { batch: 1_000, ..Bench::new() };
    let db = bench.database().await;
    let ids: Vec<String> = (0..EVENTS).map(|n| format!("{n:06}")).collect();
    let name = |id: &String| if id == "067890" { "poison" } else { "fact" };
    let events: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), name(id))).collect();
    bench.append(1, &events).await;
    let notes = Notes::default();
    let tries = notes.tries.clone();
    bench.run(&db, notes).await;
    let others: Vec<String> = ids.iter().filter(|id| name(id) == "fact").cloned().collect();
    assert_eq!(seen(&db).await, others);
    let set_aside = letters::all(&db).await.unwrap();
    let found: Vec<_> = set_aside.iter().map(|letter| (letter.reason.as_str(), letter.position)).collect();
    assert_eq!(found, [("INVALID_ARGUMENT", 67_890)]);
    assert!(set_aside[0].message.contains("is poison"), "{}", set_aside[0].message);
    // A hundred batches; two halves of one of them, of one of those, and so on until one event is left: 2 x log2 1,000.
    let tries = tries.load(Ordering::SeqCst);
    assert!(tries <= 100 + 20, "{tries} transactions for one poison event");
}

#[tokio::test]
async fn a_batch_of_poison_is_set_aside_event_by_event() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(1, &[("a", "poison"), ("b", "fact"), ("c", "poison"), ("d", "poison"), ("e", "fact")]).await;
    bench.run(&db, Notes::default()).await;
    assert_eq!(seen(&db).await, ["b", "e"]);
    assert_eq!(
        letters::all(&db).await.unwrap().iter().map(|letter| letter.position).collect::<Vec<_>>(),
        [0, 2, 3]
    );
}

#[tokio::test]
async fn what_was_set_aside_is_applied_once_when_it_is_given_again() {
    let bench = Bench::new();
    let db = bench.database().await;
    bench.append(1, &[("a", "x"), ("b", "poison"), ("c", "x"), ("d", "poison")]).await;
    let notes = Notes::default();
    let cured = notes.cured.clone();
    let running = bench.settled(&db, notes).await;
    assert_eq!(seen(&db).await, ["a", "c", "of a", "of c"]);

    // The cause is not mended: it stays, and is not tried for ever.
    assert_eq!(letters::give_again(&db, &Choice::default()).await.unwrap(), 2);
    letters::until(&db, "tried", |letters| letters.iter().all(|letter| !letter.redrive)).await.unwrap();
    assert_eq!(letters::all(&db).await.unwrap().len(), 2);
    assert_eq!(seen(&db).await, ["a", "c", "of a", "of c"]);

    cured.store(true, Ordering::SeqCst);
    let first = Choice { ids: vec![letters::all(&db).await.unwrap()[0].id], ..Choice::default() };
    assert_eq!(
        letters::give_again(&db, &Choice { workspace: Some("other".to_owned()), ..first.clone() })
            .await
            .unwrap(),
        0
    );
    assert_eq!(letters::give_again(&db, &first).await.unwrap(), 1);
    letters::until(&db, "taken", |letters| letters.len() == 1).await.unwrap();
    assert_eq!(
        letters::give_again(
            &db,
            &Choice { reason: Some("INVALID_ARGUMENT".to_owned()), ..Choice::default() }
        )
        .await
        .unwrap(),
        1
    );
    letters::until(&db, "taken", |letters| letters.is_empty()).await.unwrap();
    drop(running);
    bench.run(&db, Notes::default()).await;
    assert_eq!(seen(&db).await, ["a", "b", "c", "d", "of a", "of b", "of c", "of d"]);
}
