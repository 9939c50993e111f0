//! Compiles what the probes of databases have in common. Pure but for the CA certificates of the system.

use secrecy::SecretString;

use super::{Compiler, authority, invalid};
use crate::api::probes::{
    CA_UNUSED, CloudSql, DatabaseTls, DatabaseTlsMode, LONGEST_SOCKET, NO_TLS_OVER_CONNECTOR_SAYS,
    NO_TLS_OVER_SOCKET_SAYS, ONE_WAY_SAYS, SecretKeyRef,
};
use crate::plan::Fault;
use crate::plan::kinds::{CloudSqlInstance, DatabaseTlsPlan, SocketPath, Usage, Way};
use crate::plan::trust::Verification;

/// How a spec says that its database is reached.
pub(super) struct Reach<'a> {
    pub(super) host: Option<&'a str>,
    pub(super) port: u16,
    pub(super) happy_eyeballs: bool,
    pub(super) socket: Option<&'a str>,
    /// What the socket is called where `socket` names its directory. None: it names the socket itself.
    pub(super) socket_name: Option<String>,
    pub(super) cloud_sql: Option<&'a CloudSql>,
}

impl Reach<'_> {
    /// The database as it may be shown, with its user and its name.
    pub(super) fn shown(&self, scheme: &str, user: &str, database: &str) -> String {
        let at = match (self.host, self.socket, self.cloud_sql) {
            (Some(host), _, _) => authority(host, self.port),
            (None, Some(path), _) if self.socket_name.is_some() => format!("[{path}]:{}", self.port),
            (None, Some(path), _) => format!("[{path}]"),
            (None, None, Some(instance)) => format!("[cloudsql:{}]", instance.instance),
            (None, None, None) => String::new(),
        };
        format!("{scheme}://{user}@{at}/{database}")
    }

    /// The socket's path, or why it can't have one.
    fn socket(&self, path: &str) -> Result<SocketPath, String> {
        let name = self.socket_name.as_deref().filter(|_| !path.contains("/.s.PGSQL."));
        let file = name.map(|name| format!("{path}/{name}"));
        let whole = file.as_deref().unwrap_or(path);
        match whole.len() {
            0..=LONGEST_SOCKET => Ok(SocketPath { path: path.into(), file: file.map(Into::into) }),
            bytes => Err(format!("{whole} has {bytes} bytes; the path of a Unix socket has at most {LONGEST_SOCKET}")),
        }
    }
}

impl Compiler<'_> {
    /// The one way to the database of the probe at `path`.
    pub(super) fn way(&self, path: &str, reach: &Reach<'_>, usage: &Usage) -> Result<Way, Fault> {
        match (reach.host, reach.socket, reach.cloud_sql) {
            (Some(host), None, None) => {
                // A pool's connection takes the first address that answers; trying all of them would open more than it does.
                let happy_eyeballs = reach.happy_eyeballs || usage.connections > 1;
                self.endpoint(path, host, reach.port, happy_eyeballs).map(Way::Tcp)
            }
            (None, Some(socket), None) => {
                reach.socket(socket).map(Way::Unix).map_err(|why| invalid(self.at(&format!("{path}.socket")), why))
            }
            (None, None, Some(spec)) => Ok(Way::CloudSql(Box::new(CloudSqlInstance {
                name: spec.instance.as_str().into(),
                ip_type: spec.ip_type,
                iam_login: spec.iam_login,
            }))),
            (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) | (None, None, None) => {
                Err(invalid(self.at(path), ONE_WAY_SAYS))
            }
        }
    }

    /// How the database is used.
    pub(super) fn usage(&self, connections: Option<u16>, init_queries: &[String], payload_bytes: Option<u32>) -> Usage {
        Usage {
            connections: connections.unwrap_or(1).max(1),
            init_queries: init_queries.iter().map(|query| query.as_str().into()).collect(),
            startup_budget: self.startup_budget,
            payload_bytes,
        }
    }

    /// The TLS settings at `path`.tls of a database that is reached in that way.
    pub(super) fn tls_over(&self, path: &str, spec: Option<&DatabaseTls>, way: &Way) -> Result<DatabaseTlsPlan, Fault> {
        let field = format!("{path}.tls");
        match (way, spec) {
            (Way::Unix(_) | Way::CloudSql(_), None) => Ok(DatabaseTlsPlan::Disable),
            (Way::Unix(_), Some(_)) => Err(invalid(self.at(&field), NO_TLS_OVER_SOCKET_SAYS)),
            (Way::CloudSql(_), Some(_)) => Err(invalid(self.at(&field), NO_TLS_OVER_CONNECTOR_SAYS)),
            (Way::Tcp(endpoint), Some(spec)) => self.database_tls(&field, spec, &endpoint.host),
            (Way::Tcp(endpoint), None) => self.database_tls(&field, &DatabaseTls::default(), &endpoint.host),
        }
    }

    /// The value that `path`.`field` refers to.
    pub(super) fn password(&self, path: &str, reference: Option<&SecretKeyRef>) -> Result<Option<SecretString>, Fault> {
        let field = self.at(path);
        let value = |reference: &SecretKeyRef| self.secrets.text(&field, &reference.name, &reference.key);
        Ok(reference.map(value).transpose()?.map(SecretString::from))
    }

    /// The TLS settings at `path` for a server whose certificate carries `name`, unless they name another.
    pub(super) fn database_tls(&self, path: &str, spec: &DatabaseTls, name: &str) -> Result<DatabaseTlsPlan, Fault> {
        let trust = |verification| {
            self.trust(
                path,
                Some(spec.server_name.as_deref().unwrap_or(name)),
                verification,
                spec.ca_secret_ref.as_ref(),
                spec.client_cert_secret_ref.as_ref(),
            )
        };
        let unverified =
            matches!(spec.mode, DatabaseTlsMode::Disable | DatabaseTlsMode::Prefer | DatabaseTlsMode::Require);
        if unverified && spec.ca_secret_ref.is_some() {
            return Err(invalid(self.at(path), CA_UNUSED));
        }
        Ok(match spec.mode {
            DatabaseTlsMode::Disable => DatabaseTlsPlan::Disable,
            DatabaseTlsMode::Prefer => DatabaseTlsPlan::Prefer(trust(Verification::Nothing)?),
            DatabaseTlsMode::Require => DatabaseTlsPlan::Require(trust(Verification::Nothing)?),
            DatabaseTlsMode::VerifyCa => DatabaseTlsPlan::Require(trust(Verification::Chain)?),
            DatabaseTlsMode::VerifyFull => DatabaseTlsPlan::Require(trust(Verification::ChainAndName)?),
        })
    }
}
