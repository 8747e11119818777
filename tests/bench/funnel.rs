//! Analytics beside chDB: ten million events of two hundred thousand customers, made by one formula on both sides.

mod formula;
mod ours;
mod peer;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use self::ours::Ours;
use self::peer::Peer;
use crate::bound::{Meter, Work};
use crate::duel::{Duel, median};
use crate::figure::{Figure, Report, number};
use crate::usage;

/// Interleaved runs.
const RUNS: usize = 5;
/// Threads of a query, on both sides.
const THREADS: usize = 2;

/// An answer as rows of numbers, in one order on both sides.
type Rows = Vec<Vec<u64>>;

/// The questions.
#[derive(Clone, Copy, Debug)]
enum Question {
    Funnel,
    Daily,
    Breakdown,
}

impl Question {
    const ALL: [Self; 3] = [Self::Funnel, Self::Daily, Self::Breakdown];

    fn title(self) -> &'static str {
        match self {
            Self::Funnel => "funnel of 4 steps within 7 days",
            Self::Daily => "daily trend of unique customers, 90 days",
            Self::Breakdown => "the same by category",
        }
    }

    /// Ours at the most, of the peer's time.
    fn goal(self) -> f64 {
        if matches!(self, Self::Funnel) { 0.2 } else { 0.5 }
    }
}

/// All questions to both sides.
///
/// # Errors
/// When the answers differ, or Python or chDB is missing.
pub(crate) async fn run() -> Result<Report> {
    tokio::task::spawn_blocking(compare).await?
}

fn compare() -> Result<Report> {
    let mut report = Report::default();
    let (ours, made) = Ours::open()?;
    let mut peer = Peer::open()?;
    report.note(format!(
        "Input: {} events of {} customers over 90 days, CRC-32 of the first 100,000 by formula: {}.",
        number(formula::EVENTS as f64),
        number(formula::CUSTOMERS as f64),
        formula::checksum()
    ));
    report.note(match made {
        Some(time) => format!(
            "Loading ours took {:.0} s (events made, encoded, sorted, written and compacted by one thread).",
            time.as_secs_f64()
        ),
        None => "Ours was loaded by an earlier run and lies in .cache/bench.".to_owned(),
    });
    report.note(format!("Loading chDB: {}.", peer.loading));
    drop(ours);
    usage::reset_peak()?;
    for question in Question::ALL {
        report.figures.push(ask(question, &mut peer, &mut report.notes)?);
    }
    report.note(format!(
        "{} ({}), MergeTree ordered by customer and time, LowCardinality names, {THREADS} threads; a process that stays, timed within \
         it. Ours is asked at the engine, below gRPC, {THREADS} threads. Ours keeps decoded columns in memory between \
         queries (warm); cold: the engine was opened anew before each question, files in the page cache on both sides.",
        peer::PACKAGE, peer.version
    ));
    report.note(format!(
        "Peak memory: ours {} MB (while asked), chDB {} MB (loading included, if it was loaded in this run).",
        number(usage::peak_megabytes()?),
        number(peer.peak_megabytes()?)
    ));
    Ok(report)
}

/// One question, warm and cold, and the table's line for it.
fn ask(question: Question, peer: &mut Peer, notes: &mut Vec<String>) -> Result<Figure> {
    let (ours, _) = Ours::open()?;
    let answer = ours.ask(question)?;
    let (theirs, _) = peer.ask(question)?;
    ensure!(answer == theirs, "{question:?}: ours {answer:?}, chDB's {theirs:?}");
    let (mut duel, mut cpu, mut work) = (Duel::default(), Duel::default(), Work::default());
    for _ in 0..RUNS {
        let (before, meter, begin) = (usage::cpu_seconds()?, Meter::start()?, Instant::now());
        let again = ours.ask(question)?;
        duel.ours.push(begin.elapsed().as_secs_f64());
        meter.stop(&mut work)?;
        cpu.ours.push(usage::cpu_seconds()? - before);
        let before = peer.cpu_seconds()?;
        let (theirs, time) = peer.ask(question)?;
        duel.peer.push(time.as_secs_f64());
        cpu.peer.push(peer.cpu_seconds()? - before);
        ensure!(again == answer && theirs == answer, "{question:?}: an answer changed");
    }
    drop(ours);
    let cold = (0..RUNS).map(|_| cold(question, &answer)).collect::<Result<Vec<_>>>()?;
    let ((middle, worst), cold) = (duel.quote_times(), median(&cold));
    let theirs = median(&duel.peer);
    notes.push(format!(
        "{}: answer {answer_sum} ({} rows) equal on both sides. Ours warm {} ms, cold {:.0} ms; chDB {} ms. Processor \
         seconds a question: ours {:.2}, chDB {:.2}.",
        question.title(),
        answer.len(),
        millis(&duel.ours),
        cold * 1_000.0,
        millis(&duel.peer),
        median(&cpu.ours),
        median(&cpu.peer),
        answer_sum = formula::sum(&answer),
    ));
    Ok(Figure {
        stage: format!("analytics, {} over {} events", question.title(), number(formula::EVENTS as f64)),
        ours: format!("{:.0} ms (cold {:.0} ms)", median(&duel.ours) * 1_000.0, cold * 1_000.0),
        peer: format!("chDB {:.0} ms", theirs * 1_000.0),
        limit: String::new(),
        ratio: format!("{middle:.2} ({worst:.2}); cold {:.2}", cold / theirs),
        goal: format!("≤ {:.1} of chDB", question.goal()),
        met: Some(middle <= question.goal()),
        bound: work.bound(),
    })
}

fn cold(question: Question, expected: &Rows) -> Result<f64> {
    let (ours, _) = Ours::open()?;
    let begin = Instant::now();
    let answer = ours.ask(question)?;
    let time = begin.elapsed();
    ensure!(answer == *expected, "{question:?}: the cold answer differs");
    Ok(time.as_secs_f64())
}

fn millis(times: &[f64]) -> String {
    times.iter().map(|time| format!("{:.0}", time * 1_000.0)).collect::<Vec<_>>().join(" ")
}

/// How long loading took, when it was done now.
type Made = Option<Duration>;
