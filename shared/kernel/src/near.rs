//! "Did you mean": the known name nearest to a wrong one.

/// `; did you mean …?` with the nearest of `known`, or nothing when none is near.
pub fn suggestion<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let limit = (wrong.chars().count() / 3).clamp(1, 3);
    let nearest = known.into_iter().map(|name| (distance(wrong, name), name)).min();
    nearest
        .filter(|(distance, _)| *distance <= limit)
        .map_or_else(String::new, |(_, name)| format!("; did you mean `{name}`?"))
}

/// Levenshtein's distance in characters, row by row.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let first: Vec<usize> = (0..=right.len()).collect();
    let last_row = left.chars().fold(first, |above, l| {
        let mut row = vec![above.first().map_or(0, |n| n + 1)];
        for (r, pair) in right.iter().zip(above.windows(2)) {
            let [diagonal, up] = *pair else { continue };
            let before = row.last().copied().unwrap_or(0);
            row.push((diagonal + usize::from(l != *r)).min(up + 1).min(before + 1));
        }
        row
    });
    last_row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_and_suggestions() {
        for (left, right, expected) in [
            ("", "", 0),
            ("vip", "", 3),
            ("", "vip", 3),
            ("旅行", "旅游", 1),
            ("城市", "城", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(left, right), expected, "{left} {right}");
        }
        let known = ["travel_lover", "vip"];
        assert_eq!(suggestion("travel_lovr", known), "; did you mean `travel_lover`?");
        assert_eq!(suggestion("unrelated", known), "");
        assert_eq!(suggestion("x", []), "");
    }
}
