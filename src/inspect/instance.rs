//! Reads a Cloud SQL instance with what was done to it lately, and the instances of a project (sqladmin v1). Does network I/O.

use google_cloud_sql_v1::model;

use super::convert::{full, named, optional, time};
use super::google::Google;
use super::pages::pages;
use super::question::Question;
use super::secrets;
use crate::cloud::instance::{
    ActivationPolicy, Address, AddressType, ConnectorEnforcement, InstanceState, Operation, OutOfDisk, SslMode,
    SuspensionReason,
};
use crate::cloud::{Instance, Unread};

/// Most operations that are read, the latest first.
const MOST_OPERATIONS: usize = 20;
/// Instances per page.
const PAGE: u32 = 200;
/// Most flags, addresses or ranges that are kept.
const MOST: usize = 128;

/// Reads an instance by its id in the project.
pub async fn read(google: &Google, question: &Question, id: &str) -> Result<Instance, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.instances(question).await?;
    let project = &*question.project;
    let answer = google.ask(question, || api.get().set_project(project).set_instance(id).send()).await?;
    let operations = question.part("the latest operations on");
    let api = clients.operations(&operations).await?;
    let list = || api.list().set_project(project).set_instance(id).set_max_results(MOST_OPERATIONS as u32).send();
    let listed = google.ask(&operations, list).await?;
    let mut instance = of(&answer);
    instance.operations = listed.items.iter().take(MOST_OPERATIONS).map(of_operation).collect();
    Ok(instance)
}

/// Reads the connection names and addresses of a project's instances.
pub async fn list(google: &Google, question: &Question) -> Result<Vec<(String, Vec<String>)>, Unread> {
    // A project whose instances can't be listed says of no instance that it is not there.
    let question = &question.part(question.what);
    let clients = google.clients(question).await?;
    let api = clients.instances(question).await?;
    let list = |page: Option<String>| {
        let list = api.list().set_project(&*question.project).set_max_results(PAGE);
        list.set_page_token(page.unwrap_or_default()).send()
    };
    let (found, _) = pages(google, question, usize::MAX, list, |answer| {
        let found = answer.items.into_iter().map(|instance| {
            let addresses = instance.ip_addresses.into_iter().map(|address| address.ip_address).collect();
            (instance.connection_name, addresses)
        });
        (found.collect(), Some(answer.next_page_token))
    })
    .await?;
    Ok(found)
}

fn of(instance: &model::DatabaseInstance) -> Instance {
    let settings = instance.settings.clone().unwrap_or_default();
    let ip = settings.ip_configuration.clone().unwrap_or_default();
    let psc = ip.psc_config.as_ref().and_then(|psc| psc.psc_enabled);
    let disk = instance.out_of_disk_report.as_ref().and_then(|report| report.sql_out_of_disk_state.as_ref());
    let maintenance = instance.scheduled_maintenance.as_ref();
    let set = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Instance {
        connection_name: instance.connection_name.clone(),
        region: instance.region.clone(),
        database_version: instance.database_version.name().unwrap_or_default().to_owned(),
        state: named(instance.state.name(), InstanceState::ALL),
        activation_policy: named(settings.activation_policy.name(), ActivationPolicy::ALL),
        suspension_reason: instance
            .suspension_reason
            .iter()
            .filter_map(|reason| optional(reason.name(), SuspensionReason::ALL))
            .collect(),
        out_of_disk: disk.and_then(|disk| optional(disk.name(), OutOfDisk::ALL)),
        disk_size_gb: settings.data_disk_size_gb,
        storage_auto_resize: settings.storage_auto_resize,
        tier: settings.tier,
        availability_type: said(settings.availability_type.name()),
        instance_type: said(instance.instance_type.name()),
        ip_addresses: instance.ip_addresses.iter().take(MOST).map(of_address).collect(),
        ipv4_enabled: ip.ipv4_enabled.unwrap_or(false),
        private_network: set(full(&ip.private_network)),
        allocated_ip_range: set(&ip.allocated_ip_range),
        ssl_mode: optional(ip.ssl_mode.name(), SslMode::ALL),
        authorized_networks: ip.authorized_networks.iter().take(MOST).map(|network| network.value.clone()).collect(),
        psc_enabled: psc.unwrap_or(false),
        connector_enforcement: optional(settings.connector_enforcement.name(), ConnectorEnforcement::ALL),
        scheduled_maintenance: maintenance.and_then(|maintenance| time(maintenance.start_time.as_ref())),
        flags: settings.database_flags.into_iter().take(MOST).map(|flag| (flag.name, flag.value)).collect(),
        operations: Vec::new(),
    }
}

