//! The connect stage: TCP to every address of an endpoint. Does network I/O.
//!
//! All resolved addresses are tried side by side. The first that answers carries the later stages; the others go on
//! beside them and are reported, so that a dead address shows although another one works.
//!
//! This is the one place where a probe connects, so it is here that a target is held against what may be probed: the very
//! address that is connected to, after resolution.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::panic::resume_unwind;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::net::TcpStream;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout_at};

use super::io_cause;
use super::resolve::resolve;
use crate::api::{Cause, Stage};
use crate::evidence::{AddressRecord, Failure, Shown};
use crate::plan::Kind;
use crate::plan::kinds::Endpoint;
use crate::probe::Attempt;

/// Head start of an address over the next (RFC 8305, section 5: Connection Attempt Delay). One that fails loses it.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Connection attempts under way, each a task with its own clock; they end with what holds them.
#[derive(Default)]
struct Race {
    attempts: JoinSet<Tried>,
    /// Those that are not decided yet.
    open: Vec<SocketAddr>,
}

/// What came of one address.
struct Tried {
    address: SocketAddr,
    duration: Duration,
    result: io::Result<TcpStream>,
}

/// Connection attempts that go on beside the later stages.
pub struct Stragglers {
    race: Race,
    entered: Instant,
    deadline: Instant,
}

/// Resolves and connects. The stream is ready for the protocol's first byte.
pub async fn connect(attempt: &mut Attempt<'_>, endpoint: &Endpoint) -> Result<TcpStream, Failure> {
    let stream = match endpoint.address() {
        Some(address) => {
            if let Some(refusal) = attempt.vantage.targets.refuses(address) {
                attempt.address(not_allowed(address));
                return Err(refused(attempt, &refusal.message));
            }
            connect_one(attempt, address).await
        }
        // What takes room and is not always needed is boxed: a probe is moved as a whole when it starts.
        None => connect_name(attempt, endpoint).boxed().await,
    }?;
    if attempt.plan.kind != Kind::Tcp {
        stream.set_nodelay(true).map_err(|error| {
            Failure::new(io_cause(&error), Stage::Connect, format!("the connection broke at once: {error}"))
        })?;
    }
    Ok(stream)
}

/// Resolves a name, and connects to what it stands for.
async fn connect_name(attempt: &mut Attempt<'_>, endpoint: &Endpoint) -> Result<TcpStream, Failure> {
    if let Some(refusal) = attempt.vantage.targets.refuses_name(&endpoint.host) {
        return Err(refused(attempt, &refusal.message));
    }
    let addresses = resolve(attempt, &endpoint.host).await?;
    let addresses = permitted(attempt, endpoint, addresses)?;
    match addresses[..] {
        [only] => connect_one(attempt, SocketAddr::new(only, endpoint.port)).await,
        _ => connect_all(attempt, endpoint, addresses).boxed().await,
    }
}

/// Whether the first address that answers will do: then one is tried after the other.
const fn in_turn(attempt: &Attempt<'_>, endpoint: &Endpoint) -> bool {
    endpoint.happy_eyeballs || attempt.plan.repeated
}

/// The addresses of a name that may be connected to. The others are recorded; when none is left, the probe ends here.
fn permitted(attempt: &mut Attempt<'_>, endpoint: &Endpoint, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Failure> {
    let (count, mut permitted) = (addresses.len(), addresses);
    let mut refusals = Vec::new();
    permitted.retain(|ip| {
        let address = SocketAddr::new(*ip, endpoint.port);
        let Some(refusal) = attempt.vantage.targets.refuses(address) else { return true };
        attempt.address(not_allowed(address));
        refusals.push(refusal);
        false
    });
    let Some(first) = refusals.first() else { return Ok(permitted) };
    let host = &endpoint.host;
    if permitted.is_empty() {
        return Err(refused(attempt, &format!("{host}: {}", first.message)));
    }
    // An address merely outside of what is allowed is left alone, as one of a family that the vantage lacks.
    if let Some(denied) = refusals.iter().find(|refusal| refusal.denied).filter(|_| !in_turn(attempt, endpoint)) {
        let message = format!("{host}: {} of {count} addresses were not tried: {}", refusals.len(), denied.message);
        attempt.flaw(Failure::new(Cause::TargetNotAllowed, Stage::Connect, message));
    }
    Ok(permitted)
}

/// The record of an address that our own rules refuse.
const fn not_allowed(address: SocketAddr) -> AddressRecord {
    AddressRecord { address, duration: Duration::ZERO, cause: Some(Cause::TargetNotAllowed) }
}

