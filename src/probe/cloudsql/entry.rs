//! What is known for one login of an instance: its grant, the answers it waits for, its refusals and doubts, and when the API is asked
//! again. Clocks in, decisions out; no I/O.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::answer::{Flight, Found, Grant, Refusal, lost};
use super::pass::Settings;
use crate::api::Stage;
use crate::api::probes::CloudSqlIpType;
use crate::plan::Kind;

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
/// Longest wait for an answer: a token, a turn among the questions that are put at once, and the answer itself.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);
/// How soon after they were fetched settings may be doubted, doubled with each doubt in a row.
const DOUBT: Duration = Duration::from_secs(30);
/// How often that is doubled: to eight minutes.
const MOST_DOUBLED: u32 = 4;

/// What is known of an instance for those who log in in one way.
pub struct Entry {
    grant: Option<Grant>,
    /// Answers on their way.
    pub flight: Option<Flight>,
    /// The last answer, if it was a refusal.
    pub refusal: Option<Remembered>,
    /// Refusals in a row.
    strikes: usize,
    doubts: Vec<(Asker, Doubt)>,
    /// When the API was asked.
    pub asked: Instant,
    /// When a probe needed it.
    pub used: Instant,
    /// When the question was put whose answer its settings are.
    pub settings_put: Option<Instant>,
}

/// Who needs the way. What leads one nowhere may well serve another: it wants another address, or speaks with another engine.
pub type Asker = (CloudSqlIpType, Kind);

/// That what is known led an asker nowhere.
#[derive(Clone, Copy)]
struct Doubt {
    /// When that was found, if nobody was asked since.
    since: Option<Instant>,
    /// How often in a row the API was asked for it.
    times: u32,
}

/// A refusal.
#[derive(Clone)]
pub struct Remembered {
    /// Why.
    pub refusal: Refusal,
    /// When its pause is over.
    pub until: Instant,
    /// Settings that came beside it: it is a certificate that was refused. They may say more of a check than that.
    pub settings: Option<Arc<Settings>>,
}

impl Entry {
    /// Of which nothing is known.
    pub fn new(now: Instant) -> Self {
        Entry {
            grant: None,
            flight: None,
            refusal: None,
            strikes: 0,
            doubts: Vec::new(),
            asked: now,
            used: now,
            settings_put: None,
        }
    }

    /// Takes up the answers of a flight once both are there.
    pub fn land(&mut self, now: Instant) {
        let Some(flight) = &self.flight else { return };
        let (Some(settings), Some(certificate)) = (flight.settings.peek(), flight.certificate.peek()) else { return };
        let granted = settings.as_ref().ok().cloned();
        match (settings, certificate) {
            (Ok(settings), Ok(certificate)) => {
                self.grant = Some(Grant { settings, certificate });
                (self.refusal, self.strikes) = (None, 0);
            }
            (Err(refusal), _) | (_, Err(refusal)) => {
                let pause = PAUSES[self.strikes.min(PAUSES.len() - 1)];
                let pause = refusal.pause.map_or(pause, |wish| wish.clamp(pause, LONGEST_PAUSE));
                // It may be taken up long after it came, by a check that runs seldom.
                let came = now.min(self.asked + LONGEST_ANSWER);
                self.refusal = Some(Remembered { refusal, until: came + pause, settings: granted });
                self.strikes += 1;
            }
        }
        self.flight = None;
    }

    /// The grant, while its certificate can be used.
    pub fn serving(&self, clock: Timestamp) -> Option<&Grant> {
        self.grant.as_ref().filter(|grant| !grant.certificate.expired(clock))
    }

    /// What there is for a probe. A grant whose token may have expired gives way to answers that are on their way.
    pub fn found(&self, clock: Timestamp) -> Found {
        let sure = |grant: &Grant| grant.certificate.is_sure(clock);
        match (self.serving(clock).cloned(), &self.flight, self.refusal.clone()) {
            (Some(grant), Some(flight), _) if !sure(&grant) => Found::Asked(flight.clone(), Some(grant)),
            (Some(grant), _, refusal) => Found::Known(grant, refusal.map(|last| last.refusal)),
            (None, Some(flight), _) => Found::Asked(flight.clone(), None),
            (None, None, Some(last)) => Found::Refused(last.refusal, last.settings),
            (None, None, None) => Found::Refused(lost(Stage::Settings), None),
        }
    }

    /// The last answer, if it was a refusal whose pause is not over.
    fn rest(&self, now: Instant) -> Option<&Remembered> {
        self.refusal.as_ref().filter(|refusal| refusal.until > now)
    }

    /// [`Entry::rest`], if it is settings that are refused.
    pub fn rest_of_settings(&self, now: Instant) -> Option<&Remembered> {
        self.rest(now).filter(|rest| rest.refusal.failure.stage == Some(Stage::Settings))
    }

