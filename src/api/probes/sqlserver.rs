//! The spec of a `sqlserver` probe. Types and schema only.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeyRef;
use super::database::{
    CloudSql, DatabaseTls, NO_EYEBALLS_OVER_SOCKET_SAYS, NO_TLS_OVER_CONNECTOR, NO_TLS_OVER_CONNECTOR_SAYS,
    connections, expect_rows, init_queries, payload_bytes,
};
use crate::api::schema;

const ONE_WAY: &str = "has(self.host) != has(self.cloudSql)";
const ONE_WAY_SAYS: &str =
    "set exactly one way to the database: host (with port), or cloudSql with the instance's connection name";

const NO_IAM_LOGIN: &str = "!has(self.cloudSql) || !has(self.cloudSql.iamLogin) || !self.cloudSql.iamLogin";
/// What is wrong with a login by token.
pub const NO_IAM_LOGIN_SAYS: &str =
    "Cloud SQL has no IAM logins for SQL Server: leave iamLogin out, and log in by password";

const NO_EYEBALLS: &str = "has(self.host) || !has(self.happyEyeballs) || !self.happyEyeballs";

/// Logs in to a SQL Server and runs a query (TDS 7.4: SQL Server 2012 and later).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(
    validation = Rule::new(ONE_WAY).message(ONE_WAY_SAYS),
    validation = Rule::new(NO_TLS_OVER_CONNECTOR).message(NO_TLS_OVER_CONNECTOR_SAYS).field_path(".tls"),
    validation = Rule::new(NO_IAM_LOGIN).message(NO_IAM_LOGIN_SAYS).field_path(".cloudSql"),
    validation = Rule::new(NO_EYEBALLS).message(NO_EYEBALLS_OVER_SOCKET_SAYS).field_path(".happyEyeballs")
)]
#[serde(rename_all = "camelCase")]
pub struct SqlServerProbe {
    /// Host name or address, such as the private address of a Cloud SQL instance. Exactly one of host and cloudSql is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::host")]
    pub host: Option<String>,
    /// Cloud SQL instance, reached as the Auth Proxy and the language connectors do. Without iamLogin, which SQL Server does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_sql: Option<CloudSql>,
    /// Port of host. Default 1433. A named instance has a port of its own: the SQL Server Browser is not asked for it.
    #[serde(default = "sqlserver_port")]
    #[schemars(schema_with = "schema::port")]
    pub port: u16,
    /// Take the first address that answers (RFC 8305) and judge it alone. Default false: every resolved address is tried, so that a dead one shows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub happy_eyeballs: bool,
    /// Database to open. Default: the one that the server has for the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub database: Option<String>,
    /// Login of SQL Server's own (not of Windows).
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.size() > 0").message("must name the user to log in as"))]
    pub user: String,
    /// Where the login's password is.
    pub password_secret_ref: SecretKeyRef,
    /// TLS settings. Default: mode Prefer.
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
    /// Demands a database that accepts writes (Updateability READ_WRITE); a secondary replica is ReadOnly. Default false.
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

fn sqlserver_port() -> u16 {
    1433
}
