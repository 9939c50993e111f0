//! Which core runs what, so that neither side takes time from the other. Asks the kernel.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

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
