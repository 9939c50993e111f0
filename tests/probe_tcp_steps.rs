//! Tries the steps of the `tcp` kind against servers that speak the protocols of examples/starttls.yaml, with a real TLS
//! handshake in the middle; and against those that refuse it, stuff plain text in before it, or never answer.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::{Evidence, Fact};
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let authority = Authority::new("test authority");
        let cases = [protocols(&authority), refusals(), injections(&authority), handshakes(&authority), waits()];
        try_all(cases.into_iter().flatten().collect())
    })
}

/// A probe of examples/starttls.yaml, at a server of the tests.
fn example(name: &str, server: &Server) -> Value {
    static TEXT: &str = include_str!("../examples/starttls.yaml");
    let check: Value = serde_yaml::from_str(TEXT).expect("YAML");
    let probes = check["spec"]["probes"].as_array().expect("probes");
    let mut probe = probes.iter().find(|probe| probe["name"] == name).expect("a probe of that name").clone();
    probe["tcp"]["host"] = json!("localhost");
    probe["tcp"]["port"] = json!(server.port());
    probe["tcp"]["happyEyeballs"] = json!(true);
    probe
}

/// What a server of that protocol says before TLS, and within it.
fn dialogue(name: &str) -> (Vec<Step>, Vec<Step>) {
    let hear = Step::AwaitText;
    let bytes = |bytes: &[u8]| Step::Send(bytes.to_vec());
    let features = || say("<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>");
    let ehlo = || hear("EHLO probe.example.com\r\n");
    let (plain, within) = match name {
        "smtp" => (
            vec![
                say("220-mx.test ESMTP\r\n220 ready\r\n"),
                ehlo(),
                say("250-mx.test\r\n250-STARTTLS\r\n250 HELP\r\n"),
                hear("STARTTLS\r\n"),
                say("220 2.0.0 go ahead\r\n"),
            ],
            vec![ehlo(), say("250-mx.test\r\n250 AUTH PLAIN\r\n"), hear("QUIT\r\n")],
        ),
        "imap" => (
            vec![
                say("* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n"),
                hear("a1 STARTTLS\r\n"),
                say("a1 OK begin TLS now\r\n"),
            ],
            vec![hear("a2 CAPABILITY\r\n"), say("* CAPABILITY IMAP4rev1\r\na2 OK done\r\n")],
        ),
        "pop3" => (
            vec![say("+OK ready\r\n"), hear("STLS\r\n"), say("+OK begin TLS\r\n")],
            vec![hear("CAPA\r\n"), say("+OK\r\nUSER\r\n.\r\n")],
        ),
        "ftp" => (
            vec![say("220 files.test\r\n"), hear("AUTH TLS\r\n"), say("234 AUTH TLS OK.\r\n")],
            vec![hear("FEAT\r\n"), say("211-Features:\r\n PBSZ\r\n211 End\r\n")],
        ),
        "xmpp" => (
            vec![
                hear("<stream:stream to='chat.example.com'"),
                say("<?xml version='1.0'?><stream:stream id='1'>"),
                features(),
                hear("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
                say("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
            ],
            vec![hear("<stream:stream "), say("<stream:stream id='2'>"), features()],
        ),
        "ldap" => (
            vec![hear("1.3.6.1.4.1.1466.20037"), bytes(b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00")],
            vec![Step::Await(14), bytes(b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00")],
        ),
        "postgresql" => (vec![Step::Await(8), say("S")], vec![]),
        "smtps" => (vec![], vec![say("220 mx.test ESMTP\r\n")]),
        other => unreachable!("{other} is no probe of the example"),
    };
    (plain, [within, vec![Step::Hang]].concat())
}

const PROTOCOLS: [&str; 8] = ["smtp", "imap", "pop3", "ftp", "xmpp", "ldap", "postgresql", "smtps"];

/// The example's probe of a protocol, and a server with that certificate authority.
fn speaking(failure: &str, name: &str, authority: &Authority, server: Server) -> Case {
    Case::new(failure, example(name, &server))
        .field("tcp", "tls", json!({"caSecretRef": {"name": "ca"}}))
        .secret("ca", &[("ca.crt", &authority.pem())])
        .keep(server)
}

fn stages(evidence: &Evidence) -> Vec<Stage> {
    evidence.stages.iter().map(|record| record.stage).filter(|stage| *stage != Stage::Resolve).collect()
}

fn protocols(authority: &Authority) -> Vec<Case> {
    let case = |name: &&str| {
        let (plain, within) = dialogue(name);
        let (before, after) = (!plain.is_empty(), within.len() > 1);
        let server = Tls::with(authority.server(&["localhost"])).play_after(plain, within);
        speaking(&format!("nothing: {name}"), name, authority, server)
            .fact(Fact::CertificateSubject, "CN=localhost")
            .look(move |evidence| {
                let mut expected = vec![Stage::Connect, Stage::Exchange, Stage::Tls, Stage::Exchange];
                if !after {
                    expected.pop();
                }
                if !before {
                    expected.remove(1);
                }
                assert_eq!(stages(evidence), expected);
            })
    };
    PROTOCOLS.iter().map(case).collect()
}

/// A server that says this where it should turn to TLS.
fn refusals() -> Vec<Case> {
    let case = |name: &str, says: &'static [u8], shown: &str| {
        let (mut plain, _) = dialogue(name);
        plain.pop();
        plain.extend([Step::Send(says.to_vec()), Step::Hang]);
        let server = Server::play(plain);
        Case::new(format!("{name}: TLS is refused"), example(name, &server))
            .fails(Cause::TlsNotOffered, Stage::Exchange)
            .says("the peer refuses: ")
            .says(shown)
            .keep(server)
    };
    vec![
        case("smtp", b"454 4.7.0 TLS not available\r\n", "29 bytes \"454 4.7.0 TLS not available"),
        case("imap", b"a1 BAD unknown command\r\n", "\"a1 BAD unknown command"),
        case("pop3", b"-ERR no\r\n", "-ERR no"),
        case("ftp", b"502 not implemented\r\n", "502 not implemented"),
        case("xmpp", b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", "<failure"),
        case("ldap", b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x02\x04\x00\x04\x00", "14 bytes \"0\\x0c\\x02"),
        case("postgresql", b"N", "1 byte \"N\""),
    ]
}

/// Plain text behind the answer that turns to TLS is not taken for what comes within it.
fn injections(authority: &Authority) -> Vec<Case> {
    let case = |name: &str, stuffed: &'static str| {
        let (mut plain, within) = dialogue(name);
        let Some(Step::Send(mut last)) = plain.pop() else { unreachable!("the server speaks last") };
        last.extend_from_slice(stuffed.as_bytes());
        plain.push(Step::Send(last));
        let server = Tls::with(authority.server(&["localhost"])).play_after(plain, within);
        speaking(&format!("{name}: plain text stuffed in before TLS"), name, authority, server)
            .fails(Cause::TlsProtocolError, Stage::Tls)
            .says("came in plain text after the answer and before TLS")
            .says(stuffed.trim_end())
    };
    vec![
        case("smtp", "250 AUTH PLAIN\r\n"),
        case("imap", "a2 OK done\r\n"),
        case("pop3", "+OK\r\n"),
        case("xmpp", "<stream:features/>"),
        case("postgresql", "R"),
    ]
}

fn handshakes(authority: &Authority) -> Vec<Case> {
    let case = |failure: &str, tls: Tls| {
        let (plain, within) = dialogue("smtp");
        speaking(failure, "smtp", authority, tls.play_after(plain, within))
    };
    let hanging = |failure: &str, last: Vec<Step>| {
        let (plain, _) = dialogue("smtp");
        speaking(failure, "smtp", authority, Server::play([plain, last].concat()))
    };
    let right = || Tls::with(authority.server(&["localhost"]));
    let (mut plain, _) = dialogue("smtp");
    plain.pop();
    let client = authority.client("app", None);
    vec![
        case("STARTTLS: an expired certificate", Tls::with(authority.expired(&["localhost"])))
            .fails(Cause::CertificateExpired, Stage::Tls),
        case("STARTTLS: a certificate for another name", Tls::with(authority.server(&["mx.test"])))
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        case("STARTTLS: an unknown issuer", Tls::with(Authority::new("another authority").server(&["localhost"])))
            .fails(Cause::CertificateUntrusted, Stage::Tls),
        case("STARTTLS: a client certificate demanded, TLS 1.2", right().demanding(authority).only_12())
            .fails(Cause::ClientCertificateRequired, Stage::Tls),
        case("STARTTLS: a client certificate demanded, TLS 1.3", right().demanding(authority).only_13())
            .fails(Cause::ClientCertificateRequired, Stage::Tls)
            .or_in(Stage::Exchange),
        case("nothing: STARTTLS with a client certificate", right().demanding(authority))
            .field("tcp", "tls", json!({"caSecretRef": {"name": "ca"}, "clientCertSecretRef": {"name": "client"}}))
            .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)]),
        hanging("STARTTLS: hangs in the handshake", vec![Step::Hang])
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 300),
        hanging("STARTTLS: plain text goes on after the answer", vec![Step::Await(1), say("250 AUTH PLAIN\r\n")])
            .fails(Cause::TlsProtocolError, Stage::Tls),
        speaking("STARTTLS: never answered", "smtp", authority, Server::play([plain, vec![Step::Hang]].concat()))
            .fails(Cause::ResponseTimeout, Stage::Exchange)
            .stage_timeout(Stage::Exchange, 1500)
            .says("step 5 of 9 (expect /^220 .*\\r\\n/) with localhost, nothing received"),
    ]
}

fn waits() -> Vec<Case> {
    let case = |failure: &str, script: Vec<Step>, steps: Value| {
        let server = Server::play(script);
        Case::new(failure, json!({"tcp": {"host": "127.0.0.1", "port": server.port(), "steps": steps}})).keep(server)
    };
    vec![
        case(
            "nothing: what follows a match is there for the next step",
            vec![say("one two three"), Step::Hang],
            json!([{"expect": "one "}, {"expect": "^two "}, {"expect": "^three$"}]),
        )
        .with("assert", json!(["received == 'three'"]))
        .look(|evidence| {
            let times = evidence.facts.iter().find(|(fact, _)| *fact == Fact::StepTimes).map(|(_, times)| &**times);
            assert_eq!(times.unwrap_or_default().matches("expect ").count(), 3, "{times:?}");
        }),
        case(
            "nothing: a match of 3,500 bytes after 50,000 others, cut into packets",
            vec![
                Step::Send(vec![b'x'; 50_000]),
                Step::Send(vec![b'a'; 3_497]),
                Step::Trickle(b"en".to_vec()),
                Step::Send(b"d".to_vec()),
                Step::Hang,
            ],
            json!([{"expect": "a{600}a*end"}]),
        ),
        case("no match in time, cut by the step", vec![say("wait\x07"), Step::Hang], json!([{"expect": "ok", "within": "1500ms"}]))
            .fails(Cause::ResponseTimeout, Stage::Exchange)
            .says("step 1 of 1 (expect /ok/) with 127.0.0.1, 5 bytes \"wait\\x07\" received: no match within 1.5s (the step's own limit)"),
        case("refuses, and no TLS is meant", vec![say("-ERR max clients\r\n"), Step::Hang], json!([{"expect": "^\\+OK", "refusal": "^-ERR"}]))
            .fails(Cause::UnexpectedResult, Stage::Exchange)
            .says("the peer refuses: 18 bytes \"-ERR max clients\\r\\n\""),
        case("an endless stream in the second step", vec![say("hello"), Step::Endless(vec![b'x'; 4096])], json!([{"expect": "hello"}, {"expect": "never"}]))
            .fails(Cause::UnexpectedResult, Stage::Exchange)
            .says("step 2 of 2"),
    ]
}

#[test]
fn each_step_that_goes_wrong_has_its_cause() {
    assert!(rows().len() > 30);
}
