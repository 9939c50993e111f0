//! Reads who may do what in a project (cloudresourcemanager v3), and tells whether an account may connect to its instances. Does
//! network I/O; the judgement is pure.

use super::google::Google;
use super::question::Question;
use crate::cloud::Unread;
use crate::cloud::access::{Access, Grant, is_custom};

/// Roles that carry cloudsql.instances.connect.
const CONNECT: [&str; 5] =
    ["roles/cloudsql.client", "roles/cloudsql.editor", "roles/cloudsql.admin", "roles/editor", "roles/owner"];
/// Roles that carry cloudsql.instances.login.
const LOGIN: [&str; 3] = ["roles/cloudsql.instanceUser", "roles/cloudsql.admin", "roles/owner"];
/// Most roles of an account that are kept.
const MOST_ROLES: usize = 64;

/// What stands between a role and a hash where a binding with a condition comes without it.
const CONDITION: &str = "_withcond_";

/// A project's policy.
#[derive(Debug, Default)]
pub struct Policy(Vec<Binding>);

/// A role with the service accounts that have it.
#[derive(Debug)]
struct Binding {
    role: Box<str>,
    /// Whether it comes with a condition.
    conditional: bool,
    /// Service accounts, by address.
    accounts: Box<[Box<str>]>,
}

/// Reads a project's policy.
pub async fn read(google: &Google, question: &Question) -> Result<Policy, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.projects(question).await?;
    let resource = format!("projects/{}", question.project);
    let answer = google.ask(question, || api.get_iam_policy().set_resource(&resource).send()).await?;
    let accounts = |members: Vec<String>| {
        members.iter().filter_map(|member| member.strip_prefix("serviceAccount:")).map(Box::from).collect()
    };
    let bindings = answer.bindings.into_iter().map(|binding| Binding {
        conditional: binding.condition.is_some(),
        role: binding.role.into(),
        accounts: accounts(binding.members),
    });
    Ok(Policy(bindings.collect()))
}

impl Binding {
    fn has(&self, account: &str) -> bool {
        self.accounts.iter().any(|member| member.eq_ignore_ascii_case(account))
    }

    /// Whether it holds only sometimes. A binding with a condition comes under another name (ROLE_withcond_...) for who does not ask for
    /// conditions.
    fn is_conditional(&self) -> bool {
        self.conditional || self.role.contains(CONDITION)
    }

    /// Whether it grants what those roles carry.
    fn grants(&self, carrying: &[&str]) -> Grant {
        let role = self.role.split_once(CONDITION).map_or(&*self.role, |(role, _)| role);
        match (carrying.contains(&role), is_custom(role)) {
            (false, false) => Grant::NotShown,
            (true, _) | (_, true) if self.is_conditional() => Grant::Condition,
            (true, _) => Grant::Granted,
            (false, true) => Grant::CustomRole,
        }
    }
}

impl Policy {
    /// What an account may do.
    pub fn access(&self, account: &str) -> Access {
        let held: Vec<&Binding> = self.0.iter().filter(|binding| binding.has(account)).collect();
        let grant =
            |carrying: &[&str]| held.iter().map(|binding| binding.grants(carrying)).min().unwrap_or(Grant::NotShown);
        let roles = held.iter().filter(|binding| !binding.is_conditional()).map(|binding| binding.role.to_string());
        Access {
            account: account.to_owned(),
            connect: grant(&CONNECT),
            login: grant(&LOGIN),
            roles: roles.take(MOST_ROLES).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "backend@p.iam.gserviceaccount.com";

    fn bound(role: &str, conditional: bool) -> Binding {
        Binding { role: role.into(), conditional, accounts: [ACCOUNT.into()].into() }
    }

    #[test]
    fn a_role_that_carries_the_permission_grants_it_to_its_members_alone() {
        for (role, connect, login) in [
            ("roles/cloudsql.client", Grant::Granted, Grant::NotShown),
            ("roles/cloudsql.instanceUser", Grant::NotShown, Grant::Granted),
            ("roles/cloudsql.admin", Grant::Granted, Grant::Granted),
            ("roles/editor", Grant::Granted, Grant::NotShown),
            ("roles/cloudsql.viewer", Grant::NotShown, Grant::NotShown),
            ("roles/cloudsql.client_withcond_0123456789abcdef", Grant::Condition, Grant::NotShown),
            ("roles/cloudsql.viewer_withcond_0123456789abcdef", Grant::NotShown, Grant::NotShown),
            ("projects/p/roles/connects", Grant::CustomRole, Grant::CustomRole),
            ("organizations/1/roles/connects", Grant::CustomRole, Grant::CustomRole),
            ("projects/p/roles/connects_withcond_0123456789abcdef", Grant::Condition, Grant::Condition),
        ] {
            let policy = Policy(vec![bound(role, false)]);
            let access = policy.access(ACCOUNT);
            assert_eq!((access.connect, access.login), (connect, login), "{role}");
            let unconditional = if role.contains(CONDITION) { vec![] } else { vec![role] };
            assert_eq!(access.roles, unconditional, "{role}");
            let other = policy.access("other@p.iam.gserviceaccount.com");
            assert!(other.roles.is_empty() && other.connect == Grant::NotShown, "{other:?}");
        }
    }

    #[test]
    fn a_condition_may_grant_and_a_role_without_one_does() {
        let conditional = || bound("roles/cloudsql.client", true);
        let access = Policy(vec![conditional()]).access(ACCOUNT);
        assert_eq!((access.connect, access.login), (Grant::Condition, Grant::NotShown));
        assert!(access.roles.is_empty(), "a role that may not hold is not one that the account has");
        let access = Policy(vec![conditional(), bound("projects/p/roles/connects", false)]).access(ACCOUNT);
        assert_eq!(access.connect, Grant::CustomRole);
        let access = Policy(vec![conditional(), bound("roles/cloudsql.client", false)]).access(ACCOUNT);
        assert_eq!(access.connect, Grant::Granted);
    }
}
