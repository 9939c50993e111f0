//! `runready restore`: what it prints for a status, and that a shell and gcloud and Terraform read it as it is meant. What it runs is in
//! `apply`, what it prints for a network in `network`, and for declarations in `declared`.

mod apply;
mod declared;
mod network;

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
fn each_field_is_restored_by_the_command_that_sets_it() {
    let (drift, baseline) = everything();
    assert_eq!(
        commands(&remedies(&drift, &baseline)),
        [
            "gcloud run services update backend --project=netra-staging --region=us-central1 --vpc-connector=projects/netra-staging/locations/us-central1/connectors/staging-connector --vpc-egress=private-ranges-only --set-cloudsql-instances=p:r:a,p:r:b --timeout=300s --service-account=backend@netra-staging.iam.gserviceaccount.com --port=8080 --max-instances=20 --startup-probe=httpGet.path=/healthz,initialDelaySeconds=0,timeoutSeconds=1,periodSeconds=5,failureThreshold=7 --update-secrets=DB_PASSWORD=db-password:3",
            "gcloud run services update-traffic backend --project=netra-staging --region=us-central1 --to-latest",
            "gcloud compute networks vpc-access connectors update staging-connector --project=netra-staging --region=us-central1 --machine-type=e2-standard-4 --min-instances=3 --max-instances=10",
            "gcloud sql instances patch staging-shared-postgres --project=netra-staging --activation-policy=ALWAYS --tier=db-custom-2-7680 --ssl-mode=ENCRYPTED_ONLY --no-assign-ip --connector-enforcement=NOT_REQUIRED --authorized-networks=10.0.0.0/8 --storage-size=100 --enable-private-service-connect --database-flags=log_connections=on,max_connections=200",
            "gcloud compute addresses create services --global --purpose=VPC_PEERING --addresses=10.20.0.0 --prefix-length=24 --network=staging-vpc --project=netra-staging",
            "gcloud compute networks peerings update servicenetworking-googleapis-com --project=netra-staging --network=staging-vpc --export-custom-routes",
            "gcloud services vpc-peerings update --service=servicenetworking.googleapis.com --network=staging-vpc --project=netra-staging --ranges=services",
            "gcloud compute networks peerings create shared --project=netra-staging --network=staging-vpc --peer-network=shared --peer-project=host",
            "gcloud compute networks subnets update apps --project=netra-staging --region=us-central1 --enable-private-ip-google-access",
            "gcloud compute networks subnets create gone --project=netra-staging --network=staging-vpc --region=us-central1 --range=10.11.0.0/26 --enable-private-ip-google-access",
            "gcloud compute routes create restored-0-0-0-0-0 --project=netra-staging --network=staging-vpc --destination-range=0.0.0.0/0 --next-hop-gateway=default-internet-gateway --priority=1000",
            "gcloud compute firewall-rules create allow-db --project=netra-staging --network=staging-vpc --direction=EGRESS --action=ALLOW --rules=tcp:5432 --priority=1000 --destination-ranges=10.20.0.0/24 --no-disabled",
            "gcloud compute firewall-rules update allow-web --project=netra-staging --rules=tcp:443 --priority=900 --source-ranges=0.0.0.0/0 --target-tags=web --no-disabled",
            "gcloud dns managed-zones update internal --project=netra-staging --networks=staging-vpc",
            "gcloud projects add-iam-policy-binding netra-staging --member=serviceAccount:backend@netra-staging.iam.gserviceaccount.com --role=roles/cloudsql.client --condition=None",
        ]
    );
}

#[test]
fn a_connector_that_is_gone_is_created_as_it_was() {
    let gone = [drift(Inspection::Connector, CONNECTOR, "", Some(CONNECTOR), None)];
    let fields = [
        ("network", NETWORK),
        ("ipCidrRange", "10.8.0.0/28"),
        ("machineType", "e2-micro"),
        ("minInstances", "2"),
        ("maxInstances", "10"),
    ];
    let command = restoring_command(&gone[0], &gone, &[known(Inspection::Connector, CONNECTOR, &fields)]);
    assert_eq!(
        command.as_deref(),
        Some(
            "gcloud compute networks vpc-access connectors create staging-connector --project=netra-staging --region=us-central1 --network=staging-vpc --range=10.8.0.0/28 --machine-type=e2-micro --min-instances=2 --max-instances=10"
        )
    );
    assert_eq!(restoring_command(&gone[0], &gone, &[]), None);
    assert!(remedies(&gone, &[])[0].notes[0].contains("create it anew from where it is declared"));
}

