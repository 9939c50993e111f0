//! Reads a folder and says what has changed in it since the last time. Reads files, and removes the status of a check that is gone.
//!
//! A file is read again when its inode, size or times differ. A document that can't be parsed leaves its whole file as it was
//! last read: an editor may be in the middle of saving. A check that can be parsed but not used is reported with its faults.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::secrets::{SecretId, Store};
use super::state::{self, State};
use crate::api::ConnectivityCheckSpec;
use crate::manifest::{Contents, DeclaredCheck, Fault, SecretManifest, manifests_in, open};
use crate::plan::CheckId;
use crate::source::{Declared, SourceEvent};

/// What is remembered of a check between two scans.
#[derive(Clone, Debug)]
pub struct Known {
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: Arc<str>,
    /// The declared object, as JSON text: smaller than a tree.
    pub object: Arc<str>,
    mark: Mark,
}

/// Tells one spec of a check from another: a hash of it, and whether it can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Mark {
    spec: u64,
    usable: bool,
}

type Fresh = HashMap<(CheckId, Mark), Candidate>;

/// A check as a file declares it, reduced to what is needed.
#[derive(Clone, Debug)]
struct Candidate {
    id: CheckId,
    object: Arc<str>,
    mark: Mark,
    typed: Result<ConnectivityCheckSpec, String>,
}

#[derive(Debug, Default)]
struct ReadFile {
    stamp: Option<Stamp>,
    checks: Vec<(CheckId, Mark, Arc<str>)>,
    secrets: Vec<SecretManifest>,
}

/// What tells one state of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: (u64, u64),
    size: u64,
    times: (i64, i64, i64, i64),
}

/// Everything known of a folder.
#[derive(Debug)]
pub struct Scanner {
    directory: PathBuf,
    namespace: String,
    state: State,
    files: BTreeMap<PathBuf, ReadFile>,
    secret_marks: BTreeMap<SecretId, u64>,
    file_marks: BTreeMap<PathBuf, u64>,
    first: bool,
}

/// What a scan found.
#[derive(Debug, Default)]
pub struct Found {
    /// What has changed, in order.
    pub events: Vec<SourceEvent>,
    /// Every directory that holds manifests.
    pub directories: Vec<PathBuf>,
    /// What is wrong in files that were read this time.
    pub faults: Vec<Fault>,
    /// Whether there is more to be found at once.
    pub again: bool,
}

impl Scanner {
    /// Knows nothing yet.
    pub fn new(directory: PathBuf, namespace: String) -> Self {
        Scanner {
            state: State::of(&directory),
            directory,
            namespace,
            files: BTreeMap::new(),
            secret_marks: BTreeMap::new(),
            file_marks: BTreeMap::new(),
            first: true,
        }
    }

    /// Reads what has changed. `touched` files are read again in any case.
    pub fn scan(
        &mut self,
        touched: &HashSet<PathBuf>,
        known: &mut HashMap<CheckId, Known>,
        secrets: &mut Store,
    ) -> Found {
        let mut found = Found::default();
        let listing = manifests_in(&self.directory);
        // What can't be looked into may hold anything: nothing is taken for deleted then.
        let complete = listing.faults.is_empty();
        found.faults.extend(listing.faults);
        found.directories = listing.directories;
        let mut fresh = HashMap::new();
        let mut whole = complete;
        for path in &listing.files {
            whole &= self.read(path, touched.contains(path), &mut fresh, &mut found.faults);
        }
        if complete {
            let listed: HashSet<&PathBuf> = listing.files.iter().collect();
            self.files.retain(|path, _| listed.contains(path));
        }
        self.compare(fresh, whole, known, secrets, &mut found);
        self.compare_secrets(secrets, &mut found);
        self.first = false;
        found
    }

    /// Reads one file, if it has changed. False if it holds something that can't be read.
    fn read(&mut self, path: &Path, touched: bool, fresh: &mut Fresh, faults: &mut Vec<Fault>) -> bool {
        let stamp = Stamp::of(path);
        let before = self.files.get(path);
        if !touched && stamp.is_some() && before.is_some_and(|before| before.stamp == stamp) {
            return true;
        }
        let text = match open(path) {
            Ok(text) => text,
            Err(fault) => {
                // Gone since it was listed: the next scan will not list it.
                if path.exists() {
                    faults.push(fault);
                }
                return false;
            }
        };
        let contents = Contents::of(&text, &self.namespace);
        faults.extend(contents.all_faults());
        if contents.unreadable && before.is_some() {
            let entry = self.files.entry(path.to_owned()).or_default();
            entry.stamp = stamp;
            return false;
        }
        let Contents { checks, secrets, unreadable, .. } = contents;
        let mut kept = Vec::new();
        for check in checks {
            let candidate = Candidate::of(check);
            kept.push((candidate.id.clone(), candidate.mark, candidate.object.clone()));
            fresh.entry((candidate.id.clone(), candidate.mark)).or_insert(candidate);
        }
        self.files.insert(path.to_owned(), ReadFile { stamp, checks: kept, secrets });
        !unreadable
    }

