//! What the service knows, without I/O: what an event must be like, whether it came before, how others speak.

pub(crate) mod check;
pub(crate) mod identifiers;
pub(crate) mod json;
pub(crate) mod name;
pub(crate) mod refusal;
pub(crate) mod seen;
pub(crate) mod source;
pub(crate) mod tracking;
pub(crate) mod wechat;
