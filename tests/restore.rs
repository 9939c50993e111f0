//! `runready restore`: that a shell and gcloud and Terraform read what it prints as it is meant. Which command restores a field is in
//! `command`, what it prints for a status in `printed`, what it runs in `apply`, what it prints for a network in `network`, and for
//! declarations in `declared`.

mod apply;
mod command;
mod declared;
mod network;
mod printed;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

use runready::api::baseline::BaselineObject;
use runready::baseline::{Remedy, remedies, restoring_command};
use runready::cloud::{Drift, Inspection};
use serde_json::{Value, json};

use crate::support::scratch;
use crate::support::skip::judge;

const RUNREADY: &str = env!("CARGO_BIN_EXE_runready");
const SERVICE: &str = "projects/netra-staging/locations/us-central1/services/backend";
const CONNECTOR: &str = "projects/netra-staging/locations/us-central1/connectors/staging-connector";
const INSTANCE: &str = "projects/netra-staging/instances/staging-shared-postgres";
const NETWORK: &str = "projects/netra-staging/global/networks/staging-vpc";

fn drift(inspection: Inspection, object: &str, field: &str, was: Option<&str>, is: Option<&str>) -> Drift {
    let since = "2026-11-25T12:41:00Z".parse().expect("a time");
    let (was, is) = (was.map(str::to_owned), is.map(str::to_owned));
    Drift { inspection, object: object.to_owned(), field: field.to_owned(), was, is, since, changed: None, by: None }
}

fn known(inspection: Inspection, name: &str, fields: &[(&str, &str)]) -> BaselineObject {
    let fields = fields.iter().map(|(field, value)| ((*field).to_owned(), (*value).to_owned())).collect();
    BaselineObject { inspection, name: name.to_owned(), fields }
}

