//! Measures what a load costs and how exact it is, on the release build: prints each figure next to its bound, and fails when one
//! is missed. Starts a process of its own that is loaded, on a core of its own. Does I/O.
//!
//! `cargo bench --bench load`, or shortly `cargo bench --bench load -- --seconds 2`.

use std::process::ExitCode;

use clap::Parser;

#[path = "load/bare.rs"]
mod bare;
#[path = "load/core.rs"]
mod core;
#[path = "load/generator.rs"]
mod generator;
#[path = "scale/meter.rs"]
#[allow(dead_code, reason = "the other benchmark uses what is not used here")]
mod meter;
#[path = "load/server.rs"]
mod server;
#[path = "scale/table.rs"]
mod table;

use server::Server;
use table::Table;

const PART: &str = "load";
/// Requests each second.
const RATE: u32 = 20_000;
/// What a request may cost, as a multiple of what it costs the bare loop.
const MOST_OF_BARE: f64 = 1.5;

/// Measures what a load costs, and how exact it is.
#[derive(Debug, Parser)]
struct Args {
    /// How long the load goes on.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let ["role", "server", core] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return server::serve(core.parse().expect("a number"));
    }
    let Args { seconds, bench: _ } = Args::parse();
    // Before we keep to one of its cores.
    let machine = meter::machine();
    let mut table = Table::default();
    match core::two() {
        Ok(cores) => measure(cores, seconds, &mut table),
        Err(why) => table.unmeasured(PART, &why),
    }
    println!("{machine}\n{table}");
    if table.all_within() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn measure(cores: [usize; 2], seconds: u32, table: &mut Table) {
    let requests = u64::from(RATE) * u64::from(seconds);
    let [own, other] = cores;
    let mut server = Server::start(other);
    core::take(own);
    // Right before and right after, so that a machine that gets busier shows in both.
    let before = bare::cost(server.port(), requests / 2);
    let seen = server.answered();
    let stolen = core::stolen_seconds(cores);
    let load = generator::carry_out(server.port(), RATE, seconds);
    let stolen = core::stolen_seconds(cores) - stolen;
    let seen = server.answered() - seen;
    let after = bare::cost(server.port(), requests / 2);

    table.note(PART, "requests each second that were asked for", f64::from(RATE), "");
    table.note(PART, "requests each second that the server answered", seen as f64 / f64::from(seconds), "");
    table.at_most(PART, "requests that were due and the server did not see", requests.abs_diff(seen) as f64, 0.0, "");
    table.at_most(PART, "requests that did not succeed", requests.abs_diff(load.succeeded) as f64, 0.0, "");
    table.less_than(PART, "sent later than due, p99", load.own_lateness, 1.0, "ms");
    table.note(PART, "from due to answered, the server's own time included, p50", load.p50, "ms");
    table.less_than(PART, "from due to answered, the server's own time included, p99", load.p99, 1.0, "ms");
    // A core that was away answers late and sends late: a bound that is missed beside much of this says little of the load.
    table.note(PART, "taken from the two cores by the host meanwhile", stolen * 1e3, "ms");
    let cost = load.cpu / load.succeeded as f64;
    let bare = f64::midpoint(before, after);
    table.note(PART, "CPU per request", cost * 1e6, "µs");
    table.note(PART, "CPU per request of a bare hyper loop", bare * 1e6, "µs");
    table.at_most(PART, "CPU per request, as a multiple of the bare loop's", cost / bare, MOST_OF_BARE, "");
    table.less_than(PART, "share of the generator's core", load.cpu / f64::from(seconds) * 100.0, 100.0, "%");
}
