//! The kinds of probes. Data only.

/// The kind of a probe. The name is a label in metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A DNS question.
    Dns,
    /// A TCP connection.
    Tcp,
    /// A TLS connection.
    Tls,
    /// An HTTP request.
    Http,
    /// A question for a server's health over gRPC.
    Grpc,
    /// A WebSocket, and messages over it.
    Websocket,
    /// A PostgreSQL login and query.
    Postgres,
    /// A MySQL or MariaDB login and query.
    Mysql,
    /// A SQL Server login and query.
    Sqlserver,
    /// A Redis login and ping.
    Redis,
    /// Another probe, repeated.
    Load,
    /// A user's way through a service.
    Journey,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 12] = [
        Kind::Dns,
        Kind::Tcp,
        Kind::Tls,
        Kind::Http,
        Kind::Grpc,
        Kind::Websocket,
        Kind::Postgres,
        Kind::Mysql,
        Kind::Sqlserver,
        Kind::Redis,
        Kind::Journey,
        Kind::Load,
    ];

    /// The name of the field in the spec, and of the label in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Dns => "dns",
            Kind::Tcp => "tcp",
            Kind::Tls => "tls",
            Kind::Http => "http",
            Kind::Grpc => "grpc",
            Kind::Websocket => "websocket",
            Kind::Postgres => "postgres",
            Kind::Mysql => "mysql",
            Kind::Sqlserver => "sqlserver",
            Kind::Redis => "redis",
            Kind::Load => "load",
            Kind::Journey => "journey",
        }
    }
}
