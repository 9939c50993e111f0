//! The table of instances that are reached: what is known of each, who is waiting for it, and when it is asked for again. Asks the
//! Admin API, through [`super::admin`], at most once for each instance and period, however many probes need the answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::{Semaphore, watch};

use super::access::Access;
use super::admin::{self, Admin};
use super::pass::{Certificate, Settings};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::CloudSqlInstance;

/// Most instances that are remembered; the one that was used longest ago gives way.
const MOST_KNOWN: usize = 1024;
/// Most instances that are asked for at once.
const AT_ONCE: usize = 16;
/// How long a refusal is remembered: the first, the second in a row, and so on.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(20),
    Duration::from_secs(40),
    Duration::from_secs(60),
];
/// Longest pause that a server may ask for (Retry-After).
const LONGEST_PAUSE: Duration = Duration::from_secs(10 * 60);
/// How soon after they were fetched settings may be doubted, doubled with each doubt in a row.
const DOUBT: Duration = Duration::from_secs(30);
/// How often that is doubled: to eight minutes.
const MOST_DOUBLED: u32 = 4;

/// Reaches Cloud SQL instances. Clones share what they know.
#[derive(Clone, Default)]
pub struct Connector(Arc<Shared>);

#[derive(Default)]
struct Shared {
    admin: Admin,
    known: Mutex<HashMap<Key, Entry>>,
    turns: Turns,
}

struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Turns(Semaphore::new(AT_ONCE))
    }
}

/// An instance and how one logs in there: a certificate for IAM login has a token in it.
type Key = (Box<str>, bool);

/// What is known of an instance.
struct Entry {
    grant: Option<Grant>,
    flight: Option<Flight>,
    refusal: Option<Remembered>,
    /// Refusals in a row.
    strikes: usize,
    /// Doubts in a row.
    doubts: u32,
    doubted: bool,
    asked: Instant,
    used: Instant,
}

/// What opens the way.
#[derive(Clone)]
pub struct Grant {
    /// By which the instance is reached and recognised.
    pub settings: Arc<Settings>,
    /// By which it lets us in.
    pub certificate: Arc<Certificate>,
}

/// Why there is no grant.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In words and as a cause.
    pub failure: Failure,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long the server wants to be left alone.
    pub pause: Option<Duration>,
}

struct Remembered {
    refusal: Refusal,
    until: Instant,
}

/// Answers on their way.
#[derive(Clone)]
pub struct Flight {
    /// The settings.
    pub settings: Awaited<Settings>,
    /// The certificate, which is asked for at the same time.
    pub certificate: Awaited<Certificate>,
}

type Answer<T> = Result<Arc<T>, Refusal>;

/// One answer that will be there for all who wait.
pub struct Awaited<T> {
    stage: Stage,
    answer: watch::Receiver<Option<Answer<T>>>,
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Awaited { stage: self.stage, answer: self.answer.clone() }
    }
}

/// What there is for a probe.
pub enum Found {
    /// A grant that serves, and why it could not be renewed, if so.
    Known(Grant, Option<Refusal>),
    /// Answers to wait for.
    Asked(Flight),
    /// A refusal that is too fresh to ask again.
    Refused(Refusal),
}

impl Connector {
    /// A connector that asks in that way. Nothing is built before it is needed.
    pub fn new(access: Access) -> Self {
        Connector(Arc::new(Shared { admin: Admin::new(access), ..Shared::default() }))
    }

    /// What is known of an instance. If that is nothing, or old, the API is asked, in the background.
    pub fn find(&self, instance: &CloudSqlInstance) -> Found {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let mut known = self.known();
        make_room(&mut known, instance);
        let entry = known.entry(key(instance)).or_insert_with(|| Entry::new(now));
        entry.used = now;
        entry.land(now);
        let serves = entry.grant.clone().filter(|grant| !grant.certificate.expired(clock));
        let due = serves.as_ref().is_none_or(|grant| grant.certificate.aging(clock)) || entry.is_doubtful(now);
        if due && entry.flight.is_none() && entry.refusal.as_ref().is_none_or(|refusal| refusal.until <= now) {
            entry.asked = now;
            entry.flight = Some(self.ask(instance));
        }
        let refusal = entry.refusal.as_ref().map(|remembered| remembered.refusal.clone());
        match (serves, &entry.flight, refusal) {
            (Some(grant), _, refusal) => Found::Known(grant, refusal),
            (None, Some(flight), _) => Found::Asked(flight.clone()),
            (None, None, Some(refusal)) => Found::Refused(refusal),
            (None, None, None) => Found::Refused(lost(Stage::Settings)),
        }
    }

