//! What people read in the terminal.

use std::io::Write as _;

use indicatif::{ProgressBar, ProgressStyle};
use kernel::Error;

/// One line on standard output.
pub(crate) fn say(line: impl std::fmt::Display) {
    // Nobody reads on (a closed pipe): there is nothing better to do than to go on.
    let _closed = writeln!(std::io::stdout(), "{line}").is_err();
}

/// An error on standard error: what, where, the remedy, and what caused it.
pub(crate) fn complain(error: &Error) {
    let mut text = format!("error: {}\n", chassis::status::chain(error));
    for violation in error.violations.iter().skip(usize::from(error.violations.len() == 1)) {
        text.push_str(&format!("  {}: {}\n", violation.field, violation.description));
    }
    let _closed = std::io::stderr().write_all(text.as_bytes()).is_err();
}

/// A bar of `length` steps on standard error; nothing where that is no terminal.
pub(crate) fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg:<28} {wide_bar} {pos}/{len} {per_sec} {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(length).with_style(style).with_message(what)
}
