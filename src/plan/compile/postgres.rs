//! Compiles a `postgres` probe. Pure.

use super::Compiler;
use super::database::Reach;
use crate::api::probes::PostgresProbe;
use crate::plan::Fault;
use crate::plan::kinds::{Action, PostgresAction};

impl Compiler<'_> {
    pub(super) fn postgres(&self, spec: &PostgresProbe) -> Result<Action, Fault> {
        let usage = self.usage(spec.connections, &spec.init_queries, spec.payload_bytes);
        let way = self.way("postgres", &reach(spec), &usage)?;
        Ok(Action::Postgres(Box::new(PostgresAction {
            tls: self.tls_over("postgres", spec.tls.as_ref(), &way)?,
            way,
            database: spec.database.as_str().into(),
            user: spec.user.as_str().into(),
            password: self.password("postgres.passwordSecretRef", spec.password_secret_ref.as_ref())?,
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
            usage,
        })))
    }
}

fn reach(spec: &PostgresProbe) -> Reach<'_> {
    Reach {
        host: spec.host.as_deref(),
        port: spec.port,
        happy_eyeballs: spec.happy_eyeballs,
        socket: spec.socket.as_deref(),
        // PostgreSQL documentation, "Server Configuration", unix_socket_directories.
        socket_name: Some(format!(".s.PGSQL.{}", spec.port)),
        cloud_sql: spec.cloud_sql.as_ref(),
    }
}

/// What is observed, as it may be shown.
pub(super) fn shown(spec: &PostgresProbe) -> String {
    reach(spec).shown("postgres", &spec.user, &spec.database)
}
