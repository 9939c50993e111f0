//! Measures speed and memory on the release build, prints each figure next to its bound, and fails when one is missed.
//! Starts processes of its own: what is probed, the bare loops to compare with, PostgreSQL, an API server. Does I/O.
//!
//! `cargo bench --bench scale` measures everything; `cargo bench --bench scale -- tcp http --seconds 10` some of it, shortly.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

#[path = "scale/arrivals.rs"]
mod arrivals;
#[path = "scale/cluster.rs"]
mod cluster;
#[path = "scale/floor.rs"]
mod floor;
#[path = "scale/folder.rs"]
mod folder;
#[path = "scale/meter.rs"]
mod meter;
#[path = "scale/peer.rs"]
mod peer;
#[path = "../tests/support/mod.rs"]
#[allow(dead_code, reason = "the tests use what is not used here")]
mod support;
#[path = "scale/table.rs"]
mod table;
#[path = "scale/target.rs"]
mod target;

use table::Table;

/// What is probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A connection.
    Tcp,
    /// A connection, a request and its answer.
    Http,
    /// A connection, a login and `SELECT 1`.
    Postgres,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// 1,000 tcp checks every second.
    Tcp,
    /// 1,000 http checks every second.
    Http,
    /// 1,000 postgres checks every 5 s.
    Postgres,
    /// 10,000 tcp checks every 10 s.
    Many,
    /// 2,000 tcp checks every 10 s in a cluster.
    Cluster,
}

/// Measures runready's speed and memory.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure; everything by default.
    parts: Vec<Part>,
    /// How long each is measured.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["role", "target", kind] => return target::serve(kind_of(kind)),
        ["role", "floor", kind, port, checks, millis, seconds] => {
            let number = |text: &str| text.parse().expect("a number");
            let load = floor::Load {
                kind: kind_of(kind),
                port: u16::try_from(number(port)).expect("a port"),
                checks: number(checks),
                interval: Duration::from_millis(number(millis).into()),
            };
            return floor::carry_out(load, Duration::from_secs(number(seconds).into()));
        }
        _ => {}
    }
    let Args { parts, seconds, bench: _ } = Args::parse();
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let window = Duration::from_secs(seconds);
    let mut table = Table::default();
    if wanted(Part::Tcp) {
        folder::every_second(Kind::Tcp, window, &mut table);
    }
    if wanted(Part::Http) {
        folder::every_second(Kind::Http, window, &mut table);
    }
    if wanted(Part::Postgres) {
        folder::every_second(Kind::Postgres, window, &mut table);
    }
    if wanted(Part::Many) {
        folder::many(window, &mut table);
    }
    if wanted(Part::Cluster) {
        cluster::measure(window, &mut table);
    }
    println!("{}\n{table}", meter::machine());
    if table.all_within() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn kind_of(name: &str) -> Kind {
    <Kind as clap::ValueEnum>::from_str(name, false).expect("a kind")
}
