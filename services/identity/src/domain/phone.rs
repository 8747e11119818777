//! Telephone numbers in E.164 form; numbers without a country code are Chinese.

/// `+` and digits; empty when there are no digits at all.
///
/// `138 0013 8000`, `0086-13800138000` and `８６13800138000` all become `+8613800138000`; `021-62345678` becomes
/// `+862162345678`.
pub(crate) fn normalise(text: &str) -> String {
    let digits: String = text.chars().filter_map(ascii_digit).collect();
    if digits.is_empty() {
        return digits;
    }
    if text.trim_start().starts_with(['+', '＋']) {
        return format!("+{digits}");
    }
    if let Some(rest) = digits.strip_prefix("00") {
        return format!("+{rest}");
    }
    if digits.len() == 11 && digits.starts_with('1') {
        return format!("+86{digits}");
    }
    match digits.strip_prefix('0') {
        Some(national) => format!("+86{national}"),
        None => format!("+{digits}"),
    }
}

/// Whether one digit is all there is, such as in `+8600000000000`.
pub(crate) fn is_filler(number: &str) -> bool {
    let digits = number.trim_start_matches('+');
    let national = digits.strip_prefix("86").unwrap_or(digits);
    let alike = |text: &str| text.bytes().all(|byte| text.as_bytes().first() == Some(&byte));
    alike(national) || alike(digits)
}

fn ascii_digit(character: char) -> Option<char> {
    match character {
        '0'..='9' => Some(character),
        '０'..='９' => char::from_u32(u32::from(character) - u32::from('０') + u32::from('0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_written_in_many_ways_is_one_number() {
        for text in [
            "13800138000",
            "138 0013 8000",
            "+86 138-0013-8000",
            "0086 13800138000",
            "8613800138000",
            "＋８６13800138000",
        ] {
            assert_eq!(normalise(text), "+8613800138000", "{text}");
        }
        assert_eq!(normalise("021-62345678"), "+862162345678");
        assert_eq!(normalise("+1 (415) 555-2671"), "+14155552671");
        assert_eq!(normalise("没有"), "");
    }

    #[test]
    fn fillers_are_known() {
        for text in ["00000000000", "11111111111", "+86 999 9999 9999", "0"] {
            assert!(is_filler(&normalise(text)), "{text}");
        }
        assert!(!is_filler("+8613800138000"));
    }
}
