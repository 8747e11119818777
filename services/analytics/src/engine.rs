//! The engine: events in sorted columnar segments and an unsorted tail, queries over both. Synchronous; knows no
//! database and no log.
//!
//! * [`Engine::append`] takes an event into memory; it is part of every answer at once.
//! * [`Engine::prepare`] writes what is in memory as segments and opens them. The caller registers them *together with
//!   its place in the log* in one transaction, then calls [`Engine::install`], which cannot fail. A crash before the
//!   registration leaves a file that goes at the next start ([`files`]); the log is read again from the place that was
//!   registered. So every event counts once.
//! * [`Engine::plan_compaction`], [`Engine::compact`] and [`Engine::install_compacted`] do the same for making large
//!   segments of small ones.
//! * Merges and splits ([`Engine::place`]) change who a record belongs to, never a segment.

mod cache;
mod columns;
pub mod compact;
pub mod files;
mod layout;
mod merge;
pub mod people;
pub mod query;
mod row;
mod run;
pub mod scan;
pub mod segment;
mod tenant;
mod walk;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use kernel::{CustomerId, Ids, RecordId, Result, Time, Workspace};
use wire::event::Event;

use cache::Cache;
use compact::{Compacted, Plan};
use files::Unneeded;
use layout::io_at;
use people::Placement;
use query::funnel::{Funnel, FunnelQuery};
use query::trend::{Series, TrendQuery};
use run::MemoryRun;
use scan::{Scan, ScanQuery};
use segment::{Segment, SegmentMeta};
use tenant::Tenant;

/// Sizes.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where segments lie; made when it is not there.
    pub folder: PathBuf,
    /// Bytes of columns kept in memory between queries.
    pub cache_bytes: usize,
    /// Threads of one query.
    pub threads: usize,
    /// Events in memory that call for a flush.
    pub flush_rows: usize,
    /// Events of a segment, at the most.
    pub segment_rows: u64,
    /// Segments of about one size that are made one.
    pub fan_in: usize,
    /// How long files are kept that are not registered any more, for other processes that read them still.
    pub kept: Duration,
}

/// What is registered: the state to start from.
#[derive(Clone, Debug, Default)]
pub struct Registered {
    /// All segments.
    pub segments: Vec<SegmentMeta>,
    /// All records, by workspace in the order of their numbers.
    pub placements: BTreeMap<Workspace, Vec<Placement>>,
}

/// What one flush makes durable, to be registered in one transaction with the place in the log.
#[derive(Debug, Default)]
pub struct Flush {
    /// Events as they are in memory, and the segment that holds them.
    written: Vec<(Arc<MemoryRun>, Arc<Segment>)>,
    /// New and changed places of records.
    pub placements: BTreeMap<Workspace, Vec<Placement>>,
}

impl Flush {
    /// New segments.
    pub fn segments(&self) -> impl Iterator<Item = &SegmentMeta> {
        self.written.iter().map(|(_, segment)| &segment.meta)
    }
}

/// See the [module](self).
#[derive(Debug)]
pub struct Engine {
    options: Options,
    ids: Ids,
    cache: Cache,
    runs: AtomicU64,
    tail: AtomicUsize,
    tenants: RwLock<BTreeMap<Workspace, Arc<Tenant>>>,
    unneeded: Unneeded,
}

impl Engine {
    /// Opens what is registered.
    ///
    /// # Errors
    /// When the folder or a registered segment cannot be read.
    pub fn open(options: Options, ids: Ids, registered: &Registered) -> Result<Self> {
        std::fs::create_dir_all(&options.folder).map_err(io_at(&options.folder))?;
        let engine = Self {
            cache: Cache::new(options.cache_bytes),
            unneeded: Unneeded::new(options.kept),
            options,
            ids,
            runs: AtomicU64::new(0),
            tail: AtomicUsize::new(0),
            tenants: RwLock::default(),
        };
        let mut segments: BTreeMap<&Workspace, Vec<Arc<Segment>>> = BTreeMap::new();
        for meta in &registered.segments {
            segments.entry(&meta.workspace).or_default().push(engine.open_segment(meta)?);
        }
        let known: BTreeSet<&Workspace> =
            segments.keys().copied().chain(registered.placements.keys()).collect();
        for workspace in known {
            let placements = registered.placements.get(workspace).map(Vec::as_slice).unwrap_or_default();
            engine
                .tenant(workspace)
                .restore(placements, segments.get(workspace).cloned().unwrap_or_default())?;
        }
        Ok(engine)
    }

