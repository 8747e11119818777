//! Background work: what time changes, building definitions, and telling the members of deleted segments.

pub(crate) mod build;
pub(crate) mod due;
pub(crate) mod fill;
pub(crate) mod removal;

use std::sync::Arc;

use crate::engine::Engine;

/// Registers the jobs.
pub(crate) fn register(engine: &Arc<Engine>) {
    let it = engine.clone();
    engine.cx.job("due", engine.alarms.due.clone(), move || due::run(it.clone()));
    let it = engine.clone();
    engine.cx.job("build", engine.alarms.build.clone(), move || build::run(it.clone()));
    let it = engine.clone();
    engine.cx.job("removal", engine.alarms.removal.clone(), move || removal::run(it.clone()));
}
