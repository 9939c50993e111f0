//! Tries the `http` kind against real servers: HTTP/1.1 and HTTP/2, with and without TLS, client certificates, packed bodies,
//! cookies, and the answers that Cloud Run gives in a service's place.

use std::io::Read;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::read::{DeflateEncoder, GzEncoder, ZlibEncoder};
use hyper::Version;
use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};
use crate::support::web::{Asked, Reply, Web, reply};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        try_all([versions(), client_certificates(), packed(), cookies(), cloud_run()].into_iter().flatten().collect())
    })
}

fn spec(web: &Web, scheme: &str) -> Value {
    let host = if scheme == "https" { "localhost" } else { "127.0.0.1" };
    json!({"http": {"url": format!("{scheme}://{host}:{}/status?q=1", web.port()), "happyEyeballs": true}})
}

fn up(_: &Asked) -> Reply {
    reply(200, &[("content-type", "application/json")], r#"{"status": "up", "version": 2}"#)
}

/// What was served speaks this version, and was asked for the whole path.
fn served(case: Case, web: Web, version: Version) -> Case {
    case.look(move |_| {
        let asked = web.asked();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!((asked[0].version, asked[0].uri.path(), asked[0].uri.query()), (version, "/status", Some("q=1")));
    })
}

fn versions() -> Vec<Case> {
    let authority = Authority::new("test authority");
    let asserted = json!(["json.status == 'up' && json.version == 2", "headers['content-type'] == 'application/json'"]);
    [(Version::HTTP_11, "Http1"), (Version::HTTP_2, "Http2")]
        .into_iter()
        .flat_map(|(version, name)| {
            let plain = Web::plain(version, up);
            let of_plain = Case::new(format!("nothing: {name}, a real server"), spec(&plain, "http"));
            let secure = Web::tls(version, Tls::with(authority.server(&["localhost"])), up);
            let of_secure = Case::new(format!("nothing: {name} within TLS, a real server"), spec(&secure, "https"))
                .field("http", "tls", json!({"caSecretRef": {"name": "ca"}}))
                .secret("ca", &[("ca.crt", &authority.pem())]);
            [(of_plain, plain), (of_secure, secure)].map(|(case, web)| {
                let case = case.field("http", "httpVersion", json!(name)).with("assert", asserted.clone());
                served(case.fact(Fact::HttpStatus, "200").fact(Fact::BodyBytes, "30"), web, version)
            })
        })
        .collect()
}

fn client_certificates() -> Vec<Case> {
    let (authority, stranger) = (Authority::new("test authority"), Authority::new("stranger"));
    let guarded = |failure: String, tls: Tls, client: &Authority, version: Version| {
        let client = client.client("app", None);
        let web = Web::tls(version, tls.demanding(&authority), up);
        let name = if version == Version::HTTP_2 { "Http2" } else { "Http1" };
        Case::new(failure, spec(&web, "https"))
            .field("http", "tls", json!({"caSecretRef": {"name": "ca"}, "clientCertSecretRef": {"name": "client"}}))
            .field("http", "httpVersion", json!(name))
            .secret("ca", &[("ca.crt", &authority.pem())])
            .secret("client", &[("tls.crt", &client.cert), ("tls.key", &client.key)])
            .keep(web)
    };
    let tls = || Tls::with(authority.server(&["localhost"]));
    let mut cases = Vec::new();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for (name, tls) in [("TLS 1.2", tls().only_12()), ("TLS 1.3", tls().only_13())] {
            cases.push(guarded(
                format!("nothing: a client certificate is shown, {version:?}, {name}"),
                tls.clone(),
                &authority,
                version,
            ));
            let strange = guarded(
                format!("a client certificate of another authority, {version:?}, {name}"),
                tls,
                &stranger,
                version,
            );
            cases.push(
                strange
                    .fails(Cause::ClientCertificateRequired, Stage::Tls)
                    .or_in(Stage::Request)
                    .says("did not accept the one given"),
            );
        }
    }
    cases
}

fn all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).expect("no I/O");
    bytes
}

/// A text by Brotli, as one uncompressed meta-block (RFC 7932, section 9.2) of up to 64 KiB.
fn brotli(text: &[u8]) -> Vec<u8> {
    // WBITS 16 (one bit 0), ISLAST 0, MNIBBLES 4 (two bits 0), MLEN - 1 (16 bits), ISUNCOMPRESSED 1, up to the byte's end.
    let header = ((text.len() as u32 - 1) << 4) | 1 << 20;
    [&header.to_le_bytes()[..3], text, &[3]].concat()
}

