//! The fragments for Config Connector and Terraform: every field that differs is named in both, as what is to be set or as one that has
//! no fragment.

use runready::baseline::remedies;
use runready::cloud::{Drift, Inspection};

use super::{INSTANCE, NETWORK, SERVICE, drift, everything};

/// What both forms say of one difference.
fn forms(drift: &Drift) -> [String; 2] {
    let remedy = remedies(std::slice::from_ref(drift), &everything().1).pop().expect("one object");
    let said = format!("nothing is said of {}", drift.field);
    [remedy.config_connector.expect(&said), remedy.terraform.expect(&said)]
}

/// The fields that have no fragment, as far as their names tell.
const WITHOUT: [&str; 9] = [
    "startupProbe",
    "env[DB_PASSWORD]",
    "env[DB_HOST]",
    "traffic",
    "ipAddresses[PRIVATE]",
    "peerings[servicenetworking-googleapis-com].importedRanges",
    "peerings[shared].network",
    "routes[0.0.0.0/0]",
    "zones[internal].networks",
];

#[test]
fn every_field_is_set_in_both_forms_or_named_as_one_without_a_fragment() {
    for drift in everything().0 {
        let field = &drift.field;
        let left = WITHOUT.contains(&field.as_str());
        let [connector, terraform] = forms(&drift);
        for (text, begins) in [(connector, "kind: "), (terraform, "resource \"")] {
            assert_eq!(text.contains(&format!("# {field}: no fragment")), left, "{field}: {text}");
            assert_eq!(text.contains(begins), !left, "{field}: {text}");
        }
    }
}

#[test]
fn one_that_has_a_fragment_does_not_hide_one_that_has_none() {
    let drift = [
        drift(Inspection::Service, SERVICE, "timeout", Some("300s"), Some("20s")),
        drift(Inspection::Service, SERVICE, "traffic", Some("LATEST=100"), Some("backend-00001=100")),
    ];
    let remedy = remedies(&drift, &[]).pop().expect("one object");
    for text in [remedy.config_connector.expect("YAML"), remedy.terraform.expect("HCL")] {
        assert!(text.starts_with("# traffic: no fragment") && text.contains("300s"), "{text}");
    }
}

#[test]
fn plain_fields_of_an_instance_and_a_network_are_declared() {
    let ip = "settings.ipConfiguration";
    for (inspection, object, field, was, connector, terraform) in [
        (
            Inspection::Instance,
            INSTANCE,
            "settings.dataDiskSizeGb".to_owned(),
            "100",
            "spec:\n  settings:\n    diskSize: 100\n",
            "  settings {\n    disk_size = 100\n  }\n",
        ),
        (
            Inspection::Instance,
            INSTANCE,
            format!("{ip}.pscConfig.pscEnabled"),
            "true",
            "      pscConfig:\n      - pscEnabled: true\n",
            "      psc_config {\n        psc_enabled = true\n      }\n",
        ),
        (
            Inspection::Instance,
            INSTANCE,
            format!("{ip}.authorizedNetworks"),
            "10.0.0.0/8,192.0.2.1",
            "      authorizedNetworks:\n      - value: 10.0.0.0/8\n      - value: 192.0.2.1\n",
            "      authorized_networks {\n        value = \"10.0.0.0/8\"\n      }\n      authorized_networks {\n        value = \"192.0.2.1\"\n      }\n",
        ),
        (
            Inspection::Network,
            NETWORK,
            "mtu".to_owned(),
            "1500",
            "kind: ComputeNetwork\nmetadata:\n  name: staging-vpc\nspec:\n  mtu: 1500\n",
            "resource \"google_compute_network\" \"staging_vpc\" {\n  mtu     = 1500\n",
        ),
        (
            Inspection::Network,
            NETWORK,
            "subnets[us-central1/apps].privateIpGoogleAccess".to_owned(),
            "true",
            "kind: ComputeSubnetwork\nmetadata:\n  name: apps\nspec:\n  privateIpGoogleAccess: true\n",
            "  private_ip_google_access = true\n",
        ),
        (
            Inspection::Network,
            NETWORK,
            "firewall[db]".to_owned(),
            "INGRESS allow priority=900 ranges=10.8.0.0/28,tag:web ports=tcp:5432,tcp:6432 tags=serviceAccount:db@p.iam.gserviceaccount.com",
            "spec:\n  allow:\n  - ports:\n    - '5432'\n    - '6432'\n    protocol: tcp\n",
            "  source_ranges           = [\"10.8.0.0/28\"]\n  source_tags             = [\"web\"]\n  target_service_accounts = \
             [\"db@p.iam.gserviceaccount.com\"]\n\n  allow {\n    ports    = [\"5432\", \"6432\"]\n    protocol = \"tcp\"\n  }\n",
        ),
    ] {
        let [yaml, hcl] = forms(&drift(inspection, object, &field, Some(was), None));
        assert!(yaml.contains(connector), "{yaml}");
        assert!(hcl.contains(terraform), "{hcl}");
    }
}

#[test]
fn both_ways_of_a_peering_stand_in_one_resource() {
    let of = |part: &str| {
        drift(Inspection::Network, NETWORK, &format!("peerings[shared].{part}"), Some("true"), Some("false"))
    };
    let remedy = remedies(&[of("exportCustomRoutes"), of("importCustomRoutes")], &[]).pop().expect("one object");
    let (yaml, hcl) = (remedy.config_connector.expect("YAML"), remedy.terraform.expect("HCL"));
    assert!(yaml.matches("kind:").count() == 1 && hcl.matches("resource ").count() == 1, "{yaml}{hcl}");
    assert!(hcl.contains("export_custom_routes = true") && hcl.contains("import_custom_routes = true"), "{hcl}");
    assert!(!hcl.contains("no fragment"), "{hcl}");
}

#[test]
fn a_name_can_t_end_the_comment_that_it_stands_in() {
    let drift = drift(Inspection::Service, SERVICE, "env[A\nresource \"x\" \"y\" {}]", Some("host a"), None);
    for text in forms(&drift) {
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
