//! Where Config Connector and Terraform declare a field, and the fragments that set the known-good values there. Pure.

use serde_json::{Map, Value, json};

use super::fragment::{hcl, set};
use super::{Loss, Remedy};
use crate::cloud::Inspection;

/// How a value is written.
#[derive(Clone, Copy)]
enum As {
    Text,
    Number,
    Bool,
    /// Separated by commas.
    List,
    /// Entries that refer to something by name, separated by commas.
    References,
}

/// A field, where Config Connector has it (below spec), and where Terraform has it.
type Place = (&'static str, &'static str, &'static str, As);

const SERVICE: [Place; 11] = [
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

const INSTANCE: [Place; 10] = [
    ("databaseVersion", "databaseVersion", "database_version", As::Text),
    ("settings.activationPolicy", "settings.activationPolicy", "settings.activation_policy", As::Text),
    ("settings.tier", "settings.tier", "settings.tier", As::Text),
    ("settings.availabilityType", "settings.availabilityType", "settings.availability_type", As::Text),
    ("settings.connectorEnforcement", "settings.connectorEnforcement", "settings.connector_enforcement", As::Text),
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
];

/// A kind of object in both worlds.
struct Kind {
    api_version: &'static str,
    kind: &'static str,
    resource: &'static str,
    /// What Terraform calls where it is. Empty: it needs none.
    location: &'static str,
    places: &'static [Place],
}

const fn kind(inspection: Inspection) -> Option<Kind> {
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

/// Adds the fragments that declare what was.
pub fn fragments(inspection: Inspection, loss: &Loss<'_>, remedy: &mut Remedy) {
    if inspection == Inspection::Network {
        return peerings(loss, remedy);
    }
    let Some(Kind { api_version, kind, resource, location, places }) = kind(inspection) else { return };
    let (mut yaml, mut body) = (Value::Object(Map::new()), Value::Object(Map::new()));
    let mut removed: Vec<(&str, &str)> = Vec::new();
    let mut any = false;
    for (field, connector, terraform, how) in places {
        let Some(drift) = loss.fields.iter().find(|drift| drift.field == *field) else { continue };
        match drift.was.as_deref().and_then(|was| Some((value(was, *how)?, value(was, terraform_way(*how))?))) {
            Some((there, here)) => {
                any = true;
                set(&mut yaml, &format!("spec.{connector}"), there);
                set(&mut body, terraform, here);
            }
            None => removed.push((connector, terraform)),
        }
    }
    any |= flags(loss, &mut yaml, &mut body);
    if !any && removed.is_empty() {
        return;
    }
    let comment = |paths: Vec<&str>, root: &str| match &*paths {
        [] => String::new(),
        paths => {
            format!("# Remove: {}\n", paths.iter().map(|path| format!("{root}{path}")).collect::<Vec<_>>().join(", "))
        }
    };
    let name = loss.object.name;
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    if let (Value::Object(object), Value::Object(yaml)) = (&mut object, yaml) {
        object.extend(yaml);
    }
    let said = comment(removed.iter().map(|(connector, _)| *connector).collect(), "spec.");
    remedy.config_connector = serde_yaml::to_string(&object).ok().map(|yaml| said + &yaml);
    let mut whole = json!({"name": name});
    for (key, known) in [("project", loss.object.project), (location, loss.object.region)] {
        if let (Value::Object(map), true) = (&mut whole, !key.is_empty() && !known.is_empty()) {
            map.insert(key.to_owned(), json!(known));
        }
    }
    if let (Value::Object(whole), Value::Object(body)) = (&mut whole, body) {
        whole.extend(body);
    }
    let said = comment(removed.iter().map(|(_, terraform)| *terraform).collect(), "");
    remedy.terraform = Some(said + &hcl(resource, name, &whole));
}

/// Database flags, which both declare as a list: whoever applies one sets them all.
fn flags(loss: &Loss<'_>, yaml: &mut Value, body: &mut Value) -> bool {
    let is_flag = |field: &str| field.starts_with("settings.databaseFlags[");
    if loss.known.is_none() || !loss.fields.iter().any(|drift| is_flag(&drift.field)) {
        return false;
    }
    let flags = loss.list("settings.databaseFlags");
    let entries = || flags.iter().map(|(name, value)| json!({"name": name, "value": value})).collect::<Vec<_>>();
    set(yaml, "spec.settings.databaseFlags", Value::Array(entries()));
    set(body, "settings.database_flags", Value::Array(entries()));
    !flags.is_empty()
}

/// Terraform names what Config Connector refers to.
const fn terraform_way(how: As) -> As {
    match how {
        As::References => As::List,
        As::Text | As::Number | As::Bool | As::List => how,
    }
}

fn value(was: &str, how: As) -> Option<Value> {
    let entries = || was.split(',').filter(|entry| !entry.is_empty());
    match how {
        As::Text => Some(json!(was)).filter(|_| !was.is_empty()),
        As::Number => was.parse::<i64>().ok().map(Value::from),
        As::Bool => was.parse::<bool>().ok().map(Value::from),
        As::List => Some(entries().map(|entry| json!(entry)).collect()).filter(|_| !was.is_empty()),
        As::References => Some(entries().map(|entry| json!({"external": entry})).collect()).filter(|_| !was.is_empty()),
    }
}

/// The first peering whose exchange of routes has changed; each is a resource of its own.
fn peerings(loss: &Loss<'_>, remedy: &mut Remedy) {
    let names = loss.fields.iter().filter_map(|drift| {
        let (name, part) = drift.field.strip_prefix("peerings[")?.rsplit_once("].")?;
        matches!(part, "exportCustomRoutes" | "importCustomRoutes").then_some(name)
    });
    let names: std::collections::BTreeSet<&str> = names.collect();
    let (mut yamls, mut hcls) = (Vec::new(), Vec::new());
    for name in names {
        let was = |part: &str| loss.was(&format!("peerings[{name}].{part}")).and_then(|was| was.parse::<bool>().ok());
        let (export, import) = (was("exportCustomRoutes"), was("importCustomRoutes"));
        let mut spec = Map::new();
        spec.extend(export.map(|on| ("exportCustomRoutes".to_owned(), json!(on))));
        spec.extend(import.map(|on| ("importCustomRoutes".to_owned(), json!(on))));
        let object = json!({
            "apiVersion": "compute.cnrm.cloud.google.com/v1beta1", "kind": "ComputeNetworkPeering",
            "metadata": {"name": name}, "spec": spec,
        });
        yamls.extend(serde_yaml::to_string(&object).ok());
        let mut body = Map::new();
        body.insert("peering".to_owned(), json!(name));
        body.insert("project".to_owned(), json!(loss.object.project));
        body.insert("network".to_owned(), json!(loss.object.name));
        body.extend(export.map(|on| ("export_custom_routes".to_owned(), json!(on))));
        body.extend(import.map(|on| ("import_custom_routes".to_owned(), json!(on))));
        hcls.push(hcl("google_compute_network_peering_routes_config", name, &Value::Object(body)));
    }
    if !hcls.is_empty() {
        remedy.config_connector = Some(yamls.join("---\n"));
        remedy.terraform = Some(hcls.join("\n"));
    }
}
