//! What a TLS client trusts and presents, parsed from PEM. Reads the system's CA certificates once; no other I/O.

use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};

/// How much of the peer's certificate is demanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verification {
    /// Nothing: any certificate will do.
    Nothing,
    /// A chain to a trusted CA; the name is not compared.
    Chain,
    /// A chain to a trusted CA, and the server's name in the certificate.
    ChainAndName,
}

/// A TLS client's settings, ready for use.
#[derive(Clone, Debug)]
pub struct TlsPlan {
    /// Name to ask for and to verify. None: the name of the host that is connected to.
    pub server_name: Option<ServerName<'static>>,
    /// How much is demanded.
    pub verification: Verification,
    /// Verifies chains against the trusted CAs. None only where nothing is demanded.
    pub verifier: Option<Arc<WebPkiServerVerifier>>,
    /// What to present when the server asks.
    pub client_cert: Option<Arc<CertifiedKey>>,
}

/// Why TLS settings can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The PEM text has no certificate.
    #[error("holds no PEM certificate (-----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The PEM text can't be read.
    #[error("is not readable as PEM: {0}")]
    Pem(#[from] rustls_pki_types::pem::Error),
    /// A certificate can't be used as a trust anchor or client certificate.
    #[error("holds an unusable certificate or key: {0}")]
    Unusable(#[from] rustls::Error),
    /// No CA is trusted.
    #[error("no system CA certificates were found where runready runs ({0}); name a CA bundle with caSecretRef")]
    NoSystemRoots(String),
    /// The verifier can't be built.
    #[error("holds no usable trust anchor: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
    /// The server name is not one.
    #[error("{0:?} is neither a DNS name nor an address")]
    ServerName(String),
}

/// The process-wide cryptography provider.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())).clone()
}

/// A verifier that trusts the CAs of a PEM bundle.
pub fn bundle(pem: &[u8]) -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    if roots.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build()?)
}

/// The verifier that trusts the system's CAs. Read once per process.
pub fn system() -> Result<Arc<WebPkiServerVerifier>, TrustError> {
    static SYSTEM: OnceLock<Result<Arc<WebPkiServerVerifier>, String>> = OnceLock::new();
    let build = || match system_roots() {
        roots if roots.is_empty() => Err("none installed, or none readable".to_owned()),
        roots => {
            WebPkiServerVerifier::builder_with_provider(roots, provider()).build().map_err(|error| error.to_string())
        }
    };
    SYSTEM.get_or_init(build).clone().map_err(TrustError::NoSystemRoots)
}

/// The system's CA certificates, as far as they can be read. Read once per process.
pub fn system_roots() -> Arc<RootCertStore> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    let load = || {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        Arc::new(roots)
    };
    ROOTS.get_or_init(load).clone()
}

/// A client certificate and its key.
pub fn client_certificate(certificate: &[u8], key: &[u8]) -> Result<Arc<CertifiedKey>, TrustError> {
    let chain = CertificateDer::pem_slice_iter(certificate).collect::<Result<Vec<_>, _>>()?;
    if chain.is_empty() {
        return Err(TrustError::NoCertificate);
    }
    let key = PrivateKeyDer::from_pem_slice(key)?;
    Ok(Arc::new(CertifiedKey::from_der(chain, key, &provider())?))
}

/// A name for SNI and verification.
pub fn server_name(name: &str) -> Result<ServerName<'static>, TrustError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TrustError::ServerName(name.to_owned()))
}
