//! Takes names, returns certificates: an authority of the tests' own, and server and client certificates by it that
//! are right, or wrong in one respect. A wrong name is a right certificate for another one; an untrusted one comes from
//! another authority. No I/O.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SubjectPublicKeyInfo, date_time_ymd,
};

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, both as PEM.
#[derive(Clone)]
pub struct Issued {
    pub cert: String,
    pub key: String,
}

/// A new key pair (P-256) as PEM: the private key, the public key.
pub fn key_pair() -> (String, String) {
    let pair = KeyPair::generate().expect("a key");
    (pair.serialize_pem(), pair.public_key_pem())
}

impl Authority {
    /// An authority by that common name.
    pub fn new(name: &str) -> Authority {
        let mut params = named(&[], name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().expect("a key");
        Authority { issuer: CertifiedIssuer::self_signed(params, key).expect("a self-signed certificate") }
    }

    /// The authority's own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate of this authority's own kind (CA:TRUE) for a server, as hasty tools make them.
    pub fn server_as_ca(&self, names: &[&str]) -> Issued {
        let mut params = server(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        self.issue(params)
    }

    /// A valid server certificate for these names and addresses.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.issue(server(names))
    }

    /// A server certificate that ended years ago.
    pub fn expired(&self, names: &[&str]) -> Issued {
        let mut params = server(names);
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        self.issue(params)
    }

    /// A server certificate that begins decades from now.
    pub fn not_yet_valid(&self, names: &[&str]) -> Issued {
        let mut params = server(names);
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 1, 1);
        self.issue(params)
    }

    /// A server certificate that ends so long from now.
    pub fn expiring(&self, names: &[&str], left: Duration) -> Issued {
        let mut params = server(names);
        params.not_after = (SystemTime::now() + left).into();
        self.issue(params)
    }

    /// A client certificate for a user (its common name) and perhaps a group (its organisation).
    pub fn client(&self, user: &str, group: Option<&str>) -> Issued {
        let mut params = named(&[], user);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        self.issue(params)
    }

    /// A client certificate for a public key (PEM) that ends so long from now.
    pub fn ephemeral(&self, public_key: &str, left: Duration) -> Option<String> {
        let key = SubjectPublicKeyInfo::from_pem(public_key).ok()?;
        let mut params = named(&[], "ephemeral");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = SystemTime::now().into();
        params.not_after = (SystemTime::now() + left).into();
        Some(params.signed_by(&key, &self.issuer).expect("a signed certificate").pem())
    }

    /// A server certificate that names its server in the common name alone, as instances with a CA of their own have it.
    pub fn common_name(&self, name: &str) -> Issued {
        let mut params = named(&[], name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.issue(params)
    }

    fn issue(&self, params: CertificateParams) -> Issued {
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.issuer).expect("a signed certificate");
        Issued { cert: cert.pem(), key: key.serialize_pem() }
    }
}

fn server(names: &[&str]) -> CertificateParams {
    let mut params = named(names, names.first().copied().unwrap_or("server"));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

fn named(names: &[&str], common: &str) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names that a certificate can carry");
    params.distinguished_name.push(DnType::CommonName, common);
    params.use_authority_key_identifier_extension = true;
    params
}
