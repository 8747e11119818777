//! One unit of work on the people of a workspace: loaded at once, changed in memory, written at once.

mod evaluate;
mod flush;
mod merge;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use chassis::fact::Cause;
use jiff::tz::TimeZone;
use kernel::{Ids, Result, Time, Workspace};
use rules::Plan;
use sea_orm::ConnectionTrait;
use store::Rows;
use uuid::Uuid;
use wire::event::Event;

use crate::domain::catalogue::Catalogue;
use crate::domain::definition::Definition;
use crate::domain::person::{Customer, Record};
use crate::engine::Engine;
use crate::store::filling::{Aside, Filling};
use crate::store::{definitions, filling, members, people};

pub(crate) use self::merge::Merge;

/// See the module.
pub(crate) struct Work {
    pub(crate) workspace: Workspace,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) now: Time,
    zone: TimeZone,
    ids: Ids,
    pub(crate) next_id: u32,
    pub(crate) records: HashMap<Uuid, Record>,
    pub(crate) customers: HashMap<Uuid, Customer>,
    /// Where absorbed customers went, as stored.
    aliases: HashMap<Uuid, Uuid>,
    new_aliases: HashMap<Uuid, Option<Uuid>>,
    /// While series are filled from history: what happens on records that have not got theirs.
    filling: Option<(Filling, Plan)>,
    aside: HashMap<Uuid, Aside>,
    aside_changed: BTreeSet<Uuid>,
    memberships: BTreeMap<(u32, Uuid), Option<Time>>,
    counts: BTreeMap<u32, i64>,
    facts: Vec<Event>,
}

/// Why memberships change.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    pub(crate) cause: Cause,
    pub(crate) reason: Option<&'static str>,
    /// The record it happened on; `None`: the customer's first.
    pub(crate) record: Option<Uuid>,
}

impl Why {
    /// Time has passed.
    pub(crate) fn time() -> Self {
        Self { cause: Cause::none(), reason: None, record: None }
    }

    /// The definition was built or deleted.
    pub(crate) fn definition(reason: &'static str) -> Self {
        Self { reason: Some(reason), ..Self::time() }
    }
}

impl Work {
    /// Takes the workspace's lock and its definitions.
    pub(crate) async fn open(
        engine: &Engine,
        db: &impl ConnectionTrait,
        workspace: &Workspace,
    ) -> Result<Self> {
        let row = definitions::lock(db, workspace).await?;
        let catalogue = engine.catalogue(db, workspace, row.version).await?;
        let filling = if catalogue.complete { None } else { filling::load(db, workspace).await? };
        let filling = filling.map(|filling| {
            let series = filling.series.iter().map(|series| series.id).collect();
            let plan = catalogue.plan.only(&series);
            (filling, plan)
        });
        Ok(Self {
            workspace: workspace.clone(),
            catalogue,
            now: engine.cx.clock.now(),
            zone: engine.cx.workspaces.zone(workspace).clone(),
            ids: engine.cx.ids.clone(),
            next_id: u32::try_from(row.next_id).unwrap_or(u32::MAX),
            records: HashMap::new(),
            customers: HashMap::new(),
            aliases: HashMap::new(),
            new_aliases: HashMap::new(),
            filling,
            aside: HashMap::new(),
            aside_changed: BTreeSet::new(),
            memberships: BTreeMap::new(),
            counts: BTreeMap::new(),
            facts: Vec::new(),
        })
    }

    /// Loads records and customers, whole: the owners of the records, what absorbed customers became, and every record
    /// of all of them.
    pub(crate) async fn load(
        &mut self,
        db: &impl Rows,
        records: &BTreeSet<Uuid>,
        customers: &BTreeSet<Uuid>,
    ) -> Result<()> {
        self.load_records(db, records.iter().copied().collect()).await?;
        let owners = self.records.values().map(|record| record.customer);
        let mut wanted: BTreeSet<Uuid> = owners.chain(customers.iter().copied()).collect();
        loop {
            wanted.retain(|id| !self.customers.contains_key(id) && !self.aliases.contains_key(id));
            if wanted.is_empty() {
                break;
            }
            let asked: Vec<Uuid> = wanted.iter().copied().collect();
            let found = people::customers(db, &self.workspace, &asked).await?;
            for (id, customer) in found {
                wanted.remove(&id);
                self.customers.insert(id, customer);
            }
            let missing: Vec<Uuid> = wanted.iter().copied().collect();
            let became = people::aliases(db, &self.workspace, &missing).await?;
            wanted = became.values().copied().collect();
            self.aliases.extend(became);
        }
        let all = self.customers.values().flat_map(|customer| customer.records.iter().copied());
        self.load_records(db, all.collect()).await
    }