    fn compare(
        &mut self,
        mut fresh: Fresh,
        whole: bool,
        known: &mut HashMap<CheckId, Known>,
        secrets: &mut Store,
        found: &mut Found,
    ) {
        let mut stale = Vec::new();
        let mut seen: HashMap<&CheckId, &Path> = HashMap::new();
        for (path, file) in &self.files {
            for (id, mark, object) in &file.checks {
                if let Some(first) = seen.get(id) {
                    let message = format!("{id} is declared in {} already; this one is passed over", first.display());
                    if fresh.contains_key(&(id.clone(), *mark)) {
                        found.faults.push(Fault::of_file(&path.display().to_string().into(), message));
                    }
                    continue;
                }
                seen.insert(id, path);
                match known.get_mut(id) {
                    Some(known) if known.mark == *mark => known.object = object.clone(),
                    Some(_) | None => match fresh.remove(&(id.clone(), *mark)) {
                        Some(candidate) => found.events.push(self.applied(candidate, known, secrets)),
                        // Not read this time: another check that had taken its name is gone.
                        None => stale.push(path.clone()),
                    },
                }
            }
        }
        let gone: Vec<CheckId> = known.keys().filter(|id| !seen.contains_key(id)).cloned().collect();
        for id in gone {
            known.remove(&id);
            self.forget(&id);
            found.events.push(SourceEvent::Deleted(id));
        }
        found.again |= !stale.is_empty();
        self.files.iter_mut().filter(|(path, _)| stale.contains(path)).for_each(|(_, file)| file.stamp = None);
        if self.first && whole {
            // Deleted while nobody was looking.
            self.state.list().iter().filter(|id| !known.contains_key(id)).for_each(|id| self.forget(id));
        }
    }

    fn forget(&self, id: &CheckId) {
        if let Err(error) = self.state.remove(id) {
            tracing::warn!(
                namespace = &*id.namespace,
                check = &*id.name,
                "the status of a check that is gone can't be removed: {error}"
            );
        }
    }

    fn applied(&self, candidate: Candidate, known: &mut HashMap<CheckId, Known>, secrets: &mut Store) -> SourceEvent {
        let Candidate { id, object, mark, typed } = candidate;
        let before = known.get(&id);
        let kept = if before.is_none() { self.state.read(&id) } else { None };
        let generation = match (before, &kept) {
            (Some(before), _) => before.generation + 1,
            (None, Some(kept)) if hash(&kept.spec) == mark.spec => kept.generation,
            (None, Some(kept)) => kept.generation + 1,
            (None, None) => 1,
        };
        let created = match (before, kept.as_ref().and_then(|kept| kept.created.as_deref())) {
            (Some(before), _) => before.created.clone(),
            (None, Some(created)) => created.into(),
            (None, None) => now().into(),
        };
        if let Ok(spec) = &typed {
            secrets.note_keys(&id.namespace, spec);
        }
        known.insert(id.clone(), Known { generation, created, object, mark });
        SourceEvent::Applied(Box::new(Declared {
            uid: state::uid(&id).into(),
            // Files are as old as whoever wrote them says.
            created: None,
            status: kept.and_then(|kept| kept.typed_status()),
            id,
            generation,
            spec: typed,
        }))
    }

    fn compare_secrets(&mut self, secrets: &mut Store, found: &mut Found) {
        secrets.set_manifests(self.files.values().flat_map(|file| file.secrets.iter().cloned()));
        let marks = secrets.manifest_marks();
        let mut changed: Vec<SecretId> = differing(&self.secret_marks, &marks);
        self.secret_marks = marks;
        let marks = secrets.file_marks();
        changed.extend(differing(&self.file_marks, &marks).iter().flat_map(|path| secrets.owners(path)));
        found.directories.extend(marks.keys().cloned());
        self.file_marks = marks;
        if !self.first {
            changed.sort();
            changed.dedup();
            found
                .events
                .extend(changed.into_iter().map(|(namespace, name)| SourceEvent::SecretChanged { namespace, name }));
        }
    }
}

impl Candidate {
    fn of(check: DeclaredCheck) -> Self {
        let faults = check.faults_in_short();
        Candidate {
            mark: Mark { spec: hash(check.object.get("spec").unwrap_or(&Value::Null)), usable: check.spec.is_some() },
            object: check.object.to_string().into(),
            id: check.id,
            typed: check.spec.ok_or(faults),
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Option<Self> {
        let found = fs::metadata(path).ok()?;
        Some(Stamp {
            inode: (found.dev(), found.ino()),
            size: found.size(),
            times: (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()),
        })
    }
}

/// Keys whose values differ, or that only one of the two has.
fn differing<K: Ord + Clone>(before: &BTreeMap<K, u64>, after: &BTreeMap<K, u64>) -> Vec<K> {
    let changed = after.iter().filter(|(key, mark)| before.get(key) != Some(mark)).map(|(key, _)| key.clone());
    changed.chain(before.keys().filter(|key| !after.contains_key(key)).cloned()).collect()
}

fn hash(spec: &Value) -> u64 {
    xxhash_rust::xxh3::xxh3_64(spec.to_string().as_bytes())
}

/// The current time, as an API server writes it: in whole seconds.
fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}
