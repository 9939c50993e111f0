//! Sends requests when they are due, whatever became of those before (an open loop), or so many at once (a closed loop).
//! Does network I/O through the probe that it repeats. All of it is one thread.
//!
//! In the open loop the latency counts from when a request was due, not from when it could be sent: a peer that stalls is
//! charged with everything that had to wait for it, although nobody asked meanwhile (no coordinated omission).

use std::cell::{Cell, RefCell};
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{sleep_until, timeout_at};

use super::alarm::Alarm;
use super::ours;
use super::tally::Tally;
use crate::api::Cause;
use crate::evidence::{Failure, Outcome};
use crate::plan::kinds::{LoadAction, Pace};
use crate::probe::http::Kept;
use crate::probe::{Attempt, Vantage, observe};

/// How soon after each other requests are made due: what is due in between goes out together. For each request to have a wake of
/// its own would cost more, above 10,000 a second, than the requests do.
const STEP: Duration = Duration::from_micros(100);

/// What the pacer and those who send share. They run on one thread, and nothing is borrowed across an await.
pub struct Generator {
    action: Arc<LoadAction>,
    vantage: Vantage,
    begin: Instant,
    tally: RefCell<Tally>,
    /// How many requests are due so far, and how many of them were taken up.
    due: Cell<u64>,
    taken: Cell<u64>,
    /// Those who wait for something to do; the last to come is the first to go, so that few connections are used.
    idle: RefCell<Vec<Rc<Notify>>>,
    senders: Cell<u32>,
    /// Nothing will be due any longer.
    over: Cell<bool>,
    /// Rings whenever a sender ends.
    ended: Notify,
}

impl Generator {
    /// Carries out a load, and returns what was counted.
    pub async fn run(action: Arc<LoadAction>, vantage: Vantage) -> Result<Tally, Failure> {
        let generator = Rc::new(Generator {
            tally: RefCell::new(Tally::new()?),
            action,
            vantage,
            begin: Instant::now(),
            due: Cell::new(0),
            taken: Cell::new(0),
            idle: RefCell::default(),
            senders: Cell::new(0),
            over: Cell::new(false),
            ended: Notify::new(),
        });
        let end = generator.begin + generator.action.window;
        match generator.action.pace {
            Pace::PerSecond(rate) => {
                generator.pace(rate).await.map_err(|error| ours(&format!("the timer: {error}")))?
            }
            Pace::AtOnce(count) => generator.keep_busy(count, end),
        }
        generator.drain(end).await;
        let unsent = generator.due.get() - generator.taken.get();
        let unended = generator.taken.get() - generator.tally.borrow().ended();
        Ok(generator.tally.replace(Tally::new()?).close(generator.action.window, unsent, unended))
    }

    /// Makes requests due at even times.
    async fn pace(self: &Rc<Self>, rate: u32) -> std::io::Result<()> {
        let alarm = Alarm::new()?;
        let all = u64::try_from(self.action.window.as_nanos() * u128::from(rate) / 1_000_000_000).unwrap_or(u64::MAX);
        let mut earliest = self.begin;
        while self.due.get() < all {
            let at = self.due_at(self.due.get()).max(earliest);
            alarm.until(at).await?;
            earliest = at + STEP;
            let now = Instant::now();
            while self.due.get() < all && self.due_at(self.due.get()) <= now {
                self.due.set(self.due.get() + 1);
                self.call();
            }
            // Late, it would find the next due at once, and never let anyone send.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// When the request of that number is due.
    fn due_at(&self, number: u64) -> Instant {
        let Pace::PerSecond(rate) = self.action.pace else { return self.begin };
        let nanos = u128::from(number) * 1_000_000_000 / u128::from(rate);
        self.begin + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Has someone take up what is due. Where nobody can, it waits for the first to be free.
    fn call(self: &Rc<Self>) {
        if let Some(sender) = self.idle.borrow_mut().pop() {
            return sender.notify_one();
        }
        if self.senders.get() < self.action.most_in_flight {
            self.senders.set(self.senders.get() + 1);
            let generator = self.clone();
            spawn_local(async move {
                generator.send_what_is_due().await;
                generator.end_sender();
            });
        }
    }

    /// Takes up what is due, again and again, on one connection where the kind can.
    async fn send_what_is_due(&self) {
        let mut line = Line::new(self);
        let called = Rc::new(Notify::new());
        let mut prompt = true;
        loop {
            while self.taken.get() < self.due.get() {
                let due = self.due_at(self.taken.get());
                self.taken.set(self.taken.get() + 1);
                // What had to wait for a free sender was late through the peer.
                if prompt {
                    self.tally.borrow_mut().late(due.elapsed());
                }
                let result = line.send().await;
                self.tally.borrow_mut().take_in(due.elapsed(), result);
                prompt = false;
            }
            if self.over.get() {
                return;
            }
            self.idle.borrow_mut().push(called.clone());
            called.notified().await;
            prompt = true;
        }
    }

    /// Starts so many senders, each of which sends anew once it was answered, but no faster than all of them may.
    fn keep_busy(self: &Rc<Self>, count: u32, end: Instant) {
        let least = Duration::from_secs(1) * count / self.action.most_per_second;
        for _ in 0..count {
            self.senders.set(self.senders.get() + 1);
            let generator = self.clone();
            spawn_local(async move {
                let mut line = Line::new(&generator);
                loop {
                    let sent = Instant::now();
                    if sent >= end {
                        break;
                    }
                    generator.due.set(generator.due.get() + 1);
                    generator.taken.set(generator.taken.get() + 1);
                    let result = line.send().await;
                    generator.tally.borrow_mut().take_in(sent.elapsed(), result);
                    sleep_until((sent + least).into()).await;
                }
                drop(line);
                generator.end_sender();
            });
        }
    }

    fn end_sender(&self) {
        self.senders.set(self.senders.get() - 1);
        self.ended.notify_one();
    }

    /// Waits until all are answered, but no longer than the last request of the window may take.
    async fn drain(&self, end: Instant) {
        self.over.set(true);
        self.idle.take().iter().for_each(|sender| sender.notify_one());
        let deadline = end + self.action.probe.timeout;
        while self.senders.get() > 0 && timeout_at(deadline.into(), self.ended.notified()).await.is_ok() {}
    }
}

/// How one sender reaches the peer.
enum Line<'a> {
    /// Over a connection that is kept.
    Kept(Box<Kept<'a>>, &'a Generator),
    /// By the whole probe, each time.
    Whole(&'a Generator),
}

impl<'a> Line<'a> {
    fn new(generator: &'a Generator) -> Self {
        let kept = generator.action.reuse.then(|| Kept::new(&generator.action.probe)).flatten();
        kept.map_or(Line::Whole(generator), |kept| Line::Kept(Box::new(kept), generator))
    }

    async fn send(&mut self) -> Result<(), Failure> {
        match self {
            Line::Kept(kept, generator) => {
                let mut attempt = Attempt::start(&generator.action.probe, &generator.vantage);
                let sent = AssertUnwindSafe(kept.send(&mut attempt)).catch_unwind().await;
                sent.unwrap_or_else(|_| {
                    Err(Failure::before_start(Cause::ProberError, "a defect of runready; see the operator's log"))
                })
            }
            Line::Whole(generator) => {
                match Box::pin(observe(0, &generator.action.probe, &generator.vantage)).await.outcome {
                    Outcome::Passed | Outcome::Degraded(_) | Outcome::Skipped { .. } => Ok(()),
                    Outcome::Failed(failure) | Outcome::Unknown(failure) => Err(failure),
                }
            }
        }
    }
}
