//! Measures every stage beside its peers and physical limits; `make bench` runs all of it in release mode and writes
//! `RESULTS.md`, `bench <name>` runs one and prints it.
//!
//! Every bench runs in a process of its own, so that memory and processor time are its own, and ends by itself within
//! a minute unless it is called long. The rules: the input's checksum is printed; answers are checked before a time
//! counts; warm-up, then interleaved runs, of whose ratios the median and the worst are quoted; latency under an open
//! load, measured from the moment a call was due; peaks under a closed one; loopback only.

mod bound;
mod data;
mod disk;
mod duel;
mod echo;
mod figure;
mod fleet;
mod funnel;
mod host;
mod ingest;
mod load;
mod machine;
mod overload;
mod path;
mod raw;
mod reads;
mod recovery;
mod results;
mod segments;
mod site;
mod suite;
mod usage;
mod watch;
mod world;

use std::io::Write as _;

use anyhow::{Result, bail};

/// As in the product.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Without a name: all, into `RESULTS.md`. With one: that one. With a name and a file: its report into the file.
#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => results::write_all().await,
        [name] => {
            let report = suite::run(name).await?;
            Ok(writeln!(std::io::stdout(), "{}", results::section(name, &report))?)
        }
        [name, file] => {
            let report = suite::run(name).await?;
            Ok(std::fs::write(file, serde_json::to_vec(&report)?)?)
        }
        _ => bail!("usage: bench [name]; there are {}", suite::names().join(", ")),
    }
}
