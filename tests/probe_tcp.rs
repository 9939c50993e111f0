//! Tries the `tcp` kind, and the resolve and connect stages that it shares with others, against servers that hang, reset,
//! close, babble and drip, over IPv4 and IPv6, and names with several addresses of which some are dead.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hickory_resolver::proto::op::ResponseCode;
use runready::api::{Cause, ProbeState, Stage};
use runready::evidence::{Evidence, Fact, Outcome};
use serde_json::{Value, json};

use crate::support::hostile::dns::{Answer, Dns, addresses};
use crate::support::hostile::{Refusing, Server, Silent, Step, listener, say};
use crate::support::probe::{Case, Row, observe, plan, try_all, vantage};
use crate::support::process::free_port;

const ONE_IN_FAMILY: [&str; 2] = ["127.0.0.1", "[::1]"];

fn tcp(host: &str, port: u16) -> Value {
    json!({"tcp": {"host": host.trim_matches(['[', ']']), "port": port}})
}

fn expecting(server: &Server, send: Option<&str>, expect: &str) -> Value {
    let mut probe = tcp("127.0.0.1", server.port());
    probe["tcp"]["send"] = json!(send);
    probe["tcp"]["expect"] = json!(expect);
    probe
}

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [connections(), exchanges(), names(), many_addresses()];
        try_all(cases.into_iter().flatten().collect())
    })
}

fn connections() -> Vec<Case> {
    let mut cases = Vec::new();
    for host in ONE_IN_FAMILY {
        let bare = host.trim_matches(['[', ']']);
        let server = Server::play_on(listener(&format!("{host}:0")), vec![Step::Hang]);
        let nobody = Refusing::on(bare);
        let silent = Silent::on(host);
        cases.extend([
            Case::new(format!("nothing, at {bare}"), tcp(host, server.port())).keep(server),
            Case::new(format!("nobody listens, at {bare}"), tcp(host, nobody.port()))
                .fails(Cause::ConnectionRefused, Stage::Connect)
                .says(format!("connecting to {host}:{}", nobody.port()))
                .keep(nobody),
            Case::new(format!("packets dropped, at {bare}"), tcp(host, silent.address().port()))
                .fails(Cause::ConnectTimeout, Stage::Connect)
                .timeout(400)
                .says("no answer within 400ms")
                .keep(silent),
        ]);
    }
    let silent = Silent::on("127.0.0.1");
    cases.push(
        Case::new("packets dropped, cut by the stage", tcp("127.0.0.1", silent.address().port()))
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .stage_timeout(Stage::Connect, 300)
            .says("the stage's own limit")
            .keep(silent),
    );
    cases
}

