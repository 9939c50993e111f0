//! `spec.service` and `spec.inspect` in, what is to be read of Google Cloud's own view out. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::invalid;
use crate::api::InspectSpec;
use crate::api::spec::ConnectivityCheckSpec;
use crate::cloud::Inspection;
use crate::plan::inspections::{DEFAULT_INTERVAL, InspectionPlan, Pace};
use crate::plan::kinds::{Action, Endpoint, Way};
use crate::plan::{Cadence, Fault, ProbePlan};

/// The least `spec.inspect.interval`.
const LEAST_INTERVAL: Duration = Duration::from_secs(10);
/// Most targets of one check that are compared with what Google says.
const MOST_TARGETS: usize = 32;

/// What is to be read. None without a service, or where everything is switched off.
///
/// # Errors
/// Where the spec asks for what can't be done: it may have been stored before the rule was.
pub(super) fn inspections(
    spec: &ConnectivityCheckSpec,
    cadence: &Cadence,
    probes: &[ProbePlan],
) -> Result<Option<Arc<InspectionPlan>>, Fault> {
    let Some(service) = &spec.service else {
        return match spec.inspect {
            Some(_) => Err(invalid("spec.inspect", "it has a meaning only together with service: name the service")),
            None => Ok(None),
        };
    };
    let InspectSpec { interval, skip, connector, instance, network, connectivity_test } =
        spec.inspect.clone().unwrap_or_default();
    let (interval, pace) = match interval.map(Duration::from) {
        Some(interval) => (interval, Pace::Steady),
        None => (DEFAULT_INTERVAL, pace(cadence)),
    };
    if interval < LEAST_INTERVAL {
        let message = format!("{interval:?} is too often; the least is {LEAST_INTERVAL:?}");
        return Err(invalid("spec.inspect.interval", message));
    }
    // Without the others there is nothing that audit logs could explain.
    let read = |inspection: &Inspection| *inspection != Inspection::AuditLog && !skip.contains(inspection);
    if !Inspection::ALL.iter().any(read) {
        return Ok(None);
    }
    let mut places = Places::default();
    probes.iter().for_each(|probe| places.add(probe));
    Ok(Some(Arc::new(InspectionPlan {
        service: service.clone(),
        interval,
        pace,
        skip: skip.into_iter().collect(),
        connector: connector.map(Arc::from),
        instance: instance.map(Arc::from).or(places.instance),
        network: network.map(Arc::from),
        targets: places.targets.into(),
        connectivity_test,
    })))
}

/// Probes that run more often than the default interval need no reading each time; the others need none between two runs.
fn pace(cadence: &Cadence) -> Pace {
    match cadence {
        Cadence::Every(interval) if *interval <= DEFAULT_INTERVAL => Pace::Steady,
        Cadence::Every(_) | Cadence::Cron(_) | Cadence::Never => Pace::WithProbes,
    }
}

/// Where the probes of a check lead to.
#[derive(Default)]
struct Places {
    /// The first Cloud SQL instance that a probe names.
    instance: Option<Arc<str>>,
    /// Hosts with their ports, each once.
    targets: Vec<(Arc<str>, u16)>,
}

impl Places {
    fn add(&mut self, probe: &ProbePlan) {
        let Ok(action) = &probe.action else { return };
        match &**action {
            // A DNS server is no hop of the path, and a load repeats another probe.
            Action::Dns(_) | Action::Load(_) => {}
            Action::Tcp(action) => self.endpoint(&action.endpoint),
            Action::Tls(action) => self.endpoint(&action.endpoint),
            Action::Grpc(action) => self.endpoint(&action.endpoint),
            Action::Http(action) => self.endpoint(&action.to.endpoint),
            Action::Websocket(action) => self.endpoint(&action.to.endpoint),
            Action::Postgres(action) => self.way(&action.way),
            Action::Mysql(action) => self.way(&action.way),
            Action::Sqlserver(action) => self.way(&action.way),
            Action::Redis(action) => self.way(&action.way),
            Action::Journey(action) => action.steps.iter().for_each(|step| self.add(&step.probe)),
        }
    }

    fn way(&mut self, way: &Way) {
        match way {
            Way::Tcp(endpoint) => self.endpoint(endpoint),
            Way::CloudSql(instance) => _ = self.instance.get_or_insert_with(|| (*instance.name).into()),
            // Where an instance is attached to a service, its socket stands in a directory of that name.
            Way::Unix(socket) => {
                let attached = socket.path.strip_prefix("/cloudsql/").and_then(|rest| rest.split('/').next());
                if let Some(name) = attached.filter(|name| name.contains(':')) {
                    self.instance.get_or_insert_with(|| name.into());
                }
            }
        }
    }

    fn endpoint(&mut self, endpoint: &Endpoint) {
        self.target(&endpoint.host, endpoint.port);
    }

    fn target(&mut self, host: &str, port: u16) {
        let known = self.targets.iter().any(|(other, at)| (&**other, *at) == (host, port));
        if !known && self.targets.len() < MOST_TARGETS {
            self.targets.push((host.into(), port));
        }
    }
}
