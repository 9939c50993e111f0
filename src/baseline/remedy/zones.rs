//! What restores the private DNS zones of a network. Pure.

use std::collections::BTreeSet;

use super::network::{entry, upon};
use super::{Command, Loss, Object, Remedy};

/// One zone, as far as it differs.
struct Zone<'a> {
    loss: &'a Loss<'a>,
    name: &'a str,
}

/// Restores the private zones of a network.
pub fn zones(loss: &Loss<'_>, remedy: &mut Remedy) {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for drift in &loss.fields {
        match entry(&drift.field) {
            Some((_, name, _)) if done.insert(name) => Zone { loss, name }.restore(remedy),
            Some(_) => {}
            None => remedy.notes.push("the private zones are others than they were".to_owned()),
        }
    }
}

impl Zone<'_> {
    fn restore(&self, remedy: &mut Remedy) {
        let (was, is) = self.drifted("dnsName");
        match (was, is) {
            // Its name has not changed, so that it is there.
            (None, None) => self.update(remedy),
            (Some(_), None) => self.unseen(remedy),
            (None, Some(_)) => remedy.notes.push(format!(
                "the network sees the zone {}, and did not: gcloud dns managed-zones update --networks takes the network out of \
                 it, if it is not wanted",
                self.name
            )),
            (Some(was), Some(is)) => remedy.notes.push(format!(
                "the zone {} was for {was}, and is another one for {is}: a zone's DNS name can't be changed. Delete it and create \
                 it anew from where it is declared, with its records",
                self.name
            )),
        }
    }

    /// A part as it was and is, if it differs.
    fn drifted(&self, part: &str) -> (Option<&str>, Option<&str>) {
        let field = format!("zones[{}].{part}", self.name);
        let drift = self.loss.fields.iter().find(|drift| drift.field == field);
        let set = |value: &&str| !value.is_empty();
        drift.map_or((None, None), |drift| (drift.was.as_deref().filter(set), drift.is.as_deref().filter(set)))
    }

    /// A part as it was, whether it differs or not.
    fn was(&self, part: &str) -> Option<&str> {
        self.loss.was(&format!("zones[{}].{part}", self.name))
    }

    /// Sets back what differs of a zone that is there.
    fn update(&self, remedy: &mut Remedy) {
        let start = || upon(self.loss, "dns managed-zones update", self.name);
        for (part, flag) in [("networks", "networks"), ("forwardingTargets", "forwarding-targets")] {
            match self.drifted(part) {
                (Some(was), _) => remedy.commands.push(start().with(flag, was)),
                (None, Some(is)) => remedy.notes.push(format!(
                    "{part} of the zone {} was not set and is {is}: no command takes it away",
                    self.name
                )),
                (None, None) => {}
            }
        }
        match self.drifted("peeringNetwork") {
            (Some(was), _) => remedy.commands.push(peered(start(), was, self.loss)),
            (None, Some(is)) => remedy
                .notes
                .push(format!("the zone {} asks the network {is} and did not: no command takes that away", self.name)),
            (None, None) => {}
        }
    }

    /// A zone that the network does not see any more: it may be gone, and it may be only detached. The configuration holds no zone but
    /// those that the network sees, so that this can't be told, and the command for the one fails upon the other.
    fn unseen(&self, remedy: &mut Remedy) {
        let attach = upon(self.loss, "dns managed-zones update", self.name).with_some("networks", self.was("networks"));
        let describe = upon(self.loss, "dns managed-zones describe", self.name);
        let Some(create) = self.create().filter(|create| create.is_safe() && attach.is_safe()) else {
            return remedy.notes.push(format!(
                "the network does not see the zone {} any more, and not all that it takes to create it is known here: let it see \
                 the zone if that is there, and else create it anew from where it is declared, with its records",
                self.name
            ));
        };
        remedy.notes.push(format!(
            "the network does not see the zone {} any more. If {describe} finds it, it was only detached: {attach}",
            self.name
        ));
        remedy.notes.push(format!(
            "if the zone {} is gone: {create}. Its records are not in the baseline: restore them from where they are declared",
            self.name
        ));
    }

    /// The command that creates the zone as it was. None: not all of it is known.
    fn create(&self) -> Option<Command> {
        let command = upon(self.loss, "dns managed-zones create", self.name)
            .with("dns-name", self.was("dnsName")?)
            .with("visibility", "private")
            .with("networks", self.was("networks")?)
            .with("description", "Restored from the baseline of runready")
            .with_some("forwarding-targets", self.was("forwardingTargets"));
        Some(match self.was("peeringNetwork") {
            Some(network) => peered(command, network, self.loss),
            None => command,
        })
    }
}

/// With the network that is asked in the zone's place.
fn peered(command: Command, network: &str, loss: &Loss<'_>) -> Command {
    let other = Object::of(network);
    let project = if other.project.is_empty() { loss.object.project } else { other.project };
    command.with("target-network", other.name).with_some("target-project", Some(project))
}
