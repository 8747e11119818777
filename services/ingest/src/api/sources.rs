//! Sources: created, read, changed, removed. Secrets go in and never come out.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chassis::values::{from_struct, to_struct};
use chassis::{Caller, audit};
use kernel::page::Page;
use kernel::{Error, Result, Violation};
use serde_json::Map;
use store::Unit;
use wire::ingest::{
    CreateSourceRequest, CreateSourceResponse, DeleteSourceRequest, DeleteSourceResponse, GetSourceRequest,
    GetSourceResponse, ListSourcesRequest, ListSourcesResponse, Source as Wire, SourceKind,
    UpdateSourceRequest, UpdateSourceResponse,
};

use super::Api;
use crate::domain::source::{self, Kind, Source, hash_write_key};
use crate::store::sources;

/// As the audit log names them.
const WHAT: &str = "source";
/// Longest name, in characters.
const MAX_NAME: usize = 200;

impl Api {
    pub(super) async fn do_create_source(
        &self,
        caller: Caller,
        message: CreateSourceRequest,
    ) -> Result<CreateSourceResponse> {
        let given = message.source.unwrap_or_default();
        let mut wrong = Vec::new();
        if !is_slug(&given.key) {
            let description = "must match ^[a-z0-9][a-z0-9_.-]{0,62}$, such as `web` or `oa_shanghai`";
            wrong.push(violation("source.key", description));
        }
        let kind = kind(given.kind());
        if kind.is_none() {
            wrong.push(violation("source.kind", "say which: tracking, wechat_oa, import or api"));
        }
        let kind = kind.unwrap_or(Kind::Tracking);
        let settings = source::merge(kind, given.settings.map(from_struct).unwrap_or_default(), &Map::new());
        wrong.extend(check(&given.name));
        wrong.extend(source::validate(kind, &settings));
        if !wrong.is_empty() {
            return Err(Error::violations(wrong));
        }
        if given.key == source::API || (self.dev && given.key == source::DEV) {
            return Err(Error::already_exists("source", &given.key));
        }
        let write_key = kind.has_write_key().then(new_write_key);
        let now = self.clock.now();
        let source = Source {
            workspace: caller.workspace.clone(),
            name: if given.name.is_empty() { given.key.clone() } else { given.name },
            key: given.key,
            kind,
            settings,
            write_key_hash: write_key.as_deref().map(hash_write_key).unwrap_or_default(),
            disabled: given.disabled,
            priority: given.priority,
            created_at: now,
            updated_at: now,
        };
        let change = async |unit: &mut Unit| {
            sources::insert(unit.db(), &source).await?;
            audit::created(unit, &caller, (WHAT, &source.key), &whole(&source))
        };
        self.sources.change(&source.workspace, change).await?;
        Ok(CreateSourceResponse { source: Some(to_wire(&source, write_key)) })
    }

    pub(super) async fn do_get_source(
        &self,
        caller: Caller,
        message: GetSourceRequest,
    ) -> Result<GetSourceResponse> {
        let source = sources::get(self.db.read(), &caller.workspace, &message.key).await?;
        Ok(GetSourceResponse { source: Some(to_wire(&source, None)) })
    }

    pub(super) async fn do_list_sources(
        &self,
        caller: Caller,
        message: ListSourcesRequest,
    ) -> Result<ListSourcesResponse> {
        let page = Page::read(message.page_size, &message.page_token)?;
        let mut found = sources::page(self.db.read(), &caller.workspace, &page).await?;
        let next_page_token = page.cut(&mut found, |source| source.key.clone());
        Ok(ListSourcesResponse {
            sources: found.iter().map(|source| to_wire(source, None)).collect(),
            next_page_token,
        })
    }

