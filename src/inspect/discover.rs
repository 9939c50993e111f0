//! Finds out from what was read which objects a path goes by. Pure.

use std::net::IpAddr;
use std::sync::Arc;

use super::convert::{full, project};
use crate::cloud::service::{Says, Template};
use crate::cloud::{Absent, Connector, Instance};
use crate::plan::InspectionPlan;

/// An object that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought<T> {
    /// This one.
    This(T),
    /// None, and why.
    None(Absent),
}

/// Full name of the plan's service.
pub fn service(plan: &InspectionPlan) -> Arc<str> {
    let service = &plan.service;
    format!("projects/{}/locations/{}/services/{}", service.project, service.region, service.name).into()
}

/// Full name of one of the service's revisions.
pub fn revision(service: &str, name: &str) -> Arc<str> {
    format!("{service}/revisions/{name}").into()
}

/// Nothing: either the path has nothing of the sort, or what tells it was not read.
pub const fn none<T>(told: bool) -> Sought<T> {
    Sought::None(if told { Absent::NotUsed } else { Absent::Undiscovered })
}

/// The connector: the pinned one, else that of the templates, what will serve before what serves.
pub fn connector(plan: &InspectionPlan, templates: &[&Template]) -> Sought<Arc<str>> {
    if let Some(pinned) = &plan.connector {
        return Sought::This(pinned.clone());
    }
    let names = templates.iter().filter_map(|template| template.vpc_access.as_ref()?.connector.as_deref());
    match names.into_iter().next() {
        Some(name) if name.contains('/') => Sought::This(full(name).into()),
        Some(name) => {
            let service = &plan.service;
            Sought::This(format!("projects/{}/locations/{}/connectors/{name}", service.project, service.region).into())
        }
        None => none(!templates.is_empty()),
    }
}

/// The network, or the subnet that tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Full name of the network.
    Network(Arc<str>),
    /// Full name of a subnet.
    Subnet(Arc<str>),
}

/// What the network is found by, in the order of the path. `told`: whether the connector and the instance could be asked.
pub fn network(
    plan: &InspectionPlan,
    templates: &[&Template],
    connector: Option<(&str, &Connector)>,
    instance: Option<&Instance>,
    told: bool,
) -> Sought<Place> {
    if let Some(pinned) = &plan.network {
        return Sought::This(Place::Network(full(pinned).into()));
    }
    let by_connector = || connector.and_then(|(name, connector)| of_connector(plan, name, connector));
    let by_interface = || templates.iter().find_map(|template| of_interface(plan, template));
    let by_instance = || {
        let private = instance.and_then(|instance| instance.private_network.as_deref())?;
        Some(Place::Network(full(private).into()))
    };
    match by_connector().or_else(by_interface).or_else(by_instance) {
        Some(place) => Sought::This(place),
        None => none(told),
    }
}

fn of_connector(plan: &InspectionPlan, name: &str, connector: &Connector) -> Option<Place> {
    let home = project(name);
    if !connector.network.is_empty() {
        let at = connector.subnet.as_ref().map(|subnet| &*subnet.project_id).filter(|project| !project.is_empty());
        return Some(Place::Network(network_name(at.unwrap_or(home), &connector.network)));
    }
    let subnet = connector.subnet.as_ref()?;
    let at = if subnet.project_id.is_empty() { home } else { &subnet.project_id };
    Some(Place::Subnet(subnet_name(at, &plan.service.region, &subnet.name)))
}

fn of_interface(plan: &InspectionPlan, template: &Template) -> Option<Place> {
    let interface = template.vpc_access.as_ref()?.network_interfaces.first()?;
    let home = &plan.service.project;
    if !interface.network.is_empty() {
        return Some(Place::Network(network_name(home, &interface.network)));
    }
    let subnet = (!interface.subnetwork.is_empty()).then_some(&*interface.subnetwork)?;
    Some(Place::Subnet(subnet_name(home, &plan.service.region, subnet)))
}

fn network_name(project: &str, name: &str) -> Arc<str> {
    match full(name) {
        name if name.contains('/') => name.into(),
        name => format!("projects/{project}/global/networks/{name}").into(),
    }
}

