//! The way of an event: in on the raw stream, out with its customer, behind the facts it caused.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use bus::Stream;
use chassis::{Assembly, Layers, fact};
use identity::Identity;
use testkit::{Stage, event, start_time};
use wire::event::Event;
use wire::identity::ListConflictsRequest;
use wire::identity::identity_service_client::IdentityServiceClient;

fn assembly() -> Assembly {
    Assembly::new(Layers::default()).with::<Identity>()
}

fn seen(id: &str, after: u64, identifiers: &[&str]) -> Event {
    let time = start_time().plus(Duration::from_secs(after));
    event(id, "page_viewed", time, identifiers, serde_json::json!({"path": "/春季新品"}))
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.name.as_str()).collect()
}

fn by_id<'a>(events: &'a [Event], id: &str) -> &'a Event {
    events.iter().find(|event| event.id == id).unwrap()
}

#[tokio::test]
async fn a_browser_that_gives_its_email_stays_one_customer() {
    let stage = Stage::open(assembly()).await.unwrap();
    let raw = [
        seen("e1", 0, &["anonymous_id=a-1"]),
        seen("e2", 1, &["anonymous_id=a-1"]),
        seen("e3", 2, &["anonymous_id=a-1", "email=Li.Lei@Example.cn "]),
        seen("e4", 3, &["email=li.lei@example.cn"]),
    ];
    stage.append(Stream::Raw, 0, &raw).await.unwrap();
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    assert_eq!(
        names(&events),
        ["customer.created", "page_viewed", "page_viewed", "page_viewed", "page_viewed"]
    );
    assert!(events.iter().all(|event| event.customer_id == events[0].customer_id), "{events:?}");
    assert_eq!(events[0].cause_id, "e1");
    assert_eq!(by_id(&events, "e1").record_id, by_id(&events, "e2").record_id);
    // Its strongest identifier decides: the e-mail's record.
    assert_eq!(by_id(&events, "e3").record_id, by_id(&events, "e4").record_id);
    assert_ne!(by_id(&events, "e1").record_id, by_id(&events, "e3").record_id);
    assert_eq!(by_id(&events, "e1").properties, raw[0].properties);
}

#[tokio::test]
async fn two_customers_that_turn_out_to_be_one_are_told_once_per_side() {
    let stage = Stage::open(assembly()).await.unwrap();
    let raw = [
        seen("e1", 0, &["anonymous_id=a-1"]),
        seen("e2", 1, &["phone=138 0013 8000"]),
        seen("e3", 2, &["anonymous_id=a-1", "phone=+86 13800138000"]),
    ];
    stage.append(Stream::Raw, 0, &raw).await.unwrap();
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    let (first, second) = (&by_id(&events, "e1").customer_id, &by_id(&events, "e2").customer_id);
    let merged: Vec<&Event> = events.iter().filter(|event| event.name == "customer.merged").collect();
    let sides: Vec<_> =
        merged.iter().map(|fact| (fact.customer_id.clone(), fact::text(fact, "side"))).collect();
    assert_eq!(sides, [(first.clone(), "survivor"), (second.clone(), "merged")]);
    for fact in merged {
        let properties = fact::properties(fact);
        assert_eq!(properties["survivor"], **first);
        assert_eq!(properties["merged"], serde_json::json!([second]));
        let moved = serde_json::json!([{"record_id": by_id(&events, "e2").record_id, "customer_id": first}]);
        assert_eq!(properties["records"], moved);
        assert_eq!(fact.cause_id, "e3");
    }
    assert_eq!(names(&events)[4..], ["customer.merged", "customer.merged", "page_viewed"]);
    assert_eq!(by_id(&events, "e3").customer_id, *first);
}

/// Two processes of ingest may both take an event, under numbers of their own; and who takes the partition over later
/// knows it too.
#[tokio::test]
async fn an_event_that_stands_on_the_log_twice_counts_once() {
    let stage = Stage::open(assembly()).await.unwrap();
    let [a, b, c] = [1, 2, 3].map(|n| seen(&format!("e{n}"), n, &["user_id=u-1"]));
    let other_source = Event {
        context: Some(wire::event::Context { source_key: "小程序".to_owned(), ..Default::default() }),
        ..a.clone()
    };
    stage.append(Stream::Raw, 0, &[a.clone(), b.clone(), a.clone()]).await.unwrap();
    stage.settled().await;
    stage.append(Stream::Raw, 3, &[b.clone(), other_source]).await.unwrap();
    stage.settled().await;
    let stage = stage.reopen(assembly()).await.unwrap();
    stage.append(Stream::Raw, 5, &[a, c, b]).await.unwrap();
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    let ids: Vec<&str> = events.iter().map(|event| event.id.as_str()).collect();
    assert_eq!(ids[1..], ["e1", "e2", "e1", "e3"], "behind customer.created: {events:?}");
}

