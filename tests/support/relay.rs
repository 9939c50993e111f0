//! Relays that stand before a real server and spoil what passes: logins that have to wait their turn, a connection whose
//! answer stops in the middle. Takes the server's port.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use super::hostile::{Server, listener};

/// Lets `at_once` connections come up at a time, and takes `each` for every one of them. A turn begins when the one before it
/// was over, however late that was noticed.
pub fn throttled(port: u16, at_once: usize, each: Duration) -> Server {
    let (turns, over) = (Arc::new(Semaphore::new(at_once)), Arc::new(Mutex::new(Vec::new())));
    Server::start(listener("127.0.0.1:0"), move |mut client, _| {
        let (turns, over) = (turns.clone(), over.clone());
        async move {
            // Whoever is served keeps a turn for that long; whoever has gone meanwhile needs none.
            let Ok(turn) = turns.acquire().await else { return };
            let before = over.lock().expect("the turns").pop().filter(|before: &Instant| before.elapsed() < each);
            let end = before.unwrap_or_else(Instant::now) + each;
            tokio::time::sleep_until(end.into()).await;
            over.lock().expect("the turns").push(end);
            drop(turn);
            let mut server = connect(port).await;
            let _ = copy_bidirectional(&mut client, &mut server).await;
        }
    })
}

/// Passes on no more than `bytes` of the server's answers on the first connection, and everything on the others.
pub fn first_stops(port: u16, bytes: u64) -> Server {
    let seen = Arc::new(AtomicUsize::new(0));
    Server::start(listener("127.0.0.1:0"), move |mut client, _| {
        let first = seen.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let mut server = connect(port).await;
            if !first {
                let _ = copy_bidirectional(&mut client, &mut server).await;
                return;
            }
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            tokio::join!(pass(from_client, to_server), pass(from_server.take(bytes), to_client));
        }
    })
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.expect("the server")
}

/// Passes bytes on as they come. At the end the other side is left open, and hears nothing more.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    let mut buffer = vec![0; 8192];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if to.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}
