//! Which of several languages to speak.

/// The position of the best locale: the wanted one, else one of its language, else the first. Case does not matter.
pub(crate) fn choose<'a>(wanted: &str, offered: impl Iterator<Item = &'a str> + Clone) -> usize {
    let language = |locale: &str| locale.split(['-', '_']).next().unwrap_or_default().to_lowercase();
    let wanted_language = language(wanted);
    let exact = offered.clone().position(|locale| locale.eq_ignore_ascii_case(wanted));
    exact.or_else(|| offered.clone().position(|locale| language(locale) == wanted_language)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn exact_then_language_then_first() {
        let offered = ["zh-CN", "en", "zh-TW"];
        let index = |wanted| choose(wanted, offered.iter().copied());
        assert_eq!([index("zh-tw"), index("zh-HK"), index("en-GB"), index("fr"), index("")], [2, 0, 1, 0, 0]);
    }
}
