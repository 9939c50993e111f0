//! A Cloud Run service and its revisions (run v2, `projects.locations.services`). Data only.
//!
//! Of the environment only what speaks of the path is kept (see [`Setting`]): a variable's value may be a secret.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::values::values;

values! {
    /// State of a condition (run v2, GoogleCloudRunV2Condition.state).
    ConditionState {
        /// The API does not say.
        Unspecified = "STATE_UNSPECIFIED",
        /// Not begun yet.
        Pending = "CONDITION_PENDING",
        /// On its way.
        Reconciling = "CONDITION_RECONCILING",
        /// It does not hold.
        Failed = "CONDITION_FAILED",
        /// It holds.
        Succeeded = "CONDITION_SUCCEEDED",
    }
}

values! {
    /// How grave a condition that does not hold is (run v2, GoogleCloudRunV2Condition.severity).
    ConditionSeverity {
        /// The API does not say.
        Unspecified = "SEVERITY_UNSPECIFIED",
        /// It keeps the object from being ready.
        Error = "ERROR",
        /// It does not.
        Warning = "WARNING",
        /// It says something only.
        Info = "INFO",
    }
}

values! {
    /// Why a condition has its state (run v2, GoogleCloudRunV2Condition.reason and revisionReason, taken together).
    ConditionReason {
        /// Not known.
        Unknown = "UNKNOWN",
        /// The revision failed.
        RevisionFailed = "REVISION_FAILED",
        /// It took too long.
        ProgressDeadlineExceeded = "PROGRESS_DEADLINE_EXCEEDED",
        /// The container image is missing.
        ContainerMissing = "CONTAINER_MISSING",
        /// The image may not be read.
        ContainerPermissionDenied = "CONTAINER_PERMISSION_DENIED",
        /// Binary Authorization refuses the image.
        ContainerImageUnauthorized = "CONTAINER_IMAGE_UNAUTHORIZED",
        /// Binary Authorization could not be asked.
        ContainerImageAuthorizationCheckFailed = "CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED",
        /// The key may not be used.
        EncryptionKeyPermissionDenied = "ENCRYPTION_KEY_PERMISSION_DENIED",
        /// The key could not be checked.
        EncryptionKeyCheckFailed = "ENCRYPTION_KEY_CHECK_FAILED",
        /// A Secret can't be read.
        SecretsAccessCheckFailed = "SECRETS_ACCESS_CHECK_FAILED",
        /// Waits for an operation.
        WaitingForOperation = "WAITING_FOR_OPERATION",
        /// Is tried again at once.
        ImmediateRetry = "IMMEDIATE_RETRY",
        /// Is tried again later.
        PostponedRetry = "POSTPONED_RETRY",
        /// A failure of Cloud Run's own.
        Internal = "INTERNAL",
        /// The VPC network does not exist.
        VpcNetworkNotFound = "VPC_NETWORK_NOT_FOUND",
        /// Revision: not begun yet.
        Pending = "PENDING",
        /// Revision: kept in reserve.
        Reserve = "RESERVE",
        /// Revision: retired.
        Retired = "RETIRED",
        /// Revision: is being retired.
        Retiring = "RETIRING",
        /// Revision: is being created anew.
        Recreating = "RECREATING",
        /// Revision: the container did not come up, or its start-up probe failed.
        HealthCheckContainerError = "HEALTH_CHECK_CONTAINER_ERROR",
        /// Revision: waits for an answer at a path of its own.
        CustomizedPathResponsePending = "CUSTOMIZED_PATH_RESPONSE_PENDING",
        /// Revision: the least number of instances was not reached.
        MinInstancesNotProvisioned = "MIN_INSTANCES_NOT_PROVISIONED",
        /// Revision: too many active revisions.
        ActiveRevisionLimitReached = "ACTIVE_REVISION_LIMIT_REACHED",
        /// Revision: no deployment.
        NoDeployment = "NO_DEPLOYMENT",
        /// Revision: its health was not checked.
        HealthCheckSkipped = "HEALTH_CHECK_SKIPPED",
        /// Revision: the least number of instances is being started.
        MinInstancesWarming = "MIN_INSTANCES_WARMING",
    }
}

values! {
    /// What goes out by the VPC network (run v2, VpcAccess.egress).
    VpcEgress {
        /// The API does not say: private ranges alone.
        Unspecified = "VPC_EGRESS_UNSPECIFIED",
        /// Everything.
        AllTraffic = "ALL_TRAFFIC",
        /// Private ranges alone.
        PrivateRangesOnly = "PRIVATE_RANGES_ONLY",
    }
}

