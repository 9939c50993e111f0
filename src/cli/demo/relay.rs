//! A TCP relay that plays the VPC connector: connections go through it, until it goes dark. Does network I/O on loopback.
//!
//! Dark means that packets vanish: no refusal, no reset, only silence. A socket that listens on loopback completes every
//! handshake, so silence takes a queue that is full: the relay stops accepting, shrinks its listen queue (`listen(2)`) and
//! fills it with connections of its own. From then on the kernel drops every SYN. That is tried out, not taken for granted:
//! dark counts only when a connection has stayed unanswered. Bytes on open connections wait until the relay is back.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

/// Connections that wait to be accepted while the relay works.
const QUEUE: i32 = 128;
/// On loopback a connection that is answered at all is answered within microseconds.
const SILENCE: Duration = Duration::from_millis(200);
/// Connections that must be enough to fill a queue of none: Linux takes one, others a few more.
const MOST_PLUGS: usize = 32;

/// What a route does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Route {
    Open,
    Dark,
    Broken(String),
}

/// The relay, with all of its routes. They end when it is dropped.
pub struct Connector {
    dark: watch::Sender<bool>,
    routes: Vec<watch::Receiver<Route>>,
}

impl Connector {
    /// A relay without routes, which works.
    pub fn new() -> Self {
        Connector { dark: watch::Sender::new(false), routes: Vec::new() }
    }

    /// Takes what arrives at a listener to `target`, from now on.
    pub fn route(&mut self, listener: TcpListener, target: SocketAddr) {
        let (state, route) = watch::channel(Route::Open);
        self.routes.push(route);
        tokio::spawn(serve(listener, target, self.dark.subscribe(), state));
    }

    /// Lets packets vanish. Returns when every route has been found silent.
    ///
    /// # Errors
    /// When this system answers all the same.
    pub async fn go_dark(&mut self) -> io::Result<()> {
        self.dark.send_replace(true);
        self.all(&Route::Dark).await
    }

    /// Works again.
    ///
    /// # Errors
    /// When a route has ended.
    pub async fn restore(&mut self) -> io::Result<()> {
        self.dark.send_replace(false);
        self.all(&Route::Open).await
    }

    async fn all(&mut self, wanted: &Route) -> io::Result<()> {
        for route in &mut self.routes {
            let reached = route.wait_for(|state| state == wanted || matches!(state, Route::Broken(_))).await;
            let state = reached.map_err(|_| io::Error::other("a route has ended"))?;
            if let Route::Broken(why) = &*state {
                return Err(io::Error::other(why.clone()));
            }
        }
        Ok(())
    }
}

/// Serves one route, through light and dark.
async fn serve(
    listener: TcpListener,
    target: SocketAddr,
    mut dark: watch::Receiver<bool>,
    state: watch::Sender<Route>,
) {
    let gate = dark.clone();
    loop {
        tokio::select! {
            // Dark comes first: a connection accepted after it would free a place in the queue.
            biased;
            change = dark.wait_for(|dark| *dark) => if change.is_err() { return },
            accepted = listener.accept() => {
                if let Ok((client, _)) = accepted {
                    tokio::spawn(relay(client, target, gate.clone()));
                }
                continue;
            }
        }
        let plugs = match plug(&listener).await {
            Ok(plugs) => plugs,
            Err(error) => return state.send_modify(|state| *state = Route::Broken(error.to_string())),
        };
        state.send_replace(Route::Dark);
        if dark.wait_for(|dark| !*dark).await.is_err() {
            return;
        }
        drop(plugs);
        if let Err(error) = rustix::net::listen(&listener, QUEUE) {
            return state.send_modify(|state| *state = Route::Broken(format!("listen: {error}")));
        }
        state.send_replace(Route::Open);
    }
}

/// Fills a listener's queue until connections stay unanswered. The queue stays full as long as what is returned lives.
async fn plug(listener: &TcpListener) -> io::Result<Vec<TcpStream>> {
    let address = listener.local_addr()?;
    rustix::net::listen(listener, 0)?;
    let mut plugs = Vec::new();
    while plugs.len() < MOST_PLUGS {
        match timeout(SILENCE, TcpStream::connect(address)).await {
            Ok(connected) => plugs.push(connected?),
            Err(_) => return Ok(plugs),
        }
    }
    Err(io::Error::other(format!(
        "{address} still answers although {MOST_PLUGS} connections wait in its queue of none: this system does not drop \
         packets for a full queue, as Linux does"
    )))
}

/// Carries one connection both ways.
async fn relay(client: TcpStream, target: SocketAddr, dark: watch::Receiver<bool>) {
    // A target that is away closes the client's connection, which is all that a relay can do.
    let Ok(server) = TcpStream::connect(target).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::join!(carry(from_client, to_server, dark.clone()), carry(from_server, to_client, dark));
}

/// Carries one direction to its end. While dark, bytes and the end itself have to wait.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut dark: watch::Receiver<bool>) {
    let mut buffer = [0; 8192];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if dark.wait_for(|dark| !*dark).await.is_err() {
            return;
        }
        if read == 0 {
            let _ = to.shutdown().await;
            return;
        }
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("its address");
        (listener, address)
    }

    /// A server that sends back what it gets.
    async fn echo() -> SocketAddr {
        let (server, address) = listener().await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.split();
                    let _ = tokio::io::copy(&mut from, &mut to).await;
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream, word: &[u8; 4]) -> io::Result<()> {
        stream.write_all(word).await?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, word);
        Ok(())
    }

    #[tokio::test]
    async fn dark_is_silent_for_new_and_open_connections_and_then_both_work_again() {
        let (entrance, address) = listener().await;
        let mut connector = Connector::new();
        connector.route(entrance, echo().await);
        let mut open = TcpStream::connect(address).await.expect("a way through");
        say(&mut open, b"ping").await.expect("an echo");
        for _ in 0..3 {
            connector.go_dark().await.expect("dark");
            for _ in 0..5 {
                let silent = timeout(Duration::from_millis(50), TcpStream::connect(address)).await;
                assert!(silent.is_err(), "connecting gave {silent:?}");
            }
            assert!(timeout(Duration::from_millis(100), say(&mut open, b"lost")).await.is_err(), "an echo in the dark");
            connector.restore().await.expect("light");
            open = TcpStream::connect(address).await.expect("a way through");
            say(&mut open, b"ping").await.expect("an echo");
        }
    }

    #[tokio::test]
    async fn the_bytes_of_an_open_connection_arrive_late() {
        let (entrance, address) = listener().await;
        let mut connector = Connector::new();
        connector.route(entrance, echo().await);
        let mut open = TcpStream::connect(address).await.expect("a way through");
        say(&mut open, b"ping").await.expect("an echo");
        connector.go_dark().await.expect("dark");
        open.write_all(b"late").await.expect("room in a buffer");
        let mut answer = [0; 4];
        assert!(timeout(Duration::from_millis(100), open.read_exact(&mut answer)).await.is_err());
        connector.restore().await.expect("light");
        timeout(Duration::from_secs(10), open.read_exact(&mut answer)).await.expect("in time").expect("an echo");
        assert_eq!(&answer, b"late");
    }
}
