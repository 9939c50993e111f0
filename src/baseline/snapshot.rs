//! A configuration in, a baseline of bounded size out. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::configuration::{Configured, Known, configuration};
use super::entries::{UNREAD, clipped, entry_of, kept, named, rest_of, rested};
use super::format::{FORMAT, comparable};
use crate::api::baseline::{Baseline, BaselineObject, MAX_FIELDS, MAX_NAME};
use crate::cloud::name::same;
use crate::cloud::{Inspection, Picture};

/// The baseline that a picture gives. What could not be read stays as it was in `before`.
pub fn snapshot(picture: &Picture, before: Option<&Baseline>, now: Timestamp) -> Baseline {
    let objects = configuration(picture).into_iter().filter_map(|(inspection, known)| {
        let old = before.and_then(|before| Some(comparable(object(before, inspection)?, before.format)));
        match known {
            Known::Read(read) => Some(bounded(inspection, &read, old.as_deref())),
            Known::Nothing => Some(nothing(inspection)),
            Known::Untold => old.map(Cow::into_owned),
        }
    });
    Baseline { taken: Time(now), format: FORMAT, objects: objects.collect() }
}

/// A baseline with what could not be read when it was taken, and what an older runready did not read. What is known stays as it was.
pub fn completed(baseline: &Baseline, picture: &Picture) -> Baseline {
    let known = baseline.objects.iter().map(|object| comparable(object, baseline.format).into_owned());
    let mut objects: Vec<BaselineObject> = known.collect();
    for (inspection, known) in configuration(picture) {
        let at = objects.iter().position(|object| object.inspection == inspection);
        match (at, known) {
            (Some(at), Known::Read(read)) if same(&objects[at].name, &read.name) => fill(&mut objects[at], &read),
            (None, Known::Read(read)) => objects.push(bounded(inspection, &read, None)),
            (None, Known::Nothing) => objects.push(nothing(inspection)),
            (Some(_), Known::Read(_) | Known::Nothing | Known::Untold) | (None, Known::Untold) => {}
        }
    }
    Baseline { taken: baseline.taken.clone(), format: baseline.format.max(FORMAT), objects }
}

/// The object that an inspection shows.
pub fn object(baseline: &Baseline, inspection: Inspection) -> Option<&BaselineObject> {
    baseline.objects.iter().find(|object| object.inspection == inspection)
}

/// Whether a value was not kept whole, or stands for several.
pub fn is_cut(value: &str) -> bool {
    value == UNREAD || (value.contains("(hash ") && value.ends_with(')'))
}

fn nothing(inspection: Inspection) -> BaselineObject {
    BaselineObject { inspection, name: String::new(), fields: BTreeMap::new() }
}

fn bounded(inspection: Inspection, read: &Configured, old: Option<&BaselineObject>) -> BaselineObject {
    let old = old.filter(|old| same(&old.name, &read.name)).map(|old| &old.fields);
    let mut all = read.fields.clone();
    let carried = old.into_iter().flatten().filter(|(field, _)| read.is_untold(field) && rested(field).is_none());
    all.extend(carried.map(|(field, value)| (field.clone(), value.clone())));
    for field in &read.unread {
        all.entry(field.clone()).or_insert_with(|| UNREAD.to_owned());
    }
    let mut fields = kept(&all, None);
    for list in &read.partial {
        let rest = rest_of(list);
        // What is said of the others holds while the same entries are kept by name.
        match old.filter(|old| named(old, list) == named(&fields, list)).map(|old| old.get(&rest)) {
            Some(Some(said)) => _ = fields.insert(rest, said.clone()),
            Some(None) => _ = fields.remove(&rest),
            None => _ = fields.insert(rest, UNREAD.to_owned()),
        }
    }
    while fields.len() > MAX_FIELDS {
        fields.pop_last();
    }
    BaselineObject { inspection, name: clipped(&read.name, MAX_NAME), fields }
}

/// Fills in what stands as not read. To a list that can't be read whole now either nothing is added, once anything of it is known.
fn fill(then: &mut BaselineObject, read: &Configured) {
    let missing: Vec<&String> =
        then.fields.iter().filter(|(_, value)| *value == UNREAD).map(|(field, _)| field).collect();
    if missing.is_empty() {
        return;
    }
    let useful = |list: &&str| !read.partial.contains(*list) || named(&then.fields, list).is_empty();
    let lists: BTreeSet<String> =
        missing.iter().filter_map(|field| rested(field)).filter(useful).map(str::to_owned).collect();
    let single: BTreeSet<String> = missing.into_iter().filter(|field| rested(field).is_none()).cloned().collect();
    let of_lists = |field: &str| entry_of(field).is_some_and(|(list, _)| lists.contains(list));
    let filled = |field: &str| single.contains(field) || of_lists(field);
    let mut whole = read.clone();
    let known = then.fields.iter().filter(|(field, value)| of_lists(field) && *value != UNREAD);
    whole.fields.extend(known.map(|(field, value)| (field.clone(), value.clone())));
    let new = bounded(then.inspection, &whole, Some(&*then));
    then.fields.retain(|field, _| !filled(field));
    then.fields.extend(new.fields.into_iter().filter(|(field, _)| filled(field)));
}