    pub(super) async fn do_update_source(
        &self,
        caller: Caller,
        message: UpdateSourceRequest,
    ) -> Result<UpdateSourceResponse> {
        let given = message.source.unwrap_or_default();
        let kind = kind(given.kind());
        let now = self.clock.now();
        let write_key = message.rotate_write_key.then(new_write_key);
        let source = self
            .sources
            .change(&caller.workspace, async |unit| {
                let old = sources::get(unit.db(), &caller.workspace, &given.key).await?;
                let before = whole(&old);
                let mut new = updated(old, &given, kind)?;
                new.updated_at = now;
                if let Some(write_key) = &write_key {
                    if !new.kind.has_write_key() {
                        let message =
                            format!("sources of kind {} have no write key to rotate", new.kind.name());
                        return Err(Error::precondition("NO_WRITE_KEY", message));
                    }
                    new.write_key_hash = hash_write_key(write_key);
                }
                sources::update(unit.db(), &new).await?;
                audit::changed(unit, &caller, (WHAT, &new.key), &before, &whole(&new))?;
                Ok(new)
            })
            .await?;
        Ok(UpdateSourceResponse { source: Some(to_wire(&source, write_key)) })
    }

    pub(super) async fn do_delete_source(
        &self,
        caller: Caller,
        message: DeleteSourceRequest,
    ) -> Result<DeleteSourceResponse> {
        let change = async |unit: &mut Unit| {
            let old = sources::get(unit.db(), &caller.workspace, &message.key).await?;
            sources::delete(unit.db(), &caller.workspace, &message.key).await?;
            audit::deleted(unit, &caller, (WHAT, &old.key), &whole(&old))
        };
        self.sources.change(&caller.workspace, change).await?;
        Ok(DeleteSourceResponse {})
    }
}

/// The old source with what is given instead; its kind stays.
fn updated(old: Source, given: &Wire, kind: Option<Kind>) -> Result<Source> {
    let mut wrong: Vec<Violation> = check(&given.name).into_iter().collect();
    if kind.is_some_and(|kind| kind != old.kind) {
        let description = format!("is {} and cannot change; create another source", old.kind.name());
        wrong.push(violation("source.kind", &description));
    }
    let settings =
        source::merge(old.kind, given.settings.clone().map(from_struct).unwrap_or_default(), &old.settings);
    wrong.extend(source::validate(old.kind, &settings));
    if !wrong.is_empty() {
        return Err(Error::violations(wrong));
    }
    Ok(Source {
        name: if given.name.is_empty() { old.key.clone() } else { given.name.clone() },
        settings,
        disabled: given.disabled,
        priority: given.priority,
        ..old
    })
}

fn check(name: &str) -> Option<Violation> {
    (name.chars().count() > MAX_NAME)
        .then(|| violation("source.name", &format!("is longer than {MAX_NAME} characters")))
}

fn violation(field: &str, description: &str) -> Violation {
    Violation { field: field.to_owned(), description: description.to_owned() }
}

fn is_slug(key: &str) -> bool {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    (1..=63).contains(&key.len())
        && key.bytes().next().is_some_and(plain)
        && key.bytes().all(|b| plain(b) || matches!(b, b'_' | b'.' | b'-'))
}

/// 192 random bits.
fn new_write_key() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 24]>())
}

fn kind(wire: SourceKind) -> Option<Kind> {
    match wire {
        SourceKind::Unspecified => None,
        SourceKind::Tracking => Some(Kind::Tracking),
        SourceKind::WechatOa => Some(Kind::WechatOa),
        SourceKind::Import => Some(Kind::Import),
        SourceKind::Api => Some(Kind::Api),
    }
}

/// With secrets, for the audit log, which hides them; of the write key there is only a hash.
fn whole(source: &Source) -> Wire {
    let write_key = source.write_key_hash.iter().map(|byte| format!("{byte:02x}")).collect();
    Wire { settings: Some(to_struct(source.settings.clone())), ..to_wire(source, Some(write_key)) }
}

fn to_wire(source: &Source, write_key: Option<String>) -> Wire {
    let kind = match source.kind {
        Kind::Tracking => SourceKind::Tracking,
        Kind::WechatOa => SourceKind::WechatOa,
        Kind::Import => SourceKind::Import,
        Kind::Api => SourceKind::Api,
    };
    Wire {
        key: source.key.clone(),
        name: source.name.clone(),
        kind: kind.into(),
        settings: Some(to_struct(source.open_settings())),
        write_key: write_key.unwrap_or_default(),
        disabled: source.disabled,
        created_at: Some(source.created_at.into()),
        updated_at: Some(source.updated_at.into()),
        priority: source.priority,
    }
}
