//! `runready get`: what `kubectl get connectivitychecks` would show, from a folder. Reads the folder; writes nothing in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::ValueHint;
use serde_json::{Value, json};

use super::output::{self, Format, OutputError, Style};
use super::{UNUSABLE, input};
use crate::manifest::{DEFAULT_NAMESPACE, Fault};
use crate::plan::CheckId;
use crate::source::folder::state::{State, full_object};

/// Arguments of `runready get`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  runready get --folder checks/                    One line for each check
  runready get --folder checks/ -o wide backend    One check, with its message
  runready get --folder checks/ -o describe        What broke, and what to do
  runready get --folder checks/ -o yaml backend    Verdict and every stage
  runready get --folder checks/ -o json | jq '.items[].status.verdict'

Exit code: 0; 2 the folder can't be read, a check that was named is not there, or a manifest has faults (the others are shown all the same).")]
pub struct Args {
    /// The folder that `runready run --folder` works on
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    folder: PathBuf,
    /// Only the checks of these names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only the checks of this namespace
    #[arg(short, long)]
    namespace: Option<String>,
    /// How to print them
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// Prints the checks of a folder.
///
/// # Errors
/// When the folder can't be read, or a check that was asked for by name is not there.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    std::fs::read_dir(&args.folder).map_err(|error| {
        anyhow::anyhow!(
            "the folder {} can't be read: {error}; name the one that runready runs on",
            args.folder.display()
        )
    })?;
    let (mut objects, faults) = collect(&args.folder);
    objects.retain(|id, _| {
        let here = args.namespace.as_ref().is_none_or(|namespace| **namespace == *id.namespace);
        here && (args.names.is_empty() || args.names.iter().any(|name| **name == *id.name))
    });
    output::complain(&faults);
    for name in &args.names {
        ensure!(
            objects.keys().any(|id| *id.name == **name),
            "no check of the name {name:?} in {}",
            args.folder.display()
        );
    }
    let objects: Vec<Value> = objects.into_values().collect();
    if objects.is_empty() && matches!(args.output, Format::Table | Format::Wide | Format::Describe) {
        eprintln!("No resources found in {}.", args.folder.display());
    } else {
        output::print(&objects, args.output)?;
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(UNUSABLE) })
}

/// The table of a folder's checks, as [`run`] prints it.
///
/// # Errors
/// Only a defect of the types can cause one.
pub fn table_of(folder: &Path, style: Style) -> Result<String, OutputError> {
    let objects: Vec<Value> = collect(folder).0.into_values().collect();
    Ok(output::table(&objects, false, style, jiff::Timestamp::now())?)
}

/// Every check that is declared in the folder, and those whose file can't be read at the moment, each with its last status.
fn collect(folder: &Path) -> (BTreeMap<CheckId, Value>, Vec<Fault>) {
    let state = State::of(folder);
    let (contents, faults) = input::contents(&[folder.to_owned()], DEFAULT_NAMESPACE);
    let mut objects = BTreeMap::new();
    for check in contents.checks {
        let kept = state.read(&check.id);
        let (generation, created, status) = match kept {
            Some(kept) if Some(&kept.spec) == check.object.get("spec") => (kept.generation, kept.created, kept.status),
            // Not seen yet by a running controller: this generation will be the next.
            Some(kept) => (kept.generation + 1, kept.created, kept.status),
            None => (1, None, json!({"observedGeneration": -1})),
        };
        let object = full_object(&check.object, &check.id, generation, created.as_deref(), status);
        objects.entry(check.id).or_insert(object);
    }
    if contents.unreadable {
        for id in state.list() {
            if let Some(object) = state.read_object(&id) {
                objects.entry(id).or_insert(object);
            }
        }
    }
    (objects, faults)
}
