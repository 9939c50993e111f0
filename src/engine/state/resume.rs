//! What a check's last status tells a process that has just started. Pure.

use super::Track;
use crate::api::ConnectivityCheckStatus;
use crate::api::condition::{ConditionStatus, ConditionType};
use crate::api::status::ProbeStatus;
use crate::plan::{CheckPlan, ProbePlan};

/// The generation that a status speaks of, unless it only announces that this one is being observed.
pub fn generation(status: &ConnectivityCheckStatus) -> Option<i64> {
    let announced = status.conditions.iter().any(|condition| {
        condition.type_ == ConditionType::Reconciling.as_str() && condition.status == ConditionStatus::True
    });
    status.observed_generation.filter(|seen| *seen >= 0 && !announced)
}

/// What is known of the plan's probes, in its order, from what was seen at the same place.
pub fn tracks(plan: &CheckPlan, resume: Option<&ConnectivityCheckStatus>, vantage: &str) -> Box<[Track]> {
    let known = |probe: &ProbePlan| {
        let same = |status: &&ProbeStatus| *status.name == *probe.name && *status.target == *probe.target;
        resume?.probes.iter().find(same).filter(|status| same_place(&status.vantage, vantage))
    };
    plan.probes.iter().map(|probe| known(probe).map(Track::resume).unwrap_or_default()).collect()
}

/// Whether what was seen from one vantage holds for the other: pods of one namespace take each other's place, at every
/// rollout and change of leader. Another host, or a service on Cloud Run, sees another network.
fn same_place(one: &str, other: &str) -> bool {
    one == other || pods_of(one).is_some_and(|namespace| pods_of(other) == Some(namespace))
}

/// The namespace of a vantage that is a pod.
fn pods_of(vantage: &str) -> Option<&str> {
    Some(vantage.strip_prefix("pod/")?.split_once('/')?.0)
}
