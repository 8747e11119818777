//! Keys that people give: slugs.

/// Whether `key` is a slug of at most 63 characters that begins with a letter or digit.
pub(crate) fn is_slug(key: &str) -> bool {
    let mut chars = key.chars();
    chars.next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.len() <= 63
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.-".contains(c))
}

#[cfg(test)]
mod tests {
    #[test]
    fn keys_are_slugs() {
        assert!(super::is_slug("travel_coupon"));
        for wrong in ["", "-a", "A", "欢迎", &"a".repeat(64)] {
            assert!(!super::is_slug(wrong), "{wrong}");
        }
    }
}
