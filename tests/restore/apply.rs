//! `runready restore --apply`: what it runs and when it stops, with a script in gcloud's place. What matters here is with which
//! arguments gcloud is called, how often, and what people are told where it ends before its end.

use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{CONNECTOR, INSTANCE, RUNREADY, SERVICE, check, restore};
use crate::support::scratch;
use crate::support::skip::judge;
use crate::support::wait::until;

const SOON: Duration = Duration::from_secs(20);

/// A folder with statuses and a script in gcloud's place.
struct Bed(TempDir);

impl Bed {
    /// `script`: what gcloud does once it has noted its arguments; `$n` is which call it is.
    fn new(statuses: &Value, script: &str) -> Self {
        let bed = Bed(scratch::dir("restore"));
        bed.write("checks.json", &statuses.to_string());
        let log = bed.path("log");
        let note = format!("echo \"$*\" >> {0}\nn=0\nwhile read -r _; do n=$((n + 1)); done < {0}", log.display());
        bed.write("gcloud", &format!("#!/bin/sh\n{note}\n{script}\n"));
        std::fs::set_permissions(bed.path("gcloud"), Permissions::from_mode(0o755)).expect("permissions");
        bed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file of our own");
    }

    /// The words of the calls so far, without what gcloud is always given.
    fn calls(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.path("log")).unwrap_or_default();
        log.lines().map(|line| line.trim_end_matches(" --quiet").to_owned()).collect()
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The folder first, then what the script needs.
    fn search(&self) -> PathBuf {
        format!("{}:/usr/bin:/bin", self.0.path().display()).into()
    }

    fn apply(&self) -> (Option<i32>, String, String) {
        restore(&self.path("checks.json"), &self.search(), &["--apply", "--yes"])
    }