fn exchanges() -> Vec<Case> {
    let case = |failure: &str, script: Vec<Step>, expect: &str| {
        let server = Server::play(script);
        Case::new(failure, expecting(&server, Some("PING\r\n"), expect)).keep(server)
    };
    let pong = r"(?m)^\+PONG\r$";
    vec![
        case("nothing: the answer expected", vec![Step::AwaitText("PING\r\n"), say("+PONG\r\n"), Step::Hang], pong),
        case(
            "nothing: what is asserted of it holds",
            vec![Step::AwaitText("PING\r\n"), say("+PONG\r\n"), Step::Hang],
            pong,
        )
        .with("assert", json!(["received.startsWith('+PONG') && latency < duration('15s')"])),
        case(
            "nothing: an answer in two packets",
            vec![Step::Await(1), say("+PO"), Step::Trickle(b"NG\r\n".to_vec())],
            "O.*G",
        ),
        case("accepts and hangs", vec![Step::Hang], pong)
            .fails(Cause::ResponseTimeout, Stage::Exchange)
            .stage_timeout(Stage::Exchange, 400),
        case("one byte a second", vec![Step::Trickle(b"+PONG\r\n".to_vec())], pong)
            .fails(Cause::ResponseTimeout, Stage::Exchange)
            .stage_timeout(Stage::Exchange, 1200),
        case("resets at once", vec![Step::Reset], pong)
            .fails(Cause::ConnectionReset, Stage::Exchange)
            .or_in(Stage::Connect),
        case("resets on the first bytes", vec![Step::Await(1), Step::Reset], pong)
            .fails(Cause::ConnectionReset, Stage::Exchange),
        case("resets in the middle of its answer", vec![say("+PO"), Step::Await(1), Step::Reset], pong)
            .fails(Cause::ConnectionReset, Stage::Exchange),
        case("closes at once", vec![], pong).fails(Cause::ConnectionClosed, Stage::Exchange),
        case("closes in the middle of its answer", vec![say("+PO")], pong)
            .fails(Cause::UnexpectedResult, Stage::Exchange)
            .says("the peer sent 3 bytes \"+PO\", none of which match expect, and closed the connection"),
        case("garbage", vec![Step::Send((0..=255).collect())], pong).fails(Cause::UnexpectedResult, Stage::Exchange),
        case("an endless stream", vec![Step::Endless(vec![b'x'; 64 * 1024])], pong)
            .fails(Cause::UnexpectedResult, Stage::Exchange)
            .says("without a match"),
        case("slower than maxLatency", vec![Step::Trickle(b"ok".to_vec())], "ok")
            .with("maxLatency", json!("500ms"))
            .degraded(Cause::LatencyExceeded, Stage::Exchange)
            .says("the slowest stage was exchange"),
    ]
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn names() -> Vec<Case> {
    let dns = Arc::new(Dns::serve([
        ("nodata.test.", Answer::Records(Vec::new())),
        ("servfail.test.", Answer::Code(ResponseCode::ServFail)),
        ("silence.test.", Answer::Silence),
    ]));
    let case = |failure: &str, name: &str, cause: Cause| {
        Case::new(failure, tcp(name, 1)).resolver(&dns).fails(cause, Stage::Resolve).says(name).keep(dns.clone())
    };
    vec![
        case("its name does not exist (NXDOMAIN)", "nowhere.test", Cause::NameNotFound),
        case("its name is reserved, so that no DNS server is asked", "db.invalid", Cause::NameNotFound)
            .says("as it stands no DNS server is asked for it"),
        case("its name has no address (NODATA)", "nodata.test", Cause::NoAddress),
        case("the DNS server fails (SERVFAIL)", "servfail.test", Cause::ResolverFailed),
        case("the DNS server is silent", "silence.test", Cause::ResolverTimeout).timeout(400),
    ]
}

/// A name with addresses of the loopback, all with one port: `alive` ones answer.
fn several(alive: &[&str], addressed: &[&str]) -> (Arc<Dns>, Vec<Server>, u16) {
    let dns = Dns::serve([("several.test.", addresses(&addressed.iter().map(|text| ip(text)).collect::<Vec<_>>()))]);
    let mut servers: Vec<Server> = Vec::new();
    for host in alive {
        let port = servers.first().map_or_else(free_port, Server::port);
        let address = std::net::SocketAddr::new(ip(host), port).to_string();
        servers.push(Server::play_on(listener(&address), vec![Step::Hang]));
    }
    let port = servers.first().map_or_else(free_port, Server::port);
    (Arc::new(dns), servers, port)
}

/// What the evidence says of each address.
fn seen(evidence: &Evidence) -> Vec<(String, Option<Cause>)> {
    let mut seen: Vec<_> =
        evidence.addresses.iter().map(|record| (record.address.ip().to_string(), record.cause)).collect();
    seen.sort();
    seen
}

fn addresses_are(expected: &[(&str, Option<Cause>)]) -> impl Fn(&Evidence) + Send + Sync + 'static {
    let expected: Vec<(String, Option<Cause>)> =
        expected.iter().map(|(address, cause)| ((*address).to_owned(), *cause)).collect();
    move |evidence| assert_eq!(seen(evidence), expected)
}

