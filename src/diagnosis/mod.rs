//! Evidence in, findings and a verdict out. Pure: no I/O, no clock, no spec.
//!
//! Every rule of the table in [`rules`] looks at the whole case and may give findings; the first finding in the table's
//! order, among those of the gravest kind, is the primary one. Rules are total: none relies on another having run.

mod answer;
pub mod cloud;
mod cloudsql;
mod own;
mod path;
mod rules;
mod server;
mod verdict;

use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{Cause, Confidence, Kind, Layer, ProbeState, Stage};
use crate::cloud::{Drift, Inspection, Picture};
use crate::evidence::{Evidence, Failure};

pub use rules::{RULES, Rule};
pub use verdict::{Diagnosis, diagnose, diagnose_by};

/// Everything that is known about a check at one moment.
#[derive(Clone, Debug)]
pub struct Case<'a> {
    /// One entry for each probe, in the plan's order.
    pub observations: Vec<Observation<'a>>,
    /// Whether the check speaks for a Cloud Run service, whose traffic takes that service's own egress.
    pub speaks_for_service: bool,
    /// What the check says that the service grants itself to come up.
    pub startup_budget: Option<Duration>,
    /// What Google Cloud says of the hops. None: nothing is inspected.
    pub cloud: Option<&'a Picture>,
    /// What differs from the configuration that worked.
    pub drift: &'a [Drift],
    /// When this is.
    pub now: Timestamp,
}

/// Whether a vantage lies behind the egress of a Cloud Run service.
pub fn behind_cloud_run(vantage: &str) -> bool {
    vantage.starts_with("cloudrun/")
}

impl<'a> Case<'a> {
    /// The probes that are not healthy for a cause of that sort, with their index and failure.
    fn faults<'c>(
        &'c self,
        is: impl Fn(Cause) -> bool + 'c,
    ) -> impl Iterator<Item = (usize, &'c Observation<'a>, &'c Failure)> + 'c {
        self.observations.iter().enumerate().filter_map(move |(index, observation)| {
            let failure = observation.fault().filter(|failure| is(failure.cause))?;
            Some((index, observation, failure))
        })
    }
}

/// What is known about one probe.
#[derive(Clone, Debug)]
pub struct Observation<'a> {
    /// Name, as in spec.
    pub name: &'a str,
    /// Kind.
    pub kind: Kind,
    /// What is observed, for people.
    pub target: &'a str,
    /// Whether it decides on Ready.
    pub required: bool,
    /// State, after thresholds.
    pub state: ProbeState,
    /// Why it is not healthy: the failure that `state` rests on.
    pub failure: Option<&'a Failure>,
    /// The last observation. None before the first.
    pub evidence: Option<&'a Evidence>,
}

