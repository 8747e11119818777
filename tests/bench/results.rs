//! `RESULTS.md`: the table of all benches and what stands behind each line.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kernel::Clock;

use crate::figure::{Figure, Report};
use crate::{host, machine, suite};

const HEAD: &str = "\
| stage | ours | peer | physical limit | ratio: median (worst) | goal | met | what bounds it |
| --- | --- | --- | --- | --- | --- | --- | --- |
";

/// Runs every bench in a process of its own and writes the file.
///
/// # Errors
/// When the file cannot be written. A bench that fails is named in the file, and fails the whole at its end.
pub(crate) async fn write_all() -> Result<()> {
    let machine = machine::describe()?;
    let (mut rows, mut sections, mut failed) = (String::new(), String::new(), Vec::new());
    for name in suite::names() {
        tell(&format!("{name} …"));
        match run_alone(name).await {
            Ok(report) => {
                report.figures.iter().for_each(|figure| rows.push_str(&row(figure)));
                sections.push_str(&section(name, &report));
            }
            Err(error) => {
                tell(&format!("{name} failed: {error:#}"));
                writeln!(sections, "\n## {name}\n\nFailed: {error:#}")?;
                failed.push(name);
            }
        }
    }
    let date = Clock::system().now();
    let text = format!(
        "# Results of `make bench`\n\nWritten by the benches themselves on {date}; the rules and goals are in each section's \
         notes and in `main.rs`.\nTimes on a shared machine are noisy: read the ratios, which were measured side by side in \
         one run.\n\n{machine}\n{HEAD}{rows}{sections}"
    );
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/RESULTS.md"), text)?;
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

async fn run_alone(name: &str) -> Result<Report> {
    let file = tempfile::NamedTempFile::new_in(host::scratch()?)?;
    let output = tokio::process::Command::new(std::env::current_exe()?)
        .arg(name)
        .arg(file.path())
        // What it says of a failure goes into the file.
        .env("RUST_BACKTRACE", "0")
        .env("RUST_LIB_BACKTRACE", "0")
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}", said.trim());
    serde_json::from_slice(&std::fs::read(file.path())?).context("it left no report")
}

/// The lines and notes of one bench.
pub(crate) fn section(name: &str, report: &Report) -> String {
    let rows: String = report.figures.iter().map(row).collect();
    let notes: String = report.notes.iter().map(|note| format!("- {note}\n")).collect();
    format!("\n## {name}\n\n{HEAD}{rows}\n{notes}")
}

fn row(figure: &Figure) -> String {
    let met = match figure.met {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "–",
    };
    let Figure { stage, ours, peer, limit, ratio, goal, bound, .. } = figure;
    let cells: [&str; 8] = [stage, ours, peer, limit, ratio, goal, met, bound];
    let cells: Vec<&str> = cells.into_iter().map(|cell| if cell.is_empty() { "–" } else { cell }).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[expect(clippy::print_stderr, reason = "a run of minutes says where it is")]
fn tell(text: &str) {
    eprintln!("{text}");
}
