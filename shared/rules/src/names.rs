//! Which events are what a customer did, and which are what the platform did about it.

/// Prefixes of the platform's own facts.
const FACTS: [&str; 8] =
    ["customer.", "profile.", "tag.", "segment.", "rule.", "journey.", "message.", "consent."];

/// Events that say who somebody is and not what they did.
const IDENTITY: [&str; 3] = ["identified", "grouped", "aliased"];

/// Whether an event of this name counts for `events()` without a name: anything the customer did, which leaves out
/// platform facts (`segment.entered`, `message.delivered`) and `identified`, `grouped`, `aliased`.
pub fn is_behaviour(name: &str) -> bool {
    !IDENTITY.contains(&name) && !FACTS.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::is_behaviour;

    #[test]
    fn what_customers_do_is_behaviour_and_what_the_platform_does_is_not() {
        for name in
            ["order_completed", "wechat.subscribed", "message_replied", "customer_called", "identified_item"]
        {
            assert!(is_behaviour(name), "{name}");
        }
        for name in [
            "identified",
            "grouped",
            "aliased",
            "segment.entered",
            "message.delivered",
            "rule.matched",
            "consent.given",
        ] {
            assert!(!is_behaviour(name), "{name}");
        }
    }
}
