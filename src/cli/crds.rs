//! `runready crds`: prints the CustomResourceDefinition as YAML.

use std::process::ExitCode;

use super::output;
use crate::api::crd::crd;

/// Arguments of `runready crds`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  runready crds | kubectl apply --server-side -f -")]
pub struct Args {}

/// Prints the definition.
///
/// # Errors
/// When standard output can't be written to.
pub async fn run(_: Args) -> anyhow::Result<ExitCode> {
    output::write(&yaml()?)?;
    Ok(ExitCode::SUCCESS)
}

/// The definition as YAML: what stands in crds/.
///
/// # Errors
/// Only a defect of the types can cause one.
pub fn yaml() -> anyhow::Result<String> {
    Ok(serde_yaml::to_string(&crd()?)?)
}
