//! What Google Cloud says in, the configuration of each object out: fields by name, what the server fills in made explicit, lists
//! in one order. Pure.
//!
//! Only what somebody sets is taken: no state, no counter, no time. Not taken on purpose: the image (every deployment changes
//! it), the disk's size while it grows by itself, a connector's throughput (it follows from its instances), addresses that Google
//! chooses for outgoing connections, and the values of the environment, of which nothing but what speaks of the path is known.

mod fields;
mod network;

use std::collections::{BTreeMap, BTreeSet};

use self::fields::{Fields, joined};
use self::network::{of_network, of_zones};
use super::entries::{entry_of, has};
use super::object::{Object, full};
use crate::cloud::connector::Connector;
use crate::cloud::instance::{ActivationPolicy, AddressType, ConnectorEnforcement, Instance, SslMode};
use crate::cloud::reading::{Absent, Found};
use crate::cloud::service::{Says, Service, Template, VpcEgress};
use crate::cloud::{Access, Inspection, Picture, Reading, Why};

/// The configuration of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configured {
    /// Its name in full.
    pub name: String,
    /// Its fields.
    pub fields: BTreeMap<String, String>,
    /// Fields of what the path does not see now: compared only where the baseline names them.
    pub beside: BTreeMap<String, String>,
    /// Fields that it has, but that could not be read.
    pub unread: BTreeSet<String>,
    /// Lists of which not all entries were read.
    pub partial: BTreeSet<&'static str>,
}

impl Configured {
    /// Whether it can't be told what a field is now: it was not read, or its entry is not among those of its list that were.
    pub fn is_untold(&self, field: &str) -> bool {
        let there = |entry: &str| has(&self.fields, entry) || has(&self.beside, entry);
        let beyond = |(list, entry): (&str, &str)| self.partial.contains(list) && !there(entry);
        self.unread.contains(field) || entry_of(field).is_some_and(beyond)
    }
}

/// What is known of one object of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was read.
    Read(Configured),
    /// The path has nothing of the sort, or the object that it names does not exist.
    Nothing,
    /// It could not be told.
    Untold,
}

/// The inspections that show configuration, in the order of the path, and what each says.
pub fn configuration(picture: &Picture) -> [(Inspection, Known); 6] {
    let Picture {
        service,
        // What revisions are made from stands in the service.
        ready_revision: _,
        created_revision: _,
        connector,
        instance,
        network,
        dns_zones,
        // Findings and figures, not configuration.
        connectivity_test: _,
        service_health: _,
        logs: _,
        metrics: _,
        access,
        // Tells of changes, not of what is.
        audit_log: _,
    } = picture;
    [
        (Inspection::Service, known(service, of_service)),
        (Inspection::Connector, known(connector, of_connector)),
        (Inspection::Instance, known(instance, of_instance)),
        (Inspection::Network, known(network, of_network)),
        (Inspection::DnsZones, known(dns_zones, of_zones)),
        (Inspection::Access, known(access, |access, _, fields| of_access(access, fields))),
    ]
}

