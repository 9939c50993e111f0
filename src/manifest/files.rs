//! A file, a directory or standard input in, the texts of its manifests out. Reads files; writes nothing.
//!
//! A directory is read with everything below it: *.yaml, *.yml and *.json, in the order of their paths. What begins with a dot
//! is left out, which covers the revisions of a mounted ConfigMap (`..data`) and runready's own state. Links are followed.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Fault;

/// Larger files are no manifests: the API server takes objects of 1.5 MiB at most.
const MAX_BYTES: u64 = 64 << 20;
/// Directories within directories, so that a link to a parent ends.
const MAX_DEPTH: usize = 16;

/// A text with the name of its file.
#[derive(Clone, Debug)]
pub struct Text {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// What it holds.
    pub content: String,
}

/// Reads a file, every manifest of a directory, or standard input (`-`). What can't be read becomes a fault.
pub fn read(path: &Path) -> (Vec<Text>, Vec<Fault>) {
    if path == Path::new("-") {
        return parted(vec![text("standard input".into(), &mut std::io::stdin().lock())]);
    }
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            let Listing { files, mut faults, .. } = manifests_in(path);
            let (texts, more) = parted(files.iter().map(|file| open(file)).collect());
            faults.extend(more);
            (texts, faults)
        }
        Ok(_) | Err(_) => parted(vec![open(path)]),
    }
}

/// What lies in a directory and in those below it.
#[derive(Clone, Debug, Default)]
pub struct Listing {
    /// The manifests, in the order of their paths.
    pub files: Vec<PathBuf>,
    /// The directories, the first one included.
    pub directories: Vec<PathBuf>,
    /// What could not be looked into.
    pub faults: Vec<Fault>,
}

/// Lists the manifests of a directory and of those below it.
pub fn manifests_in(directory: &Path) -> Listing {
    let mut listing = Listing::default();
    walk(directory, 0, &mut listing);
    listing.files.sort();
    listing
}

/// Whether a file of this name is read when it is found in a directory.
pub fn is_manifest(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    !is_hidden(path) && matches!(extension, Some("yaml" | "yml" | "json"))
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn walk(directory: &Path, depth: usize, listing: &mut Listing) {
    let fault = |message: String| Fault::of_file(&directory.display().to_string().into(), message);
    if depth > MAX_DEPTH {
        listing.faults.push(fault(format!("is left out: it lies more than {MAX_DEPTH} directories deep")));
        return;
    }
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return listing.faults.push(fault(format!("can't be read: {error}"))),
    };
    listing.directories.push(directory.to_owned());
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| !is_hidden(path)) {
        // Follows links. A file that is gone by now, or a link to nowhere, is none of ours.
        match fs::metadata(&path) {
            Ok(found) if found.is_dir() => walk(&path, depth + 1, listing),
            Ok(found) if found.is_file() && is_manifest(&path) => listing.files.push(path),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Reads one file.
pub fn open(path: &Path) -> Result<Text, Fault> {
    let name: Arc<str> = path.display().to_string().into();
    match fs::File::open(path) {
        Ok(mut file) => text(name, &mut file),
        Err(error) => Err(Fault::of_file(&name, format!("can't be read: {error}"))),
    }
}

fn text(file: Arc<str>, from: &mut impl Read) -> Result<Text, Fault> {
    let mut bytes = Vec::new();
    let read = from.take(MAX_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| Fault::of_file(&file, format!("can't be read: {error}")))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Fault::of_file(&file, format!("is larger than {} MiB: that is no manifest", MAX_BYTES >> 20)));
    }
    match String::from_utf8(bytes) {
        Ok(content) => Ok(Text { file, content }),
        Err(_) => Err(Fault::of_file(&file, "is not UTF-8 text, as YAML and JSON manifests are")),
    }
}

fn parted(results: Vec<Result<Text, Fault>>) -> (Vec<Text>, Vec<Fault>) {
    let (mut texts, mut faults) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(text) => texts.push(text),
            Err(fault) => faults.push(fault),
        }
    }
    (texts, faults)
}
