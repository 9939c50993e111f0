//! What may not be probed: metadata servers and other targets that the operator's rules refuse, in every notation, by name, and
//! behind a redirect; what is still let through; and that no probe has another way to a socket.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, OnceLock};

use proc_macro2::{TokenStream, TokenTree};
use runready::api::{Cause, Stage};
use runready::evidence::Evidence;
use runready::probe::net::targets::{Rules, network};
use serde_json::{Value, json};

use crate::support::hostile::dns::{Answer, Dns, addresses};
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};
use crate::support::scratch;

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([notations(), kinds(), names(), redirects(), lists()].into_iter().flatten().collect()))
}

fn http(url: &str) -> Value {
    json!({"http": {"url": url, "followRedirects": 3}})
}

fn tcp(host: &str, port: u16) -> Value {
    json!({"tcp": {"host": host, "port": port}})
}

/// It may not be probed, and no connection was so much as tried.
fn refused(failure: impl Into<String>, probe: Value) -> Case {
    Case::new(failure, probe).refused(Stage::Connect).look(untried)
}

fn untried(evidence: &Evidence) {
    assert!(evidence.stages.iter().all(|stage| stage.stage != Stage::Connect || !stage.passed), "{evidence:?}");
    assert!(evidence.addresses.iter().all(|record| record.cause == Some(Cause::TargetNotAllowed)), "{evidence:?}");
}

fn notations() -> Vec<Case> {
    let hosts = [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[fe80::1]",
    ];
    let case = |host: &str| {
        refused(format!("metadata, written {host}"), http(&format!("http://{host}/latest/meta-data")))
            .says("--allow-link-local")
    };
    hosts.into_iter().map(case).collect()
}

fn kinds() -> Vec<Case> {
    let postgres = json!({"postgres": {"host": "169.254.169.254", "database": "app", "user": "app"}});
    let tls = json!({"tls": {"host": "169.254.169.254", "port": 443}});
    let resolver = json!({"dns": {"name": "db.test", "resolver": "169.254.169.254:80"}});
    let denied = json!({"dns": {"name": "db.test", "resolver": "127.0.0.1:53"}});
    let rules = Rules { denied: vec![network("127.0.0.0/8").expect("a network")], ..Rules::default() };
    vec![
        refused("metadata", tcp("169.254.169.254", 53)),
        refused("metadata", tls),
        refused("metadata", postgres),
        Case::new("metadata, as a DNS server on another port", resolver).refused(Stage::Resolve),
        Case::new("a denied DNS server", denied).rules(rules).refused(Stage::Resolve).says("--target-deny-cidrs"),
    ]
}

fn names() -> Vec<Case> {
    let ips = |texts: &[&str]| addresses(&texts.iter().map(|text| text.parse().expect("one")).collect::<Vec<_>>());
    let server = Server::play(vec![Step::Hang]);
    let dns = Arc::new(Dns::serve([
        ("rebound.test.", ips(&["169.254.169.254"])),
        ("mapped.test.", ips(&["::ffff:169.254.169.254"])),
        ("both.test.", ips(&["127.0.0.1", "169.254.169.254"])),
        ("metadata.google.internal.", Answer::Silence),
    ]));
    let unasked = dns.clone();
    let named = |failure: &str, host: &str| refused(failure, tcp(host, 80)).resolver(&dns).keep(dns.clone());
    vec![
        named("a name that leads to metadata", "rebound.test").says("rebound.test: 169.254.169.254:80 is in"),
        named("a name that leads to metadata, mapped", "mapped.test"),
        named("the name of the metadata server", "metadata.google.internal.")
            .says("hands out credentials")
            .look(move |_| assert!(unasked.questions() < 12, "it is not even looked up")),
        Case::new("one of two addresses is metadata", tcp("both.test", server.port()))
            .resolver(&dns)
            .degraded(Cause::TargetNotAllowed, Stage::Connect)
            .says("1 of 2 addresses were not tried")
            .look(|evidence| {
                let causes: Vec<_> =
                    evidence.addresses.iter().map(|record| (record.address.ip().to_string(), record.cause)).collect();
                let refused = ("169.254.169.254".to_owned(), Some(Cause::TargetNotAllowed));
                assert_eq!(causes, [refused, ("127.0.0.1".to_owned(), None)]);
            })
            .keep((server, dns.clone())),
    ]
}

fn redirects() -> Vec<Case> {
    let to = |target: &str| {
        let answer = format!("HTTP/1.1 302 Found\r\nlocation: {target}\r\ncontent-length: 0\r\n\r\n");
        let server = Server::play(vec![Step::AwaitText("\r\n\r\n"), say(&answer)]);
        Case::new(format!("a redirect to {target}"), http(&format!("http://{}/", server.address())))
            .refused(Stage::Connect)
            .look(|evidence| {
                let connects: Vec<bool> =
                    evidence.stages.iter().filter(|s| s.stage == Stage::Connect).map(|stage| stage.passed).collect();
                assert_eq!(connects, [true, false], "the first hop answers, the second is not tried: {evidence:?}");
            })
            .keep(server)
    };
    [
        "http://169.254.169.254/latest/meta-data",
        "http://2852039166/",
        "//[::ffff:169.254.169.254]/",
        "http://metadata.google.internal/computeMetadata/v1/",
    ]
    .into_iter()
    .map(to)
    .collect()
}

