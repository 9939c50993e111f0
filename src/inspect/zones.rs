//! Reads the private DNS zones of a network's project (dns v1). Does network I/O.

use google_cloud_dns_v1::model;

use super::convert::full;
use super::google::Google;
use super::pages::{kept, pages};
use super::question::Question;
use crate::cloud::{Unread, Zone, Zones, name};

/// Most zones that are kept.
const MOST: usize = 256;

/// Reads the private zones of a network's project: those that the network sees first, and those that it does not, of which a name
/// that can't be resolved may tell that it should. `question` is about the network.
pub async fn read(google: &Google, question: &Question) -> Result<Zones, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.zones(question).await?;
    let list = |page| api.list().set_project(&*question.project).set_or_clear_page_token(page).send();
    // All that there are to be had: those that the network sees come first only then.
    let (mut zones, more) = pages(google, question, usize::MAX, list, |answer| {
        let private = answer.managed_zones.iter().filter(|zone| is_private(zone));
        (private.map(|zone| (!sees(zone, &question.name), of(zone))).collect(), answer.next_page_token)
    })
    .await?;
    zones.sort_by_key(|(unseen, _)| *unseen);
    let (zones, cut) = kept(zones.into_iter().map(|(_, zone)| zone).collect(), MOST, more);
    Ok(Zones { zones, cut })
}

fn is_private(zone: &model::ManagedZone) -> bool {
    zone.visibility == Some(model::managed_zone::Visibility::Private)
}

/// Whether a network sees a zone.
fn sees(zone: &model::ManagedZone, network: &str) -> bool {
    networks(zone).any(|url| name::same(url, network))
}

fn networks(zone: &model::ManagedZone) -> impl Iterator<Item = &str> {
    let seen = zone.private_visibility_config.iter().flat_map(|config| &config.networks);
    seen.filter_map(|network| network.network_url.as_deref())
}

fn of(zone: &model::ManagedZone) -> Zone {
    let forwarding = zone.forwarding_config.iter().flat_map(|config| &config.target_name_servers);
    let peering = zone.peering_config.as_ref().and_then(|config| config.target_network.as_ref());
    Zone {
        name: zone.name.clone().unwrap_or_default(),
        dns_name: zone.dns_name.clone().unwrap_or_default(),
        networks: networks(zone).take(MOST).map(|url| full(url).to_owned()).collect(),
        forwarding_targets: forwarding
            .filter_map(|server| {
                server.ipv_4_address.clone().or(server.ipv_6_address.clone()).or(server.domain_name.clone())
            })
            .take(MOST)
            .collect(),
        peering_network: peering.and_then(|network| network.network_url.as_deref()).map(|url| full(url).to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn private_zones_are_told_from_public_ones_and_those_that_the_network_sees_from_the_others() {
        let zone: model::ManagedZone = serde_json::from_value(json!({
            "name": "internal", "dnsName": "internal.example.", "visibility": "private",
            "privateVisibilityConfig": {"networks": [{"networkUrl": "https://www.googleapis.com/compute/v1/projects/p/global/networks/vpc"}]},
            "forwardingConfig": {"targetNameServers": [{"ipv4Address": "10.0.0.53"}]},
        }))
        .expect("a zone");
        assert!(is_private(&zone) && !is_private(&model::ManagedZone::default()));
        assert!(sees(&zone, "projects/p/global/networks/vpc"));
        assert!(sees(&zone, "projects/123456/global/networks/vpc"), "the project by its number");
        assert!(!sees(&zone, "projects/q/global/networks/vpc"));
        assert!(!sees(&model::ManagedZone::default(), "projects/p/global/networks/vpc"));
        let zone = of(&zone);
        assert_eq!(
            (zone.networks, zone.forwarding_targets),
            (vec!["projects/p/global/networks/vpc".to_owned()], vec!["10.0.0.53".to_owned()])
        );
    }
}
