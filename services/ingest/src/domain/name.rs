//! Names of events: `Order Completed`, `orderCompleted` and `order-completed` are one, `order_completed`.

/// Longest name, in characters.
pub(crate) const MAX_CHARS: usize = 100;

/// Names that say who somebody is; everything else outside behaviour is a fact of the platform.
const IDENTITY: [&str; 3] = ["identified", "grouped", "aliased"];

/// The name in snake case: words are split at anything that is neither letter nor digit and where a capital begins a
/// word; letters of any script are kept (`加入购物车`), and so is a dot between words (`wechat.subscribed`).
/// Applying it again changes nothing.
pub(crate) fn snake_case(given: &str) -> String {
    let mut name = String::with_capacity(given.len() + 4);
    let mut previous: Option<char> = None;
    let mut chars = given.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '.' {
            separate(&mut name, '.');
        } else if c.is_alphanumeric() {
            let follows_word = previous.is_some_and(|p| p.is_lowercase() || p.is_numeric());
            let ends_acronym =
                previous.is_some_and(is_capital) && chars.peek().copied().is_some_and(char::is_lowercase);
            if is_capital(c) && (follows_word || ends_acronym) {
                separate(&mut name, '_');
            }
            name.extend(c.to_lowercase().filter(|lower| lower.is_alphanumeric()));
        } else {
            separate(&mut name, '_');
        }
        previous = Some(c);
    }
    name.truncate(name.trim_end_matches(['_', '.']).len());
    name
}

/// Mathematical capitals and the like have no small form: nothing would tell them apart the second time.
fn is_capital(c: char) -> bool {
    c.is_uppercase() && c.to_lowercase().ne([c])
}

/// A dot is stronger than an underscore; neither stands at the beginning or beside another.
fn separate(name: &mut String, separator: char) {
    match name.chars().next_back() {
        None | Some('.') => {}
        Some('_') if separator == '_' => {}
        Some('_') => {
            name.pop();
            name.push('.');
        }
        Some(_) => name.push(separator),
    }
}

/// Whether only the platform itself may say so (`segment.entered`, `message.sent`).
pub(crate) fn is_reserved(name: &str) -> bool {
    !rules::is_behaviour(name) && !IDENTITY.contains(&name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_of_all_habits_become_one() {
        for given in
            ["Order Completed", "orderCompleted", "order-completed", "ORDER COMPLETED", " order__completed! "]
        {
            assert_eq!(snake_case(given), "order_completed", "{given}");
        }
        for (given, name) in [
            ("加入购物车", "加入购物车"),
            ("订单 完成", "订单_完成"),
            ("wechat.subscribed", "wechat.subscribed"),
            ("WeChat . Subscribed", "we_chat.subscribed"),
            ("HTTPRequest2xx", "http_request2xx"),
            ("._.", ""),
            ("Viewed 3 Items", "viewed_3_items"),
        ] {
            assert_eq!(snake_case(given), name, "{given}");
        }
    }

    #[test]
    fn facts_of_the_platform_are_reserved() {
        for name in
            ["segment.entered", "message.sent", "profile.updated", "customer.merged", "consent.changed"]
        {
            assert!(is_reserved(name), "{name}");
        }
        for name in
            ["identified", "grouped", "aliased", "order_completed", "wechat.subscribed", "message_replied"]
        {
            assert!(!is_reserved(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn once_is_as_good_as_twice(given in "\\PC{0,40}") {
            let once = snake_case(&given);
            prop_assert_eq!(snake_case(&once), once);
        }
    }
}
