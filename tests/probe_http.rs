//! Tries the `http` kind: answers that are not as expected, bodies without end, redirects that go in circles or elsewhere
//! with what they must not take along, and servers that speak something else, for HTTP/1.1 and HTTP/2, with and without TLS.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use runready::probe::observe_check;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::http2::frame;
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Refusing, Server, Silent, Step, listener, say};
use crate::support::probe::{Case, Row, plan, runtime, try_all, vantage};
use crate::support::wait::until;

/// The end of a request's header.
const ASKED: Step = Step::AwaitText("\r\n\r\n");

fn http(server: &Server, path: &str) -> Value {
    json!({"http": {"url": format!("http://{}{path}", server.address())}})
}

/// A server that awaits a request and answers with this script.
fn answering(failure: &str, answer: Vec<Step>) -> Case {
    let server = Server::play([vec![ASKED], answer].concat());
    Case::new(failure, http(&server, "/health?token=secret")).keep(server)
}

/// An answer with a body of known length.
fn answer(status: &str, headers: &str, body: &str) -> Step {
    say(&format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n{body}", body.len()))
}

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let cases = [expectations(), broken(), oversized(), slow(), connections(), redirects(), secure(), http2()];
        try_all(cases.into_iter().flatten().collect())
    })
}

fn expectations() -> Vec<Case> {
    let healthy = || vec![answer("200 OK", "x-version: 1.2.3\r\n", "{\"status\": \"up\"}")];
    vec![
        answering("nothing", healthy()).fact(Fact::HttpStatus, "200").fact(Fact::BodyBytes, "16"),
        answering("nothing: header and body as expected", healthy())
            .field("http", "expectBody", json!("\"up\""))
            .field("http", "expectHeaders", json!([{"name": "X-Version", "value": r"^1\."}])),
        answering("nothing: 404 is expected", vec![answer("404 Not Found", "", "")]).field(
            "http",
            "expectStatus",
            json!([200, 404]),
        ),
        answering("an unexpected status", vec![answer("503 Service Unavailable", "", "no upstream")])
            .fails(Cause::StatusUnexpected, Stage::Request)
            .says("answered 503 Service Unavailable; expected 200 to 299"),
        answering("a redirect that is not followed", vec![answer("302 Found", "location: /login\r\n", "")])
            .fails(Cause::StatusUnexpected, Stage::Request),
        answering("a header is missing", healthy())
            .field("http", "expectHeaders", json!([{"name": "X-Other", "value": ".*"}]))
            .fails(Cause::UnexpectedResult, Stage::Request)
            .says("has no header x-other"),
        answering("a header does not match", healthy())
            .field("http", "expectHeaders", json!([{"name": "X-Version", "value": "^2"}]))
            .fails(Cause::UnexpectedResult, Stage::Request),
        answering("nothing: what is asserted holds", healthy()).with(
            "assert",
            json!([
                "status == 200 && json.status == 'up' && body.contains('up') && headers['x-version'] == '1.2.3'",
                "latency < duration('15s') && has(stages.connect) && !has(stages.tls)",
            ]),
        ),
        answering("what is asserted does not hold", healthy())
            .with("assert", json!(["status == 200", "json.status == 'down'"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("the rule json.status == 'down' does not hold; json.status is \"up\""),
        answering("what is asserted is not in the answer", healthy())
            .with("assert", json!(["json.version == '1'"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("can't be evaluated: there is no version"),
        answering("an assertion on JSON, of an answer that is none", vec![answer("200 OK", "", "<html>")])
            .with("assert", json!(["json.status == 'up'"]))
            .fails(Cause::AssertionFailed, Stage::Assert)
            .says("the answer is no JSON"),
        answering(
            "the answer repeats a secret that a rule names",
            vec![answer("200 OK", "x-echo: Bearer hunter2\r\n", "")],
        )
        .field("http", "headersFromSecret", json!([{"name": "X-Name", "secretRef": {"name": "s", "key": "k"}}]))
        .secret("s", &[("k", "hunter2")])
        .with("assert", json!(["headers['x-echo'] == ''"]))
        .fails(Cause::AssertionFailed, Stage::Assert)
        .says("headers['x-echo'] is \"Bearer ***\""),
        answering("the body does not match", healthy())
            .field("http", "expectBody", json!("\"down\""))
            .fails(Cause::BodyMismatch, Stage::Body)
            .look(|evidence| {
                let message = &evidence.outcome.failure().expect("a failure").message;
                assert!(!message.contains("secret"), "a query may hold a token: {message}");
            }),
    ]
}

fn broken() -> Vec<Case> {
    let play = |failure: &str, script: Vec<Step>| {
        let server = Server::play(script);
        Case::new(failure, http(&server, "/")).keep(server)
    };
    vec![
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Request).or_in(Stage::Connect),
        play("resets on the request", vec![Step::Await(1), Step::Reset]).fails(Cause::ConnectionReset, Stage::Request),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Request),
        play("closes on the request", vec![ASKED]).fails(Cause::ConnectionClosed, Stage::Request),
        play("closes in the middle of the header", vec![ASKED, say("HTTP/1.1 200 OK\r\ncontent-")])
            .fails(Cause::ConnectionClosed, Stage::Request),
        play("closes in the middle of the body", vec![ASKED, say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1234")])
            .fails(Cause::ConnectionClosed, Stage::Body),
        play(
            "resets in the middle of the body",
            vec![
                ASKED,
                say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1"),
                Step::Trickle(b"2".to_vec()),
                Step::Reset,
            ],
        )
        .fails(Cause::ConnectionReset, Stage::Body),
        play("garbage", vec![Step::Await(1), Step::Send((0..=255).collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Request),
        play("another protocol (SSH)", vec![say("SSH-2.0-OpenSSH_9.6\r\n"), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Request),
        play(
            "a chunk whose length is no number",
            vec![ASKED, say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"), Step::Hang],
        )
        .fails(Cause::ProtocolMismatch, Stage::Body),
    ]
}

fn oversized() -> Vec<Case> {
    let endless = || Step::Endless(vec![b'x'; 64 * 1024]);
    let chunk = || [b"10000\r\n".to_vec(), vec![b'x'; 0x10000], b"\r\n".to_vec()].concat();
    vec![
        answering("a body larger than maxBodyBytes", vec![answer("200 OK", "", "0123456789")])
            .field("http", "maxBodyBytes", json!(9))
            .fails(Cause::ResponseTooLarge, Stage::Body)
            .says("maxBodyBytes is 9"),
        answering("2 GiB announced", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n"), endless()])
            .fails(Cause::ResponseTooLarge, Stage::Body)
            .says("2147483648"),
        answering("an endless body", vec![say("HTTP/1.1 200 OK\r\n\r\n"), endless()])
            .fails(Cause::ResponseTooLarge, Stage::Body),
        answering(
            "endless chunks",
            vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"), Step::Endless(chunk())],
        )
        .fails(Cause::ResponseTooLarge, Stage::Body),
        answering("an endless header", vec![say("HTTP/1.1 200 OK\r\nx: "), endless()])
            .fails(Cause::ResponseTooLarge, Stage::Request),
        answering("endless headers", vec![say("HTTP/1.1 200 OK\r\n"), Step::Endless(b"x: y\r\n".repeat(1000))])
            .fails(Cause::ResponseTooLarge, Stage::Request),
        answering("endless interim answers", vec![Step::Endless(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(1000))])
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 500),
    ]
}

fn slow() -> Vec<Case> {
    let drip = |text: &str| Step::Trickle(text.as_bytes().to_vec());
    vec![
        answering("hangs", vec![Step::Hang]).fails(Cause::ResponseTimeout, Stage::Request).timeout(500),
        answering("hangs, cut by the stage", vec![Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 300),
        answering("a header of one byte a second", vec![drip("HTTP/1.1 200 OK\r\n\r\n")])
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 1200),
        answering(
            "a body of one byte a second",
            vec![say("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), drip("123456789")],
        )
        .fails(Cause::ResponseTimeout, Stage::Body)
        .stage_timeout(Stage::Body, 1200),
        answering(
            "the last chunk never comes",
            vec![say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n"), Step::Hang],
        )
        .fails(Cause::ResponseTimeout, Stage::Body)
        .stage_timeout(Stage::Body, 300),
        answering("slower than maxLatency", vec![say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"), drip("ok")])
            .with("maxLatency", json!("500ms"))
            .degraded(Cause::LatencyExceeded, Stage::Body)
            .or_in(Stage::Request),
    ]
}

fn connections() -> Vec<Case> {
    let (nobody, silent) = (Refusing::on("127.0.0.1"), Silent::on("127.0.0.1"));
    let ipv6 = Server::play_on(listener("[::1]:0"), vec![ASKED, answer("200 OK", "", "")]);
    vec![
        Case::new("nothing, at ::1", http(&ipv6, "/")).keep(ipv6),
        Case::new("nobody listens", json!({"http": {"url": format!("http://127.0.0.1:{}/", nobody.port())}}))
            .fails(Cause::ConnectionRefused, Stage::Connect)
            .keep(nobody),
        Case::new("packets dropped", json!({"http": {"url": format!("http://{}/", silent.address())}}))
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .timeout(400)
            .keep(silent),
    ]
}

/// A server that keeps the requests it gets, and answers 200.
fn recorder() -> (Server, Arc<Mutex<String>>) {
    let requests = Arc::new(Mutex::new(String::new()));
    let kept = requests.clone();
    let server = Server::start(listener("127.0.0.1:0"), move |mut stream, _| {
        let kept = kept.clone();
        async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut request = Vec::new();
            while !request.windows(4).any(|window| window == b"\r\n\r\n") {
                if stream.read_buf(&mut request).await.unwrap_or(0) == 0 {
                    return;
                }
            }
            kept.lock().expect("one user at a time").push_str(&String::from_utf8_lossy(&request));
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            crate::support::hostile::close(stream).await;
        }
    });
    (server, requests)
}

fn redirects() -> Vec<Case> {
    let follow = |failure: &str, location: &str, most: u32| {
        let location = format!("location: {location}\r\n");
        answering(failure, vec![answer("302 Found", &location, "")]).field("http", "followRedirects", json!(most))
    };
    let (target, requests) = recorder();
    let elsewhere = format!("http://user:hidden@127.0.0.1:{}/there?token=hidden", target.port());
    let host = format!("host: 127.0.0.1:{}\r\n", target.port());
    let other_origin = follow("nothing: a redirect to another origin, without the secrets", &elsewhere, 1)
        .field("http", "headersFromSecret", json!([{"name": "X-Api-Key", "secretRef": {"name": "api", "key": "key"}}]))
        .field(
            "http",
            "headers",
            json!([
                {"name": "Authorization", "value": "Bearer b"}, {"name": "X-Plain", "value": "p"},
                {"name": "Accept", "value": "a/b"}, {"name": "Accept", "value": "c/d"}, {"name": "Host", "value": "first.internal"},
            ]),
        )
        .secret("api", &[("key", "hidden")])
        .fact(Fact::FinalUrl, format!("http://127.0.0.1:{}/there", target.port()))
        .keep(target)
        .look(move |_| {
            let request = requests.lock().expect("one user at a time").to_lowercase();
            assert!(request.contains("get /there") && request.contains("x-plain: p"), "{request}");
            assert!(!request.contains("x-api-key") && !request.contains("authorization"), "{request}");
            assert!(request.contains(&host) && !request.contains("first.internal"), "{request}");
            assert!(request.contains("accept: a/b\r\n") && request.contains("accept: c/d\r\n"), "{request}");
            assert!(!request.contains("*/*") && request.contains("user-agent: runready/"), "in place of a default: {request}");
            assert!(request.contains("connection: close\r\n"), "{request}");
        });
    let endless = format!("/{}", "<".repeat(30_000));
    vec![
        other_origin,
        follow("redirects in a circle", "/health", 3)
            .fails(Cause::TooManyRedirects, Stage::Request)
            .says("still redirected after 3 redirects"),
        follow("a redirect to another scheme", "ftp://localhost/", 3).fails(Cause::UnexpectedResult, Stage::Request),
        follow("a redirect to nowhere", "http://[", 3).fails(Cause::UnexpectedResult, Stage::Request),
        follow("a redirect to what no request can hold", &endless, 3)
            .fails(Cause::UnexpectedResult, Stage::Request)
            .says("to a Location that can't be requested"),
        answering("a redirect without a target", vec![answer("301 Moved Permanently", "", "")])
            .field("http", "followRedirects", json!(3))
            .fails(Cause::UnexpectedResult, Stage::Request)
            .says("names no Location"),
        redirect_to_tls(),
    ]
}

/// The client certificate and the name in serverName are the first origin's alone.
fn redirect_to_tls() -> Case {
    let authority = Authority::new("test authority");
    let client = authority.client("app", None);
    let target = Tls::with(authority.server(&["127.0.0.1"])).demanding(&authority);
    let target = target.play(vec![ASKED, answer("200 OK", "", "")]);
    let location = format!("location: https://127.0.0.1:{}/\r\n", target.port());
    let first = Tls::with(authority.server(&["first.test"])).demanding(&authority);
    let first = first.play(vec![ASKED, answer("307 Temporary Redirect", &location, "")]);
    let tls =
        json!({"serverName": "first.test", "caSecretRef": {"name": "ca"}, "clientCertSecretRef": {"name": "client"}});
    let url = format!("https://127.0.0.1:{}/", first.port());
    Case::new(
        "redirected to an origin that demands a certificate",
        json!({"http": {"url": url, "followRedirects": 1, "tls": tls}}),
    )
    .secret("ca", &[("ca.crt", &authority.pem())])
    .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)])
    .fails(Cause::ClientCertificateRequired, Stage::Tls)
    .or_in(Stage::Request)
    .keep((first, target))
}

fn secure() -> Vec<Case> {
    let authority = Authority::new("test authority");
    let https = |failure: &str, server: Server| {
        let url = format!("https://localhost:{}/", server.port());
        let tls = json!({"caSecretRef": {"name": "ca"}});
        let probe = json!({"http": {"url": url, "happyEyeballs": true, "tls": tls}});
        Case::new(failure, probe).secret("ca", &[("ca.crt", &authority.pem())]).keep(server)
    };
    let ok = || vec![ASKED, answer("200 OK", "", "")];
    let right = || Tls::with(authority.server(&["localhost"]));
    let skipping = Tls::with(authority.expired(&["elsewhere.test"])).play(ok());
    vec![
        https("nothing: https", right().play(ok())).fact(Fact::CertificateSubject, "CN=localhost"),
        https("nothing: https, any certificate will do", skipping)
            .field("http", "tls", json!({"insecureSkipVerify": true}))
            .fact(Fact::CertificateNames, "elsewhere.test"),
        https("https: an expired certificate", Tls::with(authority.expired(&["localhost"])).play(ok()))
            .fails(Cause::CertificateExpired, Stage::Tls),
        https("https: a certificate for another name", Tls::with(authority.server(&["db.test"])).play(ok()))
            .fails(Cause::CertificateNameMismatch, Stage::Tls),
        https("https: hangs", Server::play(vec![Step::Hang]))
            .fails(Cause::TlsTimeout, Stage::Tls)
            .stage_timeout(Stage::Tls, 400),
        https("https: plain text", Server::play(vec![Step::Await(1), say("HTTP/1.1 400 Bad Request\r\n\r\n")]))
            .fails(Cause::TlsProtocolError, Stage::Tls),
        https("https: a client certificate demanded, TLS 1.2", right().demanding(&authority).only_12().play(ok()))
            .fails(Cause::ClientCertificateRequired, Stage::Tls),
        https("https: a client certificate demanded, TLS 1.3", right().demanding(&authority).only_13().play(ok()))
            .fails(Cause::ClientCertificateRequired, Stage::Tls)
            .or_in(Stage::Request),
        https("https: only HTTP/2 is offered", right().alpn(b"h2").play(ok()))
            .fails(Cause::ProtocolMismatch, Stage::Tls),
        https("https: resets on the request", right().play(vec![Step::Await(1), Step::Reset]))
            .fails(Cause::ConnectionReset, Stage::Request),
        https(
            "https: HTTP/2, a client certificate demanded, TLS 1.3",
            right().demanding(&authority).alpn(b"h2").only_13().play(ok()),
        )
        .field("http", "httpVersion", json!("Http2"))
        .fails(Cause::ClientCertificateRequired, Stage::Tls)
        .or_in(Stage::Request),
        https("https: HTTP/2 is not offered", right().alpn(b"http/1.1").play(ok()))
            .field("http", "httpVersion", json!("Http2"))
            .fails(Cause::ProtocolMismatch, Stage::Tls),
    ]
}

fn http2() -> Vec<Case> {
    let play = |failure: &str, script: Vec<Step>| {
        let server = Server::play(script);
        Case::new(failure, http(&server, "/")).field("http", "httpVersion", json!("Http2")).keep(server)
    };
    let (headers, data, settings, goaway, rst) = (1, 0, 4, 7, 3);
    // The client's request: a HEADERS frame that ends the header and the stream 1.
    let request = Step::AwaitText("\x01\x05\0\0\0\x01");
    let greeting = || vec![Step::Await(24), Step::Send(frame(settings, 0, 0, &[])), request.clone()];
    let then = |steps: Vec<Step>| [greeting(), steps].concat();
    // ":status: 200" is entry 8 of the static table (RFC 7541, appendix A).
    let status_200 = || frame(headers, 4, 1, &[0x88]);
    vec![
        play("nothing: HTTP/2", then(vec![Step::Send(frame(headers, 5, 1, &[0x88])), Step::Hang]))
            .fact(Fact::HttpStatus, "200"),
        play("HTTP/2: hangs", vec![Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 400),
        play("HTTP/2: hangs after its settings", then(vec![Step::Hang]))
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 400),
        play("HTTP/2: hangs in the body", then(vec![Step::Send(status_200()), Step::Hang]))
            .fails(Cause::ResponseTimeout, Stage::Body)
            .stage_timeout(Stage::Body, 400),
        play("HTTP/2: an HTTP/1.1 server", vec![Step::Await(1), answer("400 Bad Request", "", ""), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Request),
        play("HTTP/2: garbage", vec![Step::Await(1), Step::Send((0..=255).collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Request),
        play("HTTP/2: closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Request),
        play("HTTP/2: resets on the request", vec![Step::Await(24), Step::Reset])
            .fails(Cause::ConnectionReset, Stage::Request),
        play("HTTP/2: refuses the stream", then(vec![Step::Send(frame(rst, 0, 1, &7_u32.to_be_bytes())), Step::Hang]))
            .fails(Cause::ConnectionClosed, Stage::Request),
        play("HTTP/2: goes away", then(vec![Step::Send(frame(goaway, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 11])), Step::Hang]))
            .fails(Cause::ConnectionClosed, Stage::Request),
        play(
            "HTTP/2: an endless body",
            then(vec![Step::Send(status_200()), Step::Endless(frame(data, 0, 1, &[0; 16384]))]),
        )
        .field("http", "maxBodyBytes", json!(10_000))
        .fails(Cause::ResponseTooLarge, Stage::Body),
    ]
}

#[test]
fn each_answer_that_is_not_as_expected_has_its_cause() {
    assert!(rows().len() > 50);
}

/// How many connections to a server this process has open.
fn connections_to(port: u16) -> usize {
    let hex = format!(":{port:04X}");
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the kernel's table");
    // The third column is the peer, the fourth the state: 01 is ESTABLISHED.
    let fields = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields.filter(|fields| fields.len() > 3 && fields[2].ends_with(&hex) && fields[3] == "01").count()
}

/// The server never reads, and what the client has to say does not fit into the sockets' buffers: a polite end would wait
/// for ever.
#[test]
fn nothing_is_left_behind_at_a_server_that_does_not_even_read() {
    for version in ["Http1", "Http2"] {
        let listener = listener("127.0.0.1:0");
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 1024).expect("our own socket");
        let server = Server::play_on(listener, vec![Step::Hang]);
        let mut probe = http(&server, "/");
        probe["name"] = json!("hang");
        for (field, value) in [("httpVersion", version), ("method", "POST"), ("body", &"x".repeat(60_000))] {
            probe["http"][field] = json!(value);
        }
        let plan = plan(json!({"timeout": "300ms", "interval": "1s", "probes": [probe]}), &Default::default());
        let seen = std::net::TcpStream::connect(server.address()).expect("a connection");
        assert_eq!(connections_to(server.port()), 1, "the measure works");
        drop(seen);
        let own = runtime();
        for _ in 0..3 {
            let evidence = own.block_on(observe_check(&plan, &vantage(None)));
            assert_eq!(evidence[0].outcome.failure().expect("a failure").cause, Cause::ResponseTimeout);
        }
        let gone = || match connections_to(server.port()) {
            0 => Ok(()),
            open => Err(format!("{open} connections")),
        };
        until(Duration::from_secs(3), "connections to be closed", gone);
    }
}
