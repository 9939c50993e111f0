//! The command line: one file per subcommand. Takes arguments, returns an exit code; the subcommands do the I/O.

pub mod check;
pub mod completions;
pub mod crds;
pub mod demo;
pub mod get;
pub mod google;
pub mod import;
mod input;
mod limits;
pub mod output;
mod place;
pub mod restore;
pub mod run;
pub mod safety;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::reasons::reasons;

/// Exit code when at least one check is not Ready.
pub const NOT_READY: u8 = 1;
/// Exit code after Ctrl-C: 128 + SIGINT, as shells have it.
pub const INTERRUPTED: u8 = 130;
/// Exit code when the input can't be used.
pub const UNUSABLE: u8 = 2;

/// Says which layer of a Cloud Run service's path broke, on what evidence, and when it is truly restored.
#[derive(Debug, Parser)]
#[command(
    name = "runready",
    version,
    max_term_width = 100,
    after_help = "Try it, in this order:
  runready demo                  An outage, its verdict and its end
  runready demo --keep demo/     The same, and leaves an example to start from
  runready check -f demo/        Run a folder's checks once
  runready run --folder demo/    Run them again and again
  runready import -f service.yaml
                                 A check for a Cloud Run service of your own
  runready crds | kubectl apply --server-side -f -
                                 Teach a cluster what a ConnectivityCheck is
  runready run                   Run every check of that cluster

Every command has examples of its own: runready help COMMAND."
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
    /// Show what restores the configuration with which a check was last Ready, and restore it
    Restore(restore::Args),
    /// Replay an outage in about a minute: stand-in backends, the real controller, a verdict
    Demo(demo::Args),
    /// Make a check of a Cloud Run service, from its description or from Google's API
    Import(import::Args),
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
        Command::Restore(args) => restore::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Import(args) => import::run(args).await,
        Command::Crds(args) => crds::run(args).await,
        Command::Completions(args) => completions::run(args).await,
    }
}

/// Says on standard error why a command could not do its job, and gives its exit code.
pub fn report(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
    if error.chain().filter_map(|source| source.downcast_ref()).any(broken_pipe) {
        // Whoever read it has seen enough.
        return ExitCode::from(INTERRUPTED);
    }
    // Without standard error there is only the exit code to tell it.
    let _ = writeln!(io::stderr(), "error: {}", output::printable(&reasons(error.as_ref())));
    ExitCode::from(UNUSABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use clap::CommandFactory;

    #[test]
    fn the_commands_are_declared_soundly() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_says_nothing_twice() {
        let low = || io::Error::other("no space");
        let repeated = Err::<(), _>(output::OutputError::Io(low())).context("printing").expect_err("an error");
        assert_eq!(reasons(&*repeated), "printing: standard output can't be written to: no space");
        let plain = Err::<(), _>(low()).context("printing").expect_err("an error");
        assert_eq!(reasons(&*plain), "printing: no space");
    }

    #[test]
    fn no_line_of_help_is_too_long_for_a_terminal_of_80_columns() {
        let mut command = Cli::command();
        command.build();
        let commands = std::iter::once(&command).chain(command.get_subcommands());
        let helps = commands.filter_map(|command| command.get_after_help()).map(ToString::to_string);
        // Paragraphs are wrapped; what is laid out in columns begins with a space and must fit.
        let long = |line: &&str| line.starts_with(' ') && line.chars().count() > 80;
        let long: Vec<String> =
            helps.flat_map(|help| help.lines().filter(long).map(str::to_owned).collect::<Vec<_>>()).collect();
        assert_eq!(long, Vec::<String>::new());
    }
}
