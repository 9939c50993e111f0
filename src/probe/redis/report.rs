//! What a Redis server tells about itself: its role by ROLE, or by INFO where ROLE is not allowed, and its version. Pure.

use std::borrow::Cow;

use ::redis::Value;

use crate::evidence::Fact;
use crate::probe::Attempt;

/// Among how many lines of INFO server Valkey tells its version: it is in the fourth.
const VALKEY_LINES: usize = 8;

/// The role of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// It accepts writes.
    Master {
        /// How many replicas are connected to it.
        replicas: u64,
    },
    /// It follows a master.
    Replica {
        /// The master, as host:port.
        master: String,
        /// The link's state: connect, connecting, sync, connected.
        link: String,
    },
    /// It watches others.
    Sentinel,
}

impl Role {
    /// The role's name, as in the spec.
    pub const fn name(&self) -> &'static str {
        match self {
            Role::Master { .. } => "Master",
            Role::Replica { .. } => "Replica",
            Role::Sentinel => "Sentinel",
        }
    }

    /// How many replicas are connected to a master.
    pub const fn replicas(&self) -> Option<u64> {
        match self {
            Role::Master { replicas } => Some(*replicas),
            Role::Replica { .. } | Role::Sentinel => None,
        }
    }

    /// The role that an answer to ROLE tells.
    pub fn of_command(answer: &Value) -> Option<Role> {
        let Value::Array(parts) = answer else { return None };
        match (&*text(parts.first()?)?, &parts[1..]) {
            ("master", [_, Value::Array(replicas)]) => Some(Role::Master { replicas: replicas.len() as u64 }),
            ("slave" | "replica", [host, Value::Int(port), link, ..]) => {
                Some(Role::Replica { master: format!("{}:{port}", text(host)?), link: text(link)?.into_owned() })
            }
            ("sentinel", _) => Some(Role::Sentinel),
            _ => None,
        }
    }

    /// The role that an answer to INFO replication tells.
    pub fn of_info(answer: &Value) -> Option<Role> {
        let info = text(answer)?;
        let field = |name| field(info.lines(), name);
        match field("role")? {
            "master" => Some(Role::Master { replicas: field("connected_slaves")?.parse().ok()? }),
            "slave" | "replica" => {
                let syncing = field("master_sync_in_progress") == Some("1");
                let link = match field("master_link_status")? {
                    "up" => "connected",
                    _ if syncing => "sync",
                    _ => "connect",
                };
                let master = format!("{}:{}", field("master_host")?, field("master_port")?);
                Some(Role::Replica { master, link: link.to_owned() })
            }
            "sentinel" => Some(Role::Sentinel),
            _ => None,
        }
    }

    /// Puts the role into the evidence.
    pub fn record(&self, attempt: &mut Attempt<'_>) {
        attempt.fact(Fact::Role, self.name());
        match self {
            Role::Master { replicas } => attempt.fact(Fact::ConnectedReplicas, replicas.to_string()),
            Role::Replica { link, .. } => attempt.fact(Fact::MasterLink, link.clone()),
            Role::Sentinel => {}
        }
    }
}

/// The version that an answer to INFO server tells. Valkey reports a Redis version that it is compatible with, and close to it its
/// own: for that the rest, which is much more, is not looked through.
pub fn version(answer: &Value) -> Option<String> {
    let info = text(answer)?;
    let valkey = field(info.lines().take(VALKEY_LINES), "valkey_version").map(|version| format!("Valkey {version}"));
    valkey.or_else(|| field(info.lines(), "redis_version").map(str::to_owned))
}

/// The value of a field of INFO.
fn field<'a>(mut lines: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim_end)
}

/// An answer as text.
fn text(answer: &Value) -> Option<Cow<'_, str>> {
    match answer {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes)),
        Value::SimpleString(text) => Some(text.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn a_role_is_the_same_by_role_and_by_info() {
        let replica = Role::Replica { master: "10.0.0.1:6379".to_owned(), link: "connected".to_owned() };
        let told = [bulk("slave"), bulk("10.0.0.1"), Value::Int(6379), bulk("connected"), Value::Int(7)];
        assert_eq!(Role::of_command(&Value::Array(told.to_vec())), Some(replica.clone()));
        let info =
            "# Replication\r\nrole:slave\r\nmaster_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:up\r\n";
        assert_eq!(Role::of_info(&bulk(info)), Some(replica));
        let master = Value::Array(vec![bulk("master"), Value::Int(7), Value::Array(vec![Value::Nil, Value::Nil])]);
        assert_eq!(Role::of_command(&master), Some(Role::Master { replicas: 2 }));
        assert_eq!(Role::of_info(&bulk("role:master\r\nconnected_slaves:2\r\n")), Some(Role::Master { replicas: 2 }));
    }

    #[test]
    fn a_link_that_is_down_is_told() {
        let info =
            |more: &str| format!("role:slave\r\nmaster_host:h\r\nmaster_port:1\r\nmaster_link_status:down\r\n{more}");
        let link = |more: &str| match Role::of_info(&bulk(&info(more))) {
            Some(Role::Replica { link, .. }) => link,
            other => panic!("{other:?}"),
        };
        assert_eq!(link("master_sync_in_progress:0\r\n"), "connect");
        assert_eq!(link("master_sync_in_progress:1\r\n"), "sync");
    }

    #[test]
    fn what_is_no_role_is_none() {
        let arrays = [vec![], vec![bulk("slave")], vec![bulk("king"), Value::Int(1)], vec![Value::Int(1)]];
        assert!(arrays.into_iter().all(|parts| Role::of_command(&Value::Array(parts)).is_none()));
        assert_eq!(Role::of_command(&Value::Okay), None);
        assert_eq!(Role::of_info(&bulk("role:slave\r\n")), None);
    }

    #[test]
    fn valkey_tells_its_own_version() {
        assert_eq!(version(&bulk("redis_version:7.0.15\r\n")).as_deref(), Some("7.0.15"));
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\n";
        assert_eq!(version(&bulk(valkey)).as_deref(), Some("Valkey 8.0.1"));
        let garnet = format!("# Server\r\ngarnet_version:1.0\r\n{}redis_version:7.4.3\r\n", "x:1\r\n".repeat(12));
        assert_eq!(version(&bulk(&garnet)).as_deref(), Some("7.4.3"));
    }
}
