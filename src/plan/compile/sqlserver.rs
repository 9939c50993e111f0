//! Compiles a `sqlserver` probe. Pure.

use secrecy::SecretString;

use super::database::Reach;
use super::{Compiler, invalid};
use crate::api::probes::{NO_IAM_LOGIN_SAYS, SqlServerProbe};
use crate::plan::Fault;
use crate::plan::kinds::{Action, SqlServerAction};

impl Compiler<'_> {
    pub(super) fn sqlserver(&self, spec: &SqlServerProbe) -> Result<Action, Fault> {
        if spec.cloud_sql.as_ref().is_some_and(|instance| instance.iam_login) {
            return Err(invalid(self.at("sqlserver.cloudSql"), NO_IAM_LOGIN_SAYS));
        }
        let usage = self.usage(spec.connections, &spec.init_queries, spec.payload_bytes);
        let way = self.way("sqlserver", &reach(spec), &usage)?;
        let reference = &spec.password_secret_ref;
        let password = self.secrets.text(&self.at("sqlserver.passwordSecretRef"), &reference.name, &reference.key)?;
        Ok(Action::Sqlserver(Box::new(SqlServerAction {
            tls: self.tls_over("sqlserver", spec.tls.as_ref(), &way)?,
            way,
            database: spec.database.as_deref().map(Into::into),
            user: spec.user.as_str().into(),
            password: SecretString::from(password),
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
            usage,
        })))
    }
}

fn reach(spec: &SqlServerProbe) -> Reach<'_> {
    Reach {
        host: spec.host.as_deref(),
        port: spec.port,
        happy_eyeballs: spec.happy_eyeballs,
        socket: None,
        socket_name: None,
        cloud_sql: spec.cloud_sql.as_ref(),
    }
}

/// What is observed, as it may be shown.
pub(super) fn shown(spec: &SqlServerProbe) -> String {
    reach(spec).shown("sqlserver", &spec.user, spec.database.as_deref().unwrap_or_default())
}
