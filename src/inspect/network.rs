//! Reads a VPC network (compute v1): its peerings with the routes that they bring, the subnets of a region, the ranges that are
//! allocated to private services access, its routes and the firewall rules in force. Does network I/O.

use google_cloud_compute_v1::model;
use google_cloud_compute_v1::model::address::Purpose;
use google_cloud_compute_v1::model::networks::list_peering_routes_request::Direction;
use google_cloud_compute_v1::model::subnetworks::list_request::Views;

use super::convert::{full, last};
use super::firewall;
use super::google::{Clients, Google};
use super::pages::{Kept, pages};
use super::question::Question;
use crate::cloud::network::{AllocatedRange, FirewallRule, List, PRIVATE_SERVICES, Peering, Route, Subnet};
use crate::cloud::{Network, Unread, name};

/// Of the reserved addresses, those for private services access.
const ALLOCATED: &str = "purpose=VPC_PEERING";
/// Most peerings, subnets or ranges that are kept.
const MOST: usize = 256;
/// Most routes that are kept.
const MOST_ROUTES: usize = 1024;

/// Reads a network, with the subnets of a region. `question` is about the network.
pub async fn read(google: &Google, question: &Question, region: &str) -> Result<Network, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.networks(question).await?;
    let (project, network) = (&*question.project, last(&question.name));
    let get = || api.get().set_project(project).set_network(network).send();
    let answer = google.ask(question, get).await?;
    let (peerings, subnets, allocated, routes, firewall) = futures::try_join!(
        peerings(google, &clients, question, region, &answer),
        subnets(google, &clients, question, region, &answer),
        // No rule rests on them: without them the rest is of use all the same.
        async { Ok::<_, Unread>(allocated(google, &clients, question, &answer).await.ok()) },
        routes(google, &clients, question, &answer),
        firewall(google, &clients, question, &answer),
    )?;
    let lists = [
        (List::Peerings, answer.peerings.len() > MOST),
        (List::ImportedRanges, peerings.1),
        (List::Subnets, subnets.1),
        (List::AllocatedRanges, allocated.as_ref().is_some_and(|(_, cut)| *cut)),
        (List::Routes, routes.1),
        (List::Firewall, firewall.1),
    ];
    Ok(Network {
        mtu: answer.mtu,
        peerings: peerings.0,
        subnets: subnets.0,
        allocated_ranges: allocated.map(|(ranges, _)| ranges),
        routes: routes.0,
        firewall: firewall.0,
        cut: lists.into_iter().filter(|(_, cut)| *cut).map(|(list, _)| list).collect(),
    })
}

/// Reads which network a subnet is in: its full name. `question` is about the subnet.
pub async fn of_subnet(google: &Google, question: &Question, region: &str) -> Result<String, Unread> {
    // That the subnet is not there does not say so of its network.
    let question = &question.part(question.what);
    let clients = google.clients(question).await?;
    let api = clients.subnetworks(question).await?;
    let get =
        || api.get().set_project(&*question.project).set_region(region).set_subnetwork(last(&question.name)).send();
    let answer = google.ask(question, get).await?;
    Ok(full(&answer.network.unwrap_or_default()).to_owned())
}

/// The peerings, and whether the ranges of one were cut.
async fn peerings(
    google: &Google,
    clients: &Clients,
    question: &Question,
    region: &str,
    network: &model::Network,
) -> Result<Kept<Peering>, Unread> {
    let mut peerings: Vec<_> = network.peerings.iter().take(MOST).map(of_peering).collect();
    let mut any_cut = false;
    for peering in peerings.iter_mut().filter(|peering| peering.name == PRIVATE_SERVICES) {
        let (ranges, cut) = imported(google, clients, question, region, &peering.name).await?;
        peering.imported_ranges = Some(ranges);
        any_cut |= cut;
    }
    Ok((peerings, any_cut))
}

/// The ranges that a peering brings from the other network.
async fn imported(
    google: &Google,
    clients: &Clients,
    question: &Question,
    region: &str,
    peering: &str,
) -> Result<Kept<String>, Unread> {
    let question = question.part("the routes that private services access brings to");
    let api = clients.networks(&question).await?;
    let list = |page| {
        api.list_peering_routes()
            .set_project(&*question.project)
            .set_network(last(&question.name))
            .set_peering_name(peering)
            .set_region(region)
            .set_direction(Direction::Incoming)
            .set_or_clear_page_token(page)
            .send()
    };
    pages(google, &question, MOST, list, |answer| {
        let imported = answer.items.into_iter().filter(|route| route.imported != Some(false));
        (imported.filter_map(|route| route.dest_range).collect(), answer.next_page_token)
    })
    .await
}

