//! How deep a condition nests, counted before it is parsed: the parser itself must not be given bottomless texts.

use crate::problem::Problem;
use crate::syntax::{MAX_DEPTH, position};

/// One open bracket (or the whole text).
#[derive(Default)]
struct Level {
    /// Chained operators since the last `,`, `&&` or `||`; each may be one level of the tree.
    chain: usize,
    /// `?` since the last `,`: they nest to the right.
    choices: usize,
    /// Depth of the deepest bracket in this chain.
    inner: usize,
    /// Deepest chain so far.
    deepest: usize,
}

impl Level {
    const fn depth(&self) -> usize {
        let chain = self.chain + self.inner;
        self.choices + if chain > self.deepest { chain } else { self.deepest }
    }

    const fn end_chain(&mut self) {
        self.deepest = self.depth() - self.choices;
        self.chain = 0;
        self.inner = 0;
    }
}

/// Refuses what is deeper than [`MAX_DEPTH`].
pub(crate) fn check(source: &str) -> Result<(), Vec<Problem>> {
    let mut levels = vec![Level::default()];
    let mut outer = 0;
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let length = token(rest);
        let text = rest.get(..length).unwrap_or(rest);
        let nested = levels.len() > 1;
        let Some(level) = levels.last_mut() else { break };
        match text {
            "(" | "[" | "{" => {
                level.chain += 1;
                outer += level.choices + level.chain;
                levels.push(Level::default());
            }
            ")" | "]" | "}" if nested => {
                let inner = levels.pop().map_or(0, |level| level.depth());
                if let Some(level) = levels.last_mut() {
                    outer -= level.choices + level.chain;
                    level.inner = level.inner.max(inner);
                }
            }
            "&&" | "||" => level.end_chain(),
            "," => {
                level.end_chain();
                level.deepest += level.choices;
                level.choices = 0;
            }
            "?" => level.choices += 1,
            "in" | "+" | "-" | "*" | "/" | "%" | "<" | ">" | "=" | "!" | "==" | "!=" | "<=" | ">=" | "." => {
                level.chain += 1
            }
            _ => {}
        }
        if outer + levels.last().map_or(0, Level::depth) > MAX_DEPTH {
            let (line, column) = position(source, at);
            let message =
                format!("the condition nests more than {MAX_DEPTH} deep; split it or use fewer brackets");
            return Err(vec![Problem { line, column, reason: "too_deep", message }]);
        }
        at += length.max(1);
    }
    Ok(())
}

/// Bytes of the token that `rest` begins with: a text, a comment, a word, an operator, or one character.
fn token(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    let word = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let after = rest.get(word..).unwrap_or("");
    let raw = match rest.get(..word).unwrap_or("").to_ascii_lowercase().as_str() {
        "" | "b" => Some(false),
        "r" | "br" | "rb" => Some(true),
        _ => None,
    };
    match raw {
        Some(raw) if after.starts_with(['"', '\'']) => return word + quoted(after, raw),
        _ if word > 0 => return word,
        _ => {}
    }
    match rest.get(..2) {
        Some("&&" | "||" | "==" | "!=" | "<=" | ">=") => 2,
        _ => rest.chars().next().map_or(0, char::len_utf8),
    }
}

/// Bytes of the quoted text at the start of `rest`, to the end when it is not closed.
fn quoted(rest: &str, raw: bool) -> usize {
    let mark = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|mark| rest.starts_with(mark)).unwrap_or("\"");
    let mut at = mark.len();
    while let Some(left) = rest.get(at..).filter(|left| !left.is_empty()) {
        if left.starts_with(mark) {
            return at + mark.len();
        }
        let mut chars = left.chars();
        at += chars.next().map_or(1, |c| {
            c.len_utf8() + if c == '\\' && !raw { chars.next().map_or(0, char::len_utf8) } else { 0 }
        });
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_and_chains_count_and_texts_do_not() {
        let nested = |n: usize| format!("{}true{}", "(".repeat(n), ")".repeat(n));
        assert!(check(&nested(64)).is_ok());
        assert_eq!(check(&nested(65)).unwrap_err()[0].reason, "too_deep");
        assert!(check(&format!("1{} == 1", " + 1".repeat(63))).is_ok());
        assert!(check(&format!("1{} == 1", " + 1".repeat(64))).is_err());
        assert!(check(&format!("profile.x == \"{}\"", "((".repeat(100))).is_ok());
        assert!(check(&vec!["a == 1"; 500].join(" || ")).is_ok());
        assert!(check(&"a ? b : ".repeat(70)).is_err());
    }
}
