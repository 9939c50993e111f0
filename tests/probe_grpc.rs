//! Tries the `grpc` kind against a real health server: each health that it tells, a health that changes while it is watched,
//! what is sent along, and TLS with and without client certificates.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};
use tonic_health::ServingStatus::{NotServing, Serving, Unknown};

use crate::support::cert::Authority;
use crate::support::grpc::{Course, Health};
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Refusing, Server, Silent, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([health(), sent(), connections(), secure()].into_iter().flatten().collect()))
}

/// A probe of a port of 127.0.0.1 in plain text.
pub fn at(port: u16) -> Value {
    json!({"grpc": {"host": "127.0.0.1", "port": port, "plaintext": true}})
}

fn plain(failure: &str, courses: &[Course]) -> Case {
    let health = Health::plain(courses);
    Case::new(failure, at(health.port())).keep(health)
}

fn health() -> Vec<Case> {
    let asked = |failure: &str, service: &str, courses: &[Course]| {
        plain(failure, courses).field("grpc", "service", json!(service))
    };
    let watched = |case: Case| case.field("grpc", "method", json!("Watch"));
    vec![
        plain("nothing", &[])
            .fact(Fact::GrpcStatus, "OK")
            .fact(Fact::Serving, "SERVING")
            .with("assert", json!(["status == 'OK' && serving == 'SERVING'", "has(stages.handshake)"])),
        asked("nothing: a service", "orders.v1.Orders", &[("orders.v1.Orders", &[Serving])]),
        watched(asked("nothing: Watch", "orders.v1.Orders", &[("orders.v1.Orders", &[Serving])]))
            .fact(Fact::GrpcStatus, "OK")
            .with("assert", json!(["status == 'OK' && serving == 'SERVING'"])),
        plain("what is asserted does not hold", &[])
            .with("assert", json!(["serving == 'NOT_SERVING'"]))
            .fails(Cause::AssertionFailed, Stage::Assert),
        asked("a service does not serve", "orders.v1.Orders", &[("orders.v1.Orders", &[NotServing])])
            .fails(Cause::NotServing, Stage::Body)
            .fact(Fact::Serving, "NOT_SERVING")
            .fact(Fact::GrpcStatus, "OK")
            .says("Check of orders.v1.Orders at 127.0.0.1:")
            .says("answered with NOT_SERVING after "),
        plain("the server as a whole does not serve", &[("", &[NotServing])]).fails(Cause::NotServing, Stage::Body),
        plain("the server does not know its own health", &[("", &[Unknown])]).fails(Cause::NotServing, Stage::Body),
        asked("an unknown service", "orders.v2.Orders", &[("orders.v1.Orders", &[Serving])])
            .fails(Cause::GrpcServiceUnknown, Stage::Request)
            .or_in(Stage::Body)
            .fact(Fact::GrpcStatus, "NOT_FOUND")
            .says("NOT_FOUND"),
        watched(plain("does not serve as long as it is watched", &[("", &[NotServing])]))
            .fails(Cause::NotServing, Stage::Body)
            .stage_timeout(Stage::Body, 1500)
            .says("NOT_SERVING after "),
        watched(plain("nothing: serves while it is watched", &[("", &[NotServing, Unknown, Serving])]))
            .fact(Fact::Serving, "SERVING")
            .look(|evidence| {
                let course = evidence.facts.iter().find(|(fact, _)| *fact == Fact::ServingTransitions);
                let told: Vec<&str> = course.expect("a course").1.split_whitespace().step_by(3).collect();
                assert_eq!(told, ["NOT_SERVING", "UNKNOWN", "SERVING"]);
            }),
    ]
}

/// What goes along with a call.
fn sent() -> Vec<Case> {
    let health = Health::plain(&[]);
    let calls = health.calls();
    let case = Case::new("nothing: metadata, authority and deadline are sent", at(health.port()))
        .field("grpc", "authority", json!("orders.internal:8443"))
        .field(
            "grpc",
            "metadata",
            json!([{"name": "x-tenant", "value": "t 1"}, {"name": "x-trace-bin", "value": "AP8Q"}]),
        )
        .field(
            "grpc",
            "metadataFromSecret",
            json!([
                {"name": "authorization", "secretRef": {"name": "s", "key": "token"}},
                {"name": "x-key-bin", "secretRef": {"name": "s", "key": "key"}},
            ]),
        )
        .secret("s", &[("token", "Bearer hunter2\n"), ("key", "hunter3!")])
        .look(move |evidence| {
            let calls = calls.lock().expect("the calls");
            let (uri, headers) = calls.first().expect("a call");
            assert_eq!(uri, "http://orders.internal:8443/grpc.health.v1.Health/Check");
            let value = |name: &str| headers.get(name).map_or("", |value| value.to_str().expect("a text"));
            assert_eq!((value("x-tenant"), value("x-trace-bin")), ("t 1", "AP8Q"));
            assert_eq!((value("authorization"), value("x-key-bin")), ("Bearer hunter2", "aHVudGVyMyE"));
            assert_eq!((value("te"), value("content-type")), ("trailers", "application/grpc"));
            let left = value("grpc-timeout").strip_suffix('m').and_then(|left| left.parse::<u64>().ok());
            assert!(left.is_some_and(|left| (1..=15_000).contains(&left)), "{left:?}");
            assert!(!format!("{evidence:?}").contains("hunter"));
        });
    let guarded = Health::plain(&[]);
    let calls = guarded.calls();
    let auth = Case::new("nothing: credentials are sent", at(guarded.port()))
        .field("grpc", "auth", json!({"bearer": {"tokenSecretRef": {"name": "s", "key": "token"}}}))
        .secret("s", &[("token", "hunter2")])
        .look(move |evidence| {
            let calls = calls.lock().expect("the calls");
            let (_, headers) = calls.first().expect("a call");
            assert_eq!(headers.get_all("authorization").iter().collect::<Vec<_>>(), ["Bearer hunter2"]);
            assert!(!format!("{evidence:?}").contains("hunter"));
        });
    vec![case.keep(health), auth.keep(guarded)]
}

