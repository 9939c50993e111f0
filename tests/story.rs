//! The story that runready exists for, told with kubectl against the real API server, a real PostgreSQL and real faults on
//! the way to it: each way of breaking has a verdict of its own, and people hear of each.

use std::io;
use std::net::{TcpListener, TcpStream};

use runready::api::{Cause, Layer};
use serde_json::Value;

use crate::support::apiserver::ApiServer;
use crate::support::checks::{SOON, check, shared, until_ready};
use crate::support::netns::{Fault, Lab, SERVER};
use crate::support::pgsetup::{Auth, Setup};
use crate::support::postgres::{DATABASE, PASSWORD, Postgres};
use crate::support::process::{Process, Signal};
use crate::support::scratch;
use crate::support::skip::require;
use crate::support::wait::until;

const CONNECTIONS: u32 = 5;

/// Carries connections from a port in the client's network to the API server on the host's loopback.
fn door_to_the_api_server(lab: &Lab, api: &ApiServer) -> io::Result<()> {
    let address = api.url().trim_start_matches("https://").to_owned();
    let listener = lab.at_client(|| TcpListener::bind(&address))?;
    std::thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            let Ok(outside) = TcpStream::connect(&address) else { continue };
            let (Ok(inside_too), Ok(outside_too)) = (inside.try_clone(), outside.try_clone()) else { continue };
            std::thread::spawn(move || carry(inside, outside));
            std::thread::spawn(move || carry(outside_too, inside_too));
        }
    });
    Ok(())
}

fn carry(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(std::net::Shutdown::Write);
}

/// The operator, with the client's network and nothing else of the world but the API server.
fn operator_at_client(lab: &Lab, api: &ApiServer, namespace: &str, dir: &std::path::Path) -> Process {
    let kubeconfig = format!("KUBECONFIG={}", api.kubeconfig().display());
    let command =
        ["env", &kubeconfig, env!("CARGO_BIN_EXE_runready"), "run", "--inspect", "off", "--namespace", namespace];
    let inside = ["ip", "netns", "exec", lab.client()];
    Process::spawn(&inside, Signal::Kill, &[], &command, &dir.join("log")).expect("the operator starts")
}

fn manifest(namespace: &str, password: &str, user: &str) -> String {
    let secret = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: db, namespace: {namespace}}}\nstringData: {{password: {password}}}\n---\n"
    );
    let spec = format!(
        "{{service: {{project: netra-staging, region: us-central1, name: backend}}, interval: 1s, timeout: 1s, \
         probes: [{{name: database, postgres: {{host: {SERVER}, database: {DATABASE}, user: {user}, \
         passwordSecretRef: {{name: db, key: password}}}}}}]}}"
    );
    secret + &check(namespace, "backend", &spec)
}

struct Stage<'a> {
    api: &'a ApiServer,
    namespace: &'a str,
    operator: &'a Process,
}

impl Stage<'_> {
    /// Waits for the verdict on what is broken, and checks what it says.
    fn broken(&self, cause: Cause, layer: Layer) {
        let object = until_ready(self.api, self.namespace, "backend", "False", cause.as_str());
        let verdict = &object["status"]["verdict"];
        let log = || self.operator.log_tail();
        assert_eq!(verdict["cause"], cause.as_str(), "{verdict}\n{}", log());
        assert_eq!(verdict["layer"], layer.as_str(), "{verdict}\n{}", log());
        for part in ["summary", "remedy", "since"] {
            assert!(verdict[part].as_str().is_some_and(|text| !text.is_empty()), "no {part}: {verdict}");
        }
        let evidence = verdict["evidence"].as_array().and_then(|all| all.first()).and_then(Value::as_str);
        assert!(evidence.is_some_and(|text| text.starts_with("database from host/")), "no vantage: {verdict}");
        let table = self.kubectl(&["get", "cc", "backend"]);
        assert!(table.contains(cause.as_str()) && table.contains(layer.as_str()), "{table}");
    }

    /// Waits as a pipeline does.
    fn restored(&self) {
        self.kubectl(&["wait", "--for=condition=Ready", "cc/backend", "--timeout=30s"]);
    }

    fn kubectl(&self, args: &[&str]) -> String {
        let args = [args, &["--namespace", self.namespace]].concat();
        self.api.kubectl(&args).unwrap_or_else(|said| panic!("{said}\n{}", self.operator.log_tail()))
    }
}

#[test]
fn each_way_of_breaking_has_a_verdict_of_its_own() {
    let Some(api) = shared() else { return };
    let Some(lab) = require(Lab::build()) else { return };
    let setup = Setup::plain().auth(Auth::Scram).listen(SERVER).in_netns(lab.server()).max_connections(CONNECTIONS);
    let Some(postgres) = require(setup.start()) else { return };
    door_to_the_api_server(&lab, api).expect("a door");
    let (namespace, dir) = (api.namespace("story"), scratch::dir("story"));
    let operator = operator_at_client(&lab, api, &namespace, dir.path());
    let stage = Stage { api, namespace: &namespace, operator: &operator };
    let password = format!("\"{PASSWORD}\"");

    api.apply(&manifest(&namespace, &password, postgres.user())).expect("applied");
    stage.restored();

    postgres.stop();
    stage.broken(Cause::ConnectionRefused, Layer::Database);
    postgres.start();
    stage.restored();

    lab.fault(Fault::Drop);
    stage.broken(Cause::ConnectTimeout, Layer::Network);
    lab.heal();
    stage.restored();

    let held = full(&postgres);
    stage.broken(Cause::TooManyConnections, Layer::Database);
    drop(held);
    stage.restored();

    api.apply(&manifest(&namespace, "mistaken", postgres.user())).expect("applied");
    stage.broken(Cause::AuthenticationFailed, Layer::Application);
    api.apply(&manifest(&namespace, &password, postgres.user())).expect("applied");
    stage.restored();

    let told = |events: &str| {
        let causes = ["ConnectionRefused", "ConnectTimeout", "TooManyConnections", "AuthenticationFailed"];
        causes.iter().all(|cause| events.lines().any(|line| line.contains("Warning") && line.contains(cause)))
            && events.contains("Ready again after")
    };
    until(SOON, "an event of each", || {
        let events = stage.kubectl(&["get", "events"]);
        if told(&events) { Ok(()) } else { Err(events) }
    });
    let everything = stage.kubectl(&["get", "cc,events", "-o", "yaml"]) + &operator.log_tail();
    assert!(!everything.contains(PASSWORD) && !everything.contains("mistaken"), "a password shows");
}

/// Takes every connection: a probe may hold the last one for a moment.
fn full(postgres: &Postgres) -> Vec<std::os::unix::net::UnixStream> {
    let held = postgres.fill_connections();
    assert!(u32::try_from(held.len()).is_ok_and(|count| count == CONNECTIONS - 1), "{} connections", held.len());
    held
}