fn subnet_name(project: &str, region: &str, name: &str) -> Arc<str> {
    match full(name) {
        name if name.contains('/') => name.into(),
        name => format!("projects/{project}/regions/{region}/subnetworks/{name}").into(),
    }
}

/// The instance's connection name: the pinned one, else a mounted one, else one that the environment names.
pub fn instance(plan: &InspectionPlan, templates: &[&Template]) -> Sought<Arc<str>> {
    if let Some(pinned) = &plan.instance {
        return Sought::This(pinned.clone());
    }
    let mounted = templates.iter().find_map(|template| template.cloud_sql_instances.first());
    let named = || {
        let settings = templates.iter().flat_map(|template| &template.settings);
        settings.into_iter().find_map(|setting| match &setting.says {
            Says::Instance(name) => Some(name),
            Says::Host(..) | Says::Timeout(_) | Says::Secret(_) => None,
        })
    };
    match mounted.or_else(named) {
        Some(name) => Sought::This(name.as_str().into()),
        None => none(!templates.is_empty()),
    }
}

/// Addresses of the path that may be those of an instance.
pub fn addresses(plan: &InspectionPlan, templates: &[&Template]) -> Vec<IpAddr> {
    let settings = templates.iter().flat_map(|template| &template.settings);
    let set = settings.filter_map(|setting| match &setting.says {
        Says::Host(host, _) => host.parse().ok(),
        Says::Instance(_) | Says::Timeout(_) | Says::Secret(_) => None,
    });
    let aimed = plan.targets.iter().filter_map(|(host, _)| host.parse().ok());
    let addresses = aimed.chain(set).filter(|address: &IpAddr| !address.is_loopback());
    addresses.collect()
}

/// The instance that has one of the addresses.
pub fn by_address(instances: &[(String, Vec<String>)], addresses: &[IpAddr]) -> Option<Arc<str>> {
    let has =
        |own: &[String]| own.iter().any(|address| address.parse().is_ok_and(|address| addresses.contains(&address)));
    instances.iter().find(|(_, own)| has(own)).map(|(name, _)| name.as_str().into())
}

/// The project and the id of an instance: PROJECT:REGION:INSTANCE, where the project of a domain has a colon of its own.
pub fn instance_parts(connection_name: &str) -> Option<(&str, &str)> {
    let (rest, id) = connection_name.rsplit_once(':')?;
    let (project, _region) = rest.rsplit_once(':')?;
    Some((project, id))
}

