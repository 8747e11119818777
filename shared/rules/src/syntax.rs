//! From text to CEL's syntax tree, with places; and the limits that keep any text harmless.

mod words;

use cel::IdedExpr;
use cel::common::ast::SourceInfo;
use cel::parser::{ParseErrors, Parser};

use crate::problem::Problem;

/// Bytes of a condition at most.
pub(crate) const MAX_LENGTH: usize = 8 * 1024;
/// Depth of a condition at most: brackets and chained operators.
pub(crate) const MAX_DEPTH: usize = 64;

/// A parsed condition.
pub(crate) struct Parsed {
    pub(crate) root: IdedExpr,
    pub(crate) places: Places,
}

/// Parses, or says what is wrong. Needs some hundred kilobytes of stack for each bracket.
pub(crate) fn parse(source: &str) -> Result<Parsed, Vec<Problem>> {
    if source.len() > MAX_LENGTH {
        let message =
            format!("the condition has {} bytes, at most {MAX_LENGTH} are allowed; split it", source.len());
        return Err(vec![Problem { line: 1, column: 1, reason: "too_long", message }]);
    }
    if source.trim().is_empty() {
        let message = "the condition is empty; write `true` for everybody".to_owned();
        return Err(vec![Problem { line: 1, column: 1, reason: "empty", message }]);
    }
    crate::depth::check(source)?;
    let parser = Parser::new().max_recursion_depth(MAX_DEPTH as u16);
    let (root, info) = parser.parse_with_source_info(source).map_err(|errors| problems(source, &errors))?;
    Ok(Parsed { root, places: Places { info } })
}

fn problems(source: &str, errors: &ParseErrors) -> Vec<Problem> {
    let problem = |error: &cel::ParseError| {
        let line = usize::try_from(error.pos.0).unwrap_or(1).max(1);
        let column = usize::try_from(error.pos.1).unwrap_or(1).max(1);
        let message = words::plain(source, (line, column), &error.msg);
        Problem { line, column, reason: "syntax", message }
    };
    let mut found: Vec<Problem> = errors.errors.iter().map(problem).collect();
    // What follows the first mistake is mostly its consequence.
    found.sort_by_key(|problem| (problem.line, problem.column));
    found.truncate(3);
    found
}

/// Where things stand in the text.
pub(crate) struct Places {
    info: SourceInfo,
}

impl Places {
    /// Line and column of a node: of the name for a call or a selected field, otherwise of its first or only sign.
    pub(crate) fn of(&self, id: u64) -> (usize, usize) {
        let source = self.info.source.as_str();
        let start = self.info.offset_for(id).map_or(0, |(start, _)| start as usize).min(source.len());
        let start = (0..=start).rev().find(|at| source.is_char_boundary(*at)).unwrap_or(0);
        let (before, after) = source.split_at(start);
        if after.starts_with('(') {
            let name = before.trim_end().trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
            return position(source, name.len());
        }
        if let Some(field) = after.strip_prefix('.') {
            return position(source, source.len() - field.trim_start().len());
        }
        position(source, start)
    }
}

/// Line and column, both from 1 and the column in characters, of a byte.
pub(crate) fn position(source: &str, byte: usize) -> (usize, usize) {
    let before = source.get(..byte).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before.get(line_start..).map_or(0, |line| line.chars().count());
    (before.matches('\n').count() + 1, column + 1)
}
