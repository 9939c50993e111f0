//! The verdict: cases in, the primary finding out, rule by rule, with what is ruled out and what stays unknown. Pure.

pub mod cases;
pub mod seen;
mod silences;

use proptest::prelude::*;
use runready::api::{Cause, Confidence, Kind, Layer, ProbeState, Stage};
use runready::diagnosis::{Diagnosis, RULES, diagnose};
use runready::evidence::{Evidence, Fact, Failure};

use crate::scenarios;

use Confidence::{High, Low, Medium};
use Kind::{Dns, Grpc, Http, Postgres, Tcp};
use cases::{CACHE, DB, WEB, rows};
use seen::{POD, Seen, address, case, ill, record, well};
use silences::silences;

fn verdict(seen: &[Seen]) -> Diagnosis {
    diagnose(&case(seen, false)).expect("a verdict")
}

fn ruled_out(diagnosis: &Diagnosis) -> Vec<Layer> {
    diagnosis.ruled_out.iter().map(|(layer, _)| *layer).collect()
}

#[test]
fn a_service_that_does_not_serve_beside_a_failing_database_is_its_symptom() {
    let orders = |cause| ill("orders", Grpc, WEB, cause);
    for cause in [Cause::NotServing, Cause::GrpcFailed] {
        let found = verdict(&[orders(cause), ill("database", Postgres, DB, Cause::AuthenticationFailed)]);
        assert_eq!(found.primary.cause, Cause::AuthenticationFailed);
        assert!(found.others[0].summary.ends_with("probably a symptom of database, which fails too"), "{found:?}");
        assert_eq!(found.others[0].confidence, Low);
    }
    let found =
        verdict(&[orders(Cause::GrpcUnimplemented), ill("database", Postgres, DB, Cause::AuthenticationFailed)]);
    assert!(!found.others[0].summary.contains("symptom"), "no database takes a health service away: {found:?}");
}

#[test]
fn each_rule_is_primary_where_it_should_be() {
    for (what, seen, rule, layer, confidence) in rows() {
        let found = verdict(&seen).primary;
        assert_eq!((found.rule, found.layer, found.confidence), (rule, layer, confidence), "{what}: {found:?}");
    }
}

#[test]
fn each_rule_is_silent_where_it_should_be() {
    for (id, what, seen) in silences() {
        let rule = RULES.iter().find(|rule| rule.id == id).unwrap_or_else(|| panic!("no rule {id}"));
        let found = (rule.look)(&case(&seen, false));
        assert!(found.is_empty(), "{id}, although {what}: {found:?}");
    }
}

#[test]
fn no_rule_is_left_untried_and_every_cause_finds_one() {
    for rule in RULES.iter().filter(|rule| !scenarios::rests_on_the_cloud(rule.id)) {
        assert!(rows().iter().any(|(_, _, id, ..)| *id == rule.id), "{} is nowhere primary", rule.id);
        assert!(silences().iter().any(|(id, ..)| *id == rule.id), "{} is nowhere held back", rule.id);
        assert!(
            (rule.look)(&case(&[well("web", Http, WEB)], false)).is_empty(),
            "{} speaks although all is well",
            rule.id
        );
    }
    for cause in Cause::ALL.iter().filter(|cause| !cause.is_of_the_cloud()) {
        for kind in Kind::ALL {
            let found = verdict(&[ill("probe", kind, WEB, *cause)]).primary;
            assert_eq!(found.cause, *cause, "{found:?}");
        }
    }
}

#[test]
fn silence_of_an_address_while_another_network_answers_is_the_network_s() {
    let found = verdict(&[
        ill("database", Postgres, DB, Cause::ConnectTimeout),
        ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
        well("web", Http, WEB),
    ]);
    assert!(found.primary.summary.starts_with("every probe of that address is silent (database, cache)"), "{found:?}");
    assert!(found.primary.summary.ends_with("web answers from the same vantage"), "{found:?}");
    assert_eq!(found.primary.probes, [0, 1]);
    assert_eq!(ruled_out(&found), [Layer::Application, Layer::Prober]);
    assert!(found.ruled_out[0].1.contains("no credentials, query or request were ever sent"), "{found:?}");
    assert!(found.evidence.iter().all(|line| line.contains(POD)), "each piece says from where: {found:?}");
    assert!(found.unknown.iter().any(|line| line.contains("does not tell a dropped packet from a host that is down")));
    assert!(found.others.is_empty(), "one finding explains both probes");
}