/// A service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Its URL.
    #[serde(default)]
    pub uri: String,
    /// Whether Cloud Run still carries out a change.
    #[serde(default)]
    pub reconciling: bool,
    /// Its conditions, the terminal one (Ready) among them.
    #[serde(default)]
    pub conditions: Vec<RunCondition>,
    /// What revisions are made from.
    pub template: Template,
    /// Where requests go.
    #[serde(default)]
    pub traffic: Vec<Traffic>,
    /// Name of the revision that is ready, without path.
    #[serde(default)]
    pub latest_ready_revision: String,
    /// Name of the revision that was made last, without path.
    #[serde(default)]
    pub latest_created_revision: String,
    /// Who changed it last.
    #[serde(default)]
    pub last_modifier: String,
    /// When it was changed last.
    #[serde(default)]
    pub update_time: Option<Timestamp>,
}

/// A revision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Revision {
    /// Name, without path.
    pub name: String,
    /// When it was made.
    #[serde(default)]
    pub create_time: Option<Timestamp>,
    /// Its conditions: Ready, ResourcesAvailable, ContainerHealthy, Active ...
    #[serde(default)]
    pub conditions: Vec<RunCondition>,
    /// What it is made of.
    pub template: Template,
}

/// What a revision is made of, as far as the path is concerned.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Template {
    /// The way into a VPC network.
    pub vpc_access: Option<VpcAccess>,
    /// Cloud SQL instances that are mounted below /cloudsql: PROJECT:REGION:INSTANCE.
    pub cloud_sql_instances: Vec<String>,
    /// What the environment says of the path.
    pub settings: Vec<Setting>,
    /// How the container's start is watched.
    pub startup_probe: Option<StartupProbe>,
    /// Limit for one request, in seconds.
    pub timeout_seconds: Option<u64>,
    /// The account that it runs as.
    pub service_account: String,
    /// Port that the container listens on.
    pub container_port: Option<u16>,
    /// Image of the first container.
    pub image: String,
    /// Least number of instances.
    pub min_instance_count: Option<i32>,
    /// Most instances.
    pub max_instance_count: Option<i32>,
}

/// The way into a VPC network: a connector, or interfaces of its own (Direct VPC egress).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VpcAccess {
    /// The connector's name in full, if it goes by one.
    #[serde(default)]
    pub connector: Option<String>,
    /// What goes by it.
    pub egress: VpcEgress,
    /// The interfaces of Direct VPC egress.
    #[serde(default)]
    pub network_interfaces: Vec<NetworkInterface>,
}

/// An interface of Direct VPC egress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkInterface {
    /// Network, by name or in full.
    #[serde(default)]
    pub network: String,
    /// Subnet, by name or in full.
    #[serde(default)]
    pub subnetwork: String,
    /// Network tags.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A variable of the environment that speaks of the path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Setting {
    /// The variable's name.
    pub variable: String,
    /// What it says.
    pub says: Says,
}

/// What a variable says of the path. Nothing else of it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Says {
    /// A Cloud SQL instance: PROJECT:REGION:INSTANCE.
    Instance(String),
    /// A host, such as 10.20.0.3, and a port if there is one.
    Host(String, Option<u16>),
    /// A time-out.
    Timeout(Duration),
    /// It comes from a Secret: the Secret's name and version.
    Secret(String),
}

/// How a container's start is watched (run v2, Probe).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartupProbe {
    /// Seconds before the first attempt.
    #[serde(default)]
    pub initial_delay_seconds: u32,
    /// Seconds that an attempt may take.
    pub timeout_seconds: u32,
    /// Seconds between attempts.
    pub period_seconds: u32,
    /// Attempts that may fail.
    pub failure_threshold: u32,
    /// What is tried: `tcp:8080`, `http:/healthz` or `grpc:SERVICE`.
    pub what: String,
}

impl StartupProbe {
    /// How long the container has to come up.
    pub fn budget(&self) -> Duration {
        let seconds =
            u64::from(self.initial_delay_seconds) + u64::from(self.period_seconds) * u64::from(self.failure_threshold);
        Duration::from_secs(seconds)
    }
}

/// A share of the requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Traffic {
    /// Name of the revision; empty: the latest that is ready.
    #[serde(default)]
    pub revision: String,
    /// Percent of the requests.
    pub percent: i32,
}

/// A condition of a service or a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RunCondition {
    /// Such as Ready, RoutesReady, ConfigurationsReady, ContainerHealthy.
    #[serde(rename = "type")]
    pub kind: String,
    /// State.
    pub state: ConditionState,
    /// How grave it is.
    #[serde(default)]
    pub severity: Option<ConditionSeverity>,
    /// Why.
    #[serde(default)]
    pub reason: Option<ConditionReason>,
    /// What Cloud Run says of it.
    #[serde(default)]
    pub message: String,
    /// Since when.
    #[serde(default)]
    pub last_transition_time: Option<Timestamp>,
}
