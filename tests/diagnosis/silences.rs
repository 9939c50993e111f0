//! Where each rule must not speak: cases close to its own. Pure.

use runready::api::{Cause, Kind, ProbeState};

use super::cases::{CACHE, DB, WEB};
use super::seen::{Seen, ill, well};
use Kind::{Dns, Http, Load, Postgres, Tcp};

/// Cases close to a rule's own, about which it must not speak.
pub fn silences() -> Vec<(&'static str, &'static str, Vec<Seen>)> {
    let database = |cause| ill("database", Postgres, DB, cause);
    let web = |cause| ill("web", Http, WEB, cause);
    let timeouts = || vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout)];
    let with = |mut seen: Vec<Seen>, more: Seen| {
        seen.push(more);
        seen
    };
    vec![
        ("application/token", "the service refuses the token that was had", vec![web(Cause::StatusUnexpected)]),
        ("cloudrun/instances", "the service's own error", vec![web(Cause::StatusUnexpected)]),
        (
            "cloudsql/api",
            "the API answers, and knows no such instance",
            vec![database(Cause::CloudSqlInstanceNotFound)],
        ),
        (
            "cloudsql/configuration",
            "the API refuses our own account",
            vec![database(Cause::CloudSqlPermissionDenied).in_state(ProbeState::Unknown)],
        ),
        ("cloudsql/configuration", "the API does not answer", vec![database(Cause::CloudSqlApiFailed)]),
        ("cloudsql/identity", "the server's certificate has expired", vec![database(Cause::CertificateExpired)]),
        ("egress/all-silent", "something else answers", with(timeouts(), well("other", Tcp, "10.8.0.1:1"))),
        (
            "egress/all-silent",
            "something else refuses",
            with(timeouts(), ill("other", Tcp, "10.8.0.1:1", Cause::ConnectionRefused)),
        ),
        ("egress/all-silent", "a DNS server answers", with(timeouts(), well("name", Dns, DB))),
        (
            "egress/all-silent",
            "all addresses are of one host",
            vec![
                database(Cause::ConnectTimeout).tried("10.0.0.2:5432", Some(Cause::ConnectTimeout)),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout).tried("10.0.0.2:6379", Some(Cause::ConnectTimeout)),
            ],
        ),
        ("egress/all-silent", "there is one address only", vec![database(Cause::ConnectTimeout)]),
        ("network/targets-silent", "nothing else answers", timeouts()),
        (
            "network/targets-silent",
            "the others are ports of the same host",
            vec![
                database(Cause::ConnectTimeout),
                ill("cache", Tcp, CACHE, Cause::ConnectTimeout),
                well("other", Tcp, "10.8.0.1:1"),
            ],
        ),
        (
            "network/targets-silent",
            "another port of one of the hosts is open",
            vec![database(Cause::ConnectTimeout), web(Cause::ConnectTimeout), well("cache", Tcp, CACHE)],
        ),
        ("network/address-silent", "it is refused", vec![database(Cause::ConnectionRefused)]),
        ("network/address-silent", "it hangs later on", vec![database(Cause::HandshakeTimeout)]),
        ("network/unreachable", "nobody says so", vec![database(Cause::ConnectTimeout)]),
        ("network/large-packets", "nothing comes at all", vec![database(Cause::QueryTimeout)]),
        ("server/socket", "nobody listens on it", vec![database(Cause::ConnectionRefused)]),
        ("network/name", "the name is there", vec![database(Cause::ConnectTimeout)]),
        (
            "server/port-refused",
            "no other port of the host answers",
            vec![database(Cause::ConnectionRefused), well("web", Http, WEB)],
        ),
        (
            "server/refused",
            "another port of the host answers",
            vec![database(Cause::ConnectionRefused), well("cache", Tcp, CACHE)],
        ),
        ("database/state", "it is the password", vec![database(Cause::AuthenticationFailed)]),
        ("application/credentials", "it is the database's state", vec![database(Cause::TooManyConnections)]),
        ("application/tls", "TLS hangs", vec![web(Cause::TlsTimeout)]),
        ("server/hangs", "nothing was accepted", vec![web(Cause::ConnectTimeout)]),
        ("server/cuts", "it was refused to begin with", vec![web(Cause::ConnectionRefused)]),
        ("application/answer", "there was no answer", vec![web(Cause::ResponseTimeout)]),
        ("load/not-sustained", "nobody answers at all", vec![ill("load", Load, WEB, Cause::LimitExceeded)]),
        ("latency/too-slow", "it fails", vec![web(Cause::ResponseTimeout)]),
        ("check/spec", "the path fails", vec![database(Cause::ConnectTimeout)]),
        ("check/not-allowed", "nobody answers", vec![database(Cause::ConnectTimeout)]),
        ("check/prober", "a Secret is missing", vec![database(Cause::SecretNotFound).in_state(ProbeState::Unknown)]),
    ]
}
