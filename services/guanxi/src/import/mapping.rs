//! What the columns of a file mean, and a row as an event.
//!
//! A customer file becomes `identified` events, so that customers take the same way in as everything else.

use std::collections::BTreeMap;
use std::path::Path;

use chassis::values::to_struct;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use kernel::{Error, Result, Time};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;
use wire::event::{Event, Identifier};

use super::rows::Row;

/// A mapping file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mapping {
    /// `events` or `customers`.
    kind: Kind,
    /// Sets the rows of this import apart from those of others: rows of the same namespace, line and content are the
    /// same row.
    pub(super) namespace: String,
    /// Names of the columns, for a file without a header.
    #[serde(default)]
    pub(super) columns: Vec<String>,
    /// `,` unless given; `tab`, or `blank` for columns kept apart by any number of blanks.
    #[serde(default)]
    delimiter: Option<String>,
    /// Name of the event; for events only.
    #[serde(default)]
    event: Option<Text>,
    /// Column that tells rows apart; without one it is the line and its content.
    #[serde(default)]
    id: Option<String>,
    /// When it happened; required for events.
    #[serde(default)]
    time: Option<TimeColumn>,
    /// Column by namespace, such as `user_id: customer_no`.
    identifiers: BTreeMap<String, String>,
    /// Column by property (events) or attribute (customers).
    #[serde(default)]
    properties: BTreeMap<String, Property>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Events,
    Customers,
}

