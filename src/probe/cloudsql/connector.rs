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
        make_room(&mut known, instance, clock);
        let entry = known.entry(key(instance)).or_insert_with(|| Entry::new(now));
        entry.used = now;
        entry.land(now);
        if entry.is_due(now, clock) {
            entry.asked = now;
            entry.flight = Some(self.ask(instance));
        }
        let serves = entry.serving(clock).cloned();
        let refusal = entry.refusal.as_ref().map(|remembered| remembered.refusal.clone());
        match (serves, &entry.flight, refusal) {
            (Some(grant), _, refusal) => Found::Known(grant, refusal),
            (None, Some(flight), _) => Found::Asked(flight.clone()),
            (None, None, Some(refusal)) => Found::Refused(refusal),
            (None, None, None) => Found::Refused(lost(Stage::Settings)),
        }
    }

    /// The database has answered through a tunnel: what is known is right.
    pub fn trust(&self, instance: &CloudSqlInstance) {
        if let Some(entry) = self.known().get_mut(&key(instance)) {
            (entry.doubts, entry.doubted) = (0, false);
        }
    }

    /// What is known did not lead to a tunnel, or to one that was refused: it may be out of date.
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

fn make_room(known: &mut HashMap<Key, Entry>, newcomer: &CloudSqlInstance, clock: Timestamp) {
    if known.len() < MOST_KNOWN || known.contains_key(&key(newcomer)) {
        return;
    }
    // What has a certificate that serves, or waits for one, goes last: names are made up quickly.
    let oldest = known
        .iter()
        .min_by_key(|(_, entry)| (entry.serving(clock).is_some() || entry.flight.is_some(), entry.used))
        .map(|(key, _)| key.clone());
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

    /// The grant, while its certificate can be used.
    fn serving(&self, clock: Timestamp) -> Option<&Grant> {
        self.grant.as_ref().filter(|grant| !grant.certificate.expired(clock))
    }

    /// Whether the API should be asked now: nothing serves, or not for long, or the last answer was a refusal whose pause is over
    /// (else it would stand beside a grant that serves until that ages), or what is known is doubtful.
    fn is_due(&mut self, now: Instant, clock: Timestamp) -> bool {
        let resting = self.refusal.as_ref().is_some_and(|refusal| refusal.until > now);
        if resting || self.flight.is_some() {
            return false;
        }
        let old = self.serving(clock).is_none_or(|grant| grant.certificate.aging(clock));
        old || self.refusal.is_some() || self.is_doubtful(now)
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

#[cfg(test)]
mod tests {
    use google_cloud_sql_v1::model::ConnectSettings;

    use super::super::pass::tests::lasting;
    use super::*;
    use crate::api::probes::CloudSqlIpType;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// That long after the beginning of [`lasting`]'s certificates.
    fn clock(after: u64) -> Timestamp {
        Timestamp::from_second(1_000_000).expect("a time") + seconds(after)
    }

    fn settings() -> Settings {
        Settings::read(&ConnectSettings::default())
    }

    /// An instance whose certificate lasts an hour, asked for at `now`.
    fn granted(now: Instant) -> Entry {
        let grant = Grant { settings: Arc::new(settings()), certificate: Arc::new(lasting(3600)) };
        Entry { grant: Some(grant), ..Entry::new(now) }
    }

    fn refused(pause: Option<Duration>) -> Refusal {
        let failure = Failure::new(Cause::CloudSqlApiFailed, Stage::Settings, "asking: no answer");
        Refusal { failure, status: None, pause }
    }

    fn awaited<T>(stage: Stage, answer: Option<Answer<T>>) -> (watch::Sender<Option<Answer<T>>>, Awaited<T>) {
        let (sender, receiver) = watch::channel(answer);
        (sender, Awaited { stage, answer: receiver })
    }

    /// A flight whose answers are these.
    fn landed(settings: Answer<Settings>, certificate: Answer<Certificate>) -> Flight {
        let (settings, certificate) =
            (awaited(Stage::Settings, Some(settings)).1, awaited(Stage::Certificate, Some(certificate)).1);
        Flight { settings, certificate }
    }

    #[test]
    fn the_api_is_left_alone_while_a_certificate_serves_and_is_fresh() {
        let now = Instant::now();
        assert!(!granted(now).is_due(now + seconds(3300), clock(3300)));
        assert!(granted(now).is_due(now + seconds(3400), clock(3400)), "it ages");
        assert!(granted(now).is_due(now + seconds(4000), clock(4000)), "it has expired");
        assert!(Entry::new(now).is_due(now, clock(0)), "there is none");
        assert!(granted(now).serving(clock(3599)).is_some() && granted(now).serving(clock(3600)).is_none());
    }

    #[test]
    fn nobody_asks_twice_at_once_nor_during_the_pause_after_a_refusal() {
        let now = Instant::now();
        let (_settings, settings) = awaited(Stage::Settings, None);
        let (_certificate, certificate) = awaited(Stage::Certificate, None);
        let mut asking = Entry { flight: Some(Flight { settings, certificate }), ..Entry::new(now) };
        asking.land(now);
        assert!(!asking.is_due(now, clock(0)), "answers are on their way");
        let remembered = Remembered { refusal: refused(None), until: now + seconds(5) };
        let mut resting = Entry { refusal: Some(remembered), ..Entry::new(now) };
        assert!(!resting.is_due(now + seconds(4), clock(4)) && resting.is_due(now + seconds(5), clock(5)));
    }

    #[test]
    fn a_refusal_beside_a_fresh_certificate_does_not_stand_until_that_ages() {
        let now = Instant::now();
        let mut entry = granted(now);
        entry.doubted = true;
        assert!(entry.is_due(now + seconds(30), clock(30)), "the path is cut off");
        entry.flight = Some(landed(Err(refused(None)), Err(refused(None))));
        entry.land(now + seconds(31));
        (entry.doubts, entry.doubted) = (0, false);
        assert!(!entry.is_due(now + seconds(35), clock(35)));
        assert!(entry.is_due(now + seconds(36), clock(36)), "the path is back, and the API may be, too");
        entry.flight = Some(landed(Ok(Arc::new(settings())), Ok(Arc::new(lasting(3600)))));
        entry.land(now + seconds(36));
        assert!(entry.refusal.is_none() && !entry.is_due(now + seconds(40), clock(40)));
    }

    #[test]
    fn what_leads_nowhere_is_asked_for_again_after_half_a_minute_then_after_twice_as_long_up_to_eight() {
        let mut now = Instant::now();
        let mut entry = granted(now);
        for rest in [30, 60, 120, 240, 480, 480] {
            assert!(!entry.is_due(now + seconds(rest), clock(0)), "nobody doubts");
            entry.doubted = true;
            assert!(!entry.is_due(now + seconds(rest - 1), clock(0)), "{rest}");
            now += seconds(rest);
            assert!(entry.is_due(now, clock(0)), "{rest}");
            entry.asked = now;
        }
    }

    #[test]
    fn refusals_in_a_row_are_remembered_for_longer_and_a_server_may_ask_for_more() {
        let now = Instant::now();
        let mut entry = Entry::new(now);
        let mut pause = |wish: Option<u64>| {
            entry.flight = Some(landed(Ok(Arc::new(settings())), Err(refused(wish.map(seconds)))));
            entry.land(now);
            entry.refusal.as_ref().expect("a refusal").until - now
        };
        let pauses: Vec<u64> = (0..6).map(|_| pause(None).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        assert_eq!([1, 100, 10_000].map(|wish| pause(Some(wish)).as_secs()), [60, 100, 600]);
        entry.flight = Some(landed(Ok(Arc::new(settings())), Ok(Arc::new(lasting(3600)))));
        entry.land(now);
        assert_eq!((entry.strikes, entry.refusal.is_none(), entry.grant.is_some()), (0, true, true));
    }

    #[test]
    fn one_answer_alone_opens_nothing_and_one_that_never_comes_is_told() {
        let now = Instant::now();
        let (certificate, awaited_certificate) = awaited(Stage::Certificate, None);
        let (_, settings) = awaited(Stage::Settings, Some(Ok(Arc::new(settings()))));
        let mut entry =
            Entry { flight: Some(Flight { settings, certificate: awaited_certificate }), ..Entry::new(now) };
        entry.land(now);
        assert!(entry.flight.is_some() && entry.grant.is_none() && entry.refusal.is_none());
        drop(certificate);
        entry.land(now);
        let refusal = entry.refusal.expect("a refusal").refusal;
        assert_eq!((refusal.failure.cause, refusal.failure.stage), (Cause::ProberError, Some(Stage::Certificate)));
    }

    #[test]
    fn the_instance_that_was_used_longest_ago_gives_way() {
        let now = Instant::now();
        let instance = |number: usize| CloudSqlInstance {
            name: format!("project:region:{number}").into(),
            ip_type: CloudSqlIpType::Private,
            iam_login: false,
        };
        let mut known = HashMap::new();
        for number in 0..MOST_KNOWN {
            let used = now + if number == 7 { seconds(0) } else { seconds(1) };
            known.insert(key(&instance(number)), Entry { used, ..Entry::new(now) });
        }
        // Used longer ago still, but it has what serves.
        known.insert(key(&instance(8)), Entry { used: now - seconds(1), ..granted(now) });
        make_room(&mut known, &instance(3), clock(0));
        assert_eq!(known.len(), MOST_KNOWN, "it has its place");
        make_room(&mut known, &instance(MOST_KNOWN), clock(0));
        assert!(known.len() == MOST_KNOWN - 1 && !known.contains_key(&key(&instance(7))));
    }

    #[test]
    fn a_login_with_a_token_has_a_certificate_of_its_own() {
        let with = |iam_login| CloudSqlInstance {
            name: "project:region:name".into(),
            ip_type: CloudSqlIpType::Private,
            iam_login,
        };
        assert_ne!(
            key(&with(true)),
            key(&with(false)),
            "a password's would carry no token, and a token's one too many"
        );
    }
}
