//! Work that time, not a caller, asks for.

pub(crate) mod expiry;
pub(crate) mod retention;
pub(crate) mod sweep;

use chassis::Context;

use crate::Shared;

/// Starts all of them.
pub(crate) fn start(cx: &Context, shared: &Shared) {
    let given = shared.clone();
    cx.job("tag expiry", shared.expiry.clone(), move || {
        let shared = given.clone();
        async move { expiry::run(&shared).await }
    });
    let given = shared.clone();
    cx.job("tag sweep", shared.sweep.clone(), move || {
        let shared = given.clone();
        async move { sweep::run(&shared).await }
    });
    let given = shared.clone();
    cx.timed_job("retention", chassis::Alarm::default(), move || {
        let shared = given.clone();
        async move { retention::run(&shared).await }
    });
}
