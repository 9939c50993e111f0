//! Which keys of which Secrets a spec refers to. Pure.

use super::probes::{Auth, CaSecretRef, ClientCertSecretRef, DatabaseTls, JourneyStep, SecretKeyRef};
use super::spec::{ConnectivityCheckSpec, KindSpec, ProbeSpec};

impl ConnectivityCheckSpec {
    /// Name and key of every value that the spec takes from a Secret of the check's namespace.
    pub fn secret_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        self.probes.iter().flat_map(ProbeSpec::secret_keys)
    }
}

impl ProbeSpec {
    /// Name and key of every value that the probe takes from a Secret.
    pub(crate) fn secret_keys(&self) -> Vec<(&str, &str)> {
        self.kinds().flat_map(KindSpec::secret_keys).collect()
    }
}

impl<'a> KindSpec<'a> {
    /// Name and key of every value that a probe of this kind takes from a Secret.
    pub(crate) fn secret_keys(self) -> Vec<(&'a str, &'a str)> {
        let mut keys = Keys::default();
        match self {
            // A load repeats a probe that is listed itself.
            KindSpec::Dns(_) | KindSpec::Load(_) => {}
            KindSpec::Tcp(tcp) => {
                keys.authority(tcp.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()));
                keys.client(tcp.tls.as_ref().and_then(|tls| tls.client_cert_secret_ref.as_ref()));
            }
            KindSpec::Tls(tls) => {
                keys.authority(tls.ca_secret_ref.as_ref());
                keys.client(tls.client_cert_secret_ref.as_ref());
            }
            KindSpec::Http(http) => {
                http.headers_from_secret.iter().for_each(|header| keys.value(Some(&header.secret_ref)));
                keys.auth(http.auth.as_ref());
                keys.authority(http.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()));
                keys.client(http.tls.as_ref().and_then(|tls| tls.client_cert_secret_ref.as_ref()));
            }
            KindSpec::Grpc(grpc) => {
                grpc.metadata_from_secret.iter().for_each(|metadata| keys.value(Some(&metadata.secret_ref)));
                keys.auth(grpc.auth.as_ref());
                keys.authority(grpc.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()));
                keys.client(grpc.tls.as_ref().and_then(|tls| tls.client_cert_secret_ref.as_ref()));
            }
            KindSpec::Websocket(websocket) => {
                websocket.headers_from_secret.iter().for_each(|header| keys.value(Some(&header.secret_ref)));
                keys.auth(websocket.auth.as_ref());
                keys.authority(websocket.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()));
                keys.client(websocket.tls.as_ref().and_then(|tls| tls.client_cert_secret_ref.as_ref()));
            }
            KindSpec::Postgres(postgres) => {
                keys.value(postgres.password_secret_ref.as_ref());
                postgres.tls.iter().for_each(|tls| keys.database_tls(tls));
            }
            KindSpec::Mysql(mysql) => {
                keys.value(mysql.password_secret_ref.as_ref());
                mysql.tls.iter().for_each(|tls| keys.database_tls(tls));
            }
            KindSpec::Sqlserver(sqlserver) => {
                keys.value(Some(&sqlserver.password_secret_ref));
                sqlserver.tls.iter().for_each(|tls| keys.database_tls(tls));
            }
            KindSpec::Redis(redis) => {
                keys.value(redis.password_secret_ref.as_ref());
                keys.authority(redis.tls.as_ref().and_then(|tls| tls.ca_secret_ref.as_ref()));
                keys.client(redis.tls.as_ref().and_then(|tls| tls.client_cert_secret_ref.as_ref()));
            }
            KindSpec::Journey(journey) => {
                journey.secrets.iter().for_each(|secret| keys.value(Some(&secret.secret_ref)));
                let kinds = journey.steps.iter().flat_map(JourneyStep::kinds);
                keys.0.extend(kinds.flat_map(KindSpec::secret_keys));
            }
        }
        keys.0
    }
}

/// Names and keys, as they are found.
#[derive(Default)]
struct Keys<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Keys<'a> {
    fn value(&mut self, reference: Option<&'a SecretKeyRef>) {
        self.0.extend(reference.map(|reference| (reference.name.as_str(), reference.key.as_str())));
    }

    fn auth(&mut self, auth: Option<&'a Auth>) {
        let Some(Auth { basic, bearer, google_id_token, oauth2, allow_plain_text: _ }) = auth else { return };
        self.value(basic.as_ref().map(|basic| &basic.password_secret_ref));
        self.value(bearer.as_ref().map(|bearer| &bearer.token_secret_ref));
        self.value(google_id_token.as_ref().and_then(|google| google.service_account_key_secret_ref.as_ref()));
        self.value(oauth2.as_ref().map(|oauth2| &oauth2.client_secret_ref));
        self.authority(oauth2.as_ref().and_then(|oauth2| oauth2.ca_secret_ref.as_ref()));
    }

    fn authority(&mut self, reference: Option<&'a CaSecretRef>) {
        self.0.extend(reference.map(|reference| (reference.name.as_str(), reference.key.as_str())));
    }

    fn client(&mut self, reference: Option<&'a ClientCertSecretRef>) {
        let both =
            |reference: &'a ClientCertSecretRef| ["tls.crt", "tls.key"].map(|key| (reference.name.as_str(), key));
        self.0.extend(reference.into_iter().flat_map(both));
    }

    fn database_tls(&mut self, tls: &'a DatabaseTls) {
        self.authority(tls.ca_secret_ref.as_ref());
        self.client(tls.client_cert_secret_ref.as_ref());
    }
}
