//! What is remembered, on a log whose positions have gaps as those of JetStream have.

use std::sync::atomic::{AtomicUsize, Ordering};

use bus::{Entry, Record};
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, pending, ready};
use kernel::Workspace;
use prost::Message as _;
use wire::event::Event;

use super::*;

/// Positions of a message, of which its records take the last.
const MESSAGE: u64 = 16;
/// So far apart are the numbers before and after a stream has been numbered anew.
const ANEW: u64 = MESSAGE << 20;

/// Holds what it was made with.
#[derive(Debug, Default)]
struct Shelf {
    events: BTreeMap<u64, Event>,
    entries_read: AtomicUsize,
}

impl Shelf {
    fn of(events: impl IntoIterator<Item = (u64, String)>) -> Arc<Self> {
        let events = events.into_iter().map(|(position, id)| (position, event(&id))).collect();
        Arc::new(Self { events, entries_read: AtomicUsize::new(0) })
    }
}

impl Log for Shelf {
    fn partitions(&self) -> u32 {
        1
    }

    fn append(&self, _stream: Stream, _records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
        ready(Ok(())).boxed()
    }

    fn read(&self, _: Stream, _: u32, from: u64, max: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
        let record = |event: &Event| Record {
            workspace: Workspace::new("demo"),
            key: Bytes::new(),
            producer: "ingest".into(),
            sequence: 0,
            payload: event.encode_to_vec().into(),
        };
        let found = self.events.range(from..).take(max);
        let entries: Vec<Entry> =
            found.map(|(position, event)| Entry { position: *position, record: record(event) }).collect();
        self.entries_read.fetch_add(entries.len(), Ordering::SeqCst);
        ready(Ok(entries)).boxed()
    }

    fn end(&self, _stream: Stream, _partition: u32) -> u64 {
        self.events.last_key_value().map_or(0, |(last, _)| last + 1)
    }

    fn distance(&self, from: u64, to: u64) -> u64 {
        (to / MESSAGE).saturating_sub(from / MESSAGE)
    }

    fn back(&self, position: u64, distance: u64) -> u64 {
        (position / MESSAGE).saturating_sub(distance) * MESSAGE
    }

    fn start(&self, _stream: Stream, _partition: u32) -> u64 {
        0
    }

    fn wait(&self, _stream: Stream, _partition: u32, _position: u64) -> BoxFuture<'_, ()> {
        pending().boxed()
    }
}

fn event(id: &str) -> Event {
    Event { id: id.to_owned(), name: "page_viewed".to_owned(), ..Event::default() }
}

/// These, as they stand on the log.
fn batch(events: &[(u64, &str)]) -> Vec<Delivery> {
    let delivery = |(position, id): &(u64, &str)| Delivery {
        workspace: Workspace::new("demo"),
        event: event(id),
        payload: Bytes::new(),
        partition: 0,
        position: *position,
    };
    events.iter().map(delivery).collect()
}

/// The places of those of a batch that count; its unit of work is open then.
async fn counted(repeats: &Repeats, events: &[(u64, &str)]) -> Vec<u64> {
    let batch = batch(events);
    repeats.prepare(&batch).await.unwrap();
    repeats.leave_out(&batch).iter().map(|delivery| delivery.position).collect()
}

#[tokio::test]
async fn what_was_not_committed_counts_also_where_it_stands_after_a_renumbering() {
    let repeats = Repeats::new(Shelf::of([]));
    assert_eq!(counted(&repeats, &[(15, "e1"), (31, "e2")]).await, [15, 31]);
    repeats.keep();
    assert_eq!(counted(&repeats, &[(47, "e3"), (63, "e4")]).await, [47, 63]);
    repeats.forget();
    // The server has lost its newest records: what is left of them stands elsewhere.
    assert_eq!(counted(&repeats, &[(ANEW + 47, "e3"), (ANEW + 63, "e1")]).await, [ANEW + 47]);
    repeats.keep();
    assert_eq!(counted(&repeats, &[(ANEW + 79, "e3"), (ANEW + 95, "e4")]).await, [ANEW + 95]);
}

