//! A timer that is exact to some ten microseconds, where the runtime's own has a step of a millisecond. Does I/O: a timer of the
//! kernel (timerfd), which is awaited like a socket, so that nothing spins.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Instant;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

pub struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    #[allow(
        deprecated,
        reason = "what may go wrong (a type that gives out another's descriptor) can't with an OwnedFd"
    )]
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Alarm(AsyncFd::with_interest(timer, Interest::READABLE)?))
    }

    /// Returns once that time has come.
    pub async fn until(&self, at: Instant) -> io::Result<()> {
        loop {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            let once = Timespec { tv_sec: 0, tv_nsec: 0 };
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            let setting = Itimerspec { it_interval: once, it_value: left };
            timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &setting)?;
            // What rings is never read: setting the timer again forgets it, and the kernel tells of each ring anew.
            self.0.readable().await?.clear_ready();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_rings_no_sooner_than_asked_and_again_when_it_is_set_again() {
        let alarm = Alarm::new().expect("a timer");
        for micros in [0, 150, 2_300] {
            let at = Instant::now() + Duration::from_micros(micros);
            alarm.until(at).await.expect("it rings");
            assert!(Instant::now() >= at);
        }
    }
}
