//! What a condition can read of an event, straight from the envelope on the wire.

use std::fmt;

use kernel::Time;
use wire::event::{Campaign, Context, Event, Library, Page};

use crate::schema::Type;
use crate::tree::Dotted;
use crate::value::{Val, property};

type Reader = fn(&Event) -> Option<&str>;

/// One thing of an event.
#[derive(Clone)]
pub(crate) enum Field {
    /// A fixed text such as `context.channel`, and how it is read.
    Fixed(&'static str, Reader),
    /// When it happened.
    Time,
    /// A property, by path.
    Property(Vec<String>),
    /// Something of `context.device`, by path.
    Device(Vec<String>),
}

fn context(event: &Event) -> Option<&Context> {
    event.context.as_ref()
}

fn campaign(event: &Event) -> Option<&Campaign> {
    context(event)?.campaign.as_ref()
}

fn page(event: &Event) -> Option<&Page> {
    context(event)?.page.as_ref()
}

fn library(event: &Event) -> Option<&Library> {
    context(event)?.library.as_ref()
}

const FIXED: [(&str, Reader); 19] = [
    ("name", |e| Some(&e.name)),
    ("id", |e| Some(&e.id)),
    ("context.source_key", |e| Some(&context(e)?.source_key)),
    ("context.channel", |e| Some(&context(e)?.channel)),
    ("context.campaign.name", |e| Some(&campaign(e)?.name)),
    ("context.campaign.source", |e| Some(&campaign(e)?.source)),
    ("context.campaign.medium", |e| Some(&campaign(e)?.medium)),
    ("context.campaign.term", |e| Some(&campaign(e)?.term)),
    ("context.campaign.content", |e| Some(&campaign(e)?.content)),
    ("context.page.url", |e| Some(&page(e)?.url)),
    ("context.page.path", |e| Some(&page(e)?.path)),
    ("context.page.referrer", |e| Some(&page(e)?.referrer)),
    ("context.page.title", |e| Some(&page(e)?.title)),
    ("context.ip", |e| Some(&context(e)?.ip)),
    ("context.user_agent", |e| Some(&context(e)?.user_agent)),
    ("context.locale", |e| Some(&context(e)?.locale)),
    ("context.timezone", |e| Some(&context(e)?.timezone)),
    ("context.library.name", |e| Some(&library(e)?.name)),
    ("context.library.version", |e| Some(&library(e)?.version)),
];

impl Field {
    /// The field at a path such as `["properties", "total"]`; otherwise what may be written there.
    pub(crate) fn at(path: &[String]) -> Result<Self, Vec<&'static str>> {
        let known = || {
            FIXED.iter().map(|(name, _)| *name).chain(["time", "properties.…", "context.device.…"]).collect()
        };
        match path {
            [time] if time == "time" => Ok(Self::Time),
            [properties, rest @ ..] if properties == "properties" && !rest.is_empty() => {
                Ok(Self::Property(rest.to_vec()))
            }
            [context, device, rest @ ..]
                if context == "context" && device == "device" && !rest.is_empty() =>
            {
                Ok(Self::Device(rest.to_vec()))
            }
            _ => {
                let dotted = path.join(".");
                let found = FIXED.iter().find(|(name, _)| *name == dotted);
                found.map(|(name, reader)| Self::Fixed(name, *reader)).ok_or_else(known)
            }
        }
    }

    /// Its type as far as the envelope says.
    pub(crate) const fn kind(&self) -> Type {
        match self {
            Self::Fixed(..) => Type::Text,
            Self::Time => Type::Time,
            Self::Property(_) | Self::Device(_) => Type::Any,
        }
    }

    pub(crate) fn read<'a>(&self, event: &'a Event) -> Val<'a> {
        match self {
            Self::Fixed(_, reader) => reader(event).map_or(Val::Null, Val::given),
            Self::Time => Val::Time(time_of(event).0),
            Self::Property(path) => {
                property(event.properties.as_ref(), path).map_or(Val::Null, Val::property)
            }
            Self::Device(path) => {
                let device = context(event).and_then(|context| context.device.as_ref());
                property(device, path).map_or(Val::Null, Val::property)
            }
        }
    }
}

/// When an event happened; without a time, when it was received.
pub(crate) fn time_of(event: &Event) -> Time {
    event.time.as_ref().or(event.received_at.as_ref()).map_or(Time(0), Time::from)
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(name, _) => f.write_str(name),
            Self::Time => f.write_str("time"),
            Self::Property(path) => write!(f, "properties.{}", Dotted(path)),
            Self::Device(path) => write!(f, "context.device.{}", Dotted(path)),
        }
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
