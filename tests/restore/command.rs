//! Which command restores a field or an object that is gone, and what is said where none does: nothing is lowered, replaced or set that
//! was not known whole.

use runready::baseline::{remedies, restoring_command};
use runready::cloud::{Drift, Inspection};

use super::{CONNECTOR, INSTANCE, NETWORK, SERVICE, commands, drift, everything, known};

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
