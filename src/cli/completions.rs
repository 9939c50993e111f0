//! `runready completions`: prints completions for a shell.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::Shell;

use super::output;

/// Arguments of `runready completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  source <(runready completions bash)     # as a line of ~/.bashrc: always
  source <(runready completions zsh)      # in ~/.zshrc: after compinit
  runready completions fish > ~/.config/fish/completions/runready.fish")]
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
    output::write(&String::from_utf8(script)?)?;
    Ok(ExitCode::SUCCESS)
}
