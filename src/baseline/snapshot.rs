//! A configuration in, a baseline of bounded size out. Pure.
//!
//! Of a list at most [`MAX_ENTRIES`] entries are kept by name, the others as a number and a hash: a change among them still shows,
//! though not which. Of a long value the beginning and a hash are kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use xxhash_rust::xxh3::Xxh3;

use super::configuration::{Configured, Known, configuration};
use crate::api::baseline::{Baseline, BaselineObject, MAX_FIELDS, MAX_NAME};
use crate::cloud::{Inspection, Picture};

/// Most fields of one list, such as routes[...], that are kept by name.
pub const MAX_ENTRIES: usize = 24;
/// Characters of a value that are kept.
pub const MAX_KEPT: usize = 256;
/// What stands for the entries of a list that are not kept by name.
const REST: &str = "[*]";

/// The baseline that a picture gives. What could not be read stays as it was in `before`.
pub fn snapshot(picture: &Picture, before: Option<&Baseline>, now: Timestamp) -> Baseline {
    let objects = configuration(picture).into_iter().filter_map(|(inspection, known)| {
        let old = before.and_then(|before| object(before, inspection));
        match known {
            Known::Read(read) => Some(bounded(inspection, &read, old)),
            Known::Nothing => Some(BaselineObject { inspection, name: String::new(), fields: BTreeMap::new() }),
            Known::Untold => old.cloned(),
        }
    });
    Baseline { taken: Time(now), objects: objects.collect() }
}

/// The object that an inspection shows.
pub fn object(baseline: &Baseline, inspection: Inspection) -> Option<&BaselineObject> {
    baseline.objects.iter().find(|object| object.inspection == inspection)
}

fn bounded(inspection: Inspection, read: &Configured, old: Option<&BaselineObject>) -> BaselineObject {
    let mut fields = kept(&read.fields, None);
    for field in &read.unread {
        if let Some(value) = old.and_then(|old| old.fields.get(field)) {
            fields.insert(field.clone(), value.clone());
        }
    }
    while fields.len() > MAX_FIELDS {
        fields.pop_last();
    }
    BaselineObject { inspection, name: clipped(&read.name, MAX_NAME), fields }
}

/// The fields as a baseline keeps them. `like`: the list entries that another baseline keeps by name decide, so that the two can
/// be compared.
pub fn kept(fields: &BTreeMap<String, String>, like: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut rests: BTreeMap<&str, (usize, Xxh3)> = BTreeMap::new();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (field, value) in fields {
        let stays = match (list_of(field), like) {
            (None, _) => true,
            (Some(list), None) => {
                let count = counts.entry(list).or_default();
                *count += 1;
                *count <= MAX_ENTRIES
            }
            (Some(list), Some(like)) => last_named(like, list).is_none_or(|last| field.as_str() <= last),
        };
        if stays && field.chars().count() <= MAX_NAME {
            out.insert(field.clone(), clipped(value, MAX_KEPT));
            continue;
        }
        let (count, hash) = rests.entry(list_of(field).unwrap_or(field)).or_insert_with(|| (0, Xxh3::new()));
        *count += 1;
        [field, "\0", value, "\0"].iter().for_each(|piece| hash.update(piece.as_bytes()));
    }
    for (list, (count, hash)) in rests {
        let list = clipped(list, MAX_NAME - REST.len());
        out.insert(format!("{list}{REST}"), format!("{count} more (hash {:016x})", hash.digest()));
    }
    out
}

/// The list that a field is an entry of: routes of routes[10.0.0.0/8].
fn list_of(field: &str) -> Option<&str> {
    field.split_once('[').map(|(list, _)| list)
}

/// The last entry of a list that a baseline keeps by name, if it does not keep them all.
fn last_named<'a>(fields: &'a BTreeMap<String, String>, list: &str) -> Option<&'a str> {
    if !fields.contains_key(&format!("{list}{REST}")) {
        return None;
    }
    let named = |field: &&String| list_of(field) == Some(list) && !field.ends_with(REST);
    Some(fields.keys().filter(named).max().map_or("", String::as_str))
}

/// Whether a value was too long to be kept whole, or stands for several.
pub fn is_cut(value: &str) -> bool {
    value.contains("(hash ") && value.ends_with(')')
}

fn clipped(value: &str, most: usize) -> String {
    let Some((at, _)) = value.char_indices().nth(most) else { return value.to_owned() };
    let (count, hash) = (value.chars().count(), xxhash_rust::xxh3::xxh3_64(value.as_bytes()));
    let mark = format!("... {count} characters (hash {hash:016x})");
    let keep = value[..at].char_indices().nth(most.saturating_sub(mark.len())).map_or(0, |(at, _)| at);
    format!("{}{mark}", &value[..keep])
}
