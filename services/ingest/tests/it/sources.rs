//! Sources: made, shown without their secrets, changed, removed.

use chassis::values::from_struct;
use serde_json::{Value, json};
use tonic::Code;
use tonic_types::StatusExt as _;
use wire::ingest::{
    CreateSourceRequest, DeleteSourceRequest, GetSourceRequest, ListSourcesRequest, Source, SourceKind,
    UpdateSourceRequest,
};

use crate::world::{create, grpc, open, post, source};

fn settings(source: &Source) -> Value {
    from_struct(source.settings.clone().unwrap()).into()
}

async fn get(stage: &testkit::Stage, key: &str) -> Source {
    let request = GetSourceRequest { key: key.to_owned() };
    grpc(stage).get_source(request).await.unwrap().into_inner().source.unwrap()
}

async fn knocks(stage: &testkit::Stage, write_key: &str) -> u16 {
    let body = json!({"event": "a", "userId": "u1", "writeKey": write_key}).to_string();
    post(stage, "/v1/t").body(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_write_key_is_shown_once_and_works_until_it_is_rotated_or_the_source_is_gone() {
    let stage = open().await;
    let web = create(&stage, source("web", SourceKind::Tracking, json!({}))).await;
    assert_eq!((web.name.as_str(), web.write_key.len()), ("web", 32));
    assert_eq!(knocks(&stage, &web.write_key).await, 200);
    assert_eq!(get(&stage, "web").await.write_key, "");
    let rotate = UpdateSourceRequest {
        source: Some(Source { name: "官网".to_owned(), ..web.clone() }),
        rotate_write_key: true,
    };
    let rotated = grpc(&stage).update_source(rotate).await.unwrap().into_inner().source.unwrap();
    assert_eq!((rotated.name.as_str(), rotated.write_key.len()), ("官网", 32));
    assert_eq!((knocks(&stage, &web.write_key).await, knocks(&stage, &rotated.write_key).await), (401, 200));
    let stage = stage.reopen(crate::world::assembly(&[])).await.unwrap();
    assert_eq!(knocks(&stage, &rotated.write_key).await, 200);
    let delete = || DeleteSourceRequest { key: "web".to_owned() };
    grpc(&stage).delete_source(delete()).await.unwrap();
    assert_eq!(knocks(&stage, &rotated.write_key).await, 401);
    assert_eq!(grpc(&stage).delete_source(delete()).await.unwrap_err().code(), Code::NotFound);
}

/// Neither the database nor anything beside it holds a write key.
#[tokio::test]
async fn no_write_key_is_kept() {
    // What is kept is in files here.
    let stage = testkit::Stage::open_on(testkit::Stack::Embedded, crate::world::assembly(&[])).await.unwrap();
    let web = create(&stage, source("web", SourceKind::Tracking, json!({}))).await;
    assert_eq!(knocks(&stage, &web.write_key).await, 200);
    let mut files = 0;
    let mut folders = vec![stage.folder().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(web.write_key.len()).any(|piece| piece == web.write_key.as_bytes());
            assert!(!found, "{} has it", path.display());
            files += 1;
        }
    }
    assert!(files > 1);
}

#[tokio::test]
async fn calls_with_one_write_key_are_limited_and_told_when_to_come_again() {
    let set = ["ingest.write_key.calls_per_second=1", "ingest.write_key.burst=3"];
    let stage = testkit::Stage::open(crate::world::assembly(&set)).await.unwrap();
    let web = create(&stage, source("web", SourceKind::Tracking, json!({}))).await;
    let app = create(&stage, source("app", SourceKind::Tracking, json!({}))).await;
    for _ in 0..3 {
        assert_eq!(knocks(&stage, &web.write_key).await, 200);
    }
    let body = json!({"event": "a", "userId": "u1", "writeKey": web.write_key}).to_string();
    let refused = post(&stage, "/v1/t").body(body).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    let said: Value = refused.json().await.unwrap();
    assert_eq!(said["error"]["reason"], "RATE_LIMITED");
    assert_eq!(knocks(&stage, &app.write_key).await, 200, "another key is not concerned");
    assert_eq!(knocks(&stage, "nobody's").await, 401);
    stage.advance(std::time::Duration::from_millis(999)).await;
    assert_eq!(knocks(&stage, &web.write_key).await, 429);
    stage.advance(std::time::Duration::from_millis(1)).await;
    assert_eq!(knocks(&stage, &web.write_key).await, 200);
}

#[tokio::test]
async fn a_workspace_cannot_call_more_often_by_having_more_write_keys() {
    let stage = testkit::Stage::open(crate::world::assembly(&[])).await.unwrap();
    let mut write_keys = Vec::new();
    for key in ["web", "app", "kiosk"] {
        write_keys.push(create(&stage, source(key, SourceKind::Tracking, json!({}))).await.write_key);
    }
    let keys = testkit::Keys::new().unwrap();
    let mut limited = crate::world::assembly(&[
        "common.dev=false",
        "common.limits.workspace.calls_per_second=1",
        "common.limits.workspace.burst=4",
    ]);
    limited.layers.set.extend(keys.settings());
    let stage = stage.reopen(limited).await.unwrap();
    let answers = async |calls: usize| {
        let keys = write_keys.iter().cycle().take(calls);
        futures::future::join_all(keys.map(|key| knocks(&stage, key))).await
    };
    assert_eq!(answers(4).await, [200; 4]);
    assert_eq!(answers(3).await, [429; 3], "no key of the workspace");
    stage.advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(answers(1).await, [200]);
}

#[tokio::test]
async fn secrets_are_never_returned_and_stay_when_they_are_left_out() {
    let stage = open().await;
    let given = json!({"app_id": "wx12", "token": "口令七", "encoding_aes_key": "K".repeat(43)});
    let oa = create(&stage, source("oa", SourceKind::WechatOa, given)).await;
    assert_eq!((settings(&oa), oa.write_key.as_str()), (json!({"app_id": "wx12"}), ""));
    let update = source("oa", SourceKind::WechatOa, json!({"app_id": "wx13"}));
    let request = UpdateSourceRequest { source: Some(update.clone()), rotate_write_key: false };
    let updated = grpc(&stage).update_source(request).await.unwrap().into_inner();
    assert_eq!(settings(updated.source.as_ref().unwrap()), json!({"app_id": "wx13"}));
    let list = grpc(&stage).list_sources(ListSourcesRequest::default()).await.unwrap().into_inner();
    for text in [
        format!("{oa:?}"),
        format!("{updated:?}"),
        format!("{list:?}"),
        format!("{:?}", get(&stage, "oa").await),
    ] {
        assert!(!text.contains("口令七") && !text.contains("KKKK"), "{text}");
    }
    // The token still signs.
    let now = stage.warp.now().seconds().to_string();
    assert_eq!(crate::callbacks::verified(&stage, "oa", "口令七", &now).await.0, 200);
    let rotate = UpdateSourceRequest { source: Some(update), rotate_write_key: true };
    assert_eq!(grpc(&stage).update_source(rotate).await.unwrap_err().code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn mistakes_are_named() {
    let stage = open().await;
    let refused = async |source: Source| {
        let status =
            grpc(&stage).create_source(CreateSourceRequest { source: Some(source) }).await.unwrap_err();
        let fields = status.get_error_details().bad_request().map(|bad| {
            bad.field_violations.iter().map(|violation| violation.field.clone()).collect::<Vec<_>>()
        });
        (status.code(), fields.unwrap_or_default())
    };
    let bad = source(
        "Bad Key",
        SourceKind::WechatOa,
        json!({"app_id": "wx1", "token": "t", "encoding_aes_key": "短"}),
    );
    assert_eq!(
        refused(bad).await,
        (Code::InvalidArgument, vec!["source.key".to_owned(), "source.settings.encoding_aes_key".to_owned()])
    );
    assert_eq!(refused(Source { key: "x".to_owned(), ..Source::default() }).await.1, ["source.kind"]);
    create(&stage, source("web", SourceKind::Tracking, json!({}))).await;
    for taken in ["web", "api", "dev"] {
        assert_eq!(
            refused(source(taken, SourceKind::Tracking, json!({}))).await.0,
            Code::AlreadyExists,
            "{taken}"
        );
    }
    let other_kind = UpdateSourceRequest {
        source: Some(source("web", SourceKind::Api, json!({}))),
        rotate_write_key: false,
    };
    assert_eq!(grpc(&stage).update_source(other_kind).await.unwrap_err().code(), Code::InvalidArgument);
    let unknown = UpdateSourceRequest {
        source: Some(source("nix", SourceKind::Api, json!({}))),
        rotate_write_key: false,
    };
    assert_eq!(grpc(&stage).update_source(unknown).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn they_are_listed_page_by_page() {
    let stage = open().await;
    for key in ["c", "a", "e", "b", "d"] {
        create(&stage, source(key, SourceKind::Api, json!({}))).await;
    }
    let (mut token, mut keys) = (String::new(), Vec::new());
    loop {
        let request = ListSourcesRequest { page_size: 2, page_token: token };
        let page = grpc(&stage).list_sources(request).await.unwrap().into_inner();
        keys.extend(page.sources.into_iter().map(|source| source.key));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(keys, ["a", "b", "c", "d", "e"]);
}
