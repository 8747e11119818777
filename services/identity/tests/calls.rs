//! The service through its calls.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use bus::Stream;
use chassis::{Assembly, Layers, fact};
use futures::future::join_all;
use identity::Identity;
use testkit::{Client, Stage, event, start_time};
use tonic::Code;
use wire::event::Identifier;
use wire::identity::get_customer_request::Customer as By;
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::list_merges_request::Customer as MergesOf;
use wire::identity::{
    BatchGetCustomersRequest, Customer, ExplainIdentityRequest, GetCustomerRequest, ListConflictsRequest,
    ListMergesRequest, MergeCustomersRequest, ResolveIdentitiesRequest, ResolveIdentityRequest,
    ResolveIdentityResponse, UndoMergeRequest,
};

type Identities = IdentityServiceClient<Client>;

async fn open() -> (Stage, Identities) {
    let stage = Stage::open(Assembly::new(Layers::default()).with::<Identity>()).await.unwrap();
    let client = IdentityServiceClient::new(stage.client());
    (stage, client)
}

fn together(identifiers: &[(&str, &str)]) -> ResolveIdentityRequest {
    let one = |(namespace, value): &(&str, &str)| Identifier {
        namespace: (*namespace).to_owned(),
        value: (*value).to_owned(),
    };
    ResolveIdentityRequest { identifiers: identifiers.iter().map(one).collect() }
}

async fn resolve(client: &mut Identities, identifiers: &[(&str, &str)]) -> ResolveIdentityResponse {
    client.resolve_identity(together(identifiers)).await.unwrap().into_inner()
}

async fn get(client: &mut Identities, id: &str) -> Customer {
    let request = GetCustomerRequest { customer: Some(By::CustomerId(id.to_owned())) };
    client.get_customer(request).await.unwrap().into_inner().customer.unwrap()
}

async fn merge(client: &mut Identities, ids: [&str; 2]) -> Result<wire::identity::Merge, tonic::Status> {
    let request = MergeCustomersRequest {
        customer_ids: ids.map(str::to_owned).to_vec(),
        reason: "同一位会员".to_owned(),
    };
    Ok(client.merge_customers(request).await?.into_inner().merge.unwrap())
}

async fn explain(client: &mut Identities, a: &str, b: &str) -> wire::identity::ExplainIdentityResponse {
    let request = ExplainIdentityRequest { customer_id_a: a.to_owned(), customer_id_b: b.to_owned() };
    client.explain_identity(request).await.unwrap().into_inner()
}

#[tokio::test]
async fn resolving_creates_finds_and_joins() {
    let (stage, mut client) = open().await;
    let first = resolve(&mut client, &[("anonymous_id", "a-1")]).await;
    assert!(first.created);
    let again = resolve(&mut client, &[("anonymous_id", "a-1")]).await;
    assert_eq!((again.created, &again.customer_id), (false, &first.customer_id));
    let second = resolve(&mut client, &[("email", "Wang.Fang@x.cn")]).await;
    let joined = resolve(&mut client, &[("email", "wang.fang@x.cn"), ("anonymous_id", "a-1")]).await;
    assert_eq!(joined.customer_id, first.customer_id);
    assert_eq!(joined.merged_customer_ids, std::slice::from_ref(&second.customer_id));
    assert_eq!(joined.record_id, second.record_id);

    let customer = get(&mut client, &second.customer_id).await;
    assert_eq!(
        (&customer.customer_id, &customer.aliases),
        (&first.customer_id, &vec![second.customer_id.clone()])
    );
    assert_eq!(customer.records.len(), 2);
    let by_identifier = Some(By::Identifier(together(&[("email", " WANG.FANG@x.cn")]).identifiers.remove(0)));
    let found =
        client.get_customer(GetCustomerRequest { customer: by_identifier }).await.unwrap().into_inner();
    assert_eq!(found.customer.unwrap(), customer);
    let ids = vec![second.customer_id, first.customer_id, uuid::Uuid::nil().to_string()];
    let batch = client
        .batch_get_customers(BatchGetCustomersRequest { customer_ids: ids })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(batch.customers, [customer]);
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    let names: Vec<&str> = events.iter().map(|event| event.name.as_str()).collect();
    assert_eq!(names, ["customer.created", "customer.created", "customer.merged", "customer.merged"]);
}