#[test]
fn a_refusal_beside_an_open_port_rules_the_way_out() {
    let found = verdict(&[ill("database", Postgres, DB, Cause::ConnectionRefused), well("cache", Tcp, CACHE)]);
    assert!(found.primary.summary.contains("the host is up: cache answers on another port"), "{found:?}");
    assert_eq!(ruled_out(&found), [Layer::Egress, Layer::Network, Layer::Prober]);
    assert!(found.ruled_out[0].1.contains("the refusal itself came back"), "{found:?}");
}

/// A probe of a database over a Unix socket: no address is known.
fn over_socket(cause: Cause) -> Seen {
    let mut seen = ill("database", Postgres, DB, cause);
    seen.evidence.as_mut().expect("evidence").addresses.clear();
    seen
}

#[test]
fn what_shows_over_a_unix_socket_clears_neither_the_network_nor_the_way_out() {
    for cause in [Cause::AuthenticationTimeout, Cause::ConnectionRefused] {
        let found = verdict(&[over_socket(cause)]);
        let cleared = ruled_out(&found);
        assert!(!cleared.contains(&Layer::Network) && !cleared.contains(&Layer::Egress), "{cause}: {found:?}");
    }
}

#[test]
fn that_small_packets_pass_clears_nobody_of_losing_the_large_ones() {
    let found = verdict(&[ill("database", Postgres, DB, Cause::LargePacketsLost)]);
    assert_eq!(ruled_out(&found), [Layer::Prober], "{found:?}");
    assert!(found.primary.remedy.contains("ICMP type 3 code 4"), "{found:?}");
}

#[test]
fn an_instance_that_is_not_mounted_is_the_matter_of_the_cloud_run_service() {
    let seen = [over_socket(Cause::SocketNotFound)];
    let mut case = case(&seen, true);
    case.observations[0].target = "postgres://app@[/cloudsql/p:r:i]:5432/app";
    let found = diagnose(&case).expect("a verdict").primary;
    assert_eq!((found.layer, found.confidence), (Layer::CloudRun, High), "{found:?}");
}

#[test]
fn refused_credentials_rule_the_way_and_the_prober_out() {
    let found = verdict(&[ill("database", Postgres, DB, Cause::AuthenticationFailed)]);
    assert_eq!(ruled_out(&found), [Layer::Egress, Layer::Network, Layer::Prober]);
    assert!(
        found.ruled_out[0].1.contains("database reached 10.0.0.1:5432: the TCP connection was accepted"),
        "{found:?}"
    );
    assert!(found.primary.remedy.contains("password in the Secret"), "{found:?}");
}

#[test]
fn a_database_that_answers_is_ruled_out() {
    let found = verdict(&[ill("web", Http, WEB, Cause::StatusUnexpected), well("database", Postgres, DB)]);
    assert!(ruled_out(&found).contains(&Layer::Database), "{found:?}");
}

#[test]
fn a_server_error_beside_a_failing_database_is_its_symptom() {
    let web = ill("web", Http, WEB, Cause::StatusUnexpected).telling(Fact::HttpStatus, "503");
    let found = verdict(&[web, ill("database", Postgres, DB, Cause::TooManyConnections)]);
    assert_eq!((found.primary.rule, found.others.len()), ("database/state", 1), "{found:?}");
    assert!(found.others[0].summary.contains("probably a symptom of database"), "{found:?}");
    assert_eq!(found.others[0].confidence, Low);
}

