//! How an inspection went: read, could not be read and why, or nothing to read. Data only.

use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How one object's inspection went.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reading<T> {
    /// There is nothing to read, or nobody wants it read.
    Absent(Absent),
    /// It could not be read: nothing is known about it.
    Unread(Unread),
    /// It was read.
    Read(Found<T>),
}

/// An object as it was read.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Found<T> {
    /// Its name in full, such as projects/netra-staging/locations/us-central1/connectors/staging.
    pub name: Arc<str>,
    /// When it was read.
    pub at: Timestamp,
    /// What it says.
    pub object: Arc<T>,
}

/// Why there is nothing to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Absent {
    /// It was not asked for yet.
    #[default]
    NotYet,
    /// The check or whoever runs runready has switched it off.
    SwitchedOff,
    /// The path has nothing of the sort: a service without connector, say.
    NotUsed,
    /// It could not be found out which one it is, because what tells it was not read.
    Undiscovered,
}

/// An object that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// Its name in full.
    pub name: Arc<str>,
    /// When that was tried.
    pub at: Timestamp,
    /// Why, for programs.
    pub why: Why,
    /// What was asked, from where, and what came back. Holds no secret.
    pub message: Arc<str>,
    /// The exact role or command that mends it.
    pub remedy: Arc<str>,
}

/// Why an object could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Why {
    /// No token could be had.
    NoCredentials,
    /// HTTP 403: the account lacks a permission.
    PermissionDenied,
    /// HTTP 403 with reason SERVICE_DISABLED: the API is not enabled in the project.
    ApiDisabled,
    /// HTTP 404: there is no such object. This is itself evidence.
    NotFound,
    /// HTTP 429: too many requests.
    Throttled,
    /// It did not answer in time, could not be reached, or failed (HTTP 5xx).
    Unavailable,
    /// The answer could not be read.
    Malformed,
}

impl Why {
    /// Every reason.
    pub const ALL: [Why; 7] = [
        Why::NoCredentials,
        Why::PermissionDenied,
        Why::ApiDisabled,
        Why::NotFound,
        Why::Throttled,
        Why::Unavailable,
        Why::Malformed,
    ];

    /// The name used in status and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Why::NoCredentials => "NoCredentials",
            Why::PermissionDenied => "PermissionDenied",
            Why::ApiDisabled => "ApiDisabled",
            Why::NotFound => "NotFound",
            Why::Throttled => "Throttled",
            Why::Unavailable => "Unavailable",
            Why::Malformed => "Malformed",
        }
    }
}

impl Absent {
    /// The name used in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            Absent::NotYet => "NotYet",
            Absent::SwitchedOff => "SwitchedOff",
            Absent::NotUsed => "NotUsed",
            Absent::Undiscovered => "Undiscovered",
        }
    }

    /// The same in a sentence.
    pub const fn summary(self) -> &'static str {
        match self {
            Absent::NotYet => "not read yet",
            Absent::SwitchedOff => "switched off",
            Absent::NotUsed => "the path has nothing of the sort",
            Absent::Undiscovered => "not known which one it is, because what tells it could not be read",
        }
    }
}

impl<T> Clone for Found<T> {
    fn clone(&self) -> Self {
        Found { name: self.name.clone(), at: self.at, object: self.object.clone() }
    }
}

impl<T> Clone for Reading<T> {
    fn clone(&self) -> Self {
        match self {
            Reading::Absent(absent) => Reading::Absent(*absent),
            Reading::Unread(unread) => Reading::Unread(unread.clone()),
            Reading::Read(found) => Reading::Read(found.clone()),
        }
    }
}

impl<T> Default for Reading<T> {
    fn default() -> Self {
        Reading::Absent(Absent::NotYet)
    }
}

impl<T> Reading<T> {
    /// The object, if it was read.
    pub fn object(&self) -> Option<&T> {
        self.found().map(|found| &*found.object)
    }

    /// The object with its name and time, if it was read.
    pub const fn found(&self) -> Option<&Found<T>> {
        match self {
            Reading::Read(found) => Some(found),
            Reading::Absent(_) | Reading::Unread(_) => None,
        }
    }

    /// Why it could not be read, if it could not.
    pub const fn unread(&self) -> Option<&Unread> {
        match self {
            Reading::Unread(unread) => Some(unread),
            Reading::Absent(_) | Reading::Read(_) => None,
        }
    }

    /// The same without the object.
    pub fn bare(&self) -> Reading<()> {
        match self {
            Reading::Absent(absent) => Reading::Absent(*absent),
            Reading::Unread(unread) => Reading::Unread(unread.clone()),
            Reading::Read(found) => {
                Reading::Read(Found { name: found.name.clone(), at: found.at, object: Arc::new(()) })
            }
        }
    }
}
