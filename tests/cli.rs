//! The command line as people meet it: help, mistakes, formats, exit codes, terminals and pipes, on runs of the real binary.

use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Process, Signal, free_port, run_with_input};
use crate::support::scratch;
use crate::support::skip::require;
use crate::support::wait::until;

const RUNREADY: &str = env!("CARGO_BIN_EXE_runready");

/// How a run ended, and what it said.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(RUNREADY);
    command.args(args).env_remove("NO_COLOR").env_remove("RUST_LOG").env_remove("COLUMNS").env("TERM", "xterm");
    command.env("RUNREADY_INSPECT", "off").stdin(Stdio::null());
    command
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().expect("the binary starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

fn runready(args: &[&str]) -> Ran {
    ran(&mut command(args))
}

/// A check of one tcp probe, as YAML.
fn tcp_check(name: &str, port: u16, more: &str) -> String {
    format!(
        "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {{name: {name}}}\nspec:\n  interval: 1s\n  \
         probes:\n  - name: a\n    tcp: {{host: 127.0.0.1, port: {port}{more}}}\n"
    )
}

/// A file with a text in it.
fn file(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

/// A port on which connections are accepted by the kernel, and nothing is ever said.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let port = listener.local_addr().expect("its address").port();
    (listener, port)
}

#[test]
fn every_command_teaches_with_examples() {
    for args in [&["run"][..], &["check"], &["get"], &["demo"], &["import"], &["crds"], &["completions"]] {
        let Ran { code, out, err } = runready(&[args, &["--help"]].concat());
        assert_eq!((code, err.as_str()), (Some(0), ""), "{args:?}");
        assert!(out.contains("Usage: runready") && out.contains("Examples:\n  "), "{args:?}: {out}");
    }
    let bare = runready(&[]);
    assert_eq!(bare.code, Some(2));
    assert!(bare.err.contains("runready demo"), "{}", bare.err);
}

#[test]
fn completions_know_every_command_in_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let Ran { code, out, .. } = runready(&["completions", shell]);
        assert_eq!(code, Some(0), "{shell}");
        for command in ["run", "check", "get", "demo", "import", "crds"] {
            assert!(out.contains(command), "{shell} does not know {command}");
        }
    }
}

#[test]
fn input_that_can_not_be_used_is_named_with_its_place() {
    let directory = scratch::dir("cli-input");
    let directory = directory.path();
    std::fs::create_dir(directory.join("empty")).expect("a directory");
    let check = tcp_check("x", 1, "");
    let cases = [
        ("broken.yaml", "a: [b\n".to_owned(), "broken.yaml:2:1: is not YAML that can be used"),
        (
            "pod.yaml",
            "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n".into(),
            "no ConnectivityCheck is declared here",
        ),
        (
            "kind.yaml",
            check.replace("kind: ConnectivityCheck", "kind: Check"),
            "kind.yaml:2:1: kind: no matches for kind",
        ),
        ("version.yaml", check.replace("v1alpha1", "v9"), "write apiVersion: runready.dev/v1alpha1"),
        ("port.yaml", check.replace("port: 1", "port: 70000"), "spec.probes[0].tcp.port"),
        ("field.yaml", check.replace("interval", "intervall"), "intervall"),
        ("binary.yaml", "\u{0}".into(), "binary.yaml"),
        ("none.yaml", String::new(), "no ConnectivityCheck is declared here"),
    ];
    for (name, text, said) in cases {
        let Ran { code, out, err } = runready(&["check", "-f", &file(directory, name, &text)]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{name}: {err}");
        assert!(err.contains(said), "{name}: {err}");
    }
    for (path, said) in [
        (directory.join("missing.yaml"), "missing.yaml: can't be read: No such file"),
        (directory.join("empty"), "empty: holds no manifest: in a directory, files named *.yaml"),
        ("-".into(), "standard input: no ConnectivityCheck is declared here"),
    ] {
        let Ran { code, out, err } = runready(&["check", "-f", path.to_str().expect("UTF-8")]);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(said), "{err}");
    }
}