/// Drift of every field that a command restores, and of some that none does.
fn everything() -> (Vec<Drift>, Vec<BaselineObject>) {
    use Inspection::{Access, Connector, DnsZones, Instance, Network, Service};
    let peering = "peerings[servicenetworking-googleapis-com]";
    let other = "peerings[shared]";
    type Row<'a> = (Inspection, &'a str, &'a str, Option<&'a str>, Option<&'a str>);
    let rows: &[Row<'_>] = &[
        (Service, SERVICE, "vpcAccess.connector", Some(CONNECTOR), None),
        (Service, SERVICE, "vpcAccess.egress", Some("PRIVATE_RANGES_ONLY"), None),
        (Service, SERVICE, "cloudSqlInstances", Some("p:r:a,p:r:b"), None),
        (Service, SERVICE, "timeout", Some("300s"), Some("20s")),
        (Service, SERVICE, "serviceAccount", Some("backend@netra-staging.iam.gserviceaccount.com"), None),
        (Service, SERVICE, "containerPort", Some("8080"), Some("8081")),
        (Service, SERVICE, "scaling.maxInstanceCount", Some("20"), Some("1")),
        (
            Service,
            SERVICE,
            "startupProbe",
            Some("http:/healthz initialDelaySeconds=0 timeoutSeconds=1 periodSeconds=5 failureThreshold=7"),
            Some("tcp:8080 initialDelaySeconds=0 timeoutSeconds=240 periodSeconds=240 failureThreshold=1"),
        ),
        (Service, SERVICE, "env[DB_PASSWORD]", Some("secret db-password:3"), None),
        (Service, SERVICE, "env[DB_HOST]", Some("host 10.20.0.3"), Some("host 10.20.0.9")),
        (Service, SERVICE, "traffic", Some("LATEST=100"), Some("backend-00001=100")),
        (Connector, CONNECTOR, "minInstances", Some("3"), Some("2")),
        (Connector, CONNECTOR, "maxInstances", Some("10"), Some("4")),
        (Connector, CONNECTOR, "machineType", Some("e2-standard-4"), Some("e2-micro")),
        (Instance, INSTANCE, "settings.activationPolicy", Some("ALWAYS"), Some("NEVER")),
        (Instance, INSTANCE, "settings.tier", Some("db-custom-2-7680"), Some("db-f1-micro")),
        (Instance, INSTANCE, "settings.ipConfiguration.sslMode", Some("ENCRYPTED_ONLY"), None),
        (Instance, INSTANCE, "settings.ipConfiguration.ipv4Enabled", Some("false"), Some("true")),
        (Instance, INSTANCE, "settings.connectorEnforcement", Some("NOT_REQUIRED"), Some("REQUIRED")),
        (Instance, INSTANCE, "settings.ipConfiguration.authorizedNetworks", Some("10.0.0.0/8"), None),
        (Instance, INSTANCE, "settings.dataDiskSizeGb", Some("100"), Some("10")),
        (Instance, INSTANCE, "settings.ipConfiguration.pscConfig.pscEnabled", Some("true"), Some("false")),
        (Instance, INSTANCE, "settings.databaseFlags[max_connections]", Some("200"), Some("20")),
        (Instance, INSTANCE, "ipAddresses[PRIVATE]", Some("10.20.0.3"), Some("10.20.0.9")),
        (Network, NETWORK, "allocatedRanges[services]", Some("10.20.0.0/24"), None),
        (Network, NETWORK, &format!("{peering}.exportCustomRoutes"), Some("true"), Some("false")),
        (Network, NETWORK, &format!("{peering}.importedRanges"), Some("10.20.0.0/24"), None),
        (Network, NETWORK, &format!("{other}.network"), Some("projects/host/global/networks/shared"), None),
        (Network, NETWORK, "subnets[us-central1/apps].privateIpGoogleAccess", Some("true"), Some("false")),
        (Network, NETWORK, "subnets[us-central1/gone].ipCidrRange", Some("10.11.0.0/26"), None),
        (Network, NETWORK, "subnets[us-central1/gone].privateIpGoogleAccess", Some("true"), None),
        (Network, NETWORK, "subnets[us-central1/gone].purpose", Some("PRIVATE"), None),
        (Network, NETWORK, "subnets[us-central1/gone].secondaryIpRanges", Some("10.12.0.0/24"), None),
        (Network, NETWORK, "routes[0.0.0.0/0]", Some("gateway default-internet-gateway priority=1000"), None),
        (
            Network,
            NETWORK,
            "firewall[allow-db]",
            Some("EGRESS allow priority=1000 ranges=10.20.0.0/24 ports=tcp:5432"),
            None,
        ),
        (
            Network,
            NETWORK,
            "firewall[allow-web]",
            Some("INGRESS allow priority=900 ranges=0.0.0.0/0 ports=tcp:443 tags=web"),
            Some("INGRESS allow priority=900 ranges=0.0.0.0/0 ports=tcp:443 tags=web disabled"),
        ),
        (DnsZones, NETWORK, "zones[internal].networks", Some("staging-vpc"), None),
        (Access, "projects/netra-staging", "roles[roles/cloudsql.client]", Some("granted"), None),
    ];
    let baseline = vec![
        known(
            Instance,
            INSTANCE,
            &[("settings.databaseFlags[log_connections]", "on"), ("settings.databaseFlags[max_connections]", "200")],
        ),
        known(Access, "projects/netra-staging", &[("account", "backend@netra-staging.iam.gserviceaccount.com")]),
    ];
    (
        rows.iter().map(|(inspection, object, field, was, is)| drift(*inspection, object, field, *was, *is)).collect(),
        baseline,
    )
}

fn commands(remedies: &[Remedy]) -> Vec<String> {
    remedies.iter().flat_map(|remedy| &remedy.commands).map(ToString::to_string).collect()
}

#[test]
fn a_shell_reads_a_hostile_value_as_one_argument() {
    let hostile = "x'; touch /tmp/pwned; $(reboot) `id` \"\\ &";
    let drift = drift(Inspection::Service, SERVICE, "serviceAccount", Some(hostile), None);
    let command = restoring_command(&drift, std::slice::from_ref(&drift), &[]).expect("a command");
    let script = format!("set -- {command}; for word; do printf '%s\\n' \"$word\"; done");
    let output = Command::new("sh").arg("-c").arg(script).output().expect("a shell");
    let words = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(words.lines().last(), Some(&*format!("--service-account={hostile}")));
    assert!(!Path::new("/tmp/pwned").exists());
}

