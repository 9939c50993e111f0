//! Measures what a probe adds to the bare client that it is made with: the same library, over a connection of the same sort,
//! against the same server, in the same run. Prints each figure next to its bound, and fails when one is missed. Does I/O.
//!
//! `cargo bench --bench added` measures every kind; `cargo bench --bench added -- http postgres --probes 5000` some of them.

use std::process::ExitCode;

use clap::Parser;

#[path = "added/contest.rs"]
mod contest;
#[path = "added/databases.rs"]
mod databases;
#[path = "added/instance.rs"]
mod instance;
#[path = "added/network.rs"]
mod network;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "the tests use what is not used here")]
mod support;
#[path = "scale/table.rs"]
#[allow(dead_code, reason = "the other benchmark uses what is not used here")]
mod table;
#[path = "added/web.rs"]
mod web;

use contest::Contest;
use table::Table;

/// Starts the servers of a contest; says why when it can't.
type Prepare = fn() -> Result<Contest, String>;

/// The contests, by the kind that is probed, or the way to a database.
const CONTESTS: &[(&str, Prepare)] = &[
    ("dns", network::dns),
    ("tcp", network::tcp),
    ("tls", network::tls),
    ("http", web::http),
    ("websocket", web::websocket),
    ("grpc", web::grpc),
    ("postgres", databases::postgres),
    ("mysql", databases::mysql),
    ("sqlserver", databases::sqlserver),
    ("redis", databases::redis),
    ("cloudSql", instance::cloud_sql),
];

/// Measures what runready adds to the bare client.
#[derive(Debug, Parser)]
struct Args {
    /// The kinds to measure; all by default.
    kinds: Vec<String>,
    /// How many probes of each kind, and as many attempts of its bare client.
    #[arg(long, default_value_t = 10_000)]
    probes: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    rustls::crypto::ring::default_provider().install_default().expect("the first one");
    let args = Args::parse();
    if let Some(unknown) = args.kinds.iter().find(|kind| CONTESTS.iter().all(|(known, _)| known != kind)) {
        let known: Vec<&str> = CONTESTS.iter().map(|(kind, _)| *kind).collect();
        eprintln!("{unknown} is not among {}", known.join(", "));
        return ExitCode::FAILURE;
    }
    let mut table = Table::default();
    let asked = |kind: &str| args.kinds.is_empty() || args.kinds.iter().any(|asked| asked == kind);
    for (kind, prepare) in CONTESTS.iter().filter(|(kind, _)| asked(kind)) {
        match prepare() {
            Ok(contest) => contest.measure(kind, args.probes, &mut table),
            Err(why) => table.unmeasured(kind, &why),
        }
    }
    println!("{table}");
    if table.all_within() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
