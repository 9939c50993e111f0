//! Commands that were shown in; run as the person who asks for it, one after the other, until one fails. Starts processes.
//!
//! The commands are gcloud's, run without a shell, argument by argument: what is carried out is what was shown, under the
//! person's own account, which is whom the audit log should name. What no command restores is told and left to people. Whatever
//! ends it before its end, what is done and what is not is told: half a restoration is another change.

use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, bail, ensure};
use futures::FutureExt;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Args, Found, find};
use crate::baseline::Remedy;
use crate::baseline::remedy::Command;
use crate::cli::NOT_READY;

/// Asks, and runs the commands.
///
/// # Errors
/// When nobody can be asked, what differs has changed meanwhile, a command can't be run or fails, or a signal comes.
pub async fn apply(found: &[Found], args: &Args) -> anyhow::Result<ExitCode> {
    let commands = commands(found);
    if commands.is_empty() {
        eprintln!("no command restores this: see the notes above");
        return Ok(ExitCode::from(NOT_READY));
    }
    if !args.yes {
        if !agreed(commands.len())? {
            eprintln!("nothing was changed");
            return Ok(ExitCode::from(NOT_READY));
        }
        // A person may have taken a while, and others may have changed the path meanwhile.
        let now = find(args)?;
        ensure!(
            commands == self::commands(&now),
            "what differs has changed since it was shown, and so has what restores it: nothing was changed. Run it again, and look at it anew"
        );
    }
    run(&commands).await?;
    // What only people can do keeps the configuration from being what it was.
    let whole = remedies(found).all(|remedy| remedy.notes.is_empty());
    eprintln!("runready compares the configuration again when it reads it next");
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(NOT_READY) })
}

fn remedies(found: &[Found]) -> impl Iterator<Item = &Remedy> {
    found.iter().flat_map(|found| &found.remedies)
}

/// The commands in their order, each once: several checks may go by the same object.
fn commands(found: &[Found]) -> Vec<&Command> {
    let mut commands: Vec<&Command> = Vec::new();
    for command in remedies(found).flat_map(|remedy| &remedy.commands) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    commands
}

/// Asks the person at the terminal.
fn agreed(count: usize) -> anyhow::Result<bool> {
    ensure!(
        io::stdin().is_terminal(),
        "nobody can be asked, because standard input is no terminal: add --yes to run the {count} commands above"
    );
    eprint!("Run the {} above? [y/N] ", if count == 1 { "command".to_owned() } else { format!("{count} commands") });
    io::stderr().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// How one command ended.
enum Ended {
    /// It was carried out.
    Well,
    /// It could not be started: nothing of it was done.
    Unstarted(io::Error),
    /// It failed, and may be done in part.
    Badly(String),
}

async fn run(commands: &[&Command]) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    for (index, command) in commands.iter().enumerate() {
        let (done, rest) = commands.split_at(index);
        if signals.came() {
            bail!("interrupted{}", account(done, None, rest));
        }
        eprintln!("running: {command}");
        match signals.watch(carry_out(command)).await? {
            Ended::Well => {}
            Ended::Unstarted(why) => {
                let program = command.words().first().map_or("", String::as_str);
                bail!(
                    "{program} can't be run ({why}): install the Google Cloud CLI here, or run the commands where it is{}",
                    account(done, None, rest)
                )
            }
            Ended::Badly(how) => {
                let what = if signals.came() { "interrupted" } else { "a command failed" };
                bail!("{what} ({how}; what it said stands above){}", account(done, Some(command), &rest[1..]))
            }
        }
    }
    Ok(())
}

/// What was done and what was not.
fn account(done: &[&Command], half: Option<&Command>, rest: &[&Command]) -> String {
    let mut told = String::new();
    let mut list = |title: &str, commands: &[&Command]| {
        if !commands.is_empty() {
            let _ = write!(told, "\n{title}:");
            commands.iter().for_each(|command| _ = write!(told, "\n  {command}"));
        }
    };
    list("done", done);
    list("perhaps done in part", &half.into_iter().collect::<Vec<_>>());
    list("not run", rest);
    if done.is_empty() && half.is_none() {
        told.push_str("\nnothing was changed");
    } else {
        told.push_str("\nWhat still differs, `runready restore` shows once runready has read the configuration again");
    }
    told
}

/// Runs gcloud with these arguments, without a shell. It must not ask: the person was asked already.
async fn carry_out(command: &Command) -> anyhow::Result<Ended> {
    let [program, arguments @ ..] = command.words() else { bail!("an empty command (a defect)") };
    let mut process = std::process::Command::new(program);
    process.args(arguments).arg("--quiet").stdin(Stdio::null());
    let mut child = match process.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Ended::Unstarted(error)),
    };
    let status = tokio::task::spawn_blocking(move || child.wait()).await?.context("the command can't be waited for")?;
    Ok(if status.success() { Ended::Well } else { Ended::Badly(status.to_string()) })
}

/// SIGINT and SIGTERM. They end it between two commands and not within one: a terminal gives gcloud its own SIGINT, and a
/// restoration that is cut off in the middle is worse than one that is late.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    came: bool,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be handled")?;
        let terminate = signal(SignalKind::terminate()).context("SIGTERM can't be handled")?;
        Ok(Signals { interrupt, terminate, came: false })
    }

    /// Waits for something to end; a signal that comes meanwhile is told at once.
    async fn watch<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                ended = &mut work => return ended,
                Some(()) = self.interrupt.recv(), if !self.came => self.tell(),
                Some(()) = self.terminate.recv(), if !self.came => self.tell(),
            }
        }
    }

    /// Whether one has come.
    fn came(&mut self) -> bool {
        let interrupt = self.interrupt.recv().now_or_never().flatten().is_some();
        self.came |= interrupt | self.terminate.recv().now_or_never().flatten().is_some();
        self.came
    }

    fn tell(&mut self) {
        self.came = true;
        eprintln!("interrupted: the command under way is waited for, and none is run after it");
    }
}