#[test]
fn a_silent_port_beside_an_open_one_may_be_the_server_s_own_fault() {
    let found = verdict(&[ill("database", Postgres, DB, Cause::ConnectTimeout), well("cache", Tcp, CACHE)]);
    assert!(!ruled_out(&found).contains(&Layer::Application), "a full listen queue is silent, too: {found:?}");
    assert!(found.primary.remedy.contains("full listen queue"), "{found:?}");
}

#[test]
fn a_dead_address_is_told_from_the_one_that_answers() {
    let dead = ill("web", Http, WEB, Cause::ConnectTimeout).tried("10.9.0.2:443", None);
    let found = verdict(&[dead.in_state(ProbeState::Degraded)]);
    assert!(found.primary.summary.ends_with("another of its addresses answers from the same vantage"), "{found:?}");
}

#[test]
fn from_a_pod_nothing_is_known_of_cloud_run_s_egress() {
    let silent = [ill("database", Postgres, DB, Cause::ConnectTimeout), ill("web", Http, WEB, Cause::ConnectTimeout)];
    let refused = [ill("database", Postgres, DB, Cause::AuthenticationFailed)];
    for seen in [&silent[..], &refused[..]] {
        let found = diagnose(&case(seen, true)).expect("a verdict");
        assert!(!ruled_out(&found).contains(&Layer::Egress), "{found:?}");
        let told = found
            .unknown
            .iter()
            .any(|line| line.contains(&format!("observed from {POD}, not from Cloud Run's own egress")));
        assert!(told, "{found:?}");
    }
    let found = diagnose(&case(&silent, true)).expect("a verdict").primary;
    assert_eq!((found.layer, found.confidence), (Layer::Egress, Low), "Medium, were it seen from there");
    let found = diagnose(&case(&refused, true)).expect("a verdict").primary;
    assert_eq!(found.confidence, High, "the server's own answer is the same from everywhere");

    let there: Vec<Seen> =
        silent.iter().cloned().map(|seen| seen.from("cloudrun/netra-staging/us-central1/agent")).collect();
    let found = diagnose(&case(&there, true)).expect("a verdict");
    assert_eq!((found.primary.layer, found.primary.confidence), (Layer::Egress, Medium));
    assert!(!found.unknown.iter().any(|line| line.contains("egress")), "{found:?}");
    let there = [refused[0].clone().from("cloudrun/netra-staging/us-central1/agent")];
    assert!(ruled_out(&diagnose(&case(&there, true)).expect("a verdict")).contains(&Layer::Egress));
}

#[test]
fn what_decides_on_ready_comes_first() {
    let optional = ill("name", Dns, DB, Cause::NameNotFound).optional();
    let required = ill("web", Http, WEB, Cause::StatusUnexpected);
    let found = verdict(&[optional.clone(), required.clone()]);
    assert_eq!((found.primary.cause, found.others[0].cause), (Cause::StatusUnexpected, Cause::NameNotFound));
    let degraded = ill("name", Tcp, DB, Cause::LatencyExceeded).in_state(ProbeState::Degraded);
    assert_eq!(
        verdict(&[degraded, required.clone()]).primary.cause,
        Cause::StatusUnexpected,
        "failing before degraded"
    );
    let unknown = ill("database", Postgres, DB, Cause::SecretNotFound).in_state(ProbeState::Unknown);
    let found = verdict(&[unknown, required]);
    assert_eq!(found.primary.cause, Cause::StatusUnexpected, "what is known before what is not");
    assert!(found.unknown.iter().any(|line| line.starts_with("database: ")), "{found:?}");
}

#[test]
fn another_database_that_answers_does_not_clear_the_silent_one() {
    let silent = ill("database", Postgres, DB, Cause::ConnectTimeout);
    let found = diagnose(&case(&[silent, well("other", Postgres, "10.3.0.1:5432")], false)).expect("a verdict");
    assert!(!ruled_out(&found).contains(&Layer::Database), "a stopped instance is silent, too: {found:?}");
}