#[test]
fn a_manifest_comes_through_a_pipe_too() {
    let (_open, port) = listener();
    let out = run_with_input(Command::new(RUNREADY).args(["check", "-f", "-"]), &tcp_check("piped", port, ""));
    let out = out.expect("exit code 0");
    assert!(out.contains("piped") && out.contains("True"), "{out}");
}

#[test]
fn each_format_says_the_same_and_the_exit_code_too() {
    let directory = scratch::dir("cli-formats");
    let (_open, port) = listener();
    let good = file(directory.path(), "good.yaml", &tcp_check("good", port, ""));
    let bad = file(directory.path(), "bad.yaml", &tcp_check("bad", free_port(), ""));
    for (path, code, ready) in [(&good, 0, "True"), (&bad, 1, "False")] {
        let of = |format: &str| {
            let ran = runready(&["check", "-f", path, "-o", format]);
            assert_eq!((ran.code, ran.err.as_str()), (Some(code), ""), "{format}");
            assert!(!ran.out.contains('\x1b'), "{format}: {}", ran.out);
            ran.out
        };
        let condition = |list: &Value| {
            let conditions =
                list.pointer("/items/0/status/conditions").and_then(Value::as_array).expect("conditions").clone();
            conditions.into_iter().find(|condition| condition["type"] == "Ready").expect("Ready")
        };
        assert!(of("table").contains(ready));
        assert!(of("wide").lines().next().expect("a header").ends_with("MESSAGE"));
        let described = of("describe");
        assert!(described.contains(&format!("{ready} (")) && described.contains("tcp://127.0.0.1:"), "{described}");
        let json: Value = serde_json::from_str(&of("json")).expect("JSON");
        let yaml: Value = serde_yaml::from_str(&of("yaml")).expect("YAML");
        assert_eq!(
            (condition(&json)["status"].as_str(), condition(&yaml)["status"].as_str()),
            (Some(ready), Some(ready))
        );
        assert!(
            json["items"][0]["metadata"]["creationTimestamp"].as_str()
                <= condition(&json)["lastTransitionTime"].as_str()
        );
        let failures = format!("failures=\"{code}\"");
        assert!(of("junit").contains(&failures));
    }
    assert_eq!(runready(&["check", "-f", &good, "-f", &bad]).code, Some(1), "one that is not Ready is enough");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_fault() {
    for args in [&["crds"][..], &["completions", "zsh"], &["help", "run"]] {
        let mut child = command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("our own child");
        assert_eq!((output.status.signal(), output.status.code()), (None, Some(0)), "{args:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args:?}");
    }
}

#[test]
fn output_that_finds_no_room_is_said_once_and_exits_2() {
    let full = || std::fs::File::options().write(true).open("/dev/full").expect("/dev/full");
    for args in [&["crds"][..], &["completions", "bash"], &["demo"]] {
        let Ran { code, err, .. } = ran(command(args).stdout(full()));
        let said = "error: standard output can't be written to: No space left on device (os error 28)\n";
        // Command::output would pipe what is not set; stdout is.
        assert_eq!((code, err.as_str()), (Some(2), said), "{args:?}");
    }
}

#[test]
fn a_folder_or_an_address_that_can_not_be_used_is_said_once() {
    let directory = scratch::dir("cli-folder");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let manifest = file(directory.path(), "check.yaml", &tcp_check("x", 1, ""));
    let (_taken, port) = listener();
    let (listen, here) = (format!("127.0.0.1:{port}"), directory.path().display().to_string());
    for (args, said) in [
        (vec!["get", "--folder", &path("none")], "No such file or directory"),
        (vec!["get", "--folder", &manifest], "Not a directory"),
        (vec!["get", "--folder", &here, "other"], "no check of the name \"other\""),
        (vec!["run", "--folder", &path("none"), "--listen", "127.0.0.1:0"], "create it, or name another one"),
        (vec!["run", "--folder", &manifest, "--listen", "127.0.0.1:0"], "Not a directory"),
        (vec!["run", "--folder", &here, "--listen", &listen], "choose another address with --listen"),
        (vec!["check", "-f", &manifest, "--watch", "-o", "junit"], "leave one of the two out"),
    ] {
        let Ran { code, out, err } = runready(&args);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        let errors: Vec<&str> = err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(matches!(errors[..], [one] if one.contains(said) && one.matches("os error").count() < 2), "{err}");
    }
}

#[test]
fn watching_prints_a_document_each_time() {
    let directory = scratch::dir("cli-watch");
    let (_open, port) = listener();
    let path = file(directory.path(), "check.yaml", &tcp_check("x", port, ""));
    let log = directory.path().join("log");
    let args = [RUNREADY, "check", "-f", &path, "--watch", "-o", "yaml"];
    let watching = Process::spawn(&[], Signal::Kill, &[], &args, &log).expect("the binary starts");
    let text = until(Duration::from_secs(20), "three rounds", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        if text.matches("\n---\n").count() >= 2 { Ok(text) } else { Err(text) }
    });
    watching.stop(Signal::Int);
    let first = text.split("---\n").find(|document| !document.is_empty()).expect("a document");
    let list: Value = serde_yaml::from_str(first).expect("a document of its own");
    assert_eq!(list["items"][0]["metadata"]["name"], "x");
}

