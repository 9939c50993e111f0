//! Compiles what the probes of databases have in common. Pure but for the CA certificates of the system.

use secrecy::SecretString;

use super::{Compiler, invalid};
use crate::api::probes::{CA_UNUSED, DatabaseTls, DatabaseTlsMode, SecretKeyRef};
use crate::plan::Fault;
use crate::plan::kinds::DatabaseTlsPlan;
use crate::plan::trust::Verification;

impl Compiler<'_> {
    /// The value that `path`.`field` refers to.
    pub(super) fn password(&self, path: &str, reference: Option<&SecretKeyRef>) -> Result<Option<SecretString>, Fault> {
        let field = self.at(path);
        let value = |reference: &SecretKeyRef| self.secrets.text(&field, &reference.name, &reference.key);
        Ok(reference.map(value).transpose()?.map(SecretString::from))
    }

    /// The TLS settings at `path` for a server whose certificate carries `name`, unless they name another.
    pub(super) fn database_tls(&self, path: &str, spec: &DatabaseTls, name: &str) -> Result<DatabaseTlsPlan, Fault> {
        let trust = |verification| {
            self.trust(
                path,
                Some(spec.server_name.as_deref().unwrap_or(name)),
                verification,
                spec.ca_secret_ref.as_ref(),
                spec.client_cert_secret_ref.as_ref(),
            )
        };
        let unverified =
            matches!(spec.mode, DatabaseTlsMode::Disable | DatabaseTlsMode::Prefer | DatabaseTlsMode::Require);
        if unverified && spec.ca_secret_ref.is_some() {
            return Err(invalid(self.at(path), CA_UNUSED));
        }
        Ok(match spec.mode {
            DatabaseTlsMode::Disable => DatabaseTlsPlan::Disable,
            DatabaseTlsMode::Prefer => DatabaseTlsPlan::Prefer(trust(Verification::Nothing)?),
            DatabaseTlsMode::Require => DatabaseTlsPlan::Require(trust(Verification::Nothing)?),
            DatabaseTlsMode::VerifyCa => DatabaseTlsPlan::Require(trust(Verification::Chain)?),
            DatabaseTlsMode::VerifyFull => DatabaseTlsPlan::Require(trust(Verification::ChainAndName)?),
        })
    }
}
