//! The program: reads the command line, hands it to its subcommand, and turns an error into a message and an exit code.

use std::process::ExitCode;

use clap::Parser;
use runready::cli::{self, Cli};
use tokio::runtime;

/// Threads for blocking work: reading manifests, writing statuses, the system's resolver. Each has a stack and a heap of its
/// own, and the default of 512 would let a burst of statuses make dozens.
const BLOCKING_THREADS: usize = 4;

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    // Fails only if a provider is installed already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING_THREADS).build();
    let result = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(cli::run(command)));
    match result {
        Ok(code) => code,
        Err(error) => cli::report(&error),
    }
}
