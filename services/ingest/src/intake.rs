//! The one way in, whatever the door: judge each event, drop what came before, append the rest to the raw log, and
//! answer once that is durable.

mod admission;
mod flush;
mod recovery;
mod writer;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chassis::{Context, fact};
use kernel::{Clock, Ids, Result, Time, Workspace};
use prost::Message as _;
use serde_json::{Map, Value};
use store::{Database, Tenant};
use wire::event::Event;

pub(crate) use self::admission::Admission;
use self::admission::Draft;
use crate::config::Config;
use crate::domain::check::{Limits, check};
use crate::domain::refusal::{Reason, Refusal};
use crate::domain::source::Source;
use crate::domain::{identifiers, json};
use crate::store::failed_events::{self, FailedEvent};

/// Of a refused event's body, no more is kept.
const KEPT_BYTES: usize = 64 << 10;
/// So many refused events later the oldest are counted out.
const TRIM_EVERY: u64 = 1_000;

/// An event that asks to be accepted.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// As far as it was understood.
    pub(crate) event: Event,
    /// What is known to be wrong with it already.
    pub(crate) refusal: Option<Refusal>,
    /// How it came.
    pub(crate) form: Form,
}

/// The form in which an event came, kept when it is refused.
#[derive(Debug)]
pub(crate) enum Form {
    /// Our own.
    Event,
    /// A call of the tracking API.
    Call(Map<String, Value>),
    /// Nothing that could be read.
    Text(String),
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    pub(crate) accepted: u32,
    pub(crate) duplicates: u32,
    /// By position in the batch.
    pub(crate) rejections: Vec<(u32, Refusal)>,
}

/// The way in.
#[derive(Debug)]
pub(crate) struct Intake {
    clock: Clock,
    ids: Ids,
    db: Database,
    admission: Arc<Admission>,
    limits: Limits,
    max_batch: usize,
    max_failed: u64,
    failed: AtomicU64,
}

impl Intake {
    /// Reads what former processes accepted, then takes events.
    ///
    /// # Errors
    /// When the database or the log cannot be read.
    pub(crate) async fn open(config: &Config, cx: &Context) -> Result<Arc<Self>> {
        let admission = Admission::open(config, cx).await?;
        let event = &config.event;
        Ok(Arc::new(Self {
            clock: cx.clock.clone(),
            ids: cx.ids.clone(),
            db: cx.db.clone(),
            admission,
            limits: Limits { bytes: event.max_bytes, depth: event.max_depth, keys: event.max_keys },
            max_batch: config.max_batch_events,
            max_failed: config.failed_events.max,
            failed: AtomicU64::new(0),
        }))
    }

    /// Events of a batch at the most.
    pub(crate) fn max_batch(&self) -> usize {
        self.max_batch
    }

    /// Bytes of an event at the most.
    pub(crate) fn max_event_bytes(&self) -> usize {
        self.limits.bytes
    }

    /// Takes a batch of one source, of no more than [`Intake::max_batch`]; refused events are kept for another try.
    ///
    /// # Errors
    /// [`kernel::Kind::Exhausted`] when too much waits, [`kernel::Kind::Unavailable`] when the log takes nothing: the
    /// batch may be sent again as it is.
    pub(crate) async fn accept(&self, source: &Source, candidates: Vec<Candidate>) -> Result<Receipt> {
        let (receipt, failed) = self.judge_and_append(source, candidates).await?;
        if !failed.is_empty() {
            self.keep(&source.workspace, failed).await?;
        }
        Ok(receipt)
    }

    /// The same, for events that are kept already.
    ///
    /// # Errors
    /// As with [`Intake::accept`].
    pub(crate) async fn accept_again(&self, source: &Source, candidates: Vec<Candidate>) -> Result<Receipt> {
        self.judge_and_append(source, candidates).await.map(|(receipt, _)| receipt)
    }

    async fn judge_and_append(
        &self,
        source: &Source,
        candidates: Vec<Candidate>,
    ) -> Result<(Receipt, Vec<FailedEvent>)> {
        let now = self.clock.now();
        let mut receipt = Receipt::default();
        let mut drafts = Vec::with_capacity(candidates.len());
        let mut failed = Vec::new();
        for (at, mut candidate) in (0_u32..).zip(candidates) {
            match self.judge(source, &mut candidate, now) {
                Ok(()) => drafts.push(draft(&source.workspace, &candidate.event)),
                Err(refusal) => {
                    failed.push(self.failed_event(source, candidate, &refusal, now));
                    receipt.rejections.push((at, refusal));
                }
            }
        }
        if !drafts.is_empty() {
            (receipt.accepted, receipt.duplicates) =
                self.admission.admit(&source.workspace, drafts, now).await?;
        }
        Ok((receipt, failed))
    }

    fn judge(&self, source: &Source, candidate: &mut Candidate, now: Time) -> Result<(), Refusal> {
        if source.disabled {
            let message = format!("source `{}` is disabled; enable it and replay", source.key);
            return Err(Refusal::new(Reason::SourceDisabled, message));
        }
        match candidate.refusal.take() {
            Some(refusal) => Err(refusal),
            None => check(&mut candidate.event, &self.limits, now, &self.ids),
        }
    }

    fn failed_event(
        &self,
        source: &Source,
        candidate: Candidate,
        refusal: &Refusal,
        now: Time,
    ) -> FailedEvent {
        let (form, mut payload) = match &candidate.form {
            Form::Event => {
                ("event", serde_json::to_vec(&json::of_event(&candidate.event)).unwrap_or_default())
            }
            Form::Call(call) => ("call", serde_json::to_vec(call).unwrap_or_default()),
            Form::Text(text) => ("text", text.as_bytes().to_vec()),
        };
        payload.truncate(KEPT_BYTES);
        let understood =
            !matches!(candidate.form, Form::Text(_)) && candidate.event.encoded_len() <= KEPT_BYTES;
        FailedEvent {
            workspace: source.workspace.to_string(),
            id: self.ids.next(),
            source_key: source.key.clone(),
            reason: refusal.reason.code().to_owned(),
            message: refusal.message.clone(),
            failed_at: now.0,
            form: form.to_owned(),
            payload,
            event: if understood { candidate.event.encode_to_vec() } else { Vec::new() },
        }
    }

    async fn keep(&self, workspace: &Workspace, failed: Vec<FailedEvent>) -> Result<()> {
        let more = u64::try_from(failed.len()).unwrap_or(u64::MAX);
        let before = self.failed.fetch_add(more, Ordering::Relaxed);
        let trims = before / TRIM_EVERY != (before + more) / TRIM_EVERY;
        // Said here, since over HTTP the write key names the workspace.
        let tenant = Tenant::Workspace(workspace.clone());
        tenant
            .scope(async {
                let unit = self.db.begin().await?;
                failed_events::insert(unit.db(), failed).await?;
                if trims {
                    failed_events::trim(unit.db(), workspace.as_str(), self.max_failed).await?;
                }
                unit.commit().await
            })
            .await
    }
}

fn draft(workspace: &Workspace, event: &Event) -> Draft {
    Draft {
        seen: fact::key(workspace, event),
        key: Bytes::from(identifiers::key(&event.identifiers)),
        payload: event.encode_to_vec().into(),
    }
}
