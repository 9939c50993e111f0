//! Tries the `tls` kind: certificates that are wrong in one respect each, client certificates demanded, versions that
//! nobody speaks, and servers that do not speak TLS at all.

use std::sync::OnceLock;
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::{Evidence, Fact};
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::tls::{Tls, alert, server_hello};
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// A probe that trusts the authority of the Secret `ca`, and looks for localhost in the certificate.
fn tls(server: &Server) -> Value {
    let host = server.address().ip().to_string();
    json!({"tls": {"host": host, "port": server.port(), "serverName": "localhost", "caSecretRef": {"name": "ca"}}})
}

fn case(failure: &str, authority: &Authority, server: Server) -> Case {
    Case::new(failure, tls(&server)).secret("ca", &[("ca.crt", &authority.pem())]).keep(server)
}

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let authority = Authority::new("test authority");
        let cases = [certificates(&authority), client_certificates(&authority), no_handshake(&authority)];
        try_all(cases.into_iter().flatten().collect())
    })
}

fn fact(evidence: &Evidence, fact: Fact) -> Option<&str> {
    evidence.facts.iter().find(|(known, _)| *known == fact).map(|(_, value)| &**value)
}

fn certificates(authority: &Authority) -> Vec<Case> {
    let right = || authority.server(&["localhost", "127.0.0.1"]);
    let hang = || vec![Step::Hang];
    let other = Authority::new("another authority");
    let mut by_address = case("nothing: the name is an address", authority, Tls::with(right()).play(hang()));
    by_address = by_address.look(|evidence| {
        let names = fact(evidence, Fact::CertificateNames);
        assert_eq!(names, Some("localhost, 127.0.0.1"));
    });
    let asserted =
        case("nothing: what is asserted of the certificate holds", authority, Tls::with(right()).play(hang()));
    let rules = json!([
        "'localhost' in certificate.names && timestamp(certificate.notAfter) > timestamp(certificate.notBefore)",
    ]);
    vec![
        asserted.with("assert", rules),
        by_address,
        case("nothing: TLS 1.3", authority, Tls::with(right()).only_13().play(hang()))
            .fact(Fact::TlsVersion, "TLSv1_3")
            .fact(Fact::CertificateSubject, "CN=localhost")
            .fact(Fact::CertificateIssuer, "CN=test authority")
            .look(|evidence| {
                assert!(fact(evidence, Fact::TlsCipher).is_some_and(|name| name.starts_with("TLS13_")));
                assert!(fact(evidence, Fact::CertificateNotBefore).is_some());
            }),
        case("nothing: TLS 1.2", authority, Tls::with(right()).only_12().play(hang()))
            .fact(Fact::TlsVersion, "TLSv1_2"),
        case("nothing: at ::1", authority, Tls::with(right()).play_on("[::1]:0", hang())),
        case("an expired certificate", authority, Tls::with(authority.expired(&["localhost"])).play(hang()))
            .fails(Cause::CertificateExpired, Stage::Tls)
            .fact(Fact::CertificateNotAfter, "2021-01-01T00:00:00Z"),
        case("a certificate of the future", authority, Tls::with(authority.not_yet_valid(&["localhost"])).play(hang()))
            .fails(Cause::CertificateNotYetValid, Stage::Tls)
            .fact(Fact::CertificateNotBefore, "2090-01-01T00:00:00Z"),
        case("a certificate by another authority", authority, Tls::with(other.server(&["localhost"])).play(hang()))
            .fails(Cause::CertificateUntrusted, Stage::Tls)
            .fact(Fact::CertificateIssuer, "CN=another authority"),
        case(
            "a CA's certificate for a server",
            authority,
            Tls::with(authority.server_as_ca(&["localhost"])).play(hang()),
        )
        .fails(Cause::CertificateUntrusted, Stage::Tls)
        .says("it is a CA's own (CA:TRUE), which can't stand for a server"),
        case("a certificate for another name", authority, Tls::with(authority.server(&["db.test"])).play(hang()))
            .fails(Cause::CertificateNameMismatch, Stage::Tls)
            .fact(Fact::CertificateNames, "db.test"),
        expires_soon(authority),
    ]
}