/// Runs the binary on a terminal of its own, and returns all that it wrote there.
fn on_terminal(args: &[&str], environment: &[(&str, &str)]) -> Result<String, String> {
    let words: Vec<String> =
        std::iter::once(RUNREADY).chain(args.iter().copied()).map(|word| format!("'{word}'")).collect();
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &words.join(" "), "/dev/null"]).env_remove("NO_COLOR").env("TERM", "xterm");
    command.envs(environment.iter().copied());
    run_with_input(&mut command, "")
}

#[test]
fn a_terminal_gets_a_progress_line_and_colours_unless_it_does_not_want_them() {
    let Some(_) = require(on_terminal(&["--version"], &[])) else { return };
    let directory = scratch::dir("cli-terminal");
    let (_open, port) = listener();
    let path = file(directory.path(), "check.yaml", &tcp_check("x", port, ""));
    let shown = |environment: &[(&str, &str)]| on_terminal(&["check", "-f", &path], environment).expect("exit code 0");
    let (green, progress) = ("\x1b[32mTrue", "probing, 0 of 1 checks done; waiting for default/x");
    let plain = shown(&[]);
    assert!(plain.contains(green) && plain.contains(progress), "{plain:?}");
    let sober = shown(&[("NO_COLOR", "1")]);
    assert!(!sober.contains("\x1b[3") && sober.contains(progress), "{sober:?}");
    let dumb = shown(&[("TERM", "dumb")]);
    assert!(!dumb.contains('\x1b') && !dumb.contains("probing"), "{dumb:?}");
    let piped = runready(&["check", "-f", &path]);
    assert!(!piped.out.contains('\x1b') && piped.err.is_empty(), "{piped:?}");
}

#[test]
fn a_folder_on_a_full_disk_is_probed_all_the_same_and_written_when_there_is_room() {
    let directory = scratch::dir("cli-full");
    let disk = directory.path().join("disk");
    std::fs::create_dir(&disk).expect("a directory");
    let (_open, port) = listener();
    let manifest = file(directory.path(), "check.yaml", &tcp_check("x", port, ""));
    let listen = format!("127.0.0.1:{}", free_port());
    let script = "mount -t tmpfs -o size=64k none \"$1\" && cp \"$2\" \"$1\"/ || exit 77
        cat /dev/zero > \"$1\"/filler 2> /dev/null
        exec \"$3\" run --folder \"$1\" --listen \"$4\"";
    let args = ["sh", "-c", script, "sh", disk.to_str().expect("UTF-8"), &manifest, RUNREADY, &listen];
    let log = directory.path().join("log");
    let private = ["unshare", "--mount", "--propagation", "private"];
    let mut running = Process::spawn(&private, Signal::Kill, &[], &args, &log).expect("unshare starts");
    let said = until(Duration::from_secs(20), "a word about the full disk", || match running.ended() {
        Some(status) => Ok(Err(format!("no small disk can be mounted here ({status}): {}", running.log_tail()))),
        None if running.log_tail().contains("No space left on device") => Ok(Ok(())),
        None => Err(running.log_tail()),
    });
    let Some(()) = require(said) else { return };
    // The disk is in the mount namespace of the process alone.
    let inside =
        Path::new("/proc").join(running.id().to_string()).join("root").join(disk.strip_prefix("/").expect("absolute"));
    std::fs::remove_file(inside.join("filler")).expect("the filler");
    let status = until(Duration::from_secs(20), "the status", || {
        std::fs::read_to_string(inside.join(".runready/status/default/x.yaml")).map_err(|_| running.log_tail())
    });
    assert!(status.contains("reason: Healthy"), "{status}");
    running.stop(Signal::Term);
}

