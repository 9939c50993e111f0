//! Connections to DNS servers that hide nothing: every question is sent once, so that a lost packet shows, and from a
//! connected socket, so that a refused port shows. Does network I/O.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use hickory_resolver::config::{ConnectionConfig, ProtocolConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::{DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime};
use hickory_resolver::net::udp::UdpClientStream;
use hickory_resolver::net::xfer::DnsExchange;
use hickory_resolver::{ConnectionProvider, PoolContext};
use tokio::io::{Interest, ReadBuf};
use tokio::net::UdpSocket;

/// Makes the connections. TCP repeats nothing by itself; UDP would, up to three times.
#[derive(Clone, Default)]
pub struct Once(Sockets);

impl ConnectionProvider for Once {
    type Conn = DnsExchange<Sockets>;
    type FutureConn = BoxFuture<'static, Result<Self::Conn, NetError>>;
    type RuntimeProvider = Sockets;

    fn new_connection(
        &self,
        ip: IpAddr,
        config: &ConnectionConfig,
        context: &PoolContext,
    ) -> Result<Self::FutureConn, NetError> {
        if !matches!(config.protocol, ProtocolConfig::Udp) {
            return self.0.new_connection(ip, config, context);
        }
        let stream = UdpClientStream::builder(SocketAddr::new(ip, config.port), self.0.clone())
            .with_timeout(Some(context.options.timeout))
            .with_os_port_selection(context.options.os_port_selection)
            .avoid_local_ports(context.options.avoid_local_udp_ports.clone())
            .with_bind_addr(config.bind_addr)
            // The number counts the first time as well.
            .with_max_retries(1);
        Ok(Box::pin(async move { Ok(stream.exchange()) }))
    }

    fn runtime_provider(&self) -> &Self::RuntimeProvider {
        &self.0
    }
}

/// Tokio's sockets, those of UDP connected.
#[derive(Clone, Default)]
pub struct Sockets(TokioRuntimeProvider);

impl RuntimeProvider for Sockets {
    type Handle = TokioHandle;
    type Timer = TokioTime;
    type Udp = Connected;
    type Tcp = <TokioRuntimeProvider as RuntimeProvider>::Tcp;

    fn create_handle(&self) -> Self::Handle {
        self.0.create_handle()
    }

    fn connect_tcp(
        &self,
        server: SocketAddr,
        from: Option<SocketAddr>,
        patience: Option<Duration>,
    ) -> BoxFuture<'static, io::Result<Self::Tcp>> {
        self.0.connect_tcp(server, from, patience)
    }

    fn bind_udp(&self, from: SocketAddr, server: SocketAddr) -> BoxFuture<'static, io::Result<Self::Udp>> {
        Box::pin(async move {
            let socket = UdpSocket::bind(from).await?;
            socket.connect(server).await?;
            Ok(Connected { socket, server })
        })
    }
}

/// A UDP socket that knows one peer: ICMP errors from it are reported, and nobody else's packets are received.
pub struct Connected {
    socket: UdpSocket,
    server: SocketAddr,
}

impl Connected {
    /// Receives a packet, or the error that an ICMP message stands for: that one makes no socket readable.
    async fn receive(&self, bytes: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        loop {
            let ready = self.socket.ready(Interest::READABLE | Interest::ERROR).await?;
            if ready.is_error() {
                if let Some(error) = self.socket.take_error()? {
                    return Err(error);
                }
                // The readiness is used up: without this, it would be found again and again.
                let _ = self.socket.try_io(Interest::ERROR, || io::Result::<()>::Err(io::ErrorKind::WouldBlock.into()));
            }
            match self.socket.try_recv(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                received => return received.map(|length| (length, self.server)),
            }
        }
    }
}

impl DnsUdpSocket for Connected {
    type Time = TokioTime;

    fn poll_recv_from(&self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(bytes);
        ready!(self.socket.poll_recv(context, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), self.server)))
    }

    fn recv_from<'a, 'b, 'both>(
        &'a self,
        bytes: &'b mut [u8],
    ) -> Pin<Box<dyn Future<Output = io::Result<(usize, SocketAddr)>> + Send + 'both>>
    where
        'a: 'both,
        'b: 'both,
        Self: 'both,
    {
        Box::pin(self.receive(bytes))
    }

    fn poll_send_to(&self, context: &mut Context<'_>, bytes: &[u8], _server: SocketAddr) -> Poll<io::Result<usize>> {
        self.socket.poll_send(context, bytes)
    }
}
