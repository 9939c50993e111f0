//! A baseline and what Google Cloud says now in, what differs out: field by field, with since when and by whom. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::author::attribute;
use super::configuration::{Configured, Known, configuration};
use super::entries::{UNREAD, entry_of, kept, rest_of};
use super::format::comparable;
use super::snapshot;
use crate::api::baseline::{Baseline, BaselineObject};
use crate::cloud::name::same;
use crate::cloud::{Drift, Inspection, Picture};

/// Which fields of an object are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compared {
    /// Those that it has now or had then.
    Every,
    /// Those that the baseline names: a person wrote it.
    Named,
}

/// What differs from the baseline. `before`: the drift that was known until now; what still differs keeps its `since`, and what
/// can't be read now stays.
pub fn diff(
    baseline: &Baseline,
    picture: &Picture,
    before: &[Drift],
    compared: Compared,
    now: Timestamp,
) -> Vec<Drift> {
    let mut found = Vec::new();
    for (inspection, known) in configuration(picture) {
        let Some(then) = snapshot::object(baseline, inspection) else { continue };
        match known {
            Known::Read(read) => {
                let then = match compared {
                    Compared::Every => comparable(then, baseline.format),
                    Compared::Named => Cow::Borrowed(then),
                };
                of_object(&then, &read, before, compared, now, &mut found);
            }
            Known::Nothing if then.name.is_empty() => {}
            Known::Nothing => {
                found.push(drift(inspection, &then.name, "", Some(&then.name), None, now));
            }
            Known::Untold => found.extend(before.iter().filter(|drift| drift.inspection == inspection).cloned()),
        }
    }
    found.iter_mut().for_each(|drift| know(drift, before));
    attribute(&mut found, picture, baseline.taken.0);
    found
}

fn of_object(
    then: &BaselineObject,
    read: &Configured,
    before: &[Drift],
    compared: Compared,
    now: Timestamp,
    found: &mut Vec<Drift>,
) {
    let inspection = then.inspection;
    let unnamed = then.name.is_empty() && compared == Compared::Named && !then.fields.is_empty();
    if !unnamed && !same(&then.name, &read.name) {
        let was = Some(then.name.as_str()).filter(|name| !name.is_empty());
        found.push(drift(inspection, &read.name, "", was, Some(&read.name), now));
        // The fields of another object say nothing of this one.
        return;
    }
    if then.name.is_empty() && !unnamed {
        return;
    }
    let named = read.beside.iter().filter(|(field, _)| then.fields.contains_key(*field));
    let fields = read.fields.iter().chain(named).map(|(field, value)| (field.clone(), value.clone())).collect();
    let current = kept(&fields, Some(&then.fields));
    let mut names: BTreeSet<&String> = match compared {
        Compared::Every => then.fields.keys().chain(current.keys()).collect(),
        Compared::Named => then.fields.keys().collect(),
    };
    let untold = |field: &String| read.is_untold(field) || was_untold(then, field);
    let known = before.iter().filter(|drift| drift.inspection == inspection).map(|drift| &drift.field);
    names.extend(known.filter(|field| untold(field)));
    for field in names {
        if untold(field) {
            // Nothing is known of it now: what was known stays.
            let same = |drift: &&Drift| drift.inspection == inspection && drift.field == *field;
            found.extend(before.iter().filter(same).cloned());
            continue;
        }
        let (was, is) = (then.fields.get(field).filter(|was| !was.is_empty()), current.get(field));
        let same = match (was, is) {
            (None, None) => true,
            (Some(was), Some(is)) => same(was, is) || (compared == Compared::Named && abbreviates(was, is)),
            (Some(_), None) | (None, Some(_)) => false,
        };
        if !same {
            found.push(drift(inspection, &read.name, field, was.map(String::as_str), is.map(String::as_str), now));
        }
    }
}

/// Whether a baseline does not tell what a field was: it was not read, or its entry is not among those of its list that were.
fn was_untold(then: &BaselineObject, field: &str) -> bool {
    let unread = |field: &str| then.fields.get(field).is_some_and(|was| was == UNREAD);
    let beyond = |(list, _): (&str, &str)| !then.fields.contains_key(field) && unread(&rest_of(list));
    unread(field) || entry_of(field).is_some_and(beyond)
}

/// Whether a person wrote only the last part of names that are known in full: `staging-vpc`, and nothing else of that name is meant. The names
/// of a list may stand in another order.
fn abbreviates(written: &str, full: &str) -> bool {
    let words = |text| -> Vec<&str> { str::split(text, [',', ' ']).collect() };
    let (written, full) = (words(written), words(full));
    let short = |written: &str, full: &str| {
        let rest = full.strip_prefix("projects/").and_then(|full| full.strip_suffix(written));
        !written.is_empty() && !written.contains('/') && rest.is_some_and(|rest| rest.ends_with('/'))
    };
    let means = |written: &str, full: &str| same(written, full) || short(written, full);
    written.len() == full.len()
        && written.iter().all(|one| full.iter().any(|other| means(one, other)))
        && full.iter().all(|other| written.iter().any(|one| means(one, other)))
}

fn drift(
    inspection: Inspection,
    object: &str,
    field: &str,
    was: Option<&str>,
    is: Option<&str>,
    since: Timestamp,
) -> Drift {
    let (was, is) = (was.map(str::to_owned), is.map(str::to_owned));
    Drift { inspection, object: object.to_owned(), field: field.to_owned(), was, is, since, changed: None, by: None }
}

/// What still differs in the same way has done so since it was first seen, and whoever did it then did.
fn know(drift: &mut Drift, before: &[Drift]) {
    let same = |known: &&Drift| {
        known.inspection == drift.inspection
            && known.object == drift.object
            && known.field == drift.field
            && known.was == drift.was
            && known.is == drift.is
    };
    if let Some(known) = before.iter().find(same) {
        (drift.since, drift.changed, drift.by) = (known.since, known.changed, known.by.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::abbreviates;

    #[test]
    fn a_name_may_be_written_without_its_path() {
        let full = "projects/netra-staging/global/networks/staging-vpc";
        for (written, same) in
            [("staging-vpc", true), ("vpc", false), ("", false), ("networks/staging-vpc", false), ("default", false)]
        {
            assert_eq!(abbreviates(written, full), same, "{written}");
        }
        assert!(!abbreviates("staging-vpc", "staging-vpc2") && !abbreviates("2", "10.0.0.0/2"));
        let networks = "projects/host/global/networks/hub,staging-vpc";
        assert!(abbreviates("hub,staging-vpc", networks) && abbreviates("staging-vpc,hub", networks));
        assert!(
            !abbreviates("hub", networks) && !abbreviates("hub,other", networks) && !abbreviates("hub,hub", networks)
        );
        let route = "instance projects/p/zones/z/instances/nat priority=800";
        assert!(abbreviates("instance nat priority=800", route) && !abbreviates("instance nat priority=900", route));
    }
}