    /// A tunnel stands: what is known is right.
    pub fn trust(&self, instance: &CloudSqlInstance) {
        if let Some(entry) = self.known().get_mut(&key(instance)) {
            (entry.doubts, entry.doubted) = (0, false);
        }
    }

    /// What is known did not lead to a tunnel: it may be out of date.
    pub fn doubt(&self, instance: &CloudSqlInstance) {
        if let Some(entry) = self.known().get_mut(&key(instance)) {
            entry.doubted = true;
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for both at once, and goes on when the probe that asked has given up: others wait for it, too.
    fn ask(&self, instance: &CloudSqlInstance) -> Flight {
        let (settings, settings_answer) = watch::channel(None);
        let (certificate, certificate_answer) = watch::channel(None);
        let (shared, instance) = (self.0.clone(), instance.clone());
        tokio::spawn(async move {
            // Never closed, so that this waits and does not fail.
            let _turn = shared.turns.0.acquire().await;
            let ask_settings = async {
                let answer = admin::settings(&shared.admin, &instance).await;
                settings.send_replace(Some(answer.map(Arc::new)));
            };
            let ask_certificate = async {
                let answer = admin::certificate(&shared.admin, &instance).await;
                certificate.send_replace(Some(answer.map(Arc::new)));
            };
            tokio::join!(ask_settings, ask_certificate);
        });
        Flight {
            settings: Awaited { stage: Stage::Settings, answer: settings_answer },
            certificate: Awaited { stage: Stage::Certificate, answer: certificate_answer },
        }
    }
}

fn key(instance: &CloudSqlInstance) -> Key {
    (instance.name.clone(), instance.iam_login)
}

fn make_room(known: &mut HashMap<Key, Entry>, newcomer: &CloudSqlInstance) {
    if known.len() < MOST_KNOWN || known.contains_key(&key(newcomer)) {
        return;
    }
    let oldest = known.iter().min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone());
    oldest.into_iter().for_each(|key| drop(known.remove(&key)));
}

impl Entry {
    fn new(now: Instant) -> Self {
        Entry { grant: None, flight: None, refusal: None, strikes: 0, doubts: 0, doubted: false, asked: now, used: now }
    }

    /// Takes up the answers of a flight once both are there.
    fn land(&mut self, now: Instant) {
        let Some(flight) = &self.flight else { return };
        let (Some(settings), Some(certificate)) = (flight.settings.peek(), flight.certificate.peek()) else { return };
        match (settings, certificate) {
            (Ok(settings), Ok(certificate)) => {
                self.grant = Some(Grant { settings, certificate });
                (self.refusal, self.strikes) = (None, 0);
            }
            (Err(refusal), _) | (_, Err(refusal)) => {
                let pause = PAUSES[self.strikes.min(PAUSES.len() - 1)];
                let pause = refusal.pause.map_or(pause, |wish| wish.clamp(pause, LONGEST_PAUSE));
                self.refusal = Some(Remembered { refusal, until: now + pause });
                self.strikes += 1;
            }
        }
        self.flight = None;
    }

    /// Whether what is known should be asked for again because it did not lead to a tunnel. Counts the doubt if so.
    fn is_doubtful(&mut self, now: Instant) -> bool {
        let rest = DOUBT * 2_u32.pow(self.doubts.min(MOST_DOUBLED));
        let doubtful = self.doubted && now.saturating_duration_since(self.asked) >= rest;
        if doubtful {
            (self.doubts, self.doubted) = (self.doubts + 1, false);
        }
        doubtful
    }
}

impl<T> Awaited<T> {
    /// Waits for the answer.
    pub async fn arrived(&mut self) -> Answer<T> {
        let answer = self.answer.wait_for(Option::is_some).await;
        answer.ok().and_then(|answer| answer.clone()).unwrap_or_else(|| Err(lost(self.stage)))
    }

    /// The answer, if it is there or will never be.
    fn peek(&self) -> Option<Answer<T>> {
        let gone = self.answer.has_changed().is_err();
        let answer = self.answer.borrow().clone();
        answer.or_else(|| gone.then(|| Err(lost(self.stage))))
    }
}

/// Why nobody will answer: the task that asked has ended, by a defect or with the program.
fn lost(stage: Stage) -> Refusal {
    let message = "the request to the Cloud SQL Admin API ended without an answer: a defect of runready; see its log";
    Refusal { failure: Failure::new(Cause::ProberError, stage, message), status: None, pause: None }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({} instances)", self.known().len())
    }
}
