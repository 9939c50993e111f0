//! The contest of `cloudSql`: PostgreSQL through the mutual-TLS proxy of an instance. What the connector asks the Admin API for
//! it asks once, before the first that counts: the bare client is given such a certificate, too. Does I/O.

use std::net::SocketAddr;
use std::sync::Arc;

use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{RsaPrivateKey, RsaPublicKey};
use runready::plan::Secrets;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::contest::Contest;
use crate::databases::select;
use crate::support::cloudsql::{INSTANCE, StandIn};
use crate::support::pgsetup::Setup;
use crate::support::postgres::{DATABASE, Postgres};

/// The name by which the instance proves itself to both.
const NAME: &str = "backend.sql.test";

/// Shakes hands with both certificates, logs in to PostgreSQL within, asks for 1, and says goodbye.
pub fn cloud_sql() -> Result<Contest, String> {
    let server = Postgres::launch(Setup::plain())?;
    let api = StandIn::start("POSTGRES_17");
    api.script(|script| script.settings["dnsName"] = json!(NAME));
    let proxy = api.proxy_on(
        std::net::TcpListener::bind(api.proxy_address()).map_err(|error| error.to_string())?,
        &api.certificate_for(&[NAME]),
        server.port(),
    );
    let (address, user) = (proxy.address(), server.user());
    let mut authority = String::new();
    api.script(|script| authority = script.settings["serverCaCert"]["cert"].as_str().unwrap_or_default().to_owned());
    let tls = connector(&api, &authority)?;
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> { Box::pin(ask(address, tls.clone(), user)) };
    let probe = json!({"postgres": {"cloudSql": {"instance": INSTANCE}, "database": DATABASE, "user": user}});
    let contest = Contest::new(probe, &Secrets::default(), Box::new(bare)).cloud_sql(api.connector());
    Ok(contest.keep((api, proxy, server)))
}

/// One attempt of the bare client.
async fn ask(address: SocketAddr, tls: TlsConnector, user: &str) {
    let stream = TcpStream::connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    let name = ServerName::try_from(NAME).expect("a name");
    let stream = tls.connect(name, stream).await.expect("a handshake");
    select(stream, user).await;
}

/// A client that shows a certificate for a key like the probe's (RSA, 2048 bits), and resumes no session: nor does a probe.
fn connector(api: &StandIn, authority: &str) -> Result<TlsConnector, String> {
    let secret = RsaPrivateKey::new(&mut OsRng, 2048).map_err(|error| error.to_string())?;
    let public = RsaPublicKey::from(&secret).to_public_key_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    let issued = api.issue(&public).ok_or("no certificate for a public key")?;
    let certificate = CertificateDer::from_pem_slice(issued.as_bytes()).map_err(|error| error.to_string())?;
    let secret = secret.to_pkcs8_der().map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::try_from(secret.as_bytes().to_vec())?;
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(authority.as_bytes()).map_err(|error| error.to_string())?;
    roots.add(authority).map_err(|error| error.to_string())?;
    let config = ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(vec![certificate], key);
    let mut config = config.map_err(|error| error.to_string())?;
    config.resumption = Resumption::disabled();
    Ok(TlsConnector::from(Arc::new(config)))
}
