//! `runready restore`: what differs from the configuration that worked, and what restores it. Reads statuses; prints; with --apply
//! runs the commands that it has shown, as the person who asks for it.

mod apply;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail, ensure};
use clap::ValueHint;
use serde::Deserialize;
use serde_json::Value;

use super::{NOT_READY, output};
use crate::api::baseline::BaselineObject;
use crate::api::{ConnectivityCheckStatus, KIND};
use crate::baseline::{Remedy, remedies, sentence, visible};
use crate::cloud::Drift;
use crate::manifest::read;
use crate::source::folder::state::State;

/// Arguments of `runready restore`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  kubectl get cc -n staging backend -o yaml | runready restore -f -
  runready restore --folder checks/ backend     A check of a folder
  runready restore --folder checks/ --show terraform
                                                For a repository of declarations
  runready restore --folder checks/ backend --apply
                                                Show, ask, and run the commands

Exit code: 0 nothing differs, or all of it was restored; 1 something differs; 2 the statuses can't be read, they changed while you were asked, a command failed, or it was interrupted.")]
pub struct Args {
    /// Where the checks are, with their statuses, as `kubectl get connectivitychecks -o yaml` prints them; `-` is standard input
    #[arg(short, long = "file", value_name = "FILE", value_hint = ValueHint::AnyPath, required_unless_present = "folder")]
    files: Vec<PathBuf>,
    /// The folder that `runready run --folder` works on
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "files")]
    folder: Option<PathBuf>,
    /// Only the checks of these names
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Only the checks of this namespace
    #[arg(short, long)]
    namespace: Option<String>,
    /// In which forms to print what restores it
    #[arg(long, value_enum, default_value_t)]
    show: Show,
    /// Run the gcloud commands, after showing what they restore and asking
    #[arg(long)]
    apply: bool,
    /// Do not ask
    #[arg(long, requires = "apply")]
    yes: bool,
}

/// In which forms a remedy is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Show {
    /// All of them.
    #[default]
    All,
    /// Commands of gcloud.
    Gcloud,
    /// YAML for Config Connector.
    ConfigConnector,
    /// HCL for Terraform.
    Terraform,
}

/// A check, and what differs.
struct Found {
    name: String,
    drift: Vec<Drift>,
    remedies: Vec<Remedy>,
}

/// Prints what differs and what restores it, and carries it out where that is asked for.
///
/// # Errors
/// When the statuses can't be read, a check that was named is not among them, nobody can be asked, or a command failed.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let found = find(&args)?;
    let mut text = String::new();
    found.iter().for_each(|found| show(found, args.show, &mut text));
    output::write(&text)?;
    let differs = found.iter().any(|found| !found.drift.is_empty());
    if !differs || !args.apply {
        return Ok(if differs { ExitCode::from(NOT_READY) } else { ExitCode::SUCCESS });
    }
    apply::apply(&found, &args).await
}

/// The checks that are asked for, as their statuses are now.
fn find(args: &Args) -> anyhow::Result<Vec<Found>> {
    let objects = match &args.folder {
        Some(folder) => of_folder(folder)?,
        None => of_files(&args.files)?,
    };
    select(&objects, args)
}

fn of_folder(folder: &Path) -> anyhow::Result<Vec<Value>> {
    std::fs::read_dir(folder).with_context(|| {
        format!("the folder {} can't be read; name the one that runready runs on", folder.display())
    })?;
    let state = State::of(folder);
    Ok(state.list().iter().filter_map(|id| state.read_object(id)).collect())
}

fn of_files(files: &[PathBuf]) -> anyhow::Result<Vec<Value>> {
    let mut objects = Vec::new();
    for file in files {
        let (texts, faults) = read(file);
        if let Some(fault) = faults.first() {
            bail!("{fault}");
        }
        for text in texts {
            for document in serde_yaml::Deserializer::from_str(&text.content) {
                let value = Value::deserialize(document).with_context(|| format!("{} is no YAML", text.file))?;
                match value.get("items").and_then(Value::as_array) {
                    Some(items) => objects.extend(items.iter().cloned()),
                    None => objects.push(value),
                }
            }
        }
    }
    Ok(objects)
}

fn select(objects: &[Value], args: &Args) -> anyhow::Result<Vec<Found>> {
    let text = |object: &Value, path: &str| object.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for object in objects.iter().filter(|object| text(object, "/kind") == KIND) {
        let (namespace, name) = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        let here = args.namespace.as_ref().is_none_or(|wanted| *wanted == namespace);
        if here && (args.names.is_empty() || args.names.contains(&name)) {
            // In a folder a check may have no namespace.
            let shown = if namespace.is_empty() { name } else { format!("{namespace}/{name}") };
            found.push(of_object(object, shown)?);
        }
    }
    ensure!(
        !found.is_empty(),
        "no ConnectivityCheck with that name and namespace is there: give the output of `kubectl get connectivitychecks -o yaml`, \
         or the folder that runready runs on"
    );
    for name in &args.names {
        let named = |found: &Found| found.name.rsplit('/').next() == Some(name);
        ensure!(found.iter().any(named), "no check of the name {name:?} is there");
    }
    Ok(found)
}

fn of_object(object: &Value, name: String) -> anyhow::Result<Found> {
    let status = object.get("status").cloned().unwrap_or_default();
    ensure!(!status.is_null(), "{name} has no status: runready has not seen it yet, or only its manifest was given");
    let status: ConnectivityCheckStatus =
        serde_json::from_value(status).with_context(|| format!("the status of {name} is none of this version"))?;
    let pinned: Option<Vec<BaselineObject>> = object
        .pointer("/spec/baseline/objects")
        .cloned()
        .map(serde_json::from_value)
        .transpose()
        .with_context(|| format!("spec.baseline of {name} is none"))?;
    let baseline = pinned.or(status.baseline.map(|baseline| baseline.objects)).unwrap_or_default();
    let drift: Vec<Drift> = status.drift.iter().map(Drift::from).collect();
    let remedies = remedies(&drift, &baseline);
    Ok(Found { name, drift, remedies })
}

fn show(found: &Found, forms: Show, out: &mut String) {
    let name = visible(&found.name);
    if found.drift.is_empty() {
        out.push_str(&format!("{name}: nothing differs from the configuration that worked\n"));
        return;
    }
    out.push_str(&format!("{name}: {} from the configuration that worked\n", differing(found.drift.len())));
    for drift in &found.drift {
        out.push_str(&format!("  {}\n", visible(&sentence(drift))));
    }
    let shows = |form: Show| forms == Show::All || forms == form;
    for remedy in &found.remedies {
        out.push_str(&format!("\n# {}\n", visible(&remedy.object)));
        remedy.notes.iter().for_each(|note| out.push_str(&format!("# Note: {}\n", visible(note))));
        if shows(Show::Gcloud) {
            remedy.commands.iter().for_each(|command| out.push_str(&format!("{command}\n")));
        }
        let fragments = [
            (Show::ConfigConnector, "Config Connector", &remedy.config_connector),
            (Show::Terraform, "Terraform", &remedy.terraform),
        ];
        for (form, title, fragment) in fragments {
            if let (true, Some(fragment)) = (shows(form), fragment) {
                let nothing = fragment.lines().all(|line| line.starts_with('#'));
                let what = if nothing { "no fragment" } else { "set these in the declaration, the rest stays" };
                out.push_str(&format!("\n# {title}: {what}\n{fragment}"));
            }
        }
    }
}

fn differing(count: usize) -> String {
    if count == 1 { "1 thing differs".to_owned() } else { format!("{count} things differ") }
}
