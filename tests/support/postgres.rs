//! Starts real PostgreSQL servers from the system's packages, each with its own data and sockets in a temporary
//! directory, as an unprivileged user where the tests run as root (PostgreSQL insists).

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use tempfile::TempDir;

use super::pginstall::{binary, credentials, give_away, owned_dir, template, text};
use super::pgsetup::{Auth, Phase, Setup};
use super::process::{Process, Signal, free_port, run};
use super::wait::until;

/// The password of [`Postgres::user`].
pub const PASSWORD: &str = "correct horse";
/// The database that the user owns.
pub const DATABASE: &str = "app";

const READY: Duration = Duration::from_secs(30);

/// A server; stopped and removed when dropped.
pub struct Postgres {
    dir: TempDir,
    setup: Setup,
    port: u16,
    running: Mutex<Option<Process>>,
}

impl Postgres {
    /// Makes the data directory from a copy of this process's template, and starts.
    pub fn launch(setup: Setup) -> Result<Postgres, String> {
        let template = template()?;
        let dir = owned_dir("pg");
        let port = if setup.netns.is_some() { 5432 } else { free_port() };
        let data = dir.path().join("data");
        run(&["cp", "-a", text(&template), text(&data)])?;
        for (name, content) in setup.files(text(dir.path()), port) {
            let path = data.join(name);
            std::fs::write(&path, content).map_err(|e| format!("{}: {e}", path.display()))?;
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).map_err(|e| e.to_string())?;
            give_away(&path);
        }
        let postgres = Postgres { dir, setup, port, running: Mutex::new(None) };
        postgres.start();
        Ok(postgres)
    }

    /// Starts it again, at the same address and with its data.
    pub fn start(&self) {
        let mut running = self.running.lock().expect("one user at a time");
        assert!(running.is_none(), "the server is running already");
        let netns = self.setup.netns.as_deref();
        let prefix = netns.map(|name| vec!["ip", "netns", "exec", name]).unwrap_or_default();
        let server = binary("postgres").expect("seen at launch");
        let command = [text(&server), "-D", &format!("{}/data", text(self.dir.path()))];
        let log = self.log();
        // When the tests die, an immediate shutdown: a kill would leave shared memory behind.
        let mut process =
            Process::spawn(&prefix, Signal::Quit, &credentials(), &command, &log).expect("a child process");
        until(READY, "PostgreSQL to answer", || {
            assert!(process.ended().is_none(), "PostgreSQL ended: {}", process.log_tail());
            let answer = self.psql("SELECT 'ready'");
            match answer {
                Err(refusal) if self.setup.phase == Phase::StartingUp && refusal.contains("not accepting") => Ok(()),
                answer => answer.map(drop).map_err(|e| format!("{e}\n{}", process.log_tail())),
            }
        });
        *running = Some(process);
    }

    /// Shuts it down; its address refuses connections from here on.
    pub fn stop(&self) {
        self.stop_by(Signal::Int);
    }

    /// Shuts it down: fast (Int), at once (Quit), or when its last session has ended (Term).
    pub fn stop_by(&self, signal: Signal) {
        let process = self.running.lock().expect("one user at a time").take();
        process.expect("a running server").stop(signal);
    }

    /// Sends it a signal, and does not wait for what comes of it.
    pub fn signal(&self, signal: Signal) {
        let running = self.running.lock().expect("one user at a time");
        running.as_ref().expect("a running server").signal(signal);
    }

    /// A psql in the background that runs SQL; it ends when it is dropped.
    pub fn session(&self, connection: &str, sql: &str) -> Result<Process, String> {
        let program = binary("psql")?;
        let command = [text(&program), "--no-psqlrc", "-Atc", sql, connection];
        Process::spawn(&[], Signal::Kill, &[], &command, &self.dir.path().join("session.log"))
    }

    /// Where it listens.
    pub fn host(&self) -> &str {
        &self.setup.listen
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of its Unix socket.
    pub fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The file that it logs to.
    pub fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// A user whose password is kept in the way that the server's authentication needs.
    pub fn user(&self) -> &'static str {
        if self.setup.auth == Auth::Md5 { "app_md5" } else { "app" }
    }

    /// Runs SQL as the superuser, past authentication and TLS; unaligned rows, or what psql said.
    pub fn psql(&self, sql: &str) -> Result<String, String> {
        psql(&format!("host={} port={} user=postgres dbname=postgres", text(self.dir.path()), self.port), sql)
    }

    /// Runs SQL over the network as [`Postgres::user`], with further words of a connection string.
    pub fn psql_over_network(&self, words: &str, sql: &str) -> Result<String, String> {
        let (host, port, user) = (self.host(), self.port, self.user());
        psql(&format!("host={host} port={port} user={user} dbname={DATABASE} connect_timeout=10 {words}"), sql)
    }

    /// Takes all connections that users may have, and holds them as long as what it returns lives.
    pub fn fill_connections(&self) -> Vec<UnixStream> {
        let socket = self.dir.path().join(format!(".s.PGSQL.{}", self.port));
        let users = self.setup.max_connections - 1;
        // A session that has just ended may still have its place.
        let open = || until(READY, "a free connection", || open_session(&socket).ok_or("too many connections"));
        (0..users).map(|_| open()).collect()
    }

    /// What the server logged last.
    pub fn log_tail(&self) -> String {
        self.running.lock().expect("one user at a time").as_ref().map(Process::log_tail).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(Some(process)) = self.running.get_mut().map(Option::take) {
            process.stop(Signal::Quit);
        }
    }
}

fn psql(connection: &str, sql: &str) -> Result<String, String> {
    let program = binary("psql")?;
    run(&[text(&program), "--no-psqlrc", "--no-password", "-v", "ON_ERROR_STOP=1", "-Atc", sql, connection])
        .map(|rows| rows.trim_end().to_owned())
}

/// A session of `app`, ready for queries; none if the server has too many.
fn open_session(socket: &Path) -> Option<UnixStream> {
    let mut stream = UnixStream::connect(socket).expect("the server's socket");
    let parameters = b"user\0app\0database\0app\0\0";
    let length = (8 + parameters.len()) as u32;
    let hello = [&length.to_be_bytes()[..], &196_608_u32.to_be_bytes(), parameters].concat();
    stream.write_all(&hello).expect("a listening server");
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).expect("a message");
        let length = u32::from_be_bytes(head[1..].try_into().expect("four bytes"));
        let mut body = vec![0; length as usize - 4];
        stream.read_exact(&mut body).expect("a message's body");
        match head[0] {
            b'Z' => return Some(stream),
            b'E' => {
                let said = String::from_utf8_lossy(&body).into_owned();
                assert!(said.contains("C53300"), "refused for another reason: {said}");
                return None;
            }
            _ => {}
        }
    }
}
