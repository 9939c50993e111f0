//! Starts real MariaDB servers from the system's packages, each with its own data and socket in a temporary directory, as an
//! unprivileged user where the tests run as root (MariaDB insists).

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use super::cert::{Authority, Issued};
use super::netns::CLIENT;
use super::pginstall::{credentials, give_away, owned_dir, text};
use super::process::{Process, Signal, free_port, run};
use super::wait::until;

/// The password of the user `app`.
pub const PASSWORD: &str = "correct horse";
/// The database that the user owns.
pub const DATABASE: &str = "app";

const READY: Duration = Duration::from_secs(30);
/// Small, and careless of power failures.
const FRUGAL: [&str; 8] = [
    "--innodb-log-file-size=4M",
    "--innodb-undo-tablespaces=0",
    "--innodb-buffer-pool-size=8M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--key-buffer-size=1M",
    "--aria-pagecache-buffer-size=1M",
    "--skip-log-bin",
];
/// Runs a command with a file of its own as /etc/hosts, which is nobody else's: `ip netns exec` gives it mounts of its own.
const NAMED: &str = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
/// The users and the database, made at every start.
const ROLES: &str = "CREATE DATABASE IF NOT EXISTS app; \
    CREATE OR REPLACE USER app@'%' IDENTIFIED BY 'correct horse'; GRANT ALL ON app.* TO app@'%'; \
    GRANT ALL ON missing.* TO app@'%'; \
    CREATE OR REPLACE USER open@'%'; GRANT ALL ON app.* TO open@'%'; \
    CREATE OR REPLACE USER sealed@'%' IDENTIFIED BY 'correct horse' REQUIRE SSL; \
    CREATE OR REPLACE USER certified@'%' IDENTIFIED BY 'correct horse' REQUIRE X509; \
    CREATE OR REPLACE USER locked@'%' IDENTIFIED BY 'correct horse' ACCOUNT LOCK; \
    CREATE OR REPLACE USER elsewhere@'192.0.2.1' IDENTIFIED BY 'correct horse'; \
    CREATE OR REPLACE USER one@'%' WITH MAX_USER_CONNECTIONS 1;";

/// What a server shall be like; `start` carries it out.
pub struct Setup {
    /// Options of mariadbd, besides those that every server of the tests has.
    pub options: Vec<String>,
    /// Certificate to offer TLS with.
    pub tls: Option<Issued>,
    /// Authority that client certificates must come from.
    pub client_ca: Option<String>,
    /// Where it listens.
    pub listen: String,
    /// The network namespace that it runs in.
    pub netns: Option<String>,
}

impl Setup {
    /// A primary on 127.0.0.1 without TLS.
    pub fn plain() -> Setup {
        Setup { options: Vec::new(), tls: None, client_ca: None, listen: "127.0.0.1".to_owned(), netns: None }
    }

    /// With an option of mariadbd, such as `--read-only`.
    pub fn option(mut self, option: &str) -> Setup {
        self.options.push(option.to_owned());
        self
    }

    /// Offers TLS with this certificate.
    pub fn tls(self, server: &Issued) -> Setup {
        Setup { tls: Some(server.clone()), ..self }
    }

    /// Takes client certificates of this authority.
    pub fn client_certificates(self, authority: &Authority) -> Setup {
        Setup { client_ca: Some(authority.pem()), ..self }
    }

    /// Runs in this network namespace, and listens on this address. It takes the lab's client for a host with a name: it asks
    /// for one whenever somebody comes, and keeps count of the failures of hosts that have one.
    pub fn in_netns(self, name: &str, address: &str) -> Setup {
        Setup { netns: Some(name.to_owned()), listen: address.to_owned(), ..self }
    }

    /// Starts it. The `Err` says why this machine can't.
    pub fn start(self) -> Result<Mariadb, String> {
        Mariadb::launch(self)
    }
}

/// A server; stopped and removed when dropped.
pub struct Mariadb {
    dir: TempDir,
    setup: Setup,
    port: u16,
    running: Mutex<Option<Process>>,
}

