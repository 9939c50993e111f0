//! What restores a network and its private DNS zones: each thing that a rule or a route may say has a flag of its own, and nothing is
//! created that is there, or changed that is gone.

use runready::baseline::{Remedy, remedies, restoring_command};
use runready::cloud::Inspection;

use super::{NETWORK, commands, drift, known, known_to_gcloud};

const DB: &str = "db@netra-staging.iam.gserviceaccount.com";

/// What restores one field of the network.
fn of(field: &str, was: Option<&str>, is: Option<&str>) -> Remedy {
    let drift = [drift(Inspection::Network, NETWORK, field, was, is)];
    remedies(&drift, &[]).pop().expect("one object")
}

fn command(field: &str, was: &str, is: Option<&str>) -> String {
    let remedy = of(field, Some(was), is);
    assert!(remedy.notes.is_empty(), "{field}: {:?}", remedy.notes);
    commands(&[remedy]).join("\n")
}

#[test]
fn tags_and_accounts_of_a_rule_have_flags_of_their_own() {
    let create = "gcloud compute firewall-rules create r --project=netra-staging --network=staging-vpc";
    for (was, flags) in [
        (
            "INGRESS allow priority=1000 ranges=10.8.0.0/28,tag:web ports=tcp:5432 tags=db".to_owned(),
            "--direction=INGRESS --action=ALLOW --rules=tcp:5432 --priority=1000 --source-ranges=10.8.0.0/28 \
             --source-tags=web --target-tags=db --no-disabled"
                .to_owned(),
        ),
        (
            format!("INGRESS deny priority=5 ranges=2001:db8::/32,serviceAccount:a@p.example tags=serviceAccount:{DB}"),
            format!(
                "--direction=INGRESS --action=DENY --rules=all --priority=5 --source-ranges=2001:db8::/32 \
                 --source-service-accounts=a@p.example --target-service-accounts={DB} --no-disabled"
            ),
        ),
        (
            format!(
                "EGRESS allow priority=7 ranges=10.20.0.0/24,10.21.0.0/24 ports=tcp:1,udp:2 tags=serviceAccount:{DB} disabled"
            ),
            format!(
                "--direction=EGRESS --action=ALLOW --rules=tcp:1,udp:2 --priority=7 \
                 --destination-ranges=10.20.0.0/24,10.21.0.0/24 --target-service-accounts={DB} --disabled"
            ),
        ),
    ] {
        assert_eq!(command("firewall[r]", &was, None), format!("{create} {flags}"));
    }
}

#[test]
fn what_a_rule_has_got_since_is_cleared() {
    assert_eq!(
        command(
            "firewall[r]",
            "INGRESS allow priority=900 ranges=10.8.0.0/28 ports=tcp:443",
            Some("INGRESS allow priority=900 ranges=tag:web ports=tcp:443 tags=web"),
        ),
        "gcloud compute firewall-rules update r --project=netra-staging --rules=tcp:443 --priority=900 \
         --source-ranges=10.8.0.0/28 --source-tags= --target-tags= --no-disabled"
    );
}

#[test]
fn what_only_a_policy_can_hold_for_gives_a_note_and_no_command() {
    for (was, names) in [
        ("INGRESS allow priority=1 ranges=10.0.0.0/8,addressGroup:offices", "no flag for addressGroup:offices"),
        ("EGRESS allow priority=1 ranges=fqdn:a.example,fqdn:b.example", "no flag for fqdn:a.example, fqdn:b.example"),
        ("EGRESS allow priority=1 ranges=DE", "no flag for DE"),
        ("EGRESS deny priority=1 ranges=iplist-tor-exit-nodes", "no flag for iplist-tor-exit-nodes"),
        ("EGRESS allow priority=1 ranges=10.0.0.0/8 ports=tcp:1,more:3", "no flag for more:3"),
        ("EGRESS allow priority=1 ranges=10.0.0.0/8,more:3", "no flag for more:3"),
        (
            "INGRESS allow priority=1 ranges=10.0.0.0/8 tags=secureTag:tagValues/1,web",
            "no flag for secureTag:tagValues/1",
        ),
    ] {
        let remedy = of("firewall[r]", Some(was), None);
        assert!(remedy.commands.is_empty(), "{was}");
        assert!(remedy.notes.iter().any(|note| note.contains(names)), "{:?}", remedy.notes);
    }
}

