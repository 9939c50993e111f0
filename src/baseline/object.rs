//! Names of Google Cloud's objects: in full, whatever way they were written. Pure.

use std::collections::BTreeSet;

use crate::cloud::name::same;

/// An object's name, taken apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Object<'a> {
    /// Project id or number.
    pub project: &'a str,
    /// Region, or empty.
    pub region: &'a str,
    /// Name without path.
    pub name: &'a str,
}

/// The name without the address of its API.
pub fn full(name: &str) -> &str {
    match name.find("projects/") {
        Some(at) if at == 0 || name[..at].contains("//") => &name[at..],
        Some(_) | None => name,
    }
}

impl<'a> Object<'a> {
    /// Takes projects/P/.../NAME, or a Cloud SQL instance's P:R:NAME, apart.
    pub fn of(name: &'a str) -> Self {
        let path = full(name);
        if !path.contains('/') {
            let mut parts = path.rsplitn(3, ':');
            let name = parts.next().unwrap_or_default();
            let region = parts.next().unwrap_or_default();
            return Object { project: parts.next().unwrap_or_default(), region, name };
        }
        let after = |key: &str| {
            let mut segments = path.split('/').skip_while(move |segment| *segment != key);
            segments.nth(1).unwrap_or_default()
        };
        let region = match after("locations") {
            "" => after("regions"),
            location => location,
        };
        let last = path.rsplit('/').next().unwrap_or_default();
        Object { project: after("projects"), region, name: last.rsplit(':').next().unwrap_or_default() }
    }

    /// A network in full, whether it was named so or by name alone.
    pub fn network(&self, name: &str) -> String {
        let path = full(name);
        let bare = path.strip_prefix("global/networks/").unwrap_or(path);
        match bare {
            "" => String::new(),
            bare if bare.contains('/') || self.project.is_empty() => bare.to_owned(),
            bare => format!("projects/{}/global/networks/{bare}", self.project),
        }
    }

    /// Names of networks in one order, each without its path where it is of the same project.
    pub fn networks(&self, names: &[String]) -> String {
        let near = |name: &'_ String| {
            let name = full(name);
            let bare = name.rsplit('/').next().unwrap_or(name);
            if same(name, &self.network(bare)) { bare.to_owned() } else { name.to_owned() }
        };
        let names: BTreeSet<String> = names.iter().map(near).collect();
        names.into_iter().collect::<Vec<_>>().join(",")
    }

    /// An object of the same project and region in full, whether it was named so or by name alone.
    pub fn full_name(&self, name: &str, places: &str, collection: &str) -> String {
        let path = full(name);
        match path {
            "" => String::new(),
            path if path.contains('/') || self.project.is_empty() => path.to_owned(),
            bare => format!("projects/{}/{places}/{}/{collection}/{bare}", self.project, self.region),
        }
    }
}
