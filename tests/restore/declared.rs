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
const WITHOUT: [&str; 4] = [
    "env[DB_HOST]",
    "ipAddresses[PRIVATE]",
    "peerings[servicenetworking-googleapis-com].importedRanges",
    "subnets[us-central1/gone].secondaryIpRanges",
];

#[test]
fn every_field_is_set_in_both_forms_or_named_as_one_without_a_fragment() {
    for drift in everything().0 {
        let field = &drift.field;
        // Of a subnet that is gone, the purpose is declared with its range.
        let left = WITHOUT.contains(&field.as_str()) || field.ends_with(".purpose");
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
        drift(Inspection::Service, SERVICE, "env[DB_HOST]", Some("host 10.20.0.3"), Some("host 10.20.0.9")),
    ];
    let remedy = remedies(&drift, &[]).pop().expect("one object");
    for text in [remedy.config_connector.expect("YAML"), remedy.terraform.expect("HCL")] {
        assert!(text.starts_with("# env[DB_HOST]: no fragment") && text.contains("300s"), "{text}");
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
            "kind: ComputeSubnetwork\nmetadata:\n  name: apps\nspec:\n  networkRef:\n    external: projects/netra-staging/global/networks/staging-vpc\n  privateIpGoogleAccess: true\n  region: us-central1\n",
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

/// Both forms of what differs of one object, exactly as they are.
fn whole(drift: &[Drift]) -> [String; 2] {
    let remedy = remedies(drift, &[]).pop().expect("one object");
    [remedy.config_connector.expect("YAML"), remedy.terraform.expect("HCL")]
}

#[test]
fn what_a_service_does_at_its_start_is_declared() {
    let of = |field: &str, was: &str| drift(Inspection::Service, SERVICE, field, Some(was), None);
    let [yaml, hcl] = whole(&[
        of("startupProbe", "tcp:8080 initialDelaySeconds=0 timeoutSeconds=240 periodSeconds=240 failureThreshold=1"),
        of("traffic", "LATEST=90,backend-00001=10"),
        of("env[DB_PASSWORD]", "secret db-password:3"),
        of("env[API_KEY]", "secret projects/host/secrets/api-key"),
    ]);
    assert_eq!(
        yaml,
        "apiVersion: run.cnrm.cloud.google.com/v1beta1
kind: RunService
metadata:
  name: backend
spec:
  template:
    containers:
    - env:
      - name: DB_PASSWORD
        valueSource:
          secretKeyRef:
            secretRef:
              external: db-password
            versionRef:
              external: '3'
      - name: API_KEY
        valueSource:
          secretKeyRef:
            secretRef:
              external: projects/host/secrets/api-key
            versionRef:
              external: latest
      startupProbe:
        failureThreshold: 1
        initialDelaySeconds: 0
        periodSeconds: 240
        tcpSocket:
          port: 8080
        timeoutSeconds: 240
  traffic:
  - percent: 90
    type: TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
  - percent: 10
    revision: backend-00001
    type: TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
"
    );
    assert_eq!(
        hcl,
        "resource \"google_cloud_run_v2_service\" \"backend\" {
  location = \"us-central1\"
  name     = \"backend\"
  project  = \"netra-staging\"

  template {
    containers {
      env {
        name = \"DB_PASSWORD\"

        value_source {
          secret_key_ref {
            secret  = \"db-password\"
            version = \"3\"
          }
        }
      }
      env {
        name = \"API_KEY\"

        value_source {
          secret_key_ref {
            secret  = \"projects/host/secrets/api-key\"
            version = \"latest\"
          }
        }
      }

      startup_probe {
        failure_threshold     = 1
        initial_delay_seconds = 0
        period_seconds        = 240
        timeout_seconds       = 240

        tcp_socket {
          port = 8080
        }
      }
    }
  }

  traffic {
    percent = 90
    type    = \"TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST\"
  }
  traffic {
    percent  = 10
    revision = \"backend-00001\"
    type     = \"TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION\"
  }
}
"
    );
    for (was, handler) in [
        ("http:/healthz periodSeconds=5", "http_get {\n          path = \"/healthz\"\n"),
        ("grpc:db.Health periodSeconds=5", "grpc {\n          service = \"db.Health\"\n"),
        ("grpc: periodSeconds=5", "grpc {\n        }\n"),
    ] {
        let [_, hcl] = whole(&[of("startupProbe", was)]);
        assert!(hcl.contains(handler), "{hcl}");
    }
    for (field, was) in
        [("startupProbe", "exec:ls periodSeconds=5"), ("startupProbe", "tcp:many"), ("traffic", "LATEST")]
    {
        let [yaml, hcl] = whole(&[of(field, was)]);
        assert!(!yaml.contains(was) && !hcl.contains(was), "{yaml}{hcl}");
    }
}

#[test]
fn routes_are_declared_where_the_place_of_their_next_hop_is_known() {
    let field = "routes[10.30.0.0/16]";
    let of = |was: &str| whole(&[drift(Inspection::Network, NETWORK, field, Some(was), None)]);
    let [yaml, hcl] = of("tunnel projects/p/regions/us-central1/vpnTunnels/hq priority=800 tags=db,web");
    assert_eq!(
        yaml,
        "apiVersion: compute.cnrm.cloud.google.com/v1beta1
kind: ComputeRoute
metadata:
  name: restored-10-30-0-0-16
spec:
  destRange: 10.30.0.0/16
  networkRef:
    external: projects/netra-staging/global/networks/staging-vpc
  nextHopVPNTunnelRef:
    external: projects/p/regions/us-central1/vpnTunnels/hq
  priority: 800
  tags:
  - db
  - web
"
    );
    assert_eq!(
        hcl,
        "resource \"google_compute_route\" \"restored_10_30_0_0_16\" {
  dest_range          = \"10.30.0.0/16\"
  name                = \"restored-10-30-0-0-16\"
  network             = \"projects/netra-staging/global/networks/staging-vpc\"
  next_hop_vpn_tunnel = \"projects/p/regions/us-central1/vpnTunnels/hq\"
  priority            = 800
  project             = \"netra-staging\"
  tags                = [\"db\", \"web\"]
}
"
    );
    for (hop, here) in [
        ("ip 10.0.0.5", "next_hop_ip = \"10.0.0.5\""),
        ("load balancer 10.0.0.9", "next_hop_ilb = \"10.0.0.9\""),
        ("instance projects/p/zones/z/instances/nat", "next_hop_instance = \"projects/p/zones/z/instances/nat\""),
    ] {
        let [_, hcl] = of(&format!("{hop} priority=1"));
        assert!(hcl.contains(here), "{hcl}");
    }
    // Where a next hop is must be known, and what is announced is declared by nobody.
    for hop in ["instance nat", "tunnel hq", "load balancer ilb", "peering shared", "network staging-vpc"] {
        let [yaml, hcl] = of(&format!("ip 10.0.0.5 priority=1; {hop} priority=1"));
        for text in [yaml, hcl] {
            assert_eq!(text.lines().count(), 1, "{hop}: {text}");
            assert!(text.starts_with(&format!("# {field}: no fragment")), "{hop}: {text}");
        }
    }
}

#[test]
fn a_zone_is_declared_with_networks_of_other_projects() {
    let of = |part: &str, was: &str| {
        drift(Inspection::DnsZones, NETWORK, &format!("zones[internal].{part}"), Some(was), None)
    };
    let [yaml, hcl] = whole(&[
        of("dnsName", "internal.example."),
        of("networks", "projects/host/global/networks/hub,staging-vpc"),
        of("forwardingTargets", "10.0.0.53"),
        of("peeringNetwork", "projects/host/global/networks/hub"),
    ]);
    assert_eq!(
        yaml,
        "apiVersion: dns.cnrm.cloud.google.com/v1beta1
kind: DNSManagedZone
metadata:
  name: internal
spec:
  dnsName: internal.example.
  forwardingConfig:
    targetNameServers:
    - ipv4Address: 10.0.0.53
  peeringConfig:
    targetNetwork:
      networkRef:
        external: projects/host/global/networks/hub
  privateVisibilityConfig:
    networks:
    - networkRef:
        external: projects/host/global/networks/hub
    - networkRef:
        external: projects/netra-staging/global/networks/staging-vpc
  visibility: private
"
    );
    assert_eq!(
        hcl,
        "resource \"google_dns_managed_zone\" \"internal\" {
  dns_name   = \"internal.example.\"
  name       = \"internal\"
  project    = \"netra-staging\"
  visibility = \"private\"

  forwarding_config {
    target_name_servers {
      ipv4_address = \"10.0.0.53\"
    }
  }

  peering_config {
    target_network {
      network_url = \"projects/host/global/networks/hub\"
    }
  }

  private_visibility_config {
    networks {
      network_url = \"projects/host/global/networks/hub\"
    }
    networks {
      network_url = \"projects/netra-staging/global/networks/staging-vpc\"
    }
  }
}
"
    );
    // Half a zone would answer for what it only hands on.
    let cut = "projects/host/global/... 400 characters (hash 0123456789abcdef)";
    for other in [of("forwardingTargets", "2001:db8::53"), of("networks", cut)] {
        let [yaml, hcl] = whole(&[of("dnsName", "internal.example."), other]);
        assert!(yaml.starts_with("# zones[internal].dnsName: no fragment") && !yaml.contains("kind:"), "{yaml}");
        assert!(!hcl.contains("resource"), "{hcl}");
    }
}