#[tokio::test]
async fn two_people_on_one_device_stay_two() {
    let stage = Stage::open(assembly()).await.unwrap();
    let raw = [
        seen("e1", 0, &["user_id=u-1", "device_id=ipad"]),
        seen("e2", 1, &["user_id=u-2", "device_id=ipad"]),
        seen("e3", 2, &["device_id=ipad"]),
        seen("e4", 3, &["user_id=u-2", "device_id=ipad"]),
    ];
    stage.append(Stream::Raw, 0, &raw).await.unwrap();
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    assert!(!names(&events).contains(&"customer.merged"));
    assert_ne!(by_id(&events, "e1").customer_id, by_id(&events, "e2").customer_id);
    assert_eq!(by_id(&events, "e1").customer_id, by_id(&events, "e3").customer_id);
    let mut client = IdentityServiceClient::new(stage.client());
    let conflicts =
        client.list_conflicts(ListConflictsRequest::default()).await.unwrap().into_inner().conflicts;
    assert_eq!(conflicts.len(), 1, "once per pair: {conflicts:?}");
    assert_eq!((conflicts[0].reason.as_str(), conflicts[0].cause.as_str()), ("limit_exceeded", "e2"));
    assert_eq!(conflicts[0].customer_ids.len(), 2);
    assert!(conflicts[0].message.contains("user_id"));
}

#[tokio::test]
async fn values_that_name_nobody_are_ignored_and_an_event_of_nobody_is_set_aside() {
    let stage = Stage::open(assembly()).await.unwrap();
    let raw = [
        seen("e1", 0, &["user_id=null", "anonymous_id=a-1"]),
        seen("e2", 1, &["user_id=NULL", "anonymous_id=a-2"]),
        seen("e3", 2, &["user_id= Undefined "]),
        seen("e4", 3, &[]),
        seen("e5", 4, &["anonymous_id=a-1"]),
    ];
    stage.append(Stream::Raw, 0, &raw).await.unwrap();
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    assert_eq!(
        names(&events),
        ["customer.created", "page_viewed", "customer.created", "page_viewed", "page_viewed"]
    );
    assert_ne!(by_id(&events, "e1").customer_id, by_id(&events, "e2").customer_id);
    let mut client = IdentityServiceClient::new(stage.client());
    let request = ListConflictsRequest { reason: "blocked_value".to_owned(), ..Default::default() };
    let conflicts = client.list_conflicts(request).await.unwrap().into_inner().conflicts;
    let causes: Vec<&str> = conflicts.iter().rev().map(|conflict| conflict.cause.as_str()).collect();
    assert_eq!(causes, ["e1", "e3"], "once per value");
}

#[tokio::test]
async fn a_restart_in_the_middle_doubles_nothing() {
    let stage = Stage::open(assembly()).await.unwrap();
    let raw: Vec<Event> = (0..40)
        .map(|n| {
            seen(
                &format!("e{n}"),
                n,
                &[&format!("anonymous_id=a-{}", n % 7), &format!("email=m{}@x.cn", n % 5)],
            )
        })
        .collect();
    stage.append(Stream::Raw, 0, &raw[..25]).await.unwrap();
    let stage = stage.reopen(assembly()).await.unwrap();
    stage.append(Stream::Raw, 25, &raw[25..]).await.unwrap();
    stage.settled().await;
    let stage = stage.reopen(assembly()).await.unwrap();
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    let seen: Vec<&str> =
        events.iter().filter(|event| event.name == "page_viewed").map(|event| &*event.id).collect();
    let sent: Vec<&str> = raw.iter().map(|event| &*event.id).collect();
    assert_eq!(seen, sent);
    let mut facts: Vec<&str> = events.iter().map(|event| &*event.id).collect();
    facts.sort_unstable();
    facts.dedup();
    assert_eq!(facts.len(), events.len());
}
