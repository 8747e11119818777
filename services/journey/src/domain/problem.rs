//! What is wrong with a definition, and where.

use kernel::{Error, Violation};
use wire::journey::Problem;

/// Collects problems in the order they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// `place` is a path such as `nodes.pause.next`, `reason` a stable code.
    pub(crate) fn add(&mut self, place: impl Into<String>, reason: &str, message: impl Into<String>) {
        self.list.push(Problem { place: place.into(), reason: reason.to_owned(), message: message.into() });
    }

    /// Every mistake of a condition, with its line and column.
    pub(crate) fn add_condition(&mut self, place: &str, problems: &rules::Problems) {
        for problem in problems {
            let message = format!("line {}, column {}: {}", problem.line, problem.column, problem.message);
            self.add(place, problem.reason, message);
        }
    }

    /// Whether the definition is in order.
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The problems as the API shows them.
    pub(crate) fn into_list(self) -> Vec<Problem> {
        self.list
    }

    /// As a refusal: one violation per problem, below `journey.definition`.
    pub(crate) fn into_error(self) -> Error {
        let violation = |p: Problem| Violation {
            field: format!("journey.definition.{}", p.place),
            description: p.message,
        };
        Error::violations(self.list.into_iter().map(violation).collect())
    }
}