    /// Takes an event in. `place`: partition and position in the log; `encoded`: the event as it came.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] when the event lacks its record or customer.
    pub fn append(
        &self,
        workspace: &Workspace,
        event: &Event,
        place: (u32, u64),
        encoded: Bytes,
    ) -> Result<()> {
        self.tenant(workspace).append(event, place, encoded)?;
        self.tail.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Puts a record with a customer, as a merge or split at `at` says. Of several such facts the latest counts.
    pub fn place(&self, workspace: &Workspace, record: RecordId, customer: CustomerId, at: Time) {
        self.tenant(workspace).place(record, customer, at);
    }

    /// Events in memory, of all workspaces.
    pub fn unflushed(&self) -> usize {
        self.tail.load(Ordering::Relaxed)
    }

    /// Whether so many events are in memory that they should be flushed.
    pub fn wants_flush(&self) -> bool {
        self.unflushed() >= self.options.flush_rows
    }

    /// Whether there are so many that somebody else should long have flushed them.
    pub fn is_full(&self) -> bool {
        self.unflushed() >= self.options.flush_rows.saturating_mul(2)
    }

    /// Writes what is in memory as segments. Nothing may be appended between this and [`Engine::install`], so that the
    /// caller's place in the log fits.
    ///
    /// # Errors
    /// When the disk refuses; nothing has changed then.
    pub fn prepare(&self) -> Result<Flush> {
        let mut flush = Flush::default();
        let written = self.write_all(&mut flush);
        if written.is_err() {
            flush.written.iter().for_each(|(_, segment)| segment.retire());
        }
        written.map(|()| flush)
    }

    fn write_all(&self, flush: &mut Flush) -> Result<()> {
        for (workspace, tenant) in self.all() {
            let (run, placements) = tenant.unflushed(|| self.next_run());
            if !placements.is_empty() {
                flush.placements.insert(workspace.clone(), placements);
            }
            if !run.rows.is_empty() {
                let (folder, file) = (&self.options.folder, self.file_name());
                let meta = write::write_rows(folder, file, workspace, &run.rows)?;
                let segment = self.open_segment(&meta)?;
                flush.written.push((run, segment));
            }
        }
        Ok(())
    }

    /// Flushes and compacts as the service does, without registering anything: for benches and tools whose data need
    /// not outlive the process.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn flush_unregistered(&self) -> Result<()> {
        self.install(&self.prepare()?);
        while let Some(plan) = self.plan_compaction() {
            self.install_compacted(&self.compact(&plan)?);
        }
        Ok(())
    }

    /// Puts registered segments in the place of the events in memory. It cannot fail: an event that was registered and
    /// is still in memory would be written, and count, twice. The events' memory is freed with the flush.
    pub fn install(&self, flush: &Flush) {
        for (run, segment) in &flush.written {
            self.tenant(&segment.meta.workspace).flushed(run.rows.len(), segment.clone());
            self.tail.fetch_sub(run.rows.len(), Ordering::Relaxed);
        }
        for (workspace, placements) in &flush.placements {
            self.tenant(workspace).saved(placements);
        }
    }

    /// Segments that should become one.
    pub fn plan_compaction(&self) -> Option<Plan> {
        let plan = |(workspace, tenant): (Workspace, Arc<Tenant>)| {
            compact::plan(&workspace, tenant.segments(), &self.options)
        };
        self.all().into_iter().find_map(plan)
    }

    /// Writes the one segment.
    ///
    /// # Errors
    /// When the disk refuses; nothing has changed then.
    pub fn compact(&self, plan: &Plan) -> Result<Compacted> {
        compact::compact(&self.options.folder, self.file_name(), self.next_run(), plan)
    }

    /// Uses the registered segment instead of those it was made of; their files go in their time, when nobody reads them.
    pub fn install_compacted(&self, compacted: &Compacted) {
        let (new, old) = (compacted.segment.clone(), &compacted.removed);
        let gone = self.tenant(&new.meta.workspace).replace(old, new);
        gone.iter().for_each(|segment| self.cache.forget(segment.id));
        self.unneeded.add_segments(gone);
        self.unneeded.remove();
    }

    /// Has these files removed in their time, which nothing registered needs.
    pub fn add_unneeded(&self, files: Vec<PathBuf>) {
        self.unneeded.add_files(files);
    }

    /// Removes files that were kept long enough.
    pub fn remove_unneeded(&self) {
        self.unneeded.remove();
    }

    /// Answers a trend.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] for too many points or groups.
    pub fn trend(&self, workspace: &Workspace, query: &TrendQuery) -> Result<Vec<Series>> {
        query::trend::run(&self.snapshot(workspace), &self.cache, self.options.threads, query)
    }

    /// Answers a funnel.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] for too many groups.
    pub fn funnel(&self, workspace: &Workspace, query: &FunnelQuery) -> Result<Funnel> {
        query::funnel::run(&self.snapshot(workspace), &self.cache, self.options.threads, query)
    }

    /// Reads events.
    ///
    /// # Errors
    /// When a segment cannot be read.
    pub fn scan(&self, workspace: &Workspace, query: ScanQuery) -> Result<Scan> {
        Scan::open(self.snapshot(workspace), query)
    }

    fn snapshot(&self, workspace: &Workspace) -> query::view::Snapshot {
        // A query must not make a workspace known.
        let tenant = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(workspace).cloned();
        let (snapshot, stale) = tenant.unwrap_or_default().snapshot(|| self.next_run());
        stale.into_iter().for_each(|run| self.cache.forget(run));
        snapshot
    }

    fn tenant(&self, workspace: &Workspace) -> Arc<Tenant> {
        if let Some(tenant) = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(workspace) {
            return tenant.clone();
        }
        self.tenants
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(workspace.clone())
            .or_default()
            .clone()
    }

    fn all(&self) -> Vec<(Workspace, Arc<Tenant>)> {
        let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
        tenants.iter().map(|(workspace, tenant)| (workspace.clone(), tenant.clone())).collect()
    }

    fn open_segment(&self, meta: &SegmentMeta) -> Result<Arc<Segment>> {
        Segment::open(&self.options.folder, meta.clone(), self.next_run()).map(Arc::new)
    }

    fn next_run(&self) -> u64 {
        self.runs.fetch_add(1, Ordering::Relaxed)
    }

    fn file_name(&self) -> String {
        format!("{}.parquet", self.ids.next())
    }
}

#[cfg(test)]
mod tests;
