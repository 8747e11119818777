//! The audit log: written with the change or not at all, read page by page, and never changed.
#![expect(clippy::unwrap_used, reason = "a test fails where something is missing")]

use std::time::Duration;

use kernel::page::Page;
use kernel::{Clock, Kind, Time, Warp, Workspace};
use sea_orm::ConnectionTrait as _;
use store::audit::{self, Entry, Filter};
use store::{Database, DatabaseConfig};
use tempfile::TempDir;

async fn open() -> (TempDir, Database, Warp) {
    let folder = tempfile::tempdir().unwrap();
    let (clock, warp) = Clock::warped(Time::from_seconds(1_795_226_400));
    let config = DatabaseConfig::new(format!("sqlite:{}", folder.path().join("tags.db").display()));
    let db = Database::open("tags", &config, Vec::new, &clock).await.unwrap();
    (folder, db, warp)
}

fn entry(workspace: &str, actor: &str, id: &str) -> Entry {
    Entry {
        workspace: Workspace::new(workspace),
        actor: actor.to_owned(),
        method: "guanxi.profile.v1.TagService/CreateTag".to_owned(),
        resource_kind: "tag".to_owned(),
        resource_id: id.to_owned(),
        before: None,
        after: Some(r#"{"name":"旅行爱好者"}"#.to_owned()),
        trace_id: String::new(),
    }
}

async fn keep(db: &Database, entry: Entry) {
    let mut unit = db.begin().await.unwrap();
    unit.audit(entry);
    unit.commit().await.unwrap();
}

async fn found(db: &Database, filter: &Filter) -> Vec<String> {
    let page = Page::read(0, "").unwrap();
    let rows = audit::list(db.read(), &Workspace::new("demo"), filter, &page).await.unwrap();
    rows.into_iter().map(|row| row.resource_id).collect()
}

#[tokio::test]
async fn an_entry_is_there_with_its_change_or_not_at_all() {
    let (_folder, db, _warp) = open().await;
    let mut unit = db.begin().await.unwrap();
    unit.audit(entry("demo", "li.wei", "vip"));
    unit.roll_back().await.unwrap();
    assert!(found(&db, &Filter::default()).await.is_empty());
    keep(&db, entry("demo", "li.wei", "vip")).await;
    assert_eq!(found(&db, &Filter::default()).await, ["vip"]);
}

#[tokio::test]
async fn nothing_is_changed_or_removed() {
    let (_folder, db, _warp) = open().await;
    keep(&db, entry("demo", "li.wei", "vip")).await;
    for statement in ["UPDATE audit SET actor = 'nobody'", "DELETE FROM audit"] {
        let unit = db.begin().await.unwrap();
        let refused = unit.db().execute_unprepared(statement).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");
    }
    assert_eq!(found(&db, &Filter::default()).await, ["vip"]);
}

#[tokio::test]
async fn entries_are_filtered_and_come_newest_first_page_by_page() {
    let (_folder, db, warp) = open().await;
    let begin = warp.now();
    for (n, actor) in (0..).zip(["li.wei", "han.mei", "li.wei", "li.wei", "han.mei"]) {
        keep(&db, entry("demo", actor, &format!("tag_{n}"))).await;
        keep(&db, entry("other", actor, "foreign")).await;
        warp.advance_to(warp.now().plus(Duration::from_secs(60)));
    }
    assert_eq!(found(&db, &Filter::default()).await, ["tag_4", "tag_3", "tag_2", "tag_1", "tag_0"]);
    let by = |actor: &str| Filter { actor: actor.to_owned(), ..Filter::default() };
    assert_eq!(found(&db, &by("han.mei")).await, ["tag_4", "tag_1"]);
    assert!(found(&db, &by("nobody")).await.is_empty());
    let minute = |n: u64| Some(begin.plus(Duration::from_secs(60 * n)));
    let within = Filter { from: minute(1), to: minute(3), ..Filter::default() };
    assert_eq!(found(&db, &within).await, ["tag_2", "tag_1"], "the end is not within");
    let one = Filter {
        resource_kind: "tag".to_owned(),
        resource_id: "tag_3".to_owned(),
        method: "guanxi.profile.v1.TagService/CreateTag".to_owned(),
        ..Filter::default()
    };
    assert_eq!(found(&db, &one).await, ["tag_3"]);
    let other = Filter { resource_kind: "segment".to_owned(), ..one };
    assert!(found(&db, &other).await.is_empty());

    let (mut token, mut pages) = (String::new(), Vec::new());
    loop {
        let page = Page::read(2, &token).unwrap();
        let mut rows =
            audit::list(db.read(), &Workspace::new("demo"), &Filter::default(), &page).await.unwrap();
        token = page.cut(&mut rows, |row| row.id.to_string());
        pages.push(rows.into_iter().map(|row| row.resource_id).collect::<Vec<_>>());
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(pages.concat(), ["tag_4", "tag_3", "tag_2", "tag_1", "tag_0"]);
    assert_eq!(pages.len(), 3);
    // A token of another list.
    let mut rows = vec!["key".to_owned(), "key".to_owned()];
    let foreign = Page::read(1, "").unwrap().cut(&mut rows, Clone::clone);
    let page = Page::read(2, &foreign).unwrap();
    let refused = audit::list(db.read(), &Workspace::new("demo"), &Filter::default(), &page).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Invalid);
}
