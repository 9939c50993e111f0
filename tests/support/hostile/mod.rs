//! Servers that misbehave on purpose, on real sockets. Takes a script, step by step, and plays it to every connection;
//! counts what it sent. `tls` plays the same scripts behind a handshake, `dns` answers questions, the others know the bytes
//! of their protocols.

pub mod dns;
pub mod http2;
pub mod mysql;
pub mod postgres;
pub mod tls;
pub mod websocket;

use std::future::Future;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

/// All servers share some threads, apart from the runtimes of the tests.
pub static STAGE: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(4).thread_name("hostile").enable_all().build().expect("a runtime")
});

/// What a server does next. A script that ends closes the connection in good order.
#[derive(Clone)]
pub enum Step {
    /// Waits until the client has sent at least this many bytes.
    Await(usize),
    /// Waits until the client has sent these bytes.
    AwaitText(&'static str),
    /// Sends these bytes.
    Send(Vec<u8>),
    /// Sends these bytes over and over.
    Endless(Vec<u8>),
    /// Sends these bytes, one a second.
    Trickle(Vec<u8>),
    /// Keeps the connection and says nothing more.
    Hang,
    /// Breaks the connection with a TCP reset.
    Reset,
}

/// Sends a text.
pub fn say(text: &str) -> Step {
    Step::Send(text.as_bytes().to_vec())
}

/// A running server; gone when dropped, its connections with it.
pub struct Server {
    address: SocketAddr,
    sent: Arc<AtomicU64>,
    task: AbortHandle,
}

type Play = dyn Fn(TcpStream, Arc<AtomicU64>) -> BoxFuture<'static, ()> + Send + Sync;

impl Server {
    /// Plays a script on a free port of 127.0.0.1.
    pub fn play(script: Vec<Step>) -> Server {
        Server::play_on(listener("127.0.0.1:0"), script)
    }

    /// Plays a script on a listener, which may be of another network namespace.
    pub fn play_on(listener: TcpListener, script: Vec<Step>) -> Server {
        let script: Arc<[Step]> = script.into();
        Server::start(listener, move |stream, sent| {
            let script = script.clone();
            Box::pin(async move {
                let reset = matches!(script.last(), Some(Step::Reset));
                perform(stream, &script, &sent, reset).await;
            })
        })
    }

    /// Hands every connection to `play`.
    pub fn start<P, F>(listener: TcpListener, play: P) -> Server
    where
        P: Fn(TcpStream, Arc<AtomicU64>) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().expect("its address");
        let sent = Arc::new(AtomicU64::new(0));
        let play: Arc<Play> = Arc::new(move |stream, sent| Box::pin(play(stream, sent)));
        let task = STAGE.spawn(accept(listener, play, sent.clone())).abort_handle();
        Server { address, sent, task }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many bytes it has sent.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A listener on an address; port 0 is a free one.
pub fn listener(address: &str) -> TcpListener {
    TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"))
}

/// A listener whose queue is full: the kernel drops further attempts to connect, as a firewall does. The connections that
/// fill it go with it.
pub struct Silent {
    _listener: TcpListener,
    _queue: Vec<std::net::TcpStream>,
    address: SocketAddr,
}

impl Silent {
    /// On a free port of an address of the loopback.
    pub fn on(host: &str) -> Silent {
        Silent::at(format!("{host}:0").parse().expect("an address"))
    }

    /// At an address and port.
    pub fn at(address: SocketAddr) -> Silent {
        let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        // A second call changes the length of the queue.
        rustix::net::listen(&listener, 0).expect("our own socket");
        let address = listener.local_addr().expect("its address");
        let mut queue = Vec::new();
        while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
            queue.push(stream);
            assert!(queue.len() < 100, "the queue never fills");
        }
        Silent { _listener: listener, _queue: queue, address }
    }

    /// Where nobody answers.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// A port of 127.0.0.1 on which nobody listens, as long as what it returns lives.
pub struct Refusing(TcpListener);

impl Refusing {
    /// Takes a port; it is bound but not listened on, so the kernel refuses.
    pub fn on(host: &str) -> Refusing {
        use rustix::net::{AddressFamily, SocketType, bind, socket};
        let ip: std::net::IpAddr = host.parse().expect("an address");
        let family = if ip.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let socket = socket(family, SocketType::STREAM, None).expect("a socket");
        bind(&socket, &SocketAddr::new(ip, 0)).expect("a free port");
        Refusing(TcpListener::from(socket))
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("its address").port()
    }
}

async fn accept(listener: TcpListener, play: Arc<Play>, sent: Arc<AtomicU64>) {
    listener.set_nonblocking(true).expect("our own socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a runtime");
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Ok((stream, _)) = listener.accept() => {
                connections.spawn(play(stream, sent.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Plays a script over a TCP connection. `reset`: the connection ends with a reset, whatever is still under way.
async fn perform(mut stream: TcpStream, script: &[Step], sent: &AtomicU64, reset: bool) {
    if reset {
        stream.set_zero_linger().expect("our own socket");
    }
    let _ = play(&mut stream, script, sent).await;
    if !reset {
        close(stream).await;
    }
}

/// Ends a connection with a FIN: what the client still sends is read, as unread bytes would turn the FIN into a reset.
pub async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    let _ = stream.shutdown().await;
    let mut rest = [0; 1024];
    while matches!(stream.read(&mut rest).await, Ok(count) if count > 0) {}
}

/// Plays a script over any stream. An error means that the client has gone.
pub async fn play<S>(stream: &mut S, script: &[Step], sent: &AtomicU64) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut heard = Vec::new();
    for step in script {
        match step {
            Step::Await(bytes) => hear(stream, &mut heard, |heard| (heard.len() >= *bytes).then_some(*bytes)).await?,
            Step::AwaitText(text) => {
                let find = |heard: &[u8]| heard.windows(text.len()).position(|window| window == text.as_bytes());
                hear(stream, &mut heard, |heard| find(heard).map(|start| start + text.len())).await?;
            }
            Step::Send(bytes) => tell(stream, bytes, sent).await?,
            Step::Endless(bytes) => loop {
                tell(stream, bytes, sent).await?;
            },
            Step::Trickle(bytes) => {
                for byte in bytes {
                    tell(stream, &[*byte], sent).await?;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            Step::Hang => std::future::pending().await,
            Step::Reset => return Ok(()),
        }
    }
    Ok(())
}

/// Reads until `end` finds how far what was awaited reaches, and drops it up to there.
async fn hear<S>(stream: &mut S, heard: &mut Vec<u8>, end: impl Fn(&[u8]) -> Option<usize>) -> std::io::Result<()>
where
    S: AsyncRead + Unpin,
{
    loop {
        if let Some(end) = end(heard) {
            heard.drain(..end);
            return Ok(());
        }
        if stream.read_buf(heard).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
}

async fn tell<S>(stream: &mut S, bytes: &[u8], sent: &AtomicU64) -> std::io::Result<()>
where
    S: AsyncWrite + Unpin,
{
    stream.write_all(bytes).await?;
    stream.flush().await?;
    sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    Ok(())
}