/// The same for every row, or from a column.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Text {
    Column { column: String },
    Constant(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeColumn {
    column: String,
    /// strptime format; without one RFC 3339 or a date.
    #[serde(default)]
    format: Option<String>,
    /// For times without an offset.
    #[serde(default)]
    zone: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Property {
    Column(String),
    Typed {
        column: String,
        #[serde(rename = "type")]
        of: PropertyType,
    },
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum PropertyType {
    Text,
    Number,
    Bool,
}

impl Mapping {
    /// Reads a mapping file.
    ///
    /// # Errors
    /// [`kernel::Kind::Invalid`] with line and column.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let wrong =
            |what: &dyn std::fmt::Display| Error::invalid("--mapping", format!("{}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|cause| wrong(&cause))?;
        let mapping: Self = serde_saphyr::from_str(&text).map_err(|cause| wrong(&cause))?;
        if mapping.identifiers.is_empty() {
            return Err(wrong(
                &"`identifiers` names no column; give at least one, such as user_id: customer_no",
            ));
        }
        if mapping.kind == Kind::Events && (mapping.event.is_none() || mapping.time.is_none()) {
            return Err(wrong(&"events need `event` (a name, or {column: …}) and `time` ({column: …})"));
        }
        if let Some(zone) = mapping.time.as_ref().and_then(|time| time.zone.as_ref()) {
            TimeZone::get(zone).map_err(|cause| wrong(&cause))?;
        }
        Ok(mapping)
    }

    /// Whether columns are kept apart by blanks.
    pub(super) fn spaced(&self) -> bool {
        self.delimiter.as_deref() == Some("blank")
    }

    /// The byte between columns.
    pub(super) fn delimiter(&self) -> u8 {
        match self.delimiter.as_deref() {
            None => b',',
            Some("blank") => b' ',
            Some("tab") => b'\t',
            Some(other) => other.bytes().next().unwrap_or(b','),
        }
    }

    /// Every column it names.
    pub(super) fn named_columns(&self) -> impl Iterator<Item = &String> {
        let event = match &self.event {
            Some(Text::Column { column }) => Some(column),
            _ => None,
        };
        let properties = self.properties.values().map(|property| match property {
            Property::Column(column) | Property::Typed { column, .. } => column,
        });
        event
            .into_iter()
            .chain(&self.id)
            .chain(self.time.iter().map(|time| &time.column))
            .chain(self.identifiers.values())
            .chain(properties)
    }

    /// A row as an event.
    ///
    /// # Errors
    /// A text that names the column and what is wrong with its value.
    pub(super) fn event(&self, row: &Row, namespace: &str) -> Result<Event, String> {
        let identifiers = self
            .identifiers
            .iter()
            .filter_map(|(namespace, column)| {
                let value = row.get(column).transpose()?;
                Some(value.map(|value| Identifier { namespace: namespace.clone(), value: value.to_owned() }))
            })
            .collect::<Result<Vec<_>, _>>()?;
        if identifiers.is_empty() {
            let columns: Vec<_> = self.identifiers.values().map(|column| format!("`{column}`")).collect();
            return Err(format!("has no identifier: nothing in {}", columns.join(", ")));
        }
        let properties = self.properties(row)?;
        let (name, properties) = match self.kind {
            Kind::Customers => {
                ("identified".to_owned(), Map::from_iter([("traits".to_owned(), properties.into())]))
            }
            Kind::Events => (self.name(row)?, properties),
        };
        Ok(Event {
            id: self.row_id(row, namespace)?,
            name,
            time: self.time.as_ref().map(|time| time.read(row)).transpose()?.map(Into::into),
            identifiers,
            properties: Some(to_struct(properties)),
            ..Event::default()
        })
    }

    fn name(&self, row: &Row) -> Result<String, String> {
        match &self.event {
            Some(Text::Constant(name)) => Ok(name.clone()),
            Some(Text::Column { column }) => row
                .get(column)?
                .map(str::to_owned)
                .ok_or_else(|| format!("`{column}`, the event's name, is empty")),
            None => Err("has no event name".to_owned()),
        }
    }

    /// The same for the same row of the same file. A customer's row that has changed is news, also under the same id.
    fn row_id(&self, row: &Row, namespace: &str) -> Result<String, String> {
        let id = match &self.id {
            Some(column) => {
                row.get(column)?.map(str::to_owned).ok_or_else(|| format!("`{column}`, the id, is empty"))?
            }
            None => row.line.to_string(),
        };
        let by_content = self.id.is_none() || self.kind == Kind::Customers;
        let content = if by_content { format!("{id}\n{}", row.text()) } else { id };
        let space = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("guanxi:import:{namespace}").as_bytes());
        Ok(Uuid::new_v5(&space, content.as_bytes()).to_string())
    }

    fn properties(&self, row: &Row) -> Result<Map<String, Value>, String> {
        let mut properties = Map::new();
        for (name, property) in &self.properties {
            let (column, of) = match property {
                Property::Column(column) => (column, PropertyType::Text),
                Property::Typed { column, of } => (column, *of),
            };
            if let Some(text) = row.get(column)? {
                let value =
                    of.read(text).map_err(|wanted| format!("`{column}` is `{text}`, not {wanted}"))?;
                properties.insert(name.clone(), value);
            }
        }
        Ok(properties)
    }
}

impl PropertyType {
    fn read(self, text: &str) -> Result<Value, &'static str> {
        match self {
            Self::Text => Ok(text.into()),
            Self::Number => text
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .map(Value::Number)
                .ok_or("a number such as 12.5"),
            Self::Bool => match text.to_lowercase().as_str() {
                "true" | "1" | "yes" | "是" => Ok(true.into()),
                "false" | "0" | "no" | "否" => Ok(false.into()),
                _ => Err("true or false"),
            },
        }
    }
}

impl TimeColumn {
    fn read(&self, row: &Row) -> Result<Time, String> {
        let column = &self.column;
        let text = row.get(column)?.ok_or_else(|| format!("`{column}`, the time, is empty"))?;
        let zone = self.zone.as_ref().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC);
        let Some(format) = &self.format else {
            return Time::parse(text).map_err(|what| format!("`{column}`: {what}"));
        };
        let local = DateTime::strptime(format, text)
            .or_else(|_| Date::strptime(format, text).map(|date| date.at(0, 0, 0, 0)))
            .map_err(|_| format!("`{column}` is `{text}`, which is not of the form {format}"))?;
        let zoned = local.to_zoned(zone).map_err(|cause| format!("`{column}`: {cause}"))?;
        Ok(zoned.timestamp().into())
    }
}
