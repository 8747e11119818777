//! Who enters a journey: the trigger, its condition, and whether somebody may enter again.

mod condition;

use std::time::Duration;

use jiff::civil::Time as Clock;
use kernel::Time;
use wire::event::Event;
use wire::journey as proto;

pub(crate) use condition::EntryCondition;

use crate::domain::calendar::read_time_of_day;
use crate::domain::node::duration;
use crate::domain::problem::Problems;

/// What starts a run.
#[derive(Clone, Debug)]
pub(crate) enum Trigger {
    /// An event of that name.
    Event(String),
    /// Entering the segment of that key.
    SegmentEntered(String),
    /// Leaving it.
    SegmentExited(String),
    /// A day of the year.
    Date(Anniversary),
}

/// Every year, some days from the day of an attribute.
#[derive(Clone, Debug)]
pub(crate) struct Anniversary {
    /// Name of the attribute.
    pub(crate) attribute: String,
    /// Days before (negative) or after.
    pub(crate) offset_days: i32,
    /// Local time.
    pub(crate) at: Clock,
}

/// Whether a customer may enter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReEntry {
    Never,
    AfterExit,
    After(Duration),
    Always,
}

/// What decides about re-entry: the runs of the customer in the journey so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Whether there was any run.
    pub(crate) any: bool,
    /// Whether one is under way.
    pub(crate) active: bool,
    /// When the last one began.
    pub(crate) last: Option<Time>,
}

impl ReEntry {
    /// Whether somebody with this past may enter now.
    pub(crate) fn allows(self, past: Past, now: Time) -> bool {
        match self {
            Self::Never => !past.any,
            Self::AfterExit => !past.active,
            Self::After(pause) => past.last.is_none_or(|last| last.plus(pause) <= now),
            Self::Always => true,
        }
    }
}

/// The way in.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) trigger: Trigger,
    pub(crate) condition: EntryCondition,
    pub(crate) re_entry: ReEntry,
}

/// Names of the platform facts that segment triggers listen to.
const ENTERED: &str = "segment.entered";
const EXITED: &str = "segment.exited";

impl Entry {
    /// Reads the way in; nothing when a part is missing or wrong.
    pub(crate) fn read(entry: Option<&proto::Entry>, problems: &mut Problems) -> Option<Self> {
        let Some(entry) = entry else {
            problems.add(
                "entry",
                "missing",
                "say what starts a run: event, segment_entered, segment_exited or date",
            );
            return None;
        };
        let trigger = read_trigger(entry, problems);
        let condition = EntryCondition::read(&entry.condition, problems);
        let re_entry = read_re_entry(entry, problems);
        Some(Self { trigger: trigger?, condition: condition?, re_entry: re_entry? })
    }

    /// The event name it listens to; nothing for dates.
    pub(crate) fn listens_to(&self) -> Option<&str> {
        match &self.trigger {
            Trigger::Event(name) => Some(name),
            Trigger::SegmentEntered(_) => Some(ENTERED),
            Trigger::SegmentExited(_) => Some(EXITED),
            Trigger::Date(_) => None,
        }
    }

    /// Whether an event of the right name starts a run, as far as the event alone decides.
    pub(crate) fn takes(&self, event: &Event) -> bool {
        let text = |name| chassis::fact::text(event, name);
        let fires = match &self.trigger {
            Trigger::Event(name) => event.name == *name,
            // A segment that was deleted, or a customer that went up in another, did not leave by their own doing.
            Trigger::SegmentExited(key) => {
                event.name == EXITED
                    && text("segment") == key
                    && !["deleted", "merged"].contains(&text("reason"))
            }
            Trigger::SegmentEntered(key) => event.name == ENTERED && text("segment") == key,
            Trigger::Date(_) => false,
        };
        fires && self.condition.takes(event)
    }

    /// Whether an event is history to this way in: it was older than `most` when the platform received it, as in an
    /// import. What was received in time and is only heard late, because a process was down, is not. Nor is the coming
    /// and going of a segment: nobody imports it, and one that fell due while segmentation was down is told late.
    pub(crate) fn is_history(&self, event: &Event, now: Time, most: Duration) -> bool {
        matches!(self.trigger, Trigger::Event(_))
            && received(event, now).since(chassis::fact::time(event)) > most
    }
}

/// When the platform received an event; `now` when it does not say.
fn received(event: &Event, now: Time) -> Time {
    event.received_at.as_ref().map_or(now, Time::from)
}

fn read_trigger(entry: &proto::Entry, problems: &mut Problems) -> Option<Trigger> {
    let mut named = |name: &str, place: &str| {
        if name.is_empty() {
            problems.add(place, "missing", "must not be empty");
        }
        (!name.is_empty()).then(|| name.to_owned())
    };
    match &entry.trigger {
        None => {
            problems.add(
                "entry",
                "missing",
                "say what starts a run: event, segment_entered, segment_exited or date",
            );
            None
        }
        Some(proto::entry::Trigger::Event(name)) => named(name, "entry.event").map(Trigger::Event),
        Some(proto::entry::Trigger::SegmentEntered(key)) => {
            named(key, "entry.segment_entered").map(Trigger::SegmentEntered)
        }
        Some(proto::entry::Trigger::SegmentExited(key)) => {
            named(key, "entry.segment_exited").map(Trigger::SegmentExited)
        }
        Some(proto::entry::Trigger::Date(date)) => read_anniversary(date, problems).map(Trigger::Date),
    }
}

fn read_anniversary(date: &proto::DateTrigger, problems: &mut Problems) -> Option<Anniversary> {
    if date.attribute.is_empty() {
        problems.add(
            "entry.date.attribute",
            "missing",
            "name the attribute that holds the date, such as birthday",
        );
    }
    if date.offset_days.abs() > 366 {
        problems.add("entry.date.offset_days", "out_of_range", "at most 366 days before or after");
    }
    let at = if date.at.is_empty() { "09:00" } else { &date.at };
    let Some(at) = read_time_of_day(at) else {
        problems.add(
            "entry.date.at",
            "not_a_time_of_day",
            format!("`{at}` is not a time of day; write 09:00"),
        );
        return None;
    };
    Some(Anniversary { attribute: date.attribute.clone(), offset_days: date.offset_days, at })
}

fn read_re_entry(entry: &proto::Entry, problems: &mut Problems) -> Option<ReEntry> {
    match entry.re_entry() {
        proto::ReEntry::Unspecified | proto::ReEntry::AfterExit => Some(ReEntry::AfterExit),
        proto::ReEntry::Never => Some(ReEntry::Never),
        proto::ReEntry::Always => Some(ReEntry::Always),
        proto::ReEntry::After => {
            duration(entry.re_entry_after.as_ref(), "entry.re_entry_after", problems).map(ReEntry::After)
        }
    }
}