fn many_addresses() -> Vec<Case> {
    let case = |failure: &str, dns: &Arc<Dns>, port: u16| {
        Case::new(failure, tcp("several.test", port)).resolver(dns).keep(dns.clone())
    };
    let (dns, servers, port) = several(&["127.0.0.1", "127.0.0.2", "::1"], &["127.0.0.1", "127.0.0.2", "::1"]);
    let all_alive = case("nothing: three addresses, both families", &dns, port).keep(servers).look(addresses_are(&[
        ("127.0.0.1", None),
        ("127.0.0.2", None),
        ("::1", None),
    ]));

    let (dns, servers, port) = several(&["127.0.0.1"], &["127.0.0.1", "127.0.0.2"]);
    let refused = Some(Cause::ConnectionRefused);
    let one_refused = case("one of two addresses refuses", &dns, port)
        .degraded(Cause::ConnectionRefused, Stage::Connect)
        .says(format!("1 of 2 addresses do not answer: 127.0.0.2:{port}"))
        .look(addresses_are(&[("127.0.0.1", None), ("127.0.0.2", refused)]))
        .keep(servers);

    let (dns, servers, port) = several(&["127.0.0.1"], &["::1", "127.0.0.1"]);
    let one_family = case("one of two families refuses", &dns, port)
        .degraded(Cause::ConnectionRefused, Stage::Connect)
        .look(addresses_are(&[("127.0.0.1", None), ("::1", refused)]))
        .keep(servers);

    let (dns, servers, port) = several(&["127.0.0.1"], &["127.0.0.1", "127.0.0.2"]);
    let silent = Silent::at(std::net::SocketAddr::new(ip("127.0.0.2"), port));
    let one_silent = case("one of two addresses is silent", &dns, port)
        .degraded(Cause::ConnectTimeout, Stage::Connect)
        .stage_timeout(Stage::Connect, 2500)
        .look(addresses_are(&[("127.0.0.1", None), ("127.0.0.2", Some(Cause::ConnectTimeout))]))
        .look(|evidence| assert!(evidence.latency < Duration::from_millis(2000), "the wait is not the path's"))
        .keep((servers, silent));

    let (dns, servers, port) = several(&["127.0.0.2"], &["127.0.0.1", "127.0.0.2"]);
    let silent = Silent::at(std::net::SocketAddr::new(ip("127.0.0.1"), port));
    let mut eyeballs = tcp("several.test", port);
    eyeballs["tcp"]["happyEyeballs"] = json!(true);
    let happy = Case::new("nothing: happyEyeballs, the first address is silent", eyeballs)
        .resolver(&dns)
        .timeout(5000)
        .look(addresses_are(&[("127.0.0.2", None)]))
        .keep((dns, servers, silent));

    let (dns, _, port) = several(&[], &["127.0.0.1", "127.0.0.2"]);
    let none = case("every address refuses", &dns, port)
        .fails(Cause::ConnectionRefused, Stage::Connect)
        .says("none of 127.0.0.1")
        .look(addresses_are(&[("127.0.0.1", refused), ("127.0.0.2", refused)]));

    let (dns, _, port) = several(&[], &["127.0.0.1", "127.0.0.2"]);
    let silent = Silent::at(std::net::SocketAddr::new(ip("127.0.0.2"), port));
    let mixed = case("one address refuses, one is silent", &dns, port)
        .fails(Cause::ConnectionRefused, Stage::Connect)
        .stage_timeout(Stage::Connect, 500)
        .look(addresses_are(&[("127.0.0.1", refused), ("127.0.0.2", Some(Cause::ConnectTimeout))]))
        .keep(silent);

    let many: Vec<String> = (1..=200).map(|last| format!("127.0.1.{last}")).collect();
    let (dns, _, port) = several(&[], &many.iter().map(String::as_str).collect::<Vec<_>>());
    let too_many = case("two hundred addresses, all refuse", &dns, port)
        .fails(Cause::ConnectionRefused, Stage::Connect)
        .fact(Fact::AddressesLeftOut, "168")
        .look(|evidence| assert_eq!(evidence.addresses.len(), 32));

    vec![all_alive, one_refused, one_family, one_silent, happy, none, mixed, too_many]
}

#[test]
fn each_way_of_not_connecting_has_its_cause() {
    assert!(rows().len() > 25);
}

#[test]
fn the_probes_of_a_check_run_side_by_side() {
    let silent = Silent::on("127.0.0.1");
    let probe = |name: &str| {
        let mut probe = tcp("127.0.0.1", silent.address().port());
        probe["name"] = json!(name);
        probe
    };
    let spec = json!({"timeout": "3s", "probes": [probe("one"), probe("two"), probe("three")]});
    let plan = plan(spec, &runready::plan::Secrets::default());
    let begin = Instant::now();
    let evidence = observe(&plan, &vantage(None));
    let took = begin.elapsed();
    assert!(evidence.iter().all(|evidence| evidence.outcome.state() == ProbeState::Failing), "{evidence:?}");
    assert!(took >= Duration::from_secs(3) && took < Duration::from_millis(5700), "{took:?} for three of 3 s each");
}

#[test]
fn what_depends_on_a_failing_probe_is_not_tried() {
    let nobody = Refusing::on("127.0.0.1");
    let server = Server::play(vec![Step::Hang]);
    let named = |name: &str, port: u16, on: &[&str]| {
        let mut probe = tcp("127.0.0.1", port);
        probe["name"] = json!(name);
        probe["dependsOn"] = json!(on);
        probe
    };
    let probes = [
        named("dead", nobody.port(), &[]),
        named("alive", server.port(), &[]),
        named("needs-dead", server.port(), &["alive", "dead"]),
        named("needs-that", server.port(), &["needs-dead"]),
        named("needs-alive", server.port(), &["alive"]),
    ];
    let plan = plan(json!({"probes": probes}), &runready::plan::Secrets::default());
    let evidence = observe(&plan, &vantage(None));
    let outcomes: Vec<&Outcome> = evidence.iter().map(|evidence| &evidence.outcome).collect();
    assert_eq!(outcomes[0].failure().expect("a failure").cause, Cause::ConnectionRefused);
    assert_eq!(outcomes[1], &Outcome::Passed);
    assert_eq!(outcomes[2], &Outcome::Skipped { because_of: 0 });
    assert_eq!(outcomes[3], &Outcome::Skipped { because_of: 2 });
    assert_eq!(outcomes[4], &Outcome::Passed);
    assert!(evidence[2].stages.is_empty() && evidence[2].addresses.is_empty(), "nothing was tried");
}
