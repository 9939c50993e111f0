//! The verdict: cases in, the primary finding out, rule by rule, with what is ruled out and what stays unknown. Pure.

use std::net::SocketAddr;
use std::time::Duration;

use proptest::prelude::*;
use runready::api::{Cause, Confidence, Kind, Layer, ProbeState, Stage};
use runready::diagnosis::{Case, Diagnosis, Observation, RULES, diagnose};
use runready::evidence::{AddressRecord, Evidence, Fact, Failure, StageRecord};

use Confidence::{High, Low, Medium};
use Kind::{Dns, Http, Postgres, Tcp, Tls};

const POD: &str = "pod/runready/runready-0";

/// One probe, as last seen.
#[derive(Clone, Debug)]
struct Seen {
    name: String,
    kind: Kind,
    required: bool,
    state: ProbeState,
    failure: Option<Failure>,
    evidence: Option<Evidence>,
}

/// A healthy probe of a host and port.
fn well(name: &str, kind: Kind, at: &str) -> Seen {
    let addresses = if kind == Dns { Vec::new() } else { vec![address(at, None)] };
    let stages = stages_of(kind).iter().map(|stage| record(*stage, true)).collect();
    let evidence = Evidence {
        probe: 0,
        vantage: POD.into(),
        outcome: runready::evidence::Outcome::Passed,
        latency: Duration::from_millis(3),
        stages,
        addresses,
        facts: Vec::new(),
    };
    Seen {
        name: name.to_owned(),
        kind,
        required: true,
        state: ProbeState::Healthy,
        failure: None,
        evidence: Some(evidence),
    }
}

/// A probe that fails for a cause, in the stage where that shows.
fn ill(name: &str, kind: Kind, at: &str, cause: Cause) -> Seen {
    let mut seen = well(name, kind, at);
    let stage = stage_of(cause, kind);
    seen.state = ProbeState::Failing;
    seen.failure = Some(match stage {
        Some(stage) => Failure::new(cause, stage, format!("{cause} at {at}")),
        None => Failure::before_start(cause, format!("{cause} of {name}")),
    });
    let evidence = seen.evidence.as_mut().expect("made just now");
    let reached = stage.and_then(|stage| evidence.stages.iter().position(|record| record.stage == stage));
    match (stage, reached) {
        (Some(Stage::Resolve), _) => {
            evidence.stages = vec![record(Stage::Resolve, false)];
            evidence.addresses.clear();
        }
        (_, Some(reached)) => {
            evidence.stages.truncate(reached + 1);
            evidence.stages[reached].passed = false;
            if stage == Some(Stage::Connect) {
                evidence.addresses.iter_mut().for_each(|address| address.cause = Some(cause));
            }
        }
        (_, None) => {}
    }
    seen
}

impl Seen {
    fn optional(mut self) -> Self {
        self.required = false;
        self
    }

    fn in_state(mut self, state: ProbeState) -> Self {
        self.state = state;
        self
    }

    fn from(mut self, vantage: &str) -> Self {
        self.evidence.iter_mut().for_each(|evidence| evidence.vantage = vantage.into());
        self
    }

    fn tried(mut self, at: &str, cause: Option<Cause>) -> Self {
        self.evidence.iter_mut().for_each(|evidence| evidence.addresses.push(address(at, cause)));
        self
    }

    fn telling(mut self, fact: Fact, value: &str) -> Self {
        self.evidence.iter_mut().for_each(|evidence| evidence.facts.push((fact, value.into())));
        self
    }

    fn as_observation(&self) -> Observation<'_> {
        Observation {
            name: &self.name,
            kind: self.kind,
            target: "target",
            required: self.required,
            state: self.state,
            failure: self.failure.as_ref(),
            evidence: self.evidence.as_ref(),
        }
    }
}

fn address(at: &str, cause: Option<Cause>) -> AddressRecord {
    AddressRecord { address: at.parse::<SocketAddr>().expect("an address"), duration: Duration::from_millis(1), cause }
}

fn record(stage: Stage, passed: bool) -> StageRecord {
    let duration = Duration::from_millis(1);
    StageRecord { stage, start: Duration::ZERO, duration, limit: Duration::from_secs(20), passed }
}

const fn stages_of(kind: Kind) -> &'static [Stage] {
    match kind {
        Dns => &[Stage::Resolve],
        Tcp => &[Stage::Connect, Stage::Exchange],
        Tls => &[Stage::Connect, Stage::Tls],
        Http => &[Stage::Connect, Stage::Tls, Stage::Request, Stage::Body],
        Postgres => &[Stage::Connect, Stage::Tls, Stage::Handshake, Stage::Authenticate, Stage::Query],
    }
}

