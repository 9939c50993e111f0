//! The tls stage: a client handshake whose peer certificate is kept, whatever comes of it. Does network I/O.
//!
//! No session is resumed: every attempt sees the certificate that the server presents now.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme,
};
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificate::Certificate;
use super::io_cause;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::trust::{self, TlsPlan, Verification};
use crate::probe::Attempt;

/// One TLS handshake to come: its settings, and what it sees of the peer.
pub struct Session {
    connector: TlsConnector,
    name: ServerName<'static>,
    witness: Arc<Witness>,
}

impl Session {
    /// Prepares a handshake with `host`, offering the application protocols `alpn` (RFC 7301).
    pub fn new(plan: &TlsPlan, host: &str, alpn: &[&[u8]]) -> Result<Self, Failure> {
        let ours = |reason: String| Failure::new(Cause::ProberError, Stage::Tls, reason);
        let name = match &plan.server_name {
            Some(name) => name.clone(),
            None => trust::server_name(host).map_err(|error| ours(error.to_string()))?,
        };
        let witness = Arc::new(Witness { plan: plan.clone(), leaf: Mutex::new(None), asked: AtomicBool::new(false) });
        let mut config = ClientConfig::builder_with_provider(trust::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| ours(error.to_string()))?
            .dangerous()
            .with_custom_certificate_verifier(witness.clone())
            .with_client_cert_resolver(witness.clone());
        config.resumption = Resumption::disabled();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Session { connector: TlsConnector::from(Arc::new(config)), name, witness })
    }

    /// Shakes hands. Records nothing: [`Session::record`] does, also after a failure.
    pub async fn handshake<S>(&self, stream: S) -> Result<Box<TlsStream<S>>, Failure>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.shake_hands(stream).await.map_err(|error| self.failure(&error))
    }

    /// Shakes hands, for those who know more of an error than [`Session::failure`] does. Boxed, the work as well as what comes
    /// of it: a probe that may use TLS would otherwise be as large as one that does.
    pub async fn shake_hands<S>(&self, stream: S) -> io::Result<Box<TlsStream<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        Box::pin(self.connector.connect(self.name.clone(), stream)).await.map(Box::new)
    }

    /// What the peer's certificate says, as far as it was seen and can be read.
    pub fn certificate(&self) -> Option<Arc<Certificate>> {
        let leaf = self.witness.leaf.lock().unwrap_or_else(PoisonError::into_inner);
        Certificate::of(leaf.as_deref()?)
    }

    /// What a broken TLS connection stands for, during the handshake or (TLS 1.3 client certificates) after it.
    #[cold]
    pub fn failure(&self, error: &io::Error) -> Failure {
        let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>()) else {
            let cause = io_cause(error);
            return Failure::new(cause, Stage::Tls, format!("the connection broke during the TLS handshake: {error}"));
        };
        let (cause, message) = match tls {
            TlsError::InvalidCertificate(bad) => {
                let why = if is_ca_as_leaf(bad) {
                    "it is a CA's own (CA:TRUE), which can't stand for a server".to_owned()
                } else {
                    tls.to_string()
                };
                (certificate_cause(bad), format!("the peer's certificate is not accepted: {why}"))
            }
            TlsError::AlertReceived(alert) if self.wants_client_certificate(*alert) => {
                let had = if self.witness.plan.client_cert.is_some() {
                    "did not accept the one given"
                } else {
                    "none is configured"
                };
                (Cause::ClientCertificateRequired, format!("the server demands a client certificate and {had} ({tls})"))
            }
            TlsError::AlertReceived(AlertDescription::NoApplicationProtocol) | TlsError::NoApplicationProtocol => (
                Cause::ProtocolMismatch,
                format!("the server does not offer the application protocol asked for ({tls})"),
            ),
            TlsError::InvalidMessage(_) => {
                (Cause::TlsProtocolError, format!("the peer answered with bytes that are not TLS ({tls})"))
            }
            other => (Cause::TlsProtocolError, format!("the TLS handshake failed: {other}")),
        };
        Failure::new(cause, Stage::Tls, message)
    }

    fn wants_client_certificate(&self, alert: AlertDescription) -> bool {
        let asked = self.witness.asked.load(Ordering::Relaxed);
        match alert {
            AlertDescription::CertificateRequired => true,
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::HandshakeFailure => asked,
            _ => false,
        }
    }

    /// Whether the server asked for a client certificate.
    pub fn client_certificate_asked(&self) -> bool {
        self.witness.asked.load(Ordering::Relaxed)
    }

    /// Puts what was seen of the peer into the evidence; `stream` is the connection, if the handshake passed.
    pub fn record<S>(&self, attempt: &mut Attempt<'_>, stream: Option<&TlsStream<S>>) {
        if let Some(connection) = stream.map(|stream| stream.get_ref().1) {
            if let Some(version) = connection.protocol_version().and_then(|version| version.as_str()) {
                attempt.fact(Fact::TlsVersion, version);
            }
            if let Some(name) = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str()) {
                attempt.fact(Fact::TlsCipher, name);
            }
        }
        let Some(certificate) = self.certificate() else { return };
        attempt.fact(Fact::CertificateSubject, certificate.subject.clone());
        attempt.fact(Fact::CertificateIssuer, certificate.issuer.clone());
        attempt.fact(Fact::CertificateNames, certificate.all_names.clone());
        let validity = certificate.validity.as_ref();
        attempt.answer("certificate", || {
            json!({
                "subject": certificate.subject,
                "issuer": certificate.issuer,
                "names": certificate.names,
                "notBefore": validity.map(|validity| &validity.begins),
                "notAfter": validity.map(|validity| &validity.ends),
            })
        });
        if let Some(validity) = validity {
            attempt.fact(Fact::CertificateNotBefore, validity.begins.clone());
            attempt.fact(Fact::CertificateNotAfter, validity.ends.clone());
        }
    }
}

