//! Finds the system's PostgreSQL and the unprivileged user to run it as, and makes the data directory that every
//! server of the test process gets a copy of.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::process::{run, run_with_input};
use super::scratch;

/// The users keep the same password, each in the way that one kind of authentication needs.
const ROLES: &str = "SET password_encryption = 'md5'; CREATE ROLE app_md5 LOGIN PASSWORD 'correct horse';\n\
    SET password_encryption = 'scram-sha-256'; CREATE ROLE app LOGIN PASSWORD 'correct horse';\n\
    CREATE DATABASE app OWNER app;\n";

/// A data directory with the users and the database, made once per process.
pub fn template() -> Result<PathBuf, String> {
    static TEMPLATE: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| {
        let initdb = binary("initdb")?;
        let dir = owned_dir("pgtemplate");
        let data = dir.path().join("data");
        let flags = ["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C"];
        let unprivileged = [vec!["setpriv"], credentials(), vec!["--"]].concat();
        let prefix = if credentials().is_empty() { Vec::new() } else { unprivileged };
        let command = [prefix.clone(), vec![text(&initdb), "-D", text(&data)], flags.to_vec()].concat();
        run(&command)?;
        let server = binary("postgres")?;
        // A server in recovery may not have fewer connections than its data has seen.
        let least = [
            "--single",
            "-F",
            "-c",
            "max_connections=2",
            "-c",
            "superuser_reserved_connections=0",
            "-c",
            "max_wal_senders=0",
        ];
        let command = [prefix, vec![text(&server)], least.to_vec(), vec!["-D", text(&data), "postgres"]].concat();
        let mut single = Command::new(command[0]);
        run_with_input(single.args(&command[1..]), ROLES)?;
        Ok((dir, data))
    });
    made.as_ref().map(|(_, data)| data.clone()).map_err(String::clone)
}

/// A program of the newest PostgreSQL that is installed.
pub fn binary(name: &str) -> Result<PathBuf, String> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.max_by_key(|entry| entry.file_name().to_str().and_then(|v| v.parse::<u32>().ok()));
    let path = newest.map(|entry| entry.path().join("bin").join(name)).filter(|path| path.exists());
    path.ok_or_else(|| format!("there is no {name} under /usr/lib/postgresql: run tests/setup"))
}

/// The unprivileged user: Debian's `postgres`, or nobody. None if the tests are unprivileged themselves.
fn unprivileged() -> Option<u32> {
    static USER: OnceLock<Option<u32>> = OnceLock::new();
    *USER.get_or_init(|| {
        let number = |args: &[&str]| run(args).ok()?.trim().parse::<u32>().ok();
        (number(&["id", "-u"]) == Some(0)).then(|| number(&["id", "-u", "postgres"]).unwrap_or(65534))
    })
}

/// What makes setpriv drop root.
pub fn credentials() -> Vec<&'static str> {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    let words = WORDS.get_or_init(|| {
        let flags = |user| vec![format!("--reuid={user}"), format!("--regid={user}"), "--clear-groups".to_owned()];
        unprivileged().map(flags).unwrap_or_default()
    });
    words.iter().map(String::as_str).collect()
}

/// A temporary directory of the unprivileged user's.
pub fn owned_dir(hint: &str) -> TempDir {
    let dir = scratch::dir(hint);
    give_away(dir.path());
    dir
}

/// Makes the unprivileged user the owner of a file.
pub fn give_away(path: &Path) {
    if let Some(user) = unprivileged() {
        chown(path, Some(user), Some(user)).expect("root may give files away");
    }
}

/// A path as a word of a command.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("our own paths are UTF-8")
}
