//! What restores a firewall rule of a network. Pure.
//!
//! The configuration keeps in one list what gcloud has flags of their own for: ranges, tags and accounts, told apart by a prefix.
//! What only a firewall policy can hold for (a secure tag, an address group, a name) gives a note and no command.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::network::upon;
use super::{Command, Loss, Remedy};
use crate::cloud::Drift;

/// The flags that say what a rule holds for.
const SCOPE: [&str; 6] = [
    "source-ranges",
    "source-tags",
    "source-service-accounts",
    "destination-ranges",
    "target-tags",
    "target-service-accounts",
];

/// A rule as the configuration keeps it, taken apart.
struct Rule<'a> {
    direction: &'a str,
    verb: &'a str,
    priority: Option<&'a str>,
    ports: Option<&'a str>,
    disabled: bool,
    /// What it holds for: each flag with one of its values.
    scope: Vec<(&'static str, &'a str)>,
    /// What it holds for that no flag can say.
    beyond: Vec<&'a str>,
}

impl<'a> Rule<'a> {
    /// None: the text is no rule.
    fn of(text: &'a str) -> Option<Self> {
        let words: Vec<&'a str> = text.split(' ').collect();
        let (direction, verb) = (words.first().copied()?, words.get(1).copied()?);
        if !matches!((direction, verb), ("INGRESS" | "EGRESS", "allow" | "deny")) {
            return None;
        }
        let peers = entries(part(&words, "ranges=")).map(|entry| (peer(direction, entry), entry));
        let targets = entries(part(&words, "tags=")).map(|entry| (target(entry), entry));
        let (mut scope, mut beyond) = (Vec::new(), Vec::new());
        for (flag, entry) in peers.chain(targets) {
            match flag {
                Some(flag) => scope.push(flag),
                None => beyond.push(entry),
            }
        }
        let (priority, ports) = (part(&words, "priority="), part(&words, "ports="));
        // What was left out is known by number alone.
        beyond.extend(entries(ports).filter(|port| port.starts_with("more:")));
        Some(Rule { direction, verb, priority, ports, disabled: words.contains(&"disabled"), scope, beyond })
    }

    /// The values of a flag.
    fn values(&self, flag: &str) -> Vec<&'a str> {
        self.scope.iter().filter(|(known, _)| *known == flag).map(|(_, value)| *value).collect()
    }

    /// The command with all that may be changed of a rule. `now`: the rule that it changes, if it is there: what that holds for and this
    /// one does not is cleared.
    fn set(&self, command: Command, now: Option<&Rule<'_>>) -> Command {
        let mut command = command.with("rules", self.ports.unwrap_or("all")).with_some("priority", self.priority);
        for flag in SCOPE {
            let values = self.values(flag);
            let clear = now.is_some_and(|now| !now.values(flag).is_empty());
            command = match &*values {
                [] if clear => command.with(flag, ""),
                [] => command,
                values => command.with_list(flag, values),
            };
        }
        command.flag(if self.disabled { "disabled" } else { "no-disabled" })
    }
}

/// A rule as Config Connector (`spec`) and Terraform declare it. None: neither can say what it was.
pub fn declared(text: &str) -> Option<(Map<String, Value>, Map<String, Value>)> {
    let rule = Rule::of(text).filter(|rule| rule.beyond.is_empty())?;
    let (mut spec, mut body) = (Map::new(), Map::new());
    let mut set = |connector: &str, terraform: &str, value: Value| {
        spec.insert(connector.to_owned(), value.clone());
        body.insert(terraform.to_owned(), value);
    };
    set("direction", "direction", json!(rule.direction));
    set(rule.verb, rule.verb, protocols(rule.ports));
    set("disabled", "disabled", json!(rule.disabled));
    if let Some(priority) = rule.priority {
        set("priority", "priority", json!(priority.parse::<i64>().ok()?));
    }
    for (flag, connector, terraform) in [
        ("source-ranges", "sourceRanges", "source_ranges"),
        ("source-tags", "sourceTags", "source_tags"),
        ("destination-ranges", "destinationRanges", "destination_ranges"),
        ("target-tags", "targetTags", "target_tags"),
    ] {
        let values = rule.values(flag);
        if !values.is_empty() {
            set(connector, terraform, json!(values));
        }
    }
    for (flag, connector, terraform) in [
        ("source-service-accounts", "sourceServiceAccounts", "source_service_accounts"),
        ("target-service-accounts", "targetServiceAccounts", "target_service_accounts"),
    ] {
        let values = rule.values(flag);
        if !values.is_empty() {
            let references: Vec<Value> = values.iter().map(|account| json!({"external": account})).collect();
            spec.insert(connector.to_owned(), json!(references));
            body.insert(terraform.to_owned(), json!(values));
        }
    }
    Some((spec, body))
}

