//! What restores a Cloud Run service and the connector that it goes out by. Pure.

use super::{Command, Loss, Remedy, template};
use crate::cloud::Drift;

/// Restores a service.
pub fn service(loss: &Loss<'_>, remedy: &mut Remedy) {
    let start = upon(loss, "run services update");
    let before = start.words().len();
    let mut command = start;
    for drift in &loss.fields {
        command = of_field(loss, drift, command, remedy);
    }
    if command.words().len() > before {
        remedy.commands.insert(0, command);
    }
}

fn upon(loss: &Loss<'_>, words: &str) -> Command {
    let object = &loss.object;
    Command::gcloud(words, object.name)
        .with_some("project", Some(object.project))
        .with_some("region", Some(object.region))
}

fn of_field(loss: &Loss<'_>, drift: &Drift, command: Command, remedy: &mut Remedy) -> Command {
    let was = drift.was.as_deref().filter(|was| !was.is_empty());
    let field = drift.field.as_str();
    match (field, was) {
        ("vpcAccess.connector", Some(connector)) => command.with("vpc-connector", connector),
        ("vpcAccess.connector", None) => command.flag("clear-vpc-connector"),
        ("vpcAccess.egress", Some(egress)) => {
            command.with("vpc-egress", &egress.to_ascii_lowercase().replace('_', "-"))
        }
        // It has a meaning only with a way into a network.
        ("vpcAccess.egress", None) => command,
        ("vpcAccess.networkInterfaces[0].network", Some(network)) => command.with("network", network),
        ("vpcAccess.networkInterfaces[0].network", None) => command.flag("clear-network"),
        ("vpcAccess.networkInterfaces[0].subnetwork", Some(subnet)) => command.with("subnet", subnet),
        ("vpcAccess.networkInterfaces[0].subnetwork", None) => command,
        ("vpcAccess.networkInterfaces[0].tags", Some(tags)) => command.with("network-tags", tags),
        ("vpcAccess.networkInterfaces[0].tags", None) => {
            // Clearing the network clears its tags.
            let goes = loss.was("vpcAccess.networkInterfaces[0].network").is_none();
            if goes { command } else { command.flag("clear-network-tags") }
        }
        ("cloudSqlInstances", Some(instances)) => command.with("set-cloudsql-instances", instances),
        ("cloudSqlInstances", None) => command.flag("clear-cloudsql-instances"),
        ("timeout", Some(timeout)) => command.with("timeout", timeout),
        ("serviceAccount", Some(account)) => command.with("service-account", account),
        ("containerPort", Some(port)) => command.with("port", port),
        ("scaling.minInstanceCount", Some(count)) => command.with("min-instances", count),
        ("scaling.maxInstanceCount", Some(count)) => command.with("max-instances", count),
        ("startupProbe", Some(probe)) => with_probe(probe, command, remedy),
        ("traffic", Some(traffic)) => {
            remedy.commands.push(match traffic {
                "LATEST=100" => upon(loss, "run services update-traffic").flag("to-latest"),
                shares => upon(loss, "run services update-traffic").with("to-revisions", shares),
            });
            command
        }
        (_, Some(says)) if field.starts_with("env[") => of_variable(field, says, command, remedy),
        (_, None) if field.starts_with("env[") => {
            let variable = variable(field);
            let flag =
                if drift.is.as_deref().is_some_and(|is| is.starts_with("secret ")) { "secrets" } else { "env-vars" };
            remedy.notes.push(format!(
                "the variable {variable} is new, or did not speak of the path before: gcloud run services update --remove-{flag} takes \
                 it away, if it is not wanted"
            ));
            command
        }
        ("", was) => {
            let was = was.unwrap_or("none");
            remedy.notes.push(format!("the service itself was {was}: no command brings it back, deploy it again"));
            command
        }
        (_, was) => {
            remedy.notes.push(format!("no command sets {field} back to {}", was.unwrap_or("what it is by default")));
            command
        }
    }
}

fn with_probe(probe: &str, command: Command, remedy: &mut Remedy) -> Command {
    match template::probe_keys(probe) {
        Some(keys) => command.with_list("startup-probe", &keys),
        None => {
            remedy.notes.push(format!("no command sets the start-up probe {probe:?}"));
            command
        }
    }
}

