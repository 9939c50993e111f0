//! Reads a Cloud Run service and its revisions (run v2). Does network I/O; what is kept of them is decided purely.

use google_cloud_run_v2::model;
use google_cloud_run_v2::model::condition::Reasons;
use google_cloud_run_v2::model::env_var::Values;
use google_cloud_run_v2::model::probe::ProbeType;
use google_cloud_run_v2::model::volume::VolumeType;

use super::convert::{last, length, named, optional, time};
use super::google::Google;
use super::question::Question;
use super::{env, secrets};
use crate::cloud::service::{
    ConditionReason, ConditionSeverity, ConditionState, NetworkInterface, RunCondition, Says, Setting, StartupProbe,
    Template, Traffic, VpcAccess, VpcEgress,
};
use crate::cloud::{Revision, Service, Unread};

/// Most variables of an environment that are kept.
const MOST_SETTINGS: usize = 64;
/// Most conditions, shares of the traffic, interfaces or mounts that are kept.
const MOST: usize = 64;

/// Reads a service.
pub async fn service(google: &Google, question: &Question) -> Result<Service, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.services(question).await?;
    let answer = google.ask(question, || api.get_service().set_name(&*question.name).send()).await?;
    Ok(of_service(&answer))
}

/// Reads a revision.
pub async fn revision(google: &Google, question: &Question) -> Result<Revision, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.revisions(question).await?;
    let answer = google.ask(question, || api.get_revision().set_name(&*question.name).send()).await?;
    Ok(of_revision(&answer))
}

fn of_service(service: &model::Service) -> Service {
    let conditions = service.terminal_condition.iter().chain(&service.conditions);
    let template = service.template.clone().unwrap_or_default();
    let mut template = of_template(&Parts {
        vpc_access: template.vpc_access.as_ref(),
        timeout: template.timeout.as_ref(),
        service_account: &template.service_account,
        containers: &template.containers,
        volumes: &template.volumes,
        scaling: template.scaling.as_ref(),
    });
    // The service's own scaling stands above that of its template.
    if let Some(scaling) = &service.scaling {
        template.min_instance_count =
            Some(scaling.min_instance_count).filter(|count| *count > 0).or(template.min_instance_count);
        template.max_instance_count =
            Some(scaling.max_instance_count).filter(|count| *count > 0).or(template.max_instance_count);
    }
    Service {
        uri: service.uri.clone(),
        reconciling: service.reconciling,
        conditions: conditions.take(MOST).map(of_condition).collect(),
        template,
        traffic: service.traffic.iter().take(MOST).map(of_traffic).collect(),
        latest_ready_revision: last(&service.latest_ready_revision).to_owned(),
        latest_created_revision: last(&service.latest_created_revision).to_owned(),
        last_modifier: service.last_modifier.clone(),
        update_time: time(service.update_time.as_ref()),
    }
}

fn of_revision(revision: &model::Revision) -> Revision {
    Revision {
        name: last(&revision.name).to_owned(),
        create_time: time(revision.create_time.as_ref()),
        conditions: revision.conditions.iter().take(MOST).map(of_condition).collect(),
        template: of_template(&Parts {
            vpc_access: revision.vpc_access.as_ref(),
            timeout: revision.timeout.as_ref(),
            service_account: &revision.service_account,
            containers: &revision.containers,
            volumes: &revision.volumes,
            scaling: revision.scaling.as_ref(),
        }),
    }
}

/// What a service's template and a revision have in common.
struct Parts<'a> {
    vpc_access: Option<&'a model::VpcAccess>,
    timeout: Option<&'a google_cloud_wkt::Duration>,
    service_account: &'a str,
    containers: &'a [model::Container],
    volumes: &'a [model::Volume],
    scaling: Option<&'a model::RevisionScaling>,
}