#[test]
fn private_services_access_is_declared_with_the_ranges_that_it_had() {
    let of = |field: &str, was: &str| drift(Inspection::Network, NETWORK, field, Some(was), None);
    let peering = "peerings[servicenetworking-googleapis-com]";
    let gone = [
        of("allocatedRanges[services]", "10.20.0.0/24"),
        of(&format!("{peering}.network"), "projects/tenant/global/networks/servicenetworking"),
        of(&format!("{peering}.exportCustomRoutes"), "false"),
    ];
    let [yaml, hcl] = whole(&gone);
    for part in [
        "kind: ComputeAddress\nmetadata:\n  name: services\nspec:\n  address: 10.20.0.0\n  addressType: INTERNAL\n  location: global\n",
        "kind: ServiceNetworkingConnection\nmetadata:\n  name: staging-vpc\nspec:\n  networkRef:\n",
        "  reservedPeeringRanges:\n  - external: services\n  service: servicenetworking.googleapis.com\n",
        "kind: ComputeNetworkPeering\n",
    ] {
        assert!(yaml.contains(part), "{yaml}");
    }
    for part in [
        "resource \"google_compute_global_address\" \"services\" {\n  address       = \"10.20.0.0\"\n",
        "  prefix_length = 24\n",
        "resource \"google_service_networking_connection\" \"staging_vpc\" {\n",
        "  reserved_peering_ranges = [\"services\"]\n",
        "resource \"google_compute_network_peering_routes_config\"",
    ] {
        assert!(hcl.contains(part), "{hcl}");
    }
    assert!(!yaml.contains("no fragment"), "{yaml}");
    let [yaml, _] = whole(&gone[1..2]);
    assert!(yaml.starts_with(&format!("# {peering}.network: no fragment")), "{yaml}");
}

