//! Background loops: runs that are due, and dates.

pub(crate) mod dates;
pub(crate) mod executor;

use std::sync::Arc;

use crate::Shared;

/// Starts them.
pub(crate) fn start(shared: &Arc<Shared>) {
    let work = shared.clone();
    shared.cx.job("runs", shared.runs.clone(), move || {
        let shared = work.clone();
        async move { executor::round(&shared).await }
    });
    let work = shared.clone();
    shared.cx.job("dates", shared.dates.clone(), move || {
        let shared = work.clone();
        async move { dates::work(&shared).await }
    });
}
