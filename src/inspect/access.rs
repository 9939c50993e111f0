//! Reads who may do what in a project (cloudresourcemanager v3), and tells whether an account may connect to its instances. Does
//! network I/O; the judgement is pure.

use super::google::Google;
use super::question::Question;
use crate::cloud::Unread;
use crate::cloud::access::{Access, Grant};

/// Roles that carry cloudsql.instances.connect.
const CONNECT: [&str; 5] =
    ["roles/cloudsql.client", "roles/cloudsql.editor", "roles/cloudsql.admin", "roles/editor", "roles/owner"];
/// Roles that carry cloudsql.instances.login.
const LOGIN: [&str; 3] = ["roles/cloudsql.instanceUser", "roles/cloudsql.admin", "roles/owner"];
/// Most roles of an account that are kept.
const MOST_ROLES: usize = 64;

/// A project's policy: each role with the service accounts that have it.
#[derive(Debug, Default)]
pub struct Policy(Vec<(Box<str>, Accounts)>);

/// Service accounts, by address.
type Accounts = Box<[Box<str>]>;

/// Reads a project's policy.
pub async fn read(google: &Google, question: &Question) -> Result<Policy, Unread> {
    let clients = google.clients(question).await?;
    let api = clients.projects(question).await?;
    let resource = format!("projects/{}", question.project);
    let answer = google.ask(question, || api.get_iam_policy().set_resource(&resource).send()).await?;
    // A binding with a condition comes under another name (ROLE_withcond_...) for who does not ask for conditions: it is a
    // grant that may not hold, so it counts for none.
    let bindings = answer.bindings.into_iter().filter(|binding| binding.condition.is_none());
    let accounts = |members: Vec<String>| {
        members.iter().filter_map(|member| member.strip_prefix("serviceAccount:")).map(Box::from).collect()
    };
    Ok(Policy(bindings.map(|binding| (binding.role.into(), accounts(binding.members))).collect()))
}

impl Policy {
    /// What an account may do.
    pub fn access(&self, account: &str) -> Access {
        let has = |accounts: &[Box<str>]| accounts.iter().any(|member| member.eq_ignore_ascii_case(account));
        let roles: Vec<String> =
            self.0.iter().filter(|(_, accounts)| has(accounts)).map(|(role, _)| role.to_string()).collect();
        let grant = |carrying: &[&str]| match roles.iter().any(|role| carrying.contains(&role.as_str())) {
            true => Grant::Granted,
            false => Grant::NotShown,
        };
        Access {
            account: account.to_owned(),
            connect: grant(&CONNECT),
            login: grant(&LOGIN),
            roles: roles.iter().take(MOST_ROLES).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_that_carries_the_permission_grants_it_to_its_members_alone() {
        let members: Box<[Box<str>]> = ["backend@p.iam.gserviceaccount.com".into()].into();
        for (role, connect, login) in [
            ("roles/cloudsql.client", Grant::Granted, Grant::NotShown),
            ("roles/cloudsql.instanceUser", Grant::NotShown, Grant::Granted),
            ("roles/cloudsql.admin", Grant::Granted, Grant::Granted),
            ("roles/editor", Grant::Granted, Grant::NotShown),
            ("roles/cloudsql.viewer", Grant::NotShown, Grant::NotShown),
            ("roles/cloudsql.client_withcond_0123456789abcdef", Grant::NotShown, Grant::NotShown),
        ] {
            let policy = Policy(vec![(role.into(), members.clone())]);
            let access = policy.access("backend@p.iam.gserviceaccount.com");
            assert_eq!((access.connect, access.login), (connect, login), "{role}");
            assert_eq!(access.roles, [role]);
            assert!(policy.access("other@p.iam.gserviceaccount.com").roles.is_empty());
        }
    }
}
