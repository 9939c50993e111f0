//! What the Admin API tells of an instance, read once: settings, by which it is reached and recognised, and the certificate with
//! which it lets us in. Values in, values out; no I/O.

use std::sync::Arc;
use std::time::Duration;

use google_cloud_sql_v1::model::connect_settings::CaMode as Mode;
use google_cloud_sql_v1::model::dns_name_mapping::{ConnectionType, DnsScope};
use google_cloud_sql_v1::model::{ConnectSettings, SqlBackendType, SqlIpAddressType};
use jiff::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::api::Cause;
use crate::api::probes::CloudSqlIpType;
use crate::plan::kinds::CloudSqlInstance;
use crate::plan::trust;

/// A certificate is renewed so long before it expires, or at half of its life if that is later.
const MARGIN: Duration = Duration::from_secs(4 * 60);

/// The settings of an instance.
#[derive(Debug)]
pub struct Settings {
    /// Engine and version, such as POSTGRES_17.
    pub version: String,
    /// Which CA issues the server's certificate.
    pub ca_mode: CaMode,
    /// The DNS names by which the server may prove itself.
    pub names: Vec<String>,
    region: String,
    supported: Result<(), String>,
    addresses: Vec<(CloudSqlIpType, String)>,
    ca: Result<Arc<WebPkiServerVerifier>, String>,
}

/// Which CA issues a server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaMode {
    /// The instance's own. Its certificate may name the instance in its common name alone.
    Internal,
    /// One of Google's Certificate Authority Service, shared by instances: only a DNS name tells them apart.
    Cas,
}

impl CaMode {
    /// For people.
    pub const fn as_str(self) -> &'static str {
        match self {
            CaMode::Internal => "internal",
            CaMode::Cas => "CAS",
        }
    }
}

