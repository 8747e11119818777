//! Several processes share work by leases, and who has lost one writes nothing.

use super::*;

/// Several processes have the work evenly; what one leaves, the others take at once.
#[tokio::test]
async fn leases_are_shared_and_taken_over() {
    let (config, _db) = migrated().await;
    let names: Vec<String> = (0..4).map(|n| format!("events {n}")).collect();
    let member = async || {
        let db = open(&config, now).await.unwrap();
        let leases = Leases::new(&db);
        names.iter().for_each(|name| leases.want(name));
        let mut running = JoinSet::new();
        running.spawn(leases.clone().run());
        (leases, running)
    };
    let (first, _running) = member().await;
    until(|| first.count() == (4, 4)).await;
    let (second, second_runs) = member().await;
    until(|| first.count().0 == 2 && second.count().0 == 2).await;
    let both = names.iter().filter(|name| first.held(name).is_some() && second.held(name).is_some()).count();
    assert_eq!(both, 0);
    let fences: Vec<i64> = names.iter().filter_map(|name| second.held(name)).map(|held| held.fence).collect();
    let begin = std::time::Instant::now();
    drop(second_runs);
    until(|| first.count().0 == 4).await;
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "it need not wait for the end of a lease: {:?}",
        begin.elapsed()
    );
    let taken: Vec<i64> = names.iter().filter_map(|name| first.held(name)).map(|held| held.fence).collect();
    assert!(taken.iter().max() > fences.iter().max(), "{taken:?} {fences:?}");
}

/// What there is to share may grow: a channel that is made later has work of its own.
#[tokio::test]
async fn work_that_comes_later_is_shared_too() {
    let (_config, db) = migrated().await;
    let leases = Leases::new(&db);
    leases.want("job first");
    let mut running = JoinSet::new();
    running.spawn(leases.clone().run());
    leases.acquired("job first").await;
    leases.want("job later");
    tokio::time::timeout(Duration::from_secs(30), leases.acquired("job later")).await.expect("nobody has it");
}

/// Whoever has lost its lease, and does not know it yet, writes nothing; whoever writes is not overtaken meanwhile.
#[tokio::test]
async fn a_lost_lease_writes_nothing() {
    let (config, db) = migrated().await;
    let leases = Leases::new(&db);
    leases.want("events 0");
    let mut running = JoinSet::new();
    running.spawn(leases.clone().run());
    let held = leases.acquired("events 0").await;
    drop(running);

    let other = open(&config, now).await.unwrap();
    let unit = held.clone().scope(db.begin()).await.unwrap();
    let others = Leases::new(&other);
    others.want("events 0");
    let mut running = JoinSet::new();
    running.spawn(others.clone().run());
    tokio::time::timeout(Duration::from_millis(1_500), others.acquired("events 0"))
        .await
        .expect_err("taken in the midst of a unit of work");
    unit.commit().await.unwrap();
    let newer = others.acquired("events 0").await;
    assert!(newer.fence > held.fence);

    let error = held.scope(db.begin()).await.unwrap_err();
    assert_eq!((error.kind, error.reason), (Kind::Unavailable, "LEASE_LOST"));
    newer.scope(other.begin()).await.unwrap().roll_back().await.unwrap();
}
