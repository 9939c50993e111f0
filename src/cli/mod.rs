//! The command line: one file per subcommand. Takes arguments, returns an exit code; the subcommands do the I/O.

pub mod check;
pub mod completions;
pub mod crds;
pub mod get;
mod input;
pub mod output;
pub mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Exit code when at least one check is not Ready.
pub const NOT_READY: u8 = 1;
/// Exit code when the input can't be used.
pub const UNUSABLE: u8 = 2;

/// Says which layer of a Cloud Run service's path broke, on what evidence, and when it is truly restored.
#[derive(Debug, Parser)]
#[command(
    name = "runready",
    version,
    max_term_width = 100,
    after_help = "Try it:\n  runready check -f check.yaml        Run the checks of a file once, and say which are Ready\n  runready crds | kubectl apply -f -  Teach a cluster what a ConnectivityCheck is"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller: probe every check of a cluster, or of a folder, again and again
    Run(run::Args),
    /// Run checks once, without a cluster, and show what came of them
    Check(check::Args),
    /// Show the checks of a folder and their last statuses, as `kubectl get` would
    Get(get::Args),
    /// Print the CustomResourceDefinition
    Crds(crds::Args),
    /// Print completions for a shell
    Completions(completions::Args),
}

/// Carries a command out.
///
/// # Errors
/// When it can't do its job at all; what it finds is in the exit code.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Run(args) => run::run(args).await,
        Command::Check(args) => check::run(args).await,
        Command::Get(args) => get::run(args).await,
        Command::Crds(args) => crds::run(args).await,
        Command::Completions(args) => completions::run(args).await,
    }
}
