//! Loads real servers whose behaviour is known: steady, stalling, failing now and then, refusing. What is measured must be
//! theirs, whatever was not asked meanwhile, and nothing else in the process may be late for it.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use hyper::Version;
use runready::api::{Cause, Kind, ProbeState, Stage};
use runready::evidence::{Evidence, Fact};
use runready::plan::{Action, CheckPlan, Limits, Secrets};
use runready::probe::{self, Resolver};
use serde_json::{Value, json};

use crate::support::hostile::Refusing;
use crate::support::hostile::dns::{Dns, addresses};
use crate::support::probe::{Row, plan, runtime, vantage};
use crate::support::wait::until;
use crate::support::web::{Web, reply};

/// An HTTP server that keeps connections, with a thread for each: how long it takes and what it says is up to `answer`, which
/// gets the number of the request and the time since the first.
struct Peer {
    address: SocketAddr,
    connections: Arc<AtomicU64>,
    requests: Arc<AtomicU64>,
}

type Answer = dyn Fn(u64, Duration) -> &'static str + Send + Sync;

impl Peer {
    fn start(answer: impl Fn(u64, Duration) -> &'static str + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let (connections, requests) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (opened, asked, answer): (_, _, Arc<Answer>) = (connections.clone(), requests.clone(), Arc::new(answer));
        thread::spawn(move || {
            let begin = Instant::now();
            for stream in listener.incoming().flatten() {
                opened.fetch_add(1, Ordering::Relaxed);
                let (asked, answer) = (asked.clone(), answer.clone());
                thread::spawn(move || serve(&stream, &asked, begin, &*answer));
            }
        });
        Peer { address, connections, requests }
    }

    fn check(&self, load: Value) -> CheckPlan {
        check(json!({"url": format!("http://{}/", self.address)}), load)
    }
}

fn serve(stream: &TcpStream, asked: &AtomicU64, begin: Instant, answer: &Answer) {
    stream.set_nodelay(true).expect("a socket");
    let mut lines = BufReader::new(stream).lines();
    while lines.by_ref().take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty())).count() > 0 {
        let status = answer(asked.fetch_add(1, Ordering::Relaxed), begin.elapsed());
        let sent = write!(&mut &*stream, "HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        if sent.is_err() {
            return;
        }
    }
}

fn check(http: Value, mut load: Value) -> CheckPlan {
    load["probe"] = json!("web");
    load["every"] = json!("1h");
    let probes = json!([{"name": "web", "http": http}, {"name": "sustained", "load": load}]);
    plan(json!({"interval": "10s", "timeout": "5s", "probes": probes}), &Secrets::default())
}

/// How long a busy machine may keep a load from being sent in time.
const PATIENCE: Duration = Duration::from_secs(90);

/// Loads until it was sent in time: of one that was late itself, as on a busy machine, nothing is said.
fn in_time<Seen>(load: impl Fn() -> (Evidence, Seen)) -> (Evidence, Seen) {
    let begin = Instant::now();
    loop {
        let (evidence, seen) = load();
        let late = evidence.outcome.failure().is_some_and(|failure| failure.cause == Cause::LoadNotGenerated);
        if !late || begin.elapsed() > PATIENCE {
            return (evidence, seen);
        }
    }
}

/// Carries the load of a check out.
fn load(plan: &CheckPlan) -> Evidence {
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    runtime().block_on(probe::observe(1, &plan.probes[1], &vantage(None)))
}

/// What loads come to, for the table; tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let steady = || json!({"ratePerSecond": 50, "window": "1s", "successRatio": "99%", "latency": {"p50": "20ms"}});
        let peer = |answer: fn(u64, Duration) -> &'static str| Peer::start(answer);
        let peers = [
            ("nothing", peer(|_, _| "200 OK"), None),
            (
                "one answer of four is a 503",
                peer(|number, _| if number % 4 == 3 { "503 No" } else { "200 OK" }),
                Some(Cause::LoadNotSustained),
            ),
            (
                "slower than allowed",
                peer(|_, _| {
                    thread::sleep(Duration::from_millis(60));
                    "200 OK"
                }),
                Some(Cause::LoadLatencyExceeded),
            ),
        ];
        let row = |failure: &str, plan: &CheckPlan, cause: Option<Cause>| {
            let (evidence, ()) = in_time(|| (load(plan), ()));
            assert_eq!(evidence.outcome.failure().map(|failure| failure.cause), cause, "{failure}: {evidence:?}");
            Row::of(Kind::Load, failure, &evidence, Duration::from_secs(90))
        };
        let mut rows: Vec<Row> =
            peers.iter().map(|(failure, peer, cause)| row(failure, &peer.check(steady()), *cause)).collect();
        let refusing = Refusing::on("127.0.0.1");
        let refused = check(json!({"url": format!("http://127.0.0.1:{}/", refusing.port())}), steady());
        rows.push(row("refused", &refused, Some(Cause::LoadNotSustained)));
        rows
    })
}