fn connections() -> Vec<Case> {
    let (nobody, silent) = (Refusing::on("127.0.0.1"), Silent::on("127.0.0.1"));
    vec![
        Case::new("nobody listens", at(nobody.port())).fails(Cause::ConnectionRefused, Stage::Connect).keep(nobody),
        Case::new("packets dropped", at(silent.address().port()))
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .timeout(400)
            .keep(silent),
    ]
}

fn secure() -> Vec<Case> {
    let authority = Authority::new("test authority");
    let stranger = Authority::new("another authority");
    let at = |failure: &str, port: u16| {
        let tls = json!({"caSecretRef": {"name": "ca"}});
        let probe = json!({"grpc": {"host": "localhost", "port": port, "happyEyeballs": true, "tls": tls}});
        Case::new(failure, probe).secret("ca", &[("ca.crt", &authority.pem())])
    };
    let served = |failure: &str, tls: Tls| {
        let health = Health::secure(tls.alpn(b"h2"), &[]);
        at(failure, health.port()).keep(health)
    };
    let right = || Tls::with(authority.server(&["localhost"]));
    let client = authority.client("app", None);
    let plain = Health::plain(&[]);
    let spoken_to_in_plain_text = Health::secure(right().alpn(b"h2"), &[]);
    let script = Server::play(vec![Step::Await(1), say("HTTP/1.1 400 Bad Request\r\n\r\n")]);
    let own = json!({"caSecretRef": {"name": "ca"}, "clientCertSecretRef": {"name": "client"}});
    vec![
        served("nothing: TLS", right()).fact(Fact::CertificateSubject, "CN=localhost"),
        served("nothing: TLS 1.2", right().only_12()).fact(Fact::TlsVersion, "TLSv1_2"),
        served("nothing: a client certificate demanded and given", right().demanding(&authority))
            .field("grpc", "tls", own)
            .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)]),
        served("nothing: any certificate will do", Tls::with(authority.expired(&["elsewhere.test"])))
            .field("grpc", "tls", json!({"insecureSkipVerify": true}))
            .fact(Fact::CertificateNames, "elsewhere.test"),
        served("a client certificate demanded, TLS 1.2", right().demanding(&authority).only_12())
            .fails(Cause::ClientCertificateRequired, Stage::Tls),
        served("a client certificate demanded, TLS 1.3", right().demanding(&authority).only_13())
            .fails(Cause::ClientCertificateRequired, Stage::Tls),
        served("an expired certificate", Tls::with(authority.expired(&["localhost"])))
            .fails(Cause::CertificateExpired, Stage::Tls),
        served("a certificate by an unknown issuer", Tls::with(stranger.server(&["localhost"])))
            .fails(Cause::CertificateUntrusted, Stage::Tls),
        served("a certificate for another name", Tls::with(authority.server(&["db.test"])))
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        at("plain text where TLS was asked", plain.port()).fails(Cause::TlsProtocolError, Stage::Tls).keep(plain),
        at("an HTTP/1 server in plain text where TLS was asked", script.port())
            .fails(Cause::TlsProtocolError, Stage::Tls)
            .keep(script),
        Case::new("TLS where plain text was asked", self::at(spoken_to_in_plain_text.port()))
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .or_in(Stage::Connect)
            .says("it answers with TLS")
            .keep(spoken_to_in_plain_text),
        {
            let server = right().alpn(b"http/1.1").play(vec![Step::Hang]);
            at("HTTP/2 is not offered", server.port()).fails(Cause::ProtocolMismatch, Stage::Tls).keep(server)
        },
        {
            let server = right().play(vec![Step::Hang]);
            at("no protocol is chosen (ALPN)", server.port())
                .fails(Cause::ProtocolMismatch, Stage::Tls)
                .says("does not offer HTTP/2 (ALPN h2)")
                .keep(server)
        },
        {
            let server = Server::play(vec![Step::Hang]);
            at("TLS hangs", server.port())
                .fails(Cause::TlsTimeout, Stage::Tls)
                .stage_timeout(Stage::Tls, 400)
                .keep(server)
        },
    ]
}

#[test]
fn each_health_has_its_cause() {
    assert!(rows().len() > 25);
}
