//! The program: reads the command line, hands it to its subcommand, and turns an error into a message and an exit code.

use std::process::ExitCode;

use clap::Parser;
use runready::cli::{self, Cli};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    // Fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match cli::run(command).await {
        Ok(code) => code,
        Err(error) => cli::report(&error),
    }
}
