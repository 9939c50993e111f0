//! The scenery: the stand-ins and the connector before them, on a thread of their own, so that a slow terminal can't stall
//! them. Does network I/O on loopback; returns the addresses that the probes are to take.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use super::backend::{self, Service, front};
use super::cache;
use super::database::Database;
use super::relay::Connector;
use crate::probe::cloudsql::{Access, Credentials};
use crate::standin::{Standin, State, world};

/// What lies behind the connector is reached at this address.
const BEHIND_CONNECTOR: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 20, 0, 3));
/// The service's own front, which the connector is not on the way to.
const FRONT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 30, 0, 1));
/// The servers themselves; nobody but the connector goes there.
const SERVERS: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Everything that is there to be probed. It ends when this is dropped.
pub struct Scenery {
    /// The way to the database, through the connector.
    pub database: SocketAddr,
    /// The way to the cache, through the connector.
    pub cache: SocketAddr,
    /// The service's front.
    pub front: SocketAddr,
    /// Password of the database's role: another one each time.
    pub password: SecretString,
    /// The connector's relay.
    connector: Connector,
    /// The service's log.
    pub log: mpsc::UnboundedReceiver<String>,
    /// Google's APIs, which tell of all this.
    pub google: Standin,
    _end: oneshot::Sender<()>,
}

impl Scenery {
    /// The connector was made anew on another network, and lets no packet through.
    ///
    /// # Errors
    /// When this system answers all the same.
    pub async fn break_connector(&mut self) -> io::Result<()> {
        self.google.change(|state| state.break_connector(Timestamp::now()));
        self.connector.go_dark().await
    }

    /// The connector is as it was.
    ///
    /// # Errors
    /// When a route has ended.
    pub async fn restore_connector(&mut self) -> io::Result<()> {
        self.google.change(|state| state.restore_connector(Timestamp::now()));
        self.connector.restore().await
    }

    /// How Google's APIs are asked.
    ///
    /// # Errors
    /// When their address is no URL.
    pub fn google_access(&self) -> anyhow::Result<Access> {
        let endpoint = self.google.url().parse().map_err(|error| anyhow::anyhow!("{}: {error}", self.google.url()))?;
        Ok(Access { endpoint: Some(endpoint), credentials: Credentials::Anonymous, token_life: None })
    }

    /// Google's log takes a line of the service.
    pub fn log(&self, line: &str) {
        self.google.change(|state| state.log(Timestamp::now(), line));
    }

    /// Puts everything up.
    ///
    /// # Errors
    /// When an address of the loopback network can't be used.
    pub async fn put_up() -> anyhow::Result<Self> {
        let (ready, put_up) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let work = move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error.into()))),
            };
            runtime.block_on(async {
                // Nobody waits for it any more after Ctrl-C.
                let _ = ready.send(build(end).await);
                let _ = ended.await;
            });
        };
        std::thread::Builder::new().name("stand-ins".to_owned()).spawn(work).context("no thread for the stand-ins")?;
        put_up.await.context("the stand-ins have ended")?
    }
}

async fn build(end: oneshot::Sender<()>) -> anyhow::Result<Scenery> {
    let (password, salt) = credentials()?;
    let (database, cache_server) = (bind(SERVERS, 0).await?, bind(SERVERS, 0).await?);
    let (to_database, to_cache) = (bind(BEHIND_CONNECTOR, 5432).await?, bind(BEHIND_CONNECTOR, 6379).await?);
    let listener = bind(FRONT, 8080).await?;
    let (log, lines) = mpsc::unbounded_channel();
    let (serving, served) = watch::channel(false);
    let service = Service { database: to_database.local_addr()?, password: password.expose_secret().to_owned(), log };
    let mut scenery = Scenery {
        database: service.database,
        cache: to_cache.local_addr()?,
        front: listener.local_addr()?,
        password,
        connector: Connector::new(),
        log: lines,
        google: Standin::start(healthy()).context("the stand-in for Google's APIs can't listen on loopback")?,
        _end: end,
    };
    scenery.connector.route(to_database, database.local_addr()?);
    scenery.connector.route(to_cache, cache_server.local_addr()?);
    tokio::spawn(Database::new(scenery.password.expose_secret(), salt).serve(database));
    tokio::spawn(cache::serve(cache_server));
    tokio::spawn(front(listener, served));
    tokio::spawn(service.run(serving));
    Ok(scenery)
}

/// What Google's APIs say while all is well: of this connector, this database, and what the service is given for its start.
fn healthy() -> State {
    let mut state = State::healthy(Timestamp::now());
    state.move_database(&BEHIND_CONNECTOR.to_string(), "127.20.0.0/24");
    state.set_variable(backend::LIMIT_VARIABLE, &format!("{:.1}", backend::CONFIGURED_LIMIT.as_secs_f32()));
    // No address of loopback is of a private range.
    state.patch(world::SERVICE, &json!({"template": {"vpcAccess": {"egress": "ALL_TRAFFIC"}}}));
    state.patch(world::READY_REVISION, &json!({"vpcAccess": {"egress": "ALL_TRAFFIC"}}));
    state
}

/// A password and a salt that nobody has seen before.
fn credentials() -> anyhow::Result<(SecretString, [u8; 16])> {
    let (mut secret, mut salt) = ([0; 16], [0; 16]);
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut secret).and_then(|()| random.fill(&mut salt)).map_err(|_| anyhow::anyhow!("no random numbers"))?;
    Ok((format!("{:032x}", u128::from_be_bytes(secret)).into(), salt))
}

/// Listens on an address: on the usual port, or on any if that one is taken.
async fn bind(address: IpAddr, usual: u16) -> anyhow::Result<TcpListener> {
    let mut bound = TcpListener::bind((address, usual)).await;
    if bound.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse) {
        bound = TcpListener::bind((address, 0)).await;
    }
    bound.with_context(|| {
        format!("a stand-in can't listen on {address}: the demo needs the whole network 127.0.0.0/8, as Linux's loopback has it")
    })
}