impl Observation<'_> {
    /// The failure, if the probe counts as not healthy for it.
    pub fn fault(&self) -> Option<&Failure> {
        match self.state {
            ProbeState::Failing | ProbeState::Degraded => self.failure,
            // What we could not tell speaks of nobody's guilt but our own.
            ProbeState::Unknown => self.failure.filter(|failure| failure.cause.is_unknown()),
            ProbeState::Healthy | ProbeState::Skipped => None,
        }
    }

    /// The failure, if the probe fails for it.
    pub fn failing(&self) -> Option<&Failure> {
        if self.state == ProbeState::Failing { self.failure } else { None }
    }

    /// Addresses that were tried.
    pub fn tried(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.evidence.into_iter().flat_map(|evidence| evidence.addresses.iter().map(|record| record.address))
    }

    /// Addresses that accepted a connection.
    pub fn answered(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.tried_with(None)
    }

    /// Addresses that did not accept a connection, for this cause.
    pub fn ended_with(&self, cause: Cause) -> impl Iterator<Item = SocketAddr> + '_ {
        self.tried_with(Some(cause))
    }

    fn tried_with(&self, cause: Option<Cause>) -> impl Iterator<Item = SocketAddr> + '_ {
        let records = self.evidence.into_iter().flat_map(|evidence| &evidence.addresses);
        records.filter(move |record| record.cause == cause).map(|record| record.address)
    }

    /// Whether that stage passed in the last observation; of a journey that fails, in the step that does.
    pub fn passed(&self, stage: Stage) -> bool {
        let step = self.failure.and_then(|failure| failure.step.as_deref());
        let passed =
            |evidence: &Evidence| evidence.stages_of(step).any(|record| record.stage == stage && record.passed);
        self.evidence.is_some_and(passed)
    }

    /// The kind of what was asked last: of a journey that fails, that of the step.
    pub fn peer_kind(&self) -> Kind {
        let name = self.failure.and_then(|failure| failure.step.as_deref());
        let steps = self.evidence.map_or(&[][..], |evidence| &evidence.steps);
        steps.iter().find(|step| Some(&*step.name) == name).map_or(self.kind, |step| step.kind)
    }

    /// The layer of the peer itself: a database for a database probe, otherwise the application.
    pub fn peer_layer(&self) -> Layer {
        match self.peer_kind() {
            Kind::Postgres | Kind::Mysql | Kind::Sqlserver | Kind::Redis => Layer::Database,
            Kind::Dns => Layer::Network,
            Kind::Tcp | Kind::Tls | Kind::Http | Kind::Grpc | Kind::Websocket | Kind::Journey | Kind::Load => {
                Layer::Application
            }
        }
    }

    /// The probe and what was seen, as a piece of evidence for people.
    pub fn cite(&self) -> String {
        let vantage = self.evidence.map_or("", |evidence| &evidence.vantage);
        match self.fault() {
            Some(failure) => format!(
                "{} from {vantage}: {} in stage {}: {}",
                self.name,
                failure.cause,
                stage_name(failure),
                failure.message
            ),
            None => format!("{} from {vantage}: {} ({})", self.name, self.state, self.target),
        }
    }
}

fn stage_name(failure: &Failure) -> &'static str {
    failure.stage.map_or("none", Stage::as_str)
}

/// What one rule found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the rule: stable, documented in docs/diagnosis.md.
    pub rule: &'static str,
    /// The layer that it points to.
    pub layer: Layer,
    /// The cause.
    pub cause: Cause,
    /// The stage in which it showed.
    pub stage: Option<Stage>,
    /// What was found, in a sentence.
    pub summary: String,
    /// What to do next.
    pub remedy: String,
    /// How sure it is.
    pub confidence: Confidence,
    /// Indices of the probes that it speaks of. Empty only where it rests on what Google Cloud says.
    pub probes: Vec<usize>,
    /// Indices of the probes that fail for it at one remove: the service that answers with an error, because its path is broken.
    pub symptoms: Vec<usize>,
    /// What Google Cloud says that it rests on, each with the object's name and the time of reading.
    pub told: Vec<String>,
    /// The inspections that it rests on.
    pub inspections: Vec<Inspection>,
    /// How much it matters where it speaks of no probe.
    pub gravity: Gravity,
}

/// How much what Google Cloud says matters by itself. Where a finding explains a probe, the probe's state decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gravity {
    /// The path can't work as it is. Weighs less than a required probe that fails, and more than one that can't be told.
    Broken,
    /// It works, but not as it should, or not for long.
    Flaw,
    /// Worth knowing beside a verdict; none by itself.
    Remark,
}

impl Finding {
    /// A finding about one probe, in the words of its cause.
    pub fn about(
        rule: &'static str,
        index: usize,
        observation: &Observation<'_>,
        failure: &Failure,
        layer: Layer,
        confidence: Confidence,
    ) -> Self {
        let (name, target, message) = (observation.name, observation.target, &failure.message);
        Finding {
            rule,
            layer,
            cause: failure.cause,
            stage: failure.stage,
            // A message that names the target need not have it named again.
            summary: if message.contains(target) {
                format!("{name}: {message}")
            } else {
                format!("{name} ({target}): {message}")
            },
            remedy: failure.cause.remedy().to_owned(),
            confidence,
            probes: vec![index],
            symptoms: Vec::new(),
            told: Vec::new(),
            inspections: Vec::new(),
            gravity: Gravity::Broken,
        }
    }
}
