//! What restores the VPC connector that a service goes out by. Pure.

use super::service::upon;
use super::{Command, Loss, Object, Remedy};
use crate::cloud::Drift;

const UPDATE: &str = "compute networks vpc-access connectors update";

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
    if loss.known.is_some() && loss.fields.iter().any(lasts) {
        return recreate(loss, remedy);
    }
    update(loss, remedy);
}

/// Whether a field can't be changed on a connector that is there.
fn lasts(drift: &&Drift) -> bool {
    !matches!(drift.field.as_str(), "machineType" | "minInstances" | "maxInstances")
}

/// Sets back what can be changed on a connector: its machines, and how many there are. Both counts are given together, and neither can be
/// lowered (gcloud compute networks vpc-access connectors update).
fn update(loss: &Loss<'_>, remedy: &mut Remedy) {
    let start = upon(loss, UPDATE);
    let before = start.words().len();
    let mut command =
        start.with_some("machine-type", loss.drifted("machineType").and_then(|drift| drift.was.as_deref()));
    for drift in loss.fields.iter().filter(|drift| lasts(drift)) {
        remedy.notes.push(format!(
            "a connector's {} can't be changed ({} before): delete the connector and create it anew, which cuts every service \
             that goes by it off for some minutes; better create a second one and move the services",
            drift.field,
            drift.was.as_deref().unwrap_or("not set")
        ));
    }
    if ["minInstances", "maxInstances"].iter().any(|field| loss.drifted(field).is_some()) {
        command = with_counts(loss, command, remedy);
    }
    if command.words().len() > before {
        remedy.commands.push(command);
    }
}

fn with_counts(loss: &Loss<'_>, command: Command, remedy: &mut Remedy) -> Command {
    let grown = |field: &str| {
        let drift = loss.drifted(field)?;
        let count = |text: &Option<String>| text.as_deref()?.parse::<u32>().ok();
        (count(&drift.was)? < count(&drift.is)?).then_some(drift)
    };
    let fields = ["minInstances", "maxInstances"];
    for Drift { field, was, .. } in fields.into_iter().filter_map(grown) {
        remedy.notes.push(format!(
            "{field} was {}: a connector's instances can be raised, and not lowered, unless it is created anew",
            was.as_deref().unwrap_or_default()
        ));
    }
    if fields.into_iter().all(|field| loss.drifted(field).is_none() || grown(field).is_some()) {
        return command;
    }
    // What can't be lowered stays as it is.
    let count = |field| grown(field).map_or_else(|| loss.was(field), |drift| drift.is.as_deref());
    match (count("minInstances"), count("maxInstances")) {
        (Some(least), Some(most)) => command.with("min-instances", least).with("max-instances", most),
        (least, most) => {
            remedy.notes.push(format!(
                "minInstances was {}, maxInstances was {}: gcloud {UPDATE} takes --min-instances and --max-instances together",
                least.unwrap_or("not known"),
                most.unwrap_or("not known")
            ));
            command
        }
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

/// Creates a connector as it was. `replaced`: the path goes by another one, and the first may be there still.
fn create(loss: &Loss<'_>, was: &str, replaced: bool, remedy: &mut Remedy) {
    match (as_it_was(loss, was), replaced) {
        (Some(command), false) => remedy.commands.push(command),
        (Some(command), true) if command.is_safe() => remedy.notes.push(format!(
            "the path went by {was}: the service's vpcAccess.connector leads back to it; if it does not exist any more: {command}"
        )),
        (_, true) => remedy.notes.push(format!(
            "the path went by {was}: the service's vpcAccess.connector leads back to it; if it does not exist any more, create it \
             anew from where it is declared"
        )),
        (None, false) => remedy.notes.push(format!(
            "{was} is gone, and its network and range are not known here: create it anew from where it is declared"
        )),
    }
}

/// The command that creates a connector as it was. None: not all of it is known.
fn as_it_was(loss: &Loss<'_>, was: &str) -> Option<Command> {
    let object = Object::of(was);
    let known = |field: &str| loss.known?.fields.get(field).map(String::as_str);
    let command = Command::gcloud("compute networks vpc-access connectors create", object.name)
        .with_some("project", Some(object.project))
        .with_some("region", Some(object.region));
    let command = match (known("subnet.name"), known("network"), known("ipCidrRange")) {
        (Some(subnet), _, _) => command.with("subnet", subnet).with_some("subnet-project", known("subnet.projectId")),
        (None, Some(network), Some(range)) => {
            command.with("network", network.rsplit('/').next().unwrap_or(network)).with("range", range)
        }
        (None, _, _) => return None,
    };
    let command = command.with_some("machine-type", known("machineType"));
    Some(command.with_some("min-instances", known("minInstances")).with_some("max-instances", known("maxInstances")))
}