#[test]
fn a_name_that_is_none_and_a_value_that_hides_something_give_no_command() {
    let names = [
        "projects/p/locations/r/services/--help",
        "projects/p/locations/r/services/a b",
        "projects/p/locations/r/services/$(id)",
    ];
    for name in names {
        let drift = drift(Inspection::Service, name, "timeout", Some("300s"), None);
        assert_eq!(restoring_command(&drift, std::slice::from_ref(&drift), &[]), None, "{name}");
    }
    for value in ["300s\nreboot", "\u{1b}[2K300s", "300s\u{202e}x"] {
        let drift = [drift(Inspection::Service, SERVICE, "timeout", Some(value), None)];
        assert_eq!(restoring_command(&drift[0], &drift, &[]), None, "{value:?}");
        assert!(remedies(&drift, &[])[0].notes[0].contains("no command is printed"));
    }
}

#[test]
fn terraform_takes_every_fragment_as_it_is_laid_out() {
    let Some(terraform) = judge(tool("terraform"), false, &mut std::io::stderr()) else { return };
    let (mut drift, baseline) = everything();
    drift[4].was = Some("a\"b\\${x}%{y}\n".to_owned());
    for remedy in remedies(&drift, &baseline) {
        let Some(text) = remedy.terraform else { continue };
        let directory = scratch::dir("restore");
        let file = directory.path().join("restore.tf");
        std::fs::write(&file, &text).expect("a file");
        let output =
            Command::new(&terraform).args(["fmt", "-check", "-diff"]).arg(&file).output().expect("terraform runs");
        assert!(output.status.success(), "{text}\n{output:?}");
    }
}

#[test]
fn gcloud_knows_every_flag() {
    let (drift, baseline) = everything();
    known_to_gcloud(&remedies(&drift, &baseline));
}

/// Asks gcloud's own help for every flag of these commands.
fn known_to_gcloud(remedies: &[Remedy]) {
    let Some(gcloud) = judge(tool("gcloud"), false, &mut std::io::stderr()) else { return };
    let home = scratch::dir("restore");
    for command in remedies.iter().flat_map(|remedy| &remedy.commands) {
        let words = command.words();
        let flags: BTreeSet<&str> =
            words.iter().filter_map(|word| word.strip_prefix("--")?.split('=').next()).collect();
        let plain = words.iter().take_while(|word| !word.starts_with("--")).count();
        // The connection of private services access has no name.
        let verb = if words[..plain].contains(&"vpc-peerings".to_owned()) { plain } else { plain - 1 };
        let help = Command::new(&gcloud)
            .args(&words[1..verb])
            .arg("--help")
            .env("CLOUDSDK_CONFIG", home.path())
            .env("PAGER", "cat")
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .output()
            .expect("gcloud runs");
        let help: String = String::from_utf8_lossy(&help.stdout).replace("[no-]", "");
        for flag in flags {
            let flag = flag.strip_prefix("no-").unwrap_or(flag);
            assert!(help.contains(&format!("--{flag}")) || help.contains(flag), "{:?} has no --{flag}", &words[..verb]);
        }
    }
}

fn tool(name: &str) -> Result<std::path::PathBuf, String> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| format!("{name} is not installed"))
}

/// The incident's check with its status, as kubectl prints it.
fn check() -> Value {
    json!({
        "apiVersion": "v1", "kind": "List",
        "items": [{
            "apiVersion": "runready.dev/v1alpha1", "kind": "ConnectivityCheck",
            "metadata": {"namespace": "staging", "name": "backend"},
            "spec": {"probes": []},
            "status": {"drift": [{
                "inspection": "Service", "object": SERVICE, "field": "vpcAccess.connector", "was": CONNECTOR,
                "since": "2026-11-25T12:41:00Z", "by": "deployer@example.com",
            }]},
        }],
    })
}

fn restore(file: &Path, path: &Path, more: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(RUNREADY)
        .args(["restore", "-f"])
        .arg(file)
        .args(more)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}
