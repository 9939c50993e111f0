//! Which keys of which Secrets a spec refers to. Pure.

use super::probes::{CaSecretRef, ClientCertSecretRef, SecretKeyRef};
use super::spec::{ConnectivityCheckSpec, ProbeSpec};

impl ConnectivityCheckSpec {
    /// Name and key of every value that the spec takes from a Secret of the check's namespace.
    pub fn secret_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.probes.iter().flat_map(ProbeSpec::secret_keys)
    }
}

impl ProbeSpec {
    /// Name and key of every value that the probe takes from a Secret.
    fn secret_keys(&self) -> Vec<(&str, &str)> {
        // Every field is named, so that a new kind is not forgotten here.
        let ProbeSpec {
            name: _,
            dns: _,
            tcp: _,
            tls,
            http,
            postgres,
            max_latency: _,
            stage_timeouts: _,
            required: _,
            depends_on: _,
        } = self;
        let mut keys: Vec<&SecretKeyRef> = Vec::new();
        let mut authorities: Vec<&CaSecretRef> = Vec::new();
        let mut clients: Vec<&ClientCertSecretRef> = Vec::new();
        if let Some(tls) = tls {
            authorities.extend(&tls.ca_secret_ref);
            clients.extend(&tls.client_cert_secret_ref);
        }
        if let Some(http) = http {
            keys.extend(http.headers_from_secret.iter().map(|header| &header.secret_ref));
            authorities.extend(http.tls.iter().flat_map(|tls| &tls.ca_secret_ref));
            clients.extend(http.tls.iter().flat_map(|tls| &tls.client_cert_secret_ref));
        }
        if let Some(postgres) = postgres {
            keys.extend(&postgres.password_secret_ref);
            authorities.extend(&postgres.tls.ca_secret_ref);
            clients.extend(&postgres.tls.client_cert_secret_ref);
        }
        let keys = keys.into_iter().map(|reference| (reference.name.as_str(), reference.key.as_str()));
        let authorities = authorities.into_iter().map(|reference| (reference.name.as_str(), reference.key.as_str()));
        let clients =
            clients.into_iter().flat_map(|client| ["tls.crt", "tls.key"].map(|key| (client.name.as_str(), key)));
        keys.chain(authorities).chain(clients).collect()
    }
}