fn lists() -> Vec<Case> {
    let rules = || Rules {
        allowed: vec![network("127.0.0.0/8").expect("a network")],
        denied: vec![network("127.0.0.9").expect("a network")],
        ..Rules::default()
    };
    let live = || Server::play(vec![Step::Hang]);
    let (allowed, unlisted, port) = (live(), live(), live());
    let ports = |port: u16| vec![port.to_string().parse().expect("a port")];
    vec![
        Case::new("nothing: an allowed network", tcp("127.0.0.1", allowed.port())).rules(rules()).keep(allowed),
        refused("a denied address", tcp("127.0.0.9", 80)).rules(rules()).says("--target-deny-cidrs"),
        refused("an address outside of what is allowed", tcp("::1", 80)).rules(rules()).says("--target-allow-cidrs"),
        refused("the unspecified address, which leads to a denied one", tcp("0.0.0.0", 80))
            .rules(Rules { denied: vec![network("127.0.0.0/8").expect("a network")], ..Rules::default() }),
        refused("a port that is not allowed", tcp("127.0.0.1", unlisted.port()))
            .rules(Rules { allowed_ports: ports(5432), ..Rules::default() })
            .says("--target-allow-ports")
            .keep(unlisted),
        refused("a denied port", tcp("127.0.0.1", port.port()))
            .rules(Rules { denied_ports: ports(port.port()), ..Rules::default() })
            .says("--target-deny-ports")
            .keep(port),
    ]
}

#[test]
fn what_may_not_be_probed_is_not_connected_to() {
    assert!(rows().len() > 25);
}

#[test]
fn a_check_of_a_refused_target_is_stalled_and_says_who_can_allow_it() {
    let check = "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {name: metadata}\nspec:\n  probes:\n  \
                 - {name: a, tcp: {host: 127.0.0.1, port: 80}}\n";
    let scratch = scratch::dir("safety");
    let file = scratch.path().join("check.yaml");
    fs::write(&file, check).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_runready"))
        .args(["check", "-o", "json", "--target-deny-cidrs", "10.0.0.0/8,127.0.0.0/8", "-f"])
        .arg(&file)
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let status = &told.pointer("/items/0").unwrap_or(&told)["status"];
    let conditions = status["conditions"].as_array().expect("conditions");
    let condition = |name: &str| conditions.iter().find(|one| one["type"] == name).unwrap_or_else(|| panic!("{told}"));
    for (name, expected) in [("Ready", "Unknown"), ("Stalled", "True"), ("NetworkReachable", "Unknown")] {
        assert_eq!(
            (&condition(name)["status"], &condition(name)["reason"]),
            (&json!(expected), &json!("TargetNotAllowed"))
        );
    }
    let message = condition("Stalled")["message"].as_str().expect("a sentence");
    assert!(message.contains("a: 127.0.0.1:80 is in 127.0.0.0/8, which whoever runs runready denies"), "{message}");
    assert_eq!(status["verdict"]["layer"], "Prober");
}

/// Where sockets may be opened, each with its reason.
const CONNECTING: [(&str, &str); 6] = [
    ("src/probe/net/connect.rs", "where targets are held against the rules"),
    ("src/probe/net/unix.rs", "where sockets are held against the rules"),
    ("src/probe/net/once.rs", "to DNS servers: the vantage's own, or one that the dns probe has asked the rules about"),
    ("src/probe/net/resolve.rs", "no connection: to learn whether sockets can be had at all"),
    ("src/cli/demo/backend.rs", "a stand-in of the demo"),
    ("src/cli/demo/relay.rs", "a stand-in of the demo"),
];

#[test]
fn no_probe_has_another_way_to_a_socket() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    rust_files(&root.join("src"), &mut files);
    let mut connecting: Vec<String> = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).expect("a source file");
        let program = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        if connects(program.parse().expect("Rust")) {
            connecting.push(file.strip_prefix(root).expect("below the root").display().to_string());
        }
    }
    connecting.sort();
    let mut known: Vec<&str> = CONNECTING.iter().map(|(file, _)| *file).collect();
    known.sort_unstable();
    assert_eq!(connecting, known, "connections are opened by probe::net::connect, which asks what may be probed");
}

fn rust_files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Whether `TcpStream::connect` or the like stands in the tokens, or a UDP socket is made.
fn connects(tokens: TokenStream) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let word = |at: usize| tokens.get(at).map(ToString::to_string).unwrap_or_default();
    (0..tokens.len()).any(|at| match &tokens[at] {
        TokenTree::Group(group) => connects(group.stream()),
        TokenTree::Ident(name) => {
            let called = word(at + 3);
            matches!(name.to_string().as_str(), "TcpStream" | "TcpSocket" | "UnixStream" | "UdpSocket" | "UnixDatagram")
                && word(at + 1) == ":"
                && ["connect", "new", "bind"].iter().any(|way| called.starts_with(way))
        }
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}