#[test]
fn nothing_wrong_is_no_verdict() {
    assert_eq!(diagnose(&case(&[], true)), None);
    assert_eq!(diagnose(&case(&[well("web", Http, WEB)], true)), None);
    let skipped = Seen { failure: None, ..well("web", Http, WEB) }.in_state(ProbeState::Skipped);
    assert_eq!(diagnose(&case(&[skipped], false)), None);
    let unobserved = Seen { evidence: None, ..well("web", Http, WEB) }.in_state(ProbeState::Unknown);
    assert_eq!(diagnose(&case(&[unobserved], false)), None, "not observed yet: nobody is to blame");
}

fn any_of<T: Copy + std::fmt::Debug>(all: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(all)
}

/// What a probe may end in.
fn any_cause() -> impl Strategy<Value = Cause> {
    let of_probes = Cause::ALL.iter().copied().filter(|cause| !cause.is_of_the_cloud());
    proptest::sample::select(of_probes.collect::<Vec<_>>())
}

pub fn any_seen() -> impl Strategy<Value = Seen> {
    let addresses = proptest::collection::vec(
        (any_of(&[DB, CACHE, WEB, "[2001:db8::1]:443", "10.0.0.1:0"]), proptest::option::of(any_cause())),
        0..4,
    );
    let stages = proptest::collection::vec((any_of(&Stage::ALL), any::<bool>()), 0..6);
    let failure = proptest::option::of((any_cause(), proptest::option::of(any_of(&Stage::ALL))));
    let evidence = proptest::option::of((addresses, stages, any_of(&[POD, "cloudrun/p/r/agent", ""])));
    (any_of(&Kind::ALL), any::<bool>(), any_of(&ProbeState::ALL), failure, evidence).prop_map(
        |(kind, required, state, failure, evidence)| {
            let mut seen = well("probe", kind, WEB).in_state(state);
            seen.required = required;
            seen.failure =
                failure.map(|(cause, stage)| Failure { stage, ..Failure::before_start(cause, "something was seen") });
            seen.evidence = evidence.map(|(addresses, stages, vantage)| Evidence {
                addresses: addresses.into_iter().map(|(at, cause)| address(at, cause)).collect(),
                stages: stages.into_iter().map(|(stage, passed)| record(stage, passed)).collect(),
                vantage: vantage.into(),
                ..seen.evidence.clone().expect("made just now")
            });
            seen
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_case_has_a_sound_verdict(seen in proptest::collection::vec(any_seen(), 0..6), service in any::<bool>()) {
        let case = case(&seen, service);
        let Some(found) = diagnose(&case) else {
            let broken = seen.iter().any(|seen| seen.state == ProbeState::Failing && seen.failure.is_some());
            prop_assert!(!broken, "a failing probe without a verdict");
            return Ok(());
        };
        prop_assert!(!ruled_out(&found).contains(&found.primary.layer), "both guilty and not: {:?}", found);
        for finding in std::iter::once(&found.primary).chain(&found.others) {
            prop_assert!(!finding.probes.is_empty() && finding.probes.iter().all(|index| *index < seen.len()));
            prop_assert!(!finding.summary.is_empty() && !finding.remedy.is_empty());
            prop_assert!(RULES.iter().any(|rule| rule.id == finding.rule));
        }
        let known = seen.iter().any(|seen| matches!(seen.state, ProbeState::Failing | ProbeState::Degraded));
        if !known {
            prop_assert!(matches!(found.primary.layer, Layer::Prober | Layer::Application), "{:?}", found);
            prop_assert!(found.primary.cause.is_unknown());
        }
        let elsewhere = |index: &usize| seen[*index].evidence.as_ref().is_none_or(|found| !found.vantage.starts_with("cloudrun/"));
        if service && found.primary.probes.iter().any(elsewhere) {
            prop_assert!(!ruled_out(&found).contains(&Layer::Egress), "{:?}", found);
            let of_the_way = matches!(found.primary.layer, Layer::Egress | Layer::Network);
            prop_assert!(!of_the_way || found.primary.confidence < High, "{:?}", found);
        }
        prop_assert_eq!(diagnose(&case), Some(found), "the same case, the same verdict");
    }
}
