//! Templates: minijinja over `profile`, `event`, `vars` and `customer`; checked when saved, rendered per customer.

use std::fmt::Write as _;

use kernel::{Error, Violation};
use minijinja::value::{Serde, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::locale;

/// The only names a template begins an expression with.
const ROOTS: [&str; 4] = ["profile", "event", "vars", "customer"];
/// Steps one part may take: a loop in a loop ends some day.
const FUEL: u64 = 1_000_000;

/// One language of a template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Variant {
    pub(crate) locale: String,
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What a customer reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) subject: String,
    pub(crate) text: String,
    pub(crate) html: String,
}

/// What a template speaks about: [`ROOTS`].
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Subject {
    pub(crate) profile: Map<String, Value>,
    pub(crate) event: Map<String, Value>,
    pub(crate) vars: Map<String, Value>,
    pub(crate) customer: Map<String, Value>,
}

/// Checks all variants; violations have paths such as `variants[0].text` and say line and column.
///
/// # Errors
/// All violations together.
pub(crate) fn check(variants: &[Variant]) -> Result<(), Error> {
    let mut violations = Vec::new();
    if variants.is_empty() {
        violations.push(violation("variants", "give at least one variant; the first is the default"));
    }
    for (n, variant) in variants.iter().enumerate() {
        let same = |other: &Variant| other.locale.eq_ignore_ascii_case(&variant.locale);
        if variant.locale.is_empty() {
            violations.push(violation(format!("variants[{n}].locale"), "is required, such as zh-CN"));
        } else if variants[..n].iter().any(same) {
            violations.push(violation(format!("variants[{n}].locale"), "is there already"));
        }
        if variant.text.is_empty() && variant.html.is_empty() {
            violations.push(violation(format!("variants[{n}].text"), "give text, html or both"));
        }
        for (part, source) in parts(variant) {
            let found = problems(part, source).into_iter();
            violations.extend(found.map(|problem| violation(format!("variants[{n}].{part}"), problem)));
        }
    }
    if violations.is_empty() { Ok(()) } else { Err(Error::violations(violations)) }
}

fn violation(field: impl Into<String>, description: impl Into<String>) -> Violation {
    Violation { field: field.into(), description: description.into() }
}

