//! Names that come again and again, kept once.

use std::sync::Arc;

/// Workspace and producer names seen before; there are few.
#[derive(Debug, Default)]
pub(crate) struct Names(Vec<Arc<str>>);

impl Names {
    /// The name that these bytes are; `None` when they are no text.
    pub(crate) fn name(&mut self, bytes: &[u8]) -> Option<Arc<str>> {
        if let Some(known) = self.0.iter().find(|known| known.as_bytes() == bytes) {
            return Some(known.clone());
        }
        let name: Arc<str> = std::str::from_utf8(bytes).ok()?.into();
        if self.0.len() < 32 {
            self.0.push(name.clone());
        }
        Some(name)
    }
}