async fn subnets(
    google: &Google,
    clients: &Clients,
    question: &Question,
    region: &str,
    network: &model::Network,
) -> Result<Kept<Subnet>, Unread> {
    let question = question.part("the subnets of");
    let api = clients.subnetworks(&question).await?;
    let list = |page| {
        api.list()
            .set_project(&*question.project)
            .set_region(region)
            .set_views(Views::WithUtilization)
            .set_or_clear_page_token(page)
            .send()
    };
    pages(google, &question, MOST, list, |answer| {
        let own = answer.items.iter().filter(|subnet| is_in(subnet.network.as_deref(), &question, network));
        (own.map(of_subnetwork).collect(), answer.next_page_token)
    })
    .await
}

/// The ranges that are allocated to private services access.
async fn allocated(
    google: &Google,
    clients: &Clients,
    question: &Question,
    network: &model::Network,
) -> Result<Kept<AllocatedRange>, Unread> {
    let question = question.part("the ranges that are allocated to private services access in");
    let api = clients.addresses(&question).await?;
    let list =
        |page| api.list().set_project(&*question.project).set_filter(ALLOCATED).set_or_clear_page_token(page).send();
    pages(google, &question, MOST, list, |answer| {
        let ranges = answer.items.iter().filter_map(|address| of_address(address, &question, network));
        (ranges.collect(), answer.next_page_token)
    })
    .await
}

/// The routes. Those of other networks are left out by the API, so that they fill no page; where that leaves none, it may know the network
/// by another name, and all are read.
async fn routes(
    google: &Google,
    clients: &Clients,
    question: &Question,
    network: &model::Network,
) -> Result<Kept<Route>, Unread> {
    if let Some(link) = &network.self_link {
        let found = routes_by(google, clients, question, network, Some(format!("network=\"{link}\""))).await?;
        if !found.0.is_empty() {
            return Ok(found);
        }
    }
    routes_by(google, clients, question, network, None).await
}

async fn routes_by(
    google: &Google,
    clients: &Clients,
    question: &Question,
    network: &model::Network,
    filter: Option<String>,
) -> Result<Kept<Route>, Unread> {
    let question = question.part("the routes of");
    let api = clients.routes(&question).await?;
    let list = |page| {
        api.list()
            .set_project(&*question.project)
            .set_or_clear_filter(filter.clone())
            .set_or_clear_page_token(page)
            .send()
    };
    pages(google, &question, MOST_ROUTES, list, |answer| {
        let own = answer.items.iter().filter(|route| is_in(route.network.as_deref(), &question, network));
        (own.map(of_route).collect(), answer.next_page_token)
    })
    .await
}

async fn firewall(
    google: &Google,
    clients: &Clients,
    question: &Question,
    network: &model::Network,
) -> Result<Kept<FirewallRule>, Unread> {
    let question = question.part("the firewall rules in force for");
    let api = clients.networks(&question).await?;
    let get = || {
        let get = api.get_effective_firewalls();
        get.set_project(&*question.project).set_network(last(&question.name)).send()
    };
    let answer = google.ask(&question, get).await?;
    let order = network.network_firewall_policy_enforcement_order.as_ref();
    Ok(firewall::rules(&answer, order.and_then(|order| order.name()) == Some("BEFORE_CLASSIC_FIREWALL")))
}

/// Whether what names that network is in the network that was asked for, by the name that it was asked by or by its own.
fn is_in(named: Option<&str>, question: &Question, network: &model::Network) -> bool {
    let names = [Some(&*question.name), network.self_link.as_deref()];
    named.is_some_and(|named| names.into_iter().flatten().any(|name| name::same(named, name)))
}

fn of_peering(peering: &model::NetworkPeering) -> Peering {
    Peering {
        name: peering.name.clone().unwrap_or_default(),
        network: full(peering.network.as_deref().unwrap_or_default()).to_owned(),
        state: peering.state.as_ref().and_then(|state| state.name()).unwrap_or_default().to_owned(),
        state_details: peering.state_details.clone().unwrap_or_default(),
        export_custom_routes: peering.export_custom_routes.unwrap_or(false),
        import_custom_routes: peering.import_custom_routes.unwrap_or(false),
        imported_ranges: None,
    }
}

