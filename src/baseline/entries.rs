//! Which fields a baseline keeps: of a list so many entries by name, each with all its fields, the others as a number and a hash; of
//! a long value the beginning and a hash. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use xxhash_rust::xxh3::Xxh3;

use crate::api::baseline::MAX_NAME;
use crate::cloud::network::PRIVATE_SERVICES;

/// Most entries of one list, such as routes[...], that are kept by name.
pub const MAX_ENTRIES: usize = 24;
/// Characters of a value that are kept.
pub const MAX_KEPT: usize = 256;
/// What stands for a field that could not be read, and at [`rest_of`] for the entries of a list of which not all could be.
pub const UNREAD: &str = "not all read";
/// The end of the field that stands for the entries of a list that are not kept by name.
const REST: &str = "[*]";

/// Entries of a list that are not kept by name.
struct Rest<'a> {
    count: usize,
    last: &'a str,
    hash: Xxh3,
}

/// The fields as a baseline keeps them. `like`: the list entries that another baseline keeps by name decide, so that the two can
/// be compared.
pub fn kept(fields: &BTreeMap<String, String>, like: Option<&BTreeMap<String, String>>) -> BTreeMap<String, String> {
    let lasts = like.map_or_else(|| lasts_of(fields), lasts_like);
    let mut out = BTreeMap::new();
    let mut rests: BTreeMap<&str, Rest<'_>> = BTreeMap::new();
    for (field, value) in fields {
        let (list, entry) = entry_of(field).unwrap_or((field.as_str(), field.as_str()));
        let stays = lasts.get(list).is_none_or(|last| entry <= *last || is_first(entry));
        if stays && field.chars().count() <= MAX_NAME {
            out.insert(field.clone(), clipped(value, MAX_KEPT));
            continue;
        }
        let rest = rests.entry(list).or_insert_with(|| Rest { count: 0, last: "", hash: Xxh3::new() });
        rest.count += usize::from(rest.last != entry);
        rest.last = entry;
        [field, "\0", value, "\0"].iter().for_each(|piece| rest.hash.update(piece.as_bytes()));
    }
    for (list, Rest { count, last: _, hash }) in rests {
        let list = clipped(list, MAX_NAME - REST.len());
        out.insert(rest_of(&list), format!("{count} more (hash {:016x})", hash.digest()));
    }
    out
}

/// The list that a field is part of, and its entry there: routes and routes[10.0.0.0/8].
pub fn entry_of(field: &str) -> Option<(&str, &str)> {
    let open = field.find('[')?;
    let end = field[open..].find(']').map_or(field.len(), |close| open + close + 1);
    Some((&field[..open], &field[..end]))
}

/// The field that stands for the entries of a list that are not kept by name.
pub fn rest_of(list: &str) -> String {
    format!("{list}{REST}")
}

/// The list that a field stands for the rest of.
pub fn rested(field: &str) -> Option<&str> {
    field.strip_suffix(REST)
}

/// The entries of a list that are kept by name.
pub fn named<'a>(fields: &'a BTreeMap<String, String>, list: &str) -> BTreeSet<&'a str> {
    let entries = fields.keys().filter(|field| rested(field).is_none()).filter_map(|field| entry_of(field));
    entries.filter(|(of, _)| *of == list).map(|(_, entry)| entry).collect()
}

/// Whether any field of an entry is there.
pub fn has(fields: &BTreeMap<String, String>, entry: &str) -> bool {
    let mut after = fields.range::<str, _>((Bound::Included(entry), Bound::Unbounded));
    after.next().is_some_and(|(field, _)| field.starts_with(entry))
}

/// Whether an entry is kept before all others: without the peering of private services access no database is reached.
pub fn is_first(entry: &str) -> bool {
    entry.strip_prefix("peerings[").and_then(|entry| entry.strip_suffix(']')) == Some(PRIVATE_SERVICES)
}

