//! The contests of dns, tcp and tls. Does I/O.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use hickory_resolver::Resolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::{DnsUdpSocket, RuntimeProvider, TokioHandle, TokioRuntimeProvider, TokioTime};
use hickory_resolver::proto::rr::RecordType;
use runready::plan::Secrets;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::json;
use tokio::io::ReadBuf;
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use crate::contest::Contest;
use crate::support::cert::Authority;
use crate::support::hostile::dns::{Dns, addresses};
use crate::support::hostile::tls::Tls;
use crate::web::trusting;

/// Tokio's sockets, those of UDP connected: so are the probe's.
#[derive(Clone, Default)]
struct Sockets(TokioRuntimeProvider);

/// A UDP socket that knows one peer.
struct Connected(UdpSocket, SocketAddr);

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
            Ok(Connected(socket, server))
        })
    }
}

impl DnsUdpSocket for Connected {
    type Time = TokioTime;

    fn poll_recv_from(&self, context: &mut Context<'_>, bytes: &mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>> {
        let mut buffer = ReadBuf::new(bytes);
        ready!(self.0.poll_recv(context, &mut buffer))?;
        Poll::Ready(Ok((buffer.filled().len(), self.1)))
    }

    fn poll_send_to(&self, context: &mut Context<'_>, bytes: &[u8], _: SocketAddr) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes)
    }
}

/// Asks a DNS server for an address.
pub fn dns() -> Result<Contest, String> {
    let server = Dns::serve([("db.internal.", addresses(&[Ipv4Addr::new(10, 20, 0, 3).into()]))]);
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = server.address().port();
        connection
    });
    let name_server = NameServerConfig::new(server.address().ip(), true, connections.into());
    let config = ResolverConfig::from_parts(None, Vec::new(), vec![name_server]);
    let mut builder = Resolver::builder_with_config(config, Sockets::default());
    builder.options_mut().cache_size = 0;
    builder.options_mut().attempts = 0;
    let resolver = Arc::new(builder.build().map_err(|error| error.to_string())?);
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        let resolver = resolver.clone();
        Box::pin(async move {
            resolver.lookup("db.internal.", RecordType::A).await.expect("an answer");
        })
    };
    let probe = json!({"dns": {"name": "db.internal.", "resolver": server.address().to_string()}});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)).keep(server))
}

/// Opens a connection.
pub fn tcp() -> Result<Contest, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(async move { drop(TcpStream::connect(address).await.expect("a connection")) })
    };
    Ok(Contest::new(json!({"tcp": {"host": "127.0.0.1", "port": address.port()}}), &Secrets::default(), Box::new(bare)))
}

/// Shakes hands.
pub fn tls() -> Result<Contest, String> {
    let authority = Authority::new("authority");
    let server = Tls::with(authority.server(&["127.0.0.1"])).play(Vec::new());
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let connector = connector(&authority.pem(), &[]);
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        let connector = connector.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let name = ServerName::try_from("127.0.0.1").expect("a name");
            drop(connector.connect(name, stream).await.expect("a handshake"));
        })
    };
    let probe = json!({"tls": {"host": "127.0.0.1", "port": server.port(), "caSecretRef": {"name": "ca"}}});
    Ok(Contest::new(probe, &trusting(&authority), Box::new(bare)).keep(server))
}

/// A client that trusts an authority, and resumes no session: nor does a probe.
pub fn connector(authority: &str, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.expect("PEM")).expect("a certificate");
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}
