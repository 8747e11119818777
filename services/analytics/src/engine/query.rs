//! Questions to the engine, and what they have in common: the runs and columns they look at.

pub mod funnel;
pub mod trend;
pub(crate) mod view;

use std::fmt;
use std::sync::Arc;

use wire::event::Event;

/// A test on events, with the text it was made from, by which its results are kept.
#[derive(Clone)]
pub struct Filter {
    /// What tells this filter from others.
    pub source: String,
    /// Whether an event passes; must depend on nothing else.
    pub test: Arc<dyn Fn(&Event) -> bool + Send + Sync>,
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Filter({})", self.source)
    }
}
