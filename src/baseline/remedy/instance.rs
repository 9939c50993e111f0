//! What restores a Cloud SQL instance. Pure.

use super::{Command, Loss, Remedy};

/// Flags of `gcloud sql instances patch` that take a field's value as it is.
const PLAIN: [(&str, &str); 7] = [
    ("settings.activationPolicy", "activation-policy"),
    ("settings.tier", "tier"),
    ("settings.availabilityType", "availability-type"),
    ("settings.connectorEnforcement", "connector-enforcement"),
    ("settings.ipConfiguration.sslMode", "ssl-mode"),
    ("settings.ipConfiguration.privateNetwork", "network"),
    ("settings.ipConfiguration.authorizedNetworks", "authorized-networks"),
];

/// Flags that stand for themselves or, with no- before them, for the contrary.
const SWITCHES: [(&str, &str); 3] = [
    ("settings.ipConfiguration.ipv4Enabled", "assign-ip"),
    ("settings.storageAutoResize", "storage-auto-increase"),
    ("settings.ipConfiguration.pscConfig.pscEnabled", "enable-private-service-connect"),
];

/// Restores an instance.
pub fn instance(loss: &Loss<'_>, remedy: &mut Remedy) {
    let start =
        Command::gcloud("sql instances patch", loss.object.name).with_some("project", Some(loss.object.project));
    let before = start.words().len();
    let mut command = start;
    let mut flags_done = false;
    for drift in &loss.fields {
        let (field, was) = (drift.field.as_str(), drift.was.as_deref().filter(|was| !was.is_empty()));
        let plain = PLAIN.iter().find(|(known, _)| *known == field);
        let switch = SWITCHES.iter().find(|(known, _)| *known == field);
        command = match (plain, switch, was) {
            (Some((_, flag)), _, Some(was)) => command.with(flag, was),
            (_, Some((_, flag)), Some("true")) => command.flag(flag),
            (_, Some((_, flag)), Some(_)) => command.flag(&format!("no-{flag}")),
            (_, _, Some(size)) if field == "settings.dataDiskSizeGb" && is_more(size, drift.is.as_deref()) => {
                command.with("storage-size", size)
            }
            (_, _, None) if field == "settings.ipConfiguration.authorizedNetworks" => {
                command.flag("clear-authorized-networks")
            }
            (_, _, _) if field.starts_with("settings.databaseFlags[") => {
                // The flag sets them all, so that all of them must be known.
                if std::mem::replace(&mut flags_done, true) { command } else { with_flags(loss, command, remedy) }
            }
            (_, _, was) => {
                remedy.notes.push(irreversible(field, was, drift.is.as_deref()));
                command
            }
        };
    }
    if command.words().len() > before {
        remedy.commands.push(command);
    }
}

fn with_flags(loss: &Loss<'_>, command: Command, remedy: &mut Remedy) -> Command {
    let flags = loss.list("settings.databaseFlags").filter(|_| loss.known.is_some());
    let Some(flags) = flags else {
        let set = loss.fields.iter().filter_map(|drift| {
            let flag = drift.field.strip_prefix("settings.databaseFlags[")?.strip_suffix(']')?;
            Some((flag, drift.was.as_deref()?)).filter(|(flag, _)| *flag != "*")
        });
        let said: Vec<String> = set.map(|(flag, value)| format!("{flag}={value}")).collect();
        remedy.notes.push(format!(
            "gcloud sql instances patch --database-flags sets every flag at once, and the others are not known here: give \
             them all, these among them: {}",
            said.join(", ")
        ));
        return command;
    };
    remedy.notes.push("changed database flags may restart the instance: gcloud asks before it does".to_owned());
    match &*flags {
        [] => command.flag("clear-database-flags"),
        flags => {
            let pairs: Vec<String> = flags.iter().map(|(flag, value)| format!("{flag}={value}")).collect();
            command.with_list("database-flags", &pairs)
        }
    }
}

/// Whether a disk was larger than it is: it can grow, and not shrink.
fn is_more(was: &str, is: Option<&str>) -> bool {
    let size = |text: &str| text.parse::<u64>().ok();
    size(was) > is.and_then(size)
}

/// What no command restores.
fn irreversible(field: &str, was: Option<&str>, is: Option<&str>) -> String {
    let was = was.unwrap_or("not set");
    if field.is_empty() {
        let is = is.unwrap_or("gone");
        return format!(
            "the instance was {was} and is {is}: restore it from a backup, or point the service back to it"
        );
    }
    if field.starts_with("ipAddresses") {
        let is = is.unwrap_or("none");
        return format!(
            "{field} was {was}, is {is}: Google chooses it, no command brings the old one back; change what names it (the \
             service's environment, DNS records, this check's host)"
        );
    }
    match field {
        "settings.ipConfiguration.privateNetwork" => {
            "an instance can't be taken out of a network that it has an address in".to_owned()
        }
        "settings.dataDiskSizeGb" => format!("the disk had {was} GB: it can grow, and not shrink"),
        "databaseVersion" => format!("databaseVersion was {was}: an instance can't go back to it; restore a backup"),
        _ => format!("no command sets {field} back to {was}"),
    }
}
