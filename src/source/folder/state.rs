//! What runready keeps beside the manifests, in DIR/.runready: statuses and events. Reads and writes files.
//!
//! A status is DIR/.runready/status/NAMESPACE/NAME.yaml and holds the whole object as `kubectl get -o yaml` would print it. It
//! is replaced by renaming, so a reader never sees half of one. It is not forced to disk: after a power cut the worst case is
//! an older status, and a broken one counts as none. Events are lines of JSON in DIR/.runready/events.log, one file of
//! at most 1 MiB and the one before it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_128;

use crate::api::ConnectivityCheckStatus;
use crate::plan::CheckId;

/// Name of the directory within the folder.
pub const DIRECTORY: &str = ".runready";
/// Name of the file whose lock says that a process keeps its statuses here.
pub const LOCK: &str = "lock";
const EVENTS: &str = "events.log";
const EVENTS_BEFORE: &str = "events.log.1";
const MAX_EVENTS: u64 = 1 << 20;

/// The directory with runready's own files.
#[derive(Clone, Debug)]
pub struct State {
    directory: PathBuf,
}

/// What was kept of a check.
#[derive(Clone, Debug)]
pub struct Kept {
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.creationTimestamp`.
    pub created: Option<String>,
    /// The spec that the generation belongs to.
    pub spec: Value,
    /// The status, as it was written.
    pub status: Value,
}

impl Kept {
    /// The status as a type, if it still has this shape.
    pub fn typed_status(&self) -> Option<ConnectivityCheckStatus> {
        serde_json::from_value(self.status.clone()).ok()
    }
}

impl State {
    /// The state of a folder.
    pub fn of(folder: &Path) -> Self {
        State { directory: folder.join(DIRECTORY) }
    }

    /// Takes the folder for this process: the lock lasts as long as the file that is returned, and ends with the process.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] when another process holds it; anything else when the file can't be made or locked.
    pub fn lock(&self) -> io::Result<File> {
        fs::create_dir_all(&self.directory)?;
        let file = OpenOptions::new().create(true).append(true).open(self.directory.join(LOCK))?;
        file.try_lock()?;
        Ok(file)
    }

    /// What was kept of a check. None if there is nothing, or nothing that can be read.
    pub fn read(&self, id: &CheckId) -> Option<Kept> {
        let mut object = self.read_object(id)?;
        Some(Kept {
            generation: object.pointer("/metadata/generation")?.as_i64()?,
            created: object.pointer("/metadata/creationTimestamp").and_then(Value::as_str).map(str::to_owned),
            spec: object.get_mut("spec").map(Value::take)?,
            status: object.get_mut("status").map(Value::take).unwrap_or_default(),
        })
    }

    /// The whole object that was kept of a check.
    pub fn read_object(&self, id: &CheckId) -> Option<Value> {
        serde_yaml::from_str(&fs::read_to_string(self.path(id)).ok()?).ok()
    }

    /// Replaces what is kept of a check.
    ///
    /// # Errors
    /// When the file can't be written: no space, no permission.
    pub fn write(&self, id: &CheckId, object: &Value) -> io::Result<()> {
        let path = self.path(id);
        let text = serde_yaml::to_string(object).map_err(io::Error::other)?;
        let new = path.with_extension("yaml.new");
        let written = match fs::write(&new, &text) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(path.parent().unwrap_or(&self.directory))?;
                fs::write(&new, &text)
            }
            other => other,
        };
        written.and_then(|()| fs::rename(&new, &path)).inspect_err(|_| {
            // Half a file must not fill the disk further.
            let _ = fs::remove_file(&new);
        })
    }

    /// Forgets a check.
    ///
    /// # Errors
    /// When its file exists and can't be removed.
    pub fn remove(&self, id: &CheckId) -> io::Result<()> {
        match fs::remove_file(self.path(id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Every check of which something is kept.
    pub fn list(&self) -> Vec<CheckId> {
        let names = |directory: &Path| -> Vec<String> {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
        };
        let root = self.directory.join("status");
        let mut checks = Vec::new();
        for namespace in names(&root) {
            for file in names(&root.join(&namespace)) {
                checks.extend(file.strip_suffix(".yaml").map(|name| CheckId::new(&namespace, name)));
            }
        }
        checks.sort();
        checks
    }

    /// Appends a line to the log of events.
    ///
    /// # Errors
    /// When the file can't be written: no space, no permission.
    pub fn append_event(&self, event: &Value) -> io::Result<()> {
        fs::create_dir_all(&self.directory)?;
        let path = self.directory.join(EVENTS);
        if fs::metadata(&path).is_ok_and(|found| found.len() >= MAX_EVENTS) {
            fs::rename(&path, self.directory.join(EVENTS_BEFORE))?;
        }
        let mut file: File = OpenOptions::new().create(true).append(true).open(&path)?;
        file.write_all(format!("{event}\n").as_bytes())
    }

    fn path(&self, id: &CheckId) -> PathBuf {
        self.directory.join("status").join(&*id.namespace).join(format!("{}.yaml", id.name))
    }
}

/// What stands for `metadata.uid`: the same whenever and wherever a check of this namespace and name is read.
pub fn uid(id: &CheckId) -> String {
    let hash = xxh3_128(id.to_string().as_bytes());
    // Version 8 of RFC 9562: made by a rule of one's own.
    let hash = hash & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62);
    let hex = format!("{hash:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

/// A check as a cluster would hold it: the declared object with the metadata that an API server adds, and its status.
pub fn full_object(declared: &Value, id: &CheckId, generation: i64, created: Option<&str>, status: Value) -> Value {
    let mut object = declared.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("uid".to_owned(), json!(uid(id)));
        metadata.insert("generation".to_owned(), json!(generation));
        if let Some(created) = created {
            metadata.insert("creationTimestamp".to_owned(), json!(created));
        }
    }
    if let Some(object) = object.as_object_mut() {
        object.insert("status".to_owned(), status);
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_has_the_shape_of_one_and_never_changes() {
        let uid = uid(&CheckId::new("staging", "backend"));
        assert_eq!(uid, super::uid(&CheckId::new("staging", "backend")));
        assert_ne!(uid, super::uid(&CheckId::new("staging", "backend2")));
        assert_eq!((uid.len(), &uid[14..15]), (36, "8"));
    }
}
