//! `branch`: the first case whose condition holds for the customer.

use wire::journey as proto;

use crate::domain::problem::Problems;
use crate::domain::test::Test;

/// Chooses a way.
#[derive(Clone, Debug)]
pub(crate) struct Branch {
    /// Conditions with where they lead, in order.
    pub(crate) cases: Vec<(Test, String)>,
    /// Where it goes on when none holds.
    pub(crate) otherwise: String,
}

impl Branch {
    pub(crate) fn read(branch: &proto::Branch, place: &str, problems: &mut Problems) -> Option<Self> {
        if branch.cases.is_empty() {
            problems.add(format!("{place}.branch.cases"), "missing", "give at least one case");
        }
        let mut read = |(n, case): (usize, &proto::Case)| {
            let place = format!("{place}.branch.cases[{n}].when");
            if case.when.trim().is_empty() {
                problems.add(&place, "missing", "a case needs a condition");
            }
            Some((Test::read(&case.when, &place, problems)?, case.next.clone()))
        };
        let cases: Vec<Option<_>> = branch.cases.iter().enumerate().map(&mut read).collect();
        Some(Self { cases: cases.into_iter().collect::<Option<_>>()?, otherwise: branch.otherwise.clone() })
    }

    /// The way, and which case led there (from 0; nothing for `otherwise`). `truth` knows every condition asked for.
    pub(crate) fn choose(&self, truth: impl Fn(&Test) -> Option<bool>) -> (Option<usize>, &str) {
        let found = self.cases.iter().enumerate().find(|(_, (test, _))| truth(test) == Some(true));
        found.map_or((None, &self.otherwise), |(n, (_, next))| (Some(n), next))
    }
}
