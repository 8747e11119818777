//! Paging alike in every list: sizes with a default and a limit, and opaque tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Error, Result};

/// Rows when the caller does not say.
pub const DEFAULT_SIZE: u64 = 50;
/// Rows at the most.
pub const MAX_SIZE: u64 = 1_000;

/// What a list call asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows wanted, 1 to [`MAX_SIZE`].
    pub size: u64,
    /// The key of the last row of the page before.
    pub after: Option<String>,
}

impl Page {
    /// Reads `page_size` (0: the default; more than the limit: the limit) and `page_token`.
    ///
    /// # Errors
    /// [`Kind::Invalid`](crate::Kind::Invalid) for a negative size or a token that is not one of ours.
    pub fn read(page_size: i32, page_token: &str) -> Result<Self> {
        let size = match u64::try_from(page_size) {
            Err(_) => return Err(Error::invalid("page_size", "must not be negative")),
            Ok(0) => DEFAULT_SIZE,
            Ok(size) => size.min(MAX_SIZE),
        };
        let after = match page_token {
            "" => None,
            token => Some(
                URL_SAFE_NO_PAD
                    .decode(token)
                    .ok()
                    .and_then(|bytes| String::from_utf8(bytes).ok())
                    .ok_or_else(|| Error::invalid("page_token", "give back a next_page_token as it came"))?,
            ),
        };
        Ok(Self { size, after })
    }

    /// Rows to ask a database for: one more than the page, which tells whether another page follows.
    pub fn limit(&self) -> u64 {
        self.size + 1
    }

    /// Cuts `rows` to the page and says the `next_page_token`: empty when this was the last page.
    pub fn cut<T>(&self, rows: &mut Vec<T>, key: impl Fn(&T) -> String) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        rows.last().map(|row| URL_SAFE_NO_PAD.encode(key(row))).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_overlap() {
        let all: Vec<u32> = (0..7).collect();
        let (mut token, mut seen) = (String::new(), Vec::new());
        loop {
            let page = Page::read(3, &token).unwrap();
            let after: Option<u32> = page.after.as_ref().map(|key| key.parse().unwrap());
            let mut rows: Vec<u32> = all
                .iter()
                .copied()
                .filter(|n| after.is_none_or(|a| *n > a))
                .take(page.limit() as usize)
                .collect();
            token = page.cut(&mut rows, u32::to_string);
            seen.extend(rows);
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(Page::read(-1, "").is_err());
        assert!(Page::read(0, "%%").is_err());
    }
}
