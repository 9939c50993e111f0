//! What was in, fragments that declare it for Config Connector and Terraform out, and a line for each field that has none. Pure.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::fragment::{hcl, set, snake, yaml};
use super::place::{Kind, kind, terraform_way, value};
use super::{Loss, Remedy, part, template, zones};
use crate::baseline::visible;
use crate::cloud::Inspection;

/// Fragments, and the fields that they speak of.
#[derive(Default)]
pub struct Said<'a> {
    /// The fields.
    pub fields: BTreeSet<&'a str>,
    /// Documents of Config Connector.
    pub yamls: Vec<String>,
    /// Resources of Terraform.
    pub hcls: Vec<String>,
}

impl<'a> Said<'a> {
    /// Adds a resource that speaks of these fields: what it sets in both forms.
    pub fn add(&mut self, fields: &[&'a str], kind: &Kind, name: &str, spec: &Value, body: &Value) {
        self.fields.extend(fields);
        self.yamls.extend(yaml(kind.api_version, kind.kind, name, spec));
        self.hcls.push(hcl(kind.resource, name, body));
    }
}

/// Adds the fragments that declare what was. Every field that differs is named in both, so that nothing is left out silently.
pub fn fragments(inspection: Inspection, loss: &Loss<'_>, remedy: &mut Remedy) {
    let Said { fields, yamls, hcls } = match kind(inspection) {
        Some(kind) => of_object(loss, &kind),
        None if inspection == Inspection::Network => part::of_network(loss),
        None if inspection == Inspection::DnsZones => zones::declared(loss),
        None if inspection == Inspection::Access => part::of_access(loss),
        None => Said::default(),
    };
    let left = loss.fields.iter().filter(|drift| !fields.contains(drift.field.as_str()));
    let left: String = left.map(|drift| without(&drift.field)).collect();
    let text = |fragments: &str| Some(format!("{left}{fragments}")).filter(|text| !text.is_empty());
    remedy.config_connector = text(&yamls.join("---\n"));
    remedy.terraform = text(&hcls.join("\n"));
}

/// The line for a field without a fragment. It stands in a comment, which nothing in the field's name may end.
fn without(field: &str) -> String {
    let field = if field.is_empty() { "the object itself" } else { field };
    format!("# {}: no fragment; the gcloud command or a note says how to set it back\n", visible(field))
}

fn of_object<'a>(loss: &'a Loss<'_>, kind: &Kind) -> Said<'a> {
    let mut said = Said::default();
    let (mut spec, mut body) = (Value::Object(Map::new()), Value::Object(Map::new()));
    let mut removed: Vec<(&str, &str)> = Vec::new();
    for (field, connector, terraform, how) in kind.places {
        let Some(drift) = loss.fields.iter().find(|drift| drift.field == *field) else { continue };
        said.fields.insert(drift.field.as_str());
        match drift.was.as_deref().and_then(|was| Some((value(was, *how)?, snake(value(was, terraform_way(*how))?)))) {
            Some((there, here)) => {
                set(&mut spec, connector, there);
                set(&mut body, terraform, here);
            }
            None => removed.push((*connector, *terraform)),
        }
    }
    let flags = flags(loss, &mut said.fields);
    match flags.as_deref() {
        None => {}
        Some([]) => removed.push(("settings.databaseFlags", "settings.database_flags")),
        Some(entries) => {
            set(&mut spec, "settings.databaseFlags", Value::Array(entries.to_vec()));
            set(&mut body, "settings.database_flags", Value::Array(entries.to_vec()));
        }
    }
    let variables = template::variables(loss, &mut said.fields);
    if !variables.is_empty() {
        let there = variables.iter().map(|(name, secret, version)| {
            let source = json!({"secretRef": {"external": secret}, "versionRef": {"external": version}});
            json!({"name": name, "valueSource": {"secretKeyRef": source}})
        });
        set(&mut spec, "template.containers[].env", there.collect());
        let here = variables.iter().map(|(name, secret, version)| {
            json!({"name": name, "value_source": {"secret_key_ref": {"secret": secret, "version": version}}})
        });
        set(&mut body, "template.containers.env", here.collect());
    }
    if !said.fields.is_empty() {
        said.yamls.extend(document(loss, kind, &spec, &removed));
        said.hcls.push(resource(loss, kind, body, &removed));
    }
    said
}

/// The object as Config Connector declares it.
fn document(loss: &Loss<'_>, kind: &Kind, spec: &Value, removed: &[(&str, &str)]) -> Option<String> {
    let said = comment(removed.iter().map(|(connector, _)| format!("spec.{connector}")).collect());
    yaml(kind.api_version, kind.kind, loss.object.name, spec).map(|yaml| said + &yaml)
}

/// The object as Terraform declares it.
fn resource(loss: &Loss<'_>, kind: &Kind, body: Value, removed: &[(&str, &str)]) -> String {
    let name = loss.object.name;
    let mut whole = json!({"name": name});
    for (key, known) in [("project", loss.object.project), (kind.location, loss.object.region)] {
        if let (Value::Object(map), true) = (&mut whole, !key.is_empty() && !known.is_empty()) {
            map.insert(key.to_owned(), json!(known));
        }
    }
    if let (Value::Object(whole), Value::Object(body)) = (&mut whole, body) {
        whole.extend(body);
    }
    let said = comment(removed.iter().map(|(_, terraform)| (*terraform).to_owned()).collect());
    said + &hcl(kind.resource, name, &whole)
}

/// What must not be set.
fn comment(paths: Vec<String>) -> String {
    if paths.is_empty() { String::new() } else { format!("# Remove: {}\n", paths.join(", ")) }
}

/// Database flags, which both declare as a list: whoever applies one sets them all, so that all must be known. None: they have not changed,
/// or are not known.
fn flags<'a>(loss: &'a Loss<'_>, fields: &mut BTreeSet<&'a str>) -> Option<Vec<Value>> {
    let drifted = loss.fields.iter().map(|drift| drift.field.as_str());
    let drifted: Vec<&'a str> = drifted.filter(|field| field.starts_with("settings.databaseFlags[")).collect();
    if loss.known.is_none() || drifted.is_empty() {
        return None;
    }
    let flags = loss.list("settings.databaseFlags")?;
    fields.extend(drifted);
    Some(flags.iter().map(|(name, value)| json!({"name": name, "value": value})).collect())
}
