//! `runready demo`: replays an outage of Cloud Run's way to its database, with stand-ins in this process, the real
//! controller and a folder. Needs nothing else. Writes the folder, listens on loopback, prints.

mod backend;
mod cache;
mod database;
mod manifests;
mod relay;
mod scenery;
mod show;
mod story;
mod summary;
mod witness;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::ValueHint;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use self::manifests::Place;
use self::scenery::Scenery;
use self::show::Show;
use self::story::{Story, StoryError};
use self::witness::Witness;
use super::{INTERRUPTED, NOT_READY, output};
use crate::controller::{Common, Controller};
use crate::inspect::Inspector;
use crate::metrics::Metrics;
use crate::plan::Limits;
use crate::probe::cloudsql::Access;
use crate::probe::{Connector, Resolver, Targets, Vantage};
use crate::source::folder::{self, Folder, FolderBackend};
use crate::telemetry::{LogFormat, start_logging};

/// Most probes in flight at once; the check has three.
const MOST_IN_FLIGHT: usize = 16;
/// Shorter than the interval, so that each observation reaches the status and can be shown.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// What is logged beside the story: that a manifest can't be read, or a status not be written.
const LOGGED: &str = "off,runready::source=warn,runready::status=warn";

/// Arguments of `runready demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  runready demo                   The whole story, in about a minute
  runready demo --keep demo/      The same; manifests, statuses and events stay
  runready get --folder demo/     ... and can be looked at afterwards

What is played: a backend, its PostgreSQL database and its cache, a relay in the place of the VPC connector, and Google's APIs, which say what they would say of all these. What is real: the controller, its probes over TCP, its readings of those APIs, the verdict, the folder. Everything stays on the loopback network; no privilege and no account is needed.

Exit code: 0 the story went as told; 1 it did not, and what was missing is named; 2 it could not begin; 130 Ctrl-C.")]
pub struct Args {
    /// Keep manifests, statuses and events in this folder, which must be empty or new
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    keep: Option<PathBuf>,
    /// Tell the story that many times faster; probes keep their interval of 1s
    #[arg(long, value_name = "FACTOR", default_value = "1", value_parser = pace)]
    pace: f64,
}

fn pace(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(pace) if (0.1..=100.0).contains(&pace) => Ok(pace),
        Ok(_) | Err(_) => Err("must be a number from 0.1 to 100, such as 2 for half the pauses".to_owned()),
    }
}

/// Tells the story.
///
/// # Errors
/// When a stand-in can't be put up, or the folder can't be used.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    // Fails only if logging was started before, and then there is a log.
    let _ = start_logging(LogFormat::Text, output::colours(&std::io::stderr()), LOGGED);
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be handled")?;
    let place = Place::new(args.keep)?;
    let scenery = Scenery::put_up().await?;
    manifests::write(place.path(), &scenery)?;
    let mut show = Show::start();
    introduce(&mut show, &place, &scenery)?;
    let (controller, seen) = start(&place, scenery.google_access()?)?;
    let folder = place.path().to_owned();
    let mut story =
        Story { scenery, folder, seen, show, pace: args.pace, last: None, told_ready: false, logged: Vec::new() };
    let told = tokio::select! {
        told = story.tell() => Some(told),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    // What comes now is no news.
    if !controller.stop().await {
        eprintln!("not every status could be written to {}", place.path().display());
    }
    conclude(told, &mut story.show, &place)
}

fn introduce(show: &mut Show, place: &Place, scenery: &Scenery) -> anyhow::Result<()> {
    show.paragraph(
        "A Cloud Run backend loses the way to its database, as happened once for more than an hour. Everything is played in \
         this process; the controller, its probes and the verdict are real.",
    )?;
    let folder = place.path().display();
    show.facts(&[
        (
            "backend",
            format!(
                "http://{}/healthz, a service that exits when its database does not answer within {}s at start-up",
                scenery.front,
                backend::STARTUP_LIMIT.as_secs()
            ),
        ),
        ("database", format!("{}, PostgreSQL's protocol, with a password; behind the connector", scenery.database)),
        ("cache", format!("{}, behind the connector", scenery.cache)),
        (
            "connector",
            "a TCP relay. While it is dark, the kernel drops every packet that would open a connection (the relay's \
                       listen queue is kept full), and open connections stall"
                .to_owned(),
        ),
        (
            "google",
            format!(
                "{}, in the place of Google's APIs: what they say of the service, the connector and the instance",
                scenery.google.url()
            ),
        ),
        (
            "folder",
            match place {
                Place::Temporary(_) => format!("{folder}, removed at the end (--keep DIR keeps it)"),
                Place::Kept(_) => format!("{folder}, which stays"),
            },
        ),
    ])?;
    Ok(())
}

/// Starts the controller on the folder, as `runready run --folder` does.
fn start(place: &Place, google: Access) -> anyhow::Result<(Controller, mpsc::UnboundedReceiver<witness::Seen>)> {
    let options = folder::Options {
        directory: place.path().to_owned(),
        namespace: crate::manifest::DEFAULT_NAMESPACE.to_owned(),
        secrets: None,
    };
    let folder = Folder::open(options)?;
    let events = folder.watch();
    let (tell, seen) = mpsc::unbounded_channel();
    let backend = Arc::new(Witness { folder: FolderBackend(folder), seen: tell });
    let common = Common {
        // The relay is on the way, as the connector is on the way out of Cloud Run.
        vantage: Vantage {
            name: "cloudrun/demo".into(),
            resolver: Resolver::system(),
            targets: Targets::default(),
            cloud_sql: Connector::default(),
        },
        inspector: Some(Arc::new(Inspector::new(google))),
        metrics: Arc::new(Metrics::new()),
        traces: None,
        most_in_flight: MOST_IN_FLIGHT,
        heartbeat: HEARTBEAT,
        limits: Limits::default(),
    };
    Ok((Controller::start(events, backend, &common).context("the engine can't start")?, seen))
}

fn conclude(told: Option<Result<(), StoryError>>, show: &mut Show, place: &Place) -> anyhow::Result<ExitCode> {
    let kept = || format!("Everything is kept in {0}: runready get --folder {0}", place.path().display());
    match told {
        Some(Ok(())) => {
            if matches!(place, Place::Kept(_)) {
                show.paragraph(&kept())?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Some(Err(error @ (StoryError::Astray { .. } | StoryError::Unsteady(_)))) => {
            show.live("")?;
            eprintln!("error: {error}");
            Ok(ExitCode::from(NOT_READY))
        }
        Some(Err(error)) => Err(error.into()),
        None => {
            show.live("")?;
            Ok(ExitCode::from(INTERRUPTED))
        }
    }
}
