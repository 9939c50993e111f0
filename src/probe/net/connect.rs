//! The connect stage: TCP to every address of an endpoint. Does network I/O.
//!
//! All resolved addresses are tried side by side. The first that answers carries the later stages; the others go on
//! beside them and are reported, so that a dead address shows although another one works.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::io_cause;
use super::resolve::resolve;
use crate::api::{Cause, Stage};
use crate::evidence::{AddressRecord, Failure, Shown};
use crate::plan::Kind;
use crate::plan::kinds::Endpoint;
use crate::probe::Attempt;

/// Head start of an address over the next (RFC 8305, section 5: Connection Attempt Delay).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

type Attempts = FuturesUnordered<BoxFuture<'static, (SocketAddr, Instant, io::Result<TcpStream>)>>;

/// Connection attempts that go on beside the later stages.
pub struct Stragglers {
    attempts: Attempts,
    open: Vec<SocketAddr>,
    entered: Instant,
    deadline: Instant,
}

/// Resolves and connects. The stream is ready for the protocol's first byte.
pub async fn connect(attempt: &mut Attempt<'_>, endpoint: &Endpoint) -> Result<TcpStream, Failure> {
    let addresses = resolve(attempt, &endpoint.host).await?;
    let stream = match addresses[..] {
        [only] => connect_one(attempt, SocketAddr::new(only, endpoint.port)).await,
        _ => connect_all(attempt, endpoint, addresses).await,
    }?;
    if attempt.plan.kind != Kind::Tcp {
        stream.set_nodelay(true).map_err(|error| {
            Failure::new(io_cause(&error), Stage::Connect, format!("the connection broke at once: {error}"))
        })?;
    }
    Ok(stream)
}

async fn connect_one(attempt: &mut Attempt<'_>, address: SocketAddr) -> Result<TcpStream, Failure> {
    let entered = Instant::now();
    let work = async { TcpStream::connect(address).await.map_err(|error| failure(address, &error)) };
    let result = attempt.stage(Stage::Connect, || format!("connecting to {address}"), work).await;
    let cause = result.as_ref().err().map(|failure| failure.cause);
    attempt.address(AddressRecord { address, duration: entered.elapsed(), cause });
    result
}

async fn connect_all(
    attempt: &mut Attempt<'_>,
    endpoint: &Endpoint,
    addresses: Vec<IpAddr>,
) -> Result<TcpStream, Failure> {
    let entered = Instant::now();
    let deadline = attempt.stage_deadline(Stage::Connect, entered);
    let mut open: Vec<SocketAddr> = if endpoint.happy_eyeballs { interleave(addresses) } else { addresses }
        .into_iter()
        .map(|ip| SocketAddr::new(ip, endpoint.port))
        .collect();
    let order = open.clone();
    let mut attempts: Attempts = FuturesUnordered::new();
    for (position, address) in open.iter().copied().enumerate() {
        let head_start =
            if endpoint.happy_eyeballs { ATTEMPT_DELAY.saturating_mul(position as u32) } else { Duration::ZERO };
        attempts.push(Box::pin(async move {
            if !head_start.is_zero() {
                tokio::time::sleep(head_start).await;
            }
            let started = Instant::now();
            (address, started, TcpStream::connect(address).await)
        }));
    }
    let mut failures = Vec::new();
    let mut records = Vec::new();
    let work = async {
        while let Some((address, started, result)) = attempts.next().await {
            open.retain(|other| *other != address);
            let cause = result.as_ref().err().map(io_cause);
            records.push(AddressRecord { address, duration: started.elapsed(), cause });
            match result {
                Ok(stream) => return Ok(stream),
                Err(error) => failures.push((address, failure(address, &error))),
            }
        }
        Err(worst(&order, &failures))
    };
    let shown = order.clone();
    let result = attempt.stage(Stage::Connect, || format!("connecting to {}", list(&shown)), work).await;
    for record in records {
        attempt.address(record);
    }
    if result.is_ok() && !endpoint.happy_eyeballs {
        attempt.leave_behind(Stragglers { attempts, open, entered, deadline });
    } else if result.is_err() {
        for address in open {
            attempt.address(AddressRecord { address, duration: entered.elapsed(), cause: Some(Cause::ConnectTimeout) });
        }
    }
    result
}

impl Stragglers {
    /// Awaits the attempts until the connect stage's deadline, records each, and marks the probe as flawed when one is dead.
    pub(in crate::probe) async fn await_all(mut self, attempt: &mut Attempt<'_>) {
        while let Ok(Some((address, started, result))) = timeout_at(self.deadline.into(), self.attempts.next()).await {
            self.open.retain(|other| *other != address);
            let cause = result.as_ref().err().map(io_cause);
            attempt.address(AddressRecord { address, duration: started.elapsed(), cause });
        }
        for address in self.open {
            attempt.address(AddressRecord {
                address,
                duration: self.entered.elapsed(),
                cause: Some(Cause::ConnectTimeout),
            });
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
fn worst(order: &[SocketAddr], failures: &[(SocketAddr, Failure)]) -> Failure {
    let rank = |(address, failure): &&(SocketAddr, Failure)| {
        (failure.cause == Cause::NetworkUnreachable, order.iter().position(|other| other == address))
    };
    match failures.iter().min_by_key(rank) {
        Some((_, failure)) => {
            let message = format!("none of {} answers; {}", list(order), failure.message);
            Failure::new(failure.cause, Stage::Connect, message)
        }
        None => Failure::new(Cause::NoAddress, Stage::Connect, "there is no address to connect to"),
    }
}

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
