//! Credentials of Google that are refused for good, and then work: whoever mends them need not restart anything.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::Version;
use serde_json::{Value, json};

use crate::support::checks::check;
use crate::support::cloudsql::{INSTANCE, StandIn};
use crate::support::operator::Operator;
use crate::support::pgsetup::Setup;
use crate::support::postgres::DATABASE;
use crate::support::process::Signal;
use crate::support::skip::require;
use crate::support::wait::until;
use crate::support::web::{Web, reply};
use crate::support::{google, scratch};

/// Google Cloud is read every 10 s at most.
const TWO_ROUNDS: Duration = Duration::from_secs(40);

/// Cause of the one probe, and why the service could not be read.
fn hindered(folder: &Path) -> (Value, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runready"));
    let output = command.args(["get", "-o", "json", "--folder"]).arg(folder).output().expect("it runs");
    let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let status = &list["items"][0]["status"];
    let inspections = status["inspections"].as_array().cloned().unwrap_or_default();
    let service = inspections.into_iter().find(|entry| entry["inspection"] == "Service").unwrap_or_default();
    let probe = &status["probes"][0];
    let cause = if probe["state"] == "Healthy" { json!("Healthy") } else { probe["cause"].clone() };
    (cause, service.get("reason").unwrap_or(&service["state"]).clone())
}

#[test]
fn credentials_that_were_refused_for_good_are_made_anew() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let (instance, apis) = (StandIn::start("POSTGRES_17"), google::healthy());
    let _proxy = instance.proxy(server.port());
    let granted = Arc::new(AtomicBool::new(false));
    let issuer = Web::plain(Version::HTTP_11, {
        let granted = granted.clone();
        move |_| match granted.load(Ordering::SeqCst) {
            false => reply(400, &[("content-type", "application/json")], json!({"error": "invalid_grant"}).to_string()),
            true => {
                let token = json!({"access_token": "keep-this", "expires_in": 3600, "token_type": "Bearer"});
                reply(200, &[("content-type", "application/json")], token.to_string())
            }
        }
    });
    let (folder, elsewhere) = (scratch::dir("credentials"), scratch::dir("account"));
    let account = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "keep-that", "refresh_token": "keep-it-too",
        "token_uri": format!("http://127.0.0.1:{}/token", issuer.port()),
    });
    let account_file = elsewhere.path().join("account.json");
    std::fs::write(&account_file, account.to_string()).expect("a file");
    let spec = json!({
        "interval": "1s", "inspect": {"interval": "10s"},
        "service": {"project": "netra-staging", "region": "us-central1", "name": "backend"},
        "probes": [{"name": "database", "postgres": {"cloudSql": {"instance": INSTANCE}, "database": DATABASE, "user": "app"}}],
    });
    std::fs::write(folder.path().join("check.yaml"), check("default", "backend", &spec.to_string())).expect("a file");
    let operator = Operator::on_folder(
        folder.path(),
        &["RUNREADY_INSPECT=on", &format!("GOOGLE_APPLICATION_CREDENTIALS={}", account_file.display())],
        &["--cloud-sql-endpoint", &instance.url(), "--google-endpoint", &apis.url()],
    );
    let until_hindered = |wanted: (&str, &str)| {
        until(TWO_ROUNDS, &format!("{wanted:?}"), || match hindered(folder.path()) {
            (probe, service) if (&probe, &service) == (&json!(wanted.0), &json!(wanted.1)) => Ok(()),
            other => Err(format!("{other:?}; its log: {}", operator.log())),
        });
    };
    until_hindered(("CredentialsFailed", "NoCredentials"));
    assert_eq!((instance.asked(), apis.asked().total()), ((0, 0), 0), "nobody is asked without a token");
    granted.store(true, Ordering::SeqCst);
    until_hindered(("Healthy", "Read"));
    let log = operator.stop_and_read(Signal::Term);
    assert!(!log.contains("keep-"), "{log}");
}
