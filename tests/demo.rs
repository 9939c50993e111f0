//! The demo, run by the real binary: the story from beginning to end, what it leaves, and what it does when it is broken off.

use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, Signal};
use crate::support::scratch;
use crate::support::wait::until;

const RUNREADY: &str = env!("CARGO_BIN_EXE_runready");
/// The story at the pace of these tests takes some 20 s.
const WHOLE_STORY: Duration = Duration::from_secs(85);

/// Starts the demo with its temporary folders in `tmp`. Its output goes to `tmp`'s neighbour `log`.
fn start(directory: &Path, args: &[&str]) -> (Process, std::path::PathBuf) {
    let tmp = directory.join("tmp");
    fs::create_dir_all(&tmp).expect("a directory");
    let log = directory.join("log");
    let environment = format!("TMPDIR={}", tmp.display());
    let command = [&["env", "-u", "RUST_LOG", &environment, RUNREADY, "demo"], args].concat();
    (Process::spawn(&[], Signal::Kill, &[], &command, &log).expect("the demo starts"), log)
}

fn ended(demo: &mut Process, within: Duration) -> ExitStatus {
    until(within, "the demo to end", || demo.ended().ok_or_else(|| demo.log_tail()))
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).expect("a directory").next().is_none()
}

/// Asserts that each of these stands in a text, in this order.
#[track_caller]
fn assert_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { panic!("{part:?} does not come next in\n{text}") };
        rest = after;
    }
}

/// Everything in the files below a directory, except those of that name.
fn contents(directory: &Path, except: &str) -> String {
    let entries = fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path());
    entries
        .filter(|path| path.file_name().is_none_or(|name| name != except))
        .map(|path| if path.is_dir() { contents(&path, except) } else { fs::read_to_string(&path).expect("text") })
        .collect()
}

#[test]
fn the_demo_tells_the_whole_story_and_keeps_it_where_it_is_asked_to() {
    let directory = scratch::dir("demo");
    let kept = directory.path().join("kept");
    let folder = kept.to_str().expect("UTF-8");
    let (mut demo, log) = start(directory.path(), &["--pace", "4", "--keep", folder]);
    let status = ended(&mut demo, WHOLE_STORY);
    let said = fs::read_to_string(log).expect("its output");
    assert_eq!(status.code(), Some(0), "{said}");
    assert_order(
        &said,
        &[
            "behind the connector",
            "in the place of Google's APIs",
            "Ready=True",
            "backend   True    Healthy",
            "It goes dark",
            "layer       Egress",
            "cause       ConnectorNotReady",
            "confidence  High",
            "evidence",
            "state",
            "ERROR",
            "database from cloudrun/demo: ConnectTimeout in stage connect",
            "cache from cloudrun/demo: ConnectTimeout in stage connect",
            "ruled out   Application",
            "ruled out   Region",
            "what to do",
            "vpc-access connectors create staging",
            "--range=10.8.0.0/28",
            "backend   False   ConnectorNotReady",
            "Meanwhile the backend has logged",
            "Also EffectiveTimeoutDiffers: the service gives up after 2.0 s",
            "3.5 s",
            "made anew as the remedy says",
            "Ready again after",
            "backend   True    EffectiveTimeoutDiffers",
            "from fault to alarm",
            "from fault to verdict",
            "1 our code, or not?    The infrastructure.",
            "4 what has changed?",
            "ipCidrRange of staging was \"10.8.0.0/28\", is \"10.9.0.0/28\"",
            "6 who does what?",
            "runready get --folder",
        ],
    );
    assert!(!said.contains('\x1b'), "no cursor control where there is no terminal: {said:?}");

    let get =
        Command::new(RUNREADY).args(["get", "--folder", folder, "-o", "json"]).output().expect("the binary starts");
    assert!(get.status.success(), "{get:?}");
    let list: Value = serde_json::from_slice(&get.stdout).expect("JSON");
    let conditions = list["items"][0]["status"]["conditions"].as_array().expect("conditions");
    assert!(
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"),
        "{list:#}"
    );

    let secret: Value =
        serde_yaml::from_str(&fs::read_to_string(kept.join("secret.yaml")).expect("the Secret")).expect("YAML");
    let password = secret["stringData"]["password"].as_str().expect("a password");
    assert!(password.len() > 20, "no password to speak of");
    assert!(!said.contains(password), "the password is in the output");
    let files = contents(&kept, "secret.yaml");
    assert!(files.contains("Ready again after"), "the events are kept");
    assert!(!files.contains(password), "the password is in the statuses or events");
    assert!(is_empty(&directory.path().join("tmp")), "nothing else is left");
}

#[test]
fn a_demo_that_is_broken_off_leaves_nothing() {
    for (signal, name) in [(Signal::Int, "interrupted"), (Signal::Term, "terminated")] {
        let directory = scratch::dir(name);
        let (mut demo, log) = start(directory.path(), &[]);
        until(Duration::from_secs(30), "the story to be under way", || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            if said.contains("Ready=True") { Ok(()) } else { Err(said) }
        });
        let tmp = directory.path().join("tmp");
        assert!(!is_empty(&tmp), "the folder is there while the story is told");
        let number = demo.id().to_string();
        let word = match signal {
            Signal::Int => "INT",
            Signal::Kill | Signal::Term | Signal::Quit => "TERM",
        };
        assert!(Command::new("kill").args(["-s", word, &number]).status().expect("kill").success());
        let status = ended(&mut demo, Duration::from_secs(20));
        assert_eq!(status.code(), Some(130), "{name}: {}", demo.log_tail());
        assert!(is_empty(&tmp), "{name}: the folder is still there");
    }
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let directory = scratch::dir("demo-taken");
    let mine = directory.path().join("mine.yaml");
    fs::write(&mine, "mine").expect("a file");
    for (keep, said) in [(directory.path(), "is not empty"), (&*mine, "can't be made")] {
        let output = Command::new(RUNREADY)
            .args(["demo", "--keep"])
            .arg(keep)
            .stdin(Stdio::null())
            .output()
            .expect("the binary starts");
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains(said) && err.contains("name "), "{err}");
    }
    assert_eq!(fs::read_to_string(&mine).expect("still there"), "mine");
    assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
}
