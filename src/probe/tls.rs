//! The `tls` kind: connects, shakes hands, verifies the peer's certificate and looks at its dates. Does network I/O.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout_at;
use tokio_rustls::client::TlsStream;

use super::Attempt;
use super::net::connect;
use super::net::tls::{Session, tls};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::TlsAction;

/// How long a server that asked for a client certificate is given, at least, to say that it does not accept ours. With TLS
/// 1.3 it says so only after the handshake (RFC 8446, section 4.4.2.4); one that accepts stays silent.
const SECOND_THOUGHTS: Duration = Duration::from_millis(200);

/// Carries out a `tls` probe.
pub async fn probe(action: &TlsAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let host = &action.endpoint.host;
    let session = Session::new(&action.tls, host, &[])?;
    let stream = connect::connect(attempt, &action.endpoint).await?;
    let entered = Instant::now();
    let stream = tls(attempt, &session, host, stream).await?;
    if session.client_certificate_asked() {
        let patience = SECOND_THOUGHTS.max(entered.elapsed() * 2);
        let deadline = attempt.stage_deadline(Stage::Tls, entered).min(Instant::now() + patience);
        second_thoughts(&session, stream, deadline).await?;
    }
    if let Some(flaw) = expires_soon(action, &session) {
        attempt.flaw(flaw);
    }
    Ok(())
}

/// Listens until `deadline` for a refusal of our certificate. The wait is ours, so no stage's clock runs.
async fn second_thoughts(
    session: &Session,
    mut stream: Box<TlsStream<TcpStream>>,
    deadline: Instant,
) -> Result<(), Failure> {
    let mut byte = [0];
    match timeout_at(deadline.into(), stream.read(&mut byte)).await {
        Ok(Err(error)) => Err(session.failure(&error)),
        Ok(Ok(_)) | Err(_) => Ok(()),
    }
}

fn expires_soon(action: &TlsAction, session: &Session) -> Option<Failure> {
    let least = action.min_validity?;
    let certificate = session.certificate()?;
    let expires = certificate.validity.as_ref()?.not_after;
    let left = Duration::try_from(expires.duration_since(Timestamp::now())).unwrap_or_default();
    (left < least).then(|| {
        let message = format!(
            "the certificate expires at {expires}, in {} h; minValidity is {} h",
            left.as_secs() / 3600,
            least.as_secs() / 3600
        );
        Failure::new(Cause::CertificateExpiresSoon, Stage::Tls, message)
    })
}
