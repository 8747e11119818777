//! Making few large segments of many small ones.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kernel::{Result, Workspace};

use super::Options;
use super::layout::Layout;
use super::merge::Merge;
use super::run::Pick;
use super::segment::{Segment, SegmentMeta};
use super::write::Writer;

/// Rows read from each input, and written, at a time.
const BATCH: usize = 1 << 12;

/// Segments to be made one.
#[derive(Debug)]
pub struct Plan {
    pub(crate) workspace: Workspace,
    pub(crate) inputs: Vec<Arc<Segment>>,
}

/// One segment that holds the events of several.
#[derive(Debug)]
pub struct Compacted {
    pub(crate) segment: Arc<Segment>,
    /// Files to be removed from the register in the same transaction.
    pub removed: Vec<String>,
}

impl Compacted {
    /// To be registered.
    pub fn added(&self) -> &SegmentMeta {
        &self.segment.meta
    }
}

/// The smallest class of sizes (each `fan_in` times the one before, from `flush_rows`) with enough segments, as many of
/// it as fit into one. Every event is so rewritten a few times in its life.
pub(crate) fn plan(workspace: &Workspace, segments: Vec<Arc<Segment>>, options: &Options) -> Option<Plan> {
    let (fan_in, flush_rows) = (options.fan_in.max(2), (options.flush_rows as u64).max(1));
    let mut classes: BTreeMap<u32, Vec<Arc<Segment>>> = BTreeMap::new();
    for segment in segments.into_iter().filter(|segment| segment.meta.rows < options.segment_rows / 2) {
        let class = (segment.meta.rows / flush_rows).max(1).ilog2() / fan_in.ilog2();
        classes.entry(class).or_default().push(segment);
    }
    let mut inputs = classes.into_values().find(|class| class.len() >= fan_in)?;
    inputs.sort_by_key(|segment| segment.meta.rows);
    let mut rows = 0;
    inputs.retain(|segment| {
        rows += segment.meta.rows;
        rows <= options.segment_rows
    });
    (inputs.len() > 1).then(|| Plan { workspace: workspace.clone(), inputs })
}

/// Writes the one segment, to be known as run `id`; nothing changes before it is registered.
pub(crate) fn compact(folder: &Path, file: String, id: u64, plan: &Plan) -> Result<Compacted> {
    let layout = Layout::of_segments(plan.inputs.iter().map(|segment| (&segment.columns, segment.left_out)));
    let columns: Vec<&str> = layout.schema.fields().iter().map(|field| field.name().as_str()).collect();
    let runs =
        plan.inputs.iter().map(|segment| segment.read(&columns, &Pick::All, BATCH)).collect::<Result<_>>()?;
    let mut writer = Writer::create(folder, file, plan.workspace.clone(), &layout)?;
    for batch in Merge::new(runs, layout.schema.clone(), BATCH)? {
        writer.write(&batch?)?;
    }
    let removed = plan.inputs.iter().map(|segment| segment.meta.file.clone()).collect();
    let segment = Arc::new(Segment::open(folder, writer.finish()?, id)?);
    Ok(Compacted { segment, removed })
}