impl Settings {
    /// Reads what the API answered.
    pub fn read(answer: &ConnectSettings) -> Settings {
        let psc = || {
            let of_psc = |name: &&google_cloud_sql_v1::model::DnsNameMapping| {
                name.connection_type == ConnectionType::PrivateServiceConnect && name.dns_scope == DnsScope::Instance
            };
            let listed = answer.dns_names.iter().find(of_psc).map(|mapping| mapping.name.clone());
            listed.or_else(|| answer.psc_enabled.then(|| answer.dns_name.clone()))
        };
        let ip = |ip_type, kind: &SqlIpAddressType| {
            let found = answer.ip_addresses.iter().find(|mapping| mapping.r#type == *kind);
            found.map(|mapping| (ip_type, mapping.ip_address.clone()))
        };
        let addresses = [
            ip(CloudSqlIpType::Private, &SqlIpAddressType::Private),
            ip(CloudSqlIpType::Public, &SqlIpAddressType::Primary),
            psc().map(|name| (CloudSqlIpType::Psc, name)),
        ];
        let names = answer.dns_names.iter().map(|mapping| &mapping.name).chain([&answer.dns_name]);
        let dotless = |name: &String| name.trim_end_matches('.').to_ascii_lowercase();
        Settings {
            version: answer.database_version.name().unwrap_or("unknown").to_owned(),
            ca_mode: match answer.server_ca_mode {
                Mode::GoogleManagedCasCa | Mode::CustomerManagedCasCa => CaMode::Cas,
                _ => CaMode::Internal,
            },
            names: names
                .chain(&answer.custom_subject_alternative_names)
                .map(dotless)
                .filter(|n| !n.is_empty())
                .collect(),
            region: answer.region.clone(),
            supported: match &answer.backend_type {
                SqlBackendType::SecondGen => Ok(()),
                other => Err(other.name().unwrap_or("unknown").to_owned()),
            },
            addresses: addresses.into_iter().flatten().filter(|(_, address)| !address.is_empty()).collect(),
            ca: match &answer.server_ca_cert {
                Some(certificate) => trust::bundle(certificate.cert.as_bytes()).map_err(|error| error.to_string()),
                None => Err("is missing".to_owned()),
            },
        }
    }

    /// Verifies the server's chain. Ready once [`Settings::host`] has been asked.
    pub fn verifier(&self) -> Option<Arc<WebPkiServerVerifier>> {
        self.ca.as_ref().ok().cloned()
    }

    /// Where to connect to, or why not: `kind` is the name of the database's engine.
    pub fn host(&self, instance: &CloudSqlInstance, kind: &str) -> Result<&str, (Cause, String)> {
        let name = &instance.name;
        if self.region != instance.region() {
            let message = format!("{name} is in region {:?}, not in {:?}", self.region, instance.region());
            return Err((Cause::CloudSqlRegionMismatch, message));
        }
        if let Err(backend) = &self.supported {
            let message = format!("{name} is of backend type {backend}, not SECOND_GEN: connectors don't serve it");
            return Err((Cause::CloudSqlGenerationUnsupported, message));
        }
        let version = &self.version;
        if instance.iam_login && !["POSTGRES", "MYSQL"].iter().any(|engine| version.starts_with(engine)) {
            let message = format!("{name} is a {version}, and this engine has no IAM login");
            return Err((Cause::CloudSqlIamLoginUnsupported, message));
        }
        if !version.to_ascii_lowercase().starts_with(kind) {
            let message = format!("{name} is a {version}, and the probe speaks {kind}");
            return Err((Cause::ProtocolMismatch, message));
        }
        if let Err(reason) = &self.ca {
            let message = format!("the server CA certificate in the settings of {name} {reason}");
            return Err((Cause::CloudSqlServerCaInvalid, message));
        }
        let found = self.addresses.iter().find(|(ip_type, _)| *ip_type == instance.ip_type);
        found.map(|(_, address)| address.as_str()).ok_or_else(|| {
            let has: Vec<&str> = self.addresses.iter().map(|(ip_type, _)| ip_type.as_str()).collect();
            let has = if has.is_empty() { "none at all".to_owned() } else { has.join(", ") };
            let message = format!("{name} has no address of type {}; it has {has}", instance.ip_type.as_str());
            (Cause::CloudSqlAddressMissing, message)
        })
    }
}

/// An ephemeral certificate, with the key that it was issued for.
pub struct Certificate {
    /// What to present.
    pub presented: Arc<CertifiedKey>,
    /// When it expires.
    pub not_after: Timestamp,
    not_before: Timestamp,
    /// Until when it surely lets in: its own end, or that of a token in it, which it outlives.
    sure_until: Timestamp,
}

impl Certificate {
    /// Reads what the API issued for that key.
    pub fn read(pem: &str, key: PrivateKeyDer<'static>) -> Result<Certificate, String> {
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| format!("is not readable: {error}"))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|error| format!("is not readable: {error}"))?;
        let at = |seconds| Timestamp::from_second(seconds).map_err(|error| format!("has no readable dates: {error}"));
        let (not_before, not_after) =
            (at(parsed.validity().not_before.timestamp())?, at(parsed.validity().not_after.timestamp())?);
        let presented = CertifiedKey::from_der(vec![der], key, &trust::provider())
            .map_err(|error| format!("does not fit the key that was sent: {error}"))?;
        Ok(Certificate { presented: Arc::new(presented), not_after, not_before, sure_until: not_after })
    }

    /// The certificate, with a token in it that was got then and surely lasts so long.
    pub fn with_token(self, got: Timestamp, life: Duration) -> Certificate {
        let sure_until = got.saturating_add(life).unwrap_or(self.not_after).min(self.not_after);
        Certificate { not_before: got, sure_until, ..self }
    }

    /// Whether it can't be used any more.
    pub fn expired(&self, now: Timestamp) -> bool {
        now >= self.not_after
    }

    /// Whether it lets in, if what it was issued for is still so: the token in it may have expired before it.
    pub fn is_sure(&self, now: Timestamp) -> bool {
        now < self.sure_until
    }

    /// Whether there is a token in it, which may expire before it.
    pub fn has_token(&self) -> bool {
        self.sure_until < self.not_after
    }

    /// Whether it should be renewed.
    pub fn aging(&self, now: Timestamp) -> bool {
        let life = Duration::try_from(self.sure_until.duration_since(self.not_before)).unwrap_or_default();
        let margin = MARGIN.min(life / 2);
        self.sure_until.checked_sub(margin).is_ok_and(|renewal| now >= renewal)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A certificate that begins at second 1,000,000 and lasts so long.
    pub fn lasting(seconds: u64) -> Certificate {
        let issued = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).expect("a certificate");
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).expect("a key");
        let certificate = Certificate::read(&issued.cert.pem(), key).expect("a certificate");
        let begin = Timestamp::from_second(1_000_000).expect("a time");
        let end = begin + Duration::from_secs(seconds);
        Certificate { not_before: begin, not_after: end, sure_until: end, ..certificate }
    }

    fn instance(ip_type: CloudSqlIpType) -> CloudSqlInstance {
        CloudSqlInstance { name: "project:us-central1:backend".into(), ip_type, iam_login: false }
    }

    /// What the API answers of an instance that can be reached, but for its CA.
    fn answer() -> ConnectSettings {
        ConnectSettings::new()
            .set_region("us-central1")
            .set_backend_type(SqlBackendType::SecondGen)
            .set_database_version(google_cloud_sql_v1::model::SqlDatabaseVersion::Postgres17)
    }

    #[test]
    fn the_name_for_private_service_connect_is_the_instances_own_one_of_that_kind() {
        use google_cloud_sql_v1::model::DnsNameMapping;
        let name = |name: &str, kind, scope| {
            DnsNameMapping::new().set_name(name).set_connection_type(kind).set_dns_scope(scope)
        };
        let listed = answer().set_psc_enabled(true).set_dns_name("old.test.").set_dns_names([
            name("services.test.", ConnectionType::PrivateServicesAccess, DnsScope::Instance),
            name("cluster.test.", ConnectionType::PrivateServiceConnect, DnsScope::Cluster),
            name("Psc.test.", ConnectionType::PrivateServiceConnect, DnsScope::Instance),
        ]);
        let reached = |answer: &ConnectSettings| {
            let settings = Settings::read(answer);
            settings.addresses.first().map(|(ip_type, address)| (*ip_type, address.clone()))
        };
        assert_eq!(reached(&listed), Some((CloudSqlIpType::Psc, "Psc.test.".to_owned())));
        let single = answer().set_psc_enabled(true).set_dns_name("old.test.");
        assert_eq!(reached(&single), Some((CloudSqlIpType::Psc, "old.test.".to_owned())));
        assert_eq!(reached(&single.set_psc_enabled(false)), None, "that name is for another way");
        let known = Settings::read(&listed.set_custom_subject_alternative_names(["db.example.com"])).names;
        assert_eq!(known, ["services.test", "cluster.test", "psc.test", "old.test", "db.example.com"]);
    }

    #[test]
    fn what_can_not_be_reached_as_asked_says_why() {
        let private = instance(CloudSqlIpType::Private);
        let cause = |answer: &ConnectSettings, instance: &CloudSqlInstance| {
            Settings::read(answer).host(instance, "postgres").map(str::to_owned).map_err(|(cause, _)| cause)
        };
        assert_eq!(cause(&answer().set_region("europe-west1"), &private), Err(Cause::CloudSqlRegionMismatch));
        let elsewhere = answer().set_backend_type(SqlBackendType::External);
        assert_eq!(cause(&elsewhere, &private), Err(Cause::CloudSqlGenerationUnsupported));
        assert_eq!(cause(&answer(), &private), Err(Cause::CloudSqlServerCaInvalid));
    }

    #[test]
    fn a_certificate_is_renewed_four_minutes_before_its_end_or_at_half_of_a_short_life() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("a time");
        let hour = lasting(3600);
        assert!(!hour.aging(at(3359)) && hour.aging(at(3360)) && !hour.expired(at(3599)) && hour.expired(at(3600)));
        let short = lasting(60);
        assert!(!short.aging(at(29)) && short.aging(at(30)) && !short.expired(at(59)) && short.expired(at(60)));
    }

    #[test]
    fn one_with_a_token_is_sure_for_as_long_as_a_token_surely_lasts_and_renewed_at_half_of_that() {
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("a time");
        let login = lasting(3600).with_token(at(10), Duration::from_secs(240));
        assert!(login.is_sure(at(249)) && !login.is_sure(at(250)) && !login.expired(at(3599)));
        assert!(!login.aging(at(129)) && login.aging(at(130)));
        assert!(
            !lasting(60).with_token(at(10), Duration::from_secs(240)).is_sure(at(60)),
            "it does not outlive its certificate"
        );
        assert!(lasting(3600).is_sure(at(3599)), "without a token");
    }

    #[test]
    fn what_is_no_certificate_or_not_ours_is_told() {
        let key =
            || PrivateKeyDer::try_from(rcgen::KeyPair::generate().expect("a key").serialize_der()).expect("a key");
        let told = |pem: &str| Certificate::read(pem, key()).map(drop).expect_err("not usable");
        assert!(told("").contains("is not readable"));
        assert!(told("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").contains("is not readable"));
        let other = rcgen::generate_simple_self_signed(vec!["client".to_owned()]).expect("a certificate");
        assert!(told(&other.cert.pem()).contains("does not fit the key"));
    }
}
