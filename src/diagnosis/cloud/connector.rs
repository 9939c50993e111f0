//! Rules about the way out of Cloud Run: the VPC connector, and Direct VPC egress. Pure.

use super::super::{Case, Finding, Gravity};
use super::{cite, same_network, segment, short, way};
use crate::api::{Cause, Confidence};
use crate::cloud::connector::ConnectorState;
use crate::cloud::reading::Why;
use crate::cloud::service::{Says, Template, VpcAccess, VpcEgress};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const MISSING: &str = "egress/connector-missing";
pub(in crate::diagnosis) const STATE: &str = "egress/connector-state";
pub(in crate::diagnosis) const NO_ACCESS: &str = "egress/no-vpc-access";
pub(in crate::diagnosis) const MISMATCH: &str = "egress/vpc-access";
pub(in crate::diagnosis) const PUBLIC: &str = "egress/private-ranges-only";

pub(in crate::diagnosis) fn missing(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(unread) = picture.connector.unread().filter(|unread| unread.why == Why::NotFound) else {
        return Vec::new();
    };
    let told = vec![format!("connector {}: not found (HTTP 404), asked {}", unread.name, super::clock(unread.at))];
    let summary = format!("the VPC connector {} does not exist", short(&unread.name));
    vec![Finding::told(MISSING, Cause::ConnectorMissing, Inspection::Connector, summary, told).about_the_way(case)]
}

/// What a state means, and whether it keeps the connector from taking traffic by itself.
fn means(state: &ConnectorState) -> Option<(&'static str, Gravity, Confidence)> {
    match state {
        ConnectorState::Error => Some((
            "it is in a bad state, and Google recommends to delete and recreate it",
            Gravity::Broken,
            Confidence::High,
        )),
        ConnectorState::Deleting => Some(("it is being deleted", Gravity::Broken, Confidence::High)),
        ConnectorState::Creating => {
            Some(("it is being created, which takes minutes", Gravity::Broken, Confidence::High))
        }
        // A connector that is changed goes on serving, as a rule.
        ConnectorState::Updating => Some(("it is being changed", Gravity::Remark, Confidence::Medium)),
        ConnectorState::Ready | ConnectorState::Unspecified | ConnectorState::Other(_) => None,
    }
}

pub(in crate::diagnosis) fn state(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.connector.found() else { return Vec::new() };
    let state = &found.object.state;
    let Some((meaning, gravity, confidence)) = means(state) else { return Vec::new() };
    let told = vec![cite("connector", found, format!("state {state}"))];
    let summary = format!("the VPC connector {} is in state {state}: {meaning}", short(&found.name));
    let finding = Finding::told(STATE, Cause::ConnectorNotReady, Inspection::Connector, summary, told);
    let finding = finding.sure(confidence).weighing(gravity);
    if gravity == Gravity::Remark {
        return vec![finding.explaining(case, way::silent(case), Vec::new())];
    }
    vec![finding.about_the_way(case)]
}

/// A private address that the service must reach, as far as probes, instance and environment tell, with who tells it.
fn private_goal(case: &Case<'_>, picture: &Picture, template: &Template) -> Option<String> {
    if let Some(index) = way::silent(case).first() {
        return Some(format!("what {} aims at is in the VPC network alone", case.observations[*index].name));
    }
    if let Some(instance) = picture.instance.object() {
        let mut own = way::addresses(instance).peekable();
        if own.peek().is_some() && own.all(way::private) {
            return Some(format!("the instance {} has a private address alone", instance.connection_name));
        }
    }
    template.settings.iter().find_map(|setting| match &setting.says {
        Says::Host(host, _) if host.parse().is_ok_and(way::private) => {
            Some(format!("{} names the private address {host}", setting.variable))
        }
        Says::Host(..) | Says::Instance(_) | Says::Timeout(_) | Says::Secret(_) => None,
    })
}