fn of_address(address: &model::IpMapping) -> Address {
    Address { kind: named(address.r#type.name(), AddressType::ALL), ip_address: address.ip_address.clone() }
}

fn of_operation(operation: &model::Operation) -> Operation {
    let errors = operation.error.as_ref().map(|errors| errors.errors.as_slice()).unwrap_or_default();
    let errors: Vec<_> = errors.iter().map(|error| format!("{}: {}", error.code, error.message)).collect();
    Operation {
        operation_type: said(operation.operation_type.name()),
        status: said(operation.status.name()),
        start_time: time(operation.start_time.as_ref().or(operation.insert_time.as_ref())),
        end_time: time(operation.end_time.as_ref()),
        user: operation.user.clone(),
        error: Some(errors.join("; "))
            .filter(|errors| !errors.is_empty())
            .map(|text| secrets::cleaned(&text).into_owned()),
    }
}

/// A name of a value; empty, where the API does not say.
fn said(name: Option<&str>) -> String {
    name.filter(|name| !name.ends_with("_UNSPECIFIED")).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_instance_that_its_owner_stopped_is_told_from_one_that_runs() {
        let instance: model::DatabaseInstance = serde_json::from_value(json!({
            "connectionName": "netra-staging:us-central1:db", "region": "us-central1", "databaseVersion": "POSTGRES_16",
            "state": "RUNNABLE", "instanceType": "CLOUD_SQL_INSTANCE", "suspensionReason": ["BILLING_ISSUE"],
            "outOfDiskReport": {"sqlOutOfDiskState": "SOFT_SHUTDOWN"},
            "ipAddresses": [{"type": "PRIVATE", "ipAddress": "10.20.0.3"}],
            "scheduledMaintenance": {"startTime": "2026-01-02T03:04:05Z"},
            "settings": {
                "activationPolicy": "NEVER", "availabilityType": "REGIONAL", "tier": "db-custom-2-7680", "dataDiskSizeGb": "20",
                "storageAutoResize": true, "connectorEnforcement": "REQUIRED",
                "databaseFlags": [{"name": "max_connections", "value": "100"}],
                "ipConfiguration": {"ipv4Enabled": false, "privateNetwork": "/projects/host/global/networks/vpc",
                    "sslMode": "ENCRYPTED_ONLY", "authorizedNetworks": [{"value": "203.0.113.0/24"}], "pscConfig": {"pscEnabled": true}},
            },
        }))
        .expect("an instance");
        let instance = of(&instance);
        assert_eq!(
            (&instance.state, &instance.activation_policy),
            (&InstanceState::Runnable, &ActivationPolicy::Never)
        );
        assert_eq!(instance.private_network.as_deref(), Some("projects/host/global/networks/vpc"));
        assert_eq!(instance.out_of_disk, Some(OutOfDisk::SoftShutdown));
        assert_eq!(instance.suspension_reason, [SuspensionReason::BillingIssue]);
        assert_eq!(instance.ssl_mode, Some(SslMode::EncryptedOnly));
        assert_eq!(instance.connector_enforcement, Some(ConnectorEnforcement::Required));
        assert_eq!(
            (instance.disk_size_gb, instance.storage_auto_resize, instance.psc_enabled),
            (Some(20), Some(true), true)
        );
        assert_eq!(instance.flags.get("max_connections").map(String::as_str), Some("100"));
        assert_eq!(instance.availability_type, "REGIONAL");
        assert!(instance.scheduled_maintenance.is_some());
    }

    #[test]
    fn what_the_api_leaves_out_is_not_made_up() {
        let instance = of(&model::DatabaseInstance::default());
        assert_eq!(instance.state, InstanceState::Unspecified);
        assert_eq!((instance.ssl_mode, instance.out_of_disk, instance.connector_enforcement), (None, None, None));
        assert_eq!((&*instance.instance_type, instance.private_network), ("", None));
    }

    #[test]
    fn an_operation_tells_what_went_wrong() {
        let operation: model::Operation = serde_json::from_value(json!({
            "operationType": "FAILOVER", "status": "DONE", "user": "ops@example.com", "insertTime": "2026-01-02T03:04:05Z",
            "error": {"errors": [{"code": "INTERNAL_ERROR", "message": "no"}]},
        }))
        .expect("an operation");
        let operation = of_operation(&operation);
        assert_eq!((&*operation.operation_type, &*operation.status), ("FAILOVER", "DONE"));
        assert_eq!(operation.error.as_deref(), Some("INTERNAL_ERROR: no"));
        assert!(operation.start_time.is_some());
    }
}
