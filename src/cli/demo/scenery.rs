//! The scenery: the stand-ins and the connector before them, on a thread of their own, so that a slow terminal can't stall
//! them. Does network I/O on loopback; returns the addresses that the probes are to take.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::Context;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use super::backend::{Service, front};
use super::cache;
use super::database::Database;
use super::relay::Connector;

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
    /// The connector.
    pub connector: Connector,
    /// The service's log.
    pub log: mpsc::UnboundedReceiver<String>,
    _end: oneshot::Sender<()>,
}

impl Scenery {
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