fn expires_soon(authority: &Authority) -> Case {
    let server = Tls::with(authority.expiring(&["localhost"], Duration::from_secs(48 * 3600))).play(vec![Step::Hang]);
    let mut soon = case("a certificate that expires in two days", authority, server);
    soon = soon.degraded(Cause::CertificateExpiresSoon, Stage::Tls).says("minValidity is 168 h");
    soon.field("tls", "minValidity", json!("168h"))
}

fn client_certificates(authority: &Authority) -> Vec<Case> {
    let server = || Tls::with(authority.server(&["localhost"])).demanding(authority);
    let (right, wrong) = (authority.client("app", None), Authority::new("another authority").client("app", None));
    let mut cases = Vec::new();
    for (version, tls) in [("TLS 1.2", server().only_12()), ("TLS 1.3", server().only_13())] {
        let play = || tls.clone().play(vec![Step::Hang]);
        let with = |failure: String, issued: &crate::support::cert::Issued| {
            let data = [("tls.crt", issued.cert.as_str()), ("tls.key", issued.key.as_str())];
            case(&failure, authority, play())
                .field("tls", "clientCertSecretRef", json!({"name": "client"}))
                .secret("client", &data)
        };
        cases.extend([
            case(&format!("a client certificate demanded, {version}"), authority, play())
                .fails(Cause::ClientCertificateRequired, Stage::Tls)
                .says("none is configured"),
            with(format!("a client certificate not accepted, {version}"), &wrong)
                .fails(Cause::ClientCertificateRequired, Stage::Tls)
                .says("did not accept the one given"),
            with(format!("nothing: a client certificate given, {version}"), &right)
                .look(|evidence| assert!(evidence.stages.last().is_some_and(|stage| stage.passed))),
        ]);
    }
    cases
}

fn no_handshake(authority: &Authority) -> Vec<Case> {
    let play = |failure: &str, script: Vec<Step>| case(failure, authority, Server::play(script));
    let protocol_version = 70;
    let handshake_failure = 40;
    // A handshake record that announces 65535 bytes, and one whose message announces 16 MiB.
    let (huge_record, huge_message) = ([22, 3, 3, 0xff, 0xff], [22, 3, 3, 0x40, 0, 2, 0xff, 0xff, 0xff]);
    vec![
        play("accepts and hangs", vec![Step::Hang]).fails(Cause::TlsTimeout, Stage::Tls).timeout(500),
        play("hangs, cut by the stage", vec![Step::Await(1), Step::Hang])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 400),
        play("one byte a second", vec![Step::Trickle(vec![22, 3, 3, 0, 80, 2, 0, 0])])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 1200),
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Tls).or_in(Stage::Connect),
        play("resets on the first bytes", vec![Step::Await(1), Step::Reset]).fails(Cause::ConnectionReset, Stage::Tls),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Tls),
        play("plain text (an HTTP server)", vec![Step::Await(1), say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::TlsProtocolError, Stage::Tls)
            .says("bytes that are not TLS"),
        play("plain text (an SSH server)", vec![say("SSH-2.0-OpenSSH_9.6\r\n"), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play("garbage", vec![Step::Send((0..=255).collect()), Step::Hang]).fails(Cause::TlsProtocolError, Stage::Tls),
        play("an endless stream", vec![Step::Endless(vec![b'x'; 64 * 1024])])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play("a record longer than any", vec![Step::Send(huge_record.to_vec()), Step::Endless(vec![0; 64 * 1024])])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play("a message longer than any", vec![Step::Send(huge_message.to_vec()), Step::Endless(vec![0; 64 * 1024])])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play("no common version (alert)", vec![Step::Await(1), alert(protocol_version), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls)
            .says("ProtocolVersion"),
        play("TLS 1.0 alone", vec![Step::Await(1), server_hello(0x0301), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play("TLS 1.1 alone", vec![Step::Await(1), server_hello(0x0302), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        play("no common cipher (alert)", vec![Step::Await(1), alert(handshake_failure), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tls),
    ]
}

#[test]
fn each_wrong_certificate_and_broken_handshake_has_its_cause() {
    assert!(rows().len() > 25);
}
