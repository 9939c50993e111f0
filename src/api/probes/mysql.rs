//! The spec of a `mysql` probe. Types and schema only.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeyRef;
use super::database::{
    CloudSql, DatabaseTls, NO_EYEBALLS_OVER_SOCKET, NO_EYEBALLS_OVER_SOCKET_SAYS, NO_TLS_OVER_CONNECTOR,
    NO_TLS_OVER_CONNECTOR_SAYS, NO_TLS_OVER_SOCKET, NO_TLS_OVER_SOCKET_SAYS, ONE_LOGIN, ONE_LOGIN_SAYS, ONE_WAY,
    ONE_WAY_SAYS, connections, expect_rows, init_queries, payload_bytes, socket,
};
use crate::api::schema;

/// Logs in to a MySQL or MariaDB server and runs a query (MySQL client/server protocol 4.1 and later).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(ONE_WAY).message(ONE_WAY_SAYS),
    validation = Rule::new(NO_TLS_OVER_SOCKET).message(NO_TLS_OVER_SOCKET_SAYS).field_path(".tls"),
    validation = Rule::new(NO_TLS_OVER_CONNECTOR).message(NO_TLS_OVER_CONNECTOR_SAYS).field_path(".tls"),
    validation = Rule::new(ONE_LOGIN).message(ONE_LOGIN_SAYS).field_path(".passwordSecretRef"),
    validation = Rule::new(NO_EYEBALLS_OVER_SOCKET).message(NO_EYEBALLS_OVER_SOCKET_SAYS).field_path(".happyEyeballs")
)]
#[serde(rename_all = "camelCase")]
pub struct MysqlProbe {
    /// Host name or address, such as the private address of a Cloud SQL instance. Exactly one of host, socket and cloudSql is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::host")]
    pub host: Option<String>,
    /// Unix socket, such as /cloudsql/PROJECT:REGION:INSTANCE where Cloud Run mounts an instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "socket")]
    pub socket: Option<String>,
    /// Cloud SQL instance, reached as the Auth Proxy and the language connectors do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_sql: Option<CloudSql>,
    /// Port of host. Default 3306.
    #[serde(default = "mysql_port")]
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
    /// Database to open. Default: none, which MySQL allows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub database: Option<String>,
    /// User to log in as.
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("must name the user to log in as"))]
    pub user: String,
    /// Where the user's password is. Without it, the server must let the user in without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_secret_ref: Option<SecretKeyRef>,
    /// TLS settings. Default: mode Prefer; over a Unix socket there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<DatabaseTls>,
    /// Query to run after login. Default SELECT 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub query: Option<String>,
    /// Exact number of rows that the query must return; otherwise UnexpectedResult.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "expect_rows")]
    pub expect_rows: Option<u32>,
    /// Demands a server that accepts writes; a replica or a failed-over endpoint is ReadOnly. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub writable: bool,
    /// How many connections to open at once, as the service does when it starts. All of them must become usable: logged in, initialised, the query answered. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "connections")]
    pub connections: Option<u16>,
    /// Statements to run on each connection after the login and before the query, in order, as the service's pool does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "init_queries")]
    pub init_queries: Vec<String>,
    /// Size of a further result, in bytes, that must come through after the query: large packets can be lost where small ones pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "payload_bytes")]
    pub payload_bytes: Option<u32>,
}

fn mysql_port() -> u16 {
    3306
}
