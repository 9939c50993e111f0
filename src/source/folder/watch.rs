//! Watches a folder and sends what changes in it. Reads files; takes file system notifications.
//!
//! A notification only says that it is worth looking: what has changed is found by comparing. So a rename over a file, a
//! swapped link and a lost notification all come out the same, the latter at the next look that no notification asked for.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::scan::{Found, Scanner};
use super::state::DIRECTORY;
use super::{Contents, Folder};
use crate::manifest::Fault;
use crate::source::SourceEvent;

/// Writers save in several steps; this much quiet after one means that it is done.
const QUIET: Duration = Duration::from_millis(50);
/// A folder that is never quiet is looked at all the same.
const MOST_DELAY: Duration = Duration::from_millis(300);
/// Between two looks that no notification asked for.
const RESCAN: Duration = Duration::from_secs(30);
/// The same where there are no notifications.
const RESCAN_BLIND: Duration = Duration::from_secs(1);
/// Events on their way to the planner.
const QUEUE: usize = 1024;

type Touched = mpsc::UnboundedReceiver<Vec<PathBuf>>;

pub(super) fn start(folder: Arc<Folder>) -> mpsc::Receiver<SourceEvent> {
    let (events, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(run(folder, events));
    receiver
}

async fn run(folder: Arc<Folder>, events: mpsc::Sender<SourceEvent>) {
    let (notifications, mut touched) = mpsc::unbounded_channel();
    let mut watches = Watches::new(notifications);
    // Watched before it is read: nothing can change unseen in between.
    watches.set([folder.options.directory.clone()]);
    let mut scanner = Scanner::new(folder.options.directory.clone(), folder.options.namespace.clone());
    let (mut paths, mut synced, mut said) = (HashSet::new(), false, HashSet::new());
    loop {
        let Some((back, found)) = scan(folder.clone(), scanner, std::mem::take(&mut paths)).await else { return };
        scanner = back;
        said = report(found.faults, &said);
        for event in found.events {
            if events.send(event).await.is_err() {
                return;
            }
        }
        let more_to_watch = watches.set(found.directories);
        if found.again || more_to_watch {
            continue;
        }
        if !std::mem::replace(&mut synced, true) && events.send(SourceEvent::Synced).await.is_err() {
            return;
        }
        let rest = Instant::now() + if watches.is_blind() { RESCAN_BLIND } else { RESCAN };
        tokio::select! {
            () = events.closed() => return,
            () = sleep_until(rest) => {}
            first = touched.recv() => {
                paths.extend(first.into_iter().flatten());
                quiet(&mut touched, &mut paths).await;
            }
        }
    }
}

/// Reads the folder on a thread for blocking work. None if the reading came to a bad end, which is a defect.
async fn scan(folder: Arc<Folder>, mut scanner: Scanner, paths: HashSet<PathBuf>) -> Option<(Scanner, Found)> {
    let work = tokio::task::spawn_blocking(move || {
        let mut contents = folder.contents();
        let Contents { checks, secrets } = &mut *contents;
        let found = scanner.scan(&paths, checks, secrets);
        (scanner, found)
    });
    work.await
        .inspect_err(|error| tracing::error!("the folder is not watched any more, restart runready: {error}"))
        .ok()
}

/// Waits until the folder is quiet, and notes what is touched in the meantime.
async fn quiet(touched: &mut Touched, paths: &mut HashSet<PathBuf>) {
    let latest = Instant::now() + MOST_DELAY;
    loop {
        let until = (Instant::now() + QUIET).min(latest);
        match timeout_at(until, touched.recv()).await {
            Ok(Some(more)) => paths.extend(more),
            Ok(None) | Err(_) => return,
        }
    }
}

/// Logs each fault once, for as long as it lasts.
fn report(faults: Vec<Fault>, said: &HashSet<String>) -> HashSet<String> {
    let mut now = HashSet::new();
    for fault in faults {
        let text = fault.to_string();
        if !said.contains(&text) {
            let (line, column) = fault.at.map(|at| (at.line, at.column)).unzip();
            tracing::warn!(file = %fault.file, line, column, field = fault.field, "{}", fault.message);
        }
        now.insert(text);
    }
    now
}

/// The directories that notifications come from.
struct Watches {
    watcher: Option<RecommendedWatcher>,
    directories: BTreeSet<Directory>,
}

/// A directory, told from another one that has taken its name since.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Directory {
    path: PathBuf,
    inode: u64,
    made: Option<SystemTime>,
}

impl Directory {
    fn of(path: PathBuf) -> Option<Self> {
        let found = std::fs::metadata(&path).ok()?;
        Some(Directory { path, inode: found.ino(), made: found.created().ok() })
    }
}

impl Watches {
    fn new(notifications: mpsc::UnboundedSender<Vec<PathBuf>>) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| match event {
            // Reading is no change; it would only make us look again. Nor are our own files of interest.
            Ok(event) if is_change(event.kind) && !event.paths.iter().any(|path| path.ends_with(DIRECTORY)) => {
                // The receiver is gone when nobody watches any more.
                let _ = notifications.send(event.paths);
            }
            Ok(_) => {}
            Err(error) => drop(notifications.send(error.paths)),
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!("no file system notifications, so the folder is read every {RESCAN_BLIND:?}: {error}");
        });
        Watches { watcher: watcher.ok(), directories: BTreeSet::new() }
    }

    fn is_blind(&self) -> bool {
        self.watcher.is_none()
    }

    /// Watches these directories and no others. True if one is new: it may have changed since it was read.
    fn set(&mut self, wanted: impl IntoIterator<Item = PathBuf>) -> bool {
        let Some(watcher) = &mut self.watcher else { return false };
        let wanted: BTreeSet<Directory> = wanted.into_iter().filter_map(Directory::of).collect();
        for gone in self.directories.difference(&wanted) {
            // Fails when the directory does not exist any more, and then there is nothing to end.
            let _ = watcher.unwatch(&gone.path);
        }
        let mut more = false;
        for new in wanted.difference(&self.directories) {
            match watcher.watch(&new.path, RecursiveMode::NonRecursive) {
                Ok(()) => more = true,
                Err(error) => {
                    tracing::warn!(path = %new.path.display(), "can't be watched, so it is read every {RESCAN:?}: {error}");
                }
            }
        }
        self.directories = wanted;
        more
    }
}

fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) | EventKind::Other => true,
    }
}