#[test]
fn a_rule_with_another_action_is_deleted_before_it_is_created() {
    let was = "EGRESS allow priority=1000 ranges=10.20.0.0/24 ports=tcp:5432";
    let create = "gcloud compute firewall-rules create egress-db --project=netra-staging --network=staging-vpc \
                  --direction=EGRESS --action=ALLOW --rules=tcp:5432 --priority=1000 --destination-ranges=10.20.0.0/24 \
                  --no-disabled";
    let delete = "gcloud compute firewall-rules delete egress-db --project=netra-staging";
    for is in [
        "EGRESS deny priority=1000 ranges=10.20.0.0/24 ports=tcp:5432",
        "INGRESS allow priority=1000 ranges=10.20.0.0/24 ports=tcp:5432",
    ] {
        assert_eq!(command("firewall[egress-db]", was, Some(is)), format!("{delete}\n{create}"), "{is}");
    }
    assert_eq!(command("firewall[egress-db]", was, None), create, "a rule that is gone can't be deleted");
}

#[test]
fn nothing_is_deleted_that_can_t_be_made_again() {
    let was = "EGRESS allow priority=1000 ranges=10.20.0.0/24 ports=tcp:5432\u{202e}";
    let remedy = of("firewall[egress-db]", Some(was), Some("EGRESS deny priority=1000 ranges=10.20.0.0/24"));
    assert!(remedy.commands.is_empty(), "{:?}", remedy.commands);
    assert!(remedy.notes.iter().any(|note| note.contains("no command is printed")), "{:?}", remedy.notes);
}

#[test]
fn static_routes_are_created_and_those_that_are_announced_are_not() {
    let create = "gcloud compute routes create restored-10-30-0-0-16 --project=netra-staging --network=staging-vpc \
                  --destination-range=10.30.0.0/16";
    let field = "routes[10.30.0.0/16]";
    for (hop, flags) in [
        ("gateway default-internet-gateway", "--next-hop-gateway=default-internet-gateway --priority=800"),
        ("ip 10.0.0.5", "--next-hop-address=10.0.0.5 --priority=800"),
        ("load balancer 10.0.0.9", "--next-hop-ilb=10.0.0.9 --priority=800"),
        (
            "instance projects/p/zones/us-central1-a/instances/nat",
            "--next-hop-instance=nat --priority=800 --next-hop-instance-zone=us-central1-a",
        ),
    ] {
        assert_eq!(command(field, &format!("{hop} priority=800"), None), format!("{create} {flags}"));
    }
    // Where the next hop is, the baseline does not hold: a command without it would fail.
    for (hop, flags) in [
        ("instance nat", "--next-hop-instance=nat --priority=800 --tags=db --next-hop-instance-zone=ZONE"),
        ("load balancer ilb", "--next-hop-ilb=ilb --priority=800 --tags=db --next-hop-ilb-region=REGION"),
        ("tunnel office", "--next-hop-vpn-tunnel=office --priority=800 --tags=db --next-hop-vpn-tunnel-region=REGION"),
    ] {
        let remedy = of(field, Some(&format!("{hop} priority=800 tags=db")), None);
        assert!(remedy.commands.is_empty(), "{hop}");
        assert!(remedy.notes[0].ends_with(&format!("put it into: {create} {flags}")), "{:?}", remedy.notes);
    }
    for (hop, says) in [
        ("peering shared", "restore what announces it"),
        ("hub ncc", "restore what announces it"),
        ("interconnect office", "restore what announces it"),
        ("network staging-vpc", "with the subnet of that range"),
    ] {
        let remedy = of(field, Some(&format!("{hop} priority=0")), None);
        assert!(remedy.commands.is_empty(), "{hop}");
        assert!(remedy.notes[0].ends_with(says), "{:?}", remedy.notes);
    }
}

#[test]
fn two_routes_to_one_range_get_two_names() {
    let said = command("routes[10.30.0.0/16]", "ip 10.0.0.5 priority=1; ip 10.0.0.6 priority=1", None);
    let names: Vec<&str> = said.lines().filter_map(|line| line.split(' ').nth(4)).collect();
    assert_eq!(names, ["restored-10-30-0-0-16", "restored-10-30-0-0-16-2"]);
}

/// What restores the zone `internal`, of which these parts differ.
fn zone(parts: &[(&str, Option<&str>, Option<&str>)], baseline: &[(&str, &str)]) -> Remedy {
    let differs = |(part, was, is): &(&str, _, _)| {
        drift(Inspection::DnsZones, NETWORK, &format!("zones[internal].{part}"), *was, *is)
    };
    let drift: Vec<_> = parts.iter().map(differs).collect();
    remedies(&drift, &[known(Inspection::DnsZones, NETWORK, baseline)]).pop().expect("one object")
}

