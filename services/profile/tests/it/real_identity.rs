//! With the real identity service: from a raw event to the profile, through a merge and back.

use bus::Stream;
use chassis::{Assembly, Layers};
use serde_json::{Value, json};
use testkit::{Stage, event};
use wire::event::{Event, Identifier};
use wire::identity::identity_service_client::IdentityServiceClient;
use wire::identity::{ListMergesRequest, UndoMergeRequest, list_merges_request};
use wire::profile::profile_service_client::ProfileServiceClient;
use wire::profile::*;

use crate::world::{at, attributes};

const BROWSER: (&str, &str) = ("anonymous_id", "a-1");
const PHONE: (&str, &str) = ("phone", "+8613800138000");

fn identifier((namespace, value): (&str, &str)) -> Identifier {
    Identifier { namespace: namespace.to_owned(), value: value.to_owned() }
}

fn raw(id: &str, name: &str, seconds: i64, who: &[(&str, &str)], properties: Value) -> Event {
    let identifiers = who.iter().copied().map(identifier).collect();
    Event { identifiers, ..event(id, name, at(seconds), &[], properties) }
}

async fn profile(stage: &Stage, who: (&str, &str)) -> Profile {
    let customer = Some(get_profile_request::Customer::Identifier(identifier(who)));
    let mut client = ProfileServiceClient::new(stage.client());
    client.get_profile(GetProfileRequest { customer }).await.unwrap().into_inner().profile.unwrap()
}

#[tokio::test]
async fn two_people_become_one_and_two_again() {
    let assembly = Assembly::new(Layers::default()).with::<identity::Identity>().with::<profile::Profile>();
    let stage = Stage::open(assembly).await.unwrap();
    let events = [
        raw("e1", "identified", 1, &[BROWSER], json!({"traits": {"city": "上海", "name": "李雷"}})),
        raw("e2", "identified", 2, &[PHONE], json!({"traits": {"city": "北京", "level": "金卡"}})),
    ];
    stage.append(Stream::Raw, 0, &events).await.unwrap();
    stage.settled().await;
    let apart = [profile(&stage, BROWSER).await, profile(&stage, PHONE).await];
    assert_ne!(apart[0].customer_id, apart[1].customer_id);
    let both = raw("e3", "page_viewed", 3, &[BROWSER, PHONE], json!({"path": "/春季新品"}));
    stage.append(Stream::Raw, 2, &[both]).await.unwrap();
    stage.settled().await;
    let one = profile(&stage, BROWSER).await;
    assert_eq!(one, profile(&stage, PHONE).await);
    assert_eq!(attributes(&one), json!({"city": "北京", "name": "李雷", "level": "金卡"}));
    assert_eq!((one.version, one.last_seen_at), (2, Some(at(3).into())));

    let mut identity = IdentityServiceClient::new(stage.client());
    let customer = Some(list_merges_request::Customer::CustomerId(one.customer_id));
    let merges = identity.list_merges(ListMergesRequest { customer, ..Default::default() }).await.unwrap();
    let merge_id = merges.into_inner().merges[0].merge_id.clone();
    identity.undo_merge(UndoMergeRequest { merge_id }).await.unwrap();
    stage.settled().await;
    let restored = [profile(&stage, BROWSER).await, profile(&stage, PHONE).await];
    for (before, after) in apart.iter().zip(&restored) {
        // The page view was seen on one of the records, and stays there.
        assert_eq!(&Profile { last_seen_at: before.last_seen_at, ..after.clone() }, before);
    }
    let listed =
        ProfileServiceClient::new(stage.client()).list_profiles(ListProfilesRequest::default()).await;
    let listed: Vec<String> =
        listed.unwrap().into_inner().profiles.into_iter().map(|profile| profile.customer_id).collect();
    assert_eq!(listed, restored.map(|profile| profile.customer_id), "the oldest first");
}
