//! The connect stage over a Unix socket: why there is none, nobody listens on it, or it may not be used. Does I/O.
//!
//! Nothing but the connection is tried while it works. The file system is asked only to explain a failure, on a thread of its
//! own, because what is mounted there may hang.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use tokio::net::UnixStream;

use super::connect::refused;
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::SocketPath;
use crate::probe::Attempt;

/// Most entries of a directory that are told.
const MOST_ENTRIES: usize = 8;
/// Most entries of a directory that are looked at.
const MOST_READ: usize = 1000;

/// Connects. The stream is ready for the protocol's first byte.
pub async fn connect(attempt: &mut Attempt<'_>, socket: &SocketPath) -> Result<UnixStream, Failure> {
    let whole = socket.file.as_deref().unwrap_or(&socket.path);
    if let Some(refusal) = attempt.vantage.targets.refuses_socket(Path::new(whole)) {
        return Err(refused(attempt, &refusal.message));
    }
    let work = async {
        let connected = match UnixStream::connect(whole).await {
            // What is configured is the socket itself, not its directory.
            Err(error) if error.kind() == ErrorKind::NotADirectory => UnixStream::connect(&*socket.path).await,
            connected => connected,
        };
        match connected {
            Ok(stream) => Ok(stream),
            Err(error) => Err(explained(socket, error).await),
        }
    };
    attempt.stage(Stage::Connect, || format!("connecting to {whole}"), work).await
}

async fn explained(socket: &SocketPath, error: io::Error) -> Failure {
    let socket = socket.clone();
    let ours = |error: tokio::task::JoinError| {
        Failure::new(Cause::ProberError, Stage::Connect, format!("could not look at the socket: {error}"))
    };
    tokio::task::spawn_blocking(move || explain(&socket, &error)).await.unwrap_or_else(ours)
}

/// What an error of connecting stands for, with what is found at the path.
fn explain(socket: &SocketPath, error: &io::Error) -> Failure {
    let whole = Path::new(socket.file.as_deref().unwrap_or(&socket.path));
    let path = Path::new(&*socket.path);
    // A path that is there and is no directory was itself tried.
    let itself = fs::metadata(path).is_ok_and(|found| !found.is_dir());
    let tried = if itself { path } else { whole };
    let (cause, why) = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => (Cause::SocketNotFound, missing(tried)),
        ErrorKind::PermissionDenied => (Cause::SocketPermissionDenied, forbidden(tried)),
        ErrorKind::ConnectionRefused => match fs::metadata(tried) {
            Ok(found) if !found.file_type().is_socket() => (Cause::SocketNotFound, no_socket(&found).to_owned()),
            Ok(_) | Err(_) => (Cause::ConnectionRefused, ABANDONED.to_owned()),
        },
        ErrorKind::WouldBlock => (Cause::ConnectionRefused, FULL.to_owned()),
        _ if error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error()) => {
            (Cause::ProtocolMismatch, "it is a datagram socket, and a database has a stream socket".to_owned())
        }
        _ => (super::io_cause(error), error.to_string()),
    };
    Failure::new(cause, Stage::Connect, format!("connecting to {}: {why}", tried.display()))
}

const ABANDONED: &str = "the socket is there, but nobody listens on it: the process that made it has ended";
const FULL: &str = "its queue of connections is full: the process that owns it does not take them in";

/// What is there where a socket should be.
fn no_socket(found: &Metadata) -> &'static str {
    let kind = found.file_type();
    match (kind.is_dir(), kind.is_file()) {
        (true, _) => "it is a directory, not a socket: name the socket in it",
        (_, true) => "it is a regular file, not a socket",
        (false, false) => "it is no socket",
    }
}

/// How far the path exists, and what is there instead of its next part.
fn missing(whole: &Path) -> String {
    let parts: Vec<&Path> = whole.ancestors().collect();
    let Some([lacking, deepest]) = parts.array_windows().find(|[_, above]| fs::metadata(above).is_ok()) else {
        return "no part of this path is there".to_owned();
    };
    let (name, above) = (lacking.file_name().unwrap_or_default().to_string_lossy(), deepest.display());
    match listed(deepest) {
        Ok(entries) if entries.is_empty() => format!("{above} is empty: there is no {name}"),
        Ok(entries) => format!("{above} has no {name}; it has {}", entries.join(", ")),
        Err(error) if error.kind() == ErrorKind::NotADirectory => format!("{above} is no directory"),
        Err(error) => format!("{above} has no {name} (what it has can't be listed: {error})"),
    }
}

/// The names in a directory, in order, cut to [`MOST_ENTRIES`].
fn listed(directory: &Path) -> io::Result<Vec<String>> {
    let entries = fs::read_dir(directory)?.take(MOST_READ).flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    if names.len() > MOST_ENTRIES {
        let more = names.len() - MOST_ENTRIES;
        names.truncate(MOST_ENTRIES);
        names.push(format!("{more} more"));
    }
    Ok(names)
}

/// Who may not do what.
fn forbidden(tried: &Path) -> String {
    let user = rustix::process::geteuid().as_raw();
    match fs::symlink_metadata(tried) {
        Ok(found) => format!(
            "user {user} may not write to it: it belongs to user {}, group {}, with mode {:04o}",
            found.uid(),
            found.gid(),
            found.mode() & 0o7777
        ),
        Err(_) => {
            let barred = tried.ancestors().skip(1).find(|above| fs::metadata(above).is_ok()).unwrap_or(tried);
            format!("user {user} may not search {}", barred.display())
        }
    }
}