#[test]
fn what_no_command_restores_says_so() {
    let (drift, _) = everything();
    let notes: Vec<String> = remedies(&drift, &[]).into_iter().flat_map(|remedy| remedy.notes).collect();
    for part in [
        "the variable DB_HOST said: host 10.20.0.3",
        "Google chooses it",
        "sets every flag at once",
        "it does so again with the ranges that were allocated to it",
        "--add-secondary-ranges=NAME=RANGE",
    ] {
        assert!(notes.iter().any(|note| note.contains(part)), "{part} is not in {notes:#?}");
    }
}

#[test]
fn a_variable_that_is_new_may_be_taken_away_as_what_it_is() {
    for (is, flag) in [("secret db-password:3", "--remove-secrets"), ("host 10.20.0.9", "--remove-env-vars")] {
        let drift = [drift(Inspection::Service, SERVICE, "env[DB_HOST]", None, Some(is))];
        let remedy = remedies(&drift, &[]).pop().expect("one object");
        assert!(remedy.commands.is_empty() && remedy.notes[0].contains(flag), "{remedy:?}");
    }
}

#[test]
fn a_variable_that_came_from_a_secret_comes_from_it_again_whatever_stands_there_now() {
    let of = |was: &str, is: &str| {
        let drift = [drift(Inspection::Service, SERVICE, "env[DB_HOST]", Some(was), Some(is))];
        remedies(&drift, &[]).pop().expect("one object")
    };
    let start = "gcloud run services update backend --project=netra-staging --region=us-central1";
    for (was, is, flags) in [
        ("secret db-host:2", "secret db-host:1", "--update-secrets=DB_HOST=db-host:2"),
        // gcloud refuses a Secret in the place of a value, and takes values away first.
        ("secret db-host:2", "host 10.20.0.9", "--remove-env-vars=DB_HOST --update-secrets=DB_HOST=db-host:2"),
        (
            "secret projects/123/secrets/db-host:2",
            "secret db-host:1",
            "--update-secrets=DB_HOST=projects/123/secrets/db-host:2",
        ),
    ] {
        assert_eq!(commands(&[of(was, is)]), [format!("{start} {flags}")]);
    }
    let named = of("secret projects/host/secrets/db-host:2", "host 10.20.0.9");
    assert!(
        named.commands.is_empty() && named.notes[0].contains("--update-secrets=DB_HOST=projects/NUMBER/"),
        "{named:?}"
    );
}

#[test]
fn an_object_that_the_path_leads_to_instead_is_not_made_like_the_first() {
    let other = "projects/netra-staging/instances/other";
    let moved = [
        drift(Inspection::Instance, other, "", Some(INSTANCE), Some(other)),
        drift(Inspection::Instance, other, "settings.tier", Some("db-custom-2-7680"), Some("db-f1-micro")),
    ];
    let remedy = remedies(&moved, &[]).pop().expect("one object");
    assert!(remedy.commands.is_empty() && remedy.notes[0].contains("point the service back to it"), "{remedy:?}");
    let default = "projects/netra-staging/global/networks/default";
    let moved = [
        drift(Inspection::Network, default, "", Some(NETWORK), Some(default)),
        drift(Inspection::Network, default, "subnets[us-central1/apps].ipCidrRange", Some("10.10.0.0/24"), None),
    ];
    let remedy = remedies(&moved, &[]).pop().expect("one object");
    assert!(remedy.commands.is_empty() && remedy.notes.len() == 1, "{remedy:?}");
    assert!(!remedy.terraform.expect("HCL").contains("resource"));
    // The first connector may be there still.
    let second = CONNECTOR.replace("staging-connector", "second");
    let moved = [drift(Inspection::Connector, &second, "", Some(CONNECTOR), Some(&second))];
    let fields = [("network", NETWORK), ("ipCidrRange", "10.8.0.0/28")];
    let remedy = remedies(&moved, &[known(Inspection::Connector, CONNECTOR, &fields)]).pop().expect("one object");
    assert!(remedy.commands.is_empty(), "{remedy:?}");
    assert!(
        remedy.notes[0].contains("if it does not exist any more: gcloud compute networks vpc-access connectors create"),
        "{remedy:?}"
    );
}

