//! What a load counts, and the judgement on it. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::ours;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure, Shown, clip};
use crate::plan::kinds::{LoadAction, Percentile};

/// What the histograms tell apart, in nanoseconds: three digits between a microsecond and an hour.
const RANGE: (u64, u64) = (1_000, 3_600_000_000_000);
/// The generator has kept its pace if 99 of 100 requests left no later than this.
const KEPT_PACE: Duration = Duration::from_millis(10);
/// Most characters of a failure that is shown as an example.
const MAX_EXAMPLE: usize = 160;
/// Most causes that are named.
const MOST_CAUSES: usize = 3;

/// Counts of a load.
pub struct Tally {
    latency: Histogram<u32>,
    /// How late the generator itself was.
    lateness: Histogram<u32>,
    succeeded: u64,
    failed: BTreeMap<Cause, (u64, Failure)>,
    /// Due, but neither sent nor answered when the time was up.
    unsent: u64,
    unended: u64,
    window: Duration,
}

impl Tally {
    pub fn new() -> Result<Self, Failure> {
        let histogram = || {
            Histogram::new_with_bounds(RANGE.0, RANGE.1, 3).map_err(|error| ours(&format!("the histogram: {error}")))
        };
        Ok(Tally {
            latency: histogram()?,
            lateness: histogram()?,
            succeeded: 0,
            failed: BTreeMap::new(),
            unsent: 0,
            unended: 0,
            window: Duration::ZERO,
        })
    }

    /// A request left so long after it was due, although nothing but ourselves stood in its way.
    pub fn late(&mut self, by: Duration) {
        self.lateness.saturating_record(nanos(by));
    }

    /// A request has ended, so long after it was due.
    pub fn take_in(&mut self, latency: Duration, result: Result<(), Failure>) {
        self.latency.saturating_record(nanos(latency));
        match result {
            Ok(()) => self.succeeded += 1,
            Err(failure) => self.failed.entry(failure.cause).or_insert_with(|| (0, failure)).0 += 1,
        }
    }

    /// How many requests have ended.
    pub fn ended(&self) -> u64 {
        self.succeeded + self.failed.values().map(|(count, _)| count).sum::<u64>()
    }

    /// Ends the count: what is still open by now took at least until now.
    pub fn close(self, window: Duration, unsent: u64, unended: u64) -> Self {
        let Tally { mut latency, lateness, succeeded, failed, .. } = self;
        latency.saturating_record_n(RANGE.1, u32::try_from(unsent + unended).unwrap_or(u32::MAX));
        Tally { latency, lateness, succeeded, failed, unsent, unended, window }
    }

    /// All that were due.
    fn due(&self) -> u64 {
        self.ended() + self.unsent + self.unended
    }

    /// What no more than that share took longer than.
    pub fn latency(&self, percentile: Percentile) -> Duration {
        Duration::from_nanos(self.latency.value_at_quantile(percentile.quantile()))
    }

    fn own_lateness(&self) -> Duration {
        self.lateness_at(Percentile::P99)
    }

    fn lateness_at(&self, percentile: Percentile) -> Duration {
        Duration::from_nanos(self.lateness.value_at_quantile(percentile.quantile()))
    }

    /// The numbers, for the status.
    pub fn facts(&self) -> Vec<(Fact, String)> {
        let shown = |percentile| self.shown(self.latency(percentile));
        let rate = self.ended() as f64 / self.window.as_secs_f64().max(f64::MIN_POSITIVE);
        vec![
            (Fact::LoadSent, (self.due() - self.unsent).to_string()),
            (Fact::LoadSucceeded, self.succeeded.to_string()),
            (Fact::LoadRatio, percent(self.succeeded, self.due())),
            (Fact::LoadP50, shown(Percentile::P50)),
            (Fact::LoadP95, shown(Percentile::P95)),
            (Fact::LoadP99, shown(Percentile::P99)),
            (Fact::LoadMax, shown(Percentile::Max)),
            (Fact::LoadRate, format!("{rate:.1}/s")),
            (Fact::LoadOwnLateness, Shown(self.own_lateness()).to_string()),
        ]
    }

