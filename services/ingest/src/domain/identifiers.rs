//! Who an event is about.

use wire::event::Identifier;

/// Longest value, in bytes.
pub(crate) const MAX_BYTES: usize = 512;
/// Most identifiers of one event.
pub(crate) const MAX_COUNT: usize = 32;

/// An identifier of these parts.
pub(crate) fn identifier(namespace: impl Into<String>, value: impl Into<String>) -> Identifier {
    Identifier { namespace: namespace.into(), value: value.into() }
}

/// Takes blanks, empty values and repetitions away.
pub(crate) fn tidy(identifiers: &mut Vec<Identifier>) {
    for identifier in identifiers.iter_mut() {
        if identifier.value.trim().len() != identifier.value.len() {
            identifier.value = identifier.value.trim().to_owned();
        }
    }
    let mut kept: Vec<Identifier> = Vec::with_capacity(identifiers.len());
    for identifier in identifiers.drain(..) {
        if !identifier.value.is_empty() && !kept.contains(&identifier) {
            kept.push(identifier);
        }
    }
    *identifiers = kept;
}

/// How much a namespace says about a person: less is stronger.
fn strength(namespace: &str) -> u8 {
    match namespace {
        "user_id" => 0,
        "wechat.unionid" => 1,
        "phone" => 3,
        "email" => 4,
        "device_id" => 6,
        "anonymous_id" => 7,
        other if other.contains("openid") || other.contains("external_userid") => 2,
        _ => 5,
    }
}

/// What keeps the events of a person together before anybody knows the person: the strongest identifier.
pub(crate) fn key(identifiers: &[Identifier]) -> Vec<u8> {
    identifiers
        .iter()
        .min_by_key(|identifier| strength(&identifier.namespace))
        .map(|strongest| [strongest.namespace.as_bytes(), b"=", strongest.value.as_bytes()].concat())
        .unwrap_or_default()
}

/// Whether a namespace is one: `user_id`, `wechat.openid:wx12…`.
pub(crate) fn is_namespace(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_identifier_decides() {
        let mut known = vec![
            identifier("anonymous_id", " a1 "),
            identifier("user_id", "  "),
            identifier("anonymous_id", "a1"),
        ];
        tidy(&mut known);
        assert_eq!(key(&known), b"anonymous_id=a1");
        assert_eq!(known.len(), 1);
        known.push(identifier("wechat.openid:wx12", "o9A"));
        assert_eq!(key(&known), b"wechat.openid:wx12=o9A");
        known.push(identifier("user_id", "u7"));
        assert_eq!(key(&known), b"user_id=u7");
        assert!(key(&[]).is_empty());
    }
}
