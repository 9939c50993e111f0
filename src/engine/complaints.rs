//! What can't be read of Google Cloud, as far as the log was told: once when it begins and once when it ends, however many
//! checks ask. Pure, but for the log.

use std::collections::HashMap;
use std::sync::Arc;

use crate::cloud::{Inspection, Picture, Reading, Unread, Why};

/// Most objects that are remembered; of more, nothing is said.
const MOST: usize = 1024;

/// What was complained of and is not mended yet: which object could not be read, and why.
#[derive(Debug, Default)]
pub struct Complaints(HashMap<Subject, Why>);

/// What could not be read. Without credentials nothing can be: that is said once for all objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Subject {
    Everything,
    Object(Inspection, Arc<str>),
}

/// Something to be logged.
#[derive(Debug, PartialEq, Eq)]
pub enum Complaint {
    /// It can't be read, and why.
    Began(Inspection, Unread),
    /// It can be read again.
    Ended(Inspection, Arc<str>),
    /// Credentials are there again.
    Credentials,
}

impl Complaints {
    /// Takes in what was read for one check, and gives what is new.
    pub fn take_in(&mut self, picture: &Picture) -> Vec<Complaint> {
        picture.readings().into_iter().filter_map(|(inspection, reading)| self.one(inspection, reading)).collect()
    }

    fn one(&mut self, inspection: Inspection, reading: Reading<()>) -> Option<Complaint> {
        match reading {
            Reading::Absent(_) => None,
            Reading::Unread(unread) => {
                let subject = match unread.why {
                    Why::NoCredentials => Subject::Everything,
                    _ => Subject::Object(inspection, unread.name.clone()),
                };
                let room = self.0.len() < MOST || self.0.contains_key(&subject);
                let news = room && self.0.insert(subject, unread.why) != Some(unread.why);
                news.then_some(Complaint::Began(inspection, unread))
            }
            Reading::Read(found) => {
                if self.0.remove(&Subject::Everything).is_some() {
                    return Some(Complaint::Credentials);
                }
                let known = self.0.remove(&Subject::Object(inspection, found.name.clone()));
                known.map(|_| Complaint::Ended(inspection, found.name))
            }
        }
    }
}

impl Complaint {
    /// Writes it to the log.
    pub fn log(&self) {
        match self {
            Complaint::Began(inspection, Unread { name, at: _, why, message, remedy }) => {
                let (inspection, reason) = (inspection.as_str(), why.as_str());
                tracing::warn!(inspection, object = &**name, reason, "{message}. Next: {remedy}");
            }
            Complaint::Ended(inspection, name) => {
                tracing::info!(inspection = inspection.as_str(), object = &**name, "it can be read again");
            }
            Complaint::Credentials => tracing::info!("there are credentials for Google's APIs again"),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::cloud::reading::Found;

    fn unread(name: &str, why: Why) -> Unread {
        Unread {
            name: name.into(),
            at: Timestamp::UNIX_EPOCH,
            why,
            message: "no answer".into(),
            remedy: "do something".into(),
        }
    }

    fn pictures(why: Why) -> [Picture; 2] {
        ["a", "b"].map(|name| Picture {
            service: Reading::Unread(unread(name, why)),
            dns_zones: Reading::Unread(unread("shared", why)),
            ..Picture::default()
        })
    }

    fn said(complaints: &mut Complaints, pictures: &[Picture]) -> Vec<String> {
        let said = pictures.iter().flat_map(|picture| complaints.take_in(picture));
        said.map(|complaint| match complaint {
            Complaint::Began(inspection, unread) => format!("{inspection} {}: {}", unread.name, unread.why.as_str()),
            Complaint::Ended(inspection, name) => format!("{inspection} {name}: again"),
            Complaint::Credentials => "credentials".to_owned(),
        })
        .collect()
    }

    #[test]
    fn each_object_is_complained_of_once_and_missing_credentials_once_for_all() {
        let mut complaints = Complaints::default();
        let forbidden = pictures(Why::PermissionDenied);
        let first = said(&mut complaints, &forbidden);
        assert_eq!(
            first,
            ["Service a: PermissionDenied", "DnsZones shared: PermissionDenied", "Service b: PermissionDenied"]
        );
        assert!(said(&mut complaints, &forbidden).is_empty(), "known");
        let mut complaints = Complaints::default();
        assert_eq!(said(&mut complaints, &pictures(Why::NoCredentials)), ["Service a: NoCredentials"]);
        assert!(said(&mut complaints, &pictures(Why::NoCredentials)).is_empty(), "known");
    }

    #[test]
    fn what_is_mended_is_told_and_may_be_complained_of_again() {
        let mut complaints = Complaints::default();
        let _ = complaints.take_in(&pictures(Why::ApiDisabled)[0]);
        let found = |name: &str| Found { name: name.into(), at: Timestamp::UNIX_EPOCH, object: Arc::default() };
        let mended = Picture { dns_zones: Reading::Read(found("shared")), ..Picture::default() };
        assert_eq!(said(&mut complaints, &[mended.clone(), mended]), ["DnsZones shared: again"]);
        assert_eq!(said(&mut complaints, &pictures(Why::Unavailable))[..1], ["Service a: Unavailable"]);
    }
}
