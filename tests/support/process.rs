//! Takes a command line, and runs it as a child that can't outlive the tests: it is killed when dropped, and by the
//! kernel when the test process dies. Also runs commands to their end, finds tools, and picks free ports.

use std::fs::File;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, Mutex, mpsc};
use std::time::Duration;

use super::wait::until;

type Job = (Command, mpsc::Sender<std::io::Result<Child>>);

/// The kernel's "parent died" signal goes by the thread that forked, so children are forked by one thread which stays.
static NURSERY: LazyLock<Mutex<mpsc::Sender<Job>>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    std::thread::spawn(move || {
        for (mut command, answer) in queue {
            let _ = answer.send(command.spawn());
        }
    });
    Mutex::new(jobs)
});

/// Starts the thread that forks children, where the caller's network is theirs.
pub fn start_nursery() {
    LazyLock::force(&NURSERY);
}

/// A running child, its output in a log file.
pub struct Process {
    child: Child,
    log: PathBuf,
}

/// The way a child is asked to end.
#[derive(Clone, Copy)]
pub enum Signal {
    Kill,
    Term,
    Int,
    Quit,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Kill => "KILL",
            Signal::Term => "TERM",
            Signal::Int => "INT",
            Signal::Quit => "QUIT",
        }
    }
}

impl Process {
    /// Starts `command` behind the words of `prefix` (such as `ip netns exec NAME`, which must exec, not fork); when
    /// the tests die it gets `death`.
    pub fn spawn(
        prefix: &[&str],
        death: Signal,
        credentials: &[&str],
        command: &[&str],
        log: &Path,
    ) -> Result<Process, String> {
        let words: Vec<&str> = prefix
            .iter()
            .copied()
            .chain(["setpriv", "--pdeathsig", death.name()])
            .chain(credentials.iter().copied())
            .chain(["--"])
            .chain(command.iter().copied())
            .collect();
        let open =
            || File::options().create(true).append(true).open(log).map_err(|e| format!("{}: {e}", log.display()));
        let mut run = Command::new(words[0]);
        run.args(&words[1..]).stdin(Stdio::null()).stdout(open()?).stderr(open()?);
        let (answer, result) = mpsc::channel();
        NURSERY.lock().expect("the nursery").send((run, answer)).expect("the nursery stays");
        let child = result.recv().expect("the nursery answers").map_err(|e| format!("{}: {e}", words[0]))?;
        Ok(Process { child, log: log.to_owned() })
    }

    /// The child's number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How the child ended, if it did: for whoever waits for it to get ready.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("our own child")
    }

    /// The end of what the child has written.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let start = text.len().saturating_sub(3000);
        String::from_utf8_lossy(&text[start..]).into_owned()
    }

    /// Sends the child a signal.
    pub fn signal(&self, signal: Signal) {
        run(&["kill", "-s", signal.name(), &self.id().to_string()]).expect("our own child");
    }

    /// Asks the child to end, and returns when it has.
    pub fn stop(mut self, signal: Signal) {
        if self.ended().is_none() {
            self.signal(signal);
        }
        until(Duration::from_secs(30), "a child to end", || self.ended().ok_or_else(|| self.log_tail()));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; its standard output, or all that it said.
pub fn run(words: &[&str]) -> Result<String, String> {
    run_with_input(Command::new(words[0]).args(&words[1..]), "")
}

/// [`run`] for a prepared command, with something on its standard input.
pub fn run_with_input(command: &mut Command, input: &str) -> Result<String, String> {
    let said = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|e| format!("{said}: {e}"))?;
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().map_err(|e| format!("{said}: {e}"))?;
    writer.join().expect("the writer");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(stdout);
    }
    Err(format!("{stdout}{}({said}: {})", String::from_utf8_lossy(&output.stderr), output.status))
}

/// A program that tests/setup builds, or that KUBEBUILDER_ASSETS brings.
pub fn tool(name: &str) -> Result<PathBuf, String> {
    let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
    let tools = std::env::var_os("RUNREADY_TOOLS").map(PathBuf::from);
    let built = tools.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.tools")).join("bin");
    let places = assets.into_iter().chain([built]);
    let found = places.map(|place| place.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| format!("there is no {name}: run tests/setup, or let KUBEBUILDER_ASSETS name its folder"))
}

/// A port that nobody listens on. Below the range from which the kernel takes ports for outgoing connections, so that
/// it stays free while its owner is stopped.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id() % 100) as u16 * 100;
    // Where there is IPv6, its wildcard address stands for both families.
    let ipv6 = Path::new("/proc/net/if_inet6").exists();
    let any: IpAddr = if ipv6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    loop {
        let port = 20_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if TcpListener::bind((any, port)).is_ok() {
            return port;
        }
    }
}
