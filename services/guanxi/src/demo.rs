//! `guanxi demo`: a seeded shop lives through forty days in a minute, on a virtual clock that ends at the present.
//!
//! Everything takes its real way: web events through the tracking API, follows through signed callbacks of the platform
//! simulator, the app through gRPC; journeys wait and wake, and messages go to the simulator's phone, mailbox and app.

mod cast;
mod play;
mod report;
mod story;

use std::path::Path;
use std::time::Duration;

use chassis::config::{Common, Log, LogFormat};
use kernel::{Clock, Error, Result, Time};

use crate::cli::Demo;
use crate::client::Clients;
use crate::dev::Platform;
use crate::stop::Stop;
use crate::{apply, assembly, serve, ui};

/// How far back the story begins.
const SPAN: Duration = Duration::from_secs(40 * 86_400);

/// Plays, reports, and goes on serving unless told to end.
///
/// # Errors
/// What starting, applying or playing says.
pub(crate) async fn run(mut options: Demo) -> Result<()> {
    options.run.set.insert(0, "common.dev=true".to_owned());
    let assembly = assembly::of(&["all".to_owned()], &options.run)?;
    if serve::print_config(&assembly, &options.run)? {
        return Ok(());
    }
    let common: Common = assembly.layers.merge()?.section("common")?;
    let log = Log { filter: "warn".to_owned(), format: LogFormat::Text };
    let _telemetry = chassis::telemetry::install(&log, &common.telemetry, "guanxi")?;
    let played = was_played(&common.data)?;
    let now = Clock::system().now();
    let begin = Time::from_seconds(now.minus(SPAN).seconds().div_euclid(3_600) * 3_600);
    let (clock, warp) = Clock::warped(if played { now } else { begin });
    if played {
        warp.release();
    }
    let platform = Platform::launch(&options.run, &options.world, clock).await?;
    let clients = Clients::connect(&crate::cli::Server::development(platform.running.grpc)).await?;
    let definitions = apply::read(&options.workspace, &platform.world())?;
    ui::say(format!("applying {}", options.workspace.display()));
    let changes =
        apply::apply(&clients, definitions, apply::Mode::default(), |line| ui::say(format!("  {line}")))
            .await?;
    ui::say(format!("  {}", changes.summary(false)));
    if played {
        ui::say(format!(
            "the story was played into {} before and is not played again (`make clean-data` forgets it)",
            common.data.display()
        ));
    } else {
        let story = story::write(options.people, options.seed, begin, now);
        play::play(&platform, &clients, &warp, story, now).await?;
        remember(&common.data)?;
    }
    report::print(&clients, now).await?;
    ui::say("");
    platform.describe(&common.data);
    if !options.exit {
        look_around(&platform);
        Stop::listen()?.asked().await;
    }
    platform.shutdown().await;
    Ok(())
}

/// Marks data into which the whole story was played.
const PLAYED: &str = "demo.played";

/// Whether the story is there already; other data, or half a story, is no place for it.
fn was_played(data: &Path) -> Result<bool> {
    match (data.join(PLAYED).exists(), data.join("log").exists()) {
        (false, true) => Err(Error::precondition(
            "DATA_NOT_FRESH",
            format!(
                "{} holds other data, or a story that was interrupted; forget it with `make clean-data`, or name \
                 another place with --set common.data=<folder>",
                data.display()
            ),
        )),
        (played, _) => Ok(played),
    }
}

fn remember(data: &Path) -> Result<()> {
    std::fs::write(data.join(PLAYED), "").map_err(|cause| {
        Error::precondition("NOT_WRITABLE", format!("{} cannot be written: {cause}", data.display()))
    })
}

fn look_around(platform: &Platform) {
    let (simulator, web, grpc) = (platform.simulator, platform.running.http, platform.running.grpc);
    ui::say("");
    ui::say("Serving; Ctrl-C ends. Look around from another terminal:");
    ui::say(format!(
        "  curl -s http://{simulator}/_sim/sent | head -c 600     # what fans received in WeChat"
    ));
    ui::say(format!(
        "  curl -u dev: http://{web}/v1/track -d '{{\"userId\":\"u-1\",\"event\":\"Product Viewed\"}}'"
    ));
    ui::say(format!("  any gRPC client with reflection at {grpc}, metadata `authorization: Bearer dev`"));
}
