//! What a connectivity test found (networkmanagement v1, `projects.locations.global.connectivityTests`). Data only.

use serde::{Deserialize, Serialize};

use super::values::values;

values! {
    /// What a test of configuration came to (networkmanagement v1, ReachabilityDetails.result).
    TestResult {
        /// The API does not say.
        Unspecified = "RESULT_UNSPECIFIED",
        /// Packets would arrive.
        Reachable = "REACHABLE",
        /// They would not.
        Unreachable = "UNREACHABLE",
        /// Some would.
        Ambiguous = "AMBIGUOUS",
        /// It can't be told.
        Undetermined = "UNDETERMINED",
    }
}

values! {
    /// What probing came to (networkmanagement v1, ProbingDetails.result).
    ProbingResult {
        /// The API does not say.
        Unspecified = "PROBING_RESULT_UNSPECIFIED",
        /// Most packets arrived.
        Reachable = "REACHABLE",
        /// None did.
        Unreachable = "UNREACHABLE",
        /// Some did.
        Inconsistent = "REACHABILITY_INCONSISTENT",
        /// It can't be told.
        Undetermined = "UNDETERMINED",
    }
}

/// What a test found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConnectivityTest {
    /// From what the configuration says.
    pub result: TestResult,
    /// From packets that were sent, if any were.
    #[serde(default)]
    pub probing: Option<ProbingResult>,
    /// Why packets are dropped (DropInfo.cause), by trace.
    #[serde(default)]
    pub drop_causes: Vec<Stop>,
    /// Why the analysis ended early (AbortInfo.cause), by trace.
    #[serde(default)]
    pub abort_causes: Vec<Stop>,
}

/// Where a trace ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    /// The cause, as the API spells it, such as VPC_CONNECTOR_NOT_RUNNING.
    pub cause: String,
    /// The object at which it happened, if the API names one.
    #[serde(default)]
    pub resource: String,
}