/// Of a variable only what it says of the path is known, so that it can be set only where it refers to a Secret.
fn of_variable(field: &str, says: &str, command: Command, remedy: &mut Remedy) -> Command {
    let variable = variable(field);
    if let Some(secret) = says.strip_prefix("secret ").filter(|secret| !secret.contains('/')) {
        let secret = if secret.contains(':') { secret.to_owned() } else { format!("{secret}:latest") };
        return command.with("update-secrets", &format!("{variable}={secret}"));
    }
    remedy.notes.push(format!(
        "the variable {variable} said: {says}. Its value is not kept (it may hold a secret): set it with gcloud run services \
         update --update-env-vars"
    ));
    command
}

fn variable(field: &str) -> &str {
    field.trim_start_matches("env[").trim_end_matches(']')
}

/// Restores a connector.
pub fn connector(loss: &Loss<'_>, remedy: &mut Remedy) {
    let gone = loss.fields.iter().find(|drift| drift.field.is_empty());
    if let Some(Drift { was, is, .. }) = gone {
        match (was, is) {
            (Some(was), _) => create(loss, was, is.is_some(), remedy),
            (None, is) => remedy.notes.push(format!(
                "the path had no connector, and now goes by {}: the service's vpcAccess decides on that",
                is.as_deref().unwrap_or("one")
            )),
        }
        return;
    }
    let lasting = |drift: &&Drift| !matches!(drift.field.as_str(), "machineType" | "minInstances" | "maxInstances");
    if loss.known.is_some() && loss.fields.iter().any(lasting) {
        return recreate(loss, remedy);
    }
    let start = upon(loss, "compute networks vpc-access connectors update");
    let before = start.words().len();
    let mut command = start;
    for drift in &loss.fields {
        let was = drift.was.as_deref();
        command = match (drift.field.as_str(), was) {
            ("machineType", Some(machine)) => command.with("machine-type", machine),
            ("minInstances", Some(count)) => command.with("min-instances", count),
            ("maxInstances", Some(count)) => command.with("max-instances", count),
            (field, was) => {
                remedy.notes.push(format!(
                    "a connector's {field} can't be changed ({} before): delete the connector and create it anew, which cuts \
                     every service that goes by it off for some minutes; better create a second one and move the services",
                    was.unwrap_or("not set")
                ));
                command
            }
        };
    }
    if command.words().len() > before {
        remedy.commands.push(command);
    }
}

/// The commands that make a connector anew as it was: what differs can't be changed in place.
fn recreate(loss: &Loss<'_>, remedy: &mut Remedy) {
    let name = loss.fields.first().map_or("", |drift| drift.object.as_str());
    remedy.notes.push(
        "what differs can't be changed on a connector, so it is deleted and created anew: every service that goes by it is cut off \
         for some minutes; better create a second one and move the services"
            .to_owned(),
    );
    create(loss, name, false, remedy);
    // Nothing is deleted that can't be made again.
    if remedy.commands.first().is_some_and(Command::is_safe) {
        remedy.commands.insert(0, upon(loss, "compute networks vpc-access connectors delete"));
    }
}

/// The command that creates a connector as it was.
fn create(loss: &Loss<'_>, was: &str, replaced: bool, remedy: &mut Remedy) {
    let object = super::Object::of(was);
    if replaced {
        remedy.notes.push(format!("the path went by {was}: the service's vpcAccess.connector leads back to it; create it only if it does not exist any more"));
    }
    let known = |field: &str| loss.known?.fields.get(field).map(String::as_str);
    let command = Command::gcloud("compute networks vpc-access connectors create", object.name)
        .with_some("project", Some(object.project))
        .with_some("region", Some(object.region));
    let place = match (known("subnet.name"), known("network"), known("ipCidrRange")) {
        (Some(subnet), _, _) => command.with("subnet", subnet).with_some("subnet-project", known("subnet.projectId")),
        (None, Some(network), Some(range)) => {
            command.with("network", network.rsplit('/').next().unwrap_or(network)).with("range", range)
        }
        (None, _, _) => {
            remedy.notes.push(format!(
                "{was} is gone, and its network and range are not known here: create it anew from where it is declared"
            ));
            return;
        }
    };
    remedy.commands.push(
        place
            .with_some("machine-type", known("machineType"))
            .with_some("min-instances", known("minInstances"))
            .with_some("max-instances", known("maxInstances")),
    );
}
