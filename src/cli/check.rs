//! `runready check`: runs checks once, to a decision, without a cluster. Reads manifests, probes, prints.

mod drive;
mod progress;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::ValueHint;
use futures::stream::{self, StreamExt};
use jiff::{RoundMode, TimestampRound, Unit};
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use self::drive::{Decided, Driver};
use self::progress::Progress;
use super::google::GoogleArgs;
use super::limits::LoadArgs;
use super::output::{self, Format};
use super::safety::TargetArgs;
use super::{INTERRUPTED, NOT_READY, UNUSABLE, input, place};
use crate::engine::Settings;
use crate::manifest::DEFAULT_NAMESPACE;
use crate::probe::{Resolver, Vantage};
use crate::source::folder::state::full_object;

/// Most checks that run at once.
const AT_ONCE: usize = 64;

/// Arguments of `runready check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  runready check -f check.yaml               One table, once
  runready check -f checks/ -o wide          All below checks/, with messages
  runready check -f check.yaml -o describe   What broke, and what to do
  runready check -f checks/ --watch          Again and again, until Ctrl-C
  runready check -f checks/ --load           With the loads of the checks
  kustomize build . | runready check -f -    What is about to be applied
  runready check -f check.yaml -o junit > out.xml
  RUNREADY_SECRET_DB_PASSWORD=... runready check -f check.yaml

Of a directory, every *.yaml, *.yml and *.json is read, except what begins with a dot.

Secrets come from Secret manifests among the files, then from --secrets-dir, then from RUNREADY_SECRET_<NAME>_<KEY> (upper case, with _ for whatever is no letter or digit).

Thresholds don't apply: one observation decides. Exit code: 0 all Ready; 1 at least one is not; 2 the input can't be used, and every fault is named with file, line, column and field; 130 Ctrl-C before all had run.")]
pub struct Args {
    /// A file, a directory (with those below it), or - for standard input; repeatable
    #[arg(short, long = "filename", value_name = "FILE|DIR|-", required = true)]
    filename: Vec<PathBuf>,
    /// How to print the result
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Go on, each check at its interval or schedule, and print again whenever one has run
    #[arg(short, long)]
    watch: bool,
    /// The namespace of objects that name none
    #[arg(short, long, default_value = DEFAULT_NAMESPACE, value_parser = input::namespace)]
    namespace: String,
    /// Secrets as files: DIR/NAMESPACE/NAME/KEY or DIR/NAME/KEY
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    secrets_dir: Option<PathBuf>,
    /// What to call the place that is probed from [default: pod/NAMESPACE/NAME in a cluster, else host/NAME]
    #[arg(long, value_name = "NAME")]
    vantage: Option<String>,
    #[command(flatten)]
    targets: TargetArgs,
    #[command(flatten)]
    google: GoogleArgs,
    /// Run the loads of the checks, too, each once; without it, nothing is known of them
    #[arg(long)]
    load: bool,
    #[command(flatten)]
    loads: LoadArgs,
}

/// Runs checks and prints what came of them.
///
/// # Errors
/// When the result can't be printed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    ensure!(
        !(args.watch && args.output == Format::Junit),
        "a JUnit report has one end, so it can't go with --watch: leave one of the two out"
    );
    if let Some(missing) = args.secrets_dir.as_deref().filter(|directory| !directory.is_dir()) {
        bail!("--secrets-dir {}: there is no such directory", missing.display());
    }
    let limits = args.loads.limits();
    let planned = match input::plans(&args.filename, &args.namespace, args.secrets_dir.clone(), &limits) {
        Ok(planned) => planned,
        Err(faults) => {
            output::complain(&faults);
            return Ok(ExitCode::from(UNUSABLE));
        }
    };
    let name = place::vantage(args.vantage.as_deref());
    let vantage = Vantage {
        name: name.as_str().into(),
        resolver: Resolver::system(),
        targets: args.targets.targets(),
        cloud_sql: args.google.connector(),
    };
    let inspector = args.google.inspector();
    let settings = Settings { inspect: inspector.is_some(), ..Settings::new(vantage.name.clone()) };
    // Cut, not rounded: nothing may happen to a check before it was created.
    let whole_seconds = TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Trunc);
    let created = jiff::Timestamp::now().round(whole_seconds)?.to_string();
    let mut results: Vec<Option<Value>> = planned.iter().map(|_| None).collect();
    let mut progress = Progress::new(planned.iter().map(|planned| planned.plan.id.to_string()));
    let loads = args.load.then(|| Semaphore::new(limits.loads_at_once));
    let (decided, mut decisions) = mpsc::channel(AT_ONCE);
    let drivers = planned.iter().enumerate().map(|(index, planned)| {
        let (decided, loads) = (decided.clone(), loads.as_ref());
        Driver { index, settings: &settings, vantage: &vantage, inspector: inspector.as_ref(), decided, loads }
            .run(planned.plan.clone(), args.watch)
    });
    // Those that go on for ever must all have their turn.
    let at_once = if args.watch { planned.len() } else { AT_ONCE };
    let mut work = std::pin::pin!(stream::iter(drivers).buffer_unordered(at_once.max(1)).collect::<()>());
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut take = |Decided { index, status }, results: &mut Vec<Option<Value>>| -> anyhow::Result<()> {
        let check = &planned[index].check;
        let status = serde_json::to_value(&status)?;
        results[index] = Some(full_object(&check.object, &check.id, 1, Some(&created), status));
        progress.done(index);
        Ok(())
    };
    loop {
        tokio::select! {
            biased;
            pressed = &mut interrupt => {
                pressed.context("can't wait for Ctrl-C")?;
                progress::clear();
                return Ok(if args.watch { exit_code(&results) } else { ExitCode::from(INTERRUPTED) });
            }
            Some(decided) = decisions.recv() => {
                take(decided, &mut results)?;
                if args.watch && results.iter().all(Option::is_some) {
                    show(&results, args.output, true)?;
                }
            }
            () = &mut work => break,
        }
    }
    let mut news = !args.watch;
    while let Ok(decided) = decisions.try_recv() {
        news = true;
        take(decided, &mut results)?;
    }
    progress::clear();
    if news {
        show(&results, args.output, false)?;
    }
    Ok(exit_code(&results))
}

fn show(results: &[Option<Value>], format: Format, again: bool) -> anyhow::Result<()> {
    let objects: Vec<Value> = results.iter().flatten().cloned().collect();
    match format {
        // Back to the upper left corner of an empty screen (ECMA-48).
        Format::Table | Format::Wide | Format::Describe if again && output::movable(&std::io::stdout()) => {
            output::write("\x1b[H\x1b[2J")?
        }
        // Documents of one stream are parted by a line.
        Format::Yaml if again => output::write("---\n")?,
        Format::Table | Format::Wide | Format::Describe | Format::Json | Format::Yaml | Format::Junit => {}
    }
    Ok(output::print(&objects, format)?)
}

fn exit_code(results: &[Option<Value>]) -> ExitCode {
    let all = results.iter().all(|object| object.as_ref().is_some_and(output::is_ready));
    if all { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) }
}