fn fact(evidence: &Evidence, fact: Fact) -> &str {
    evidence.facts.iter().find(|(known, _)| *known == fact).map_or("", |(_, value)| value)
}

fn millis(text: &str) -> f64 {
    let unit = text.trim_start_matches(|part: char| part.is_ascii_digit() || part == '.');
    let number: f64 = text[..text.len() - unit.len()].parse().unwrap_or_else(|_| panic!("a duration: {text}"));
    number
        * [("ns", 1e-6), ("µs", 1e-3), ("ms", 1.0), ("s", 1e3)]
            .iter()
            .find(|(name, _)| *name == unit)
            .expect("a unit")
            .1
}

fn message(evidence: &Evidence) -> &str {
    evidence.outcome.failure().map_or("", |failure| &failure.message)
}

fn ends_in(evidence: &Evidence, cause: Cause) {
    let failure = evidence.outcome.failure().unwrap_or_else(|| panic!("{evidence:?}"));
    assert_eq!((failure.cause, failure.stage), (cause, Some(Stage::Load)), "{}", failure.message);
}

#[test]
fn every_request_that_is_due_is_sent_and_the_servers_own_time_is_what_is_measured() {
    let peer = Peer::start(|_, _| {
        thread::sleep(Duration::from_millis(5));
        "200 OK"
    });
    let evidence = load(&peer.check(json!({"ratePerSecond": 200, "window": "2s"})));
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    assert_eq!(fact(&evidence, Fact::LoadSent), "400");
    assert_eq!(peer.requests.load(Ordering::Relaxed), 400);
    assert_eq!(fact(&evidence, Fact::LoadRatio), "100.00%");
    assert!(millis(fact(&evidence, Fact::LoadP50)) >= 5.0, "{evidence:?}");
    let connections = peer.connections.load(Ordering::Relaxed);
    assert!(connections < 100, "connections are used again, not opened {connections} times for 400 requests");
}

#[test]
fn a_server_that_stalls_is_charged_with_all_that_was_due_meanwhile() {
    // With 20 connections, no more than 20 requests are ever sent into the stall: a loop that waits for answers would see
    // 20 slow ones of 280, and with two connections 2.
    let stalling = || {
        let peer = Peer::start(|_, since| {
            let (from, to) = (Duration::from_millis(1500), Duration::from_millis(2500));
            if since > from && since < to {
                thread::sleep(to - since);
            }
            "200 OK"
        });
        let mut plan =
            peer.check(json!({"ratePerSecond": 100, "window": "4s", "latency": {"p50": "400ms", "p99": "500ms"}}));
        Limits { load_concurrency: 2, ..Limits::default() }.hold(&mut plan);
        (load(&plan), peer)
    };
    let (evidence, peer) = in_time(stalling);
    ends_in(&evidence, Cause::LoadLatencyExceeded);
    assert!(message(&evidence).contains("p99 was ") && !message(&evidence).contains("p50"), "{}", message(&evidence));
    assert!(millis(fact(&evidence, Fact::LoadP95)) > 500.0, "a quarter of all had to wait: {evidence:?}");
    assert!(evidence.latency < Duration::from_millis(400), "a load's latency is its median: {evidence:?}");
    assert!(millis(fact(&evidence, Fact::LoadOwnLateness)) < 500.0, "that is not our own lateness: {evidence:?}");
    assert!(peer.connections.load(Ordering::Relaxed) <= 2);
}

#[test]
fn a_server_that_fails_now_and_then_does_not_sustain_the_load() {
    let peer = Peer::start(|number, _| if number % 4 == 3 { "503 Service Unavailable" } else { "200 OK" });
    let strict = peer.check(json!({"ratePerSecond": 100, "window": "1s", "successRatio": "99%"}));
    let (evidence, ()) = in_time(|| (load(&strict), ()));
    ends_in(&evidence, Cause::LoadNotSustained);
    for part in ["75 of 100 requests succeeded (75.00%; 99.00% are needed)", "25.00% StatusUnexpected", "answered 503"]
    {
        assert!(message(&evidence).contains(part), "{part}: {}", message(&evidence));
    }
    let evidence = load(&peer.check(json!({"ratePerSecond": 100, "window": "1s", "successRatio": "75%"})));
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
}

#[test]
fn a_server_that_never_answers_takes_every_place_and_the_rest_is_said_to_be_unsent() {
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", silent.local_addr().expect("an address"));
    let mut plan = check(json!({"url": url}), json!({"ratePerSecond": 50, "window": "1s"}));
    Limits { load_concurrency: 5, ..Limits::default() }.hold(&mut plan);
    let (evidence, ()) = in_time(|| (load(&plan), ()));
    ends_in(&evidence, Cause::LoadNotSustained);
    assert!(message(&evidence).contains("not sent, all 5 places being taken"), "{}", message(&evidence));
    assert!(message(&evidence).contains("0 of 50 requests succeeded"), "{}", message(&evidence));
}