/// Protocols, each with its ports.
fn protocols(ports: Option<&str>) -> Value {
    let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in ports.unwrap_or("all").split(',') {
        let (protocol, port) = entry.split_once(':').map_or((entry, None), |(protocol, port)| (protocol, Some(port)));
        known.entry(protocol).or_default().extend(port);
    }
    let entry = |(protocol, ports): (&str, Vec<&str>)| match &*ports {
        [] => json!({"protocol": protocol}),
        ports => json!({"protocol": protocol, "ports": ports}),
    };
    known.into_iter().map(entry).collect()
}

/// What follows a key in one of the words.
fn part<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words.iter().copied().find_map(|word| word.strip_prefix(key)).filter(|value| !value.is_empty())
}

fn entries(list: Option<&str>) -> impl Iterator<Item = &str> {
    list.into_iter().flat_map(|list| list.split(',')).filter(|entry| !entry.is_empty())
}

/// The flag and its value for whom a rule lets talk, or be talked to. None: no flag can say it.
fn peer<'a>(direction: &str, entry: &'a str) -> Option<(&'static str, &'a str)> {
    let ingress = direction == "INGRESS";
    if entry.split('/').next().is_some_and(|address| address.parse::<IpAddr>().is_ok()) {
        return Some((if ingress { "source-ranges" } else { "destination-ranges" }, entry));
    }
    match entry.split_once(':') {
        Some(("tag", tag)) if ingress => Some(("source-tags", tag)),
        Some(("serviceAccount", account)) if ingress => Some(("source-service-accounts", account)),
        Some(_) | None => None,
    }
}

/// The flag and its value for the hosts that a rule holds for. None: no flag can say it.
fn target(entry: &str) -> Option<(&'static str, &str)> {
    match entry.split_once(':') {
        None => Some(("target-tags", entry)),
        Some(("serviceAccount", account)) => Some(("target-service-accounts", account)),
        Some(_) => None,
    }
}

/// Restores a rule of that name.
pub fn rule(loss: &Loss<'_>, name: &str, drift: &Drift, remedy: &mut Remedy) {
    if name.contains('/') {
        let was = drift.was.as_deref().unwrap_or("not there");
        return remedy
            .notes
            .push(format!("the rule {name} of a firewall policy was: {was}. Set it back in the policy"));
    }
    let Some(was) = drift.was.as_deref() else {
        return remedy.notes.push(format!(
            "the firewall rule {name} is new: gcloud compute firewall-rules delete takes it away, if it is not wanted"
        ));
    };
    match Rule::of(was) {
        Some(rule) if rule.beyond.is_empty() => again(loss, name, &rule, drift.is.as_deref(), remedy),
        Some(rule) => remedy.notes.push(format!(
            "the firewall rule {name} was: {was}. gcloud compute firewall-rules has no flag for {}, which only the rule of a \
             firewall policy can hold for: set it back in the policy",
            rule.beyond.join(", ")
        )),
        None => remedy.notes.push(format!("the firewall rule {name} was: {was}. Set it back by hand")),
    }
}

/// Sets a rule back where it is there, and creates it otherwise. A rule can change neither direction nor action: one with another of these
/// is deleted before.
fn again(loss: &Loss<'_>, name: &str, rule: &Rule<'_>, is: Option<&str>, remedy: &mut Remedy) {
    let now = is.and_then(Rule::of).filter(|now| (now.direction, now.verb) == (rule.direction, rule.verb));
    if let Some(now) = now {
        return remedy.commands.push(rule.set(upon(loss, "compute firewall-rules update", name), Some(&now)));
    }
    let create = upon(loss, "compute firewall-rules create", name)
        .with("network", loss.object.name)
        .with("direction", rule.direction)
        .with("action", if rule.verb == "allow" { "ALLOW" } else { "DENY" });
    let create = rule.set(create, None);
    // Nothing is deleted that can't be made again.
    if is.is_some() && create.is_safe() {
        remedy.commands.push(upon(loss, "compute firewall-rules delete", name));
    }
    remedy.commands.push(create);
}
