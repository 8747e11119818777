//! Looks up what a definition names that belongs to other services.

use std::collections::{BTreeMap, BTreeSet};

use chassis::{Caller, Context, rpc};
use futures::StreamExt as _;
use kernel::{Kind, Result};
use wire::messaging::messaging_service_client::MessagingServiceClient;
use wire::messaging::{GetChannelRequest, GetTemplateRequest};
use wire::profile::GetTagRequest;
use wire::profile::tag_service_client::TagServiceClient;
use wire::segmentation::GetSegmentRequest;
use wire::segmentation::segmentation_service_client::SegmentationServiceClient;

use crate::domain::Problems;
use crate::domain::definition::Mentions;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Named {
    Template,
    Channel,
    Tag,
    Segment,
}

impl Named {
    const fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Template => ("unknown_template", "template"),
            Self::Channel => ("unknown_channel", "channel"),
            Self::Tag => ("unknown_tag", "tag"),
            Self::Segment => ("unknown_segment", "segment"),
        }
    }
}

/// Adds a problem for every name that nobody knows.
///
/// # Errors
/// When another service cannot be asked.
pub(super) async fn check(
    cx: &Context,
    caller: &Caller,
    mentions: Mentions,
    problems: &mut Problems,
) -> Result<()> {
    let Mentions { templates, channels, tags, segments } = mentions;
    let all: Vec<(Named, String, String)> = [
        (Named::Template, templates),
        (Named::Channel, channels),
        (Named::Tag, tags),
        (Named::Segment, segments),
    ]
    .into_iter()
    .flat_map(|(named, list)| list.into_iter().map(move |(key, place)| (named, key, place)))
    .collect();
    let names: BTreeSet<(Named, String)> = all.iter().map(|(named, key, _)| (*named, key.clone())).collect();
    let asked = names.into_iter().map(|(named, key)| async move {
        let known = is_known(cx, caller, named, &key).await;
        ((named, key), known)
    });
    let answers: Vec<_> = futures::stream::iter(asked).buffer_unordered(8).collect().await;
    let mut known = BTreeMap::new();
    for (name, answer) in answers {
        known.insert(name, answer?);
    }
    for (named, key, place) in all {
        let (reason, what) = named.words();
        if known.get(&(named, key.clone())) != Some(&true) {
            problems.add(place, reason, format!("there is no {what} `{key}`; create it first"));
        }
    }
    Ok(())
}

async fn is_known(cx: &Context, caller: &Caller, named: Named, key: &str) -> Result<bool> {
    let key = key.to_owned();
    let answer = match named {
        Named::Template => {
            let mut client = MessagingServiceClient::new(cx.rpc.to("messaging"));
            rpc::call(client.get_template(rpc::request(caller, GetTemplateRequest { key }))).await.map(drop)
        }
        Named::Channel => {
            let mut client = MessagingServiceClient::new(cx.rpc.to("messaging"));
            rpc::call(client.get_channel(rpc::request(caller, GetChannelRequest { key }))).await.map(drop)
        }
        Named::Tag => {
            let mut client = TagServiceClient::new(cx.rpc.to("profile"));
            rpc::call(client.get_tag(rpc::request(caller, GetTagRequest { key }))).await.map(drop)
        }
        Named::Segment => {
            let mut client = SegmentationServiceClient::new(cx.rpc.to("segmentation"));
            rpc::call(client.get_segment(rpc::request(caller, GetSegmentRequest { key }))).await.map(drop)
        }
    };
    match answer {
        Ok(()) => Ok(true),
        Err(error) if error.kind == Kind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