    /// The same, which goes on meanwhile; what it says goes to the file `said`.
    fn start(&self) -> Child {
        let said = File::create(self.path("said")).expect("a file of our own");
        let mut command = Command::new(RUNREADY);
        command.args(["restore", "--apply", "--yes", "-f"]).arg(self.path("checks.json"));
        command.env("PATH", self.search()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
        command.spawn().expect("it starts")
    }

    fn until_said(&self, what: &str) {
        until(SOON, what, || if self.read("said").contains(what) { Ok(()) } else { Err(self.read("said")) });
    }
}

/// A check of which three things differ, each on an object of its own.
fn three() -> Value {
    let mut list = check();
    let drift = |inspection: &str, object: &str, field: &str, was: &str, is: &str| json!({"inspection": inspection, "object": object, "field": field, "was": was, "is": is, "since": "2026-11-25T12:41:00Z"});
    list["items"][0]["status"]["drift"] = json!([
        drift("Service", SERVICE, "timeout", "300s", "20s"),
        drift("Connector", CONNECTOR, "machineType", "e2-standard-4", "e2-micro"),
        drift("Instance", INSTANCE, "settings.activationPolicy", "ALWAYS", "NEVER"),
    ]);
    list
}

/// The beginnings of the three commands.
const COMMANDS: [&str; 3] =
    ["run services update backend", "compute networks vpc-access connectors update", "sql instances patch"];

/// Whether a text lists commands under a title: those and no others.
fn lists(text: &str, title: &str, commands: &[&str]) -> bool {
    let begins = format!("{title}:");
    let mut lines = text.lines().skip_while(|line| *line != begins).skip(1);
    let listed: Vec<&str> = lines.by_ref().map_while(|line| line.strip_prefix("  gcloud ")).collect();
    listed.len() == commands.len() && listed.iter().zip(commands).all(|(line, command)| line.starts_with(command))
}

#[test]
fn apply_runs_what_was_shown_and_only_with_leave() {
    let bed = Bed::new(&check(), "");
    let (code, _, err) = restore(&bed.path("checks.json"), &bed.search(), &["--apply"]);
    assert!(code == Some(2) && err.contains("add --yes"), "{err}");
    assert!(bed.calls().is_empty());
    let (code, out, err) = bed.apply();
    assert_eq!(code, Some(0), "{err}");
    let [call] = &*bed.calls() else { panic!("one call: {:?}", bed.calls()) };
    assert!(call.starts_with("run services update backend"), "{call}");
    assert!(bed.read("log").trim_end().ends_with("--quiet"), "it must not ask");
    assert!(out.contains(call), "{call} was not shown: {out}");
}

#[test]
fn without_gcloud_nothing_is_changed_and_the_commands_are_at_hand() {
    let bed = Bed::new(&three(), "");
    std::fs::remove_file(bed.path("gcloud")).expect("it was there");
    let (code, _, err) = restore(&bed.path("checks.json"), bed.0.path(), &["--apply", "--yes"]);
    assert!(code == Some(2) && err.contains("install the Google Cloud CLI"), "{err}");
    assert!(lists(&err, "not run", &COMMANDS) && err.contains("nothing was changed"), "{err}");
}

#[test]
fn a_command_that_fails_ends_it_and_what_is_done_and_what_is_not_is_told() {
    let bed = Bed::new(&three(), "[ $n = 2 ] && { echo 'ERROR: quota' >&2; exit 7; }; exit 0");
    let (code, _, err) = bed.apply();
    assert_eq!(code, Some(2), "{err}");
    assert_eq!(bed.calls().len(), 2, "the third is not run");
    assert!(err.contains("ERROR: quota") && err.contains("exit status: 7"), "what gcloud says is shown: {err}");
    assert!(lists(&err, "done", &COMMANDS[..1]), "{err}");
    assert!(lists(&err, "perhaps done in part", &COMMANDS[1..2]), "{err}");
    assert!(lists(&err, "not run", &COMMANDS[2..]), "{err}");
    assert!(!err.contains("nothing was changed"), "{err}");
}

#[test]
fn a_signal_ends_it_between_two_commands_and_not_within_one() {
    let bed = Bed::new(&three(), "");
    let wait = format!("while [ ! -e {} ]; do sleep 0.05; done", bed.path("go").display());
    let gcloud = bed.read("gcloud");
    bed.write("gcloud", &format!("{gcloud}{wait}\n"));
    let mut child = bed.start();
    until(
        SOON,
        "the first command is under way",
        || if bed.calls().len() == 1 { Ok(()) } else { Err(bed.read("said")) },
    );
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it runs");
    bed.until_said("the command under way is waited for");
    assert!(child.try_wait().expect("a child").is_none(), "the command under way is not left alone");
    bed.write("go", "");
    let code = child.wait().expect("it ends").code();
    let said = bed.read("said");
    assert_eq!((code, bed.calls().len()), (Some(2), 1), "{said}");
    assert!(lists(&said, "done", &COMMANDS[..1]) && lists(&said, "not run", &COMMANDS[1..]), "{said}");
}

#[test]
fn a_terminal_interrupts_gcloud_too_and_that_command_is_not_taken_for_done() {
    // A terminal sends SIGINT to both.
    let bed = Bed::new(&three(), "[ $n = 2 ] && { kill -INT $PPID; sleep 0.3; exit 130; }; exit 0");
    let (code, _, err) = bed.apply();
    assert_eq!((code, bed.calls().len()), (Some(2), 2), "{err}");
    assert!(err.contains("interrupted (exit status: 130"), "{err}");
    assert!(lists(&err, "done", &COMMANDS[..1]) && lists(&err, "perhaps done in part", &COMMANDS[1..2]), "{err}");
    assert!(lists(&err, "not run", &COMMANDS[2..]), "{err}");
}

#[test]
fn what_two_checks_have_in_common_is_restored_once() {
    let mut list = check();
    let mut twin = list["items"][0].clone();
    twin["metadata"]["name"] = json!("agents");
    list["items"].as_array_mut().expect("a list").push(twin);
    let bed = Bed::new(&list, "");
    let (code, _, err) = bed.apply();
    assert_eq!((code, bed.calls().len()), (Some(0), 1), "{err}");
}

/// Runs it at a terminal, does something while it asks, and answers. Returns the exit code and all that was shown.
fn asked(bed: &Bed, answer: &str, meanwhile: impl FnOnce()) -> Option<(Option<i32>, String)> {
    let script = Path::new("/usr/bin/script");
    let there = if script.is_file() { Ok(script) } else { Err("script (bsdutils) is not installed".to_owned()) };
    let script = judge(there, false, &mut std::io::stderr())?;
    let said = File::create(bed.path("said")).expect("a file of our own");
    let command = format!("{RUNREADY} restore --apply -f {}", bed.path("checks.json").display());
    let mut terminal = Command::new(script);
    terminal.args(["-q", "-e", "-c", &command, "/dev/null"]).env("PATH", bed.search()).env("SHELL", "/bin/sh");
    let mut child = terminal.stdin(Stdio::piped()).stdout(said).spawn().expect("script starts");
    bed.until_said("[y/N]");
    meanwhile();
    let mut input = child.stdin.take().expect("piped");
    input.write_all(answer.as_bytes()).expect("it is read");
    let code = child.wait().expect("it ends").code();
    Some((code, bed.read("said").replace("\r\n", "\n")))
}

#[test]
fn a_person_who_agrees_gets_what_was_shown_and_one_who_does_not_gets_nothing() {
    let bed = Bed::new(&three(), "");
    let Some((code, said)) = asked(&bed, "y\n", || ()) else { return };
    assert_eq!((code, bed.calls().len()), (Some(0), 3), "{said}");
    let bed = Bed::new(&three(), "");
    let (code, said) = asked(&bed, "\n", || ()).expect("it was there just now");
    assert_eq!((code, bed.calls().len()), (Some(1), 0), "{said}");
    assert!(said.contains("nothing was changed"), "{said}");
}

#[test]
fn what_changes_while_the_person_is_asked_is_not_applied() {
    let bed = Bed::new(&three(), "");
    let mut changed = three();
    changed["items"][0]["status"]["drift"][0]["was"] = json!("60s");
    let Some((code, said)) = asked(&bed, "y\n", || bed.write("checks.json", &changed.to_string())) else { return };
    assert_eq!((code, bed.calls().len()), (Some(2), 0), "{said}");
    assert!(said.contains("has changed since it was shown") && said.contains("nothing was changed"), "{said}");
}