fn of_template(parts: &Parts<'_>) -> Template {
    // Requests go to the container that has a port; without one, to the first.
    let serving = parts.containers.iter().find(|container| !container.ports.is_empty()).or(parts.containers.first());
    let mounts = parts.volumes.iter().filter_map(|volume| match &volume.volume_type {
        Some(VolumeType::CloudSqlInstance(mounted)) => Some(&mounted.instances),
        _ => None,
    });
    let variables = parts.containers.iter().flat_map(|container| &container.env);
    let port = serving.and_then(|container| container.ports.first()).map(|port| port.container_port);
    Template {
        vpc_access: parts.vpc_access.and_then(of_vpc_access),
        cloud_sql_instances: mounts.flatten().take(MOST).cloned().collect(),
        settings: variables.filter_map(of_variable).take(MOST_SETTINGS).collect(),
        startup_probe: serving.and_then(|container| container.startup_probe.as_ref()).and_then(of_startup_probe),
        timeout_seconds: parts.timeout.and_then(length).map(|timeout| timeout.as_secs()),
        service_account: parts.service_account.to_owned(),
        container_port: port.and_then(|port| u16::try_from(port).ok()),
        image: parts.containers.first().map(|container| container.image.clone()).unwrap_or_default(),
        min_instance_count: parts.scaling.map(|scaling| scaling.min_instance_count),
        max_instance_count: parts.scaling.map(|scaling| scaling.max_instance_count).filter(|count| *count > 0),
    }
}

/// None: there is no way into a network, which the API may say with an empty object.
fn of_vpc_access(access: &model::VpcAccess) -> Option<VpcAccess> {
    let connector = Some(access.connector.clone()).filter(|connector| !connector.is_empty());
    let interfaces = access.network_interfaces.iter().take(MOST).map(|interface| NetworkInterface {
        network: interface.network.clone(),
        subnetwork: interface.subnetwork.clone(),
        tags: interface.tags.clone(),
    });
    let network_interfaces: Vec<_> = interfaces.collect();
    (connector.is_some() || !network_interfaces.is_empty()).then(|| VpcAccess {
        connector,
        egress: named(access.egress.name(), VpcEgress::ALL),
        network_interfaces,
    })
}

fn of_variable(variable: &model::EnvVar) -> Option<Setting> {
    let says = match variable.values.as_ref()? {
        Values::Value(value) => env::says(&variable.name, value)?,
        Values::ValueSource(source) => {
            let secret = source.secret_key_ref.as_ref()?;
            Says::Secret(format!("{}:{}", secret.secret, secret.version))
        }
        _ => return None,
    };
    Some(Setting { variable: variable.name.clone(), says })
}

fn of_startup_probe(probe: &model::Probe) -> Option<StartupProbe> {
    let what = match probe.probe_type.as_ref()? {
        ProbeType::HttpGet(http) => format!("http:{}", http.path),
        ProbeType::TcpSocket(tcp) => format!("tcp:{}", tcp.port),
        ProbeType::Grpc(grpc) => format!("grpc:{}", grpc.service),
        _ => return None,
    };
    // 0 is how the API leaves out what has a default.
    let or = |value: i32, default: u32| u32::try_from(value).ok().filter(|value| *value > 0).unwrap_or(default);
    Some(StartupProbe {
        initial_delay_seconds: or(probe.initial_delay_seconds, 0),
        timeout_seconds: or(probe.timeout_seconds, 1),
        period_seconds: or(probe.period_seconds, 10),
        failure_threshold: or(probe.failure_threshold, 3),
        what,
    })
}

fn of_condition(condition: &model::Condition) -> RunCondition {
    let reason = condition.reasons.as_ref().and_then(|reasons| match reasons {
        Reasons::Reason(reason) => reason.name(),
        Reasons::RevisionReason(reason) => reason.name(),
        Reasons::ExecutionReason(reason) => reason.name(),
        _ => None,
    });
    RunCondition {
        kind: condition.r#type.clone(),
        state: named(condition.state.name(), ConditionState::ALL),
        severity: optional(condition.severity.name(), ConditionSeverity::ALL),
        reason: reason.filter(|reason| !reason.ends_with("_UNDEFINED")).map(ConditionReason::from),
        message: secrets::cleaned(&condition.message).into_owned(),
        last_transition_time: time(condition.last_transition_time.as_ref()),
    }
}