fn of_subnetwork(subnet: &model::Subnetwork) -> Subnet {
    let utilizations = subnet.utilization_details.as_ref().map(|details| &details.ipv_4_utilizations);
    // The primary range is the one without a name.
    let primary = utilizations
        .and_then(|ranges| ranges.iter().find(|range| range.range_name.as_deref().unwrap_or_default().is_empty()));
    let used = primary.and_then(|range| range.total_allocated_ip);
    Subnet {
        name: subnet.name.clone().unwrap_or_default(),
        region: last(subnet.region.as_deref().unwrap_or_default()).to_owned(),
        ip_cidr_range: subnet.ip_cidr_range.clone().unwrap_or_default(),
        secondary_ranges: subnet
            .secondary_ip_ranges
            .iter()
            .take(MOST)
            .filter_map(|range| range.ip_cidr_range.clone())
            .collect(),
        purpose: subnet.purpose.as_ref().and_then(|purpose| purpose.name()).unwrap_or_default().to_owned(),
        private_ip_google_access: subnet.private_ip_google_access.unwrap_or(false),
        used_addresses: used.and_then(|used| u32::try_from(used).ok()),
    }
}

/// None: it is not a range that the network allocates to private services access.
fn of_address(address: &model::Address, question: &Question, network: &model::Network) -> Option<AllocatedRange> {
    if address.purpose != Some(Purpose::VpcPeering) || !is_in(address.network.as_deref(), question, network) {
        return None;
    }
    let range = format!("{}/{}", address.address.as_deref()?, address.prefix_length?);
    Some(AllocatedRange { name: address.name.clone()?, range })
}

fn of_route(route: &model::Route) -> Route {
    Route {
        name: route.name.clone().unwrap_or_default(),
        dest_range: route.dest_range.clone().unwrap_or_default(),
        priority: route.priority.unwrap_or(0),
        next_hop: next_hop(route),
        tags: route.tags.iter().take(MOST).cloned().collect(),
        route_status: route.route_status.as_ref().and_then(|status| status.name()).unwrap_or_default().to_owned(),
    }
}

