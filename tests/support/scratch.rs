//! Gives temporary directories which also go away when a test process is killed: each is named after the process that
//! owns it, and the next process sweeps away those whose owner is gone.

use std::path::Path;
use std::sync::Once;

use tempfile::TempDir;

const PREFIX: &str = "runready-bed-";

/// A new directory, removed when dropped, or by a later test process.
pub fn dir(hint: &str) -> TempDir {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(sweep);
    let prefix = format!("{PREFIX}{}-{hint}-", std::process::id());
    tempfile::Builder::new()
        .prefix(&prefix)
        .tempdir()
        .expect("a temporary directory")
}

/// Whether the process that put its number into a name is gone.
pub fn owner_gone(name: &str, prefix: &str) -> bool {
    let number = name
        .strip_prefix(prefix)
        .and_then(|rest| rest.split('-').next());
    number.is_some_and(|pid| pid.parse::<u32>().is_ok() && !Path::new("/proc").join(pid).exists())
}

fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if entry
            .file_name()
            .to_str()
            .is_some_and(|name| owner_gone(name, PREFIX))
        {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
