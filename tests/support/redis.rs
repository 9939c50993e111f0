//! Starts real Redis servers from the system's package, each with its own port and data in a temporary directory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tempfile::TempDir;

use super::cert::{Authority, Issued};
use super::process::{Process, Signal, free_port};
use super::scratch;
use super::wait::until;

/// The password of every server that has one.
pub const PASSWORD: &str = "correct horse";

const READY: Duration = Duration::from_secs(30);

/// What a server is to be like.
#[derive(Default)]
pub struct Setup {
    lines: Vec<String>,
    files: Vec<(&'static str, String)>,
    tls: bool,
}

/// A server; stopped and removed when dropped.
pub struct Redis {
    process: Process,
    dir: TempDir,
    port: u16,
}

impl Setup {
    /// A line of its configuration.
    pub fn line(mut self, line: impl Into<String>) -> Setup {
        self.lines.push(line.into());
        self
    }

    /// The user "default" has [`PASSWORD`].
    pub fn password(self) -> Setup {
        self.line(format!("requirepass \"{PASSWORD}\""))
    }

    /// It speaks TLS, and nothing else; it demands client certificates by `clients`, if there is one.
    pub fn tls(mut self, certificate: &Issued, authority: &Authority, demanding: bool) -> Setup {
        self.tls = true;
        self.files = vec![("cert.pem", certificate.cert.clone()), ("key.pem", certificate.key.clone())];
        self.files.push(("ca.pem", authority.pem()));
        self.line("tls-cert-file cert.pem")
            .line("tls-key-file key.pem")
            .line("tls-ca-cert-file ca.pem")
            .line(format!("tls-auth-clients {}", if demanding { "yes" } else { "no" }))
    }

    /// Starts it.
    pub fn start(self) -> Result<Redis, String> {
        self.start_in(scratch::dir("redis"))
    }

    /// Starts it with the data in a directory.
    fn start_in(self, dir: TempDir) -> Result<Redis, String> {
        let port = free_port();
        for (name, content) in &self.files {
            std::fs::write(dir.path().join(name), content).map_err(|error| error.to_string())?;
        }
        let listen = if self.tls { format!("port 0\ntls-port {port}") } else { format!("port {port}") };
        let path = dir.path().to_str().ok_or("a directory that is not UTF-8")?;
        let common = format!("dir {path}\nbind 127.0.0.1\n{listen}\nsave \"\"\nenable-debug-command yes\n");
        let configuration = dir.path().join("redis.conf");
        std::fs::write(&configuration, common + &self.lines.join("\n") + "\n").map_err(|error| error.to_string())?;
        let command = ["redis-server", configuration.to_str().ok_or("a path that is not UTF-8")?];
        let process = Process::spawn(&[], Signal::Kill, &[], &command, &dir.path().join("log"))?;
        let mut redis = Redis { process, dir, port };
        until(READY, "Redis to answer", || match redis.process.ended() {
            Some(status) => Ok(Err(format!("Redis ended ({status}): {}", redis.process.log_tail()))),
            None if self.tls => TcpStream::connect(("127.0.0.1", port)).map(|_| Ok(())),
            None => say(port, "PING").map(|_| Ok(())),
        })?;
        Ok(redis)
    }
}

impl Redis {
    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends a command as one types it; the first bytes of the answer.
    pub fn say(&self, command: &str) -> String {
        say(self.port, command).unwrap_or_else(|error| panic!("{command}: {error}\n{}", self.process.log_tail()))
    }

    /// Stops it, and starts one with its data that takes far longer to load them than any test.
    pub fn load_forever(self) -> Result<Redis, String> {
        assert!(self.say("DEBUG POPULATE 1000 key 1000").starts_with('+'), "no data");
        assert!(self.say("SAVE").starts_with('+'), "no file");
        let Redis { process, dir, .. } = self;
        process.stop(Signal::Term);
        // A pause before each key, in microseconds; what comes meanwhile is answered after each.
        Setup::default().line("key-load-delay 100000").line("loading-process-events-interval-bytes 1024").start_in(dir)
    }
}

fn say(port: u16, command: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(READY))?;
    stream.write_all(format!("{command}\r\n").as_bytes())?;
    let mut answer = vec![0; 4096];
    match stream.read(&mut answer)? {
        0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
        length => Ok(String::from_utf8_lossy(&answer[..length]).into_owned()),
    }
}