fn parts(variant: &Variant) -> [(&'static str, &str); 3] {
    [("subject", &variant.subject), ("text", &variant.text), ("html", &variant.html)]
}

/// What is wrong with one part: its syntax, or names that nobody will ever set.
fn problems(part: &str, source: &str) -> Vec<String> {
    let mut env = environment();
    if let Err(error) = env.add_template(part, source) {
        return vec![placed(source, &error)];
    }
    let names =
        env.get_template(part).map(|template| template.undeclared_variables(false)).unwrap_or_default();
    let globals: Vec<String> = env.globals().map(|(name, _)| name.to_owned()).collect();
    let mut unknown: Vec<String> =
        names.into_iter().filter(|name| !ROOTS.contains(&name.as_str()) && !globals.contains(name)).collect();
    unknown.sort();
    let unknown = unknown.iter().map(|name| {
        let (line, column) = position(source, find_name(source, name));
        format!("{line}:{column}: `{name}` is unknown; a template speaks of {}", ROOTS.join(", "))
    });
    unknown.chain(trial(&mut env, part, source)).collect()
}

/// Filters and functions are looked up when they are used: a rendering for nobody finds those that do not exist, apart
/// from branches it does not take.
fn trial(env: &mut Environment<'_>, part: &str, source: &str) -> Option<String> {
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    let nobody = minijinja::Value::from(Serde(Subject::default()));
    let error = env.get_template(part).and_then(|template| template.render(nobody)).err()?;
    let unknown = [ErrorKind::UnknownFilter, ErrorKind::UnknownTest, ErrorKind::UnknownFunction];
    unknown.contains(&error.kind()).then(|| placed(source, &error))
}

/// Line, column and text of a mistake.
fn placed(source: &str, error: &minijinja::Error) -> String {
    let column = error.range().map_or(1, |range| position(source, range.start).1);
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{}:{column}: {what}", error.line().unwrap_or(1))
}

/// Line and column, both from 1, columns in characters.
fn position(source: &str, offset: usize) -> (usize, usize) {
    let before = source.get(..offset).unwrap_or(source);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Where `name` first stands as a word within `{{ }}` or `{% %}`.
fn find_name(source: &str, name: &str) -> usize {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let alone = |at: &usize| {
        let (before, after) = (&source[..*at], &source[at + name.len()..]);
        let opened = before.rfind(['{']).is_some_and(|open| !before[open..].contains('}'));
        opened && !before.ends_with(|c| word(c) || c == '.') && !after.starts_with(word)
    };
    source.match_indices(name).map(|(at, _)| at).find(alone).unwrap_or(0)
}

/// A template ready to be rendered many times.
pub(crate) struct Compiled {
    env: Environment<'static>,
    locales: Vec<String>,
}

/// Why a message could not be written, without any of the customer's data.
pub(crate) type RenderFailure = String;

impl Compiled {
    /// Compiles what [`check`] has passed.
    ///
    /// # Errors
    /// The first mistake, when it has not.
    pub(crate) fn new(variants: &[Variant]) -> Result<Self, RenderFailure> {
        let mut env = environment();
        for (n, variant) in variants.iter().enumerate() {
            for (part, source) in parts(variant) {
                let added = env.add_template_owned(format!("{n}.{part}"), source.to_owned());
                added.map_err(|error| explain(&variant.locale, part, &error))?;
            }
        }
        Ok(Self { env, locales: variants.iter().map(|variant| variant.locale.clone()).collect() })
    }

    /// Renders the variant that fits `wanted` best; says its locale.
    ///
    /// # Errors
    /// Where it failed, and the remedy.
    pub(crate) fn render(&self, wanted: &str, subject: &Subject) -> Result<(Content, &str), RenderFailure> {
        let n = locale::choose(wanted, self.locales.iter().map(String::as_str));
        let locale = self.locales.get(n).map_or("", String::as_str);
        let subject = minijinja::Value::from(Serde(subject));
        let part = |part: &str| {
            let template = self.env.get_template(&format!("{n}.{part}"));
            template
                .and_then(|template| template.render(&subject))
                .map_err(|error| explain(locale, part, &error))
        };
        Ok((Content { subject: part("subject")?, text: part("text")?, html: part("html")? }, locale))
    }
}

fn explain(locale: &str, part: &str, error: &minijinja::Error) -> RenderFailure {
    let source = error.template_source().unwrap_or_default();
    let expression = error.range().and_then(|range| source.get(range)).unwrap_or_default();
    let mut text = format!("{part} ({locale}) line {}: ", error.line().unwrap_or(1));
    let remedy = match error.kind() {
        ErrorKind::UndefinedError => {
            write!(text, "`{expression}` has no value; write {{{{ … | default('…') }}}}")
        }
        ErrorKind::OutOfFuel => write!(text, "took more than {FUEL} steps"),
        kind => write!(text, "{kind} at `{expression}`"),
    };
    // Writing to a string cannot fail.
    let _written = remedy.is_ok();
    text
}

/// Values that are missing and have no default are a mistake in what is printed, and false in conditions.
fn environment() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    env.set_fuel(Some(FUEL));
    env.set_auto_escape_callback(
        |name| if name.ends_with("html") { AutoEscape::Html } else { AutoEscape::None },
    );
    env.set_formatter(|out, state, value| {
        // A null deep inside prints nothing rather than `none`.
        if value.kind() == ValueKind::None { Ok(()) } else { minijinja::escape_formatter(out, state, value) }
    });
    env
}

/// Attributes for a template: null is as good as missing, so that `default` applies.
pub(crate) fn without_nulls(object: Map<String, Value>) -> Map<String, Value> {
    object.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

#[cfg(test)]
#[path = "template/tests.rs"]
mod tests;
