//! A Cloud Run service of v2 in, the same in Knative's shape (run v1) out, as `gcloud run services describe` reads it. Pure.

use serde_json::{Map, Value, json};

/// A service in Knative's shape. `name` is its name in full.
pub fn service(name: &str, service: &Value) -> Value {
    let mut parts = name.split('/').skip(1).step_by(2);
    let (project, region, short) =
        (parts.next().unwrap_or_default(), parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let mut labels = service["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("cloud.googleapis.com/location".to_owned(), json!(region));
    json!({
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": short, "namespace": project, "uid": service["uid"], "generation": number(&service["generation"]),
            "creationTimestamp": service["createTime"], "labels": labels, "annotations": annotations(service),
        },
        "spec": {"template": template(&service["template"]), "traffic": traffic(&service["traffic"])},
        "status": status(service),
    })
}

fn annotations(service: &Value) -> Value {
    let ingress = match service["ingress"].as_str() {
        Some("INGRESS_TRAFFIC_INTERNAL_ONLY") => "internal",
        Some("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER") => "internal-and-cloud-load-balancing",
        _ => "all",
    };
    json!({
        "run.googleapis.com/ingress": ingress,
        "serving.knative.dev/creator": service["creator"], "serving.knative.dev/lastModifier": service["lastModifier"],
    })
}

fn template(template: &Value) -> Value {
    let mut annotations = template["annotations"].as_object().cloned().unwrap_or_default();
    network(&mut annotations, &template["vpcAccess"]);
    let all = |list: &Value| list.as_array().cloned().unwrap_or_default();
    let mounts: Vec<String> = all(&template["volumes"])
        .iter()
        .flat_map(|volume| all(&volume["cloudSqlInstance"]["instances"]))
        .filter_map(|instance| instance.as_str().map(str::to_owned))
        .collect();
    if !mounts.is_empty() {
        annotations.insert("run.googleapis.com/cloudsql-instances".to_owned(), json!(mounts.join(",")));
    }
    for (field, annotation) in [("minInstanceCount", "minScale"), ("maxInstanceCount", "maxScale")] {
        if let Some(count) = template["scaling"][field].as_i64() {
            annotations.insert(format!("autoscaling.knative.dev/{annotation}"), json!(count.to_string()));
        }
    }
    let mut spec = Map::new();
    put(&mut spec, "containerConcurrency", template["maxInstanceRequestConcurrency"].clone());
    let seconds = template["timeout"].as_str().and_then(|timeout| timeout.strip_suffix('s')?.parse::<i64>().ok());
    put(&mut spec, "timeoutSeconds", json!(seconds));
    put(&mut spec, "serviceAccountName", template["serviceAccount"].clone());
    put(&mut spec, "containers", all(&template["containers"]).iter().map(container).collect());
    let mut metadata = Map::new();
    metadata.insert("annotations".to_owned(), Value::Object(annotations));
    put(&mut metadata, "labels", template["labels"].clone());
    json!({"metadata": metadata, "spec": spec})
}

/// The way into the VPC network is annotations there.
fn network(annotations: &mut Map<String, Value>, access: &Value) {
    let egress = match access["egress"].as_str() {
        Some("ALL_TRAFFIC") => "all-traffic",
        _ => "private-ranges-only",
    };
    if let Some(connector) = access["connector"].as_str() {
        let short = connector.rsplit('/').next().unwrap_or(connector);
        annotations.insert("run.googleapis.com/vpc-access-connector".to_owned(), json!(short));
        annotations.insert("run.googleapis.com/vpc-access-egress".to_owned(), json!(egress));
    }
    if access["networkInterfaces"].is_array() {
        let interfaces = access["networkInterfaces"].to_string();
        annotations.insert("run.googleapis.com/network-interfaces".to_owned(), json!(interfaces));
        annotations.insert("run.googleapis.com/vpc-access-egress".to_owned(), json!(egress));
    }
}

fn container(container: &Value) -> Value {
    let mut out = Map::new();
    for field in ["name", "image", "command", "args", "startupProbe", "livenessProbe", "workingDir"] {
        put(&mut out, field, container[field].clone());
    }
    put(&mut out, "ports", container["ports"].clone());
    put(&mut out, "env", container["env"].as_array().map(|all| all.iter().map(variable).collect()).unwrap_or_default());
    let limits = container["resources"]["limits"].clone();
    if limits.is_object() {
        out.insert("resources".to_owned(), json!({"limits": limits}));
    }
    Value::Object(out)
}

fn variable(variable: &Value) -> Value {
    let secret = &variable["valueSource"]["secretKeyRef"];
    if secret.is_object() {
        let key = json!({"name": secret["secret"], "key": secret["version"]});
        return json!({"name": variable["name"], "valueFrom": {"secretKeyRef": key}});
    }
    variable.clone()
}

fn traffic(traffic: &Value) -> Value {
    let of = |target: &Value| {
        let mut out = Map::new();
        match target["revision"].as_str() {
            Some(revision) => out.insert("revisionName".to_owned(), json!(revision)),
            None => out.insert("latestRevision".to_owned(), json!(true)),
        };
        put(&mut out, "percent", target["percent"].clone());
        Value::Object(out)
    };
    traffic.as_array().map(|all| all.iter().map(of).collect()).unwrap_or_default()
}

fn status(service: &Value) -> Value {
    let short = |field: &str| {
        let name = service[field].as_str().unwrap_or_default();
        json!(name.rsplit('/').next())
    };
    let mut conditions = vec![condition(&service["terminalCondition"])];
    conditions.extend(service["conditions"].as_array().into_iter().flatten().map(condition));
    json!({
        "observedGeneration": number(&service["observedGeneration"]),
        "latestReadyRevisionName": short("latestReadyRevision"),
        "latestCreatedRevisionName": short("latestCreatedRevision"),
        "url": service["uri"], "address": {"url": service["uri"]}, "conditions": conditions,
        "traffic": traffic(&service["traffic"]),
    })
}

fn condition(condition: &Value) -> Value {
    let status = match condition["state"].as_str() {
        Some("CONDITION_SUCCEEDED") => "True",
        Some("CONDITION_FAILED") => "False",
        _ => "Unknown",
    };
    let mut out = Map::new();
    out.insert("type".to_owned(), condition["type"].clone());
    out.insert("status".to_owned(), json!(status));
    let reason = condition["revisionReason"].as_str().or_else(|| condition["reason"].as_str());
    put(&mut out, "reason", json!(reason.map(camel)));
    put(&mut out, "message", condition["message"].clone());
    put(&mut out, "lastTransitionTime", condition["lastTransitionTime"].clone());
    Value::Object(out)
}

/// HEALTH_CHECK_CONTAINER_ERROR as HealthCheckContainerError.
fn camel(reason: &str) -> String {
    let word = |word: &str| {
        word.chars().take(1).chain(word.chars().skip(1).map(|char| char.to_ascii_lowercase())).collect::<String>()
    };
    reason.split('_').map(word).collect()
}

fn number(value: &Value) -> Value {
    json!(value.as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or(1))
}

/// Puts a field there unless it says nothing.
fn put(out: &mut Map<String, Value>, field: &str, value: Value) {
    let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    if !empty {
        out.insert(field.to_owned(), value);
    }
}
