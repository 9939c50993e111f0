//! What restores a Cloud Run service. Pure.

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

/// A command upon an object of a region.
pub fn upon(loss: &Loss<'_>, words: &str) -> Command {
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
        // The subnet tells the network.
        ("vpcAccess.networkInterfaces[0].network", None) if subnet(loss).is_some() => command,
        ("vpcAccess.networkInterfaces[0].network", None) => command.flag("clear-network"),
        ("vpcAccess.networkInterfaces[0].subnetwork", Some(subnet)) => command.with("subnet", subnet),
        ("vpcAccess.networkInterfaces[0].subnetwork", None) => command,
        ("vpcAccess.networkInterfaces[0].tags", Some(tags)) => command.with("network-tags", tags),
        ("vpcAccess.networkInterfaces[0].tags", None) => {
            // Clearing the network clears its tags.
            let goes = loss.was("vpcAccess.networkInterfaces[0].network").is_none() && subnet(loss).is_none();
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
        (_, Some(says)) if field.starts_with("env[") => of_variable(drift, says, command, remedy),
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

fn subnet<'l>(loss: &'l Loss<'_>) -> Option<&'l str> {
    loss.was("vpcAccess.networkInterfaces[0].subnetwork")
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
fn of_variable(drift: &Drift, says: &str, command: Command, remedy: &mut Remedy) -> Command {
    let variable = variable(&drift.field);
    let Some(secret) = says.strip_prefix("secret ") else {
        remedy.notes.push(format!(
            "the variable {variable} said: {says}. Its value is not kept (it may hold a secret): set it with gcloud run services \
             update --update-env-vars"
        ));
        return command;
    };
    let secret = if secret.contains(':') { secret.to_owned() } else { format!("{secret}:latest") };
    // gcloud takes a Secret of another project by the project's number.
    let other = secret.strip_prefix("projects/").and_then(|rest| rest.split_once("/secrets/"));
    let named = match other {
        Some((project, _)) => project.bytes().all(|byte| byte.is_ascii_digit()),
        None => !secret.contains('/'),
    };
    if !named {
        remedy.notes.push(format!(
            "the variable {variable} came from the Secret {secret}: gcloud run services update \
             --update-secrets={variable}=projects/NUMBER/secrets/NAME:VERSION sets it, with the number of the Secret's project"
        ));
        return command;
    }
    // One kind of source does not take the place of another.
    let plain = drift.is.as_deref().is_some_and(|is| !is.starts_with("secret "));
    let command = if plain { command.with("remove-env-vars", variable) } else { command };
    command.with("update-secrets", &format!("{variable}={secret}"))
}

fn variable(field: &str) -> &str {
    field.trim_start_matches("env[").trim_end_matches(']')
}
