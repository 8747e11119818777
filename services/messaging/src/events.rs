//! What the service learns from the log: WeChat users who opened a reply window.

mod reply_window;

use std::sync::Arc;

use kernel::{Result, Workspace};
use store::{Delivery, Handler, Unit};

/// Applies events.
#[derive(Debug, Default)]
pub(crate) struct Events;

impl Events {
    /// Ready to be given to a consumer.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self)
    }
}

impl Handler for Events {
    fn wants(&self, _workspace: &Workspace, name: &str) -> bool {
        reply_window::concerns(name)
    }

    async fn apply(&self, unit: &mut Unit, batch: &[Delivery]) -> Result<()> {
        reply_window::apply(unit, batch).await
    }
}