    /// The same for customers that were read already.
    pub(crate) async fn adopt(&mut self, db: &impl Rows, page: Vec<(Uuid, Customer)>) -> Result<()> {
        let records = page.iter().flat_map(|(_, customer)| customer.records.iter().copied()).collect();
        self.customers.extend(page);
        self.load_records(db, records).await
    }

    async fn load_records(&mut self, db: &impl Rows, mut wanted: Vec<Uuid>) -> Result<()> {
        wanted.retain(|id| !self.records.contains_key(id));
        wanted.sort_unstable();
        wanted.dedup();
        self.records.extend(people::records(db, &self.workspace, &wanted).await?);
        if let Some((filling, _)) = &self.filling {
            let concerned: Vec<Uuid> = wanted.into_iter().filter(|id| filling.concerns(*id)).collect();
            self.aside.extend(filling::aside(db, &self.workspace, &concerned).await?);
        }
        Ok(())
    }

    /// The targets of some definitions.
    pub(crate) fn targets(&self, of: impl Fn(&Definition) -> bool) -> impl Iterator<Item = usize> {
        let all = self.catalogue.targets.iter().enumerate();
        all.filter_map(move |(at, target)| {
            of(self.catalogue.definitions.get(target.definition)?).then_some(at)
        })
    }

    /// The customer that a record belongs to; both come into being when they are not known yet.
    pub(crate) fn subject(&mut self, record: Uuid, customer: Uuid) -> Uuid {
        if let Some(known) = self.records.get(&record) {
            return known.customer;
        }
        let customer = self.alive(customer);
        self.records.insert(record, Record::new(customer));
        self.bear(customer);
        if let Some(known) = self.customers.get_mut(&customer) {
            known.records.push(record);
            known.facts = None;
            known.changed = true;
        }
        customer
    }

    /// Makes sure that a customer exists.
    fn bear(&mut self, id: Uuid) {
        let known = self.customers.entry(id).or_insert_with(|| Customer { gone: true, ..Customer::new() });
        if known.gone {
            *known = Customer::new();
            *self.counts.entry(members::EVERYBODY).or_default() += 1;
        }
    }

    /// Evaluates a customer that came into being, everything at once.
    pub(crate) fn welcome(&mut self, customer: Uuid, why: &Why) {
        if self.is_newborn(customer) {
            self.evaluate_all(customer, why);
        }
    }

    /// Those who came into being and have not been evaluated.
    pub(crate) fn newborns(&self) -> Vec<Uuid> {
        self.customers.iter().filter(|(_, known)| known.newborn && !known.gone).map(|(id, _)| *id).collect()
    }

    fn is_newborn(&self, customer: Uuid) -> bool {
        self.customers.get(&customer).is_some_and(|known| known.newborn)
    }

    /// The customer that an id leads to now.
    fn alive(&self, mut customer: Uuid) -> Uuid {
        // Aliases never form a ring; the bound guards against damaged rows.
        for _ in 0..1_000 {
            let next = match self.new_aliases.get(&customer) {
                Some(next) => *next,
                None => self.aliases.get(&customer).copied(),
            };
            match next {
                Some(next) if self.customers.get(&customer).is_none_or(|known| known.gone) => customer = next,
                _ => break,
            }
        }
        customer
    }

    /// Takes an event into the state of its record and evaluates what it touches.
    pub(crate) fn behave(&mut self, record: Uuid, customer: Uuid, event: &Event, why: &Why) {
        let Some(known) = self.records.get_mut(&record) else { return };
        let touched = self.catalogue.plan.apply(&mut known.state, event, &self.zone);
        if touched.is_empty() {
            return;
        }
        known.changed = true;
        if let Some((_, plan)) = self.filling.as_ref().filter(|(filling, _)| filling.concerns(record)) {
            let aside = self.aside.entry(record).or_default();
            if !plan.apply(&mut aside.fresh, event, &self.zone).is_empty() {
                self.aside_changed.insert(record);
            }
        }
        if !self.is_newborn(customer) {
            let targets = self.catalogue.targets_of(touched).collect();
            self.evaluate(customer, self.now, targets, why);
        }
    }

    /// Notes that facts of a record changed and evaluates what reads them.
    pub(crate) fn restate(&mut self, record: Uuid, customer: Uuid, touched: rules::Touched, why: &Why) {
        if let Some(known) = self.records.get_mut(&record) {
            known.changed = true;
        }
        if let Some(known) = self.customers.get_mut(&customer) {
            known.facts = None;
        }
        if !self.is_newborn(customer) {
            let targets = self.catalogue.targets_of(touched).collect();
            self.evaluate(customer, self.now, targets, why);
        }
    }
}
