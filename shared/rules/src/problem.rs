//! What is wrong with a condition, and where: shown to the person who wrote it.

use std::fmt;

/// One mistake in a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line of the mistake, from 1.
    pub line: usize,
    /// Column of the mistake in characters (not bytes), from 1.
    pub column: usize,
    /// Stable code in `lower_snake_case`, for machines and tests.
    pub reason: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

/// Everything wrong with one condition; at least one problem, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    source: String,
    list: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(source: &str, mut list: Vec<Problem>) -> Self {
        list.sort_by_key(|problem| (problem.line, problem.column));
        list.dedup();
        Self { source: source.to_owned(), list }
    }

    /// The problems in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.list.iter()
    }

    /// As the platform's error: one violation of `field` for each problem.
    pub fn at(&self, field: &str) -> kernel::Error {
        let violation = |problem: &Problem| kernel::Violation {
            field: field.to_owned(),
            description: format!("line {}, column {}: {}", problem.line, problem.column, problem.message),
        };
        kernel::Error::violations(self.list.iter().map(violation).collect())
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.list.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            write!(f, "{}:{}: {}", problem.line, problem.column, problem.message)?;
            let Some(line) = self.source.split('\n').nth(problem.line.saturating_sub(1)) else { continue };
            let before = line.chars().take(problem.column.saturating_sub(1));
            let indent: String = before.map(|c| if is_wide(c) { '\u{3000}' } else { ' ' }).collect();
            write!(f, "\n  | {}\n  | {indent}^", line.trim_end())?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Whether a terminal shows it two columns wide, roughly: CJK and full-width forms.
fn is_wide(c: char) -> bool {
    matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}' | '\u{20000}'..='\u{3fffd}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_mistake_after_chinese() {
        let problem = Problem { line: 2, column: 3, reason: "x", message: "错".to_owned() };
        let problems = Problems::new("甲\n乙=丙", vec![problem]);
        assert_eq!(problems.to_string(), "2:3: 错\n  | 乙=丙\n  | \u{3000} ^");
    }
}
