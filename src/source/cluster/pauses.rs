//! How long a watch waits before it is tried again: longer each time, but never so long that the return of the API server
//! goes unnoticed (the client library's own waits grow to 30 s). Pure.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// The first wait.
const FIRST: Duration = Duration::from_millis(200);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(3);

/// Waits that double from 200 ms to 3 s, and begin anew once the watch has brought anything.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Pauses { next: FIRST }
    }
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let now = self.next;
        self.next = (now * 2).min(LONGEST);
        Some(now)
    }
}

impl Backoff for Pauses {
    fn reset(&mut self) {
        *self = Pauses::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound_and_begin_anew() {
        let mut pauses = Pauses::default();
        let waits: Vec<u128> = pauses.by_ref().take(6).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [200, 400, 800, 1600, 3000, 3000]);
        pauses.reset();
        assert_eq!(pauses.next(), Some(FIRST));
    }
}
