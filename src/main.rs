//! The `runready` command. Wiring only.

use std::process::ExitCode;

use clap::Parser;

#[derive(Debug, Parser)]
#[command(version, about = "Cloud Run readiness: which layer broke, on what evidence, and when it is truly restored")]
enum Command {
    Run(runready::cli::run::Args),
}

fn main() -> anyhow::Result<ExitCode> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match Command::parse() {
        Command::Run(args) => runtime.block_on(runready::cli::run::run(args)),
    }
}
