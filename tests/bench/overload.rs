//! Goodput of ingest while ten times as many clients want in as it lets in.

use anyhow::Result;
use tests::crowd::{BATCH, CROWD, PLACES, press};

use crate::bound::{Meter, Work};
use crate::duel::median;
use crate::figure::{Figure, Report, number, numbers};

/// Presses it.
///
/// # Errors
/// When a client gets another answer than it should.
pub(crate) async fn run() -> Result<Report> {
    let (meter, mut work) = (Meter::start()?, Work::default());
    let outcome = press().await?;
    meter.stop(&mut work)?;
    let ratios = outcome.goodput();
    let [peaks, crowds] = [0, 1].map(|side| outcome.turns.iter().map(|turn| turn[side]).collect::<Vec<_>>());
    let (middle, worst) = (median(&ratios), ratios.first().copied().unwrap_or_default());
    let mut report = Report::default();
    report.figures.push(Figure {
        stage: format!(
            "overload: {CROWD} clients of ingest, which lets {PLACES} in; nobody reads what it takes"
        ),
        ours: format!("{} events/s", number(median(&crowds))),
        peer: format!("{PLACES} clients {} events/s", number(median(&peaks))),
        ratio: format!("{middle:.2} ({worst:.2})"),
        goal: "≥ 0.90 of peak".to_owned(),
        met: Some(middle >= 0.9),
        bound: work.bound(),
        ..Figure::default()
    });
    report.note(format!(
        "Batches of {BATCH}, {} turns; events/s with {PLACES} clients {}; with {CROWD} {}. {} calls were refused, each with the time to \
         come again, which its client kept to. The process had {} MB more memory at the end than after its first load. \
         Clients share the processors with it.",
        outcome.turns.len(),
        numbers(&peaks),
        numbers(&crowds),
        outcome.refused,
        number(outcome.growth / 1e6)
    ));
    Ok(report)
}