#[tokio::test]
async fn many_are_resolved_in_order_and_mistakes_are_named() {
    let (_stage, mut client) = open().await;
    let requests = vec![
        together(&[("phone", "13800138000")]),
        together(&[("phone", "13900139000")]),
        together(&[("phone", "138 0013 8000")]),
    ];
    let answer = client
        .resolve_identities(ResolveIdentitiesRequest { requests })
        .await
        .unwrap()
        .into_inner()
        .responses;
    assert_eq!(answer.iter().map(|one| one.created).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(answer[0].customer_id, answer[2].customer_id);
    let requests = vec![together(&[("phone", "13800138000")]), together(&[("user_id", "null")])];
    let refused = client.resolve_identities(ResolveIdentitiesRequest { requests }).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("requests[1].identifiers"), "{}", refused.message());
    let unknown = GetCustomerRequest { customer: Some(By::CustomerId(uuid::Uuid::nil().to_string())) };
    assert_eq!(client.get_customer(unknown).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(
        client.get_customer(GetCustomerRequest { customer: None }).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

/// Calls that come together share a query.
#[tokio::test]
async fn who_is_asked_for_at_the_same_time_is_told_apart() {
    const CUSTOMERS: usize = 40;
    let (_stage, mut client) = open().await;
    let names: Vec<(String, String)> =
        (0..CUSTOMERS).map(|n| (format!("会员{n}"), format!("m{n}@x.cn"))).collect();
    let requests: Vec<_> =
        names.iter().map(|(user, mail)| together(&[("user_id", user), ("email", mail)])).collect();
    let answer = client.resolve_identities(ResolveIdentitiesRequest { requests }).await.unwrap().into_inner();
    let mut owners: Vec<String> = answer.responses.into_iter().map(|one| one.customer_id).collect();
    let alias = owners[7].clone();
    owners[7] = merge(&mut client, [&owners[3], &owners[7]]).await.unwrap().survivor;
    let by_name = |namespace: &str, value: &str| {
        By::Identifier(Identifier { namespace: namespace.to_owned(), value: value.to_owned() })
    };
    let mut asked = vec![
        (By::CustomerId(alias), Some(owners[7].clone())),
        (By::CustomerId(uuid::Uuid::nil().to_string()), None),
        (by_name("user_id", "m1@x.cn"), None),
    ];
    for ((user, mail), owner) in names.iter().zip(&owners) {
        for by in [by_name("user_id", user), by_name("email", mail), By::CustomerId(owner.clone())] {
            asked.push((by, Some(owner.clone())));
        }
    }
    let ask = |(by, owner): (By, Option<String>)| {
        let mut client = client.clone();
        async move {
            let answer = client.get_customer(GetCustomerRequest { customer: Some(by.clone()) }).await;
            let found = answer.ok().map(|answer| answer.into_inner().customer.unwrap());
            assert_eq!(found.as_ref().map(|customer| &customer.customer_id), owner.as_ref(), "{by:?}");
            found.map(|customer| customer.records.len())
        }
    };
    let records = join_all(asked.into_iter().map(ask)).await;
    // Two each; the two that were joined have four, by alias, by two names each and by id each.
    let counts = [None, Some(2), Some(4)].map(|count| records.iter().filter(|one| **one == count).count());
    assert_eq!(counts, [2, 3 * (CUSTOMERS - 2), 1 + 6]);
}

/// More than there are connections for writing: whoever has committed waits for the log, which needs one too.
#[tokio::test]
async fn many_who_resolve_at_the_same_time_do_not_stand_in_each_others_way() {
    const CALLS: usize = 40;
    let (_stage, client) = open().await;
    let calls = (0..CALLS).map(|n| {
        let (mut client, value) = (client.clone(), format!("a-{n}"));
        async move { client.resolve_identity(together(&[("anonymous_id", &value)])).await }
    });
    for answer in join_all(calls).await {
        assert!(answer.unwrap().into_inner().created);
    }
}

#[tokio::test]
async fn a_merge_by_hand_exceeds_limits_and_undoing_it_restores_both() {
    let (stage, mut client) = open().await;
    let wang = resolve(&mut client, &[("user_id", "王芳"), ("device_id", "ipad")]).await.customer_id;
    let li = resolve(&mut client, &[("user_id", "李雷"), ("device_id", "ipad")]).await.customer_id;
    let refused = explain(&mut client, &wang, &li).await;
    assert_eq!((refused.same_customer, refused.evidence.len(), refused.evidence[0].joins), (false, 1, false));
    let before = [get(&mut client, &wang).await, get(&mut client, &li).await];

    let merged = merge(&mut client, [&li, &wang]).await.unwrap();
    assert_eq!((&merged.survivor, &merged.merged), (&wang, &vec![li.clone()]));
    assert_eq!((merged.rule.as_str(), merged.actor.as_str(), merged.cause.as_str()), ("manual", "dev", ""));
    assert_eq!(merge(&mut client, [&li, &wang]).await.unwrap_err().code(), Code::FailedPrecondition);
    let joined = explain(&mut client, &wang, &li).await;
    assert_eq!((joined.same_customer, joined.evidence.len()), (true, 1));
    assert_eq!(joined.evidence[0].rule, "manual");
    // Seen in between, on a record of Li Lei's.
    let visit = event("e1", "page_viewed", start_time(), &["user_id=李雷"], serde_json::json!({}));
    stage.append(Stream::Raw, 0, &[visit]).await.unwrap();
    stage.settled().await;

    let undo = UndoMergeRequest { merge_id: merged.merge_id.clone() };
    let restored = client.undo_merge(undo.clone()).await.unwrap().into_inner().customers;
    assert_eq!(restored, before);
    assert_eq!(client.undo_merge(undo).await.unwrap_err().code(), Code::FailedPrecondition);
    for id in [&wang, &li] {
        let request =
            ListMergesRequest { customer: Some(MergesOf::CustomerId(id.clone())), ..Default::default() };
        let merges = client.list_merges(request).await.unwrap().into_inner().merges;
        assert_eq!((merges.len(), merges[0].undone, merges[0].reason.as_str()), (1, true, "同一位会员"));
    }
    stage.settled().await;
    let events = stage.events(Stream::Events).await.unwrap();
    let told: Vec<_> = events
        .iter()
        .filter(|event| event.name != "customer.created")
        .map(|event| (event.name.as_str(), event.customer_id.as_str(), fact::text(event, "side")))
        .collect();
    assert_eq!(
        told,
        [
            ("customer.merged", &*wang, "survivor"),
            ("customer.merged", &*li, "merged"),
            ("page_viewed", &*wang, ""),
            ("customer.split", &*wang, "survivor"),
            ("customer.split", &*li, "restored"),
        ]
    );
    let split = fact::properties(events.last().unwrap());
    assert_eq!((&split["merge_id"], &split["restored"]), (&merged.merge_id.into(), &serde_json::json!([li])));
}

#[tokio::test]
async fn what_was_undone_is_kept_apart_until_a_person_merges_again() {
    let (stage, mut client) = open().await;
    let first = resolve(&mut client, &[("email", "wang@x.cn")]).await.customer_id;
    let second = resolve(&mut client, &[("phone", "13800138000")]).await.customer_id;
    let both = [("email", "wang@x.cn"), ("phone", "13800138000")];
    assert_eq!(resolve(&mut client, &both).await.merged_customer_ids, std::slice::from_ref(&second));
    let request =
        ListMergesRequest { customer: Some(MergesOf::CustomerId(second.clone())), ..Default::default() };
    let merges = client.list_merges(request).await.unwrap().into_inner().merges;
    client.undo_merge(UndoMergeRequest { merge_id: merges[0].merge_id.clone() }).await.unwrap();
    // Calls and events alike.
    assert_eq!(resolve(&mut client, &both).await.merged_customer_ids, Vec::<String>::new());
    let visit = event(
        "e1",
        "page_viewed",
        start_time(),
        &["email=wang@x.cn", "phone=13800138000"],
        serde_json::json!({}),
    );
    stage.append(Stream::Raw, 0, &[visit]).await.unwrap();
    stage.settled().await;
    assert_eq!(get(&mut client, &second).await.customer_id, second);
    let request = ListConflictsRequest { reason: "kept_apart".to_owned(), ..Default::default() };
    assert_eq!(client.list_conflicts(request).await.unwrap().into_inner().conflicts.len(), 1);
    let why = explain(&mut client, &first, &second).await;
    assert!(why.evidence.iter().any(|step| step.rule == "kept_apart" && step.actor == "dev"), "{why:?}");
    merge(&mut client, [&first, &second]).await.unwrap();
    assert_eq!(get(&mut client, &second).await.customer_id, first);
}
