//! TLS servers that misbehave: wrong certificates, client certificates demanded, versions that nobody speaks. Takes what
//! `cert` issued and a script for what follows the handshake.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tokio_rustls::TlsAcceptor;

use super::{Server, Step, close, listener, play};
use crate::support::cert::{Authority, Issued};

/// What a TLS server is like.
#[derive(Clone)]
pub struct Tls {
    certificate: Issued,
    versions: &'static [&'static SupportedProtocolVersion],
    clients: Option<String>,
    alpn: Vec<Vec<u8>>,
}

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];
const BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

impl Tls {
    /// Shows this certificate, and speaks TLS 1.2 and 1.3.
    pub fn with(certificate: Issued) -> Tls {
        Tls { certificate, versions: BOTH, clients: None, alpn: Vec::new() }
    }

    /// Shows none: its list of certificates is empty (RFC 8446, 4.4.2: that a server must not do).
    pub fn without_certificate() -> Tls {
        let issued = Authority::new("nobody's").server(&["localhost"]);
        Tls::with(Issued { cert: String::new(), ..issued })
    }

    /// Speaks TLS 1.2 alone.
    pub fn only_12(self) -> Tls {
        Tls { versions: TLS12, ..self }
    }

    /// Speaks TLS 1.3 alone.
    pub fn only_13(self) -> Tls {
        Tls { versions: TLS13, ..self }
    }

    /// Demands a client certificate by this authority.
    pub fn demanding(self, clients: &Authority) -> Tls {
        Tls { clients: Some(clients.pem()), ..self }
    }

    /// Offers an application protocol.
    pub fn alpn(mut self, protocol: &[u8]) -> Tls {
        self.alpn.push(protocol.to_vec());
        self
    }

    /// Shakes hands with every client on a free port of 127.0.0.1, then plays the script.
    pub fn play(self, script: Vec<Step>) -> Server {
        self.play_on("127.0.0.1:0", script)
    }

    /// [`Tls::play`], elsewhere.
    pub fn play_on(self, address: &str, script: Vec<Step>) -> Server {
        self.play_after_on(address, Vec::new(), script)
    }

    /// Plays a script in plain text, then turns to TLS (STARTTLS) and plays another.
    pub fn play_after(self, plain: Vec<Step>, script: Vec<Step>) -> Server {
        self.play_after_on("127.0.0.1:0", plain, script)
    }

    fn play_after_on(self, address: &str, plain: Vec<Step>, script: Vec<Step>) -> Server {
        let plain: Arc<[Step]> = plain.into();
        let acceptor = self.acceptor();
        let script: Arc<[Step]> = script.into();
        Server::start(listener(address), move |mut stream, sent| {
            let (acceptor, plain, script) = (acceptor.clone(), plain.clone(), script.clone());
            async move {
                let reset = matches!(script.last(), Some(Step::Reset));
                if reset {
                    stream.set_zero_linger().expect("our own socket");
                }
                if play(&mut stream, &plain, &sent).await.is_err() {
                    return;
                }
                match acceptor.accept(stream).into_fallible().await {
                    Ok(mut stream) => {
                        let _ = play(&mut stream, &script, &sent).await;
                        if !reset {
                            close(stream).await;
                        }
                    }
                    // An alert is on its way: the connection is not cut before the client has read it.
                    Err((_, stream)) => close(stream).await,
                }
            }
        })
    }

    /// What accepts connections this way.
    pub fn acceptor(self) -> TlsAcceptor {
        let chain = CertificateDer::pem_slice_iter(self.certificate.cert.as_bytes());
        let chain = chain.collect::<Result<Vec<_>, _>>().expect("our own certificate");
        let key = PrivateKeyDer::from_pem_slice(self.certificate.key.as_bytes()).expect("our own key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(key).expect("our own key");
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder.with_protocol_versions(self.versions).expect("known versions");
        let builder = match &self.clients {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                let authority = CertificateDer::from_pem_slice(pem.as_bytes()).expect("our own authority");
                roots.add(authority).expect("our own authority");
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        // Not asked whether the two fit: the chain may be empty.
        let shown = SingleCertAndKey::from(CertifiedKey::new(chain, key));
        let mut config = builder.with_cert_resolver(Arc::new(shown));
        config.alpn_protocols = self.alpn;
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A TLS alert of level fatal, as a record (RFC 8446, section 6).
pub fn alert(description: u8) -> Step {
    Step::Send(vec![21, 3, 1, 0, 2, 2, description])
}

/// A ServerHello that chooses a version, such as 0x0301 for TLS 1.0 (RFC 5246, section 7.4.1.3).
pub fn server_hello(version: u16) -> Step {
    let mut hello = version.to_be_bytes().to_vec();
    hello.extend([7; 32]);
    // No session, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, no compression.
    hello.extend([0, 0xc0, 0x13, 0]);
    let mut record = vec![22, 3, 1, 0, hello.len() as u8 + 4, 2, 0, 0, hello.len() as u8];
    record.extend(hello);
    Step::Send(record)
}