/// The last entry to be kept by name of each list that is too long.
fn lasts_of(fields: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let mut lists: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (list, entry) in fields.keys().filter_map(|field| entry_of(field)) {
        lists.entry(list).or_default().insert(entry);
    }
    let long = lists.into_iter().filter(|(_, entries)| entries.len() > MAX_ENTRIES);
    long.map(|(list, entries)| {
        let most = MAX_ENTRIES - entries.iter().filter(|entry| is_first(entry)).count();
        let last = entries.into_iter().filter(|entry| !is_first(entry)).take(most).last();
        (list, last.unwrap_or_default())
    })
    .collect()
}

/// The last entry that is kept by name of each list of which a baseline does not keep all.
fn lasts_like(like: &BTreeMap<String, String>) -> BTreeMap<&str, &str> {
    let lists = like.keys().filter_map(|field| rested(field));
    lists
        .map(|list| {
            let last = named(like, list).into_iter().rfind(|entry| !is_first(entry));
            (list, last.unwrap_or_default())
        })
        .collect()
}

/// The beginning of a text that is too long, with its length and hash.
pub fn clipped(value: &str, most: usize) -> String {
    let Some((at, _)) = value.char_indices().nth(most) else { return value.to_owned() };
    let (count, hash) = (value.chars().count(), xxhash_rust::xxh3::xxh3_64(value.as_bytes()));
    let mark = format!("... {count} characters (hash {hash:016x})");
    let keep = value[..at].char_indices().nth(most.saturating_sub(mark.len())).map_or(0, |(at, _)| at);
    format!("{}{mark}", &value[..keep])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(entries: impl Iterator<Item = String>, parts: &[&str]) -> BTreeMap<String, String> {
        let all = entries.flat_map(|entry| parts.iter().map(move |part| format!("{entry}{part}")));
        all.map(|field| (field, "value".to_owned())).collect()
    }

    #[test]
    fn entries_are_counted_with_all_their_fields_and_kept_whole() {
        let subnets = |count: usize| {
            fields((0..count).map(|index| format!("subnets[us-central1/s{index:03}]")), &[".a", ".b", ".c", ".d"])
        };
        assert_eq!(kept(&subnets(MAX_ENTRIES), None), subnets(MAX_ENTRIES));
        let bounded = kept(&subnets(30), None);
        assert_eq!(named(&bounded, "subnets").len(), MAX_ENTRIES);
        assert_eq!(bounded.len(), MAX_ENTRIES * 4 + 1);
        assert!(bounded["subnets[*]"].starts_with("6 more (hash "), "{}", bounded["subnets[*]"]);
        assert_eq!(kept(&subnets(30), Some(&bounded)), bounded);
    }

    #[test]
    fn the_peering_of_private_services_access_is_kept_whatever_its_name_comes_after() {
        let services = format!("peerings[{PRIVATE_SERVICES}]");
        let others = |count: usize| (0..count).map(|index| format!("peerings[a{index:03}]"));
        let many = fields(others(40).chain([services.clone()]), &[".network", ".exportCustomRoutes"]);
        let bounded = kept(&many, None);
        assert!(has(&bounded, &services), "{bounded:?}");
        assert_eq!(named(&bounded, "peerings").len(), MAX_ENTRIES);
        assert_eq!(kept(&many, Some(&bounded)), bounded);
        // It shows by name, too, where it was not there when the others were kept.
        let before = kept(&fields(others(40), &[".network", ".exportCustomRoutes"]), None);
        let now = kept(&many, Some(&before));
        let new: Vec<&String> = now.keys().filter(|field| !before.contains_key(*field)).collect();
        assert_eq!(new, [&format!("{services}.exportCustomRoutes"), &format!("{services}.network")]);
        assert_eq!(now["peerings[*]"], before["peerings[*]"]);
    }

    #[test]
    fn an_entry_is_no_other_that_begins_alike() {
        let of = |entry: &str| fields([entry.to_owned()].into_iter(), &[".a"]);
        assert!(has(&of("peerings[ab]"), "peerings[ab]") && !has(&of("peerings[ab]"), "peerings[a]"));
        assert_eq!(entry_of("peerings[a.b].network"), Some(("peerings", "peerings[a.b]")));
        assert_eq!((entry_of("mtu"), rested("routes[*]"), rested("routes[0.0.0.0/0]")), (None, Some("routes"), None));
    }
}