#[test]
fn a_zone_that_is_there_is_set_back_and_no_other() {
    let shared = zone(
        &[
            ("networks", Some("host,staging-vpc"), Some("staging-vpc")),
            ("forwardingTargets", Some("10.0.0.53"), Some("10.0.0.54")),
            ("peeringNetwork", Some("projects/host/global/networks/hub"), None),
        ],
        &[("zones[internal].dnsName", "internal.example.")],
    );
    assert_eq!(
        commands(std::slice::from_ref(&shared)),
        [
            "gcloud dns managed-zones update internal --project=netra-staging --networks=host,staging-vpc",
            "gcloud dns managed-zones update internal --project=netra-staging --forwarding-targets=10.0.0.53",
            "gcloud dns managed-zones update internal --project=netra-staging --target-network=hub --target-project=host",
        ]
    );
    assert!(shared.notes.is_empty(), "{:?}", shared.notes);
}

#[test]
fn a_zone_that_is_gone_is_created_and_one_that_was_detached_is_attached() {
    let parts: [(&str, Option<&str>, Option<&str>); 3] = [
        ("dnsName", Some("internal.example."), None),
        ("networks", Some("staging-vpc"), None),
        ("forwardingTargets", Some("10.0.0.53"), None),
    ];
    let gone = zone(&parts, &[]);
    assert!(gone.notes.iter().any(|note| note.contains("not in the baseline")), "{:?}", gone.notes);
    assert_eq!(
        commands(&[gone]),
        ["gcloud dns managed-zones create internal --project=netra-staging --dns-name=internal.example. \
          --visibility=private --networks=staging-vpc '--description=Restored from the baseline of runready' \
          --forwarding-targets=10.0.0.53"]
    );
    let detached = zone(&parts[1..2], &[("zones[internal].dnsName", "internal.example.")]);
    assert_eq!(
        commands(&[detached]),
        ["gcloud dns managed-zones update internal --project=netra-staging --networks=staging-vpc"]
    );
    let unknown = zone(&parts[..1], &[]);
    assert!(unknown.commands.is_empty() && unknown.notes[0].contains("is declared"), "{:?}", unknown.notes);
}

#[test]
fn a_zone_for_another_name_or_one_that_is_new_gets_no_command() {
    for (was, is, says) in [
        (Some("a.example."), Some("b.example."), "can't be changed"),
        (None, Some("b.example."), "if it is not wanted"),
    ] {
        let remedy = zone(&[("dnsName", was, is)], &[]);
        assert!(remedy.commands.is_empty() && remedy.notes[0].contains(says), "{:?}", remedy.notes);
    }
}

/// What restores these parts of a peering, with these ranges known to be allocated.
fn peering(name: &str, parts: &[(&str, Option<&str>, Option<&str>)], ranges: &[&str]) -> Remedy {
    let differs = |(part, was, is): &(&str, _, _)| {
        drift(Inspection::Network, NETWORK, &format!("peerings[{name}].{part}"), *was, *is)
    };
    let drift: Vec<_> = parts.iter().map(differs).collect();
    let ranges: Vec<(String, &str)> =
        ranges.iter().map(|name| (format!("allocatedRanges[{name}]"), "10.20.0.0/24")).collect();
    let fields: Vec<(&str, &str)> = ranges.iter().map(|(field, range)| (field.as_str(), *range)).collect();
    remedies(&drift, &[known(Inspection::Network, NETWORK, &fields)]).pop().expect("one object")
}

const SERVICES: &str = "servicenetworking-googleapis-com";