pub(in crate::diagnosis) fn no_access(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.service.found() else { return Vec::new() };
    let serving = picture.ready_revision.object().map(|revision| (&revision.template, &*revision.name));
    let newest = (&found.object.template, "its newest configuration");
    let Some((template, which)) =
        [serving, Some(newest)].into_iter().flatten().find(|(template, _)| template.vpc_access.is_none())
    else {
        return Vec::new();
    };
    let Some(goal) = private_goal(case, picture, template) else { return Vec::new() };
    let elsewhere = found.object.template.vpc_access.is_some()
        || serving.is_some_and(|(template, _)| template.vpc_access.is_some());
    let lost = if elsewhere { "; the other one has one, so a deployment has lost or regained it" } else { "" };
    let summary = format!(
        "the service {} has no way into the VPC network ({which}: neither connector nor network interface{lost}), and {goal}",
        short(&found.name)
    );
    let told = vec![cite("service", found, format!("{which}: vpcAccess is not set"))];
    vec![Finding::told(NO_ACCESS, Cause::VpcAccessMissing, Inspection::Service, summary, told).about_the_way(case)]
}

/// The network that a way leads into: in full, if its project is known. A way that names a subnet alone leads into the network that
/// was found by that.
fn network_of(picture: &Picture, service: &str, access: &VpcAccess) -> Option<String> {
    let found = || picture.network.found().map(|found| found.name.to_string());
    let in_full = |name: &str, project: Option<&str>| match project.filter(|_| !name.contains('/')) {
        Some(project) => format!("projects/{project}/global/networks/{name}"),
        None => name.to_owned(),
    };
    if access.connector.is_some() {
        let connector = picture.connector.found()?;
        let subnet = connector.object.subnet.as_ref();
        let host = subnet.map(|subnet| &*subnet.project_id).filter(|project| !project.is_empty());
        let network = &*connector.object.network;
        return match (network.is_empty(), subnet) {
            (false, _) => Some(in_full(network, host.or_else(|| segment(&connector.name, "projects")))),
            (true, Some(_)) => found(),
            (true, None) => None,
        };
    }
    let interface = access.network_interfaces.first()?;
    match (interface.network.is_empty(), interface.subnetwork.is_empty()) {
        (false, _) => Some(in_full(&interface.network, segment(service, "projects"))),
        (true, false) => found(),
        (true, true) => None,
    }
}

/// Why a way does not lead to the target, if it does not.
fn misfit(picture: &Picture, service: &str, access: &VpcAccess) -> Option<String> {
    let own = segment(service, "locations");
    let connector = access.connector.as_deref();
    if let (Some(own), Some(name), Some(other)) =
        (own, connector, connector.and_then(|name| segment(name, "locations")))
        && own != other
    {
        return Some(format!("the service is in {own}, its VPC connector {} in {other}", short(name)));
    }
    let target = picture.instance.object()?.private_network.as_deref()?;
    let network = network_of(picture, service, access)?;
    (!same_network(&network, target)).then(|| {
        // Networks of the same name differ by their projects.
        let alike = short(&network) == short(target);
        let (network, target) = if alike { (&*network, target) } else { (short(&network), short(target)) };
        format!("the service's way leads into the network {network}, the instance's private address is in {target}")
    })
}

pub(in crate::diagnosis) fn mismatch(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.service.found() else { return Vec::new() };
    let Some(access) = &found.object.template.vpc_access else { return Vec::new() };
    let Some(summary) = misfit(picture, &found.name, access) else { return Vec::new() };
    let by = access.connector.as_deref().unwrap_or("network interfaces");
    let told = vec![cite("service", found, format!("vpcAccess by {by}"))];
    vec![Finding::told(MISMATCH, Cause::VpcAccessMismatch, Inspection::Service, summary, told).about_the_way(case)]
}

pub(in crate::diagnosis) fn public(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.service.found() else { return Vec::new() };
    let Some(access) = &found.object.template.vpc_access else { return Vec::new() };
    let outside = way::silent_outside(case);
    if !matches!(access.egress, VpcEgress::PrivateRangesOnly | VpcEgress::Unspecified) || outside.is_empty() {
        return Vec::new();
    }
    let summary = "vpcAccess.egress is PRIVATE_RANGES_ONLY, so what goes to public addresses does not take the VPC network: it comes from \
                   Cloud Run's own addresses, which the target's allow list may not know"
        .to_owned();
    let told = vec![cite("service", found, format!("vpcAccess.egress {}", access.egress))];
    let finding = Finding::told(PUBLIC, Cause::VpcAccessMismatch, Inspection::Service, summary, told);
    vec![finding.sure(Confidence::Medium).explaining(case, outside, Vec::new())]
}
