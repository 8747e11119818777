//! One way of naming a person, in its normal form.

use std::sync::Arc;

/// A namespace and a value, both normalised by [`Policy::read`](super::Policy::read). Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identifier {
    pub namespace: Arc<str>,
    pub value: Arc<str>,
}

impl Identifier {
    pub(crate) fn new(namespace: &str, value: &str) -> Self {
        Self { namespace: namespace.into(), value: value.into() }
    }
}

impl From<&Identifier> for wire::event::Identifier {
    fn from(given: &Identifier) -> Self {
        Self { namespace: given.namespace.to_string(), value: given.value.to_string() }
    }
}