/// The stage in which a cause shows in a probe of that kind.
fn stage_of(cause: Cause, kind: Kind) -> Option<Stage> {
    let last = *stages_of(kind).last().expect("stages");
    match cause {
        Cause::NameNotFound | Cause::NoAddress | Cause::ResolverTimeout | Cause::ResolverFailed => Some(Stage::Resolve),
        Cause::ConnectionRefused | Cause::ConnectTimeout | Cause::HostUnreachable | Cause::NetworkUnreachable => {
            Some(Stage::Connect)
        }
        Cause::TlsNotOffered
        | Cause::TlsTimeout
        | Cause::TlsProtocolError
        | Cause::CertificateExpired
        | Cause::CertificateNotYetValid
        | Cause::CertificateUntrusted
        | Cause::CertificateNameMismatch
        | Cause::CertificateExpiresSoon
        | Cause::ClientCertificateRequired => Some(Stage::Tls),
        Cause::HandshakeTimeout | Cause::ServerStarting | Cause::ServerShuttingDown | Cause::TooManyConnections => {
            Some(Stage::Handshake)
        }
        Cause::AuthenticationFailed
        | Cause::AuthenticationMethodUnsupported
        | Cause::AuthenticationTimeout
        | Cause::AccessDenied
        | Cause::DatabaseNotFound => Some(Stage::Authenticate),
        Cause::SecretNotFound | Cause::SecretKeyMissing | Cause::InvalidSpec | Cause::ProberError => None,
        Cause::ConnectionReset
        | Cause::ConnectionClosed
        | Cause::ProtocolMismatch
        | Cause::ServerError
        | Cause::QueryFailed
        | Cause::QueryTimeout
        | Cause::ReadOnly
        | Cause::UnexpectedResult
        | Cause::StatusUnexpected
        | Cause::ResponseTimeout
        | Cause::BodyMismatch
        | Cause::ResponseTooLarge
        | Cause::TooManyRedirects
        | Cause::LatencyExceeded
        | Cause::StartupBudgetExceeded => Some(last),
    }
}

fn case<'a>(seen: &'a [Seen], speaks_for_service: bool) -> Case<'a> {
    Case { observations: seen.iter().map(Seen::as_observation).collect(), speaks_for_service }
}

fn verdict(seen: &[Seen]) -> Diagnosis {
    diagnose(&case(seen, false)).expect("a verdict")
}

fn ruled_out(diagnosis: &Diagnosis) -> Vec<Layer> {
    diagnosis.ruled_out.iter().map(|(layer, _)| *layer).collect()
}

const DB: &str = "10.0.0.1:5432";
const CACHE: &str = "10.0.0.1:6379";
const WEB: &str = "10.9.0.1:443";

/// What is seen; the primary finding's rule, layer and confidence.
type Row = (&'static str, Vec<Seen>, &'static str, Layer, Confidence);

fn rows() -> Vec<Row> {
    let database = |cause| ill("database", Postgres, DB, cause);
    let web = |cause| ill("web", Http, WEB, cause);
    vec![
        (
            "two addresses are silent, and nothing answers",
            vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout)],
            "egress/all-silent",
            Layer::Egress,
            Medium,
        ),
        (
            "the one address there is is silent",
            vec![database(Cause::ConnectTimeout)],
            "network/address-silent",
            Layer::Network,
            Low,
        ),
        (
            "an address is silent while another network answers",
            vec![database(Cause::ConnectTimeout), well("web", Http, WEB)],
            "network/address-silent",
            Layer::Network,
            Medium,
        ),
        (
            "every target behind one address is silent while another network answers",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
                well("web", Http, WEB),
            ],
            "network/address-silent",
            Layer::Network,
            High,
        ),
        (
            "a refusal from elsewhere is an answer, too",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
                web(Cause::ConnectionRefused).optional(),
            ],
            "network/address-silent",
            Layer::Network,
            High,
        ),
        (
            "one port is silent while another of the same host answers",
            vec![database(Cause::ConnectTimeout), well("cache", Tcp, CACHE)],
            "network/address-silent",
            Layer::Network,
            Low,
        ),
        (
            "one of two addresses is dead",
            vec![
                ill("web", Http, WEB, Cause::ConnectTimeout).tried("10.9.0.2:443", None).in_state(ProbeState::Degraded),
            ],
            "network/address-silent",
            Layer::Network,
            Medium,
        ),
        (
            "a vantage without IPv6 does not make two silent addresses of one",
            vec![database(Cause::ConnectTimeout).tried("[2001:db8::1]:5432", Some(Cause::NetworkUnreachable))],
            "network/address-silent",
            Layer::Network,
            Low,
        ),
        ("a router says no", vec![database(Cause::HostUnreachable)], "network/unreachable", Layer::Network, High),
        ("the name is unknown", vec![database(Cause::NameNotFound)], "network/name", Layer::Network, Medium),
        (
            "the database's port refuses while another port of the host answers",
            vec![database(Cause::ConnectionRefused), well("cache", Tcp, CACHE)],
            "server/port-refused",
            Layer::Database,
            High,
        ),
        (
            "an application's port refuses while another port of the host answers",
            vec![ill("web", Http, "10.0.0.1:80", Cause::ConnectionRefused), well("database", Postgres, DB)],
            "server/port-refused",
            Layer::Application,
            High,
        ),
        ("a port refuses", vec![database(Cause::ConnectionRefused)], "server/refused", Layer::Database, Medium),
        ("the database is full", vec![database(Cause::TooManyConnections)], "database/state", Layer::Database, High),
        ("the database is a replica", vec![database(Cause::ReadOnly)], "database/state", Layer::Database, High),
        (
            "the password is refused behind a healthy path",
            vec![database(Cause::AuthenticationFailed), well("web", Http, WEB)],
            "application/credentials",
            Layer::Application,
            High,
        ),
        (
            "the certificate has expired",
            vec![web(Cause::CertificateExpired)],
            "application/tls",
            Layer::Application,
            High,
        ),
        (
            "the database accepts and says nothing",
            vec![database(Cause::HandshakeTimeout)],
            "server/hangs",
            Layer::Database,
            Medium,
        ),
        (
            "the service accepts and says nothing",
            vec![web(Cause::ResponseTimeout)],
            "server/hangs",
            Layer::Application,
            Medium,
        ),
        ("the connection is cut", vec![database(Cause::ConnectionClosed)], "server/cuts", Layer::Database, Medium),
        ("the answer is a 404", vec![web(Cause::StatusUnexpected)], "application/answer", Layer::Application, Medium),
        (
            "it works, but slowly",
            vec![database(Cause::LatencyExceeded).in_state(ProbeState::Degraded)],
            "latency/too-slow",
            Layer::Database,
            Medium,
        ),
        (
            "a Secret is missing",
            vec![database(Cause::SecretNotFound).in_state(ProbeState::Unknown)],
            "check/spec",
            Layer::Application,
            High,
        ),
        (
            "we have no sockets left",
            vec![database(Cause::ProberError).in_state(ProbeState::Unknown)],
            "check/prober",
            Layer::Prober,
            High,
        ),
    ]
}

