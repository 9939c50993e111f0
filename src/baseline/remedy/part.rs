//! Fragments of a network, which is declared as several resources (its own, one for each subnet, peering, route and firewall rule),
//! and of the roles of an account, one resource each. Pure.

use serde_json::{Value, json};

use super::declare::Said;
use super::network::each;
use super::peering::{Peering, declare_range};
use super::place::Kind;
use super::policy::{project, role};
use super::subnet::Subnet;
use super::{Loss, firewall, route};

/// Group and version of Config Connector's resources of compute.
pub const COMPUTE: &str = "compute.cnrm.cloud.google.com/v1beta1";
const NETWORK: Kind = Kind::part(COMPUTE, "ComputeNetwork", "google_compute_network");
const FIREWALL: Kind = Kind::part(COMPUTE, "ComputeFirewall", "google_compute_firewall");
const MEMBER: Kind = Kind::part("iam.cnrm.cloud.google.com/v1beta1", "IAMPolicyMember", "google_project_iam_member");

/// The fragments of a network.
pub fn of_network<'a>(loss: &'a Loss<'_>) -> Said<'a> {
    let mut said = Said::default();
    for (list, key, drift) in each(loss) {
        match list {
            "subnets" => Subnet::of(loss, key).declare(&mut said),
            "peerings" => Peering { loss, name: key }.declare(&mut said),
            "allocatedRanges" => declare_range(loss, key, drift, &mut said),
            "routes" => route::declare(loss, key, drift, &mut said),
            "firewall" => rule(loss, key, drift.was.as_deref(), &drift.field, &mut said),
            "" if key == "mtu" => mtu(loss, drift.was.as_deref(), &drift.field, &mut said),
            _ => {}
        }
    }
    said
}

/// A firewall rule of the network itself; that of a policy, whose name stands before it, is declared with the policy.
fn rule<'a>(loss: &Loss<'_>, name: &str, was: Option<&str>, field: &'a str, said: &mut Said<'a>) {
    let declared = was.filter(|_| !name.contains('/')).and_then(firewall::declared);
    let Some((mut spec, mut body)) = declared else { return };
    spec.insert("networkRef".to_owned(), json!({"external": loss.name()}));
    for (key, value) in [("name", name), ("project", loss.object.project), ("network", loss.name())] {
        body.insert(key.to_owned(), json!(value));
    }
    said.add(&[field], &FIREWALL, name, &Value::Object(spec), &Value::Object(body));
}

fn mtu<'a>(loss: &Loss<'_>, was: Option<&str>, field: &'a str, said: &mut Said<'a>) {
    let Some(mtu) = was.and_then(|was| was.parse::<i64>().ok()) else { return };
    let body = json!({"name": loss.object.name, "project": loss.object.project, "mtu": mtu});
    said.add(&[field], &NETWORK, loss.object.name, &json!({"mtu": mtu}), &body);
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
        let spec = json!({
            "member": member, "role": role,
            "resourceRef": {"kind": "Project", "external": format!("projects/{project}")},
        });
        said.add(&[&drift.field], &MEMBER, &name.to_lowercase(), &spec, &body);
    }
    said
}
