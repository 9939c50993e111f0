//! What a PostgreSQL of the tests shall be like, told step by step, and the files that make it so: postgresql.conf,
//! pg_hba.conf, certificates, standby.signal.

use std::fmt::Write;

use super::cert::{Authority, Issued};
use super::postgres::Postgres;

/// How a server answers those who connect over the network.
#[derive(Clone, Copy, PartialEq)]
pub enum Auth {
    Trust,
    Scram,
    Md5,
    Reject,
}

/// What a server is busy with.
#[derive(Clone, Copy, PartialEq)]
pub enum Phase {
    Primary,
    ReadOnly,
    StartingUp,
}

/// The wishes; `start` carries them out.
pub struct Setup {
    pub auth: Auth,
    pub phase: Phase,
    pub listen: String,
    pub netns: Option<String>,
    pub tls: Option<Issued>,
    pub tls_only: bool,
    pub client_ca: Option<String>,
    pub max_connections: u32,
    reserved: u32,
}

impl Setup {
    /// A primary on 127.0.0.1 which trusts everyone and has no TLS.
    pub fn plain() -> Setup {
        Setup {
            auth: Auth::Trust,
            phase: Phase::Primary,
            listen: "127.0.0.1".to_owned(),
            netns: None,
            tls: None,
            tls_only: false,
            client_ca: None,
            max_connections: 20,
            reserved: 1,
        }
    }

    /// Asks for authentication: by the password of [`Postgres::user`], or refuses everyone.
    pub fn auth(self, auth: Auth) -> Setup {
        Setup { auth, ..self }
    }

    /// Offers TLS with this certificate.
    pub fn tls(self, server: &Issued) -> Setup {
        Setup { tls: Some(server.clone()), ..self }
    }

    /// Refuses those who come without TLS.
    pub fn tls_only(self) -> Setup {
        Setup { tls_only: true, ..self }
    }

    /// Demands a client certificate by this authority, for the user's name, besides the password.
    pub fn client_certificates(self, authority: &Authority) -> Setup {
        Setup { client_ca: Some(authority.pem()), ..self }
    }

    /// Serves at most this many connections.
    pub fn max_connections(self, max_connections: u32) -> Setup {
        Setup { max_connections, ..self }
    }

    /// No connection is kept for superusers: whoever got a place keeps it, and none is refused for the sake of a free one.
    pub fn none_reserved(self) -> Setup {
        Setup { reserved: 0, ..self }
    }

    /// In recovery and read-only, or not yet accepting connections.
    pub fn phase(self, phase: Phase) -> Setup {
        Setup { phase, ..self }
    }

    /// Listens on this address.
    pub fn listen(self, address: &str) -> Setup {
        Setup { listen: address.to_owned(), ..self }
    }

    /// Runs in this network namespace.
    pub fn in_netns(self, name: &str) -> Setup {
        Setup { netns: Some(name.to_owned()), ..self }
    }

    /// Starts it. The `Err` says why this machine can't.
    pub fn start(self) -> Result<Postgres, String> {
        Postgres::launch(self)
    }

    /// The files to put into the data directory, by name.
    pub fn files(&self, socket_dir: &str, port: u16) -> Vec<(&'static str, String)> {
        let mut files =
            vec![("postgresql.auto.conf", self.configuration(socket_dir, port)), ("pg_hba.conf", self.rules())];
        if let Some(tls) = &self.tls {
            files.push(("server.crt", tls.cert.clone()));
            files.push(("server.key", tls.key.clone()));
        }
        if let Some(authority) = &self.client_ca {
            files.push(("root.crt", authority.clone()));
        }
        if self.phase != Phase::Primary {
            files.push(("standby.signal", String::new()));
        }
        files
    }

    fn configuration(&self, socket_dir: &str, port: u16) -> String {
        let on = |condition| if condition { "on" } else { "off" };
        let mut text = format!(
            "listen_addresses = '{}'\nport = {port}\nunix_socket_directories = '{socket_dir}'\nmax_connections = {}\n\
             superuser_reserved_connections = {}\nmax_wal_senders = 0\nfsync = off\nshared_buffers = 8MB\n\
             log_connections = on\nhot_standby = {}\nssl = {}\n",
            self.listen,
            self.max_connections,
            self.reserved,
            on(self.phase != Phase::StartingUp),
            on(self.tls.is_some()),
        );
        if self.client_ca.is_some() {
            text.push_str("ssl_ca_file = 'root.crt'\n");
        }
        text
    }

    fn rules(&self) -> String {
        let host = if self.tls_only || self.client_ca.is_some() { "hostssl" } else { "host" };
        let method = match self.auth {
            Auth::Trust => "trust",
            Auth::Scram => "scram-sha-256",
            Auth::Md5 => "md5",
            Auth::Reject => "reject",
        };
        let certificate = if self.client_ca.is_some() { " clientcert=verify-full" } else { "" };
        let mut rules = String::from("local all all trust\n");
        writeln!(rules, "{host} all all all {method}{certificate}").expect("a string grows");
        rules
    }
}
