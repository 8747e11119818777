//! Crashes between writing and registering, many properties, and workspaces apart.

use bytes::Bytes;

use super::*;
use crate::engine::layout::MAX_PATHS;

fn event(who: u128, hours: i64, fields: impl IntoIterator<Item = (String, f64)>) -> Event {
    let fields =
        fields.into_iter().map(|(key, n)| (key, Value { kind: Some(Kind::NumberValue(n)) })).collect();
    Event {
        id: format!("{who}-{hours}"),
        name: "order_completed".to_owned(),
        time: Some(Time(START + hours * HOUR).into()),
        received_at: Some(Time(START + hours * HOUR).into()),
        customer_id: customer(who).to_string(),
        record_id: record(who).to_string(),
        properties: Some(Struct { fields }),
        ..Event::default()
    }
}

fn sum(path: &str) -> TrendQuery {
    TrendQuery {
        event: "order_completed".to_owned(),
        filter: None,
        measure: Measure::Sum,
        property: path.to_owned(),
        interval: Interval::Whole,
        breakdown: None,
        from: Time(START),
        to: Time(START + 1_000 * HOUR),
        zone: TimeZone::UTC,
    }
}

#[test]
fn a_segment_that_was_not_registered_counts_for_nothing() {
    let mut rig = Rig::new();
    rig.happen(&Happening::Event(Box::new(event(1, 1, [("total".to_owned(), 5.0)]))));
    // Written, and then the process dies before the transaction.
    let lost = rig.engine.prepare().unwrap();
    assert_eq!((lost.segments().count(), rig.files()), (1, 1));
    rig.restart();
    assert_eq!(rig.files(), 0);
    assert_eq!(rig.engine.trend(&workspace(), &sum("properties.total")).unwrap()[0].total, 5.0);
    rig.flush();
    rig.restart();
    assert_eq!(rig.engine.trend(&workspace(), &sum("properties.total")).unwrap()[0].total, 5.0);
    let names: Vec<_> = rig.registered.segments.iter().map(|meta| meta.file.clone()).collect();
    std::fs::remove_file(rig.folder.path().join(&names[0])).unwrap();
    let refused = Files::found(rig.folder.path()).unwrap().check(&rig.registered.segments).unwrap_err();
    assert!(refused.message.contains(&names[0]));
}

#[test]
fn what_was_registered_is_not_registered_again_though_its_file_is_out_of_reach_for_a_while() {
    let mut rig = Rig::new();
    rig.happen(&Happening::Event(Box::new(event(1, 1, [("total".to_owned(), 5.0)]))));
    let flush = rig.engine.prepare().unwrap();
    rig.register(&flush);
    // The disk fails at the worst moment: behind the transaction.
    let file = rig.folder.path().join(&rig.registered.segments[0].file);
    let away = rig.folder.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    rig.engine.install(&flush);
    rig.since.clear();
    assert_eq!(rig.engine.unflushed(), 0);
    std::fs::rename(&away, &file).unwrap();
    rig.flush();
    for _ in 0..2 {
        assert_eq!(rig.engine.trend(&workspace(), &sum("properties.total")).unwrap()[0].total, 5.0);
        rig.restart();
    }
}

#[test]
fn a_flush_that_cannot_be_written_changes_nothing() {
    let mut rig = Rig::new();
    rig.happen(&Happening::Event(Box::new(event(1, 1, [("total".to_owned(), 5.0)]))));
    let away = rig.folder.path().with_extension("away");
    std::fs::rename(rig.folder.path(), &away).unwrap();
    assert!(rig.engine.prepare().is_err());
    std::fs::rename(&away, rig.folder.path()).unwrap();
    assert_eq!((rig.engine.unflushed(), rig.files()), (1, 0));
    rig.flush();
    assert_eq!(rig.engine.trend(&workspace(), &sum("properties.total")).unwrap()[0].total, 5.0);
}

#[test]
fn properties_beyond_the_columns_are_found_all_the_same() {
    let mut rig = Rig::new();
    let many = || (0..MAX_PATHS + 50).map(|n| (format!("p{n:03}"), n as f64));
    rig.happen(&Happening::Event(Box::new(event(1, 1, many()))));
    rig.happen(&Happening::Event(Box::new(event(2, 2, [("p000".to_owned(), 7.0)]))));
    rig.flush();
    rig.happen(&Happening::Event(Box::new(event(1, 3, [("p249".to_owned(), 1.0)]))));
    rig.flush();
    for _ in 0..2 {
        for (path, total) in [("properties.p000", 7.0), ("properties.p249", 250.0), ("properties.none", 0.0)]
        {
            assert_eq!(rig.engine.trend(&workspace(), &sum(path)).unwrap()[0].total, total, "{path}");
        }
        rig.compact();
    }
    assert_eq!(rig.registered.segments.len(), 1);
}

#[test]
fn workspaces_do_not_see_each_other() {
    let mut rig = Rig::new();
    rig.happen(&Happening::Event(Box::new(event(1, 1, [("total".to_owned(), 5.0)]))));
    let other = Workspace::new("other");
    let theirs = event(1, 1, [("total".to_owned(), 9.0)]);
    rig.engine.append(&other, &theirs, (0, 7), theirs.encode_to_vec().into()).unwrap();
    for _ in 0..2 {
        let total =
            |workspace: &Workspace| rig.engine.trend(workspace, &sum("properties.total")).unwrap()[0].total;
        assert_eq!((total(&workspace()), total(&other), total(&Workspace::new("none"))), (5.0, 9.0, 0.0));
        rig.flush();
    }
    assert_eq!(rig.engine.unflushed(), 0);
    let bad = Event { record_id: "不是".to_owned(), ..theirs };
    assert!(rig.engine.append(&other, &bad, (0, 8), Bytes::new()).is_err());
}
