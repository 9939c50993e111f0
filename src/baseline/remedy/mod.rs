//! Drift in, what restores the known-good values out: gcloud commands, and fragments for Config Connector and Terraform. Pure.
//!
//! A value comes from a status, which others may have written: in a command each argument is quoted, a name must be one that
//! Google Cloud allows, and what holds control characters gives no command at all.

mod command;
mod connector;
mod declare;
mod firewall;
mod fragment;
mod instance;
mod network;
mod part;
mod peering;
mod place;
mod policy;
mod route;
mod service;
mod subnet;
mod template;
mod zones;

use super::entries::{entry_of, is_first};
use super::object::{Object, full};
use super::snapshot::is_cut;
use crate::api::baseline::BaselineObject;
use crate::cloud::{Drift, Inspection};

pub use command::Command;
pub(super) use command::is_format;

/// What restores one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    /// The object's name in full.
    pub object: String,
    /// What to run, in this order.
    pub commands: Vec<Command>,
    /// What no command restores, and what to do instead.
    pub notes: Vec<String>,
    /// The same for Config Connector, as YAML.
    pub config_connector: Option<String>,
    /// The same for Terraform, as HCL.
    pub terraform: Option<String>,
}

/// What differs of one object, and what is known of it as it was.
struct Loss<'a> {
    object: Object<'a>,
    /// The object as the baseline has it, if that is at hand.
    known: Option<&'a BaselineObject>,
    fields: Vec<&'a Drift>,
    /// What differs, too, and was not kept in full.
    cut: Vec<&'a Drift>,
}

impl Loss<'_> {
    /// The object's name in full, as the drift has it.
    fn name(&self) -> &str {
        self.fields.first().map_or("", |drift| full(&drift.object))
    }

    /// The difference of a field, if it differs.
    fn drifted(&self, field: &str) -> Option<&Drift> {
        self.fields.iter().find(|drift| drift.field == field).copied()
    }

    /// A field of the object as it was, if that is known in full.
    fn was(&self, field: &str) -> Option<&str> {
        match self.drifted(field) {
            Some(drift) => drift.was.as_deref(),
            None => self.known.and_then(|known| known.fields.get(field)).map(String::as_str),
        }
        .filter(|value| !value.is_empty() && !is_cut(value))
    }

    /// Whether a field of the object, as it was, was not kept in full.
    fn is_cut(&self, field: &str) -> bool {
        let known = self.known.and_then(|known| known.fields.get(field));
        self.cut.iter().any(|drift| drift.field == field) || known.is_some_and(|known| is_cut(known))
    }

    /// The fields of the list of that name, as they were: what stands between the brackets, and the value. None: the baseline did not keep all
    /// of them in full.
    fn list(&self, list: &str) -> Option<Vec<(&str, &str)>> {
        let entry = |field: &'_ str| -> Option<(usize, usize)> {
            let rest = field.strip_prefix(list)?.strip_prefix('[')?;
            rest.ends_with(']').then(|| (list.len() + 1, field.len() - 1))
        };
        let known = self.known.into_iter().flat_map(|known| &known.fields);
        let known = known.filter(|(field, _)| !self.fields.iter().any(|drift| drift.field == **field));
        let known =
            known.filter_map(|(field, value)| entry(field).map(|(from, to)| (&field[from..to], value.as_str())));
        let drifted = self.fields.iter().filter_map(|drift| {
            let (from, to) = entry(&drift.field)?;
            Some((&drift.field[from..to], drift.was.as_deref()?))
        });
        let mut all: Vec<(&str, &str)> = known.chain(drifted).collect();
        all.sort_unstable();
        let whole = all.iter().all(|(key, value)| *key != "*" && !is_cut(value));
        whole.then_some(all)
    }
}

/// What restores everything that has drifted, one remedy for each object, in the order of the drift. `baseline`: the objects as they
/// were, where that is at hand: some commands set more than one field.
pub fn remedies(drift: &[Drift], baseline: &[BaselineObject]) -> Vec<Remedy> {
    let mut groups: Vec<(Inspection, Vec<&Drift>)> = Vec::new();
    for drift in drift {
        match groups.iter_mut().find(|(inspection, _)| *inspection == drift.inspection) {
            Some((_, group)) => group.push(drift),
            None => groups.push((drift.inspection, vec![drift])),
        }
    }
    groups.into_iter().map(|(inspection, group)| remedy(inspection, group, baseline)).collect()
}

/// The commands that restore one drift, for a verdict, with the others of the same entry of a list: those of a peering that is gone are
/// restored with it. `all`: everything that has drifted. None: no command does.
pub fn restoring_command(drift: &Drift, all: &[Drift], baseline: &[BaselineObject]) -> Option<String> {
    let entry = entry_of(&drift.field);
    let services = entry.is_some_and(|(_, entry)| is_first(entry));
    let with_it = |other: &&Drift| {
        let of = entry_of(&other.field);
        let needed = services && of.is_some_and(|(list, _)| list == "allocatedRanges");
        other.inspection == drift.inspection && (other.field == drift.field || of.is_some() && of == entry || needed)
    };
    let remedy = remedy(drift.inspection, all.iter().filter(with_it).collect(), baseline);
    let commands: Vec<String> = remedy.commands.iter().map(ToString::to_string).collect();
    (!commands.is_empty()).then(|| commands.join(" && "))
}

fn remedy(inspection: Inspection, group: Vec<&Drift>, baseline: &[BaselineObject]) -> Remedy {
    let known = baseline.iter().find(|object| object.inspection == inspection && !object.name.is_empty());
    let name = group.first().map_or("", |drift| drift.object.as_str());
    // A cut value is not known, so that it can't be restored.
    let cut = |drift: &&&Drift| drift.was.as_deref().is_some_and(is_cut);
    let mut remedy = Remedy { object: name.to_owned(), ..Remedy::default() };
    for drift in group.iter().filter(cut) {
        let field = &drift.field;
        remedy.notes.push(format!("{field} was too long to be kept whole: take its value from where it is declared"));
    }
    // Where the path leads to another object, that one is not made like the first.
    let moved = group.iter().any(|drift| drift.field.is_empty() && drift.is.is_some());
    let told = |drift: &&&Drift| !cut(drift) && (!moved || drift.field.is_empty());
    let fields: Vec<&Drift> = group.iter().filter(told).copied().collect();
    if fields.is_empty() {
        return remedy;
    }
    let cut = group.iter().filter(cut).copied().collect();
    let loss = Loss { object: Object::of(name), known, fields, cut };
    match inspection {
        Inspection::Service => service::service(&loss, &mut remedy),
        Inspection::Connector => connector::connector(&loss, &mut remedy),
        Inspection::Instance => instance::instance(&loss, &mut remedy),
        Inspection::Network => network::network(&loss, &mut remedy),
        Inspection::DnsZones => zones::zones(&loss, &mut remedy),
        Inspection::Access => policy::access(&loss, &mut remedy),
        Inspection::Revisions
        | Inspection::ConnectivityTest
        | Inspection::ServiceHealth
        | Inspection::Logs
        | Inspection::Metrics
        | Inspection::AuditLog => {}
    }
    declare::fragments(inspection, &loss, &mut remedy);
    let before = remedy.commands.len();
    remedy.commands.retain(Command::is_safe);
    if remedy.commands.len() < before {
        remedy.notes.push(
            "a name or value holds characters that Google Cloud does not allow there, so no command is printed"
                .to_owned(),
        );
    }
    remedy
}
