//! The outage that this exists for, in full: a real PostgreSQL behind a router that drops its packets, Google's APIs as on that
//! morning, and one `runready check`.

use jiff::Timestamp;
use runready::standin::{State, world};
use serde_json::{Value, json};

use crate::support::google;
use crate::support::netns::{Fault, Lab, SERVER};
use crate::support::pgsetup::Setup;
use crate::support::postgres::{DATABASE, Postgres};
use crate::support::skip::require;

/// The example, with the database of this test in its place.
fn manifest(postgres: &Postgres) -> String {
    let text = std::fs::read_to_string("examples/incident.yaml").expect("the example");
    let mut check: Value = serde_yaml::from_str(&text).expect("YAML");
    check["spec"]["probes"][0]["postgres"] = json!({
        "host": SERVER, "port": postgres.port(), "database": DATABASE, "user": postgres.user(), "tls": {"mode": "Disable"},
    });
    check.to_string()
}

/// Google's APIs with that state, but for the address of the instance and the way to it.
fn state(make: fn(Timestamp) -> State) -> State {
    let mut state = make(Timestamp::now());
    state.move_database(SERVER, "10.77.2.0/24");
    state
}

/// What `runready check` says at the client, as one who is behind the service's own egress.
fn check(lab: &Lab, file: &str, google: &str) -> Value {
    let program = env!("CARGO_BIN_EXE_runready");
    let command = [
        "ip",
        "netns",
        "exec",
        lab.client(),
        program,
        "check",
        "-f",
        file,
        "-o",
        "json",
        "--vantage",
        "cloudrun/netra-staging/us-central1/backend",
        "--inspect",
        "on",
        "--google-credentials",
        "anonymous",
        "--google-endpoint",
        google,
    ];
    let output = std::process::Command::new(command[0]).args(&command[1..]).output().expect("runready");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!text.contains(world::SECRET), "a value of the environment shows");
    let result: Value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    result["items"].get(0).unwrap_or(&result)["status"].clone()
}

fn says(all: &Value, words: &[&str]) {
    let text = all.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

#[test]
fn the_incident_is_told_with_its_layer_its_drift_its_contradiction_and_its_remedy() {
    let Some(lab) = require(Lab::build()) else { return };
    let Some(postgres) = require(Setup::plain().listen(SERVER).in_netns(lab.server()).start()) else { return };
    let folder = crate::support::scratch::dir("incident");
    let file = folder.path().join("check.yaml");
    std::fs::write(&file, manifest(&postgres)).expect("a file");
    let file = file.to_str().expect("UTF-8");

    let healthy = lab.at_client(|| google::start(state(State::healthy)));
    let status = check(&lab, file, &healthy.url());
    assert_eq!(status["verdict"], Value::Null, "{status}");
    let conditions = status["conditions"].as_array().expect("conditions");
    let of = |kind: &str| conditions.iter().find(|condition| condition["type"] == kind).expect("the condition");
    for kind in ["Ready", "DatabaseReachable", "InfrastructureHealthy", "ConfigurationConsistent"] {
        assert_eq!(of(kind)["status"], "True", "{}", of(kind));
    }

    lab.fault(Fault::Drop);
    let broken = lab.at_client(|| google::start(state(State::incident)));
    let status = check(&lab, file, &broken.url());
    println!("{}", serde_yaml::to_string(&status["verdict"]).expect("YAML"));
    let verdict = &status["verdict"];
    assert_eq!((&verdict["layer"], &verdict["confidence"]), (&json!("Egress"), &json!("High")), "{verdict}");
    says(&verdict["evidence"], &["ConnectTimeout", "ERROR"]);
    says(&verdict["ruledOut"], &["Region"]);
    says(&verdict["others"], &["20.0 s", "35.0 s"]);
    says(
        &verdict["remedy"],
        &[
            "gcloud compute networks vpc-access connectors create staging",
            "--range=10.8.0.0/28",
            "--network=staging-vpc",
        ],
    );
    says(&status["drift"], &["10.8.0.0/28", "10.9.0.0/28", "staging-vpc"]);
    // Who did it, and when: an hour before it was seen.
    let drift = status["drift"].as_array().expect("drift");
    assert!(drift.iter().all(|drift| drift["by"] == world::CULPRIT), "{drift:?}");
    assert!(drift.iter().all(|drift| drift["changed"].as_str() < drift["since"].as_str()), "{drift:?}");
    says(&verdict["summary"], &[&format!("by {}", world::CULPRIT)]);
    let logs: Vec<&Value> =
        verdict["evidence"].as_array().into_iter().chain(verdict["others"].as_array()).flatten().collect();
    says(&json!(logs), &["649"]);
}
