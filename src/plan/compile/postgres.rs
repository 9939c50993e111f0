//! Compiles a `postgres` probe. Pure.

use super::{Compiler, authority};
use crate::api::probes::PostgresProbe;
use crate::plan::Fault;
use crate::plan::kinds::{Action, Endpoint, PostgresAction, Way};

impl Compiler<'_> {
    pub(super) fn postgres(&self, spec: &PostgresProbe) -> Result<Action, Fault> {
        Ok(Action::Postgres(Box::new(PostgresAction {
            way: Way::Tcp(Endpoint {
                host: spec.host.as_str().into(),
                port: spec.port,
                happy_eyeballs: spec.happy_eyeballs,
            }),
            database: spec.database.as_str().into(),
            user: spec.user.as_str().into(),
            password: self.password("postgres.passwordSecretRef", spec.password_secret_ref.as_ref())?,
            tls: self.database_tls("postgres.tls", &spec.tls, &spec.host)?,
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
        })))
    }
}

/// What is observed, as it may be shown.
pub(super) fn shown(spec: &PostgresProbe) -> String {
    format!("postgres://{}@{}/{}", spec.user, authority(&spec.host, spec.port), spec.database)
}
