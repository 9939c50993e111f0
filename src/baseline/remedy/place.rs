//! Where Config Connector and Terraform declare a field, and how its value is written there. Pure.

use serde_json::{Value, json};

use super::template;
use crate::cloud::Inspection;

/// How a value is written.
#[derive(Clone, Copy)]
pub enum As {
    /// As it is.
    Text,
    /// A whole number.
    Number,
    /// true or false.
    Bool,
    /// Separated by commas.
    List,
    /// Entries that refer to something by name, separated by commas.
    References,
    /// Entries that hold nothing but a value, separated by commas.
    Values,
    /// A start-up probe.
    Probe,
    /// Shares of the requests, separated by commas.
    Traffic,
}

/// A field, where Config Connector has it (below spec), and where Terraform has it.
pub type Place = (&'static str, &'static str, &'static str, As);

const SERVICE: [Place; 13] = [
    ("vpcAccess.connector", "template.vpcAccess.connectorRef.external", "template.vpc_access.connector", As::Text),
    ("vpcAccess.egress", "template.vpcAccess.egress", "template.vpc_access.egress", As::Text),
    (
        "vpcAccess.networkInterfaces[0].network",
        "template.vpcAccess.networkInterfaces[].networkRef.external",
        "template.vpc_access.network_interfaces.network",
        As::Text,
    ),
    (
        "vpcAccess.networkInterfaces[0].subnetwork",
        "template.vpcAccess.networkInterfaces[].subnetworkRef.external",
        "template.vpc_access.network_interfaces.subnetwork",
        As::Text,
    ),
    (
        "vpcAccess.networkInterfaces[0].tags",
        "template.vpcAccess.networkInterfaces[].tags",
        "template.vpc_access.network_interfaces.tags",
        As::List,
    ),
    (
        "cloudSqlInstances",
        "template.volumes[].cloudSqlInstance.instances",
        "template.volumes.cloud_sql_instance.instances",
        As::References,
    ),
    ("timeout", "template.timeout", "template.timeout", As::Text),
    ("serviceAccount", "template.serviceAccountRef.external", "template.service_account", As::Text),
    (
        "containerPort",
        "template.containers[].ports[].containerPort",
        "template.containers.ports.container_port",
        As::Number,
    ),
    (
        "scaling.minInstanceCount",
        "template.scaling.minInstanceCount",
        "template.scaling.min_instance_count",
        As::Number,
    ),
    (
        "scaling.maxInstanceCount",
        "template.scaling.maxInstanceCount",
        "template.scaling.max_instance_count",
        As::Number,
    ),
    ("startupProbe", "template.containers[].startupProbe", "template.containers.startup_probe", As::Probe),
    ("traffic", "traffic", "traffic", As::Traffic),
];

const CONNECTOR: [Place; 7] = [
    ("machineType", "machineType", "machine_type", As::Text),
    ("minInstances", "minInstances", "min_instances", As::Number),
    ("maxInstances", "maxInstances", "max_instances", As::Number),
    ("network", "networkRef.external", "network", As::Text),
    ("ipCidrRange", "ipCidrRange", "ip_cidr_range", As::Text),
    ("subnet.name", "subnet.nameRef.external", "subnet.name", As::Text),
    ("subnet.projectId", "subnet.projectRef.external", "subnet.project_id", As::Text),
];

const INSTANCE: [Place; 13] = [
    ("databaseVersion", "databaseVersion", "database_version", As::Text),
    ("settings.activationPolicy", "settings.activationPolicy", "settings.activation_policy", As::Text),
    ("settings.tier", "settings.tier", "settings.tier", As::Text),
    ("settings.availabilityType", "settings.availabilityType", "settings.availability_type", As::Text),
    ("settings.connectorEnforcement", "settings.connectorEnforcement", "settings.connector_enforcement", As::Text),
    ("settings.dataDiskSizeGb", "settings.diskSize", "settings.disk_size", As::Number),
    ("settings.storageAutoResize", "settings.diskAutoresize", "settings.disk_autoresize", As::Bool),
    (
        "settings.ipConfiguration.ipv4Enabled",
        "settings.ipConfiguration.ipv4Enabled",
        "settings.ip_configuration.ipv4_enabled",
        As::Bool,
    ),
    (
        "settings.ipConfiguration.privateNetwork",
        "settings.ipConfiguration.privateNetworkRef.external",
        "settings.ip_configuration.private_network",
        As::Text,
    ),
    (
        "settings.ipConfiguration.sslMode",
        "settings.ipConfiguration.sslMode",
        "settings.ip_configuration.ssl_mode",
        As::Text,
    ),
    (
        "settings.ipConfiguration.allocatedIpRange",
        "settings.ipConfiguration.allocatedIpRange",
        "settings.ip_configuration.allocated_ip_range",
        As::Text,
    ),
    (
        "settings.ipConfiguration.authorizedNetworks",
        "settings.ipConfiguration.authorizedNetworks",
        "settings.ip_configuration.authorized_networks",
        As::Values,
    ),
    (
        "settings.ipConfiguration.pscConfig.pscEnabled",
        "settings.ipConfiguration.pscConfig[].pscEnabled",
        "settings.ip_configuration.psc_config.psc_enabled",
        As::Bool,
    ),
];

/// A kind of object in both worlds.
pub struct Kind {
    /// Group and version of Config Connector's resource.
    pub api_version: &'static str,
    /// What Config Connector calls it.
    pub kind: &'static str,
    /// What Terraform calls it.
    pub resource: &'static str,
    /// What Terraform calls where it is. Empty: it needs none.
    pub location: &'static str,
    /// The fields that are declared in it.
    pub places: &'static [Place],
}

impl Kind {
    /// A kind that one thing of a larger object is declared as.
    pub const fn part(api_version: &'static str, kind: &'static str, resource: &'static str) -> Kind {
        Kind { api_version, kind, resource, location: "", places: &[] }
    }
}

/// The kind of object that an inspection shows. None: it is no single object, or none that is declared.
pub const fn kind(inspection: Inspection) -> Option<Kind> {
    match inspection {
        Inspection::Service => Some(Kind {
            api_version: "run.cnrm.cloud.google.com/v1beta1",
            kind: "RunService",
            resource: "google_cloud_run_v2_service",
            location: "location",
            places: &SERVICE,
        }),
        Inspection::Connector => Some(Kind {
            api_version: "vpcaccess.cnrm.cloud.google.com/v1beta1",
            kind: "VPCAccessConnector",
            resource: "google_vpc_access_connector",
            location: "region",
            places: &CONNECTOR,
        }),
        Inspection::Instance => Some(Kind {
            api_version: "sql.cnrm.cloud.google.com/v1beta1",
            kind: "SQLInstance",
            resource: "google_sql_database_instance",
            location: "",
            places: &INSTANCE,
        }),
        Inspection::Network
        | Inspection::Revisions
        | Inspection::DnsZones
        | Inspection::ConnectivityTest
        | Inspection::ServiceHealth
        | Inspection::Logs
        | Inspection::Metrics
        | Inspection::Access
        | Inspection::AuditLog => None,
    }
}

/// Terraform names what Config Connector refers to.
pub const fn terraform_way(how: As) -> As {
    match how {
        As::References => As::List,
        As::Text | As::Number | As::Bool | As::List | As::Values | As::Probe | As::Traffic => how,
    }
}

/// A value as it is written. None: it was not set, or is none of that sort.
pub fn value(was: &str, how: As) -> Option<Value> {
    let entries = || was.split(',').filter(|entry| !entry.is_empty());
    match how {
        As::Text => Some(json!(was)).filter(|_| !was.is_empty()),
        As::Number => was.parse::<i64>().ok().map(Value::from),
        As::Bool => was.parse::<bool>().ok().map(Value::from),
        As::List => Some(entries().map(|entry| json!(entry)).collect()).filter(|_| !was.is_empty()),
        As::References => Some(entries().map(|entry| json!({"external": entry})).collect()).filter(|_| !was.is_empty()),
        As::Values => Some(entries().map(|entry| json!({"value": entry})).collect()).filter(|_| !was.is_empty()),
        As::Probe => template::probe(was),
        As::Traffic => template::traffic(was),
    }
}