/// Records that the connection was refused by our own rules.
pub(super) fn refused(attempt: &mut Attempt<'_>, message: &str) -> Failure {
    let now = Instant::now();
    let limit = attempt.stage_deadline(Stage::Connect, now).saturating_duration_since(now);
    attempt.record(Stage::Connect, now, Duration::ZERO, limit, false);
    Failure::new(Cause::TargetNotAllowed, Stage::Connect, message)
}

async fn connect_one(attempt: &mut Attempt<'_>, address: SocketAddr) -> Result<TcpStream, Failure> {
    let work = async { TcpStream::connect(address).await.map_err(|error| failure(address, &error)) };
    let result = attempt.stage(Stage::Connect, || format!("connecting to {address}"), work).await;
    let cause = result.as_ref().err().map(|failure| failure.cause);
    let duration = attempt.stage_times().next_back().map_or(Duration::ZERO, |(_, duration)| duration);
    attempt.address(AddressRecord { address, duration, cause });
    result
}

async fn connect_all(
    attempt: &mut Attempt<'_>,
    endpoint: &Endpoint,
    addresses: Vec<IpAddr>,
) -> Result<TcpStream, Failure> {
    let entered = Instant::now();
    let deadline = attempt.stage_deadline(Stage::Connect, entered);
    let in_turn = in_turn(attempt, endpoint);
    let order: Vec<SocketAddr> = if in_turn { interleave(addresses) } else { addresses }
        .into_iter()
        .map(|ip| SocketAddr::new(ip, endpoint.port))
        .collect();
    let mut race = Race::default();
    let mut records = Vec::new();
    let mut failures = Vec::new();
    let work = race.run(&order, in_turn, &mut records, &mut failures);
    let result = attempt.stage(Stage::Connect, || format!("connecting to {}", list(&order)), work).await;
    records.into_iter().for_each(|record| attempt.address(record));
    match result {
        Ok(stream) => {
            if !in_turn {
                attempt.leave_behind(Stragglers { race, entered, deadline });
            }
            Ok(stream)
        }
        Err(failure) => {
            for address in race.open {
                attempt.address(silent(address, entered));
                let limit = Shown(deadline.saturating_duration_since(entered));
                let message = format!("connecting to {address}: no answer within {limit}");
                failures.push((address, Failure::new(Cause::ConnectTimeout, Stage::Connect, message)));
            }
            Err(worst(&order, &failures).unwrap_or(failure))
        }
    }
}

impl Race {
    /// Tries addresses until one answers or all have failed: all at once, or (`in_turn`) one after the other.
    async fn run(
        &mut self,
        order: &[SocketAddr],
        in_turn: bool,
        records: &mut Vec<AddressRecord>,
        failures: &mut Vec<(SocketAddr, Failure)>,
    ) -> Result<TcpStream, Failure> {
        let mut waiting = order.iter().copied();
        let at_once = if in_turn { 1 } else { order.len() };
        waiting.by_ref().take(at_once).for_each(|address| self.start(address));
        loop {
            let tried = tokio::select! {
                Some(tried) = self.next() => tried,
                () = sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {
                    waiting.next().into_iter().for_each(|address| self.start(address));
                    continue;
                }
                else => return Err(Failure::new(Cause::NoAddress, Stage::Connect, "no address is left to connect to")),
            };
            records.push(tried.record());
            match tried.result {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((tried.address, failure(tried.address, &error))),
            }
            waiting.next().into_iter().for_each(|address| self.start(address));
        }
    }

    fn start(&mut self, address: SocketAddr) {
        self.open.push(address);
        self.attempts.spawn(async move {
            let started = Instant::now();
            let result = TcpStream::connect(address).await;
            Tried { address, duration: started.elapsed(), result }
        });
    }

    /// The next that is decided; None when all are.
    async fn next(&mut self) -> Option<Tried> {
        let tried =
            self.attempts.join_next().await?.unwrap_or_else(|panic: JoinError| resume_unwind(panic.into_panic()));
        self.open.retain(|other| *other != tried.address);
        Some(tried)
    }
}

impl Tried {
    fn record(&self) -> AddressRecord {
        let cause = self.result.as_ref().err().map(io_cause);
        AddressRecord { address: self.address, duration: self.duration, cause }
    }
}

/// The record of an address that has not answered since `entered`, until its time was up.
fn silent(address: SocketAddr, entered: Instant) -> AddressRecord {
    AddressRecord { address, duration: entered.elapsed(), cause: Some(Cause::ConnectTimeout) }
}