#[test]
fn a_subnet_and_a_peering_that_are_gone_are_declared_whole() {
    let of = |field: &str, was: &str| drift(Inspection::Network, NETWORK, field, Some(was), None);
    let [yaml, hcl] = whole(&[
        of("subnets[us-central1/proxies].ipCidrRange", "10.11.0.0/26"),
        of("subnets[us-central1/proxies].privateIpGoogleAccess", "false"),
        of("subnets[us-central1/proxies].purpose", "REGIONAL_MANAGED_PROXY"),
        of("peerings[shared].network", "projects/host/global/networks/shared"),
        of("peerings[shared].importCustomRoutes", "true"),
    ]);
    assert!(!yaml.contains("no fragment") && yaml.matches("kind:").count() == 2, "{yaml}");
    for part in [
        "  ipCidrRange: 10.11.0.0/26\n",
        "  purpose: REGIONAL_MANAGED_PROXY\n",
        "  role: ACTIVE\n",
        "  importCustomRoutes: true\n",
    ] {
        assert!(yaml.contains(part), "{yaml}");
    }
    for part in [
        "resource \"google_compute_subnetwork\" \"proxies\" {\n  ip_cidr_range = \"10.11.0.0/26\"\n",
        "resource \"google_compute_network_peering\" \"shared\" {\n  import_custom_routes = true\n  name                 = \"shared\"\n",
        "  peer_network         = \"projects/host/global/networks/shared\"\n",
    ] {
        assert!(hcl.contains(part), "{hcl}");
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
