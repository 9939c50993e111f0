//! A service in; the lines of its check out: what it depends on, in the order in which a request needs it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::Said;
use super::address::{Way, is_private_name};
use super::endpoint::endpoint;
use super::environment::Database;
use super::exported::Exported;
use super::pins::pins;
use super::probes::{self, FILL_IN, Service};
use super::targets::{Targets, targets};
use super::yaml::{Line, Node, fields, say, text};
use crate::api::{API_VERSION, KIND};
use crate::cloud::service::{StartupProbe, VpcAccess, VpcEgress};

/// Most probes of a check, as its schema has it. One is the endpoint.
const MOST_PROBES: usize = 32;
/// Most names that a probe may depend on, as its schema has it.
const MOST_DEPENDENCIES: usize = 16;
/// Longest budget that is written, in seconds: Cloud Run allows far less.
const LONGEST_BUDGET: u64 = 999_999_999;
/// What Cloud Run grants a container that has no start-up probe of its own, in seconds.
const USUAL_BUDGET: u64 = 240;

/// The lines of a service's check.
pub fn check(service: &Exported, said: &Said) -> Vec<Line> {
    let label = label(&service.name, 49).unwrap_or_else(|| "service".to_owned());
    let Targets { databases, left_out } = targets(service);
    let mut metadata = vec![text("name", &label)];
    metadata.extend(said.namespace.as_ref().map(|namespace| text("namespace", namespace)));
    let mut spec = vec![fields("service", reference(service, said)), text("interval", "30s")];
    spec.extend(budget(service.template.startup_probe.as_ref()));
    spec.extend(service.template.vpc_access.as_ref().map(way_out));
    spec.extend(pins(&databases, service, said));
    spec.extend(left_out.into_iter().map(Line::Say));
    let project = said.project.as_deref().or(service.project.as_deref());
    let known = Service {
        label: &label,
        project,
        namespace: said.namespace.as_deref(),
        in_vpc: service.template.vpc_access.is_some(),
    };
    let (items, more) = items(&databases, service, &known);
    spec.extend(more);
    spec.push(Line::Field("probes", Node::Items(items)));
    vec![
        say(
            "Made by runready import. Whatever has to be completed is marked with \"fill in\"; until then, its probe fails.",
        ),
        text("apiVersion", API_VERSION),
        text("kind", KIND),
        fields("metadata", metadata),
        fields("spec", spec),
    ]
}

/// Project, region and name.
fn reference(service: &Exported, said: &Said) -> Vec<Line> {
    let fits = |text: &&String| (1..=63).contains(&text.chars().count());
    let mut lines = Vec::new();
    match (said.project.as_ref().filter(fits), service.project.as_ref().filter(fits)) {
        (Some(project), _) => lines.push(text("project", project)),
        (None, Some(number)) if number.chars().all(|c| c.is_ascii_digit()) => {
            lines.push(say("The project's number, which is all that the export holds; its id tells people more."));
            lines.push(text("project", number));
        }
        (None, Some(project)) => lines.push(text("project", project)),
        (None, None) => {
            lines.push(say("fill in: the project's id (or import again with --project)."));
            lines.push(text("project", FILL_IN));
        }
    }
    match said.region.as_ref().or(service.region.as_ref()).filter(fits) {
        Some(region) => lines.push(text("region", region)),
        None => {
            lines.push(say("fill in: the region (or import again with --region)."));
            lines.push(text("region", FILL_IN));
        }
    }
    if fits(&&service.name) {
        lines.push(text("name", &service.name));
    } else {
        lines.push(say("fill in: the service's name; what the export holds is too long for one."));
        lines.push(text("name", FILL_IN));
    }
    lines
}

/// What the service grants itself to come up.
fn budget(probe: Option<&StartupProbe>) -> Vec<Line> {
    let Some(probe) = probe else {
        let why = format!("The export shows no start-up probe; without one, Cloud Run grants {USUAL_BUDGET} s.");
        return vec![say(why), text("startupBudget", format!("{USUAL_BUDGET}s"))];
    };
    let seconds = probe.budget().as_secs().min(LONGEST_BUDGET);
    let why = format!(
        "What the start-up probe grants: initialDelaySeconds {} + periodSeconds {} x failureThreshold {}.",
        probe.initial_delay_seconds, probe.period_seconds, probe.failure_threshold
    );
    vec![say(why), text("startupBudget", format!("{}s", seconds.max(1)))]
}

