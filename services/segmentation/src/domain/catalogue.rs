//! Everything a workspace defines, compiled: one plan over all conditions, and the order in which they are evaluated.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use kernel::Result;
use rules::{Condition, Plan, PlannedSeries, Schema, Touched};

use super::definition::{Definition, Kind, Part};

/// The definitions of a workspace at one version.
#[derive(Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) version: i64,
    pub(crate) definitions: Vec<Definition>,
    /// Over every active condition and those that wait for history.
    pub(crate) plan: Arc<Plan>,
    /// Whether the states hold everything that the plan reads.
    pub(crate) complete: bool,
    /// The conditions of the plan.
    clauses: BTreeMap<u32, Condition>,
    /// Definitions in effect, each after those it asks for.
    pub(crate) targets: Vec<Target>,
    /// Targets whose answer may change by itself.
    pub(crate) timed: BTreeSet<usize>,
    /// What states hold completely.
    pub(crate) coverage: Vec<PlannedSeries>,
    /// Part ids of segments, for `in_segment`.
    segments: HashMap<String, u32>,
    /// Position in `targets` by condition.
    by_clause: HashMap<u32, usize>,
    /// Position in `definitions` by part.
    by_part: HashMap<u32, usize>,
    /// Parsing is done once per text.
    conditions: HashMap<String, Condition>,
}

/// A definition in effect.
#[derive(Debug)]
pub(crate) struct Target {
    /// Position in `definitions`.
    pub(crate) definition: usize,
    /// In order; the first whose condition holds wins.
    pub(crate) parts: Vec<Part>,
    /// Every part id of the definition.
    pub(crate) ids: Vec<u32>,
}

impl Catalogue {
    /// Compiles. `before` lends its parsed conditions.
    ///
    /// # Errors
    /// [`kernel::Kind::Internal`] for a stored condition that cannot be read any more.
    pub(crate) fn new(
        version: i64,
        definitions: Vec<Definition>,
        coverage: Vec<PlannedSeries>,
        before: Option<&Self>,
    ) -> Result<Self> {
        let mut conditions = HashMap::new();
        let mut clauses = BTreeMap::new();
        for (clause, text) in definitions.iter().flat_map(Definition::conditions) {
            let condition = match before.and_then(|before| before.conditions.get(text)) {
                Some(condition) => condition.clone(),
                None => compile(text)?,
            };
            conditions.insert(text.to_owned(), condition.clone());
            clauses.insert(clause, condition);
        }
        // A number stands for one text for ever: the same numbers are the same plan.
        let plan = match before.filter(|before| before.clauses.keys().eq(clauses.keys())) {
            Some(before) => before.plan.clone(),
            None => Arc::new(Plan::new(clauses.iter().map(|(clause, condition)| (*clause, condition)))),
        };
        let mut catalogue =
            Self { version, definitions, plan, coverage, conditions, clauses, ..Self::default() };
        catalogue.complete = catalogue.covers(&catalogue.plan);
        catalogue.arrange();
        Ok(catalogue)
    }

    fn arrange(&mut self) {
        for definition in in_order(&self.definitions, &self.clauses) {
            let Some(given) = self.definitions.get(definition) else { continue };
            let at = self.targets.len();
            for clause in given.active.iter().filter(|part| part.condition.is_some()).map(|part| part.clause)
            {
                self.by_clause.insert(clause, at);
                let uses = self.clauses.get(&clause).map(Condition::uses);
                if uses.is_some_and(|uses| uses.behaviour || uses.now) {
                    self.timed.insert(at);
                }
            }
            let ids = given.parts().map(|part| part.id).collect();
            self.targets.push(Target { definition, parts: given.active.clone(), ids });
        }
        for (at, definition) in self.definitions.iter().enumerate() {
            self.by_part.extend(definition.parts().map(|part| (part.id, at)));
            if let (true, Some(part)) = (definition.is_told(), definition.latest.first()) {
                self.segments.insert(definition.key.clone(), part.id);
            }
        }
    }

    /// The targets of conditions.
    pub(crate) fn targets_of(&self, touched: Touched) -> impl Iterator<Item = usize> {
        touched.into_iter().filter_map(|clause| self.by_clause.get(&clause).copied())
    }

    /// Targets whose conditions ask for a segment.
    pub(crate) fn dependents_of(&self, segment: &str) -> impl Iterator<Item = usize> {
        self.targets_of(self.plan.on_segments([segment]))
    }

    /// Part id of a segment.
    pub(crate) fn segment(&self, key: &str) -> Option<u32> {
        self.segments.get(key).copied()
    }

    /// The definition a part belongs to.
    pub(crate) fn owner(&self, part: u32) -> Option<&Definition> {
        self.by_part.get(&part).and_then(|at| self.definitions.get(*at))
    }

