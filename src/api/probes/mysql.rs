//! The spec of a `mysql` probe. Types and schema only.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeyRef;
use super::database::{DatabaseTls, expect_rows};
use crate::api::schema;

/// Logs in to a MySQL or MariaDB server and runs a query (MySQL client/server protocol 4.1 and later).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MysqlProbe {
    /// Host name or address, such as the private address of a Cloud SQL instance.
    #[schemars(schema_with = "schema::host")]
    pub host: String,
    /// Port. Default 3306.
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
    /// TLS settings. Default: mode Prefer.
    #[serde(default)]
    pub tls: DatabaseTls,
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
}

fn mysql_port() -> u16 {
    3306
}
