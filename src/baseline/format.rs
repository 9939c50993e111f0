//! Baselines that an older runready has taken: what is read more, or otherwise, since then. Pure.

use std::borrow::Cow;

use super::entries::{UNREAD, entry_of, rest_of};
use crate::api::baseline::BaselineObject;
use crate::cloud::Inspection;

/// What the configuration is read as. Raised where other fields are read, or the same in another way, with a row below.
pub const FORMAT: u32 = 1;

/// What has become of a list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    /// It is read, or its entries have other names or values.
    Read,
    /// Where not all entries are kept by name, others are: what is known of one holds.
    Kept,
}

/// Since which format a list is what it is.
const SINCE: [(u32, Inspection, &str, Now); 7] = [
    (1, Inspection::Network, "allocatedRanges", Now::Read),
    (1, Inspection::Network, "firewall", Now::Read),
    (1, Inspection::Network, "peerings", Now::Kept),
    (1, Inspection::Network, "routes", Now::Read),
    (1, Inspection::Network, "subnets", Now::Kept),
    (1, Inspection::DnsZones, "zones", Now::Read),
    (1, Inspection::Access, "roles", Now::Read),
];

/// An object of a baseline of that format, as it can be compared: what is not known of a list stands as not read.
pub fn comparable(object: &BaselineObject, format: u32) -> Cow<'_, BaselineObject> {
    let mut object = Cow::Borrowed(object);
    for (since, inspection, list, now) in SINCE {
        let rest = rest_of(list);
        let whole = now == Now::Kept && !object.fields.contains_key(&rest);
        if format >= since || inspection != object.inspection || object.name.is_empty() || whole {
            continue;
        }
        let fields = &mut object.to_mut().fields;
        if now == Now::Read {
            fields.retain(|field, _| entry_of(field).is_none_or(|(of, _)| of != list));
        }
        fields.insert(rest, UNREAD.to_owned());
    }
    object
}
