//! Gives temporary directories which also go away when a test process is killed: each is named after the process that
//! owns it, and the next process sweeps away those whose owner is gone.

use std::io::ErrorKind;
use std::sync::Once;

use tempfile::TempDir;

const PREFIX: &str = "runready-bed-";

/// A new directory, removed when dropped, or by a later test process.
pub fn dir(hint: &str) -> TempDir {
    static SWEPT: Once = Once::new();
    SWEPT.call_once(sweep);
    let prefix = format!("{PREFIX}{}-{hint}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir().expect("a temporary directory")
}

/// Whether the process that put its number into a name is gone, or dead and not yet buried: it then runs no program.
pub fn owner_gone(name: &str, prefix: &str) -> bool {
    let number = name.strip_prefix(prefix).and_then(|rest| rest.split('-').next());
    let Some(pid) = number.and_then(|pid| pid.parse::<u32>().ok()) else {
        return false;
    };
    let program = std::fs::read_link(format!("/proc/{pid}/exe"));
    program.is_err_and(|e| e.kind() == ErrorKind::NotFound)
}

fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_name().to_str().is_some_and(|name| owner_gone(name, PREFIX)) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