    /// The newest moment of which settings are no use to that asker: it has such, or they led it nowhere since.
    pub fn outdated(&self, asker: Asker) -> Option<Instant> {
        let doubted = self.doubts.iter().find(|(who, _)| *who == asker).and_then(|(_, doubt)| doubt.since);
        self.settings_put.max(doubted)
    }

    /// The database has answered that asker through a tunnel: what is known is right.
    pub fn trust(&mut self, asker: Asker) {
        self.doubts.retain(|(who, _)| *who != asker);
    }

    /// What is known did not lead that asker to a tunnel, or to one that was refused: it may be out of date.
    pub fn doubt(&mut self, asker: Asker, now: Instant) {
        match self.doubts.iter_mut().find(|(who, _)| *who == asker) {
            Some((_, doubt)) => _ = doubt.since.get_or_insert(now),
            None => self.doubts.push((asker, Doubt { since: Some(now), times: 0 })),
        }
    }

    /// Whether the API should be asked now: nothing serves, or not for long, or the last answer was a refusal whose pause is over
    /// (else it would stand beside a grant that serves until that ages), or what is known is doubtful.
    pub fn is_due(&mut self, asker: Asker, now: Instant, clock: Timestamp) -> bool {
        if self.rest(now).is_some() || self.flight.is_some() {
            return false;
        }
        let old = self.serving(clock).is_none_or(|grant| grant.certificate.aging(clock));
        old || self.refusal.is_some() || self.is_doubtful(asker, now)
    }

    /// Whether what is known should be asked for again because it did not lead that asker to a tunnel. Counts the doubt if so.
    fn is_doubtful(&mut self, asker: Asker, now: Instant) -> bool {
        let asked = self.asked;
        let doubt = self.doubts.iter_mut().find(|(who, doubt)| *who == asker && doubt.since.is_some());
        let due = doubt.filter(|(_, doubt)| {
            let rest = DOUBT * 2_u32.pow(doubt.times.min(MOST_DOUBLED));
            now.saturating_duration_since(asked) >= rest
        });
        due.map(|(_, doubt)| *doubt = Doubt { since: None, times: doubt.times + 1 }).is_some()
    }
}

#[cfg(test)]
pub mod tests {
    use google_cloud_sql_v1::model::ConnectSettings;
    use tokio::sync::watch;

    use super::super::answer::{Answer, Awaited};
    use super::super::pass::Certificate;
    use super::super::pass::tests::lasting;
    use super::*;
    use crate::api::Cause;
    use crate::evidence::Failure;

    pub const ASKER: Asker = (CloudSqlIpType::Private, Kind::Postgres);
    const OTHER: Asker = (CloudSqlIpType::Public, Kind::Postgres);

    pub const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// That long after the beginning of [`lasting`]'s certificates.
    pub fn clock(after: u64) -> Timestamp {
        Timestamp::from_second(1_000_000).expect("a time") + seconds(after)
    }

    pub fn settings() -> Settings {
        Settings::read(&ConnectSettings::default())
    }

    /// An instance whose certificate lasts an hour, asked for at `now`.
    pub fn granted(now: Instant) -> Entry {
        let grant = Grant { settings: Arc::new(settings()), certificate: Arc::new(lasting(3600)) };
        Entry { grant: Some(grant), ..Entry::new(now) }
    }

    pub fn refused(pause: Option<Duration>) -> Refusal {
        let failure = Failure::new(Cause::CloudSqlApiFailed, Stage::Settings, "asking: no answer");
        Refusal { failure, status: None, pause }
    }

    pub fn awaited<T>(stage: Stage, answer: Option<Answer<T>>) -> (watch::Sender<Option<Answer<T>>>, Awaited<T>) {
        let (sender, awaited) = Awaited::new(stage);
        sender.send_replace(answer);
        (sender, awaited)
    }

    /// A flight whose answers are these.
    pub fn landed(settings: Answer<Settings>, certificate: Answer<Certificate>) -> Flight {
        let (settings, certificate) =
            (awaited(Stage::Settings, Some(settings)).1, awaited(Stage::Certificate, Some(certificate)).1);
        Flight { settings, certificate }
    }

    #[test]
    fn the_api_is_left_alone_while_a_certificate_serves_and_is_fresh() {
        let now = Instant::now();
        assert!(!granted(now).is_due(ASKER, now + seconds(3300), clock(3300)));
        assert!(granted(now).is_due(ASKER, now + seconds(3400), clock(3400)), "it ages");
        assert!(granted(now).is_due(ASKER, now + seconds(4000), clock(4000)), "it has expired");
        assert!(Entry::new(now).is_due(ASKER, now, clock(0)), "there is none");
        assert!(granted(now).serving(clock(3599)).is_some() && granted(now).serving(clock(3600)).is_none());
    }