/// The region of an object's full name.
pub fn region(name: &str) -> &str {
    let mut parts = full(name).split('/');
    parts.find(|part| matches!(*part, "locations" | "regions"));
    parts.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::spec::ServiceRef;
    use crate::cloud::connector::{ConnectorState, ConnectorSubnet};
    use crate::cloud::service::{NetworkInterface, Setting, VpcAccess, VpcEgress};
    use crate::plan::Pace;
    use crate::plan::inspections::DEFAULT_INTERVAL;

    fn plan() -> InspectionPlan {
        InspectionPlan {
            service: ServiceRef { project: "p".to_owned(), region: "r1".to_owned(), name: "s".to_owned() },
            interval: DEFAULT_INTERVAL,
            pace: Pace::Steady,
            skip: Default::default(),
            connector: None,
            instance: None,
            network: None,
            targets: Box::new([("10.20.0.3".into(), 5432)]),
            connectivity_test: false,
        }
    }

    fn goes_by(connector: Option<&str>, interface: Option<(&str, &str)>) -> Template {
        let interface = interface.map(|(network, subnetwork)| NetworkInterface {
            network: network.to_owned(),
            subnetwork: subnetwork.to_owned(),
            tags: Vec::new(),
        });
        let vpc_access = VpcAccess {
            connector: connector.map(str::to_owned),
            egress: VpcEgress::AllTraffic,
            network_interfaces: interface.into_iter().collect(),
        };
        Template { vpc_access: Some(vpc_access), ..Template::default() }
    }

    fn stands_in(network: &str, subnet: Option<(&str, &str)>) -> Connector {
        Connector {
            state: ConnectorState::Ready,
            network: network.to_owned(),
            ip_cidr_range: String::new(),
            subnet: subnet
                .map(|(name, project)| ConnectorSubnet { name: name.to_owned(), project_id: project.to_owned() }),
            machine_type: String::new(),
            min_instances: 0,
            max_instances: 0,
            min_throughput: 0,
            max_throughput: 0,
            connected_projects: Vec::new(),
        }
    }

    #[test]
    fn the_connector_is_pinned_or_named_by_what_will_serve_or_by_what_serves() {
        let full = "projects/p/locations/r1/connectors/c";
        let this = || Sought::This(full.into());
        let pinned = InspectionPlan { connector: Some(full.into()), ..plan() };
        assert_eq!(connector(&pinned, &[]), this());
        assert_eq!(connector(&plan(), &[&goes_by(Some("c"), None)]), this());
        assert_eq!(connector(&plan(), &[&goes_by(Some(full), None), &goes_by(Some("old"), None)]), this());
        assert_eq!(connector(&plan(), &[&Template::default(), &goes_by(Some("c"), None)]), this());
        assert_eq!(connector(&plan(), &[&Template::default()]), Sought::None(Absent::NotUsed));
        assert_eq!(connector(&plan(), &[]), Sought::None(Absent::Undiscovered));
    }

    #[test]
    fn the_network_is_found_along_the_path() {
        let vpc = |project| Sought::This(Place::Network(format!("projects/{project}/global/networks/vpc").into()));
        let subnet =
            |project| Sought::This(Place::Subnet(format!("projects/{project}/regions/r1/subnetworks/sub").into()));
        let name = "projects/p/locations/r1/connectors/c";
        let by = |connector: &Connector| network(&plan(), &[], Some((name, connector)), None, true);
        assert_eq!(by(&stands_in("vpc", None)), vpc("p"));
        assert_eq!(by(&stands_in("vpc", Some(("sub", "host")))), vpc("host"));
        assert_eq!(by(&stands_in("", Some(("sub", "host")))), subnet("host"));
        assert_eq!(by(&stands_in("", Some(("sub", "")))), subnet("p"));
        let by = |interface| network(&plan(), &[&goes_by(None, Some(interface))], None, None, true);
        assert_eq!(by(("vpc", "")), vpc("p"));
        assert_eq!(by(("projects/host/global/networks/vpc", "")), vpc("host"));
        assert_eq!(by(("", "projects/host/regions/r1/subnetworks/sub")), subnet("host"));
        assert_eq!(network(&plan(), &[], None, None, true), Sought::None(Absent::NotUsed));
        assert_eq!(network(&plan(), &[], None, None, false), Sought::None(Absent::Undiscovered));
    }

    #[test]
    fn the_instance_is_found_by_mount_by_name_and_by_address() {
        let mounted = Template { cloud_sql_instances: vec!["p:r1:db".to_owned()], ..Template::default() };
        let says =
            |says| Template { settings: vec![Setting { variable: "X".to_owned(), says }], ..Template::default() };
        let named = says(Says::Instance("p:r1:db".to_owned()));
        assert_eq!(instance(&plan(), &[&mounted]), Sought::This("p:r1:db".into()));
        assert_eq!(instance(&plan(), &[&named]), Sought::This("p:r1:db".into()));
        assert_eq!(instance(&plan(), &[&Template::default()]), Sought::None(Absent::NotUsed));
        let host = says(Says::Host("10.30.0.4".to_owned(), None));
        let addresses = addresses(&plan(), &[&host]);
        assert_eq!(addresses.len(), 2);
        let list =
            [("p:r1:a".to_owned(), vec!["10.9.9.9".to_owned()]), ("p:r1:b".to_owned(), vec!["10.30.0.4".to_owned()])];
        assert_eq!(by_address(&list, &addresses).as_deref(), Some("p:r1:b"));
    }

    #[test]
    fn names_are_taken_apart_also_those_of_a_domains_project() {
        assert_eq!(instance_parts("p:r1:db"), Some(("p", "db")));
        assert_eq!(instance_parts("example.com:p:r1:db"), Some(("example.com:p", "db")));
        assert_eq!(instance_parts("db"), None);
        assert_eq!(region("projects/p/locations/r1/connectors/c"), "r1");
    }
}
