//! Fragments of a network, which is declared as several resources (its own, one for each subnet, peering and firewall rule), and of
//! the roles of an account, one resource each. Pure.

use serde_json::{Map, Value, json};

use super::Loss;
use super::declare::Said;
use super::firewall::declared;
use super::fragment::hcl;
use super::network::entry;
use super::policy::{project, role};

const API_VERSION: &str = "compute.cnrm.cloud.google.com/v1beta1";

/// The fragments of a network.
pub fn of_network<'a>(loss: &'a Loss<'_>) -> Said<'a> {
    let mut said = Said::default();
    for drift in &loss.fields {
        let Some(was) = drift.was.as_deref() else { continue };
        match (entry(&drift.field), drift.field.as_str()) {
            (None, "mtu") => mtu(loss, was, &drift.field, &mut said),
            (Some(("subnets", key, "privateIpGoogleAccess")), field) => subnet(loss, key, was, field, &mut said),
            (Some(("peerings", name, "exportCustomRoutes" | "importCustomRoutes")), field) => {
                peering(loss, name, field, &mut said);
            }
            (Some(("firewall", name, "")), field) => rule(loss, name, was, field, &mut said),
            (Some(_) | None, _) => {}
        }
    }
    said
}

/// A firewall rule of the network itself; that of a policy, whose name stands before it, is declared with the policy.
fn rule<'a>(loss: &Loss<'_>, name: &str, was: &str, field: &'a str, said: &mut Said<'a>) {
    let Some((mut spec, mut body)) = declared(was).filter(|_| !name.contains('/')) else { return };
    spec.insert("networkRef".to_owned(), json!({"external": loss.object.name}));
    for (key, value) in [("name", name), ("project", loss.object.project), ("network", loss.object.name)] {
        body.insert(key.to_owned(), json!(value));
    }
    said.fields.insert(field);
    said.yamls.extend(document("ComputeFirewall", name, &Value::Object(spec)));
    said.hcls.push(hcl("google_compute_firewall", name, &Value::Object(body)));
}

/// The fragments of the roles of a service's account.
pub fn of_access<'a>(loss: &'a Loss<'_>) -> Said<'a> {
    let mut said = Said::default();
    let Some(account) = loss.was("account") else { return said };
    let project = project(loss);
    let member = format!("serviceAccount:{account}");
    for drift in loss.fields.iter().filter(|drift| drift.was.is_some()) {
        let Some(role) = role(drift) else { continue };
        let name = format!("{}-{}", account.split('@').next().unwrap_or_default(), role.replace(['/', '.', '_'], "-"));
        let body = json!({"project": project, "role": role, "member": member});
        let object = json!({
            "apiVersion": "iam.cnrm.cloud.google.com/v1beta1", "kind": "IAMPolicyMember",
            "metadata": {"name": name.to_lowercase()},
            "spec": {
                "member": member, "role": role,
                "resourceRef": {"kind": "Project", "external": format!("projects/{project}")},
            },
        });
        said.fields.insert(&drift.field);
        said.yamls.extend(serde_yaml::to_string(&object).ok());
        said.hcls.push(hcl("google_project_iam_member", &name, &body));
    }
    said
}

fn mtu<'a>(loss: &Loss<'_>, was: &str, field: &'a str, said: &mut Said<'a>) {
    let Ok(mtu) = was.parse::<i64>() else { return };
    let body = json!({"name": loss.object.name, "project": loss.object.project, "mtu": mtu});
    said.fields.insert(field);
    said.yamls.extend(document("ComputeNetwork", loss.object.name, &json!({"mtu": mtu})));
    said.hcls.push(hcl("google_compute_network", loss.object.name, &body));
}

fn subnet<'a>(loss: &Loss<'_>, key: &str, was: &str, field: &'a str, said: &mut Said<'a>) {
    let (Some((region, name)), Ok(on)) = (key.split_once('/'), was.parse::<bool>()) else { return };
    let body = json!({
        "name": name, "project": loss.object.project, "region": region, "private_ip_google_access": on,
    });
    said.fields.insert(field);
    said.yamls.extend(document("ComputeSubnetwork", name, &json!({"privateIpGoogleAccess": on})));
    said.hcls.push(hcl("google_compute_subnetwork", name, &body));
}

/// Which routes a peering exchanges: both ways stand in one resource, whichever of them differs.
fn peering<'a>(loss: &Loss<'_>, name: &str, field: &'a str, said: &mut Said<'a>) {
    let of = |part: &str| format!("peerings[{name}].{part}");
    let was = |part: &str| loss.was(&of(part)).and_then(|was| was.parse::<bool>().ok());
    let ways = [("exportCustomRoutes", "export_custom_routes"), ("importCustomRoutes", "import_custom_routes")];
    // The other way has brought the resource already.
    let done = ways.iter().any(|(part, _)| said.fields.contains(of(part).as_str()));
    let part = field.rsplit('.').next().unwrap_or_default();
    if was(part).is_none() {
        return;
    }
    said.fields.insert(field);
    if done {
        return;
    }
    let (mut spec, mut body) = (Map::new(), Map::new());
    for (key, value) in [("peering", name), ("project", loss.object.project), ("network", loss.object.name)] {
        body.insert(key.to_owned(), json!(value));
    }
    for (connector, terraform) in ways {
        if let Some(on) = was(connector) {
            spec.insert(connector.to_owned(), json!(on));
            body.insert(terraform.to_owned(), json!(on));
        }
    }
    said.yamls.extend(document("ComputeNetworkPeering", name, &Value::Object(spec)));
    said.hcls.push(hcl("google_compute_network_peering_routes_config", name, &Value::Object(body)));
}

fn document(kind: &str, name: &str, spec: &Value) -> Option<String> {
    let object = json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec});
    serde_yaml::to_string(&object).ok()
}
