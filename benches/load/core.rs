//! Which core runs what, so that neither side takes time from the other, and what the host took of them. Asks the kernel.

use std::fs;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::meter;

/// Two of the cores that we may use. The `Err` says why there are none.
pub fn two() -> Result<[usize; 2], String> {
    let allowed = sched_getaffinity(None).map_err(|error| format!("the cores that may be used: {error}"))?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    cores.next().zip(cores.next()).map(Into::into).ok_or_else(|| "two cores are needed, one for each side".to_owned())
}

/// Keeps this thread, and those that it starts from here on, on one core.
pub fn take(core: usize) {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).expect("a core that may be used");
}

/// Seconds since boot for which the cores had work and a virtual machine's host ran something else ("steal" in /proc/stat, see
/// proc_stat(5); in steps of 10 ms). 0 where the host does not tell, and on a machine that is not virtual.
pub fn stolen_seconds(cores: [usize; 2]) -> f64 {
    let stat = fs::read_to_string("/proc/stat").expect("Linux has /proc/stat");
    let ticks = cores.map(|core| {
        let line =
            stat.lines().find_map(|line| line.strip_prefix(&format!("cpu{core} "))).expect("a core that is there");
        line.split(' ').nth(7).expect("a kernel since 2.6.11").parse::<f64>().expect("a number")
    });
    ticks.iter().sum::<f64>() / meter::TICKS_PER_SECOND
}