    /// A definition by its key.
    pub(crate) fn find(&self, space: &str, key: &str) -> Option<&Definition> {
        self.definitions.iter().find(|definition| definition.kind.space() == space && definition.key == key)
    }

    /// Keys that `in_segment` may name.
    pub(crate) fn segment_keys(&self) -> BTreeSet<String> {
        let segments = self.definitions.iter().filter(|definition| definition.kind == Kind::Dynamic);
        segments.map(|definition| definition.key.clone()).collect()
    }

    /// Keys of definitions whose conditions name a segment, ascending.
    pub(crate) fn naming(&self, segment: &str) -> Vec<String> {
        let names = |definition: &&Definition| {
            definition.conditions().any(|(_, text)| {
                self.conditions.get(text).is_some_and(|condition| condition.uses().segments.contains(segment))
            })
        };
        self.definitions.iter().filter(names).map(|definition| definition.key.clone()).collect()
    }

    /// Keys of the segments that a segment's conditions name.
    pub(crate) fn asked_by(&self, segment: &str) -> BTreeSet<String> {
        let definition = self.find(Kind::Dynamic.space(), segment);
        let conditions = definition.into_iter().flat_map(Definition::conditions);
        let parsed = conditions.filter_map(|(_, text)| self.conditions.get(text));
        parsed.flat_map(|condition| condition.uses().segments.iter().cloned()).collect()
    }

    /// What a plan reads and states do not hold, or not far enough back.
    pub(crate) fn lacking(&self, plan: &Plan) -> Vec<PlannedSeries> {
        let held: HashMap<u64, Option<Duration>> = self.coverage.iter().map(|s| (s.id, s.window)).collect();
        let mut lacking = plan.series();
        lacking.retain(|series| match (held.get(&series.id), series.window) {
            (None, _) | (Some(Some(_)), None) => true,
            (Some(None), _) => false,
            (Some(Some(held)), Some(wanted)) => *held < wanted,
        });
        lacking
    }

    /// Whether everything that conditions read is in the states.
    pub(crate) fn covers(&self, plan: &Plan) -> bool {
        self.lacking(plan).is_empty()
    }

    /// The plan of one definition's latest conditions.
    pub(crate) fn plan_of(&self, definition: &Definition) -> Plan {
        Plan::new(
            latest_conditions(definition)
                .filter_map(|(clause, text)| Some((clause, self.conditions.get(text)?))),
        )
    }

    /// What of the coverage stays true under this plan: series that it knows, no further back than it keeps them.
    pub(crate) fn trimmed(&self, series: &[PlannedSeries]) -> Vec<PlannedSeries> {
        let planned: HashMap<u64, PlannedSeries> =
            self.plan.series().into_iter().map(|s| (s.id, s)).collect();
        let trim = |series: &PlannedSeries| {
            let now = planned.get(&series.id)?;
            let window = match (series.window, now.window) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
            Some(PlannedSeries { window, ..now.clone() })
        };
        series.iter().filter_map(trim).collect()
    }
}

/// A condition that was checked when it was saved.
fn compile(text: &str) -> Result<Condition> {
    Condition::customer(text, &Schema::open()).map_err(|problems| {
        kernel::Error::internal(format!("a saved condition cannot be read any more: {problems}"))
    })
}

fn latest_conditions(definition: &Definition) -> impl Iterator<Item = (u32, &str)> {
    definition.latest.iter().filter_map(|part| Some((part.clause, part.condition.as_deref()?)))
}

/// Definitions in effect, each after the segments it asks for. There are no cycles: saving refuses them.
fn in_order(definitions: &[Definition], clauses: &BTreeMap<u32, Condition>) -> Vec<usize> {
    let in_effect: Vec<usize> =
        definitions.iter().enumerate().filter(|(_, d)| !d.active.is_empty()).map(|(at, _)| at).collect();
    let by_key: HashMap<&str, usize> = in_effect
        .iter()
        .filter_map(|at| definitions.get(*at).filter(|d| d.is_told()).map(|d| (d.key.as_str(), *at)))
        .collect();
    let mut order = Vec::with_capacity(in_effect.len());
    let mut seen = BTreeSet::new();
    // Depth first without recursion: a definition is put down when it is met the second time.
    let mut stack: Vec<(usize, bool)> = in_effect.iter().rev().map(|at| (*at, false)).collect();
    while let Some((at, ready)) = stack.pop() {
        if ready {
            order.push(at);
        } else if seen.insert(at) {
            stack.push((at, true));
            let parts = definitions.get(at).map_or(&[][..], |definition| definition.active.as_slice());
            let asked =
                parts.iter().filter_map(|part| clauses.get(&part.clause)).flat_map(|c| &c.uses().segments);
            stack.extend(asked.filter_map(|key| by_key.get(key.as_str())).map(|at| (*at, false)));
        }
    }
    order
}
