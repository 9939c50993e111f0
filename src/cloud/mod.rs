//! What Google Cloud itself says of the hops of a path, as plain data: no I/O, no client, no clock.
//!
//! The names are those of Google's REST APIs in Rust's spelling; each object's file names the API. A [`Picture`] is everything
//! that was read for one check at one time. What was not read is never taken for healthy: a [`Reading`] says why.

pub mod access;
pub mod change;
pub mod connector;
pub mod drift;
pub mod health;
pub mod instance;
pub mod logs;
pub mod metrics;
pub mod name;
pub mod network;
pub mod reading;
pub mod service;
pub mod test;
mod values;
pub mod zones;

use serde::{Deserialize, Serialize};

pub use access::Access;
pub use change::{Change, Subject};
pub use connector::Connector;
pub use drift::Drift;
pub use health::HealthEvent;
pub use instance::Instance;
pub use logs::LogSignature;
pub use metrics::Metrics;
pub use network::Network;
pub use reading::{Absent, Reading, Unread, Why};
pub use service::{Revision, Service};
pub use test::ConnectivityTest;
pub use zones::{Zone, Zones};

/// What can be inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Inspection {
    /// The Cloud Run service.
    Service,
    /// Its latest ready and its latest created revision.
    Revisions,
    /// The Serverless VPC Access connector that it goes out by.
    Connector,
    /// The Cloud SQL instance.
    Instance,
    /// The VPC network: subnets, routes, firewall rules, peerings.
    Network,
    /// The private DNS zones of the network.
    DnsZones,
    /// A connectivity test of Network Intelligence Center. Only where it is asked for: it creates and deletes an object.
    ConnectivityTest,
    /// Events of Personalized Service Health.
    ServiceHealth,
    /// Log entries of the service, counted by what they say.
    Logs,
    /// Metrics of the connector and the instance.
    Metrics,
    /// Whether the service's account may connect to the instance.
    Access,
    /// Who changed what differs from the baseline, by Cloud Audit Logs. Read only while something does.
    AuditLog,
}

impl Inspection {
    /// Every inspection, in the order of the path.
    pub const ALL: [Inspection; 12] = [
        Inspection::Service,
        Inspection::Revisions,
        Inspection::Connector,
        Inspection::Instance,
        Inspection::Network,
        Inspection::DnsZones,
        Inspection::ConnectivityTest,
        Inspection::ServiceHealth,
        Inspection::Logs,
        Inspection::Metrics,
        Inspection::Access,
        Inspection::AuditLog,
    ];

    /// The name used in spec, status and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Inspection::Service => "Service",
            Inspection::Revisions => "Revisions",
            Inspection::Connector => "Connector",
            Inspection::Instance => "Instance",
            Inspection::Network => "Network",
            Inspection::DnsZones => "DnsZones",
            Inspection::ConnectivityTest => "ConnectivityTest",
            Inspection::ServiceHealth => "ServiceHealth",
            Inspection::Logs => "Logs",
            Inspection::Metrics => "Metrics",
            Inspection::Access => "Access",
            Inspection::AuditLog => "AuditLog",
        }
    }

    /// The role that lets runready's account read it, as `gcloud projects add-iam-policy-binding --role` takes it.
    pub const fn role(self) -> &'static str {
        match self {
            Inspection::Service | Inspection::Revisions => "roles/run.viewer",
            Inspection::Connector => "roles/vpcaccess.viewer",
            Inspection::Instance => "roles/cloudsql.viewer",
            Inspection::Network => "roles/compute.networkViewer",
            Inspection::DnsZones => "roles/dns.reader",
            Inspection::ConnectivityTest => "roles/networkmanagement.admin",
            Inspection::ServiceHealth => "roles/servicehealth.viewer",
            Inspection::Logs | Inspection::AuditLog => "roles/logging.viewer",
            Inspection::Metrics => "roles/monitoring.viewer",
            Inspection::Access => "roles/iam.securityReviewer",
        }
    }

    /// The API that it is read from, as `gcloud services enable` takes it.
    pub const fn api(self) -> &'static str {
        match self {
            Inspection::Service | Inspection::Revisions => "run.googleapis.com",
            Inspection::Connector => "vpcaccess.googleapis.com",
            Inspection::Instance => "sqladmin.googleapis.com",
            Inspection::Network => "compute.googleapis.com",
            Inspection::DnsZones => "dns.googleapis.com",
            Inspection::ConnectivityTest => "networkmanagement.googleapis.com",
            Inspection::ServiceHealth => "servicehealth.googleapis.com",
            Inspection::Logs | Inspection::AuditLog => "logging.googleapis.com",
            Inspection::Metrics => "monitoring.googleapis.com",
            Inspection::Access => "cloudresourcemanager.googleapis.com",
        }
    }
}

impl std::fmt::Display for Inspection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// Everything that was read for one check, at one time. What several checks name is read once and shared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Picture {
    /// The Cloud Run service.
    pub service: Reading<Service>,
    /// The revision that serves: `latestReadyRevision`.
    pub ready_revision: Reading<Revision>,
    /// The revision that was deployed last: `latestCreatedRevision`. Absent when it is the one that serves.
    pub created_revision: Reading<Revision>,
    /// The connector.
    pub connector: Reading<Connector>,
    /// The Cloud SQL instance.
    pub instance: Reading<Instance>,
    /// The VPC network.
    pub network: Reading<Network>,
    /// The private zones of the network.
    pub dns_zones: Reading<Zones>,
    /// What a connectivity test found.
    pub connectivity_test: Reading<ConnectivityTest>,
    /// What Google says about its own health, for the project.
    pub service_health: Reading<Vec<HealthEvent>>,
    /// What the service's log says.
    pub logs: Reading<Vec<LogSignature>>,
    /// Figures of connector and instance.
    pub metrics: Reading<Metrics>,
    /// Whether the service's account may connect.
    pub access: Reading<Access>,
    /// What audit logs tell of each object that was looked up.
    pub audit_log: Vec<Reading<Vec<Change>>>,
}

impl Picture {
    /// The service's way into a network, where it was read and has one.
    pub fn vpc_access(&self) -> Option<&service::VpcAccess> {
        self.service.object()?.template.vpc_access.as_ref()
    }

    /// Each reading without its object: which inspection, of what, how it went. Revisions are two; of the audit logs' the first that
    /// failed stands for all.
    pub fn readings(&self) -> [(Inspection, Reading<()>); 13] {
        [
            (Inspection::Service, self.service.bare()),
            (Inspection::Revisions, self.ready_revision.bare()),
            (Inspection::Revisions, self.created_revision.bare()),
            (Inspection::Connector, self.connector.bare()),
            (Inspection::Instance, self.instance.bare()),
            (Inspection::Network, self.network.bare()),
            (Inspection::DnsZones, self.dns_zones.bare()),
            (Inspection::ConnectivityTest, self.connectivity_test.bare()),
            (Inspection::ServiceHealth, self.service_health.bare()),
            (Inspection::Logs, self.logs.bare()),
            (Inspection::Metrics, self.metrics.bare()),
            (Inspection::Access, self.access.bare()),
            (Inspection::AuditLog, self.audit_log()),
        ]
    }

    fn audit_log(&self) -> Reading<()> {
        let failed = self.audit_log.iter().find(|reading| reading.unread().is_some());
        failed.or(self.audit_log.first()).map(Reading::bare).unwrap_or_default()
    }
}