#[test]
fn a_connector_s_instances_are_raised_together_and_never_lowered() {
    let of = |drifted: &[(&str, &str, &str)], fields: &[(&str, &str)]| {
        let differs =
            |(field, was, is): &(&str, &str, &str)| drift(Inspection::Connector, CONNECTOR, field, Some(was), Some(is));
        let drift: Vec<Drift> = drifted.iter().map(differs).collect();
        remedies(&drift, &[known(Inspection::Connector, CONNECTOR, fields)]).pop().expect("one object")
    };
    let fields = [("minInstances", "2"), ("maxInstances", "10"), ("machineType", "e2-micro")];
    let update = "gcloud compute networks vpc-access connectors update staging-connector --project=netra-staging --region=us-central1";
    assert_eq!(
        commands(&[of(&[("maxInstances", "10", "4")], &fields)]),
        [format!("{update} --min-instances=2 --max-instances=10")]
    );
    let lowered = of(&[("maxInstances", "4", "10"), ("minInstances", "2", "3")], &fields);
    assert!(lowered.commands.is_empty() && lowered.notes.len() == 2, "{lowered:?}");
    assert!(lowered.notes.iter().all(|note| note.contains("and not lowered")), "{lowered:?}");
    let machines = of(&[("machineType", "e2-standard-4", "e2-micro"), ("minInstances", "2", "3")], &fields);
    assert_eq!(commands(std::slice::from_ref(&machines)), [format!("{update} --machine-type=e2-standard-4")]);
    assert!(machines.notes[0].contains("minInstances was 2"), "{machines:?}");
    let both = of(&[("maxInstances", "10", "5"), ("minInstances", "2", "3")], &fields);
    assert_eq!(commands(std::slice::from_ref(&both)), [format!("{update} --min-instances=3 --max-instances=10")]);
    assert!(both.notes[0].contains("minInstances was 2") && both.notes.len() == 1, "{both:?}");
    let alone = of(&[("maxInstances", "10", "4")], &[]);
    assert!(alone.commands.is_empty() && alone.notes[0].contains("minInstances was not known"), "{alone:?}");
}

#[test]
fn a_disk_that_grew_keeps_nothing_else_from_being_restored() {
    let of = |was: &str, is: &str| {
        let drift = [
            drift(Inspection::Instance, INSTANCE, "settings.activationPolicy", Some("ALWAYS"), Some("NEVER")),
            drift(Inspection::Instance, INSTANCE, "settings.dataDiskSizeGb", Some(was), Some(is)),
        ];
        remedies(&drift, &[]).pop().expect("one object")
    };
    let patch = "gcloud sql instances patch staging-shared-postgres --project=netra-staging --activation-policy=ALWAYS";
    let grew = of("20", "100");
    assert_eq!(commands(std::slice::from_ref(&grew)), [patch]);
    assert!(grew.notes[0].contains("can grow, and not shrink"), "{grew:?}");
    assert_eq!(commands(&[of("100", "20")]), [format!("{patch} --storage-size=100")]);
}

#[test]
fn what_the_baseline_did_not_keep_whole_is_not_set_as_if_it_were() {
    let flag = "settings.databaseFlags[max_connections]";
    let drift_of_flag = [drift(Inspection::Instance, INSTANCE, flag, Some("200"), Some("20"))];
    let cut = "a very long value... 400 characters (hash 0123456789abcdef)";
    for left in [("settings.databaseFlags[*]", "6 more (hash 0123456789abcdef)"), ("settings.databaseFlags[z]", cut)] {
        let known = [known(Inspection::Instance, INSTANCE, &[(flag, "200"), left])];
        let remedy = remedies(&drift_of_flag, &known).pop().expect("one object");
        assert!(remedy.commands.is_empty(), "{remedy:?}");
        assert!(
            remedy.notes[0].contains("sets every flag at once") && remedy.notes[0].ends_with("max_connections=200")
        );
        assert!(remedy.terraform.expect("HCL").starts_with(&format!("# {flag}: no fragment")));
    }
    // A zone of whose networks not all are known is not created.
    let name = drift(Inspection::DnsZones, NETWORK, "zones[internal].dnsName", Some("internal.example."), None);
    let known = [known(Inspection::DnsZones, NETWORK, &[("zones[internal].networks", cut)])];
    let remedy = remedies(&[name], &known).pop().expect("one object");
    assert!(remedy.commands.is_empty() && remedy.notes[0].contains("not all that it takes"), "{remedy:?}");
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