#[test]
fn what_does_not_exist_is_said_before_anything_is_probed_and_secrets_in_words_of_no_cluster() {
    let directory = scratch::dir("cli-nowhere");
    let (_listener, port) = listener();
    let good = file(directory.path(), "good.yaml", &tcp_check("good", port, ""));
    for (args, says) in [
        (["--secrets-dir", "/no/such/place"], "--secrets-dir /no/such/place: there is no such directory"),
        (["--namespace", "A b"], "\"A b\" must be the name of a namespace"),
    ] {
        let ran = runready(&[&["check", "-f", &good], &args[..]].concat());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.err.contains(says), "{ran:?}");
    }
    let spec = "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {name: db}\nspec:\n  probes:\n  - name: a\n    \
                postgres: {host: 127.0.0.1, database: d, user: u, passwordSecretRef: {name: staging-db, key: password}}\n";
    let ran = runready(&["check", "-o", "describe", "-n", "staging", "-f", &file(directory.path(), "db.yaml", spec)]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for says in ["no Secret manifest of namespace staging declares it", "RUNREADY_SECRET_STAGING_DB_PASSWORD"] {
        assert!(said.contains(says), "{says}: {said}");
    }
}

#[test]
fn a_terminal_obeys_nothing_that_a_manifest_or_an_argument_holds_and_sees_no_password() {
    let directory = scratch::dir("cli-controls");
    let port = free_port();
    let refused = file(directory.path(), "refused.yaml", &tcp_check("refused", port, ""));
    for format in ["table", "wide", "describe", "json", "yaml", "junit"] {
        let ran = runready(&["check", "--vantage", "here\u{1b}[31m\u{9b}31m", "-o", format, "-f", &refused]);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(!format!("{}{}", ran.out, ran.err).contains(['\u{1b}', '\u{9b}']), "{format}: {ran:?}");
    }
    let unknown = tcp_check("bad", port, ", \"\\e[2Jx\": 1");
    let ran = runready(&["check", "-f", &file(directory.path(), "unknown.yaml", &unknown)]);
    assert!(ran.code == Some(2) && ran.err.contains("[2Jx") && !ran.err.contains('\u{1b}'), "{ran:?}");
    let ran = runready(&["check", "--secrets-dir", "/no\u{1b}[31m", "-f", &refused]);
    assert!(ran.code == Some(2) && ran.err.contains("[31m") && !ran.err.contains('\u{1b}'), "{ran:?}");
    for (url, shown) in [
        ("http://me:hidden@127.0.0.1/", "http://***@127.0.0.1/"),
        ("me:hidden@127.0.0.1/", "***@127.0.0.1/"),
        ("http://me@x:hid/hidden@127.0.0.1/", "http://***@127.0.0.1/"),
    ] {
        let spec =
            tcp_check("bad", port, "").replace("tcp: {host: 127.0.0.1, port: ", &format!("http: {{url: '{url}', x: "));
        let ran = runready(&["check", "-f", &file(directory.path(), "bad.yaml", &spec)]);
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(shown) && !ran.err.contains("hidden"), "{ran:?}");
    }
}