/// The tls stage of a protocol that starts with TLS at once (https, and the tls kind).
pub async fn tls<S>(
    attempt: &mut Attempt<'_>,
    session: &Session,
    host: &str,
    stream: S,
) -> Result<Box<TlsStream<S>>, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let result = attempt.stage(Stage::Tls, || format!("TLS handshake with {host}"), session.handshake(stream)).await;
    session.record(attempt, result.as_deref().ok());
    result
}

/// Whether a certificate of a CA is shown as a server's: often self-signed, by a tool that makes such.
fn is_ca_as_leaf(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other) if other.to_string() == "CaUsedAsEndEntity")
}

fn certificate_cause(error: &CertificateError) -> Cause {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Cause::CertificateExpired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Cause::CertificateNotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Cause::CertificateNameMismatch
        }
        _ => Cause::CertificateUntrusted,
    }
}

/// Verifies as the plan says, keeps the peer's certificate, and notes whether the peer asked for ours.
#[derive(Debug)]
struct Witness {
    plan: TlsPlan,
    leaf: Mutex<Option<Vec<u8>>>,
    asked: AtomicBool,
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        *self.leaf.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.as_ref().to_vec());
        let verify = || match &self.plan.verifier {
            Some(verifier) => verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(TlsError::General("no CA to verify against".to_owned())),
        };
        match self.plan.verification {
            Verification::Nothing => Ok(ServerCertVerified::assertion()),
            Verification::ChainAndName => verify(),
            // The name is compared after the chain, so a wrong name means that the chain is right.
            Verification::Chain => match verify() {
                Err(TlsError::InvalidCertificate(
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
                )) => Ok(ServerCertVerified::assertion()),
                other => other,
            },
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &trust::provider().signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &trust::provider().signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        trust::provider().signature_verification_algorithms.supported_schemes()
    }
}

impl ResolvesClientCert for Witness {
    fn resolve(&self, _root_hint_subjects: &[&[u8]], _sigschemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Ordering::Relaxed);
        self.plan.client_cert.clone()
    }

    /// Always true: rustls does not call `resolve` otherwise, and the peer's question would go unseen.
    fn has_certs(&self) -> bool {
        true
    }
}