fn known<T>(reading: &Reading<T>, of: impl Fn(&T, &Object<'_>, &mut Fields)) -> Known {
    match reading {
        Reading::Read(Found { name, object, at: _ }) => {
            let mut fields = Fields::default();
            of(object, &Object::of(name), &mut fields);
            let Fields { set, beside, unread, partial } = fields;
            let (fields, beside) = (joined(set), joined(beside));
            Known::Read(Configured { name: full(name).to_owned(), fields, beside, unread, partial })
        }
        Reading::Absent(Absent::NotUsed) => Known::Nothing,
        Reading::Unread(unread) if unread.why == Why::NotFound => Known::Nothing,
        Reading::Absent(Absent::NotYet | Absent::SwitchedOff | Absent::Undiscovered) | Reading::Unread(_) => {
            Known::Untold
        }
    }
}

fn of_service(service: &Service, object: &Object<'_>, fields: &mut Fields) {
    let Service { template, traffic, .. } = service;
    of_template(template, object, fields);
    let mut shares: Vec<String> = Vec::new();
    for share in traffic.iter().filter(|share| share.percent > 0) {
        let to = if share.revision.is_empty() { "LATEST" } else { &share.revision };
        shares.push(format!("{to}={}", share.percent));
    }
    if shares.is_empty() {
        shares.push("LATEST=100".to_owned());
    }
    fields.list("traffic", &shares);
}

fn of_template(template: &Template, object: &Object<'_>, fields: &mut Fields) {
    let Template {
        vpc_access,
        cloud_sql_instances,
        settings,
        startup_probe,
        timeout_seconds,
        service_account,
        container_port,
        image: _,
        min_instance_count,
        max_instance_count,
    } = template;
    if let Some(access) = vpc_access {
        let connector = access.connector.as_deref().unwrap_or_default();
        fields.put("vpcAccess.connector", object.full_name(connector, "locations", "connectors"));
        let egress =
            if access.egress == VpcEgress::Unspecified { &VpcEgress::PrivateRangesOnly } else { &access.egress };
        fields.put("vpcAccess.egress", egress);
        let mut interfaces: Vec<_> = access.network_interfaces.iter().collect();
        interfaces.sort_by_key(|interface| (&interface.network, &interface.subnetwork));
        for (index, interface) in interfaces.into_iter().enumerate() {
            let at = format!("vpcAccess.networkInterfaces[{index}]");
            fields.put(format!("{at}.network"), object.network(&interface.network));
            fields.put(format!("{at}.subnetwork"), object.full_name(&interface.subnetwork, "regions", "subnetworks"));
            fields.list(format!("{at}.tags"), &interface.tags);
        }
    }
    fields.list("cloudSqlInstances", cloud_sql_instances);
    for setting in settings {
        let says = match &setting.says {
            Says::Instance(instance) => format!("instance {instance}"),
            Says::Host(host, None) => format!("host {host}"),
            Says::Host(host, Some(port)) => format!("host {host}:{port}"),
            Says::Timeout(timeout) => format!("timeout {}s", timeout.as_secs_f64()),
            Says::Secret(secret) => format!("secret {secret}"),
        };
        fields.put(format!("env[{}]", setting.variable), says);
    }
    let port = container_port.unwrap_or(8080);
    fields.put("containerPort", port);
    // Without one, Cloud Run opens a connection to the port, for four minutes.
    fields.put(
        "startupProbe",
        match startup_probe {
            None => format!("tcp:{port} initialDelaySeconds=0 timeoutSeconds=240 periodSeconds=240 failureThreshold=1"),
            Some(probe) => format!(
                "{} initialDelaySeconds={} timeoutSeconds={} periodSeconds={} failureThreshold={}",
                probe.what,
                probe.initial_delay_seconds,
                probe.timeout_seconds,
                probe.period_seconds,
                probe.failure_threshold
            ),
        },
    );
    fields.put("timeout", format!("{}s", timeout_seconds.unwrap_or(300)));
    if !service_account.ends_with("-compute@developer.gserviceaccount.com") {
        fields.put("serviceAccount", service_account);
    }
    fields.put("scaling.minInstanceCount", min_instance_count.unwrap_or(0));
    fields.put("scaling.maxInstanceCount", max_instance_count.filter(|most| *most > 0).unwrap_or(100));
}

fn of_connector(connector: &Connector, object: &Object<'_>, fields: &mut Fields) {
    let Connector {
        state: _,
        network,
        ip_cidr_range,
        subnet,
        machine_type,
        min_instances,
        max_instances,
        min_throughput,
        max_throughput,
        // Says who uses it, which nobody sets.
        connected_projects: _,
    } = connector;
    match subnet.as_ref().filter(|subnet| !subnet.name.is_empty()) {
        Some(subnet) => {
            fields.put("subnet.name", &subnet.name);
            let project = Some(subnet.project_id.as_str()).filter(|project| !project.is_empty());
            fields.put("subnet.projectId", project.unwrap_or(object.project));
        }
        None => {
            fields.put("network", object.network(if network.is_empty() { "default" } else { network }));
            fields.put("ipCidrRange", ip_cidr_range);
        }
    }
    fields.put("machineType", if machine_type.is_empty() { "e2-micro" } else { machine_type });
    // The server derives each from the other: an instance stands for 100 Mbit/s.
    let instances = |count: i32, throughput: i32, default: i32| match (count, throughput / 100) {
        (0, 0) => default,
        (0, by_throughput) => by_throughput,
        (count, _) => count,
    };
    fields.put("minInstances", instances(*min_instances, *min_throughput, 2));
    fields.put("maxInstances", instances(*max_instances, *max_throughput, 10));
}

fn of_instance(instance: &Instance, object: &Object<'_>, fields: &mut Fields) {
    let Instance {
        region,
        database_version,
        activation_policy,
        disk_size_gb,
        storage_auto_resize,
        tier,
        availability_type,
        instance_type,
        ip_addresses,
        ipv4_enabled,
        private_network,
        allocated_ip_range,
        ssl_mode,
        authorized_networks,
        psc_enabled,
        connector_enforcement,
        flags,
        ..
    } = instance;
    fields.put("region", region);
    fields.put("databaseVersion", database_version);
    let kind = if instance_type.is_empty() { "CLOUD_SQL_INSTANCE" } else { instance_type };
    fields.put("instanceType", kind);
    fields.put(
        "settings.activationPolicy",
        if *activation_policy == ActivationPolicy::Unspecified { &ActivationPolicy::Always } else { activation_policy },
    );
    fields.put("settings.tier", tier);
    let zonal = matches!(availability_type.as_str(), "" | "SQL_AVAILABILITY_TYPE_UNSPECIFIED");
    fields.put("settings.availabilityType", if zonal { "ZONAL" } else { availability_type });
    let grows = storage_auto_resize.unwrap_or(true);
    fields.put("settings.storageAutoResize", grows);
    if !grows {
        fields.put("settings.dataDiskSizeGb", disk_size_gb.map(|size| size.to_string()).unwrap_or_default());
    }
    for address in ip_addresses {
        if matches!(address.kind, AddressType::Primary | AddressType::Private) {
            fields.put(format!("ipAddresses[{}]", address.kind), &address.ip_address);
        }
    }
    let at = "settings.ipConfiguration";
    fields.put(format!("{at}.ipv4Enabled"), ipv4_enabled);
    fields.put(format!("{at}.privateNetwork"), object.network(private_network.as_deref().unwrap_or_default()));
    fields.put(format!("{at}.allocatedIpRange"), allocated_ip_range.as_deref().unwrap_or_default());
    let ssl = ssl_mode.as_ref().filter(|mode| **mode != SslMode::Unspecified);
    fields.put(format!("{at}.sslMode"), ssl.unwrap_or(&SslMode::AllowUnencryptedAndEncrypted));
    fields.list(format!("{at}.authorizedNetworks"), authorized_networks);
    fields.put(format!("{at}.pscConfig.pscEnabled"), psc_enabled);
    let enforced = connector_enforcement.as_ref().filter(|said| **said != ConnectorEnforcement::Unspecified);
    fields.put("settings.connectorEnforcement", enforced.unwrap_or(&ConnectorEnforcement::NotRequired));
    for (flag, value) in flags {
        fields.put(format!("settings.databaseFlags[{flag}]"), value);
    }
}

fn of_access(access: &Access, fields: &mut Fields) {
    let Access { account, connect: _, login: _, roles } = access;
    fields.put("account", account);
    roles.iter().for_each(|role| fields.put(format!("roles[{role}]"), "granted"));
}