impl Mariadb {
    fn launch(setup: Setup) -> Result<Mariadb, String> {
        let template = template()?;
        let dir = owned_dir("mariadb");
        let port = if setup.netns.is_some() { 3306 } else { free_port() };
        run(&["cp", "-a", text(&template), text(&dir.path().join("data"))])?;
        let file = |name: &str, content: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).map_err(|e| format!("{}: {e}", path.display()))?;
            give_away(&path);
            Ok::<(), String>(())
        };
        // One statement a line.
        file("roles.sql", &ROLES.replace("; ", ";\n"))?;
        if let Some(tls) = &setup.tls {
            file("server.crt", &tls.cert)?;
            file("server.key", &tls.key)?;
        }
        if let Some(authority) = &setup.client_ca {
            file("ca.crt", authority)?;
        }
        file("hosts", &format!("{CLIENT} client.test\n"))?;
        let mariadb = Mariadb { dir, setup, port, running: Mutex::new(None) };
        mariadb.start();
        Ok(mariadb)
    }

    /// Starts it again, at the same address and with its data.
    pub fn start(&self) {
        let mut running = self.running.lock().expect("one user at a time");
        assert!(running.is_none(), "the server is running already");
        let hosts = self.dir.path().join("hosts");
        let named = |name| vec!["ip", "netns", "exec", name, "sh", "-c", NAMED, text(&hosts)];
        let prefix = self.setup.netns.as_deref().map(named).unwrap_or_default();
        let server = binary("mariadbd").expect("seen at launch");
        let command = [vec![text(&server).to_owned()], self.options()].concat();
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut process = Process::spawn(&prefix, Signal::Kill, &credentials(), &command, &self.dir.path().join("log"))
            .expect("a child process");
        until(READY, "MariaDB to answer", || {
            assert!(process.ended().is_none(), "MariaDB ended: {}", process.log_tail());
            self.sql("SELECT 1").map(drop).map_err(|e| format!("{e}\n{}", process.log_tail()))
        });
        *running = Some(process);
    }

    fn options(&self) -> Vec<String> {
        let at = |name: &str| format!("{}/{name}", text(self.dir.path()));
        let mut options = vec!["--no-defaults".to_owned()];
        options.extend(FRUGAL.map(str::to_owned));
        options.push(format!("--datadir={}", at("data")));
        options.push(format!("--socket={}", at("mysqld.sock")));
        options.push(format!("--init-file={}", at("roles.sql")));
        options.push(format!("--pid-file={}", at("pid")));
        options.push(format!("--bind-address={}", self.setup.listen));
        options.push(format!("--port={}", self.port));
        if self.setup.tls.is_some() {
            options.push(format!("--ssl-cert={}", at("server.crt")));
            options.push(format!("--ssl-key={}", at("server.key")));
        }
        if self.setup.client_ca.is_some() {
            options.push(format!("--ssl-ca={}", at("ca.crt")));
        }
        options.extend(self.setup.options.iter().cloned());
        options
    }

    /// Shuts it down; its address refuses connections from here on.
    pub fn stop(&self) {
        let process = self.running.lock().expect("one user at a time").take();
        process.expect("a running server").stop(Signal::Term);
    }

    /// Where it listens.
    pub fn host(&self) -> &str {
        &self.setup.listen
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("mysqld.sock")
    }

    /// Runs SQL as the superuser, past authentication and TLS; tab-separated rows, or what the client said.
    pub fn sql(&self, sql: &str) -> Result<String, String> {
        let client = binary("mariadb")?;
        let socket = format!("--socket={}", text(&self.socket()));
        run(&[text(&client), "--no-defaults", &socket, "--user=root", "--batch", "--skip-column-names", "-e", sql])
            .map(|rows| rows.trim_end().to_owned())
    }

    /// A client in the background that runs SQL as the superuser; it ends when it is dropped.
    pub fn session(&self, sql: &str) -> Result<Process, String> {
        let client = binary("mariadb")?;
        let socket = format!("--socket={}", text(&self.socket()));
        let command = [text(&client), "--no-defaults", &socket, "--user=root", "-e", sql];
        Process::spawn(&[], Signal::Kill, &[], &command, &self.dir.path().join("session.log"))
    }
}

impl Drop for Mariadb {
    fn drop(&mut self) {
        if let Ok(Some(process)) = self.running.get_mut().map(Option::take) {
            process.stop(Signal::Kill);
        }
    }
}

/// A data directory made once per process.
fn template() -> Result<PathBuf, String> {
    static TEMPLATE: OnceLock<Result<(TempDir, PathBuf), String>> = OnceLock::new();
    let made = TEMPLATE.get_or_init(|| {
        let install = binary("mariadb-install-db")?;
        let dir = owned_dir("mariadbtemplate");
        let data = dir.path().join("data");
        let place = format!("--datadir={}", text(&data));
        let unprivileged = [vec!["setpriv"], credentials(), vec!["--"]].concat();
        let prefix = if credentials().is_empty() { Vec::new() } else { unprivileged };
        let flags = ["--no-defaults", &place, "--auth-root-authentication-method=normal", "--skip-test-db"];
        run(&[prefix, vec![text(&install)], flags.to_vec(), FRUGAL.to_vec()].concat())?;
        Ok((dir, data))
    });
    made.as_ref().map(|(_, data)| data.clone()).map_err(String::clone)
}

/// A program of MariaDB's; the server is where only root looks.
fn binary(name: &str) -> Result<PathBuf, String> {
    let places = ["/usr/bin", "/usr/sbin"].map(|place| Path::new(place).join(name));
    places.into_iter().find(|path| path.exists()).ok_or_else(|| format!("there is no {name}: run tests/setup"))
}
