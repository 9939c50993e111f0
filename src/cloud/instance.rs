//! A Cloud SQL instance and what was done to it lately (sqladmin v1, `instances` and `operations`). Data only.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::values::values;

values! {
    /// State of an instance (sqladmin v1, DatabaseInstance.state).
    InstanceState {
        /// The API does not say.
        Unspecified = "SQL_INSTANCE_STATE_UNSPECIFIED",
        /// Runs, or has been stopped by its owner: the activation policy tells.
        Runnable = "RUNNABLE",
        /// Not available, such as for a problem with billing.
        Suspended = "SUSPENDED",
        /// Is being deleted.
        PendingDelete = "PENDING_DELETE",
        /// Is being created.
        PendingCreate = "PENDING_CREATE",
        /// Down for maintenance.
        Maintenance = "MAINTENANCE",
        /// Its creation failed, or a fatal error occurred in maintenance.
        Failed = "FAILED",
        /// Under maintenance while it serves.
        OnlineMaintenance = "ONLINE_MAINTENANCE",
        /// Is being repaired.
        Repairing = "REPAIRING",
    }
}

values! {
    /// When an instance runs (sqladmin v1, Settings.activationPolicy).
    ActivationPolicy {
        /// The API does not say.
        Unspecified = "SQL_ACTIVATION_POLICY_UNSPECIFIED",
        /// Always.
        Always = "ALWAYS",
        /// Never: its owner has stopped it.
        Never = "NEVER",
        /// On demand (first generation).
        OnDemand = "ON_DEMAND",
    }
}

values! {
    /// Why an instance is suspended (sqladmin v1, DatabaseInstance.suspensionReason).
    SuspensionReason {
        /// The API does not say.
        Unspecified = "SQL_SUSPENSION_REASON_UNSPECIFIED",
        /// Billing.
        BillingIssue = "BILLING_ISSUE",
        /// A legal matter.
        LegalIssue = "LEGAL_ISSUE",
        /// An operational problem.
        OperationalIssue = "OPERATIONAL_ISSUE",
        /// The key that encrypts it can't be used.
        KmsKeyIssue = "KMS_KEY_ISSUE",
        /// The project violates the terms of service.
        ProjectAbuse = "PROJECT_ABUSE",
    }
}

values! {
    /// Whether the disk is full (sqladmin v1, SqlOutOfDiskReport.sqlOutOfDiskState).
    OutOfDisk {
        /// The API does not say.
        Unspecified = "SQL_OUT_OF_DISK_STATE_UNSPECIFIED",
        /// It is not.
        Normal = "NORMAL",
        /// It is: the instance was shut down for it.
        SoftShutdown = "SOFT_SHUTDOWN",
    }
}

values! {
    /// What connections an instance takes (sqladmin v1, IpConfiguration.sslMode).
    SslMode {
        /// The API does not say.
        Unspecified = "SSL_MODE_UNSPECIFIED",
        /// Any.
        AllowUnencryptedAndEncrypted = "ALLOW_UNENCRYPTED_AND_ENCRYPTED",
        /// TLS alone.
        EncryptedOnly = "ENCRYPTED_ONLY",
        /// TLS with a client certificate, or a connector.
        TrustedClientCertificateRequired = "TRUSTED_CLIENT_CERTIFICATE_REQUIRED",
    }
}

values! {
    /// Whether connections must come through a connector or the Auth Proxy (sqladmin v1, Settings.connectorEnforcement).
    ConnectorEnforcement {
        /// The API does not say.
        Unspecified = "CONNECTOR_ENFORCEMENT_UNSPECIFIED",
        /// They need not.
        NotRequired = "NOT_REQUIRED",
        /// They must.
        Required = "REQUIRED",
    }
}

values! {
    /// Type of an address (sqladmin v1, IpMapping.type).
    AddressType {
        /// The API does not say.
        Unspecified = "SQL_IP_ADDRESS_TYPE_UNSPECIFIED",
        /// The public address.
        Primary = "PRIMARY",
        /// Outgoing connections of the instance come from it.
        Outgoing = "OUTGOING",
        /// The address in the VPC network.
        Private = "PRIVATE",
        /// Of a first generation instance.
        Migrated1stGen = "MIGRATED_1ST_GEN",
    }
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Instance {
    /// PROJECT:REGION:INSTANCE.
    pub connection_name: String,
    /// Region.
    pub region: String,
    /// Such as POSTGRES_16.
    #[serde(default)]
    pub database_version: String,
    /// State.
    pub state: InstanceState,
    /// When it runs.
    pub activation_policy: ActivationPolicy,
    /// Why it is suspended, if it is.
    #[serde(default)]
    pub suspension_reason: Vec<SuspensionReason>,
    /// Whether the disk is full.
    #[serde(default)]
    pub out_of_disk: Option<OutOfDisk>,
    /// Size of the disk in GB.
    #[serde(default)]
    pub disk_size_gb: Option<i64>,
    /// Whether the disk grows by itself.
    #[serde(default)]
    pub storage_auto_resize: Option<bool>,
    /// Machine, such as db-custom-2-7680.
    #[serde(default)]
    pub tier: String,
    /// ZONAL or REGIONAL (highly available).
    #[serde(default)]
    pub availability_type: String,
    /// CLOUD_SQL_INSTANCE, READ_REPLICA_INSTANCE or ON_PREMISES_INSTANCE.
    #[serde(default)]
    pub instance_type: String,
    /// Its addresses.
    #[serde(default)]
    pub ip_addresses: Vec<Address>,
    /// Whether it has a public address.
    #[serde(default)]
    pub ipv4_enabled: bool,
    /// The network that its private address is in: projects/PROJECT/global/networks/NETWORK.
    #[serde(default)]
    pub private_network: Option<String>,
    /// The range that its private address is taken from, by name.
    #[serde(default)]
    pub allocated_ip_range: Option<String>,
    /// What connections it takes.
    #[serde(default)]
    pub ssl_mode: Option<SslMode>,
    /// Ranges that may reach its public address.
    #[serde(default)]
    pub authorized_networks: Vec<String>,
    /// Whether it takes Private Service Connect.
    #[serde(default)]
    pub psc_enabled: bool,
    /// Whether connections must come through a connector.
    #[serde(default)]
    pub connector_enforcement: Option<ConnectorEnforcement>,
    /// When the next maintenance begins, if one is planned.
    #[serde(default)]
    pub scheduled_maintenance: Option<Timestamp>,
    /// Database flags, by name.
    #[serde(default)]
    pub flags: std::collections::BTreeMap<String, String>,
    /// What was done to it lately, the latest first.
    #[serde(default)]
    pub operations: Vec<Operation>,
}

/// An address of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Address {
    /// Type.
    #[serde(rename = "type")]
    pub kind: AddressType,
    /// Address.
    pub ip_address: String,
}

/// Something that was done to an instance (sqladmin v1, Operation).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// RESTART, FAILOVER, UPDATE, MAINTENANCE ...
    pub operation_type: String,
    /// PENDING, RUNNING or DONE.
    pub status: String,
    /// When it began.
    #[serde(default)]
    pub start_time: Option<Timestamp>,
    /// When it ended.
    #[serde(default)]
    pub end_time: Option<Timestamp>,
    /// Who asked for it.
    #[serde(default)]
    pub user: String,
    /// What went wrong, if anything.
    #[serde(default)]
    pub error: Option<String>,
}