    #[test]
    fn a_token_that_may_have_expired_serves_only_while_no_other_is_to_be_had() {
        let now = Instant::now();
        let fresh = || landed(Ok(Arc::new(settings())), Ok(Arc::new(lasting(3600).with_token(clock(0), seconds(240)))));
        let mut entry = Entry { flight: Some(fresh()), ..Entry::new(now) };
        entry.land(now);
        assert!(entry.is_due(ASKER, now, clock(120)), "it is renewed before");
        entry.flight = Some(fresh());
        assert!(matches!(entry.found(clock(239)), Found::Known(_, None)), "nobody waits");
        assert!(matches!(entry.found(clock(240)), Found::Asked(_, Some(_))), "another is on its way");
        entry.flight = Some(landed(Err(refused(None)), Err(refused(None))));
        assert!(entry.flight.as_ref().is_some_and(|flight| flight.refusal().is_some()));
        entry.land(now);
        assert!(matches!(entry.found(clock(240)), Found::Known(_, Some(_))), "the API refuses another");
        assert!(matches!(entry.found(clock(3600)), Found::Refused(..)), "the certificate itself has expired");
    }

    #[test]
    fn the_pause_after_a_refusal_begins_when_it_came_not_when_it_is_taken_up() {
        let now = Instant::now();
        let mut entry = granted(now);
        entry.flight = Some(landed(Err(refused(None)), Err(refused(None))));
        entry.land(now + seconds(300));
        assert!(entry.is_due(ASKER, now + seconds(300), clock(300)), "the API may be back since long");
    }

    #[test]
    fn nobody_asks_twice_at_once_nor_during_the_pause_after_a_refusal() {
        let now = Instant::now();
        let (_settings, settings) = awaited(Stage::Settings, None);
        let (_certificate, certificate) = awaited(Stage::Certificate, None);
        let mut asking = Entry { flight: Some(Flight { settings, certificate }), ..Entry::new(now) };
        asking.land(now);
        assert!(!asking.is_due(ASKER, now, clock(0)), "answers are on their way");
        let remembered = Remembered { refusal: refused(None), until: now + seconds(5), settings: None };
        let mut resting = Entry { refusal: Some(remembered), ..Entry::new(now) };
        assert!(
            !resting.is_due(ASKER, now + seconds(4), clock(4)) && resting.is_due(ASKER, now + seconds(5), clock(5))
        );
    }

    #[test]
    fn a_refusal_beside_a_fresh_certificate_does_not_stand_until_that_ages() {
        let now = Instant::now();
        let mut entry = granted(now);
        entry.doubt(ASKER, now);
        assert!(entry.is_due(ASKER, now + seconds(30), clock(30)), "the path is cut off");
        (entry.asked, entry.flight) = (now + seconds(30), Some(landed(Err(refused(None)), Err(refused(None)))));
        entry.land(now + seconds(31));
        entry.trust(ASKER);
        assert!(!entry.is_due(ASKER, now + seconds(35), clock(35)));
        assert!(entry.is_due(ASKER, now + seconds(36), clock(36)), "the path is back, and the API may be, too");
        entry.flight = Some(landed(Ok(Arc::new(settings())), Ok(Arc::new(lasting(3600)))));
        entry.land(now + seconds(36));
        assert!(entry.refusal.is_none() && !entry.is_due(ASKER, now + seconds(40), clock(40)));
    }

    #[test]
    fn what_leads_nowhere_is_asked_for_again_after_half_a_minute_then_after_twice_as_long_up_to_eight() {
        let mut now = Instant::now();
        let mut entry = granted(now);
        for rest in [30, 60, 120, 240, 480, 480] {
            assert!(!entry.is_due(ASKER, now + seconds(rest), clock(0)), "nobody doubts");
            entry.doubt(ASKER, now);
            assert!(!entry.is_due(ASKER, now + seconds(rest - 1), clock(0)), "{rest}");
            now += seconds(rest);
            assert!(entry.is_due(ASKER, now, clock(0)), "{rest}");
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
    fn who_finds_the_way_does_not_shorten_the_pauses_of_who_does_not() {
        let mut now = Instant::now();
        let mut entry = granted(now);
        for rest in [30, 60, 120] {
            entry.doubt(OTHER, now);
            assert!(!entry.is_due(ASKER, now + seconds(rest), clock(0)), "it has no doubt");
            entry.trust(ASKER);
            assert!(!entry.is_due(OTHER, now + seconds(rest - 1), clock(0)), "{rest}");
            now += seconds(rest);
            assert!(entry.is_due(OTHER, now, clock(0)), "{rest}");
            entry.asked = now;
        }
    }
}
