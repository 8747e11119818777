//! The concepts of messaging, pure: channels and their settings, templates, messages and what becomes of them, rates,
//! reply windows.

pub(crate) mod channel;
pub(crate) mod locale;
pub(crate) mod message;
pub(crate) mod outcome;
pub(crate) mod rate;
pub(crate) mod reply_window;
pub(crate) mod retry;
pub(crate) mod settings;
pub(crate) mod template;