#[test]
fn private_services_access_is_connected_anew_with_all_its_ranges() {
    let tenant = Some("projects/tenant/global/networks/servicenetworking");
    let gone = [
        ("network", tenant, None),
        ("exportCustomRoutes", Some("true"), None),
        ("importedRanges", Some("10.20.0.0/24"), None),
    ];
    assert_eq!(
        commands(&[peering(SERVICES, &gone, &["a", "b"])]),
        [
            "gcloud services vpc-peerings connect --service=servicenetworking.googleapis.com --network=staging-vpc \
             --project=netra-staging --ranges=a,b",
            "gcloud compute networks peerings update servicenetworking-googleapis-com --project=netra-staging \
             --network=staging-vpc --export-custom-routes",
        ]
    );
    // Without the names nothing is set of a peering that is not there.
    let unknown = peering(SERVICES, &gone, &[]);
    assert!(unknown.commands.is_empty(), "{:?}", unknown.commands);
    assert!(unknown.notes[0].contains("--ranges=RANGE,..."), "{:?}", unknown.notes);
    // What a new instance brings by itself.
    let grown = [("importedRanges", Some("10.20.0.0/24"), Some("10.20.0.0/24,10.21.0.0/24"))];
    let grown = peering(SERVICES, &grown, &["a", "b"]);
    assert!(grown.commands.is_empty() && grown.notes[0].contains("nothing need be restored"), "{grown:?}");
    let narrowed = [("importedRanges", Some("10.20.0.0/24,10.21.0.0/24"), Some("10.20.0.0/24"))];
    assert_eq!(
        commands(&[peering(SERVICES, &narrowed, &["a", "b"])]),
        ["gcloud services vpc-peerings update --service=servicenetworking.googleapis.com --network=staging-vpc \
          --project=netra-staging --ranges=a,b"]
    );
}

#[test]
fn a_connection_keeps_the_ranges_that_it_has_got_since() {
    let of = |field: &str, was: Option<&str>, is: &str| drift(Inspection::Network, NETWORK, field, was, Some(is));
    let drift = [
        of("allocatedRanges[new]", None, "10.30.0.0/24"),
        of(&format!("peerings[{SERVICES}].importedRanges"), Some("10.20.0.0/24"), "10.30.0.0/24"),
    ];
    let known = [known(Inspection::Network, NETWORK, &[("allocatedRanges[old]", "10.20.0.0/24")])];
    let said = commands(&remedies(&drift, &known));
    assert!(said.len() == 1 && said[0].ends_with(" --ranges=old,new"), "{said:?}");
}

/// A verdict names the command of the drift that explains it best, which may be any part of what is gone.
#[test]
fn a_verdict_names_what_restores_the_whole_peering_whichever_part_of_it_comes_first() {
    let of = |field: &str, was: &str| drift(Inspection::Network, NETWORK, field, Some(was), None);
    let all = [
        of("allocatedRanges[services]", "10.20.0.0/24"),
        of("mtu", "1500"),
        of(&format!("peerings[{SERVICES}].exportCustomRoutes"), "true"),
        of(&format!("peerings[{SERVICES}].network"), "projects/tenant/global/networks/servicenetworking"),
        of("peerings[shared].exportCustomRoutes", "true"),
        of("peerings[shared].network", "projects/host/global/networks/shared"),
    ];
    let command = |index: usize| restoring_command(&all[index], &all, &[]).expect("a command");
    assert_eq!(
        command(2),
        "gcloud compute addresses create services --global --purpose=VPC_PEERING --addresses=10.20.0.0 --prefix-length=24 \
         --network=staging-vpc --project=netra-staging && \
         gcloud services vpc-peerings connect --service=servicenetworking.googleapis.com --network=staging-vpc \
         --project=netra-staging --ranges=services && \
         gcloud compute networks peerings update servicenetworking-googleapis-com --project=netra-staging --network=staging-vpc \
         --export-custom-routes"
    );
    assert_eq!(command(2), command(3));
    assert!(command(4).starts_with("gcloud compute networks peerings create shared "), "{}", command(4));
    assert_eq!(command(1), "gcloud compute networks update staging-vpc --project=netra-staging --mtu=1500");
}

#[test]
fn a_subnet_for_proxies_has_a_role_and_asks_no_api_of_google_s() {
    let of = |part: &str, was: &str| {
        drift(Inspection::Network, NETWORK, &format!("subnets[us-central1/proxies].{part}"), Some(was), None)
    };
    let parts = [
        of("ipCidrRange", "10.11.0.0/26"),
        of("privateIpGoogleAccess", "true"),
        of("purpose", "REGIONAL_MANAGED_PROXY"),
    ];
    assert_eq!(
        commands(&remedies(&parts, &[])),
        ["gcloud compute networks subnets create proxies --project=netra-staging --network=staging-vpc \
          --region=us-central1 --range=10.11.0.0/26 --purpose=REGIONAL_MANAGED_PROXY --role=ACTIVE"]
    );
}