/// Cases close to a rule's own, about which it must not speak.
fn silences() -> Vec<(&'static str, &'static str, Vec<Seen>)> {
    let database = |cause| ill("database", Postgres, DB, cause);
    let web = |cause| ill("web", Http, WEB, cause);
    let timeouts = || vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout)];
    let with = |mut seen: Vec<Seen>, more: Seen| {
        seen.push(more);
        seen
    };
    vec![
        ("egress/all-silent", "something else answers", with(timeouts(), well("other", Tcp, "10.8.0.1:1"))),
        (
            "egress/all-silent",
            "something else refuses",
            with(timeouts(), ill("other", Tcp, "10.8.0.1:1", Cause::ConnectionRefused)),
        ),
        ("egress/all-silent", "a DNS server answers", with(timeouts(), well("name", Dns, DB))),
        ("egress/all-silent", "there is one address only", vec![database(Cause::ConnectTimeout)]),
        ("network/address-silent", "it is refused", vec![database(Cause::ConnectionRefused)]),
        ("network/address-silent", "it hangs later on", vec![database(Cause::HandshakeTimeout)]),
        ("network/unreachable", "nobody says so", vec![database(Cause::ConnectTimeout)]),
        ("network/name", "the name is there", vec![database(Cause::ConnectTimeout)]),
        (
            "server/port-refused",
            "no other port of the host answers",
            vec![database(Cause::ConnectionRefused), well("web", Http, WEB)],
        ),
        (
            "server/refused",
            "another port of the host answers",
            vec![database(Cause::ConnectionRefused), well("cache", Tcp, CACHE)],
        ),
        ("database/state", "it is the password", vec![database(Cause::AuthenticationFailed)]),
        ("application/credentials", "it is the database's state", vec![database(Cause::TooManyConnections)]),
        ("application/tls", "TLS hangs", vec![web(Cause::TlsTimeout)]),
        ("server/hangs", "nothing was accepted", vec![web(Cause::ConnectTimeout)]),
        ("server/cuts", "it was refused to begin with", vec![web(Cause::ConnectionRefused)]),
        ("application/answer", "there was no answer", vec![web(Cause::ResponseTimeout)]),
        ("latency/too-slow", "it fails", vec![web(Cause::ResponseTimeout)]),
        ("check/spec", "the path fails", vec![database(Cause::ConnectTimeout)]),
        ("check/prober", "a Secret is missing", vec![database(Cause::SecretNotFound).in_state(ProbeState::Unknown)]),
    ]
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
    for rule in RULES {
        assert!(rows().iter().any(|(_, _, id, ..)| *id == rule.id), "{} is nowhere primary", rule.id);
        assert!(silences().iter().any(|(id, ..)| *id == rule.id), "{} is nowhere held back", rule.id);
        assert!(
            (rule.look)(&case(&[well("web", Http, WEB)], false)).is_empty(),
            "{} speaks although all is well",
            rule.id
        );
    }
    for cause in Cause::ALL {
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

fn any_seen() -> impl Strategy<Value = Seen> {
    let addresses = proptest::collection::vec(
        (any_of(&[DB, CACHE, WEB, "[2001:db8::1]:443", "10.0.0.1:0"]), proptest::option::of(any_of(Cause::ALL))),
        0..4,
    );
    let stages = proptest::collection::vec((any_of(&Stage::ALL), any::<bool>()), 0..6);
    let failure = proptest::option::of((any_of(Cause::ALL), proptest::option::of(any_of(&Stage::ALL))));
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
