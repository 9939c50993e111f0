//! The `runready` binary under test, as a process of its own: started, asked over HTTP, stopped. Does I/O.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Process, Signal, free_port, run};
use super::scratch;
use super::wait::until;

/// A running operator.
pub struct Operator {
    process: Process,
    listen: SocketAddr,
    log: PathBuf,
    _dir: tempfile::TempDir,
}

impl Operator {
    /// Starts `runready run` with a kubeconfig and further arguments, and waits until it serves.
    pub fn start(kubeconfig: &Path, args: &[&str]) -> Self {
        Self::launch(&[&format!("KUBECONFIG={}", kubeconfig.display())], args)
    }

    /// Starts `runready run --folder` with variables (NAME=VALUE) and further arguments, and waits until it probes.
    pub fn on_folder(folder: &Path, variables: &[&str], args: &[&str]) -> Self {
        let folder = folder.display().to_string();
        let operator = Self::launch(variables, &[&["--folder", &folder], args].concat());
        operator.until_ready("probing");
        operator
    }

    /// Starts `runready run` with variables (NAME=VALUE) and arguments, and waits until it serves.
    pub fn launch(variables: &[&str], args: &[&str]) -> Self {
        let dir = scratch::dir("operator");
        let listen = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let address = listen.to_string();
        let clean = ["-u", "RUST_LOG", "-u", "OTEL_EXPORTER_OTLP_ENDPOINT", "-u", "POD_NAMESPACE", "-u", "POD_NAME"];
        // A machine without credentials has nothing to ask Google with; a test that is about it says so.
        let quiet = ["RUNREADY_INSPECT=off"];
        let mut command = vec!["env"];
        command.extend_from_slice(&clean);
        command.extend_from_slice(&quiet);
        command.extend_from_slice(variables);
        command.extend_from_slice(&[env!("CARGO_BIN_EXE_runready"), "run", "--listen", &address]);
        command.extend_from_slice(args);
        let log = dir.path().join("log");
        let process = Process::spawn(&[], Signal::Kill, &[], &command, &log).expect("the operator starts");
        let operator = Operator { process, listen, log, _dir: dir };
        until(Duration::from_secs(20), "the operator serves", || {
            operator.get("/healthz").map_err(|error| format!("{error}; its log: {}", operator.log()))
        });
        operator
    }

    /// Starts it and waits until it probes.
    pub fn probing(kubeconfig: &Path, args: &[&str]) -> Self {
        let operator = Self::start(kubeconfig, args);
        operator.until_ready("probing");
        operator
    }

    /// Waits until /readyz says so.
    pub fn until_ready(&self, phase: &str) {
        until(Duration::from_secs(20), phase, || match self.get("/readyz") {
            Ok((200, text)) if text.trim() == phase => Ok(()),
            other => Err(format!("{other:?}; its log: {}", self.log())),
        });
    }

    /// Status and body of a GET.
    pub fn get(&self, path: &str) -> Result<(u16, String), String> {
        let text = self.get_whole(path)?;
        let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or("no status")?;
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok((status, body.to_owned()))
    }

    /// The whole answer to a GET: header and body.
    pub fn get_whole(&self, path: &str) -> Result<String, String> {
        let said = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect_timeout(&self.listen, Duration::from_secs(1)).map_err(said)?;
        stream.set_read_timeout(Some(Duration::from_secs(10))).map_err(said)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: runready\r\nconnection: close\r\n\r\n").map_err(said)?;
        let mut text = String::new();
        stream.read_to_string(&mut text).map_err(said)?;
        Ok(text)
    }

    /// The sum of a metric's samples whose line holds `with`.
    pub fn metric(&self, name: &str, with: &str) -> f64 {
        let (_, text) = self.get("/metrics").expect("metrics");
        let sample = |line: &&str| line.starts_with(name) && line.contains(with);
        text.lines().filter(sample).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// Its process's number.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.process.log_tail()
    }

    /// All of its log.
    pub fn whole_log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).expect("its log")).into_owned()
    }

    /// Halts it where it stands (SIGSTOP).
    pub fn halt(&self) {
        run(&["kill", "-s", "STOP", &self.id().to_string()]).expect("our own child");
    }

    /// Lets it go on (SIGCONT).
    pub fn go_on(&self) {
        run(&["kill", "-s", "CONT", &self.id().to_string()]).expect("our own child");
    }

    /// Sends a signal, waits for the end, and returns all of its log.
    pub fn stop_and_read(self, signal: Signal) -> String {
        let Operator { process, log, _dir, .. } = self;
        process.stop(signal);
        String::from_utf8_lossy(&std::fs::read(log).expect("its log")).into_owned()
    }

    /// Sends a signal and waits for the end.
    pub fn stop(self, signal: Signal) {
        self.process.stop(signal);
    }
}
