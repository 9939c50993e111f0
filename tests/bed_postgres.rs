//! Tries the PostgreSQL servers of the test bed: that each refuses and accepts what tests rely on it for.

use std::time::Duration;

use crate::support::cert::{Authority, Issued};
use crate::support::pgsetup::{Auth, Phase, Setup};
use crate::support::postgres::{PASSWORD, Postgres};
use crate::support::scratch;
use crate::support::skip::require;
use crate::support::wait::until;

const ONE: &str = "SELECT 1";

fn with_password(password: &str) -> String {
    format!("password='{password}'")
}

/// The server over the network must refuse with these words.
#[track_caller]
fn refuses(postgres: &Postgres, words: &str, because: &str) {
    let said = postgres.psql_over_network(words, ONE).expect_err("a refusal");
    assert!(said.contains(because), "{said}");
}

#[track_caller]
fn accepts(postgres: &Postgres, words: &str) {
    let answer = postgres.psql_over_network(words, ONE).unwrap_or_else(|e| panic!("{e}\n{}", postgres.log_tail()));
    assert_eq!(answer, "1");
}

#[test]
fn a_restarted_server_keeps_its_data_and_address() {
    let Some(postgres) = require(Setup::plain().start()) else {
        return;
    };
    postgres.psql_over_network("", "CREATE TABLE kept AS SELECT 42 AS n").expect("a table");
    postgres.stop();
    refuses(&postgres, "", "Connection refused");
    postgres.start();
    assert_eq!(postgres.psql_over_network("", "SELECT n FROM kept").expect("the table"), "42");
}

#[test]
fn servers_listen_where_they_are_told() {
    for address in ["127.0.0.7", "::1"] {
        let Some(postgres) = require(Setup::plain().listen(address).start()) else {
            return;
        };
        assert_eq!(postgres.psql_over_network("", "SELECT host(inet_server_addr())").expect("an answer"), address);
    }
}

#[test]
fn passwords_are_checked_by_scram_and_md5() {
    for (auth, stored) in [(Auth::Scram, "SCRAM-SHA-256"), (Auth::Md5, "md5")] {
        let Some(postgres) = require(Setup::plain().auth(auth).start()) else {
            return;
        };
        accepts(&postgres, &with_password(PASSWORD));
        refuses(&postgres, &with_password("wrong"), "password authentication failed");
        let secret = postgres.psql(&format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{}'", postgres.user()));
        assert!(secret.expect("the stored password").starts_with(stored));
    }
}

#[test]
fn a_rule_can_reject_everyone() {
    let Some(postgres) = require(Setup::plain().auth(Auth::Reject).start()) else {
        return;
    };
    refuses(&postgres, &with_password(PASSWORD), "pg_hba.conf rejects connection");
}

#[test]
fn connections_without_tls_can_be_refused() {
    let authority = Authority::new("test authority");
    let server = authority.server(&["127.0.0.1"]);
    let Some(postgres) = require(Setup::plain().tls(&server).tls_only().start()) else {
        return;
    };
    refuses(&postgres, "sslmode=disable", "no encryption");
    accepts(&postgres, "sslmode=require");
}

#[test]
fn server_certificates_are_right_or_wrong_in_one_respect() {
    let authority = Authority::new("test authority");
    let names = ["localhost", "127.0.0.1"];
    let cases: [(Issued, Result<(), &str>); 5] = [
        (authority.server(&names), Ok(())),
        (authority.expired(&names), Err("certificate verify failed")),
        (authority.not_yet_valid(&names), Err("certificate verify failed")),
        (authority.server(&["elsewhere.example"]), Err("does not match host name")),
        (Authority::new("another authority").server(&names), Err("certificate verify failed")),
    ];
    let dir = scratch::dir("ca");
    let ca = dir.path().join("ca.crt");
    std::fs::write(&ca, authority.pem()).expect("a file");
    let words = format!("sslmode=verify-full sslrootcert={}", ca.display());
    for (certificate, expected) in cases {
        let Some(postgres) = require(Setup::plain().tls(&certificate).start()) else {
            return;
        };
        match expected {
            Ok(()) => accepts(&postgres, &words),
            Err(because) => refuses(&postgres, &words, because),
        }
    }
}

#[test]
fn client_certificates_can_be_demanded() {
    let authority = Authority::new("test authority");
    let server = authority.server(&["127.0.0.1"]);
    let setup = Setup::plain().tls(&server).client_certificates(&authority);
    let Some(postgres) = require(setup.start()) else {
        return;
    };
    let dir = scratch::dir("client");
    let words = |issued: Issued| {
        let (cert, key) = (dir.path().join("client.crt"), dir.path().join("client.key"));
        std::fs::write(&cert, issued.cert).expect("a file");
        std::fs::write(&key, issued.key).expect("a file");
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("our own file");
        format!("sslmode=require sslcert={} sslkey={}", cert.display(), key.display())
    };
    refuses(&postgres, "sslmode=require", "requires a valid client certificate");
    accepts(&postgres, &words(authority.client("app", None)));
    refuses(&postgres, &words(authority.client("someone", None)), "authentication failed");
}

#[test]
fn a_full_server_has_no_connection_left() {
    let Some(postgres) = require(Setup::plain().max_connections(5).start()) else { return };
    let held = postgres.fill_connections();
    assert_eq!(held.len(), 4, "one is the superuser's");
    refuses(&postgres, "", "connection slots are reserved");
    // Whoever was refused keeps a place for a moment.
    until(Duration::from_secs(10), "the superuser's connection", || postgres.psql(ONE));
    drop(held);
    until(Duration::from_secs(10), "a free connection", || postgres.psql_over_network("", ONE));
}

#[test]
fn a_server_in_recovery_only_reads() {
    let Some(postgres) = require(Setup::plain().phase(Phase::ReadOnly).start()) else {
        return;
    };
    accepts(&postgres, "");
    assert_eq!(postgres.psql_over_network("", "SELECT pg_is_in_recovery()").expect("an answer"), "t");
    let said = postgres.psql_over_network("", "CREATE TABLE t ()").expect_err("a read-only server");
    assert!(said.contains("read-only transaction"), "{said}");
}

#[test]
fn a_server_that_starts_up_does_not_accept_connections() {
    let Some(postgres) = require(Setup::plain().phase(Phase::StartingUp).start()) else {
        return;
    };
    refuses(&postgres, "", "not accepting connections");
}
