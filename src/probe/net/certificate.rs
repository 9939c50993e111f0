//! What a peer's certificate says. DER in, texts out; no I/O.
//!
//! Peers show the same certificate at every probe, and reading one takes as long as a tenth of a handshake: what was read is kept.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use xxhash_rust::xxh3::xxh3_128;

/// Most certificates that are kept: some 2 KiB each.
const MOST_KEPT: usize = 256;

/// What a certificate says, as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Distinguished name of whom it is for.
    pub subject: String,
    /// Distinguished name of who signed it.
    pub issuer: String,
    /// Alternative names of the kinds DNS, URI and IP address.
    pub names: Vec<String>,
    /// The same, in one line.
    pub all_names: String,
    /// The subject's first common name.
    pub common_name: Option<String>,
    /// When it is valid, if its dates are ones.
    pub validity: Option<Validity>,
}

/// When a certificate is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it becomes valid.
    pub not_before: Timestamp,
    /// When it expires.
    pub not_after: Timestamp,
    /// [`Validity::not_before`], as it is shown.
    pub begins: String,
    /// [`Validity::not_after`], as it is shown.
    pub ends: String,
}

/// Certificates by a hash of their DER, which stands beside them: a hash alone is no proof.
type Kept = HashMap<u128, (Box<[u8]>, Arc<Certificate>)>;

impl Certificate {
    /// Reads a certificate. None if it can't be read.
    pub fn of(der: &[u8]) -> Option<Arc<Self>> {
        static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);
        let hash = xxh3_128(der);
        let kept = || KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((same, certificate)) = kept().get(&hash)
            && **same == *der
        {
            return Some(certificate.clone());
        }
        let certificate = Arc::new(Certificate::read(&X509Certificate::from_der(der).ok()?.1));
        let mut kept = kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(hash, (der.into(), certificate.clone()));
        Some(certificate)
    }

    fn read(certificate: &X509Certificate<'_>) -> Self {
        let names = alternative_names(certificate);
        let common = certificate.subject().iter_common_name().next();
        Certificate {
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            all_names: names.join(", "),
            names,
            common_name: common.and_then(|name| name.as_str().ok()).map(str::to_owned),
            validity: validity(certificate),
        }
    }
}

fn validity(certificate: &X509Certificate<'_>) -> Option<Validity> {
    let at = |seconds| Timestamp::from_second(seconds).ok();
    let dates = certificate.validity();
    let (not_before, not_after) = (at(dates.not_before.timestamp())?, at(dates.not_after.timestamp())?);
    Some(Validity { not_before, not_after, begins: not_before.to_string(), ends: not_after.to_string() })
}

fn alternative_names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let shown = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::URI(uri) => Some((*uri).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(|octets| IpAddr::from(octets).to_string())
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(|octets| IpAddr::from(octets).to_string()))
            .ok(),
        _ => None,
    };
    extension.value.general_names.iter().filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn der(name: &str) -> Vec<u8> {
        let key = KeyPair::generate().expect("a key");
        let parameters = CertificateParams::new(vec![name.to_owned(), "10.0.0.1".to_owned()]).expect("names");
        parameters.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn each_certificate_says_what_is_in_it_however_many_are_kept() {
        let certificates: Vec<(String, Vec<u8>)> =
            (0..8).map(|number| format!("host{number}.example")).map(|name| (name.clone(), der(&name))).collect();
        for _ in 0..2 {
            for (name, der) in &certificates {
                let read = Certificate::of(der).expect("a certificate");
                assert_eq!(read.names, [name.as_str(), "10.0.0.1"]);
                assert_eq!(read.all_names, format!("{name}, 10.0.0.1"));
                let validity = read.validity.as_ref().expect("dates");
                assert_eq!(validity.ends, validity.not_after.to_string());
            }
        }
        let (_, first) = &certificates[0];
        let (once, again) = (Certificate::of(first), Certificate::of(first));
        assert!(Arc::ptr_eq(&once.expect("read"), &again.expect("kept")), "what was read is kept");
        assert_eq!(Certificate::of(b"no certificate"), None);
    }
}
