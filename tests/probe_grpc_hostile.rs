//! Tries the `grpc` kind against servers that misuse the protocol: that hang, babble and drip at each of its stages, flood at
//! the level of HTTP/2, announce what they can't mean, or are no gRPC server at all.

use std::sync::OnceLock;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use serde_json::json;

use crate::probe_grpc::at;
use crate::support::hostile::http2::{
    CONTINUATION, END_STREAM, GOAWAY, GRPC, HEADERS, PING, RST_STREAM, SETTINGS, called, data, fields, frame, header,
    last_header, message,
};
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::{Case, Row, try_all};

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        try_all([strangers(), statuses(), in_place(), broken(), answers(), floods()].into_iter().flatten().collect())
    })
}

fn play(failure: &str, script: Vec<Step>) -> Case {
    let server = Server::play(script);
    Case::new(failure, at(server.port())).keep(server)
}

/// A server that is called, and answers with this.
fn answering(failure: &str, steps: Vec<Step>) -> Case {
    play(failure, [called(), steps].concat())
}

const SERVING: [u8; 2] = [8, 1];
const NOT_SERVING: [u8; 2] = [8, 2];

/// A header of a gRPC answer, then these steps.
fn begun(failure: &str, steps: Vec<Step>) -> Case {
    answering(failure, [vec![Step::Send(header(&GRPC))], steps].concat())
}

