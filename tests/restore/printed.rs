//! What `runready restore` prints for a status: the remedy in three forms, what has no fragment, and why a file is no status.

use serde_json::json;

use super::{NETWORK, SERVICE, check, restore};
use crate::support::scratch;

#[test]
fn the_incident_is_shown_with_its_remedy_in_three_forms() {
    let directory = scratch::dir("restore");
    let file = directory.path().join("checks.yaml");
    std::fs::write(&file, serde_yaml::to_string(&check()).expect("YAML")).expect("a file");
    let (code, out, err) = restore(&file, directory.path(), &[]);
    assert_eq!((code, &*err), (Some(1), ""));
    assert_eq!(
        out,
        "staging/backend: 1 thing differs from the configuration that worked
  vpcAccess.connector of backend was \"projects/netra-staging/locations/us-central1/connectors/staging-connector\", is not set since 2026-11-25T12:41:00Z (by deployer@example.com)

# projects/netra-staging/locations/us-central1/services/backend
gcloud run services update backend --project=netra-staging --region=us-central1 --vpc-connector=projects/netra-staging/locations/us-central1/connectors/staging-connector

# Config Connector: set these in the declaration, the rest stays
apiVersion: run.cnrm.cloud.google.com/v1beta1
kind: RunService
metadata:
  name: backend
spec:
  template:
    vpcAccess:
      connectorRef:
        external: projects/netra-staging/locations/us-central1/connectors/staging-connector

# Terraform: set these in the declaration, the rest stays
resource \"google_cloud_run_v2_service\" \"backend\" {
  location = \"us-central1\"
  name     = \"backend\"
  project  = \"netra-staging\"

  template {
    vpc_access {
      connector = \"projects/netra-staging/locations/us-central1/connectors/staging-connector\"
    }
  }
}
"
    );
    let (code, out, _) = restore(&file, directory.path(), &["--show", "gcloud"]);
    assert!(code == Some(1) && !out.contains("Terraform") && out.contains("gcloud run services update"), "{out}");
}

#[test]
fn several_things_differ_and_what_has_no_fragment_is_named() {
    let mut check = check();
    check["items"][0]["status"]["drift"] = json!([
        {"inspection": "Service", "object": SERVICE, "field": "env[DB_HOST]", "was": "host 10.20.0.3", "since": "2026-11-25T12:41:00Z"},
        {"inspection": "Network", "object": NETWORK, "field": "mtu", "was": "1500", "since": "2026-11-25T12:41:00Z"},
    ]);
    let directory = scratch::dir("restore");
    let file = directory.path().join("checks.yaml");
    std::fs::write(&file, serde_yaml::to_string(&check).expect("YAML")).expect("a file");
    let (_, out, _) = restore(&file, directory.path(), &[]);
    let mut alone = check.clone();
    alone["items"][0]["metadata"] = json!({"name": "backend"});
    std::fs::write(&file, serde_yaml::to_string(&alone).expect("YAML")).expect("a file");
    let (_, without, _) = restore(&file, directory.path(), &[]);
    assert!(without.starts_with("backend: 2 things"), "{without}");
    assert!(out.starts_with("staging/backend: 2 things differ from the configuration that worked\n"), "{out}");
    assert!(out.contains("\n# Terraform: no fragment\n# env[DB_HOST]: no fragment; "), "{out}");
    assert!(out.contains("\n# Terraform: set these in the declaration, the rest stays\nresource "), "{out}");
}

#[test]
fn what_is_no_status_is_told_in_so_many_words() {
    let directory = scratch::dir("restore");
    let file = directory.path().join("check.yaml");
    for (text, said) in [
        ("kind: ConfigMap\n", "no ConnectivityCheck"),
        ("kind: ConnectivityCheck\nmetadata: {name: a}\n", "has no status"),
        ("kind: ConnectivityCheck\nmetadata: {name: a}\nstatus: {drift: 3}\n", "none of this version"),
    ] {
        std::fs::write(&file, text).expect("a file");
        let (code, _, err) = restore(&file, directory.path(), &[]);
        assert!(code == Some(2) && err.contains(said), "{text}: {err}");
    }
}
