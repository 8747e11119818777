//! chDB's side: a Python process that stays, asked line by line.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::formula::{self, CATEGORIES, DAY, EVENTS, FROM, STEPS, WINDOW};
use super::{Question, Rows, THREADS};
use crate::host;

/// The package.
pub(super) const PACKAGE: &str = "chdb==4.4.0";
const SCRIPT: &str = include_str!("peer.py");

/// The process.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Whether its table was made now, and how long that took.
    pub(super) loading: String,
    /// Version of the engine.
    pub(super) version: String,
}

#[derive(Debug, Deserialize)]
struct Answer {
    rows: Vec<Vec<serde_json::Value>>,
    seconds: f64,
    cpu: f64,
    peak_megabytes: f64,
    #[serde(default)]
    error: String,
}

impl Peer {
    /// Starts it; makes the table first when it is not there.
    ///
    /// # Errors
    /// When Python or chDB cannot be had, or the table cannot be made.
    pub(super) fn open() -> Result<Self> {
        let python = tests::tools::python_with(PACKAGE)?;
        let folder = host::scratch()?.join(format!("chdb-{}", formula::checksum()));
        let mut child = Command::new(python)
            .args(["-c", SCRIPT])
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().context("no standard input")?;
        let answers = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut peer = Self { child, requests, answers, loading: String::new(), version: String::new() };
        let version = peer.query("SELECT version()")?;
        peer.version = version.rows.first().and_then(|row| row.first()?.as_str()).unwrap_or("?").to_owned();
        peer.query(&format!("SET max_threads = {THREADS}"))?;
        peer.load()?;
        Ok(peer)
    }

    fn load(&mut self) -> Result<()> {
        const COUNT: &str = "SELECT count() FROM bench.events";
        self.query("CREATE DATABASE IF NOT EXISTS bench ENGINE = Atomic")?;
        self.query(
            "CREATE TABLE IF NOT EXISTS bench.events (customer UInt32, t UInt64, name LowCardinality(String), \
             category LowCardinality(String)) ENGINE = MergeTree ORDER BY (customer, t)",
        )?;
        if number(&self.query(COUNT)?) == Some(EVENTS) {
            "kept from an earlier run in .cache/bench".clone_into(&mut self.loading);
            return Ok(());
        }
        self.query("TRUNCATE TABLE bench.events")?;
        let insert = self.query(&format!("INSERT INTO bench.events {}", formula::sql()))?;
        let merge = self.query("OPTIMIZE TABLE bench.events FINAL")?;
        self.loading =
            format!("made in SQL in {:.0} s, merged into one part", insert.seconds + merge.seconds);
        let found = number(&self.query(COUNT)?);
        anyhow::ensure!(found == Some(EVENTS), "chDB holds {found:?} events");
        Ok(())
    }

    /// Answers; with the time within the process.
    ///
    /// # Errors
    /// When chDB refuses.
    pub(super) fn ask(&mut self, question: Question) -> Result<(Rows, Duration)> {
        let answer = self.query(&sql(question))?;
        let mut rows = Rows::new();
        for row in &answer.rows {
            let value = |cell: &serde_json::Value| match cell.as_str() {
                Some(text) => text.parse().ok(),
                None => cell.as_u64(),
            };
            rows.push(row.iter().map(|cell| value(cell).context("not a number")).collect::<Result<_>>()?);
        }
        rows.sort_unstable();
        let time = Duration::from_secs_f64(answer.seconds);
        if let Question::Funnel = question {
            // Customers by depth become customers who came at least there.
            let at_least = |step: u64| rows.iter().filter(|row| row[0] >= step).map(|row| row[1]).sum();
            return Ok((vec![(1..=STEPS.len() as u64).map(at_least).collect()], time));
        }
        Ok((rows, time))
    }

    /// Processor seconds so far.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn cpu_seconds(&mut self) -> Result<f64> {
        Ok(self.query("SELECT 1")?.cpu)
    }

    /// Peak of its memory so far.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn peak_megabytes(&mut self) -> Result<f64> {
        Ok(self.query("SELECT 1")?.peak_megabytes)
    }

    fn query(&mut self, sql: &str) -> Result<Answer> {
        writeln!(self.requests, "{}", sql.replace('\n', " "))?;
        self.requests.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            bail!("chDB ended: {:?}", self.child.wait()?);
        }
        let answer: Answer = serde_json::from_str(&line).with_context(|| line.clone())?;
        anyhow::ensure!(answer.error.is_empty(), "chDB refused `{sql}`: {}", answer.error);
        Ok(answer)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill().and_then(|()| self.child.wait()).is_ok();
    }
}

fn number(answer: &Answer) -> Option<u64> {
    let cell = answer.rows.first()?.first()?;
    cell.as_str().map_or_else(|| cell.as_u64(), |text| text.parse().ok())
}

fn sql(question: Question) -> String {
    let day = format!("intDiv(t - {FROM}, {DAY})");
    let viewed = STEPS[0];
    match question {
        Question::Funnel => {
            let steps: Vec<String> = STEPS.iter().map(|name| format!("name = '{name}'")).collect();
            let names: Vec<String> = STEPS.iter().map(|name| format!("'{name}'")).collect();
            format!(
                "SELECT depth, count() FROM (SELECT customer, windowFunnel({WINDOW})(t, {}) AS depth FROM bench.events \
                 WHERE name IN ({}) GROUP BY customer) GROUP BY depth",
                steps.join(", "),
                names.join(", ")
            )
        }
        Question::Daily => format!(
            "SELECT 0, {day} AS day, uniqExact(customer) FROM bench.events WHERE name = '{viewed}' GROUP BY day"
        ),
        Question::Breakdown => {
            let categories: Vec<String> = CATEGORIES.iter().map(|category| format!("'{category}'")).collect();
            format!(
                "SELECT indexOf([{}], category) - 1 AS place, {day} AS day, uniqExact(customer) FROM bench.events \
                 WHERE name = '{viewed}' GROUP BY place, day",
                categories.join(", ")
            )
        }
    }
}
