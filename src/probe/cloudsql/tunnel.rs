//! The tunnel stage: mutual TLS with the instance, up to its proven identity, and the stream that comes of it. Does network I/O.
//!
//! In TLS 1.3 the server judges our certificate after its own part of the handshake: a refusal shows at the first read, in the
//! middle of the database's protocol. The stream keeps such an error, and the attempt puts it in the place of the database's.
//! So what is known of the instance has proven right only when the first byte comes back through the tunnel.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use rustls::{AlertDescription, Error as TlsError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::answer::Grant;
use super::connector::Connector;
use super::pass::{CaMode, Settings};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::Kind;
use crate::plan::kinds::CloudSqlInstance;
use crate::plan::trust::{self, TlsPlan, Verification};
use crate::probe::Attempt;
use crate::probe::net::tls::Session;

/// Where a tunnel that is refused after the handshake leaves the reason.
pub type Refused = Arc<OnceLock<Failure>>;

/// A connection to the instance's database.
pub struct Tunnel {
    stream: Box<TlsStream<TcpStream>>,
    session: Arc<Session>,
    refused: Refused,
    connector: Connector,
    instance: CloudSqlInstance,
    kind: Kind,
    /// Whether anything has come through.
    heard: bool,
}

/// The tunnel stage.
pub async fn tunnel(
    attempt: &mut Attempt<'_>,
    instance: &CloudSqlInstance,
    grant: &Grant,
    stream: TcpStream,
) -> Result<Tunnel, Failure> {
    let peer = stream.peer_addr().map_or_else(|_| instance.name.to_string(), |peer| peer.to_string());
    let host = grant.settings.names.first().map_or("127.0.0.1", String::as_str);
    let plan = TlsPlan {
        server_name: trust::server_name(host).ok(),
        verification: Verification::Chain,
        verifier: grant.settings.verifier(),
        client_cert: Some(grant.certificate.presented.clone()),
    };
    let session = Arc::new(Session::new(&plan, "127.0.0.1", &[])?);
    let work = async {
        let stream = session.shake_hands(stream).await.map_err(|error| failure(&session, &error))?;
        let certificate = session.certificate();
        let names = certificate.as_deref().map_or(&[][..], |certificate| &certificate.names);
        let common_name = certificate.as_deref().and_then(|certificate| certificate.common_name.as_deref());
        proven(&grant.settings, instance, names, common_name).map_err(|why| {
            Failure::new(
                Cause::CloudSqlIdentityMismatch,
                Stage::Tunnel,
                format!("{peer} is not {}: {why}", instance.name),
            )
        })?;
        Ok(stream)
    };
    let doing = || format!("TLS handshake with {} at {peer}", instance.name);
    let result = attempt.stage(Stage::Tunnel, doing, work).await;
    session.record(attempt, result.as_deref().ok());
    let refused = Refused::default();
    let stream = result?;
    attempt.may_be_refused(refused.clone());
    let connector = attempt.vantage.cloud_sql.clone();
    Ok(Tunnel {
        stream,
        session,
        refused,
        connector,
        instance: instance.clone(),
        kind: attempt.plan.kind,
        heard: false,
    })
}

/// What an error of the tunnel stands for.
fn failure(session: &Session, error: &io::Error) -> Failure {
    let told = session.failure(error);
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<TlsError>());
    let cause = match (tls, told.cause) {
        (Some(TlsError::AlertReceived(AlertDescription::CertificateExpired)), _) => Cause::CloudSqlCertificateExpired,
        (Some(TlsError::NoCertificatesPresented), _) => Cause::CloudSqlServerCertificateMissing,
        (_, Cause::CertificateUntrusted) => Cause::CloudSqlServerCertificateUntrusted,
        (_, Cause::CertificateNameMismatch) => Cause::CloudSqlIdentityMismatch,
        (_, Cause::ClientCertificateRequired) => Cause::CloudSqlCertificateRejected,
        (_, cause) => cause,
    };
    let message = match cause {
        Cause::CloudSqlCertificateExpired => "the instance says that the ephemeral certificate has expired".into(),
        Cause::CloudSqlServerCertificateMissing => "the server shows no certificate".into(),
        Cause::CloudSqlCertificateRejected => {
            format!("the instance does not accept the ephemeral certificate: {}", told.message).into()
        }
        _ => told.message,
    };
    Failure { cause, stage: Some(Stage::Tunnel), message, step: None }
}

/// Whether a certificate that the instance's CA has issued is this instance's.
fn proven(
    settings: &Settings,
    instance: &CloudSqlInstance,
    names: &[String],
    common_name: Option<&str>,
) -> Result<(), String> {
    let by_name = names.iter().any(|name| settings.names.iter().any(|known| name.eq_ignore_ascii_case(known)));
    let expected = format!("{}:{}", instance.project(), instance.instance());
    let by_common_name = settings.ca_mode == CaMode::Internal && common_name == Some(expected.as_str());
    if by_name || by_common_name {
        return Ok(());
    }
    let shown = common_name.unwrap_or("none");
    let wanted = match settings.ca_mode {
        CaMode::Internal => [settings.names.clone(), vec![expected]].concat().join(" or "),
        CaMode::Cas if settings.names.is_empty() => "a DNS name, of which its settings have none".to_owned(),
        CaMode::Cas => settings.names.join(" or "),
    };
    Err(format!("its certificate names {} (common name {shown}) instead of {wanted}", names.join(", ")))
}

impl Tunnel {
    /// Keeps the reason of an error that the tunnel itself has, and has the instance asked for anew.
    fn watch<T>(&self, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &poll
            && error.get_ref().is_some_and(|inner| inner.is::<TlsError>())
        {
            let _ = self.refused.set(failure(&self.session, error));
            self.connector.doubt(&self.instance, self.kind);
        }
        poll
    }
}

impl AsyncRead for Tunnel {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let poll = Pin::new(&mut this.stream).poll_read(context, buffer);
        if !this.heard && buffer.filled().len() > before {
            this.heard = true;
            this.connector.trust(&this.instance, this.kind);
        }
        this.watch(poll)
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.watch(poll)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let poll = Pin::new(&mut this.stream).poll_flush(context);
        this.watch(poll)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
