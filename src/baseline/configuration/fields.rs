//! Fields of an object as they are gathered. Pure.

use std::collections::{BTreeMap, BTreeSet};

/// What several things of one name say, as one value.
pub fn joined(set: BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, String> {
    let joined = |values: BTreeSet<String>| values.into_iter().collect::<Vec<_>>().join("; ");
    set.into_iter().map(|(field, values)| (field, joined(values))).collect()
}

/// Fields as they are gathered: what several things of one name say stands together.
#[derive(Default)]
pub struct Fields {
    /// By name.
    pub set: BTreeMap<String, BTreeSet<String>>,
    /// Of what the path does not see now.
    pub beside: BTreeMap<String, BTreeSet<String>>,
    /// Those that could not be read.
    pub unread: BTreeSet<String>,
    /// Lists of which not all entries were read.
    pub partial: BTreeSet<&'static str>,
}

impl Fields {
    /// A field. An empty value is one that is not set.
    pub fn put(&mut self, field: impl Into<String>, value: impl ToString) {
        let value = value.to_string();
        if !value.is_empty() {
            self.set.entry(field.into()).or_default().insert(value);
        }
    }

    /// A field that holds a list whose order means nothing.
    pub fn list<T: AsRef<str>>(&mut self, field: impl Into<String>, values: &[T]) {
        self.put(field, listed(values));
    }
}

/// A list in one order.
pub fn listed<T: AsRef<str>>(values: &[T]) -> String {
    let values: BTreeSet<&str> = values.iter().map(AsRef::as_ref).collect();
    values.into_iter().collect::<Vec<_>>().join(",")
}