#[test]
fn so_many_at_once_are_kept_up_and_no_faster_than_the_operator_allows() {
    let peer = Peer::start(|_, _| "200 OK");
    let mut plan = peer.check(json!({"concurrency": 4, "window": "1s"}));
    Limits { load_rate: 100, ..Limits::default() }.hold(&mut plan);
    let evidence = load(&plan);
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    assert_eq!(peer.connections.load(Ordering::Relaxed), 4);
    let requests = peer.requests.load(Ordering::Relaxed);
    assert!((4..=104).contains(&requests), "{requests}");
}

#[test]
fn any_other_kind_can_be_repeated() {
    let refusing = Refusing::on("127.0.0.1");
    let load_of_probe = |probe: Value| {
        let of_it = json!({"name": "sustained", "load": {"probe": "web", "ratePerSecond": 50, "window": "1s", "afterRecovery": true}});
        load(&plan(json!({"probes": [probe, of_it]}), &Secrets::default()))
    };
    let load_of = |host: &str, port: u16| load_of_probe(json!({"name": "web", "tcp": {"host": host, "port": port}}));
    let (evidence, ()) = in_time(|| (load_of("127.0.0.1", refusing.port()), ()));
    ends_in(&evidence, Cause::LoadNotSustained);
    assert!(message(&evidence).contains("100.00% ConnectionRefused"), "{}", message(&evidence));
    let peer = Peer::start(|_, _| "200 OK");
    let evidence = load_of("127.0.0.1", peer.address.port());
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    let evidence = load_of("169.254.169.254", 80);
    ends_in(&evidence, Cause::TargetNotAllowed);
    assert_eq!(evidence.outcome.state(), ProbeState::Unknown);
    let slow = Peer::start(|_, _| {
        thread::sleep(Duration::from_millis(5));
        "200 OK"
    });
    let exchange = json!({
        "host": "127.0.0.1", "port": slow.address.port(), "send": "GET / HTTP/1.1\r\nhost: h\r\n\r\n", "expect": "200 OK",
    });
    let evidence = load_of_probe(json!({"name": "web", "tcp": exchange, "maxLatency": "1ms"}));
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "what is degraded has succeeded: {evidence:?}");
}

#[test]
fn an_ordinary_run_leaves_loads_out() {
    let peer = Peer::start(|_, _| "200 OK");
    let plan = peer.check(json!({"ratePerSecond": 100, "window": "1s"}));
    let evidence = runtime().block_on(probe::observe_check(&plan, &vantage(None)));
    assert_eq!(evidence.iter().map(|evidence| evidence.probe).collect::<Vec<_>>(), [0]);
    assert_eq!(peer.requests.load(Ordering::Relaxed), 1);
}

#[test]
fn nothing_else_is_late_for_a_load_and_it_ends_when_nobody_waits_for_it() {
    let peer = Peer::start(|_, _| "200 OK");
    let plan = peer.check(json!({"ratePerSecond": 1000, "window": "60s"}));
    let lateness = || {
        runtime().block_on(async {
            let vantage = vantage(None);
            let mut loading = std::pin::pin!(probe::observe(1, &plan.probes[1], &vantage));
            let mut late = Vec::new();
            for _ in 0..100 {
                let due = Instant::now() + Duration::from_millis(10);
                tokio::select! {
                    evidence = &mut loading => panic!("it ended early: {evidence:?}"),
                    () = tokio::time::sleep_until(due.into()) => late.push(due.elapsed()),
                }
            }
            late.sort();
            late[50]
        })
    };
    // What blocked the thread would do so each time; a busy machine does not.
    until(PATIENCE, "half of the ticks to be in time", || match lateness() {
        late if late < Duration::from_millis(8) => Ok(()),
        late => Err(format!("{late:?}")),
    });
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let before = peer.requests.load(Ordering::Relaxed);
        thread::sleep(Duration::from_millis(300));
        if peer.requests.load(Ordering::Relaxed) == before && before > 0 {
            return;
        }
        assert!(Instant::now() < patience, "the load goes on although nobody waits for it");
    }
}

#[test]
fn cloud_runs_own_answers_are_known_under_load_too() {
    let web = Web::plain(Version::HTTP_11, |_| reply(429, &[("server", "Google Frontend")], "Rate exceeded."));
    let plan = check(
        json!({"url": format!("http://127.0.0.1:{}/", web.port())}),
        json!({"ratePerSecond": 50, "window": "1s"}),
    );
    let (evidence, ()) = in_time(|| (load(&plan), ()));
    ends_in(&evidence, Cause::LoadNotSustained);
    assert!(message(&evidence).contains("100.00% CloudRunThrottled"), "{}", message(&evidence));
}

