//! `runready import`: makes a check of a Cloud Run service. Reads a file, or asks Google's API; prints YAML.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow, bail, ensure};

use super::google::GoogleArgs;
use super::output;
use crate::import::remote::{self, Name};
use crate::import::{self, Said};

/// Arguments of `runready import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  gcloud run services describe backend --region us-central1 --format export \\
    | runready import -f - > check.yaml
  runready import -f service.json --project netra-staging
  runready import --project netra-staging --region us-central1 --service backend

Read are the Knative shape that gcloud prints (YAML or JSON) and the shape of the REST API (run v2).

The check has a probe for every database that the environment, the mounted instances or an Auth Proxy beside the service name, and one for the service's own address. Passwords are never copied: comments say where each one is, and how to make a Kubernetes Secret of it. What can't be known is marked with \"fill in\".

Exit code: 0; 2 there is no service that could be imported.")]
pub struct Args {
    /// A file with the service's description, or - for standard input
    #[arg(
        short,
        long = "filename",
        value_name = "FILE|-",
        required_unless_present = "service",
        conflicts_with = "service"
    )]
    filename: Option<PathBuf>,
    /// The service's name: its description is read from Google's API
    #[arg(long, requires = "project", requires = "region")]
    service: Option<String>,
    /// The project's id; with a file, instead of what it holds
    #[arg(long, value_parser = part)]
    project: Option<String>,
    /// The region; with a file, instead of what it holds
    #[arg(long, value_parser = part)]
    region: Option<String>,
    /// The namespace to put the check in; otherwise it names none
    #[arg(short, long, value_parser = super::input::namespace)]
    namespace: Option<String>,
    #[command(flatten)]
    google: GoogleArgs,
}

/// Prints a check of a service.
///
/// # Errors
/// When there is no such service, or the description is none.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let said = Said { project: args.project.clone(), region: args.region.clone(), namespace: args.namespace };
    let manifest = match (args.filename, args.service) {
        (Some(path), _) => import::import(&read(&path)?, &said)?,
        (None, Some(service)) => {
            let (Some(project), Some(region)) = (args.project, args.region) else {
                bail!("--service needs --project and --region");
            };
            let service = part(&service).map_err(|why| anyhow!("--service {why}"))?;
            let name = Name { project, region, service };
            let value = remote::read(&args.google.api(), &name).await?;
            import::import_value(&value, &name.full(), &said)?
        }
        (None, None) => bail!("name a file with -f, or a service with --project, --region and --service"),
    };
    output::write(&manifest)?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the one text.
fn read(path: &std::path::Path) -> anyhow::Result<crate::manifest::Text> {
    ensure!(!path.is_dir(), "{} is a directory: name the file that holds the service", path.display());
    let (mut texts, faults) = crate::manifest::read(path);
    if let Some(fault) = faults.first() {
        bail!("{fault}");
    }
    texts.pop().context("nothing was read")
}

/// A part of a service's full name.
fn part(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:".contains(c);
    if (1..=63).contains(&text.len()) && text.chars().all(inner) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} must be a name of lower-case letters, digits and '-', at most 63 characters"))
    }
}
