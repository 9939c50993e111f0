//! Secrets without a cluster: from manifests, from files, from the environment. Takes a namespace and a name, returns the data.
//! Reads files and environment variables; no value ever leaves it but in the answer.
//!
//! A key is looked for in `Secret` manifests first, then in the files DIR/NAMESPACE/NAME/KEY and DIR/NAME/KEY (the shape of
//! mounted Secrets), then in RUNREADY_SECRET_NAME_KEY: upper case, with `_` for whatever is no letter or digit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::env;
use std::fs;
use std::hash::Hasher;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use secrecy::{ExposeSecret, SecretSlice};
use xxhash_rust::xxh3::Xxh3;

use crate::api::spec::ConnectivityCheckSpec;
use crate::manifest::SecretManifest;
use crate::plan::SecretData;
use crate::plan::secrets::Lookup;

/// Namespace and name of a Secret.
pub type SecretId = (String, String);

/// Larger files hold no key: a Secret of the API is 1 MiB at most.
const MAX_BYTES: u64 = 1 << 20;

/// The Secrets that a folder's checks can use.
#[derive(Debug, Default)]
pub struct Store {
    directory: Option<PathBuf>,
    manifests: HashMap<SecretId, SecretData>,
    /// The keys that specs ask for: the environment can't be read without knowing them.
    asked: HashMap<SecretId, BTreeSet<String>>,
}

impl Store {
    /// A store that reads files below `directory`.
    pub fn new(directory: Option<PathBuf>) -> Self {
        Store { directory, ..Store::default() }
    }

    /// Takes these manifests instead of those it had. The first of two of the same name stands.
    pub fn set_manifests(&mut self, manifests: impl IntoIterator<Item = SecretManifest>) {
        self.manifests.clear();
        for SecretManifest { namespace, name, data } in manifests {
            self.manifests.entry((namespace, name)).or_insert(data);
        }
    }

    /// Notes which keys a spec refers to.
    pub fn note_keys(&mut self, namespace: &str, spec: &ConnectivityCheckSpec) {
        for (name, key) in spec.secret_keys() {
            self.asked.entry((namespace.to_owned(), name.to_owned())).or_default().insert(key.to_owned());
        }
    }

    /// The Secret of that name, put together from all places.
    pub fn lookup(&self, namespace: &str, name: &str) -> Lookup {
        let id = (namespace.to_owned(), name.to_owned());
        let mut data = SecretData::new();
        for key in self.asked.get(&id).into_iter().flatten() {
            if let Some(value) = from_environment(name, key) {
                data.insert(key.clone(), value);
            }
        }
        if let Some(directory) = &self.directory {
            for place in [directory.join(name), directory.join(namespace).join(name)] {
                match read_keys(&place) {
                    Ok(found) => data.extend(found),
                    Err(reason) => return Lookup::Unreadable(reason),
                }
            }
        }
        let declared = self.manifests.get(&id);
        data.extend(declared.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
        if data.is_empty() && declared.is_none() { Lookup::NotFound(self.sought(&id)) } else { Lookup::Found(data) }
    }

    /// Where a Secret was looked for that is nowhere.
    fn sought(&self, id: &SecretId) -> String {
        let (namespace, name) = id;
        let files = match &self.directory {
            Some(directory) => {
                let (of_namespace, of_all) = (directory.join(namespace).join(name), directory.join(name));
                format!("neither {} nor {} is a directory of files", of_namespace.display(), of_all.display())
            }
            None => "no --secrets-dir is given".to_owned(),
        };
        let unset: Vec<String> = self.asked.get(id).into_iter().flatten().map(|key| variable(name, key)).collect();
        let unset = unset.join(" or ");
        format!("no Secret manifest of namespace {namespace} declares it, {files}, and the environment has no {unset}")
    }

    /// A fingerprint of each Secret manifest's data, to tell when it changes.
    pub fn manifest_marks(&self) -> BTreeMap<SecretId, u64> {
        self.manifests.iter().map(|(id, data)| (id.clone(), mark(data))).collect()
    }

    /// A fingerprint of each directory of files, to tell when one changes: by name, size and time, not by content.
    pub fn file_marks(&self) -> BTreeMap<PathBuf, u64> {
        let mut marks = BTreeMap::new();
        if let Some(directory) = &self.directory {
            mark_files(directory, 0, &mut marks);
        }
        marks
    }

    /// The Secrets that the files of a directory can belong to.
    pub fn owners(&self, files: &Path) -> Vec<SecretId> {
        let Some(relative) = self.directory.as_ref().and_then(|base| files.strip_prefix(base).ok()) else {
            return Vec::new();
        };
        let parts: Vec<&str> = relative.iter().filter_map(|part| part.to_str()).collect();
        self.asked
            .keys()
            .filter(|(namespace, name)| match parts[..] {
                [only] => only == name,
                [first, second] => first == namespace && second == name,
                _ => false,
            })
            .cloned()
            .collect()
    }
}

/// The environment variable that may hold a key.
fn variable(name: &str, key: &str) -> String {
    let plain = |text: &str| -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
    };
    format!("RUNREADY_SECRET_{}_{}", plain(name), plain(key))
}

fn from_environment(name: &str, key: &str) -> Option<SecretSlice<u8>> {
    let value = env::var_os(variable(name, key))?;
    Some(SecretSlice::from(value.into_encoded_bytes()))
}

/// The keys of a Secret as files. No directory: no keys.
fn read_keys(directory: &Path) -> Result<SecretData, String> {
    let unreadable = |error: std::io::Error| format!("{} can't be read: {error}", directory.display());
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(SecretData::new());
        }
        Err(error) => return Err(unreadable(error)),
    };
    let mut data = SecretData::new();
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Some(key) = name.to_str().filter(|key| !key.starts_with('.')) else { continue };
        let is_key = fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= MAX_BYTES);
        if is_key {
            data.insert(key.to_owned(), SecretSlice::from(fs::read(&path).map_err(unreadable)?));
        }
    }
    Ok(data)
}

fn mark(data: &SecretData) -> u64 {
    let mut hasher = Xxh3::new();
    for (key, value) in data {
        hasher.write(key.as_bytes());
        hasher.write_u8(0);
        hasher.write(value.expose_secret());
        hasher.write_u8(0);
    }
    hasher.finish()
}

/// Marks directories with files, at most two levels deep.
fn mark_files(directory: &Path, depth: usize, marks: &mut BTreeMap<PathBuf, u64>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(directory)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    entries.retain(|path| path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b".")));
    entries.sort();
    let mut hasher = Xxh3::new();
    for path in &entries {
        let Ok(found) = fs::metadata(path) else { continue };
        if found.is_dir() && depth < 2 {
            mark_files(path, depth + 1, marks);
        } else if found.is_file() {
            let changed = found.modified().ok().and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
            hasher.write(path.as_os_str().as_encoded_bytes());
            hasher.write_u64(found.len());
            hasher.write_u128(changed.unwrap_or_default().as_nanos());
        }
    }
    marks.insert(directory.to_owned(), hasher.finish());
}
