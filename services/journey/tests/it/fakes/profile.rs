//! Profile and tags.

use chassis::values::{from_struct, to_struct};
use kernel::{Error, Result};
use wire::profile::profile_service_server::{ProfileService, ProfileServiceServer};
use wire::profile::tag_service_server::{TagService, TagServiceServer};
use wire::profile::update_profile_request::Customer;
use wire::profile::*;

use crate::fakes::{World, fake, methods};

fake!(
    FakeProfile,
    "profile",
    [ProfileServiceServer::<crate::fakes::Shared>, TagServiceServer::<crate::fakes::Shared>]
);

methods! {
    ProfileService, profile:
    get_profile(GetProfileRequest) -> GetProfileResponse;
    batch_get_profiles(BatchGetProfilesRequest) -> BatchGetProfilesResponse;
    list_profiles(ListProfilesRequest) -> ListProfilesResponse = list_profiles;
    update_profile(UpdateProfileRequest) -> UpdateProfileResponse = update_profile;
    list_timeline(ListTimelineRequest) -> ListTimelineResponse;
}

methods! {
    TagService, profile:
    create_tag(CreateTagRequest) -> CreateTagResponse;
    get_tag(GetTagRequest) -> GetTagResponse = get_tag;
    list_tags(ListTagsRequest) -> ListTagsResponse;
    update_tag(UpdateTagRequest) -> UpdateTagResponse;
    delete_tag(DeleteTagRequest) -> DeleteTagResponse;
    add_tags(AddTagsRequest) -> AddTagsResponse = add_tags;
    remove_tags(RemoveTagsRequest) -> RemoveTagsResponse = remove_tags;
}

/// Two to a page at the most, so that paging is exercised.
fn list_profiles(world: &mut World, asked: ListProfilesRequest) -> Result<ListProfilesResponse> {
    world.pass("list_profiles")?;
    let from: usize = asked.page_token.parse().unwrap_or(0);
    let profile = |(id, attributes): (&String, &serde_json::Map<String, serde_json::Value>)| Profile {
        customer_id: id.clone(),
        attributes: Some(to_struct(attributes.clone())),
        ..Profile::default()
    };
    let until = from + usize::try_from(asked.page_size).unwrap_or(0).min(2);
    let profiles: Vec<Profile> = world.attributes.iter().take(until).skip(from).map(profile).collect();
    let more = until < world.attributes.len();
    let next_page_token = if more { until.to_string() } else { String::new() };
    Ok(ListProfilesResponse { profiles, next_page_token })
}

fn update_profile(world: &mut World, asked: UpdateProfileRequest) -> Result<UpdateProfileResponse> {
    world.pass("update_profile")?;
    let Some(Customer::CustomerId(id)) = asked.customer.clone() else {
        return Err(Error::invalid("customer", ""));
    };
    if asked.attributes.as_ref().is_some_and(|a| a.fields.contains_key("forbidden")) {
        return Err(Error::invalid("attributes.forbidden", "no such attribute"));
    }
    if !world.updates.iter().any(|update| update.idempotency_key == asked.idempotency_key) {
        let patch = from_struct(asked.attributes.clone().unwrap_or_default());
        world.attributes.entry(id.clone()).or_default().extend(patch);
        world.updates.push(asked);
    }
    let attributes = world.attributes.get(&id).cloned().map(to_struct);
    Ok(UpdateProfileResponse { profile: Some(Profile { attributes, ..Profile::default() }) })
}

fn get_tag(world: &mut World, asked: GetTagRequest) -> Result<GetTagResponse> {
    if world.unknown.contains(&asked.key) {
        return Err(Error::not_found("tag", asked.key));
    }
    Ok(GetTagResponse::default())
}

fn add_tags(world: &mut World, asked: AddTagsRequest) -> Result<AddTagsResponse> {
    world.pass("add_tags")?;
    for id in &asked.customer_ids {
        world.tags.entry(id.clone()).or_default().extend(asked.tag_keys.clone());
    }
    world.tag_calls.push(asked);
    Ok(AddTagsResponse::default())
}

fn remove_tags(world: &mut World, asked: RemoveTagsRequest) -> Result<RemoveTagsResponse> {
    for id in &asked.customer_ids {
        world.tags.entry(id.clone()).or_default().retain(|tag| !asked.tag_keys.contains(tag));
    }
    Ok(RemoveTagsResponse::default())
}
