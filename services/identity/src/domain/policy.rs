//! What the workspace's rules say of identifiers: normal form, strength, limits, values that name nobody.

use std::cmp::Ordering;
use std::collections::HashSet;

use super::Identifier;
use super::phone;
use crate::config::{Config, Namespace};

/// Longer values are refused: they name nobody, and an index has to hold them.
const MAX_VALUE_BYTES: usize = 512;
const MAX_NAMESPACE_BYTES: usize = 128;

/// The rules.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    namespaces: Vec<Namespace>,
    other_limit: usize,
    blocked: HashSet<String>,
}

impl Policy {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            namespaces: config.namespaces.clone(),
            other_limit: config.other_limit,
            blocked: config.blocked.iter().map(|value| value.trim().to_lowercase()).collect(),
        }
    }

    /// The identifier in its normal form; `Err` with the same when it names nobody.
    pub(crate) fn read(&self, namespace: &str, value: &str) -> Result<Identifier, Identifier> {
        let namespace = namespace.trim().to_lowercase();
        let value = value.trim();
        let lower = value.to_lowercase();
        let normal = match namespace.as_str() {
            "email" => lower.clone(),
            "phone" if !self.blocked.contains(&lower) => phone::normalise(value),
            _ => value.to_owned(),
        };
        let nobody = namespace.is_empty()
            || namespace.len() > MAX_NAMESPACE_BYTES
            || normal.len() > MAX_VALUE_BYTES
            || self.blocked.contains(&lower)
            || normal.bytes().all(|byte| matches!(byte, b'0' | b'-'))
            || (namespace == "phone" && phone::is_filler(&normal));
        let identifier = Identifier { namespace: namespace.into(), value: normal.into() };
        if nobody { Err(identifier) } else { Ok(identifier) }
    }

    /// Strongest first; a total order that does not depend on anything seen before.
    pub(crate) fn compare(&self, a: &Identifier, b: &Identifier) -> Ordering {
        self.rank(&a.namespace).cmp(&self.rank(&b.namespace)).then_with(|| a.cmp(b))
    }

    /// Identifiers of the namespace in one customer at the most.
    pub(crate) fn limit(&self, namespace: &str) -> usize {
        self.namespaces.get(self.rank(namespace)).map_or(self.other_limit, |found| found.limit)
    }

    fn rank(&self, namespace: &str) -> usize {
        let matches = |rule: &Namespace| match rule.name.strip_suffix('*') {
            Some(start) => namespace.starts_with(start),
            None => rule.name == namespace,
        };
        self.namespaces.iter().position(matches).unwrap_or(self.namespaces.len())
    }
}

#[cfg(test)]
impl Policy {
    /// Strongest first; nothing is blocked.
    pub(crate) fn with_limits(limits: &[(&str, usize)]) -> Self {
        let namespaces = limits
            .iter()
            .map(|(name, limit)| Namespace { name: (*name).to_owned(), limit: *limit })
            .collect();
        Self { namespaces, other_limit: 99, blocked: HashSet::new() }
    }

    /// The rules of the compiled-in settings.
    pub(crate) fn compiled_in() -> Self {
        #[derive(serde::Deserialize)]
        struct Section {
            namespaces: Vec<Namespace>,
            other_limit: usize,
            blocked: Vec<String>,
        }
        let read: Section = toml::from_str(include_str!("../../config.toml")).unwrap();
        Self {
            namespaces: read.namespaces,
            other_limit: read.other_limit,
            blocked: read.blocked.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_name_nobody_are_refused() {
        let policy = Policy::compiled_in();
        let nobody = [
            ("user_id", " NULL "),
            ("user_id", "0"),
            ("email", "Undefined"),
            ("anonymous_id", ""),
            ("user_id", "-1"),
            ("device_id", "00000000-0000-0000-0000-000000000000"),
            ("phone", "11111111111"),
            ("phone", "无"),
            ("phone", "n/a"),
            ("", "x"),
        ];
        for (namespace, value) in nobody {
            assert!(policy.read(namespace, value).is_err(), "{namespace}={value}");
        }
        assert_eq!(
            policy.read("Email", " Li.Lei@Example.CN ").unwrap(),
            Identifier::new("email", "li.lei@example.cn")
        );
        assert_eq!(policy.read("user_id", " U-1 ").unwrap(), Identifier::new("user_id", "U-1"));
    }

    #[test]
    fn namespaces_have_strength_and_limits() {
        let policy = Policy::compiled_in();
        let mut given =
            ["crm", "anonymous_id", "email", "wechat.openid:wx1", "phone", "user_id", "wechat.unionid"]
                .map(|namespace| Identifier::new(namespace, "x"));
        given.sort_by(|a, b| policy.compare(a, b));
        let order = given.each_ref().map(|identifier| &*identifier.namespace);
        assert_eq!(
            order,
            ["user_id", "wechat.unionid", "wechat.openid:wx1", "phone", "email", "anonymous_id", "crm"]
        );
        assert_eq!(
            (policy.limit("wechat.openid:wx2"), policy.limit("email"), policy.limit("crm")),
            (1, 5, 100)
        );
    }
}