fn packed() -> Vec<Case> {
    let text: &[u8] = br#"{"status": "up"}"#;
    let serving = |failure: &str, encoding: &'static str, body: Vec<u8>| {
        let web = Web::plain(Version::HTTP_11, move |_| reply(200, &[("content-encoding", encoding)], body.clone()));
        Case::new(failure, spec(&web, "http")).keep(web)
    };
    let right = |name: &'static str, encoding: &'static str, body: Vec<u8>| {
        let size = body.len().to_string();
        serving(&format!("nothing: a body packed as {name}"), encoding, body)
            .field("http", "expectBody", json!("\"up\"\\}$"))
            .with("assert", json!(["json.status == 'up' && body.size() == 16"]))
            .fact(Fact::BodyBytes, size)
    };
    let gzip = all(GzEncoder::new(text, Compression::default()));
    // 64 MiB of zeros in 64 KiB.
    let bomb = all(GzEncoder::new(std::io::repeat(0).take(64 << 20), Compression::best()));
    let wanted = |case: Case| case.field("http", "expectBody", json!("up"));
    vec![
        right("gzip", "gzip", gzip.clone()),
        right("deflate", "deflate", all(ZlibEncoder::new(text, Compression::default()))),
        right("raw deflate", "deflate", all(DeflateEncoder::new(text, Compression::default()))),
        right("br", "br", brotli(text)),
        right("gzip within br", "gzip, br", brotli(&gzip)),
        wanted(serving("a decompression bomb", "gzip", bomb.clone()))
            .fails(Cause::ResponseTooLarge, Stage::Body)
            .says("unpacked more than maxBodyBytes, 1048576"),
        serving("a decompression bomb, for an assertion", "gzip", bomb.clone())
            .with("assert", json!(["json.status == 'up'"]))
            .fails(Cause::ResponseTooLarge, Stage::Body),
        serving("nothing: a decompression bomb that nobody asks to unpack", "gzip", bomb),
        wanted(serving("a body that is not gzip, and says so", "gzip", text.to_vec()))
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("the body says that it is gzip, and is not"),
        wanted(serving("a body packed as gzip, cut", "gzip", gzip[..gzip.len() / 2].to_vec()))
            .fails(Cause::ProtocolMismatch, Stage::Body),
        wanted(serving("a body packed in an unknown way", "zstd", gzip))
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("set Accept-Encoding"),
    ]
}

fn cookies() -> Vec<Case> {
    let web = Web::plain(Version::HTTP_11, |asked| match asked.uri.path() {
        "/status" => reply(302, &[("location", "/there"), ("set-cookie", "sid=1; Path=/")], ""),
        _ => reply(200, &[], ""),
    });
    vec![
        Case::new("nothing: a cookie that is set is not sent back", spec(&web, "http"))
            .field("http", "followRedirects", json!(1))
            .look(move |_| {
                let asked = web.asked();
                assert_eq!(asked.iter().map(|one| one.uri.path()).collect::<Vec<_>>(), ["/status", "/there"]);
                assert!(asked.iter().all(|one| one.header("cookie").is_none()), "{asked:?}");
            }),
    ]
}

fn cloud_run() -> Vec<Case> {
    let page = "<html><head><title>500 Server Error</title></head><body><h1>Error: Server Error</h1><h2>The server \
                encountered an error and could not complete your request.<p>Please try again in 30 seconds.</h2></body></html>";
    let broke = "upstream connect error or disconnect/reset before headers. reset reason: connection termination";
    let says = |failure: &str, version: Version, server: &'static str, status: u16, body: &'static str| {
        let web = Web::plain(version, move |_| reply(status, &[("server", server)], body));
        let name = if version == Version::HTTP_2 { "Http2" } else { "Http1" };
        Case::new(failure, spec(&web, "http")).field("http", "httpVersion", json!(name)).keep(web)
    };
    let (one, two, google) = (Version::HTTP_11, Version::HTTP_2, "Google Frontend");
    let hanging = Server::play(vec![
        Step::AwaitText("\r\n\r\n"),
        say("HTTP/1.1 503 Service Unavailable\r\nserver: Google Frontend\r\ncontent-length: 99\r\n\r\nService"),
        Step::Hang,
    ]);
    let url = json!({"http": {"url": format!("http://{}/", hanging.address())}});
    vec![
        says("Cloud Run: the instances are full", one, google, 429, "Rate exceeded.")
            .fails(Cause::CloudRunThrottled, Stage::Request)
            .says("answered 429 Too Many Requests; expected 200 to 299; this is Cloud Run's own answer"),
        says("Cloud Run: no instance", one, google, 500, page).fails(Cause::CloudRunNoInstance, Stage::Request),
        says("Cloud Run: the instance does not start", one, google, 503, "Service Unavailable")
            .fails(Cause::CloudRunInstanceFailed, Stage::Request),
        says("Cloud Run: the instance hangs up", two, google, 503, broke)
            .fails(Cause::CloudRunInstanceFailed, Stage::Request),
        says("an error of the service itself, behind Cloud Run", two, google, 503, r#"{"error": "no database"}"#)
            .fails(Cause::StatusUnexpected, Stage::Request),
        says("another server's 429", one, "nginx", 429, "Rate exceeded.")
            .fails(Cause::StatusUnexpected, Stage::Request),
        says("nothing: Cloud Run's 429 is expected", one, google, 429, "Rate exceeded.").field(
            "http",
            "expectStatus",
            json!([429]),
        ),
        Case::new("an error behind Cloud Run whose body hangs", url)
            .fails(Cause::StatusUnexpected, Stage::Request)
            .timeout(4000)
            .keep(hanging),
    ]
}

#[test]
fn real_servers_are_told_right() {
    assert!(rows().len() > 25);
}