/// The way into the VPC network, as a comment: probes from elsewhere don't take it.
fn way_out(access: &VpcAccess) -> Line {
    let by = match (&access.connector, access.network_interfaces.first()) {
        (Some(connector), _) => format!("the VPC connector {connector}"),
        (None, Some(interface)) => {
            let at = [&interface.network, &interface.subnetwork].map(String::as_str);
            let at: Vec<&str> = at.into_iter().filter(|name| !name.is_empty()).collect();
            format!("Direct VPC egress ({})", if at.is_empty() { "network not told".to_owned() } else { at.join(", ") })
        }
        (None, None) => "a VPC network".to_owned(),
    };
    let what = if access.egress == VpcEgress::AllTraffic { "everything" } else { "private addresses" };
    say(format!(
        "The service reaches {what} by {by}. A probe from a cluster takes another way, and can be fine while this one is broken."
    ))
}

/// The probes, and what is said before them.
fn items(databases: &[Database], service: &Exported, known: &Service<'_>) -> (Vec<Vec<Line>>, Vec<Line>) {
    let (mut items, mut more, mut names) = (Vec::new(), Vec::new(), Names::default());
    let endpoint_name = names.take("endpoint");
    let (mut resolved, mut needed): (BTreeMap<&str, String>, Vec<String>) = (BTreeMap::new(), Vec::new());
    let mut left = 0;
    for database in databases {
        if items.len() + 3 > MOST_PROBES {
            left += 1;
            continue;
        }
        let name = names.take(&named(database));
        let host = private_host(database);
        if let Some(host) = host.filter(|host| !resolved.contains_key(host)) {
            let dns = names.take(&format!("{name}-dns"));
            let why = say("A name of a private zone: without an answer, nothing behind it can be reached.");
            items.push(vec![why, text("name", &dns), fields("dns", vec![text("name", host)])]);
            resolved.insert(host, dns);
        }
        let mut lines = probes::probe(database, &name, known);
        if let Some(dns) = host.and_then(|host| resolved.get(host)) {
            lines.push(Line::Field("dependsOn", Node::Names(vec![dns.clone()])));
        }
        items.push(lines);
        needed.push(name);
    }
    if left > 0 {
        more.push(say(format!(
            "{left} more were found. A check has {MOST_PROBES} probes at most: write another one for them."
        )));
    }
    needed.truncate(MOST_DEPENDENCIES);
    items.push(endpoint(service, endpoint_name, needed));
    (items, more)
}

/// The name of a database's host, if only a private zone can answer for it.
fn private_host(database: &Database) -> Option<&str> {
    match database.ways.first() {
        Some(Way::Host(host, _)) if host.parse::<IpAddr>().is_err() && is_private_name(host) => Some(host),
        _ => None,
    }
}

/// What a database's probe is called.
fn named(database: &Database) -> String {
    match database.of.as_str() {
        "" | "DB" => "database".to_owned(),
        of => label(of, 40).unwrap_or_else(|| "database".to_owned()),
    }
}

/// A DNS label (RFC 1123) made of a text. None where nothing is left of it.
pub(super) fn label(text: &str, most: usize) -> Option<String> {
    let mut label = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if label.len() >= most {
            break;
        }
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            label.push(c);
        } else if !label.is_empty() && !label.ends_with('-') {
            label.push('-');
        }
    }
    Some(label.trim_end_matches('-').to_owned()).filter(|label| !label.is_empty())
}

/// Names that are taken.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// The name, or the first with a number that is free.
    fn take(&mut self, name: &str) -> String {
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        let free = std::iter::once(name.to_owned()).chain(numbered).find(|name| !self.0.contains(name));
        let free = free.unwrap_or_else(|| name.to_owned());
        self.0.insert(free.clone());
        free
    }
}
