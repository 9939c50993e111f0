//! Compiles a `postgres` probe. Pure.

use secrecy::SecretString;

use super::{Compiler, invalid};
use crate::api::probes::{CA_UNUSED, PostgresProbe, PostgresTlsMode};
use crate::plan::Fault;
use crate::plan::kinds::{Action, Endpoint, PostgresAction, PostgresTlsPlan};
use crate::plan::trust::Verification;

impl Compiler<'_> {
    pub(super) fn postgres(&self, spec: &PostgresProbe) -> Result<Action, Fault> {
        let password = match &spec.password_secret_ref {
            None => None,
            Some(reference) => {
                let field = self.at("postgres.passwordSecretRef");
                Some(SecretString::from(self.secrets.text(&field, &reference.name, &reference.key)?))
            }
        };
        let trust = |verification| {
            self.trust(
                "postgres.tls",
                Some(spec.tls.server_name.as_deref().unwrap_or(&spec.host)),
                verification,
                spec.tls.ca_secret_ref.as_ref(),
                spec.tls.client_cert_secret_ref.as_ref(),
            )
        };
        let unverified =
            matches!(spec.tls.mode, PostgresTlsMode::Disable | PostgresTlsMode::Prefer | PostgresTlsMode::Require);
        if unverified && spec.tls.ca_secret_ref.is_some() {
            return Err(invalid(self.at("postgres.tls"), CA_UNUSED));
        }
        let tls = match spec.tls.mode {
            PostgresTlsMode::Disable => PostgresTlsPlan::Disable,
            PostgresTlsMode::Prefer => PostgresTlsPlan::Prefer(trust(Verification::Nothing)?),
            PostgresTlsMode::Require => PostgresTlsPlan::Require(trust(Verification::Nothing)?),
            PostgresTlsMode::VerifyCa => PostgresTlsPlan::Require(trust(Verification::Chain)?),
            PostgresTlsMode::VerifyFull => PostgresTlsPlan::Require(trust(Verification::ChainAndName)?),
        };
        Ok(Action::Postgres(Box::new(PostgresAction {
            endpoint: Endpoint {
                host: spec.host.as_str().into(),
                port: spec.port,
                happy_eyeballs: spec.happy_eyeballs,
            },
            database: spec.database.as_str().into(),
            user: spec.user.as_str().into(),
            password,
            tls,
            query: spec.query.as_deref().unwrap_or("SELECT 1").into(),
            expect_rows: spec.expect_rows,
            writable: spec.writable,
        })))
    }
}
