//! Manifests without a cluster: reads them, finds faults in the API server's words, and says where in which file each one is.
//!
//! `files` reads (the only I/O), `document` parses, `contents` tells checks, Secrets and the rest apart, and `validate` holds
//! the CRD's schema and rules against each check. Values come from serde_yaml alone; saphyr says where they stand.

mod contents;
mod document;
mod files;
mod position;
pub mod validate;

use std::fmt;
use std::sync::Arc;

pub use contents::{Contents, DEFAULT_NAMESPACE, DeclaredCheck, SecretManifest, declared_twice};
pub use files::{Listing, Text, is_manifest, manifests_in, open, read};
pub use position::{Places, Position};

/// Something in a manifest that can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The file, as it was named.
    pub file: Arc<str>,
    /// Where in the file. None: the file as a whole.
    pub at: Option<Position>,
    /// The field's path, such as spec.probes\[0\].tcp.port. Empty: the document as a whole.
    pub field: String,
    /// What is wrong with it, as the API server says it.
    pub message: String,
}

impl Fault {
    /// A fault of a whole file.
    pub fn of_file(file: &Arc<str>, message: impl Into<String>) -> Self {
        Fault { file: file.clone(), at: None, field: String::new(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(Position { line, column }) = self.at {
            write!(f, ":{line}:{column}")?;
        }
        if !self.field.is_empty() {
            write!(f, ": {}", self.field)?;
        }
        write!(f, ": {}", self.message)
    }
}
