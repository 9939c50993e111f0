//! Reads what a process has used, from /proc: CPU time, memory. Takes its number.

use std::fs;

/// Unit of the times in /proc/stat and /proc/PID/stat (USER_HZ): the same on every Linux that Rust runs on.
pub const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of CPU, in user and kernel mode, of all threads that the process has or had.
pub fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("a running process");
    // The name, in parentheses, may hold spaces; utime and stime are the 14th and 15th field.
    let fields = stat.rsplit_once(") ").expect("a name in parentheses").1;
    let ticks: f64 = fields.split(' ').skip(11).take(2).map(|field| field.parse::<f64>().expect("a number")).sum();
    ticks / TICKS_PER_SECOND
}

/// Resident memory in KiB: `VmRSS` now, `VmHWM` at most.
pub fn memory_kib(process: u32, field: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("a running process");
    let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("a field");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// The machine, in a line.
pub fn machine() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("?");
    format!("{cores} cores, {}, Linux {}, load average {load}", model.unwrap_or("unknown CPU"), kernel.trim())
}
