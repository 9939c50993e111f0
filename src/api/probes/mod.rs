//! What each kind of probe needs to know, one file for each kind. Types and schema only.

mod auth;
mod database;
mod dns;
mod grpc;
mod http;
mod journey;
mod load;
mod mysql;
mod postgres;
mod redis;
mod sqlserver;
mod tcp;
mod tls;
mod websocket;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

pub use auth::{
    AUTH_IN_THE_CLEAR, Auth, BasicAuth, BearerAuth, ClientAuth, GoogleIdTokenAuth, OAuth2Auth, ONE_AUTH, OWN_AUDIENCE,
    TOKEN_URL_IN_THE_CLEAR,
};
pub(crate) use auth::{audience_is_own, auth_is_covered};
pub use database::{
    CA_UNUSED, CloudSql, CloudSqlIpType, DatabaseTls, DatabaseTlsMode, LONGEST_SOCKET, NO_TLS_OVER_CONNECTOR_SAYS,
    NO_TLS_OVER_SOCKET_SAYS, ONE_LOGIN_SAYS, ONE_WAY_SAYS,
};
pub use dns::{DnsProbe, RecordType};
pub use grpc::{GRPC_AUTH_TWICE, GrpcMetadata, GrpcMethod, GrpcProbe, GrpcSecretMetadata};
pub use http::{AUTH_TWICE, HttpHeader, HttpProbe, HttpSecretHeader, HttpTls, HttpVersion};
pub use journey::{Capture, JourneyProbe, JourneySecret, JourneyStep};
pub use load::{LoadLatency, LoadProbe, ONE_PACE_SAYS, REST_SAYS, WHEN_SAYS};
pub use mysql::MysqlProbe;
pub use postgres::PostgresProbe;
pub use redis::{REDIS_CA_UNUSED, RedisProbe, RedisRole, RedisTls, RedisTlsMode};
pub use sqlserver::{NO_IAM_LOGIN_SAYS, SqlServerProbe};
pub use tcp::{TcpProbe, TcpStep};
pub use tls::TlsProbe;
pub use websocket::{ExpectJson, WebsocketProbe, WebsocketStep};

/// One value of a Secret in the check's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key within the Secret's data.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A CA bundle (PEM) in a Secret of the check's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CaSecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
    /// Key within the Secret's data. Default ca.crt.
    #[serde(default = "ca_crt")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn ca_crt() -> String {
    "ca.crt".to_owned()
}

/// A client certificate: a Secret of type kubernetes.io/tls, with tls.crt and tls.key (PEM).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ClientCertSecretRef {
    /// Name of the Secret.
    #[schemars(schema_with = "schema::object_name")]
    pub name: String,
}
