//! Compiles a `tls` probe, and the TLS settings that several kinds share. Pure but for the CA certificates of the system.

use std::time::Duration;

use super::{Compiler, invalid};
use crate::api::Cause;
use crate::api::probes::{CaSecretRef, ClientCertSecretRef, TlsProbe};
use crate::plan::Fault;
use crate::plan::kinds::{Action, TlsAction};
use crate::plan::trust::{self, TlsPlan, Verification};

impl Compiler<'_> {
    pub(super) fn tls(&self, spec: &TlsProbe) -> Result<Action, Fault> {
        let endpoint = self.endpoint("tls", &spec.host, spec.port, spec.happy_eyeballs)?;
        let name = spec.server_name.as_deref().unwrap_or(&spec.host);
        let tls = self.trust(
            "tls",
            Some(name),
            Verification::ChainAndName,
            spec.ca_secret_ref.as_ref(),
            spec.client_cert_secret_ref.as_ref(),
        )?;
        Ok(Action::Tls(TlsAction { endpoint, tls, min_validity: spec.min_validity.map(Duration::from) }))
    }

    pub(super) fn trust(
        &self,
        path: &str,
        server_name: Option<&str>,
        verification: Verification,
        ca: Option<&CaSecretRef>,
        client: Option<&ClientCertSecretRef>,
    ) -> Result<TlsPlan, Fault> {
        let unusable = |field: String, error: trust::TrustError| match error {
            trust::TrustError::NoSystemRoots(_) => {
                Fault { field, cause: Cause::ProberError, message: error.to_string() }
            }
            other => invalid(field, other.to_string()),
        };
        let field = self.at(&format!("{path}.caSecretRef"));
        let verifier = match (ca, verification) {
            (Some(ca), _) => {
                let pem = self.secrets.get(&field, &ca.name, &ca.key)?;
                Some(
                    trust::bundle(pem)
                        .map_err(|error| invalid(field, format!("Secret {:?}, key {:?} {error}", ca.name, ca.key)))?,
                )
            }
            (None, Verification::Nothing) => None,
            (None, Verification::Chain | Verification::ChainAndName) => {
                Some(trust::system().map_err(|error| unusable(field, error))?)
            }
        };
        let client_cert = match client {
            None => None,
            Some(client) => {
                let field = self.at(&format!("{path}.clientCertSecretRef"));
                let certificate = self.secrets.get(&field, &client.name, "tls.crt")?;
                let key = self.secrets.get(&field, &client.name, "tls.key")?;
                Some(
                    trust::client_certificate(certificate, key)
                        .map_err(|error| invalid(field, format!("Secret {:?} {error}", client.name)))?,
                )
            }
        };
        let server_name = server_name
            .map(trust::server_name)
            .transpose()
            .map_err(|error| unusable(self.at(&format!("{path}.serverName")), error))?;
        Ok(TlsPlan { server_name, verification, verifier, client_cert })
    }
}
