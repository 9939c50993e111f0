//! How many probes the limit of file descriptors lets be in flight. Raises the soft limit to the hard one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// File descriptors that are left to everything but probes.
const RESERVED: u64 = 256;
/// Most probes in flight, however many descriptors there are.
const MOST_IN_FLIGHT: u64 = 16_384;

/// Raises the soft limit to the hard one, and says how many probes fit below it.
pub fn raise() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            limit.current
        }
    };
    let room = current.unwrap_or(u64::MAX).saturating_sub(RESERVED).clamp(16, MOST_IN_FLIGHT);
    usize::try_from(room).unwrap_or(usize::MAX)
}
