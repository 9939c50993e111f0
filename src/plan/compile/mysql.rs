//! Compiles a `mysql` probe. Pure.

use super::Compiler;
use super::database::Reach;
use crate::api::probes::MysqlProbe;
use crate::plan::Fault;
use crate::plan::kinds::{Action, MysqlAction};

impl Compiler<'_> {
    pub(super) fn mysql(&self, spec: &MysqlProbe) -> Result<Action, Fault> {
        let usage = self.usage(spec.connections, &spec.init_queries, spec.payload_bytes);
        let way = self.way("mysql", &reach(spec), &usage)?;
        Ok(Action::Mysql(Box::new(MysqlAction {
            tls: self.tls_over("mysql", spec.tls.as_ref(), &way)?,
            way,
            database: spec.database.as_deref().map(Into::into),
            user: spec.user.as_str().into(),
            password: self.password("mysql.passwordSecretRef", spec.password_secret_ref.as_ref())?,
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
            usage,
        })))
    }
}

fn reach(spec: &MysqlProbe) -> Reach<'_> {
    Reach {
        host: spec.host.as_deref(),
        port: spec.port,
        happy_eyeballs: spec.happy_eyeballs,
        socket: spec.socket.as_deref(),
        // A socket of MySQL has any name: Cloud Run calls it by the instance.
        socket_name: None,
        cloud_sql: spec.cloud_sql.as_ref(),
    }
}

/// What is observed, as it may be shown.
pub(super) fn shown(spec: &MysqlProbe) -> String {
    reach(spec).shown("mysql", &spec.user, spec.database.as_deref().unwrap_or_default())
}