fn strangers() -> Vec<Case> {
    vec![
        play("accepts and hangs", vec![Step::Hang]).fails(Cause::HandshakeTimeout, Stage::Handshake).timeout(500),
        play("hangs, cut by the stage", vec![Step::Await(24), Step::Hang])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 300),
        play("resets at once", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Handshake).or_in(Stage::Connect),
        play("resets on the first bytes", vec![Step::Await(24), Step::Reset])
            .fails(Cause::ConnectionReset, Stage::Handshake),
        play("closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("closes on the first bytes", vec![Step::Await(24)]).fails(Cause::ConnectionClosed, Stage::Handshake),
        play("garbage", vec![Step::Await(24), Step::Send((7..=255).collect()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
        play("an HTTP server in its place", vec![Step::Await(24), say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::ProtocolMismatch, Stage::Handshake)
            .says("an HTTP/1 server answers"),
        play("one byte a second", vec![Step::Trickle(frame(SETTINGS, 0, 0, &[]))])
            .fails(Cause::HandshakeTimeout, Stage::Handshake)
            .stage_timeout(Stage::Handshake, 1200),
        play("2 GiB announced at once", vec![say("\x7f\x7f\x7f\x04\0\0\0\0\0"), Step::Endless(vec![0; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Request)
            .or_in(Stage::Handshake),
        play("an endless stream", vec![Step::Endless(vec![b'x'; 65536])])
            .fails(Cause::ProtocolMismatch, Stage::Handshake),
    ]
}

/// Calls that end with a status other than OK.
fn statuses() -> Vec<Case> {
    let ends = |failure: &str, code: &str, words: &str| {
        let named = [GRPC[0], GRPC[1], ("grpc-status", code), ("grpc-message", words)];
        answering(failure, vec![Step::Send(last_header(&named)), Step::Hang])
    };
    vec![
        ends("no health service", "12", "unknown service grpc.health.v1.Health")
            .fails(Cause::GrpcUnimplemented, Stage::Request)
            .fact(Fact::GrpcStatus, "UNIMPLEMENTED")
            .says("ended with UNIMPLEMENTED (\"unknown service grpc.health.v1.Health\")"),
        ends("the service is unknown", "5", "unknown").fails(Cause::GrpcServiceUnknown, Stage::Request),
        ends("wrong password", "16", "token has expired").fails(Cause::AuthenticationFailed, Stage::Request),
        ends("the caller may not ask", "7", "no").fails(Cause::AccessDenied, Stage::Request),
        ends("the server's own deadline", "4", "").fails(Cause::ResponseTimeout, Stage::Request),
        ends("it is unavailable", "14", "no%20healthy%0Aupstream")
            .fails(Cause::GrpcFailed, Stage::Request)
            .fact(Fact::GrpcStatus, "UNAVAILABLE")
            .says("ended with UNAVAILABLE (\"no healthy upstream\")"),
        ends("a status without a name", "99", "").fails(Cause::GrpcFailed, Stage::Request).says("UNKNOWN"),
        ends("a status that is no number", "up", "").fails(Cause::GrpcFailed, Stage::Request).says("UNKNOWN"),
        ends("OK, and nothing else", "0", "").fails(Cause::ProtocolMismatch, Stage::Request).says("without an answer"),
        ends("the status repeats a secret", "16", "bad token hunter2, hunter%32")
            .field(
                "grpc",
                "metadataFromSecret",
                json!([{"name": "authorization", "secretRef": {"name": "s", "key": "k"}}]),
            )
            .secret("s", &[("k", "hunter2")])
            .fails(Cause::AuthenticationFailed, Stage::Request)
            .says("bad token ***, ***")
            .look(|evidence| assert!(!format!("{evidence:?}").contains("hunter"))),
        ends("the status repeats the credentials", "16", "I know Basic YXBwOmh1bnRlcjI= of YXBwOmh1bnRlcjI=")
            .field(
                "grpc",
                "auth",
                json!({"basic": {"username": "app", "passwordSecretRef": {"name": "s", "key": "k"}}}),
            )
            .secret("s", &[("k", "hunter2")])
            .fails(Cause::AuthenticationFailed, Stage::Request)
            .says("I know Basic *** of ***"),
        begun(
            "a status after the header",
            vec![Step::Send(last_header(&[("grpc-status", "14"), ("grpc-message", "draining")])), Step::Hang],
        )
        .fails(Cause::GrpcFailed, Stage::Body)
        .says("UNAVAILABLE (\"draining\")"),
        begun(
            "a failure after the answer",
            vec![Step::Send([data(&message(&SERVING)), last_header(&[("grpc-status", "13")])].concat()), Step::Hang],
        )
        .fails(Cause::GrpcFailed, Stage::Body),
        begun(
            "the server's own deadline, after it has told",
            vec![Step::Send([data(&message(&NOT_SERVING)), last_header(&[("grpc-status", "4")])].concat()), Step::Hang],
        )
        .field("grpc", "method", json!("Watch"))
        .fails(Cause::NotServing, Stage::Body),
        begun("a service is unknown to Watch", vec![Step::Send(data(&message(&[8, 3]))), Step::Hang])
            .field("grpc", "method", json!("Watch"))
            .fails(Cause::GrpcServiceUnknown, Stage::Body)
            .stage_timeout(Stage::Body, 1500)
            .says("SERVICE_UNKNOWN"),
    ]
}

/// HTTP answers where one of gRPC should be.
fn in_place() -> Vec<Case> {
    let answers = |failure: &str, status: &str, kind: &str| {
        let named: &[_] = &[(":status", status), ("content-type", kind)];
        let named = if kind.is_empty() { &named[..1] } else { named };
        answering(failure, vec![Step::Send([header(named), data(b"<html>")].concat()), Step::Hang])
    };
    let html = "text/html; charset=UTF-8";
    vec![
        answers("Cloud Run's front end: 403", "403", html)
            .fails(Cause::AccessDenied, Stage::Request)
            .fact(Fact::HttpStatus, "403")
            .says("roles/run.invoker"),
        answers("Cloud Run's front end: 503", "503", html)
            .fails(Cause::StatusUnexpected, Stage::Request)
            .says("HTTP 503 and text/html; charset=UTF-8, which gRPC takes for UNAVAILABLE"),
        answers("a front end: 401", "401", html).fails(Cause::AuthenticationFailed, Stage::Request),
        answers("a front end: 404", "404", html).fails(Cause::GrpcUnimplemented, Stage::Request).says("no such path"),
        answers("a front end: 429", "429", "").fails(Cause::StatusUnexpected, Stage::Request).says("no content-type"),
        answers("a front end: 400", "400", html).fails(Cause::StatusUnexpected, Stage::Request).says("INTERNAL"),
        answers("a front end: a redirect", "302", html).fails(Cause::StatusUnexpected, Stage::Request),
        answers("a web page in its place", "200", html)
            .fails(Cause::ProtocolMismatch, Stage::Request)
            .says("not application/grpc"),
        answers("gRPC-Web in its place", "200", "application/grpc-web+proto")
            .fails(Cause::ProtocolMismatch, Stage::Request),
        answering(
            "nothing: a subtype of gRPC",
            vec![
                Step::Send(
                    [
                        header(&[GRPC[0], ("content-type", "application/grpc+proto")]),
                        data(&message(&SERVING)),
                        last_header(&[("grpc-status", "0")]),
                    ]
                    .concat(),
                ),
                Step::Hang,
            ],
        ),
    ]
}

/// Connections and streams that break.
fn broken() -> Vec<Case> {
    let rst = |reason: u32| Step::Send(frame(RST_STREAM, 0, 1, &reason.to_be_bytes()));
    let goaway =
        |last: u32, reason: u32| Step::Send(frame(GOAWAY, 0, 0, &[last.to_be_bytes(), reason.to_be_bytes()].concat()));
    vec![
        answering("hangs on the call", vec![Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Request)
            .stage_timeout(Stage::Request, 400),
        answering("closes on the call", vec![]).fails(Cause::ConnectionClosed, Stage::Request),
        answering("resets on the call", vec![Step::Reset]).fails(Cause::ConnectionReset, Stage::Request),
        answering("RST_STREAM: refused", vec![rst(7), Step::Hang])
            .fails(Cause::ConnectionClosed, Stage::Request)
            .says("RST_STREAM: REFUSED_STREAM"),
        answering("RST_STREAM: HTTP/1.1 required", vec![rst(13), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Request)
            .says("HTTP_1_1_REQUIRED"),
        answering("GOAWAY: enhance your calm", vec![goaway(0, 11), Step::Hang])
            .fails(Cause::ConnectionClosed, Stage::Request)
            .says("GOAWAY: ENHANCE_YOUR_CALM"),
        answering("GOAWAY, and closes", vec![goaway(0, 0)])
            .fails(Cause::ConnectionClosed, Stage::Request)
            .says("GOAWAY: NO_ERROR"),
        answering(
            "nothing: GOAWAY after which the call is still answered",
            vec![
                goaway(1, 0),
                Step::Send([header(&GRPC), data(&message(&SERVING)), last_header(&[("grpc-status", "0")])].concat()),
                Step::Hang,
            ],
        ),
        begun("hangs after the header", vec![Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Body)
            .stage_timeout(Stage::Body, 400),
        begun("closes after the header", vec![]).fails(Cause::ConnectionClosed, Stage::Body),
        begun("resets after the header", vec![Step::Trickle(vec![0]), Step::Reset])
            .fails(Cause::ConnectionReset, Stage::Body),
        begun("RST_STREAM after the header", vec![rst(8), Step::Hang])
            .fails(Cause::ConnectionClosed, Stage::Body)
            .says("RST_STREAM: CANCEL"),
    ]
}

/// Answers that are not as the protocol has them.
fn answers() -> Vec<Case> {
    let ended = |bytes: &[u8]| vec![Step::Send(frame(0, END_STREAM, 1, bytes)), Step::Hang];
    let status_ok = || last_header(&[("grpc-status", "0")]);
    vec![
        begun("trailers missing", ended(&message(&SERVING)))
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("without a status"),
        begun(
            "trailers without a status",
            vec![Step::Send([data(&message(&SERVING)), last_header(&[("x", "y")])].concat()), Step::Hang],
        )
        .fails(Cause::ProtocolMismatch, Stage::Body),
        begun("a stream that never ends", vec![Step::Send(data(&message(&SERVING))), Step::Hang])
            .fails(Cause::ResponseTimeout, Stage::Body)
            .stage_timeout(Stage::Body, 300),
        begun("OK, and no answer", vec![Step::Send(status_ok()), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("without an answer"),
        begun("two answers", vec![Step::Send(data(&[message(&SERVING), message(&SERVING)].concat())), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("more than one message"),
        begun("half an answer", ended(&message(&SERVING)[..6])).fails(Cause::ProtocolMismatch, Stage::Body),
        begun("an answer of other bytes", vec![Step::Send(data(&message(&[0xff; 9]))), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("HealthCheckResponse"),
        begun("a compressed answer", vec![Step::Send(data(&[1, 0, 0, 0, 2, 8, 1])), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Body)
            .says("compressed"),
        begun("an answer without a prefix", vec![Step::Send(data(b"<html><body>")), Step::Hang])
            .fails(Cause::ProtocolMismatch, Stage::Body),
        begun("a message of 2 GiB", vec![Step::Send(data(&[0, 0x80, 0, 0, 0])), Step::Endless(data(&[0; 16384]))])
            .fails(Cause::ResponseTooLarge, Stage::Body)
            .says("2147483648"),
        begun(
            "a health that nobody knows",
            vec![Step::Send([data(&message(&[8, 77])), status_ok()].concat()), Step::Hang],
        )
        .fails(Cause::NotServing, Stage::Body)
        .says("status 77"),
        begun(
            "nothing: a health beside fields of later versions",
            vec![Step::Send([data(&message(&[0x12, 2, 1, 2, 8, 1])), status_ok()].concat()), Step::Hang],
        ),
        begun("a message of one byte a second", vec![Step::Trickle(data(&message(&SERVING)))])
            .fails(Cause::ResponseTimeout, Stage::Body)
            .stage_timeout(Stage::Body, 1200),
        begun(
            "the watch ends without SERVING",
            vec![Step::Send([data(&message(&NOT_SERVING)), status_ok()].concat()), Step::Hang],
        )
        .field("grpc", "method", json!("Watch"))
        .fails(Cause::NotServing, Stage::Body),
    ]
}

/// Frames without end.
fn floods() -> Vec<Case> {
    let slow = |case: Case| case.fails(Cause::ResponseTimeout, Stage::Request).stage_timeout(Stage::Request, 500);
    let many = fields(&[("x", "y")]).repeat(3000);
    vec![
        slow(answering("endless settings", vec![Step::Endless(frame(SETTINGS, 0, 0, &[]).repeat(1000))])),
        slow(answering("endless pings", vec![Step::Endless(frame(PING, 0, 0, &[7; 8]).repeat(1000))])),
        slow(answering("endless interim answers", vec![Step::Endless(header(&[(":status", "103")]).repeat(100))])),
        answering(
            "an endless header",
            vec![Step::Send(frame(HEADERS, 0, 1, &many)), Step::Endless(frame(CONTINUATION, 0, 1, &many))],
        )
        .fails(Cause::ResponseTooLarge, Stage::Request),
        answering(
            "a header larger than is read",
            vec![Step::Send(frame(HEADERS, 0, 1, &many)), Step::Send(frame(CONTINUATION, 4, 1, &many)), Step::Hang],
        )
        .fails(Cause::ProtocolMismatch, Stage::Request)
        .says("larger than is read"),
        begun("endless messages", vec![Step::Endless(data(&message(&NOT_SERVING).repeat(1000)))])
            .field("grpc", "method", json!("Watch"))
            .fails(Cause::ResponseTooLarge, Stage::Body)
            .says("more than 1000 messages"),
        begun("endless frames without content", vec![Step::Endless(data(&[]).repeat(1000))])
            .fails(Cause::ResponseTooLarge, Stage::Body),
    ]
}

#[test]
fn each_misuse_of_the_protocol_has_its_cause() {
    assert!(rows().len() > 60);
}
