//! What is known of each instance, who is waiting for it, and when it is asked for again. Clocks in, decisions out; no I/O.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::connector::{Awaited, Flight, Grant, Refusal};
use super::pass::Settings;
use crate::plan::kinds::CloudSqlInstance;

/// Most instances that are remembered; the one that was used longest ago gives way.
const MOST_KNOWN: usize = 1024;
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
/// How long settings that were asked for by one login serve the other: as long as a certificate lives.
const SHARED_FOR: Duration = Duration::from_secs(3600);
/// How soon after they were fetched settings may be doubted, doubled with each doubt in a row.
const DOUBT: Duration = Duration::from_secs(30);
/// How often that is doubled: to eight minutes.
const MOST_DOUBLED: u32 = 4;

/// Instances by their names.
pub type Known = HashMap<Box<str>, Instance>;

/// What is known of an instance.
#[derive(Default)]
pub struct Instance {
    /// The last question for its settings.
    pub question: Option<Question>,
    /// With a password, and with a token in place of one (IAM login), which is in the certificate.
    pub logins: [Option<Entry>; 2],
}

/// The last question for an instance's settings, whichever login put it.
#[derive(Clone)]
pub struct Question {
    /// When.
    pub put: Instant,
    /// Its answer, which may be on its way.
    pub answer: Awaited<Settings>,
}

/// What is known of an instance for those who log in in one way.
pub struct Entry {
    grant: Option<Grant>,
    /// Answers on their way.
    pub flight: Option<Flight>,
    /// The last answer, if it was a refusal.
    pub refusal: Option<Remembered>,
    /// Refusals in a row.
    strikes: usize,
    /// Doubts in a row.
    pub doubts: u32,
    /// Whether what is known did not lead to a tunnel.
    pub doubted: bool,
    /// When the API was asked.
    pub asked: Instant,
    /// When a probe needed it.
    pub used: Instant,
    /// When the question was put whose answer its settings are.
    pub settings_put: Option<Instant>,
}

/// A refusal.
pub struct Remembered {
    /// Why.
    pub refusal: Refusal,
    /// When its pause is over.
    pub until: Instant,
}

/// What is known of an instance for those who log in as it says.
pub fn login<'a>(known: &'a mut Known, instance: &CloudSqlInstance) -> Option<&'a mut Entry> {
    known.get_mut(&instance.name)?.logins[usize::from(instance.iam_login)].as_mut()
}

/// Has the instance that is missed least give way to a new one, where there are too many.
pub fn make_room(known: &mut Known, newcomer: &str, clock: Timestamp) {
    if known.len() < MOST_KNOWN || known.contains_key(newcomer) {
        return;
    }
    // What has a certificate that serves, or waits for one, goes last: names are made up quickly.
    let oldest = known
        .iter()
        .min_by_key(|(_, instance)| {
            let logins = || instance.logins.iter().flatten();
            let useful = logins().any(|entry| entry.serving(clock).is_some() || entry.flight.is_some());
            (useful, logins().map(|entry| entry.used).max())
        })
        .map(|(name, _)| name.clone());
    oldest.into_iter().for_each(|name| drop(known.remove(&name)));
}

impl Question {
    /// Whether its answer, which may be on its way, serves a login that has settings from an earlier question: it is newer than
    /// those, and neither old nor a refusal that nobody minds any more.
    pub fn serves(&self, had: Option<Instant>, refusals_count: bool, now: Instant) -> bool {
        let fresh = match self.answer.peek() {
            None => true,
            Some(Ok(_)) => now.saturating_duration_since(self.put) < SHARED_FOR,
            Some(Err(_)) => refusals_count,
        };
        fresh && had < Some(self.put)
    }
}

impl Entry {
    /// Of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Entry {
            grant: None,
            flight: None,
            refusal: None,
            strikes: 0,
            doubts: 0,
            doubted: false,
            asked: now,
            used: now,
            settings_put: None,
        }
    }

    /// Takes up the answers of a flight once both are there.
    pub fn land(&mut self, now: Instant) {
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
    pub fn serving(&self, clock: Timestamp) -> Option<&Grant> {
        self.grant.as_ref().filter(|grant| !grant.certificate.expired(clock))
    }

    /// Whether the last answer was a refusal whose pause is not over.
    pub fn is_resting(&self, now: Instant) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.until > now)
    }

    /// Whether the API should be asked now: nothing serves, or not for long, or the last answer was a refusal whose pause is over
    /// (else it would stand beside a grant that serves until that ages), or what is known is doubtful.
    pub fn is_due(&mut self, now: Instant, clock: Timestamp) -> bool {
        if self.is_resting(now) || self.flight.is_some() {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use google_cloud_sql_v1::model::ConnectSettings;
    use tokio::sync::watch;

    use super::super::connector::Answer;
    use super::super::pass::Certificate;
    use super::super::pass::tests::lasting;
    use super::*;
    use crate::api::{Cause, Stage};
    use crate::evidence::Failure;

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
        let (sender, awaited) = Awaited::new(stage);
        sender.send_replace(answer);
        (sender, awaited)
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
        let name = |number: usize| -> Box<str> { format!("project:region:{number}").into() };
        let by_password = |entry| Instance { logins: [Some(entry), None], question: None };
        let mut known = HashMap::new();
        for number in 0..MOST_KNOWN {
            let used = now + if number == 7 { seconds(0) } else { seconds(1) };
            known.insert(name(number), by_password(Entry { used, ..Entry::new(now) }));
        }
        // Used longer ago still, but it has what serves; and lately, but by a login that is used no more.
        known.insert(name(8), by_password(Entry { used: now - seconds(1), ..granted(now) }));
        let used = now - seconds(2);
        known.insert(
            name(9),
            Instance {
                logins: [
                    Some(Entry { used, ..Entry::new(now) }),
                    Some(Entry { used: now + seconds(1), ..Entry::new(now) }),
                ],
                question: None,
            },
        );
        make_room(&mut known, &name(3), clock(0));
        assert_eq!(known.len(), MOST_KNOWN, "it has its place");
        make_room(&mut known, &name(MOST_KNOWN), clock(0));
        assert!(known.len() == MOST_KNOWN - 1 && !known.contains_key(&name(7)));
    }

    #[test]
    fn settings_serve_the_other_login_while_they_are_newer_and_fresh() {
        let now = Instant::now();
        let question = |answer| Question { put: now, answer: awaited(Stage::Settings, answer).1 };
        let (_sender, answer) = awaited(Stage::Settings, None);
        let open = Question { put: now, answer };
        let told = question(Some(Ok(Arc::new(settings()))));
        let declined = question(Some(Err(refused(None))));
        let hour = now + seconds(3600);
        assert!(open.serves(None, false, now) && told.serves(None, false, now + seconds(3599)));
        assert!(!told.serves(None, true, hour), "it is old");
        assert!(told.serves(Some(now - seconds(1)), false, now), "it is newer");
        assert!(!told.serves(Some(now), false, now) && !open.serves(Some(now), false, now), "it is what the login has");
        assert!(declined.serves(None, true, now) && !declined.serves(None, false, now), "the pause is over");
    }
}
