//! The `dns` kind: asks for one record type of one name, and compares the answer. Does network I/O.
//!
//! A name that ends with a dot is asked for as it is; any other goes through the search list of the vantage, if the
//! vantage's own resolvers are asked.

use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::RecordType as WireType;

use super::Attempt;
use super::net::resolve;
use crate::api::probes::RecordType;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::DnsAction;

/// Carries out a `dns` probe.
pub async fn probe(action: &DnsAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    if let Some(server) = &action.resolver {
        attempt.fact(Fact::Resolver, String::from(&*server.shown));
        if let Some(refusal) = attempt.vantage.targets.refuses_question(server.address) {
            let message = format!("asking {}: {}", server.shown, refusal.message);
            return Err(Failure::new(Cause::TargetNotAllowed, Stage::Resolve, message));
        }
    }
    let resolver = match &action.resolver {
        // The stage's deadline cuts, with its own cause.
        Some(server) => attempt.vantage.resolver.of(server.address, attempt.plan.timeout),
        None => attempt.vantage.resolver.clone(),
    };
    let wanted = wire_type(action.record_type);
    let work = resolver.records(action.query.clone(), wanted);
    let doing = || format!("asking {} for {:?} of {}", asked(action), action.record_type, action.name);
    let answer = attempt.stage(Stage::Resolve, doing, work).await?;
    let lookup = answer.map_err(|error| {
        if let Some(code) = response_code(&error) {
            attempt.fact(Fact::ResponseCode, code);
        }
        let failure = resolve::failure(&action.name, &error);
        let message = format!("asking {}: {}", asked(action), failure.message);
        Failure::new(failure.cause, Stage::Resolve, message)
    })?;
    let records = records(&lookup, wanted);
    attempt.fact(Fact::ResponseCode, "NoError");
    attempt.fact(Fact::Records, records.join(", "));
    attempt.answer("records", || records.clone().into());
    compare(action, &records)
}

/// The records of the type asked for, in presentation format, sorted.
fn records(lookup: &Lookup, wanted: WireType) -> Vec<String> {
    let of_type = lookup.answers().iter().filter(|record| record.record_type() == wanted);
    let mut records: Vec<String> = of_type.map(|record| record.data.to_string()).collect();
    records.sort();
    records
}

fn compare(action: &DnsAction, records: &[String]) -> Result<(), Failure> {
    if records.is_empty() {
        let message = format!("{} exists but has no {:?} record", action.name, action.record_type);
        return Err(Failure::new(Cause::NoAddress, Stage::Resolve, message));
    }
    let missing: Vec<&str> = action
        .expect
        .iter()
        .map(|value| &**value)
        .filter(|value| !records.iter().any(|record| normal(record) == normal(value)))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message =
        format!("{} is not among the answers for {}: {}", missing.join(", "), action.name, records.join(", "));
    Err(Failure::new(Cause::UnexpectedResult, Stage::Resolve, message))
}

/// Names compare without case and final dot (RFC 4343), text without its quotes.
fn normal(value: &str) -> String {
    value.trim_matches('"').trim_end_matches('.').to_ascii_lowercase()
}

/// Who is asked, for people.
fn asked(action: &DnsAction) -> &str {
    action.resolver.as_ref().map_or("the vantage's resolvers", |server| &server.shown)
}

fn response_code(error: &NetError) -> Option<String> {
    match error {
        NetError::Dns(DnsError::NoRecordsFound(none)) => Some(format!("{:?}", none.response_code)),
        NetError::Dns(DnsError::ResponseCode(code)) => Some(format!("{code:?}")),
        _ => None,
    }
}

const fn wire_type(record_type: RecordType) -> WireType {
    match record_type {
        RecordType::A => WireType::A,
        RecordType::Aaaa => WireType::AAAA,
        RecordType::Cname => WireType::CNAME,
        RecordType::Mx => WireType::MX,
        RecordType::Ns => WireType::NS,
        RecordType::Ptr => WireType::PTR,
        RecordType::Soa => WireType::SOA,
        RecordType::Srv => WireType::SRV,
        RecordType::Txt => WireType::TXT,
    }
}