#[test]
fn a_request_of_a_load_takes_the_first_address_that_answers() {
    let peer = Peer::start(|_, _| "200 OK");
    let port = peer.address.port();
    let second = TcpListener::bind(("127.0.0.2", port)).expect("the same port");
    second.set_nonblocking(true).expect("a socket");
    let both = ["127.0.0.1", "127.0.0.2"].map(|text| text.parse().expect("an address"));
    let dns = Dns::serve([("db.test.", addresses(&both))]);
    let probe = json!({"name": "web", "tcp": {"host": "db.test.", "port": port}});
    let of_it =
        json!({"name": "sustained", "load": {"probe": "web", "ratePerSecond": 20, "window": "1s", "every": "1h"}});
    let plan = plan(json!({"probes": [probe, of_it]}), &Secrets::default());
    let vantage = vantage(Some(Resolver::asking(dns.address(), Duration::from_secs(5))));
    let evidence = runtime().block_on(probe::observe(1, &plan.probes[1], &vantage));
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    assert!(second.accept().is_err(), "somebody has come by the second address");
    let evidence = runtime().block_on(probe::observe(0, &plan.probes[0], &vantage));
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    assert!(second.accept().is_ok(), "the probe itself tries both");
}

#[test]
fn what_each_request_opens_counts_against_the_limits() {
    let of = |connections: u16, load: Value| {
        let postgres =
            json!({"host": "127.0.0.1", "port": 1, "database": "d", "user": "u", "connections": connections});
        let mut load = load;
        load["probe"] = json!("db");
        load["every"] = json!("1h");
        let probes = json!([{"name": "db", "postgres": postgres}, {"name": "sustained", "load": load}]);
        let mut plan = plan(json!({"interval": "10s", "timeout": "5s", "probes": probes}), &Secrets::default());
        Limits::default().hold(&mut plan);
        plan
    };
    for (connections, load, field, says) in [
        (20, json!({"concurrency": 6}), "concurrency", "6 times the 20 connections of db is more than the 100"),
        (20, json!({"ratePerSecond": 51}), "ratePerSecond", "51 times the 20 connections of db is more than the 1000"),
        (
            101,
            json!({"ratePerSecond": 1}),
            "probe",
            "one at a time, with the 101 connections of db each, is more than the 100",
        ),
    ] {
        let plan = of(connections, load);
        let [fault] = &*plan.faults else { panic!("{:?}", plan.faults) };
        assert_eq!(
            (fault.cause, fault.field.as_str()),
            (Cause::LimitExceeded, format!("spec.probes[1].load.{field}").as_str())
        );
        assert!(fault.message.contains(says), "{fault}");
    }
    let mut few = of(20, json!({"concurrency": 1}));
    Limits { load_rate: 10, ..Limits::default() }.hold(&mut few);
    assert!(few.faults[0].message.contains("with the 20 connections of db, is more than the 10"), "{:?}", few.faults);
    let plan = of(20, json!({"ratePerSecond": 50}));
    let Ok(Action::Load(load)) = plan.probes[1].action.as_deref() else { panic!("{:?}", plan.faults) };
    assert_eq!((load.most_in_flight, load.most_per_second), (5, 50), "100 connections at once, 1000 each second");
}

#[test]
fn what_goes_beyond_the_operators_limits_is_refused_and_says_which() {
    for (load, field, says) in [
        (
            json!({"ratePerSecond": 1001}),
            "ratePerSecond",
            "1001 is more than the 1000 that whoever runs runready allows (--max-load-rate)",
        ),
        (
            json!({"concurrency": 101}),
            "concurrency",
            "101 is more than the 100 that whoever runs runready allows (--max-load-concurrency)",
        ),
        (
            json!({"concurrency": 1, "window": "6m"}),
            "window",
            "360s is more than the 300s that whoever runs runready allows (--max-load-window)",
        ),
    ] {
        let mut plan = check(json!({"url": "http://127.0.0.1:1/"}), load);
        Limits::default().hold(&mut plan);
        let [fault] = &*plan.faults else { panic!("{:?}", plan.faults) };
        assert_eq!(
            (fault.cause, fault.field.as_str()),
            (Cause::LimitExceeded, format!("spec.probes[1].load.{field}").as_str())
        );
        assert!(fault.message.contains(says), "{fault}");
        let refused = plan.probes[1].action.as_ref().expect_err("it is not carried out");
        assert_eq!(refused.cause, Cause::LimitExceeded);
        assert!(plan.probes[0].action.is_ok(), "the others go on");
    }
}
