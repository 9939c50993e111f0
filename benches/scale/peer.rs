//! What checks reach: a [`Target`], or a real PostgreSQL whose log tells when each check's role came. Does I/O.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::time::{Instant, SystemTime};

use crate::Kind;
use crate::arrivals::Arrivals;
use crate::support::pgsetup::Setup;
use crate::support::postgres::Postgres;
use crate::target::{Target, address};

/// The peer of one kind of probe.
pub enum Peer {
    /// For tcp and http.
    Target(Target),
    /// For postgres.
    Postgres(Box<Database>),
}

/// A PostgreSQL with a role for each check.
pub struct Database {
    server: Postgres,
    began: Instant,
    /// The same by the wall clock, as the log tells it.
    began_at: f64,
    log_begins: u64,
}

/// The role that a check logs in as.
pub fn role(check: u32) -> String {
    format!("check{check}")
}

impl Peer {
    /// Starts one. The `Err` says why this machine can't.
    pub fn start(kind: Kind, checks: u32) -> Result<Self, String> {
        match kind {
            Kind::Tcp | Kind::Http => Ok(Peer::Target(Target::start(kind))),
            Kind::Postgres => {
                let server = Setup::plain().max_connections(200).start()?;
                let roles: String = (0..checks).map(|check| format!("CREATE ROLE {} LOGIN;", role(check))).collect();
                server.psql(&roles)?;
                Ok(Peer::Postgres(Box::new(Database { server, began: Instant::now(), began_at: 0.0, log_begins: 0 })))
            }
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        match self {
            Peer::Target(target) => target.port(),
            Peer::Postgres(database) => database.server.port(),
        }
    }

    /// The probe of a check, as it stands in its manifest.
    pub fn probe(&self, kind: Kind, check: u32) -> String {
        let (port, host) = (self.port(), address(check));
        match kind {
            Kind::Tcp => format!("tcp: {{host: {host}, port: {port}}}"),
            Kind::Http => format!("http: {{url: \"http://{host}:{port}/\"}}"),
            Kind::Postgres => format!(
                "postgres: {{host: 127.0.0.1, port: {port}, database: app, user: {}, tls: {{mode: Disable}}, query: SELECT 1}}",
                role(check)
            ),
        }
    }

    /// Notes connections from here on.
    pub fn begin(&mut self) {
        match self {
            Peer::Target(target) => target.begin(),
            Peer::Postgres(database) => {
                database.began = Instant::now();
                database.began_at = wall_millis();
                database.log_begins = database.log().metadata().expect("the server's log").len();
            }
        }
    }

    /// The connections since [`Peer::begin`].
    pub fn end(&mut self) -> Arrivals {
        match self {
            Peer::Target(target) => target.end(),
            Peer::Postgres(database) => database.arrivals(),
        }
    }
}

impl Database {
    fn log(&self) -> File {
        File::open(self.server.log()).expect("the server's log")
    }

    /// The logins in the log; their times are in milliseconds, and those of the server's answer.
    fn arrivals(&self) -> Arrivals {
        let window = self.began.elapsed();
        let mut log = self.log();
        log.seek(SeekFrom::Start(self.log_begins)).expect("a file");
        let lines = BufReader::new(log).lines().map_while(Result::ok);
        let since_begin = |at: f64| (at - self.began_at).rem_euclid(QUARTER);
        let seen = lines.filter_map(|line| login(&line)).map(|(at, check)| (since_begin(at), check));
        Arrivals::new(seen, window)
    }
}

/// Milliseconds of a quarter of an hour: time zones differ by a multiple of it, so that within it every clock agrees.
const QUARTER: f64 = 900_000.0;

fn wall_millis() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

/// When, in milliseconds of the day, and by which check a line of the log says that someone logged in.
fn login(line: &str) -> Option<(f64, u32)> {
    let (before, after) = line.split_once("connection authorized: user=check")?;
    let check = after.split(' ').next()?.parse().ok()?;
    let mut clock = before.split(' ').nth(1)?.split(':');
    let mut part = || clock.next()?.parse::<f64>().ok();
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    Some(((hours * 3600.0 + minutes * 60.0 + seconds) * 1e3, check))
}
