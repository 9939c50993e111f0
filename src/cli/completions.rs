//! `runready completions`: prints completions for a shell.

use std::io::Write;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

/// Arguments of `runready completions`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  source <(runready completions bash)\n  runready completions fish > ~/.config/fish/completions/runready.fish"
)]
pub struct Args {
    /// The shell
    shell: Shell,
}

/// Prints the completions.
///
/// # Errors
/// When standard output can't be written to.
pub async fn run(Args { shell }: Args) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::Cli::command(), "runready", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
