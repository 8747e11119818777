//! `exit`: the end of a run.

use wire::journey as proto;

/// Ends.
#[derive(Clone, Debug)]
pub(crate) struct Exit {
    /// Why, as statistics show it.
    pub(crate) reason: String,
}

impl Exit {
    /// Without a reason it is `done`.
    pub(crate) fn read(exit: &proto::Exit) -> Self {
        Self { reason: if exit.reason.is_empty() { "done".to_owned() } else { exit.reason.clone() } }
    }
}