/// Where a route leads: a gateway, peering, hub or network by name; what has a zone or region by its full name, because a route
/// to it can't be made without.
fn next_hop(route: &model::Route) -> String {
    let hops = [
        ("gateway", &route.next_hop_gateway),
        ("peering", &route.next_hop_peering),
        ("instance", &route.next_hop_instance),
        ("ip", &route.next_hop_ip),
        ("load balancer", &route.next_hop_ilb),
        ("tunnel", &route.next_hop_vpn_tunnel),
        ("interconnect", &route.next_hop_interconnect_attachment),
        ("hub", &route.next_hop_hub),
        ("network", &route.next_hop_network),
    ];
    let placed = |hop: &str| ["/zones/", "/regions/"].iter().any(|place| hop.contains(place));
    let name = |hop: &'_ str| if placed(hop) { full(hop).to_owned() } else { last(hop).to_owned() };
    let hop = hops.into_iter().find_map(|(kind, hop)| hop.as_deref().map(|hop| format!("{kind} {}", name(hop))));
    hop.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::Inspection;

    #[test]
    fn a_subnet_tells_how_many_addresses_are_taken() {
        let subnet: model::Subnetwork = serde_json::from_value(json!({
            "name": "serverless", "region": "https://www.googleapis.com/compute/v1/projects/p/regions/us-central1",
            "ipCidrRange": "10.10.0.0/26", "purpose": "PRIVATE", "privateIpGoogleAccess": true,
            "secondaryIpRanges": [{"ipCidrRange": "10.11.0.0/24"}],
            "utilizationDetails": {"ipv4Utilizations": [{"rangeName": "pods", "totalAllocatedIp": "7"}, {"totalAllocatedIp": "60"}]},
        }))
        .expect("a subnet");
        let subnet = of_subnetwork(&subnet);
        assert_eq!((&*subnet.region, subnet.used_addresses), ("us-central1", Some(60)));
        assert_eq!((&*subnet.purpose, subnet.secondary_ranges), ("PRIVATE", vec!["10.11.0.0/24".to_owned()]));
    }

    fn question(name: &str) -> Question {
        Question {
            inspection: Inspection::Network,
            name: name.into(),
            project: "p".into(),
            what: "the network",
            part: false,
        }
    }

    #[test]
    fn what_is_in_the_network_is_known_by_the_name_that_was_asked_for_or_by_its_own() {
        let link = "https://www.googleapis.com/compute/v1/projects/p/global/networks/vpc";
        let (by_id, by_number) = ("projects/p/global/networks/vpc", "projects/123456/global/networks/vpc");
        let unnamed = model::Network::new();
        let named = model::Network::new().set_self_link(link);
        for (asked, network, of, is) in [
            (by_id, &unnamed, link, true),
            (by_number, &unnamed, link, true),
            (by_id, &unnamed, by_number, true),
            ("vpc", &unnamed, link, false),
            ("vpc", &named, link, true),
            (by_number, &named, "projects/p/global/networks/other", false),
            (by_id, &named, "projects/q/global/networks/vpc", false),
        ] {
            assert_eq!(is_in(Some(of), &question(asked), network), is, "{of} in {asked}");
        }
        assert!(!is_in(None, &question(by_id), &named));
    }

    #[test]
    fn of_the_addresses_the_ranges_that_the_network_allocates_to_private_services_access_are_taken() {
        let (question, own) = (question("projects/p/global/networks/vpc"), model::Network::new());
        let taken = |purpose: &str, network: &str| {
            let address = json!({
                "name": "services", "address": "10.20.0.0", "prefixLength": 16, "purpose": purpose,
                "network": format!("https://www.googleapis.com/compute/v1/{network}"),
            });
            of_address(&serde_json::from_value(address).expect("an address"), &question, &own)
        };
        let range = AllocatedRange { name: "services".to_owned(), range: "10.20.0.0/16".to_owned() };
        assert_eq!(taken("VPC_PEERING", "projects/p/global/networks/vpc"), Some(range));
        for (purpose, network) in [
            ("PRIVATE_SERVICE_CONNECT", "projects/p/global/networks/vpc"),
            ("VPC_PEERING", "projects/p/global/networks/other"),
            ("VPC_PEERING", "projects/q/global/networks/vpc"),
        ] {
            assert_eq!(taken(purpose, network), None, "{purpose} in {network}");
        }
        // The address of a load balancer.
        let address = json!({"name": "frontend", "address": "203.0.113.10", "addressType": "EXTERNAL"});
        assert_eq!(of_address(&serde_json::from_value(address).expect("an address"), &question, &own), None);
    }

    #[test]
    fn a_route_tells_where_it_leads() {
        let url = "https://www.googleapis.com/compute/v1/projects/p/global/gateways/default-internet-gateway";
        for (route, hop) in [
            (json!({"nextHopGateway": url}), "gateway default-internet-gateway"),
            (json!({"nextHopPeering": "servicenetworking-googleapis-com"}), "peering servicenetworking-googleapis-com"),
            (json!({"nextHopIp": "10.0.0.5"}), "ip 10.0.0.5"),
            (
                json!({"nextHopInstance": "https://www.googleapis.com/compute/v1/projects/p/zones/us-central1-a/instances/nat"}),
                "instance projects/p/zones/us-central1-a/instances/nat",
            ),
            (
                json!({"nextHopVpnTunnel": "https://www.googleapis.com/compute/v1/projects/p/regions/us-central1/vpnTunnels/hq"}),
                "tunnel projects/p/regions/us-central1/vpnTunnels/hq",
            ),
            (json!({"nextHopIlb": "10.0.0.9"}), "load balancer 10.0.0.9"),
            (json!({}), ""),
        ] {
            assert_eq!(next_hop(&serde_json::from_value(route).expect("a route")), hop);
        }
    }

    #[test]
    fn a_peering_without_routes_read_is_told_from_one_that_brings_none() {
        let peering: model::NetworkPeering = serde_json::from_value(json!({
            "name": PRIVATE_SERVICES, "state": "ACTIVE", "exportCustomRoutes": true,
            "network": "https://www.googleapis.com/compute/v1/projects/tenant/global/networks/servicenetworking",
        }))
        .expect("a peering");
        let peering = of_peering(&peering);
        assert_eq!((&*peering.state, peering.imported_ranges), ("ACTIVE", None));
        assert_eq!(peering.network, "projects/tenant/global/networks/servicenetworking");
    }
}
