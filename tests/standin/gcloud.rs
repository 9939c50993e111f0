//! Google's own command line against the stand-in. It is an extra that nothing of this project installs: where there is none, the
//! tests say so and pass.

use std::path::PathBuf;
use std::process::Command;

use runready::standin::world;
use serde_json::Value;

use crate::support::discovery::Documents;
use crate::support::process::run_with_input;
use crate::support::skip::{judge, require};
use crate::support::{google, scratch};

/// Where gcloud is. Its absence skips aloud even where nothing else may be skipped.
fn gcloud() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("gcloud")).find(|file| file.is_file());
    let why =
        "there is no gcloud in PATH, and it is an extra: install the Google Cloud CLI to try the stand-in with it";
    judge(found.ok_or_else(|| why.to_owned()), false, &mut std::io::stderr())
}

/// What gcloud prints, asked of the stand-in and of nothing else.
fn asked(gcloud: &std::path::Path, url: &str, words: &str) -> String {
    let config = scratch::dir("gcloud");
    let mut command = Command::new(gcloud);
    command.args(words.split(' ')).args(["--project", world::PROJECT]);
    command.env("CLOUDSDK_CONFIG", config.path()).env("CLOUDSDK_AUTH_DISABLE_CREDENTIALS", "true");
    command.env("CLOUDSDK_CORE_DISABLE_PROMPTS", "1").env("CLOUDSDK_CORE_DISABLE_USAGE_REPORTING", "true");
    command.env("CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK", "true");
    for (api, path) in
        [("VPCACCESS", ""), ("SQL", ""), ("RUN", ""), ("COMPUTE", "compute/v1/"), ("DNS", ""), ("LOGGING", "")]
    {
        command.env(format!("CLOUDSDK_API_ENDPOINT_OVERRIDES_{api}"), format!("{url}/{path}"));
    }
    // `gcloud run` puts the region before the host's name, which has then no address: the stand-in is its proxy, too. So nothing
    // else is asked, whatever gcloud would like to.
    for proxy in ["http_proxy", "https_proxy"] {
        command.env(proxy, url);
    }
    run_with_input(&mut command, "").unwrap_or_else(|error| panic!("{error}"))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn gcloud_is_satisfied_with_the_stand_in() {
    let Some(gcloud) = gcloud() else { return };
    let standin = google::healthy();
    let ask = |words: &str| asked(&gcloud, &standin.url(), words);

    let connector =
        json(&ask("compute networks vpc-access connectors describe staging --region us-central1 --format json"));
    assert_eq!((&connector["name"], &connector["state"]), (&world::CONNECTOR.into(), &"READY".into()));

    let instance = json(&ask("sql instances describe staging-shared-postgres --format json"));
    assert_eq!((&instance["connectionName"], &instance["state"]), (&world::CONNECTION_NAME.into(), &"RUNNABLE".into()));

    let network = json(&ask("compute networks describe staging-vpc --format json"));
    assert_eq!(network["peerings"][0]["name"], world::PEERING);

    let zones = json(&ask("dns managed-zones list --format json"));
    assert_eq!(zones[0]["dnsName"], "staging.internal.");

    let unknown: Vec<String> = standin.asked().unknown().map(str::to_owned).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn gcloud_exports_the_service_in_knatives_shape() {
    let Some(gcloud) = gcloud() else { return };
    let Some(documents) = require(Documents::load()) else { return };
    let standin = google::healthy();
    let text = asked(&gcloud, &standin.url(), "run services describe backend --region us-central1 --format export");
    let service: Value = serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let annotations = &service["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(annotations["run.googleapis.com/vpc-access-connector"], "staging", "{text}");
    assert_eq!(annotations["run.googleapis.com/cloudsql-instances"], world::CONNECTION_NAME, "{text}");
    assert_eq!(service["spec"]["template"]["spec"]["containers"][0]["startupProbe"]["failureThreshold"], 7, "{text}");
    let faults = documents.faults_of_object("run.v1", "Service", &service);
    assert!(faults.is_empty(), "{faults:#?}\n{text}");
}