    fn shown(&self, latency: Duration) -> String {
        if nanos(latency) >= RANGE.1 { "unanswered".to_owned() } else { Shown(latency).to_string() }
    }

    /// Holds the counts to what the spec demands. Where we were too late ourselves, the peer is not blamed.
    pub fn judge(&self, action: &LoadAction) -> Result<(), Failure> {
        let ours =
            self.failed.values().filter(|(_, failure)| failure.cause.is_unknown()).max_by_key(|(count, _)| *count);
        let result = self.sustained(action).and_then(|()| self.quick(action));
        match (result, ours) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some((count, failure))) if *count * 2 > self.due() - self.succeeded => {
                let message = format!("{count} of {} requests: {}", self.due(), failure.message);
                Err(Failure::new(failure.cause, Stage::Load, message))
            }
            (Err(failure), _) if self.own_lateness() > KEPT_PACE && !self.is_the_peers(action) => {
                let message = format!(
                    "runready itself sent late (99% within {}, at most {} would do), so nothing is said of the peer; counted was: {}",
                    Shown(self.own_lateness()),
                    Shown(KEPT_PACE),
                    failure.message
                );
                Err(Failure::new(Cause::LoadNotGenerated, Stage::Load, message))
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Whether the peer misses a bound whatever our own lateness did: a refusal is its own, a time-out is so unless we were away
    /// for a good part of that time, and so is what latency remains without ours.
    fn is_the_peers(&self, action: &LoadAction) -> bool {
        let was_away = self.lateness_at(Percentile::Max) * 2 >= action.probe.timeout;
        let excused = |cause: Cause| cause.is_unknown() || (was_away && is_timeout(cause));
        let failed =
            self.failed.iter().filter(|(cause, _)| !excused(**cause)).map(|(_, (count, _))| count).sum::<u64>();
        let silent = if was_away { 0 } else { self.unended + self.unsent };
        let (due, at_best) = (self.due(), self.due() - failed - silent);
        let without_ours = |percentile| match percentile {
            Percentile::Max => self.latency(percentile).saturating_sub(self.lateness_at(percentile)),
            _ => self.latency(percentile).saturating_sub(self.own_lateness()),
        };
        u128::from(at_best) * 1_000_000 < u128::from(due) * u128::from(action.least)
            || (!was_away && action.bounds.iter().any(|(percentile, bound)| without_ours(*percentile) > *bound))
    }

    fn sustained(&self, action: &LoadAction) -> Result<(), Failure> {
        let due = self.due();
        if u128::from(self.succeeded) * 1_000_000 >= u128::from(due) * u128::from(action.least) {
            return Ok(());
        }
        let mut shares: Vec<(u64, &Failure)> = self.failed.values().map(|(count, failure)| (*count, failure)).collect();
        shares.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let named = shares.iter().take(MOST_CAUSES);
        let mut causes: Vec<String> =
            named.map(|(count, failure)| format!("{} {}", percent(*count, due), failure.cause)).collect();
        let open = |count: u64, what: &str| (count > 0).then(|| format!("{} {what}", percent(count, due)));
        causes.extend(open(
            self.unsent,
            &format!("not sent, all {} places being taken by requests without answer", action.most_in_flight),
        ));
        causes.extend(open(self.unended, "not answered in time"));
        let example = shares.first().map_or_else(String::new, |(_, failure)| {
            format!("; the first {}: {}", failure.cause, clip(&failure.message, MAX_EXAMPLE))
        });
        let message = format!(
            "{} of {due} requests succeeded ({}; {} are needed) at {} for {}: {}{example}",
            self.succeeded,
            percent(self.succeeded, due),
            percent(u64::from(action.least), 1_000_000),
            action.pace,
            Shown(action.window),
            causes.join(", ")
        );
        Err(Failure::new(Cause::LoadNotSustained, Stage::Load, message))
    }

    fn quick(&self, action: &LoadAction) -> Result<(), Failure> {
        let exceeded = action.bounds.iter().filter(|(percentile, bound)| self.latency(*percentile) > *bound);
        let said: Vec<String> = exceeded
            .map(|(percentile, bound)| {
                format!(
                    "{} was {}, and may be {}",
                    percentile.as_str(),
                    self.shown(self.latency(*percentile)),
                    Shown(*bound)
                )
            })
            .collect();
        if said.is_empty() {
            return Ok(());
        }
        let message = format!(
            "{} of {} requests succeeded at {} for {}, but {}",
            self.succeeded,
            self.due(),
            action.pace,
            Shown(action.window),
            said.join("; ")
        );
        Err(Failure::new(Cause::LoadLatencyExceeded, Stage::Load, message))
    }
}

/// Whether it is the clock that has ended the request, and no answer.
const fn is_timeout(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::ResolverTimeout
            | Cause::ConnectTimeout
            | Cause::TlsTimeout
            | Cause::HandshakeTimeout
            | Cause::AuthenticationTimeout
            | Cause::QueryTimeout
            | Cause::ResponseTimeout
    )
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A share, never rounded up to all.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole.max(1));
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::kinds::{Endpoint, Pace, TcpAction};
    use crate::plan::{Action, Cadence, Kind, ProbePlan};
    use std::sync::Arc;

    /// 100 requests a second, of which 99 % must succeed, 99 % of them within 20 ms.
    fn action() -> LoadAction {
        let endpoint = Endpoint::new("127.0.0.1", 1, false);
        let probe = ProbePlan {
            name: "target".into(),
            kind: Kind::Tcp,
            target: "tcp://127.0.0.1:1".into(),
            action: Ok(Arc::new(Action::Tcp(TcpAction { endpoint, steps: Box::default(), tls: None }))),
            timeout: Duration::from_secs(1),
            stage_limits: Box::default(),
            assertions: None,
            hidden: Default::default(),
            repeated: false,
            max_latency: None,
            required: true,
            depends_on: Box::default(),
        };
        LoadAction {
            probe: Box::new(probe),
            pace: Pace::PerSecond(100),
            window: Duration::from_secs(1),
            least: 990_000,
            bounds: Box::new([(Percentile::P99, Duration::from_millis(20))]),
            reuse: true,
            cadence: Cadence::Never,
            after_recovery: false,
            most_in_flight: 100,
            most_per_second: 100,
        }
    }

    fn judged(lateness: Duration, latency: Duration, cause: Option<Cause>) -> Option<Cause> {
        let mut tally = Tally::new().expect("a histogram");
        for _ in 0..100 {
            tally.late(lateness);
            tally.take_in(latency, cause.map_or(Ok(()), |cause| Err(Failure::new(cause, Stage::Connect, "x"))));
        }
        tally.close(Duration::from_secs(1), 0, 0).judge(&action()).err().map(|failure| failure.cause)
    }

    #[test]
    fn our_own_lateness_excuses_the_peer_of_that_much_and_no_more() {
        let ms = Duration::from_millis;
        let (not_ours, too_slow) = (Some(Cause::LoadNotGenerated), Some(Cause::LoadLatencyExceeded));
        for (lateness, latency, cause, judged_as) in [
            (ms(0), ms(5), None, None),
            (ms(0), ms(25), None, too_slow),
            (ms(15), ms(25), None, not_ours),
            (ms(15), ms(45), None, too_slow),
            (ms(15), ms(5), Some(Cause::ConnectionRefused), Some(Cause::LoadNotSustained)),
            (ms(15), ms(1000), Some(Cause::ConnectTimeout), Some(Cause::LoadNotSustained)),
            (ms(600), ms(1000), Some(Cause::ConnectTimeout), not_ours),
            (ms(600), ms(5), Some(Cause::ConnectionRefused), Some(Cause::LoadNotSustained)),
        ] {
            assert_eq!(judged(lateness, latency, cause), judged_as, "late {lateness:?}, took {latency:?}, {cause:?}");
        }
    }

    /// A tally of requests that took 5 ms: so many succeeded, and so many failed for each cause.
    fn counted(succeeded: u64, failed: &[(Cause, u64)], lateness: Duration) -> Tally {
        let mut tally = Tally::new().expect("a histogram");
        let mut take = |count: u64, cause: Option<Cause>| {
            for _ in 0..count {
                tally.late(lateness);
                let result = cause.map_or(Ok(()), |cause| Err(Failure::new(cause, Stage::Connect, "x")));
                tally.take_in(Duration::from_millis(5), result);
            }
        };
        take(succeeded, None);
        failed.iter().for_each(|(cause, count)| take(*count, Some(*cause)));
        tally
    }

    fn fact(tally: &Tally, fact: Fact) -> String {
        tally.facts().into_iter().find(|(known, _)| *known == fact).expect("a fact").1
    }

    #[test]
    fn what_was_not_sent_or_not_answered_counts_as_due_and_as_the_slowest() {
        let tally = counted(60, &[], Duration::ZERO).close(Duration::from_secs(1), 10, 30);
        let facts =
            [Fact::LoadSent, Fact::LoadSucceeded, Fact::LoadRatio, Fact::LoadP95, Fact::LoadMax, Fact::LoadRate];
        assert_eq!(facts.map(|of| fact(&tally, of)), ["90", "60", "60.00%", "unanswered", "unanswered", "60.0/s"]);
        assert!(fact(&tally, Fact::LoadP50).starts_with('5'), "half of them took 5 ms: {:?}", tally.facts());
        let message = tally.judge(&action()).expect_err("not sustained").message;
        for part in ["60 of 100 requests", "10.00% not sent, all 100 places", "30.00% not answered in time"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }

    #[test]
    fn the_silent_are_the_peers_unless_we_were_away_for_a_good_part_of_their_time() {
        let judged = |lateness| {
            let tally = counted(60, &[], Duration::from_millis(lateness)).close(Duration::from_secs(1), 0, 40);
            tally.judge(&action()).expect_err("not sustained").cause
        };
        assert_eq!([judged(15), judged(600)], [Cause::LoadNotSustained, Cause::LoadNotGenerated]);
    }

    #[test]
    fn our_own_inability_decides_only_where_it_made_the_most_of_the_failures() {
        let judged = |ours, theirs| {
            let failed = [(Cause::ProberError, ours), (Cause::ConnectionRefused, theirs)];
            let tally = counted(50, &failed, Duration::ZERO).close(Duration::from_secs(1), 0, 0);
            let failure = tally.judge(&action()).expect_err("not sustained");
            (failure.cause, failure.message.into_string())
        };
        assert_eq!(judged(10, 40).0, Cause::LoadNotSustained);
        assert_eq!(judged(40, 10), (Cause::ProberError, "40 of 100 requests: x".to_owned()));
    }

    #[test]
    fn a_share_just_as_large_as_needed_does_and_is_never_shown_larger_than_it_is() {
        let refused = [(Cause::ConnectionRefused, 1)];
        let judged = |succeeded| counted(succeeded, &refused, Duration::ZERO).close(Duration::from_secs(1), 0, 0);
        assert!(judged(99).judge(&action()).is_ok() && judged(98).judge(&action()).is_err());
        assert_eq!([percent(99_999, 100_000), percent(3, 3), percent(0, 0)], ["99.99%", "100.00%", "0.00%"]);
    }

    #[test]
    fn the_most_frequent_causes_are_named_and_no_more_than_three() {
        let failed = [
            (Cause::ConnectionReset, 2),
            (Cause::ConnectionRefused, 30),
            (Cause::TlsTimeout, 1),
            (Cause::ConnectTimeout, 20),
        ];
        let tally = counted(47, &failed, Duration::ZERO).close(Duration::from_secs(1), 0, 0);
        let message = tally.judge(&action()).expect_err("not sustained").message;
        assert!(
            message.contains(
                "30.00% ConnectionRefused, 20.00% ConnectTimeout, 2.00% ConnectionReset; the first ConnectionRefused: x"
            ),
            "{message}"
        );
    }

    #[test]
    fn what_fails_slowly_is_slow() {
        let mut tally = counted(99, &[], Duration::ZERO);
        let failure = Failure::new(Cause::ResponseTimeout, Stage::Request, "x");
        tally.take_in(Duration::from_secs(1), Err(failure));
        let tally = tally.close(Duration::from_secs(1), 0, 0);
        assert!(tally.latency(Percentile::Max) >= Duration::from_millis(990), "{:?}", tally.facts());
    }
}