#[tokio::test]
async fn what_was_set_aside_is_known_from_the_log_and_counts_when_it_comes_again() {
    let repeats = Repeats::new(Shelf::of([(15, "e1".to_owned()), (31, "e1".to_owned())]));
    assert_eq!(counted(&repeats, &[(15, "e1")]).await, [15]);
    repeats.forget();
    // The consumer has set it aside without us, and goes on behind it.
    assert_eq!(counted(&repeats, &[(31, "e1")]).await, [] as [u64; 0]);
    repeats.keep();
    assert_eq!(counted(&repeats, &[(15, "e1")]).await, [15], "as an operator asks");
}

#[tokio::test]
async fn a_batch_that_fails_again_and_again_pushes_nothing_out() {
    let repeats = Repeats { keys: 4, ..Repeats::new(Shelf::of([])) };
    assert_eq!(counted(&repeats, &[(15, "e1"), (31, "e2")]).await, [15, 31]);
    repeats.keep();
    for _ in 0..3 {
        assert_eq!(counted(&repeats, &[(47, "e3"), (63, "e4"), (79, "e5")]).await, [47, 63, 79]);
        repeats.forget();
    }
    assert_eq!(counted(&repeats, &[(47, "e1"), (63, "e4"), (79, "e5")]).await, [63, 79]);
    repeats.keep();
    assert_eq!(counted(&repeats, &[(95, "e6"), (111, "e2"), (127, "e1")]).await, [95], "four of them fit");
    repeats.keep();
    assert_eq!(counted(&repeats, &[(143, "e1")]).await, [143], "and five do not");
}

#[tokio::test]
async fn who_takes_over_learns_from_the_end_until_enough_is_known() {
    let dense = 10 * MESSAGE * STEP;
    let shelf = Shelf::of((0..dense).map(|position| (position, format!("e{position}"))));
    let repeats = Repeats { keys: 1_000, ..Repeats::new(shelf.clone()) };
    let [last, old] = [dense - 1, dense - 1_500].map(|known| format!("e{known}"));
    assert_eq!(counted(&repeats, &[(dense, &last), (dense + 1, &old)]).await, [dense + 1]);
    repeats.keep();
    // Two steps, and what the last reading of each has too much.
    let read = shelf.entries_read.load(Ordering::SeqCst);
    assert!(read < 4 * READ, "{read} read");
    assert_eq!(repeats.known().partitions[&0].order.len(), 1_000);
}

#[tokio::test]
async fn a_log_that_cannot_be_read_is_no_fault_of_the_batch() {
    /// Says so.
    #[derive(Debug)]
    struct Damaged;
    impl Log for Damaged {
        fn partitions(&self) -> u32 {
            1
        }
        fn append(&self, _stream: Stream, _records: Vec<Record>) -> BoxFuture<'_, Result<()>> {
            ready(Ok(())).boxed()
        }
        fn read(&self, _: Stream, _: u32, _: u64, _: usize) -> BoxFuture<'_, Result<Vec<Entry>>> {
            ready(Err(Error::internal("what was kept is damaged"))).boxed()
        }
        fn end(&self, _stream: Stream, _partition: u32) -> u64 {
            0
        }
        fn start(&self, _stream: Stream, _partition: u32) -> u64 {
            0
        }
        fn wait(&self, _stream: Stream, _partition: u32, _position: u64) -> BoxFuture<'_, ()> {
            pending().boxed()
        }
    }
    let repeats = Repeats::new(Arc::new(Damaged));
    let refused = repeats.prepare(&batch(&[(15, "e1")])).await.unwrap_err();
    assert!(refused.kind.retryable() && refused.message.contains("damaged"), "{refused}");
}