#[test]
fn a_peering_that_leads_elsewhere_is_deleted_before_it_is_made_again() {
    let parts = [("network", Some("projects/host/global/networks/hub"), Some("projects/other/global/networks/hub"))];
    assert_eq!(
        commands(&[peering("shared", &parts, &[])]),
        [
            "gcloud compute networks peerings delete shared --project=netra-staging --network=staging-vpc",
            "gcloud compute networks peerings create shared --project=netra-staging --network=staging-vpc \
             --peer-network=hub --peer-project=host",
        ]
    );
    let new = peering("shared", &[("network", None, parts[0].2), ("importCustomRoutes", None, Some("true"))], &[]);
    assert!(new.commands.is_empty() && new.notes.len() == 1, "{new:?}");
}

#[test]
fn an_allocated_range_is_allocated_again_and_neither_changed_nor_released() {
    let field = "allocatedRanges[services]";
    assert_eq!(
        command(field, "10.20.0.0/24", None),
        "gcloud compute addresses create services --global --purpose=VPC_PEERING --addresses=10.20.0.0 \
         --prefix-length=24 --network=staging-vpc --project=netra-staging"
    );
    for (was, says) in [(Some("10.20.0.0/24"), "can't be changed"), (None, "nothing need be restored")] {
        let remedy = of(field, was, Some("10.30.0.0/24"));
        assert!(remedy.commands.is_empty() && remedy.notes[0].contains(says), "{remedy:?}");
    }
}

#[test]
fn a_subnet_that_grew_or_is_new_gives_a_note_and_no_command() {
    let field = "subnets[us-central1/apps].ipCidrRange";
    let new = |part: &str, is: &str| {
        drift(Inspection::Network, NETWORK, &format!("subnets[us-central1/new].{part}"), None, Some(is))
    };
    let parts =
        [new("ipCidrRange", "10.12.0.0/24"), new("purpose", "PRIVATE"), new("secondaryIpRanges", "10.13.0.0/24")];
    let remedy = remedies(&parts, &[]).pop().expect("one object");
    assert!(remedy.commands.is_empty() && remedy.notes.len() == 1, "{remedy:?}");
    for (was, is, says) in [
        (Some("10.10.0.0/26"), "10.10.0.0/24", "can grow, and not go back"),
        (None, "10.10.0.0/24", "if it is not wanted"),
    ] {
        let remedy = of(field, was, Some(is));
        assert!(remedy.commands.is_empty() && remedy.notes[0].contains(says), "{remedy:?}");
    }
}

#[test]
fn a_zone_s_network_of_another_project_is_named_by_its_url() {
    let remedy = zone(&[("networks", Some("projects/host/global/networks/hub,staging-vpc"), Some("staging-vpc"))], &[]);
    assert_eq!(
        commands(&[remedy]),
        ["gcloud dns managed-zones update internal --project=netra-staging \
          --networks=https://www.googleapis.com/compute/v1/projects/host/global/networks/hub,staging-vpc"]
    );
}

#[test]
fn gcloud_knows_the_flags_of_rules_routes_and_zones() {
    let rule = "INGRESS allow priority=1 ranges=10.8.0.0/28,tag:web,serviceAccount:a@p tags=db,serviceAccount:b@p";
    let remedies = [
        of("firewall[r]", Some(rule), Some("INGRESS deny priority=1")),
        of("firewall[r]", Some(rule), Some("INGRESS allow priority=1")),
        of("routes[10.0.0.0/8]", Some("load balancer p/regions/r/forwardingRules/ilb priority=1"), None),
        of("routes[10.0.0.0/8]", Some("instance p/zones/z/instances/nat priority=1"), None),
        of("routes[10.0.0.0/8]", Some("tunnel p/regions/r/vpnTunnels/office priority=1 tags=db"), None),
        zone(&[("peeringNetwork", Some("projects/host/global/networks/hub"), None)], &[]),
        peering(SERVICES, &[("network", Some("projects/t/global/networks/n"), None)], &["a"]),
        peering(SERVICES, &[("importedRanges", Some("10.20.0.0/24"), None)], &["a"]),
        peering("shared", &[("network", Some("projects/t/global/networks/n"), Some("other"))], &[]),
        of("allocatedRanges[services]", Some("10.20.0.0/24"), None),
        of("subnets[us-central1/apps].ipCidrRange", Some("10.20.0.0/24"), None),
    ];
    assert!(remedies.iter().all(|remedy| !remedy.commands.is_empty()), "{remedies:#?}");
    known_to_gcloud(&remedies);
}