impl Stragglers {
    /// Awaits the attempts until the connect stage's deadline, records each, and marks the probe as flawed when one is dead.
    pub(in crate::probe) async fn await_all(mut self, attempt: &mut Attempt<'_>) {
        while let Ok(Some(tried)) = timeout_at(self.deadline.into(), self.race.next()).await {
            attempt.address(tried.record());
        }
        for address in self.race.open {
            attempt.address(silent(address, self.entered));
        }
        if let Some(flaw) = dead_addresses(attempt.addresses()) {
            attempt.flaw(flaw);
        }
    }
}

/// The flaw of an endpoint of which some addresses answer and others don't. An address family that the vantage does not
/// have at all is no flaw of the endpoint.
fn dead_addresses(records: &[AddressRecord]) -> Option<Failure> {
    let answers =
        |family: bool| records.iter().any(|record| record.address.is_ipv6() == family && record.cause.is_none());
    let dead: Vec<(&AddressRecord, Cause)> = records
        .iter()
        .filter_map(|record| record.cause.map(|cause| (record, cause)))
        .filter(|(_, cause)| *cause != Cause::TargetNotAllowed)
        .filter(|(record, cause)| *cause != Cause::NetworkUnreachable || answers(record.address.is_ipv6()))
        .collect();
    let (first, cause) = dead.first()?;
    let message = format!(
        "{} of {} addresses do not answer: {} ({cause} after {})",
        dead.len(),
        records.len(),
        list(&dead.iter().map(|(record, _)| record.address).collect::<Vec<_>>()),
        Shown(first.duration)
    );
    Some(Failure::new(*cause, Stage::Connect, message))
}

/// The failure that speaks for all: the first in the resolver's order, but an address family that the vantage lacks says
/// less than any other failure.
fn worst(order: &[SocketAddr], failures: &[(SocketAddr, Failure)]) -> Option<Failure> {
    let rank = |(address, failure): &&(SocketAddr, Failure)| {
        (failure.cause == Cause::NetworkUnreachable, order.iter().position(|other| other == address))
    };
    let (_, failure) = failures.iter().min_by_key(rank)?;
    let message = format!("none of {} answers; {}", list(order), failure.message);
    Some(Failure::new(failure.cause, Stage::Connect, message))
}

#[cold]
fn failure(address: SocketAddr, error: &io::Error) -> Failure {
    let cause = io_cause(error);
    let message = match cause {
        Cause::ProberError => format!("could not try to connect to {address}: {error}"),
        _ => format!("connecting to {address}: {error}"),
    };
    Failure::new(cause, Stage::Connect, message)
}

/// Addresses with their families taking turns (RFC 8305, section 4), starting with the family of the first.
fn interleave(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_family = addresses.first().is_some_and(IpAddr::is_ipv6);
    let (same, other): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(|ip| ip.is_ipv6() == first_family);
    let longest = same.len().max(other.len());
    (0..longest).flat_map(|index| [same.get(index), other.get(index)]).flatten().copied().collect()
}

fn list(addresses: &[SocketAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(address: &str, cause: Option<Cause>) -> AddressRecord {
        AddressRecord { address: address.parse().expect("an address"), duration: Duration::from_millis(1), cause }
    }

    #[test]
    fn a_dead_address_is_a_flaw() {
        let records = [record("10.0.0.1:80", None), record("10.0.0.2:80", Some(Cause::ConnectTimeout))];
        let flaw = dead_addresses(&records).expect("a flaw");
        assert_eq!(flaw.cause, Cause::ConnectTimeout);
        assert!(flaw.message.contains("1 of 2 addresses do not answer: 10.0.0.2:80"), "{}", flaw.message);
    }

    #[test]
    fn a_vantage_without_ipv6_does_not_degrade_a_dual_stack_target() {
        let unreachable = Some(Cause::NetworkUnreachable);
        assert_eq!(dead_addresses(&[record("10.0.0.1:80", None), record("[2001:db8::1]:80", unreachable)]), None);
        let one_of_two = [record("[2001:db8::1]:80", None), record("[2001:db8::2]:80", unreachable)];
        assert!(dead_addresses(&one_of_two).is_some(), "the family works, so the address is dead");
    }

    #[test]
    fn families_take_turns() {
        let addresses: Vec<IpAddr> =
            ["2001:db8::1", "2001:db8::2", "10.0.0.1"].iter().map(|text| text.parse().expect("an address")).collect();
        let turns: Vec<String> = interleave(addresses).iter().map(ToString::to_string).collect();
        assert_eq!(turns, ["2001:db8::1", "10.0.0.1", "2001:db8::2"]);
    }
}
