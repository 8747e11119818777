//! Profiles from what is kept of customers' records.

use std::collections::HashMap;

use chassis::values::to_struct;
use kernel::{Result, Time, Workspace};
use store::Rows;
use uuid::Uuid;
use wire::profile::{Profile, TagAssignment};

use crate::api::customers::Person;
use crate::domain::{person, tags as tagging};
use crate::store::records::For;
use crate::store::row::{assignment, record};
use crate::store::tags::Tags;
use crate::store::{assignments, records, tags};

/// What is kept of some records.
#[derive(Debug)]
pub(crate) struct Kept {
    rows: HashMap<Uuid, record::Model>,
    held: HashMap<Uuid, Vec<assignment::Model>>,
    tags: Tags,
}

impl Kept {
    pub(crate) async fn read(db: &impl Rows, workspace: &Workspace, records: &[Uuid]) -> Result<Self> {
        let (rows, assigned) = futures::try_join!(
            records::by_ids(db, workspace, records, For::Reading),
            assignments::of_records(db, workspace, records),
        )?;
        let mut held: HashMap<Uuid, Vec<assignment::Model>> = HashMap::new();
        for row in assigned {
            held.entry(row.record_id).or_default().push(row);
        }
        let tags = if held.is_empty() { Tags::new() } else { tags::all(db, workspace).await? };
        Ok(Self { rows: rows.into_iter().map(|row| (row.record_id, row)).collect(), held, tags })
    }

    /// The profile of somebody whose records were read; without segments.
    pub(crate) fn profile(&self, who: Person) -> Result<Profile> {
        let person = person::fold(who.records.iter().filter_map(|record| self.rows.get(&record.0)))?;
        let assigned = who.records.iter().filter_map(|record| self.held.get(&record.0)).flatten();
        Ok(Profile {
            customer_id: who.id.to_string(),
            attributes: Some(to_struct(person.attributes.into_iter().collect())),
            tags: assignments_of(assigned, &self.tags),
            identifiers: who.identifiers,
            segments: Vec::new(),
            first_seen_at: person.first_seen.map(Into::into),
            last_seen_at: person.last_seen.map(Into::into),
            version: person.version,
        })
    }
}

/// The profiles of these people, in their order; without segments.
pub(crate) async fn profiles(
    db: &impl Rows,
    workspace: &Workspace,
    people: Vec<Person>,
) -> Result<Vec<Profile>> {
    let ids: Vec<Uuid> = people.iter().flat_map(|person| &person.records).map(|record| record.0).collect();
    let kept = Kept::read(db, workspace, &ids).await?;
    people.into_iter().map(|person| kept.profile(person)).collect()
}

/// The tags that a customer has by these assignments of its records.
pub(crate) fn assignments_of<'a>(
    rows: impl Iterator<Item = &'a assignment::Model>,
    tags: &Tags,
) -> Vec<TagAssignment> {
    tagging::shown(rows, tags).into_iter().map(|row| assignment(row, tags)).collect()
}

fn assignment(row: &assignment::Model, tags: &Tags) -> TagAssignment {
    TagAssignment {
        key: row.tag.clone(),
        name: tags.get(&row.tag).map_or_else(|| row.tag.clone(), |tag| tag.name.clone()),
        source: row.source.clone(),
        assigned_at: Some(Time(row.assigned_at).into()),
        expires_at: row.expires_at.map(|time| Time(time).into()),
        reason: row.reason.clone(),
    }
}