fn of_traffic(traffic: &model::TrafficTarget) -> Traffic {
    Traffic { revision: last(&traffic.revision).to_owned(), percent: traffic.percent }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn read(service: serde_json::Value) -> Service {
        of_service(&serde_json::from_value(service).expect("a service"))
    }

    #[test]
    fn a_service_is_kept_without_the_secrets_of_its_environment() {
        let service = read(json!({
            "name": "projects/netra-staging/locations/us-central1/services/backend",
            "uri": "https://backend.run.app",
            "terminalCondition": {"type": "Ready", "state": "CONDITION_FAILED", "reason": "REVISION_FAILED",
                "message": "the container failed to start", "lastTransitionTime": "2026-01-02T03:04:05Z", "severity": "ERROR"},
            "conditions": [{"type": "RoutesReady", "state": "CONDITION_SUCCEEDED"}],
            "latestReadyRevision": "projects/netra-staging/locations/us-central1/services/backend/revisions/backend-1",
            "latestCreatedRevision": "projects/netra-staging/locations/us-central1/services/backend/revisions/backend-2",
            "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            "template": {
                "serviceAccount": "backend@netra-staging.iam.gserviceaccount.com",
                "timeout": "300s",
                "vpcAccess": {"connector": "projects/netra-staging/locations/us-central1/connectors/staging", "egress": "PRIVATE_RANGES_ONLY"},
                "volumes": [{"name": "sql", "cloudSqlInstance": {"instances": ["netra-staging:us-central1:db"]}}],
                "containers": [{
                    "image": "backend:1",
                    "ports": [{"containerPort": 8080}],
                    "startupProbe": {"httpGet": {"path": "/healthz"}, "periodSeconds": 10, "failureThreshold": 6, "timeoutSeconds": 5},
                    "env": [
                        {"name": "DATABASE_URL", "value": "postgres://app:hunter2@10.20.0.3:5432/db"},
                        {"name": "DB_PASSWORD", "valueSource": {"secretKeyRef": {"secret": "db-password", "version": "latest"}}},
                        {"name": "PLAIN_PASSWORD", "value": "hunter2"},
                        {"name": "DB_TIMEOUT", "value": "35"},
                        {"name": "MODE", "value": "hunter2"},
                    ],
                }],
            },
        }));
        assert!(!format!("{service:?}").contains("hunter2"), "{service:?}");
        let says: Vec<_> =
            service.template.settings.iter().map(|setting| (&*setting.variable, &setting.says)).collect();
        assert_eq!(
            says,
            [
                ("DATABASE_URL", &Says::Host("10.20.0.3".to_owned(), Some(5432))),
                ("DB_PASSWORD", &Says::Secret("db-password:latest".to_owned())),
                ("DB_TIMEOUT", &Says::Timeout(Duration::from_secs(35))),
            ]
        );
        assert_eq!((&*service.latest_ready_revision, &*service.latest_created_revision), ("backend-1", "backend-2"));
        assert_eq!(service.conditions[0].reason, Some(ConditionReason::RevisionFailed));
        assert_eq!(service.conditions[1].reason, None);
        assert_eq!(service.template.cloud_sql_instances, ["netra-staging:us-central1:db"]);
        assert_eq!(service.template.startup_probe.map(|probe| probe.budget()), Some(Duration::from_secs(60)));
        assert_eq!(service.template.container_port, Some(8080));
        assert_eq!(service.template.timeout_seconds, Some(300));
    }

    #[test]
    fn an_empty_service_and_an_empty_way_into_a_network_are_read_as_such() {
        let service = read(json!({"template": {"vpcAccess": {}}}));
        assert_eq!(service, Service { template: Template::default(), ..read(json!({})) });
        assert_eq!(service.template.vpc_access, None);
    }

    #[test]
    fn a_revision_tells_why_it_is_not_ready() {
        let revision: model::Revision = serde_json::from_value(json!({
            "name": "projects/p/locations/r/services/s/revisions/s-2",
            "conditions": [{"type": "ContainerHealthy", "state": "CONDITION_FAILED", "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR"}],
            "containers": [{"image": "a"}, {"image": "b", "ports": [{"containerPort": 9000}]}],
        }))
        .expect("a revision");
        let revision = of_revision(&revision);
        assert_eq!(revision.name, "s-2");
        assert_eq!(revision.conditions[0].reason, Some(ConditionReason::HealthCheckContainerError));
        assert_eq!((&*revision.template.image, revision.template.container_port), ("a", Some(9000)));
    }
}
