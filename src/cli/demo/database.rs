//! A PostgreSQL-speaking server (frontend/backend protocol 3.0) that stands in for Cloud SQL: it asks for a password by
//! SCRAM-SHA-256 and answers a few queries. Does network I/O on loopback.

use std::sync::Arc;

use async_trait::async_trait;
use futures::stream;
use pgwire::api::auth::sasl::SASLAuthStartupHandler;
use pgwire::api::auth::sasl::scram::{SCRAM_ITERATIONS, ScramAuth, gen_salted_password};
use pgwire::api::auth::{AuthSource, DefaultServerParameterProvider, LoginInfo, Password, StartupHandler};
use pgwire::api::query::SimpleQueryHandler;
use pgwire::api::results::{DataRowEncoder, FieldFormat, FieldInfo, QueryResponse, Response};
use pgwire::api::{ClientInfo, PgWireServerHandlers, Type};
use pgwire::error::{ErrorInfo, PgWireError, PgWireResult};
use pgwire::tokio::process_socket;
use tokio::net::TcpListener;

/// The only role.
pub const USER: &str = "app";
/// The only database.
pub const DATABASE: &str = "app";
/// Length of the salt (RFC 5802), in bytes.
const SALT: usize = 16;

/// The server.
pub struct Database {
    credentials: Arc<Credentials>,
}

impl Database {
    /// A server whose role has this password.
    pub fn new(password: &str, salt: [u8; SALT]) -> Self {
        let salted = gen_salted_password(password, &salt, SCRAM_ITERATIONS);
        Database { credentials: Arc::new(Credentials { salt, salted }) }
    }

    /// Serves until the runtime ends.
    pub async fn serve(self, listener: TcpListener) {
        let handlers = Arc::new(self);
        while let Ok((stream, _)) = listener.accept().await {
            let handlers = handlers.clone();
            // A client that breaks off is its own affair.
            tokio::spawn(async move { process_socket(stream, None, handlers).await });
        }
    }
}

impl PgWireServerHandlers for Database {
    fn startup_handler(&self) -> Arc<impl StartupHandler> {
        let mut parameters = DefaultServerParameterProvider::default();
        parameters.server_version = "17.0 (stand-in)".to_owned();
        let scram = ScramAuth::new(self.credentials.clone());
        Arc::new(SASLAuthStartupHandler::new(Arc::new(parameters)).with_scram(scram))
    }

    fn simple_query_handler(&self) -> Arc<impl SimpleQueryHandler> {
        Arc::new(Queries)
    }
}

/// What is kept of the role's password.
struct Credentials {
    salt: [u8; SALT],
    salted: Vec<u8>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials")
    }
}

#[async_trait]
impl AuthSource for Credentials {
    async fn get_password(&self, login: &LoginInfo) -> PgWireResult<Password> {
        match (login.user(), login.database()) {
            (Some(USER), Some(DATABASE)) => Ok(Password::new(Some(self.salt.to_vec()), self.salted.clone())),
            (user, _) => Err(PgWireError::InvalidPassword(user.unwrap_or_default().to_owned())),
        }
    }
}

/// Answers what a health check asks.
struct Queries;

#[async_trait]
impl SimpleQueryHandler for Queries {
    async fn do_query<C>(&self, _: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + Unpin + Send + Sync,
    {
        match query.trim().trim_end_matches(';').to_ascii_lowercase().as_str() {
            "" => Ok(vec![Response::EmptyQuery]),
            "select 1" => Ok(vec![row(&[("?column?", "1")])?]),
            "select pg_is_in_recovery(), current_setting('transaction_read_only')" => {
                Ok(vec![row(&[("pg_is_in_recovery", "f"), ("current_setting", "off")])?])
            }
            _ => {
                let message = "this stand-in answers health checks alone, such as SELECT 1".to_owned();
                // feature_not_supported
                Err(PgWireError::UserError(Box::new(ErrorInfo::new("ERROR".into(), "0A000".into(), message))))
            }
        }
    }
}

/// One row of text: each column's name and value.
fn row(columns: &[(&str, &str)]) -> PgWireResult<Response> {
    let field = |name: &str| FieldInfo::new(name.to_owned(), None, None, Type::TEXT, FieldFormat::Text);
    let fields: Arc<Vec<FieldInfo>> = Arc::new(columns.iter().map(|(name, _)| field(name)).collect());
    let mut encoder = DataRowEncoder::new(fields.clone());
    for (_, value) in columns {
        encoder.encode_field(value)?;
    }
    Ok(Response::Query(QueryResponse::new(fields, stream::iter([Ok(encoder.take_row())]))))
}
