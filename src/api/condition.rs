//! Condition types and reasons, after the Kubernetes API conventions and kstatus. Data only.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

use super::cause::Cause;
use crate::cloud::Why;

/// The conditions that a check can have, in the order in which they stand in the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// The path can carry the service's traffic.
    Ready,
    /// The current spec has not been observed yet (kstatus).
    Reconciling,
    /// The current spec can't run as it stands (kstatus).
    Stalled,
    /// The check's database probes.
    DatabaseReachable,
    /// The check's network probes: tcp, tls and dns.
    NetworkReachable,
    /// The check's http probes.
    EndpointsServing,
    /// The check's loads.
    SustainsLoad,
    /// The check's journeys: a user's way through the service.
    GoldenPathAvailable,
    /// What the check's probes take, against the time that the service grants itself to come up.
    StartsWithinBudget,
    /// What Google Cloud itself says of the hops of the path.
    InfrastructureHealthy,
    /// The path's configuration, against the one with which it worked.
    ConfigurationConsistent,
}

impl ConditionType {
    /// Every type, in order.
    pub const ALL: [ConditionType; 11] = [
        ConditionType::Ready,
        ConditionType::Reconciling,
        ConditionType::Stalled,
        ConditionType::DatabaseReachable,
        ConditionType::NetworkReachable,
        ConditionType::EndpointsServing,
        ConditionType::SustainsLoad,
        ConditionType::GoldenPathAvailable,
        ConditionType::StartsWithinBudget,
        ConditionType::InfrastructureHealthy,
        ConditionType::ConfigurationConsistent,
    ];

    /// The name used in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConditionType::Ready => "Ready",
            ConditionType::Reconciling => "Reconciling",
            ConditionType::Stalled => "Stalled",
            ConditionType::DatabaseReachable => "DatabaseReachable",
            ConditionType::NetworkReachable => "NetworkReachable",
            ConditionType::EndpointsServing => "EndpointsServing",
            ConditionType::SustainsLoad => "SustainsLoad",
            ConditionType::GoldenPathAvailable => "GoldenPathAvailable",
            ConditionType::StartsWithinBudget => "StartsWithinBudget",
            ConditionType::InfrastructureHealthy => "InfrastructureHealthy",
            ConditionType::ConfigurationConsistent => "ConfigurationConsistent",
        }
    }

    /// The type of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It can't be told.
    Unknown,
}

impl ConditionStatus {
    /// The name used in status.
    pub const fn as_str(self) -> &'static str {
        match self {
            ConditionStatus::True => "True",
            ConditionStatus::False => "False",
            ConditionStatus::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for ConditionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a condition has its status: a cause, or one of a few words of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Everything that was observed is healthy.
    Healthy,
    /// A first observation is under way.
    Probing,
    /// A failure was seen, but not often enough in a row yet.
    Confirming,
    /// `suspend` is set.
    Suspended,
    /// What a probe depends on fails, and nothing else is known.
    DependencyFailing,
    /// It is not known yet which configuration works.
    Learning,
    /// The configuration is another than the one that worked.
    Drifted,
    /// Something in Google Cloud could not be read, for this.
    Unread(Why),
    /// The cause speaks for itself.
    Because(Cause),
}

impl Reason {
    /// The name used in status and events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Healthy => "Healthy",
            Reason::Probing => "Probing",
            Reason::Confirming => "Confirming",
            Reason::Suspended => "Suspended",
            Reason::DependencyFailing => "DependencyFailing",
            Reason::Learning => "Learning",
            Reason::Drifted => "Drifted",
            Reason::Unread(why) => why.as_str(),
            Reason::Because(cause) => cause.as_str(),
        }
    }

    /// The reason of that name, if there is one.
    pub fn from_name(name: &str) -> Option<Self> {
        let own = [
            Reason::Healthy,
            Reason::Probing,
            Reason::Confirming,
            Reason::Suspended,
            Reason::DependencyFailing,
            Reason::Learning,
            Reason::Drifted,
        ];
        let unread = Why::ALL.into_iter().map(Reason::Unread);
        let causes = Cause::ALL.iter().copied().map(Reason::Because);
        own.into_iter().chain(unread).chain(causes).find(|reason| reason.as_str() == name)
    }

    /// Whether it says only that an answer is on its way, or that nobody can ask for one here, which nobody need be told.
    pub const fn is_passing(self) -> bool {
        match self {
            Reason::Probing | Reason::Confirming | Reason::Learning => true,
            Reason::Unread(why) => matches!(why, Why::NoCredentials | Why::Throttled | Why::Unavailable),
            Reason::Healthy | Reason::Suspended | Reason::DependencyFailing | Reason::Drifted | Reason::Because(_) => {
                false
            }
        }
    }

    /// Whether it calls for no attention.
    pub const fn is_fine(self) -> bool {
        matches!(self, Reason::Healthy | Reason::Suspended)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One aspect of the check's state (the shape of `metav1.Condition`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Ready, Reconciling, Stalled, DatabaseReachable, NetworkReachable, EndpointsServing, GoldenPathAvailable, SustainsLoad, StartsWithinBudget, InfrastructureHealthy or ConfigurationConsistent.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// True, False or Unknown.
    pub status: ConditionStatus,
    /// The generation that was observed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When the status last changed.
    #[schemars(schema_with = "super::status::time")]
    pub last_transition_time: Time,
    /// A word for programs: a cause such as ConnectTimeout, or Healthy, Probing, Confirming, Suspended, DependencyFailing, Learning, Drifted, or why Google could not be asked.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// A sentence for people.
    #[schemars(length(max = 32768))]
    pub message: String,
}
