//! Compiles a `mysql` probe. Pure.

use super::{Compiler, authority};
use crate::api::probes::MysqlProbe;
use crate::plan::Fault;
use crate::plan::kinds::{Action, Endpoint, MysqlAction, Way};

impl Compiler<'_> {
    pub(super) fn mysql(&self, spec: &MysqlProbe) -> Result<Action, Fault> {
        Ok(Action::Mysql(Box::new(MysqlAction {
            way: Way::Tcp(Endpoint {
                host: spec.host.as_str().into(),
                port: spec.port,
                happy_eyeballs: spec.happy_eyeballs,
            }),
            database: spec.database.as_deref().map(Into::into),
            user: spec.user.as_str().into(),
            password: self.password("mysql.passwordSecretRef", spec.password_secret_ref.as_ref())?,
            tls: self.database_tls("mysql.tls", &spec.tls, &spec.host)?,
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
        })))
    }
}

/// What is observed, as it may be shown.
pub(super) fn shown(spec: &MysqlProbe) -> String {
    let database = spec.database.as_deref().unwrap_or_default();
    format!("mysql://{}@{}/{database}", spec.user, authority(&spec.host, spec.port))
}
