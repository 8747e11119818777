//! How deep a condition nests, counted before it is parsed: the parser itself must not be given bottomless texts.

use crate::problem::Problem;
use crate::syntax::{MAX_DEPTH, position};

/// One open bracket (or the whole text). The tree below it is at most as deep as counted here: `n` operators in a chain
/// are at most `n` levels above their deepest operand, and an operand has a level for each `.` and bracket behind it.
#[derive(Default)]
struct Level {
    /// Deepest of the parts before the last `,`.
    parts: usize,
    /// `?` since the last `,`: they nest to the right.
    choices: usize,
    /// Deepest chain since the last `,`; chains end at `&&`, `||`, `?` and `:`.
    chains: usize,
    /// Operators in this chain.
    operators: usize,
    /// Deepest operand of this chain that is done.
    operands: usize,
    /// `.` and brackets behind this operand.
    steps: usize,
    /// Deepest bracket of this operand.
    inner: usize,
}

impl Level {
    fn chain(&self) -> usize {
        self.operators + self.operands.max(self.steps + self.inner)
    }

    fn depth(&self) -> usize {
        self.parts.max(self.choices + self.chains.max(self.chain()))
    }

    /// Levels above what stands in a bracket that is opened here.
    fn above(&self) -> usize {
        self.choices + self.operators + self.steps
    }

    fn end_operand(&mut self) {
        *self = Self {
            operators: self.operators + 1,
            operands: self.operands.max(self.steps + self.inner),
            steps: 0,
            inner: 0,
            ..*self
        };
    }

    fn end_chain(&mut self) {
        *self = Self {
            parts: self.parts,
            choices: self.choices,
            chains: self.chains.max(self.chain()),
            ..Self::default()
        };
    }

    fn end_part(&mut self) {
        *self = Self { parts: self.depth(), ..Self::default() };
    }
}

/// Refuses what is deeper than [`MAX_DEPTH`].
pub(crate) fn check(source: &str) -> Result<(), Vec<Problem>> {
    let mut levels = vec![Level::default()];
    let mut above = 0;
    let mut at = 0;
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let length = token(rest);
        let nested = levels.len() > 1;
        let Some(level) = levels.last_mut() else { break };
        match rest.get(..length).unwrap_or(rest) {
            "(" | "[" | "{" => {
                level.steps += 1;
                above += level.above();
                levels.push(Level::default());
            }
            ")" | "]" | "}" if nested => {
                let inner = levels.pop().map_or(0, |level| level.depth());
                if let Some(level) = levels.last_mut() {
                    above -= level.above();
                    level.inner = level.inner.max(inner);
                }
            }
            "." => level.steps += 1,
            "in" | "+" | "-" | "*" | "/" | "%" | "<" | ">" | "=" | "!" | "==" | "!=" | "<=" | ">=" => {
                level.end_operand()
            }
            "&&" | "||" | ":" => level.end_chain(),
            "?" => {
                level.end_chain();
                level.choices += 1;
            }
            "," => level.end_part(),
            _ => {}
        }
        if above + levels.last().map_or(0, Level::depth) > MAX_DEPTH {
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
        let test = "events(\"a\", e.properties.x.y > 1 + 1).within(\"3d\").count() + 1 > -1";
        assert!(
            check(&format!(
                "({test} ? {test} : ({test}) == ({test} && {test}) ? {test} : f({test}, {test}))"
            ))
            .is_ok()
        );
        let inside = |n: usize| format!("{}1{}", "f(a ? 1 + g(".repeat(n), ") : 2)".repeat(n));
        assert!(check(&inside(15)).is_ok() && check(&inside(17)).is_err());
    }
}
