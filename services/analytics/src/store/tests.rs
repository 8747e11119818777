//! Transactions in doubt: what is registered once more, because nobody knew that it was, is still there once.

use bus::Record;
use bytes::Bytes;
use kernel::{Clock, Ids};
use prost::Message as _;
use sea_orm::ConnectionTrait as _;
use store::DatabaseConfig;
use wire::event::Event;

use super::*;
use crate::engine::{Engine, Options};

const CUSTOMER: &str = "0199aaaa-0000-7000-8000-000000000001";

async fn database(folder: &std::path::Path) -> Database {
    let url = format!("sqlite:{}", folder.join("analytics.db").display());
    let config = DatabaseConfig::new(url);
    Database::open("analytics", &config, migration::all, &Clock::system()).await.unwrap()
}

fn engine(folder: &std::path::Path) -> Engine {
    let options = Options {
        folder: folder.join("segments"),
        cache_bytes: 1 << 20,
        threads: 1,
        flush_rows: 1,
        segment_rows: 100,
        fan_in: 2,
        kept: std::time::Duration::ZERO,
    };
    Engine::open(options, Ids::new(Clock::system()), &Registered::default()).unwrap()
}

fn happen(engine: &Engine, position: u64) {
    let event = Event {
        id: format!("浏览{position}"),
        name: "product_viewed".to_owned(),
        record_id: CUSTOMER.to_owned(),
        customer_id: CUSTOMER.to_owned(),
        ..Event::default()
    };
    let encoded = event.encode_to_vec().into();
    engine.append(&Workspace::new("demo"), &event, (0, position), encoded).unwrap();
}

fn refused() -> (u32, Entry, Error) {
    let record = Record {
        workspace: Workspace::new("demo"),
        key: Bytes::new(),
        producer: "test".into(),
        sequence: 9,
        payload: Bytes::new(),
    };
    (0, Entry { position: 9, record }, Error::invalid("record_id", "missing"))
}

async fn dead_letters(db: &Database) -> usize {
    let all = sea_orm::Statement::from_string(
        db.read().get_database_backend(),
        "select position from dead_letter".to_owned(),
    );
    db.read().query_all_raw(all).await.unwrap().len()
}

#[tokio::test]
async fn the_same_flush_and_the_same_compaction_change_nothing_the_second_time() {
    let folder = tempfile::tempdir().unwrap();
    let (db, engine) = (database(folder.path()).await, engine(folder.path()));
    let mut read = Read { positions: vec![Position::default()], ..Read::default() };
    for position in 0..2 {
        happen(&engine, position);
        read.positions[0].next = position + 1;
        read.refused = vec![refused()];
        let flush = engine.prepare().unwrap();
        for _ in 0..2 {
            register_flush(&db, &flush, &read).await.unwrap();
        }
        engine.install(&flush);
        read.positions[0].note_kept();
    }
    let (registered, at) = glance(&db, 1).await.unwrap();
    assert_eq!(at, read.positions);
    assert_eq!((registered.segments.len(), dead_letters(&db).await), (2, 2));
    let compacted = engine.compact(&engine.plan_compaction().unwrap()).unwrap();
    for _ in 0..2 {
        register_compacted(&db, &compacted).await.unwrap();
    }
    assert_eq!(load(&db, 1).await.unwrap().0.segments, [compacted.added().clone()]);
    assert_eq!(places(db.read(), 1).await.unwrap(), read.positions);
}
