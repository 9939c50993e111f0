//! A stand-in for Google's Cloud SQL Admin API and for the proxy that stands before each instance. It answers as the discovery
//! document of sqladmin v1 says: connect settings, and ephemeral certificates that it issues for the public key posted to it.
//! The proxy, on port 3307 of a loopback address of its own, lets in whom such a certificate names, and passes on to a real
//! database. What is wrong with either is set by a test.

use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use runready::probe::Connector;
use runready::probe::cloudsql::{Access, Credentials};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::cert::{Authority, Issued};
use super::hostile::{STAGE, Server, listener};

/// The instance's connection name.
pub const INSTANCE: &str = "netra-staging:us-central1:backend";
/// What its own certificate names where its CA is its own.
pub const COMMON_NAME: &str = "netra-staging:backend";

/// The API and one instance.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::AbortHandle,
    /// Where the instance's proxy is to listen.
    pub host: String,
}

struct Shared {
    clients: Authority,
    servers: Authority,
    script: Mutex<Script>,
    settings: AtomicUsize,
    certificates: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

/// What the API answers.
pub struct Script {
    /// The connect settings.
    pub settings: Value,
    /// The status with which settings are refused.
    pub refuse_settings: Option<u16>,
    /// The status with which certificates are refused.
    pub refuse_certificates: Option<u16>,
    /// How long a certificate lives.
    pub life: Duration,
    /// What is issued instead of a certificate.
    pub issues: Option<String>,
    /// How long the API takes for each answer.
    pub delay: Duration,
    /// The last token that a certificate was asked for with.
    pub login_token: Option<String>,
    /// The last Authorization header.
    pub authorization: Option<String>,
}

impl StandIn {
    /// An API that knows one instance, of that engine and version, at an address of the loopback that no other has.
    pub fn start(version: &str) -> StandIn {
        static NEXT: AtomicU16 = AtomicU16::new(1);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let host = format!("127.{}.{}.{low}", 20 + std::process::id() % 200, 100 + high);
        StandIn::on(listener("127.0.0.1:0"), version, host)
    }

    /// An API on that listener, which may be of another network namespace, that knows one instance at an address there.
    pub fn on(socket: TcpListener, version: &str, host: String) -> StandIn {
        let servers = Authority::new("Google Cloud SQL Server CA");
        let settings = json!({
            "kind": "sql#connectSettings",
            "serverCaCert": {"kind": "sql#sslCert", "cert": servers.pem(), "commonName": "server CA"},
            "ipAddresses": [{"type": "PRIVATE", "ipAddress": host}],
            "region": "us-central1",
            "databaseVersion": version,
            "backendType": "SECOND_GEN",
            "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
        });
        let script = Script {
            settings,
            refuse_settings: None,
            refuse_certificates: None,
            life: Duration::from_secs(3600),
            issues: None,
            delay: Duration::ZERO,
            login_token: None,
            authorization: None,
        };
        let shared = Arc::new(Shared {
            clients: Authority::new("Google Cloud SQL Client CA"),
            servers,
            script: Mutex::new(script),
            settings: AtomicUsize::new(0),
            certificates: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
        });
        let address = socket.local_addr().expect("its address");
        socket.set_nonblocking(true).expect("our own socket");
        let routes = Router::new()
            .route("/v1/projects/{project}/instances/{instance}/connectSettings", get(settings_of))
            .route("/v1/projects/{project}/instances/{action}", post(certificate_for))
            .with_state(shared.clone());
        let task = STAGE.spawn(async move {
            let socket = tokio::net::TcpListener::from_std(socket).expect("a listener");
            axum::serve(socket, routes).await.expect("a server");
        });
        StandIn { address, shared, task: task.abort_handle(), host }
    }

    /// Changes what it answers.
    pub fn script(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.shared.script.lock().expect("one user at a time"));
    }

    /// How often settings, and how often certificates were asked for.
    pub fn asked(&self) -> (usize, usize) {
        (self.shared.settings.load(Ordering::SeqCst), self.shared.certificates.load(Ordering::SeqCst))
    }

    /// The most questions that were ever open at once.
    pub fn most_at_once(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }

    /// The port of the API.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The base URL of the API.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A connector that asks it as nobody.
    pub fn connector(&self) -> Connector {
        self.connector_as(Credentials::Anonymous)
    }

    /// A connector that asks it.
    pub fn connector_as(&self, credentials: Credentials) -> Connector {
        let endpoint = self.url().parse().expect("an endpoint");
        Connector::new(Access { endpoint: Some(endpoint), credentials, token_life: None })
    }

    /// What it issues for a public key (PEM), to those that go through the proxy without asking over HTTP.
    #[allow(dead_code, reason = "the benchmark of what a probe adds uses it")]
    pub fn issue(&self, public_key: &str) -> Option<String> {
        self.shared.clients.ephemeral(public_key, Duration::from_secs(3600))
    }

