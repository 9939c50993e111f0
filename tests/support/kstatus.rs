//! The published rules of kstatus (sigs.k8s.io/cli-utils, pkg/kstatus) for resources of a kind it does not know: from
//! generation and conditions to one word. Pure.

use runready::api::ConnectivityCheckStatus;
use runready::api::condition::ConditionStatus;

/// What kstatus makes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kstatus {
    /// It is on its way.
    InProgress,
    /// It has given up.
    Failed,
    /// It is as it should be.
    Current,
}

/// Applies the rules in their order: observedGeneration, Reconciling, Stalled, Ready.
pub fn kstatus(generation: i64, status: &ConnectivityCheckStatus) -> Kstatus {
    let condition = |name: &str| {
        status.conditions.iter().find(|condition| condition.type_ == name).map(|condition| condition.status)
    };
    if status.observed_generation.is_some_and(|observed| observed != generation) {
        return Kstatus::InProgress;
    }
    if condition("Reconciling") == Some(ConditionStatus::True) {
        return Kstatus::InProgress;
    }
    if condition("Stalled") == Some(ConditionStatus::True) {
        return Kstatus::Failed;
    }
    match condition("Ready") {
        Some(ConditionStatus::False | ConditionStatus::Unknown) => Kstatus::InProgress,
        Some(ConditionStatus::True) | None => Kstatus::Current,
    }
}
