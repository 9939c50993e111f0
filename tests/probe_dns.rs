//! Tries the `dns` kind against a DNS server that answers as it is told: each way of failing has its cause.

use std::sync::OnceLock;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::{MX, PTR, SRV, TXT};
use hickory_resolver::proto::rr::{Name, RData};
use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};

use crate::support::hostile::Refusing;
use crate::support::hostile::dns::{Answer, Dns, addresses};
use crate::support::probe::{Case, Row, try_all};

fn ip(text: &str) -> std::net::IpAddr {
    text.parse().expect("an address")
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

/// A probe of the server for a name.
fn ask(dns: &Dns, record_type: &str, name: &str) -> Value {
    json!({"dns": {"name": name, "recordType": record_type, "resolver": dns.address().to_string()}})
}

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([answers(), failures(), silences()].into_iter().flatten().collect()))
}

fn answers() -> Vec<Case> {
    let dns = Dns::serve([
        ("db.test.", addresses(&[ip("10.0.0.2"), ip("10.0.0.1"), ip("fd00::1")])),
        (
            "alias.test.",
            Answer::Records(vec![RData::CNAME(hickory_resolver::proto::rr::rdata::CNAME(name("db.test.")))]),
        ),
        ("mail.test.", Answer::Records(vec![RData::MX(MX::new(10, name("mx.test.")))])),
        ("_pg._tcp.test.", Answer::Records(vec![RData::SRV(SRV::new(1, 2, 5432, name("db.test.")))])),
        ("text.test.", Answer::Records(vec![RData::TXT(TXT::new(vec!["v=one two".to_owned()]))])),
        ("my_db.test.", addresses(&[ip("10.0.0.4")])),
        ("3.0.0.10.in-addr.arpa.", Answer::Records(vec![RData::PTR(PTR(name("db.test.")))])),
        ("large.test.", Answer::Truncated(vec![RData::A(std::net::Ipv4Addr::new(10, 0, 0, 7).into())])),
    ]);
    let with = |mut probe: Value, expect: &[&str]| {
        probe["dns"]["expect"] = json!(expect);
        probe
    };
    let cases = vec![
        Case::new("nothing: A", ask(&dns, "A", "db.test")).fact(Fact::Records, "10.0.0.1, 10.0.0.2"),
        Case::new("nothing: what is asserted of the records holds", ask(&dns, "A", "db.test"))
            .with("assert", json!(["size(records) == 2 && '10.0.0.1' in records && has(stages.resolve)"])),
        Case::new("nothing: AAAA", with(ask(&dns, "AAAA", "db.test"), &["fd00::1"])).fact(Fact::Records, "fd00::1"),
        Case::new("nothing: CNAME", with(ask(&dns, "CNAME", "alias.test"), &["DB.test"])),
        Case::new("nothing: MX", with(ask(&dns, "MX", "mail.test"), &["10 mx.test."])),
        Case::new("nothing: SRV", with(ask(&dns, "SRV", "_pg._tcp.test"), &["1 2 5432 db.test"])),
        Case::new("nothing: TXT", with(ask(&dns, "TXT", "text.test"), &["v=one two"])),
        Case::new("nothing: a name with an underscore", ask(&dns, "A", "my_db.test")).fact(Fact::Records, "10.0.0.4"),
        Case::new("nothing: the name of an address", with(ask(&dns, "PTR", "10.0.0.3"), &["db.test"])),
        Case::new("truncated over UDP, whole over TCP", ask(&dns, "A", "large.test")).fact(Fact::Records, "10.0.0.7"),
        Case::new("another address than expected", with(ask(&dns, "A", "db.test"), &["10.0.0.1", "10.9.9.9"]))
            .fails(Cause::UnexpectedResult, Stage::Resolve)
            .says("10.9.9.9 is not among the answers for db.test: 10.0.0.1, 10.0.0.2"),
        Case::new("no record of this type (NODATA)", ask(&dns, "MX", "db.test"))
            .fails(Cause::NoAddress, Stage::Resolve)
            .fact(Fact::ResponseCode, "NoError"),
        Case::new("no such name (NXDOMAIN)", ask(&dns, "A", "nowhere.test"))
            .fails(Cause::NameNotFound, Stage::Resolve)
            .fact(Fact::ResponseCode, "NXDomain")
            .says("nowhere.test does not exist"),
    ];
    held(cases, dns)
}

/// Keeps a server until all of its cases have been tried.
fn held(cases: Vec<Case>, dns: Dns) -> Vec<Case> {
    let dns = std::sync::Arc::new(dns);
    cases.into_iter().map(|case| case.keep(dns.clone())).collect()
}

fn failures() -> Vec<Case> {
    let dns = Dns::serve([
        ("servfail.test.", Answer::Code(ResponseCode::ServFail)),
        ("refused.test.", Answer::Code(ResponseCode::Refused)),
        ("garbage.test.", Answer::Garbage),
    ]);
    let nobody = Refusing::on("127.0.0.1");
    let at_nobody = json!({"dns": {"name": "db.test", "resolver": format!("127.0.0.1:{}", nobody.port())}});
    let mut cases = held(
        vec![
            Case::new("SERVFAIL", ask(&dns, "A", "servfail.test"))
                .fails(Cause::ResolverFailed, Stage::Resolve)
                .fact(Fact::ResponseCode, "ServFail"),
            Case::new("REFUSED", ask(&dns, "A", "refused.test"))
                .fails(Cause::ResolverFailed, Stage::Resolve)
                .fact(Fact::ResponseCode, "Refused"),
            Case::new("garbage", ask(&dns, "A", "garbage.test"))
                .fails(Cause::ResolverFailed, Stage::Resolve)
                .timeout(3000),
        ],
        dns,
    );
    cases.push(
        Case::new("no DNS server at this port", at_nobody)
            .fails(Cause::ResolverUnreachable, Stage::Resolve)
            .says(nobody.port().to_string())
            .keep(nobody),
    );
    cases
}

fn silences() -> Vec<Case> {
    let address = vec![RData::A(std::net::Ipv4Addr::new(10, 0, 0, 7).into())];
    let dns = std::sync::Arc::new(Dns::serve([
        ("silence.test.", Answer::Silence),
        ("truncated.test.", Answer::TruncatedThenSilent),
    ]));
    let half_up = std::sync::Arc::new(Dns::serve([("half.test.", Answer::SecondTime(address))]));
    let asked = half_up.clone();
    vec![
        Case::new("silence", ask(&dns, "A", "silence.test"))
            .fails(Cause::ResolverTimeout, Stage::Resolve)
            .timeout(500)
            .keep(dns.clone()),
        Case::new("silence, cut by the stage", ask(&dns, "A", "silence.test"))
            .fails(Cause::ResolverTimeout, Stage::Resolve)
            .stage_timeout(Stage::Resolve, 300)
            .says("the stage's own limit")
            .keep(dns.clone()),
        Case::new("truncated over UDP, silent over TCP", ask(&dns, "A", "truncated.test"))
            .fails(Cause::ResolverTimeout, Stage::Resolve)
            .timeout(700)
            .keep(dns),
        Case::new("a server that answers the second question", ask(&half_up, "A", "half.test"))
            .fails(Cause::ResolverTimeout, Stage::Resolve)
            .timeout(2000)
            .look(move |_| assert_eq!(asked.questions(), 1, "one attempt, no hidden retry"))
            .keep(half_up),
    ]
}

#[test]
fn each_answer_of_a_dns_server_has_its_cause() {
    assert!(rows().len() > 15);
}