    /// The certificate that the instance has.
    pub fn certificate(&self) -> Issued {
        self.shared.servers.common_name(COMMON_NAME)
    }

    /// A certificate for these DNS names by the instance's CA.
    pub fn certificate_for(&self, names: &[&str]) -> Issued {
        self.shared.servers.server(names)
    }

    /// A certificate of the instance that ended years ago.
    pub fn expired(&self) -> Issued {
        self.shared.servers.expired(&[])
    }

    /// Where the instance's proxy listens.
    pub fn proxy_address(&self) -> String {
        format!("{}:3307", self.host)
    }

    /// The instance's proxy, before a database on that port.
    pub fn proxy(&self, port: u16) -> Server {
        self.proxy_with(&self.certificate(), None, Duration::ZERO, port)
    }

    /// A proxy with that certificate, which lets in whom `clients` name (its own, if none), and whose clock is ahead.
    pub fn proxy_with(&self, issued: &Issued, clients: Option<&Authority>, ahead: Duration, port: u16) -> Server {
        self.serve(listener(&self.proxy_address()), issued, clients, ahead, port)
    }

    /// A proxy with that certificate on a listener, which may be of another network namespace than the database's.
    pub fn proxy_on(&self, socket: TcpListener, issued: &Issued, port: u16) -> Server {
        self.serve(socket, issued, None, Duration::ZERO, port)
    }

    fn serve(
        &self,
        socket: TcpListener,
        issued: &Issued,
        clients: Option<&Authority>,
        ahead: Duration,
        port: u16,
    ) -> Server {
        let mut roots = RootCertStore::empty();
        let ca = clients.unwrap_or(&self.shared.clients).pem();
        roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("a certificate")).expect("a CA");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_client_cert_verifier(verifier.build().expect("a verifier"))
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).expect("a certificate")],
                PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).expect("a key"),
            )
            .expect("a certificate and its key");
        config.time_provider = Arc::new(Ahead(ahead));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Server::start(socket, move |stream, _| {
            let acceptor = acceptor.clone();
            async move {
                // What is passed on in pieces would wait for the other side's acknowledgement, 40 ms each time.
                stream.set_nodelay(true).expect("our own socket");
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut database = TcpStream::connect(("127.0.0.1", port)).await.expect("the database");
                database.set_nodelay(true).expect("our own socket");
                let _ = copy_bidirectional(&mut client, &mut database).await;
            }
        })
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    /// Takes as long for an answer as it shall.
    async fn take_time(&self) {
        let now = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_open.fetch_max(now, Ordering::SeqCst);
        let delay = self.script.lock().expect("one user at a time").delay;
        tokio::time::sleep(delay).await;
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Ahead(Duration);

impl TimeProvider for Ahead {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(UnixTime::now().as_secs()) + self.0))
    }
}

/// An error as Google's APIs have it.
fn error(status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    let body = json!({"error": {"code": status.as_u16(), "message": message, "errors": [{"message": message}]}});
    let headers = [("retry-after", "1"), ("content-type", "application/json")];
    (status, headers, body.to_string()).into_response()
}

fn answer(body: &Value) -> Response {
    ([("content-type", "application/json")], body.to_string()).into_response()
}

async fn settings_of(
    State(shared): State<Arc<Shared>>,
    Path((project, instance)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    shared.settings.fetch_add(1, Ordering::SeqCst);
    shared.take_time().await;
    let mut script = shared.script.lock().expect("one user at a time");
    script.authorization = headers.get("authorization").and_then(|value| value.to_str().ok()).map(str::to_owned);
    match script.refuse_settings {
        Some(status) => error(status, "the stand-in refuses the settings"),
        None if format!("{project}:{instance}") != COMMON_NAME => error(404, "The Cloud SQL instance does not exist."),
        None => answer(&script.settings),
    }
}

async fn certificate_for(
    State(shared): State<Arc<Shared>>,
    Path((project, action)): Path<(String, String)>,
    body: String,
) -> Response {
    shared.certificates.fetch_add(1, Ordering::SeqCst);
    shared.take_time().await;
    let mut script = shared.script.lock().expect("one user at a time");
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let field = |snake: &str, camel: &str| request.get(snake).or(request.get(camel)).and_then(Value::as_str);
    script.login_token = field("access_token", "accessToken").map(str::to_owned);
    if let Some(status) = script.refuse_certificates {
        return error(status, "the stand-in refuses a certificate");
    }
    if format!("{project}:{action}") != format!("{COMMON_NAME}:generateEphemeralCert") {
        return error(404, "The Cloud SQL instance does not exist.");
    }
    let public_key = field("public_key", "publicKey").unwrap_or_default();
    let issued = match &script.issues {
        Some(instead) => Some(instead.clone()),
        None => shared.clients.ephemeral(public_key, script.life),
    };
    match issued {
        Some(certificate) => answer(&json!({"ephemeralCert": {"kind": "sql#sslCert", "cert": certificate}})),
        None => error(400, "public_key is no public key"),
    }
}
