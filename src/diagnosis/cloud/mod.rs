//! What Google Cloud says of the hops, alone and beside what the probes saw: a rule per state, a file per object. Pure.
//!
//! Each rule is silent where nothing was inspected. A finding takes the failing probes that it explains; where it explains none, its
//! gravity says how much it matters. What could not be read accuses and clears nobody: it goes to the verdict's `unknown`.

pub(super) mod access;
pub(super) mod connector;
pub(super) mod contradiction;
pub(super) mod drift;
pub(super) mod firewall;
pub(super) mod instance;
pub(super) mod load;
pub(super) mod network;
pub(super) mod operation;
pub(super) mod policy;
pub(super) mod region;
pub(super) mod service;
pub mod test;
pub(super) mod verdict;
pub(super) mod way;
pub(super) mod zones;

pub use region::touches;
pub use service::condition_says;

use std::fmt::Display;
use std::net::SocketAddr;

use jiff::Timestamp;

use super::{Case, Finding, Gravity};
use crate::api::{Cause, Confidence, Layer};
use crate::cloud::reading::Found;
use crate::cloud::{Inspection, Picture, name};

/// A name without its path.
fn short(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// What follows a word in a resource's name: the region behind `locations`, say.
fn segment<'n>(name: &'n str, word: &str) -> Option<&'n str> {
    let mut parts = name.split('/');
    parts.find(|part| *part == word)?;
    parts.next()
}

/// Whether two names, each in full or alone, are of the same network. Networks of two projects may have the same name.
fn same_network(one: &str, other: &str) -> bool {
    let in_full = [one, other].iter().all(|name| name.contains("projects/"));
    if in_full { name::same(one, other) } else { short(one) == short(other) }
}

fn clock(at: Timestamp) -> impl Display {
    at.strftime("%H:%M:%SZ")
}

/// A piece of evidence: the object, what it says, when it was read.
fn cite<T>(what: &str, found: &Found<T>, says: impl Display) -> String {
    format!("{what} {}: {says}, read {}", found.name, clock(found.at))
}

/// The region that the path is in, as far as a name tells it.
fn region_of(picture: &Picture) -> Option<&str> {
    let service = picture.service.found().map(|found| &*found.name);
    let connector = picture.connector.found().map(|found| &*found.name);
    let named = service.or(connector).and_then(|name| segment(name, "locations"));
    named.or_else(|| picture.instance.object().map(|instance| &*instance.region))
}

fn lowered(confidence: Confidence) -> Confidence {
    match confidence {
        Confidence::High => Confidence::Medium,
        Confidence::Medium | Confidence::Low => Confidence::Low,
    }
}

const fn raised(confidence: Confidence) -> Confidence {
    match confidence {
        Confidence::Low => Confidence::Medium,
        Confidence::Medium | Confidence::High => Confidence::High,
    }
}

impl Finding {
    /// A finding that rests on what Google Cloud says, in the words of its cause.
    fn told(rule: &'static str, cause: Cause, inspection: Inspection, summary: String, told: Vec<String>) -> Self {
        Finding {
            rule,
            layer: cause.usual_layer(),
            cause,
            stage: None,
            summary,
            remedy: cause.remedy().to_owned(),
            confidence: Confidence::High,
            probes: Vec::new(),
            symptoms: Vec::new(),
            told,
            inspections: vec![inspection],
            gravity: Gravity::Broken,
        }
    }

    fn of_layer(mut self, layer: Layer) -> Self {
        self.layer = layer;
        self
    }

    fn sure(mut self, confidence: Confidence) -> Self {
        self.confidence = confidence;
        self
    }

    fn weighing(mut self, gravity: Gravity) -> Self {
        self.gravity = gravity;
        self
    }

    fn remedied(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Takes the failing probes that it explains, and names them. A symptom alone shows less than the path's own silence.
    fn explaining(mut self, case: &Case<'_>, probes: Vec<usize>, symptoms: Vec<usize>) -> Self {
        let symptoms: Vec<usize> = symptoms.into_iter().filter(|index| !probes.contains(index)).collect();
        let names: Vec<String> = probes.iter().chain(&symptoms).filter_map(|index| named(case, *index)).collect();
        if !names.is_empty() {
            self.summary = format!("{}; this explains {}", self.summary, names.join(", "));
        }
        let first = probes.first().or(symptoms.first()).and_then(|index| case.observations.get(*index));
        self.stage = first.and_then(|observation| observation.fault()?.stage);
        if probes.is_empty() && !symptoms.is_empty() {
            self.confidence = lowered(self.confidence);
        }
        (self.probes, self.symptoms) = (probes, symptoms);
        self
    }

    /// Takes the probes that a fault of the way into the network explains. Where probes pass that way all the same, the finding
    /// says so, and is a flaw at most.
    fn about_the_way(self, case: &Case<'_>) -> Self {
        let silent = way::silent(case);
        let passes = way::passes(case).map(|probe| probe.name.to_owned());
        match passes {
            Some(name) if silent.is_empty() => {
                let mut finding = self.sure(Confidence::Low).weighing(Gravity::Flaw);
                finding.summary =
                    format!("{}; but {name} passes by the service's own way out all the same", finding.summary);
                finding
            }
            // What one probe is refused while another passes the same way is not surely this.
            Some(_) => self.explaining(case, silent, Vec::new()).sure(Confidence::Medium),
            None => self.explaining(case, silent, way::symptoms(case)),
        }
    }

    /// Takes the silent probes whose own target the fault concerns; what passes to another target is no contradiction then. Where
    /// none is concerned, it is about the way as a whole.
    fn about_the_targets(self, case: &Case<'_>, concerns: impl Fn(SocketAddr) -> bool) -> Self {
        let concerned = |index: &usize| case.observations[*index].tried().any(&concerns);
        let silent: Vec<usize> = way::silent(case).into_iter().filter(concerned).collect();
        if silent.is_empty() {
            return self.about_the_way(case);
        }
        self.explaining(case, silent, way::symptoms(case))
    }

    /// Takes the probes that a fault of the instance explains. Where one of them logs in all the same, the finding is a flaw at most.
    fn about_the_instance(self, case: &Case<'_>, picture: &Picture) -> Self {
        let failing = way::of_instance(case, picture);
        match way::logs_in(case, picture).map(|probe| probe.name.to_owned()) {
            Some(name) if failing.is_empty() => {
                let mut finding = self.sure(Confidence::Low).weighing(Gravity::Flaw);
                finding.summary = format!("{}; but {name} logs in all the same", finding.summary);
                finding
            }
            Some(_) => self.explaining(case, failing, Vec::new()),
            None => self.explaining(case, failing, way::symptoms(case)),
        }
    }
}

/// A probe with its cause, for a summary.
fn named(case: &Case<'_>, index: usize) -> Option<String> {
    let observation = case.observations.get(index)?;
    let failure = observation.fault()?;
    let stage = failure.stage.map(|stage| format!(" in stage {stage}")).unwrap_or_default();
    Some(format!("{} ({}{stage})", observation.name, failure.cause))
}
