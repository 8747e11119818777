//! Two processes on one database: what one of them remembers, the other may change.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use bus::Stream;
use chassis::{Assembly, Layers};
use identity::Identity;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use store::{Database, Tenant};
use testkit::{Stack, Stage, event, start_time};
use tokio::time::{Instant, interval};
use wire::event::Event;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::list_merges_request::Customer as MergesOf;
use wire::identity::{
    GetCustomerRequest, ListConflictsRequest, ListMergesRequest, UndoMergeRequest, get_customer_request,
};

fn assembly() -> Assembly {
    Assembly::new(Layers::default()).with::<Identity>()
}

fn seen(id: &str, identifiers: &[&str]) -> Event {
    event(id, "page_viewed", start_time(), identifiers, serde_json::json!({}))
}

/// The process that has begun the last unit of work that was committed.
async fn writer(db: &Database) -> String {
    let query = Statement::from_string(DbBackend::Postgres, "SELECT replica FROM writer WHERE id = 1");
    let row = Tenant::Platform.scope(db.read().query_one_raw(query)).await.unwrap().unwrap();
    row.try_get("", "replica").unwrap()
}

/// That another process has written is also found by units of work that look at nobody: the next one that does must
/// hear of it all the same.
#[tokio::test]
async fn what_another_process_has_set_apart_is_not_linked_from_memory() {
    let stack = Stack::engines();
    // There is one partition: it is the first one's.
    let first = Stage::open_on(stack.clone(), assembly()).await.unwrap();
    let both = ["email=wang@x.cn", "phone=13800138000"];
    let raw = [seen("e1", &both[..1]), seen("e2", &both[1..]), seen("e3", &both)];
    first.append(Stream::Raw, 0, &raw).await.unwrap();
    first.settled().await;
    let events = first.events(Stream::Events).await.unwrap();
    let customer = |id: &str| events.iter().find(|event| event.id == id).unwrap().customer_id.clone();
    let (wang, other) = (customer("e1"), customer("e2"));
    assert_eq!(customer("e3"), wang);

    let second = Stage::open_on(stack, assembly()).await.unwrap();
    let mut client = IdentityServiceClient::new(second.client());
    let request =
        ListMergesRequest { customer: Some(MergesOf::CustomerId(other.clone())), ..Default::default() };
    let merges = client.list_merges(request).await.unwrap().into_inner().merges;
    client.undo_merge(UndoMergeRequest { merge_id: merges[0].merge_id.clone() }).await.unwrap();

    let db = first.database::<Identity>().await.unwrap();
    let before = writer(&db).await;
    // Repetitions: the first one passes them by and writes nothing but its position.
    first.append(Stream::Raw, 0, &raw).await.unwrap();
    let (begin, mut ticks) = (Instant::now(), interval(Duration::from_millis(10)));
    while writer(&db).await == before {
        assert!(begin.elapsed() < Duration::from_secs(20), "the position is not saved");
        ticks.tick().await;
    }
    let more = [seen("e4", &["phone=13800138000", "anonymous_id=a-1"]), seen("e5", &both)];
    first.append(Stream::Raw, 3, &more).await.unwrap();
    first.settled().await;

    let events = first.events(Stream::Events).await.unwrap();
    let visit = events.iter().find(|event| event.id == "e4").unwrap();
    assert_eq!(visit.customer_id, other);
    let request =
        GetCustomerRequest { customer: Some(get_customer_request::Customer::CustomerId(other.clone())) };
    let found = client.get_customer(request).await.unwrap().into_inner().customer.unwrap();
    assert_eq!(found.customer_id, other);
    let request = ListConflictsRequest { reason: "kept_apart".to_owned(), ..Default::default() };
    assert_eq!(client.list_conflicts(request).await.unwrap().into_inner().conflicts.len(), 1);
}
