//! `runready run --folder`: manifests on disk come, change and go while it runs, and statuses outlive it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::backend::{Backend, Recorder};
use crate::support::checks::{SOON, check, condition, tcp};
use crate::support::operator::Operator;
use crate::support::process::{Process, Signal, free_port, run};
use crate::support::scratch;
use crate::support::skip::require;
use crate::support::wait::until;

/// A folder of manifests.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Folder(scratch::dir("folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("within the folder")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    fn operator(&self) -> Operator {
        Operator::on_folder(self.0.path(), &[], &[])
    }

    /// Every check, as `runready get` shows it.
    fn checks(&self) -> Vec<Value> {
        let folder = self.0.path().display().to_string();
        let mut command = Command::new(env!("CARGO_BIN_EXE_runready"));
        let output = command.args(["get", "--folder", &folder, "-o", "json"]).output().expect("it runs");
        let list: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        list["items"].as_array().expect("items").clone()
    }

    fn check(&self, name: &str) -> Option<Value> {
        self.checks().into_iter().find(|check| check["metadata"]["name"] == name)
    }

    #[track_caller]
    fn until(&self, name: &str, kind: &str, status: &str, reason: &str) -> Value {
        let wanted = Some((status.to_owned(), reason.to_owned()));
        until(SOON, &format!("{name} has {kind}={status} because of {reason}"), || match self.check(name) {
            Some(check) if condition(&check, kind) == wanted => Ok(check),
            other => Err(format!("{other:?}")),
        })
    }

    fn status_file(&self, name: &str) -> PathBuf {
        self.path(&format!(".runready/status/default/{name}.yaml"))
    }
}

fn tcp_check(name: &str, port: u16) -> String {
    check("default", name, &tcp(port))
}

#[test]
fn a_file_comes_changes_is_renamed_and_goes() {
    let folder = Folder::new();
    let operator = folder.operator();
    let (first, second) = (Backend::start(), Backend::start());
    folder.write("backend.yaml", &tcp_check("backend", first.port));
    let healthy = folder.until("backend", "Ready", "True", "Healthy");
    assert_eq!(healthy["metadata"]["generation"], 1);

    folder.write("backend.yaml", &tcp_check("backend", second.port));
    until(Duration::from_secs(2), "the new spec is probed", || if second.accepted() > 0 { Ok(()) } else { Err("no") });
    let changed = until(SOON, "generation 2 is observed", || match folder.check("backend") {
        Some(check) if check["status"]["observedGeneration"] == 2 => Ok(check),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(changed["metadata"]["generation"], 2);

    std::fs::rename(folder.path("backend.yaml"), folder.path("renamed.yaml")).expect("renamed");
    second.until_accepted(3);
    let renamed = folder.check("backend").expect("still declared");
    assert_eq!(renamed["metadata"]["generation"], 2, "a rename changes nothing");
    assert_eq!(operator.metric("runready_check_ready", "status=\"True\""), 1.0);

    std::fs::remove_file(folder.path("renamed.yaml")).expect("removed");
    until(SOON, "its series are gone", || {
        let (_, text) = operator.get("/metrics").expect("metrics");
        if text.contains("check=\"backend\"") { Err(text) } else { Ok(()) }
    });
    second.stays_alone(Duration::from_millis(1500), "a deleted check is still probed");
    assert!(!folder.status_file("backend").exists(), "its status goes with it");
    folder.write("backend.yaml", &tcp_check("backend", second.port));
    let anew = folder.until("backend", "Ready", "True", "Healthy");
    assert_eq!(anew["metadata"]["generation"], 1, "created anew, it starts afresh");
}

#[test]
fn what_editors_and_mounted_config_maps_do_is_understood() {
    let folder = Folder::new();
    let backends: Vec<Backend> = (0..4).map(|_| Backend::start()).collect();
    let version = |number: usize| tcp_check("backend", backends[number].port);
    // The layout of a mounted ConfigMap: a hidden revision, a link to it, and links through that.
    folder.write("..revision1/backend.yaml", &version(0));
    let link = |to: &str, at: &str| std::os::unix::fs::symlink(to, folder.path(at)).expect("a link");
    link("..revision1", "..data");
    link("..data/backend.yaml", "backend.yaml");
    let _operator = folder.operator();
    folder.until("backend", "Ready", "True", "Healthy");
    let taken_up = |number: usize| {
        until(Duration::from_secs(2), "the new revision is probed", || {
            if backends[number].accepted() > 0 { Ok(()) } else { Err("not yet") }
        });
    };
    // The kubelet's way: a new revision, and the link replaced by renaming.
    folder.write("..revision2/backend.yaml", &version(1));
    link("..revision2", "..data_tmp");
    std::fs::rename(folder.path("..data_tmp"), folder.path("..data")).expect("swapped");
    std::fs::remove_dir_all(folder.path("..revision1")).expect("removed");
    taken_up(1);
    // An editor's way: a hidden file beside it, renamed over it.
    folder.write(".backend.yaml.swp", &version(2));
    std::fs::rename(folder.path(".backend.yaml.swp"), folder.path("backend.yaml")).expect("replaced");
    taken_up(2);
    // Another editor's way: the old one moved out of the way, a new one written.
    std::fs::rename(folder.path("backend.yaml"), folder.path("backend.yaml~")).expect("moved away");
    folder.write("backend.yaml", &version(3));
    taken_up(3);
    assert_eq!(folder.checks().len(), 1, "{:?}", folder.checks());
}

#[test]
fn directories_documents_and_lists_are_all_read() {
    let folder = Folder::new();
    let backend = Backend::start();
    let item =
        |name: &str| serde_json::to_value(serde_yaml::from_str::<Value>(&tcp_check(name, backend.port)).expect("YAML"));
    let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": [item("c").expect("JSON"), item("d").expect("JSON")]});
    folder.write(
        "a.yml",
        &format!("# nothing\n---\n{}---\n{}", tcp_check("a", backend.port), tcp_check("b", backend.port)),
    );
    folder.write("deep/below/list.json", &list.to_string());
    folder.write("notes.txt", "no manifest");
    folder.write("other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n");
    let operator = folder.operator();
    for name in ["a", "b", "c", "d"] {
        folder.until(name, "Ready", "True", "Healthy");
    }
    folder.write("new/e.yaml", &tcp_check("e", backend.port));
    folder.until("e", "Ready", "True", "Healthy");
    assert!(!operator.whole_log().contains("WARN"), "nothing to complain of: {}", operator.whole_log());
}

#[test]
fn a_broken_file_is_named_and_stops_neither_the_others_nor_what_it_held_before() {
    let folder = Folder::new();
    let (own, other) = (Backend::start(), Backend::start());
    folder.write("own.yaml", &tcp_check("own", own.port));
    folder.write("other.yaml", &tcp_check("other", other.port));
    let operator = folder.operator();
    folder.until("own", "Ready", "True", "Healthy");
    folder.write("own.yaml", "apiVersion: runready.dev/v1alpha1\nkind: [\n");
    let logged = |wanted: &str| {
        until(SOON, wanted, || {
            let log = operator.whole_log();
            if log.lines().any(|line| line.contains("WARN") && line.contains(wanted)) { Ok(()) } else { Err(log) }
        });
    };
    logged(&format!("file={}", folder.path("own.yaml").display()));
    logged("line=3");
    own.until_accepted(2);
    other.until_accepted(2);

    // What can be read but not used is no check in a cluster either; here it says so itself, and is not probed.
    folder.write("own.yaml", &tcp_check("own", 0));
    let stalled = folder.until("own", "Stalled", "True", "InvalidSpec");
    let message = stalled["status"]["conditions"][1]["message"].as_str().expect("a message");
    assert!(message.contains("spec.probes[0].tcp.port") && message.contains("own.yaml:4:"), "{message}");
    other.until_accepted(2);
    folder.write("own.yaml", &tcp_check("own", own.port));
    let mended = folder.until("own", "Ready", "True", "Healthy");
    assert_eq!(condition(&mended, "Stalled"), None);
}

#[test]
fn of_two_files_with_the_same_check_the_first_stands() {
    let folder = Folder::new();
    let (first, second) = (Backend::start(), Backend::start());
    folder.write("1.yaml", &tcp_check("backend", first.port));
    folder.write("2.yaml", &tcp_check("backend", second.port));
    let operator = folder.operator();
    folder.until("backend", "Ready", "True", "Healthy");
    first.until_accepted(1);
    assert_eq!(second.made(), 0);
    let log = operator.whole_log();
    let told = log
        .lines()
        .any(|line| line.contains("is declared in") && line.contains("1.yaml already") && line.contains("2.yaml"));
    assert!(told, "{log}");
    std::fs::remove_file(folder.path("1.yaml")).expect("removed");
    until(SOON, "the second takes its place", || if second.accepted() > 0 { Ok(()) } else { Err("not yet") });
}

#[test]
fn secrets_come_from_manifests_files_and_the_environment() {
    let (folder, secrets) = (Folder::new(), scratch::dir("secrets"));
    let recorder = Recorder::start();
    let spec = format!(
        "{{interval: 1s, probes: [{{name: web, http: {{url: \"http://127.0.0.1:{}/\", headersFromSecret: [\
         {{name: X-Manifest, secretRef: {{name: one, key: a}}}}, {{name: X-File, secretRef: {{name: two, key: b}}}}, \
         {{name: X-Environment, secretRef: {{name: db-login, key: pass.word}}}}]}}}}]}}",
        recorder.port
    );
    folder.write("backend.yaml", &check("default", "backend", &spec));
    std::fs::create_dir_all(secrets.path().join("two")).expect("a directory");
    std::fs::write(secrets.path().join("two/b"), "from-a-file\n").expect("a file");
    let directory = secrets.path().display().to_string();
    let variables = ["RUNREADY_SECRET_DB_LOGIN_PASS_WORD=from-the-environment"];
    let operator = Operator::on_folder(folder.0.path(), &variables, &["--secrets-dir", &directory]);
    let missing = folder.until("backend", "Stalled", "True", "SecretNotFound");
    assert!(missing["status"].to_string().contains("no Secret manifest of namespace default declares it"), "{missing}");
    let secret =
        |value: &str| format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: one}}\nstringData: {{a: {value}}}\n");
    folder.write("secret.yaml", &secret("from-a-manifest"));
    let sent = |values: [&str; 3]| {
        until(SOON, "a request with all three", || {
            if values.iter().all(|value| recorder.last_holds(value)) { Ok(()) } else { Err(recorder.requests().len()) }
        });
    };
    sent(["from-a-manifest", "from-a-file", "from-the-environment"]);
    folder.write("secret.yaml", &secret("rotated-manifest"));
    std::fs::write(secrets.path().join("two/b"), "rotated-file").expect("a file");
    sent(["rotated-manifest", "rotated-file", "from-the-environment"]);
    let everything = format!("{}{:?}", operator.whole_log(), folder.checks());
    for value in ["from-a-", "from-the-", "rotated-"] {
        assert!(!everything.contains(value), "{value} is shown: {everything}");
    }
}

#[test]
fn a_restart_goes_on_where_it_was() {
    let folder = Folder::new();
    let backend = Backend::start();
    let spec = tcp(backend.port).replace("interval: 1s", "interval: 1s, failureThreshold: 1000");
    folder.write("backend.yaml", &check("default", "backend", &spec));
    let operator = folder.operator();
    let healthy = folder.until("backend", "Ready", "True", "Healthy");
    backend.stop();
    let failures = |operator: &Operator, least: f64| {
        until(SOON, "failures", || {
            let seen = operator.metric("runready_probe_observations_total", "observed=\"Failing\"");
            if seen >= least { Ok(()) } else { Err(seen) }
        });
    };
    failures(&operator, 2.0);
    operator.stop(Signal::Term);
    let streak =
        || folder.check("backend").expect("it is there")["status"]["probes"][0]["streak"].as_i64().unwrap_or(0);
    let flushed = streak();
    assert!(flushed <= -2, "{flushed}");
    let operator = folder.operator();
    failures(&operator, 1.0);
    operator.stop(Signal::Term);
    assert!(streak() < flushed, "{} should continue {flushed}", streak());
    let now = folder.check("backend").expect("it is there");
    assert_eq!(
        now["status"]["conditions"][0]["lastTransitionTime"],
        healthy["status"]["conditions"][0]["lastTransitionTime"]
    );
    assert_eq!(now["metadata"], healthy["metadata"], "uid, generation and creation time stay");
}

#[test]
fn kill_9_leaves_no_broken_status_and_no_reader_sees_half_of_one() {
    const CHECKS: usize = 8;
    let folder = Folder::new();
    let backend = Backend::start();
    for index in 0..CHECKS {
        folder.write(&format!("{index}.yaml"), &tcp_check(&format!("backend-{index}"), backend.port));
    }
    let statuses = || (0..CHECKS).map(|index| folder.status_file(&format!("backend-{index}")));
    for round in 0..4 {
        // Written at every probe, so that some write is under way whenever one looks, or kills.
        let operator = Operator::on_folder(folder.0.path(), &[], &["--heartbeat", "1ms"]);
        let enough = backend.accepted() + CHECKS * 2 + round;
        while backend.accepted() < enough {
            for path in statuses() {
                let half = std::fs::read(&path).is_ok_and(|text| text.is_empty());
                assert!(!half, "{} is empty for a moment", path.display());
            }
        }
        operator.stop(Signal::Kill);
        for path in statuses() {
            let text = std::fs::read_to_string(&path).expect("a status");
            let object: Value =
                serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}: {text}", path.display()));
            assert_eq!(condition(&object, "Ready"), Some(("True".to_owned(), "Healthy".to_owned())), "{text}");
        }
    }
}

/// A small file system of its own, unmounted when dropped.
struct Tmpfs(PathBuf);

impl Tmpfs {
    fn mount(at: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(at).map_err(|e| e.to_string())?;
        let place = at.display().to_string();
        run(&["mount", "-t", "tmpfs", "-o", "size=64k", "runready-test", &place])?;
        Ok(Tmpfs(at.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = run(&["umount", "--lazy", &self.0.display().to_string()]);
    }
}

#[test]
fn a_full_disk_stops_no_probe_and_is_told_once() {
    let folder = Folder::new();
    let Some(disk) = require(Tmpfs::mount(&folder.path(".runready"))) else { return };
    let filler = disk.0.join("filler");
    let _ = std::fs::write(&filler, vec![0_u8; 128 << 10]);
    let backend = Backend::start();
    folder.write("backend.yaml", &tcp_check("backend", backend.port));
    let operator = folder.operator();
    let told = || operator.whole_log().lines().filter(|line| line.contains("could not write")).count();
    until(SOON, "it says so", || if told() > 0 { Ok(()) } else { Err(operator.whole_log()) });
    backend.until_accepted(4);
    let log = operator.whole_log();
    assert!(log.contains("No space left on device") && log.contains(".runready"), "{log}");
    assert!(told() <= 2, "once for the status, once for the event: {log}");
    assert!(operator.metric("runready_status_writes_total", "unavailable") >= 1.0);
    std::fs::remove_file(&filler).expect("space again");
    folder.until("backend", "Ready", "True", "Healthy");
    assert!(folder.status_file("backend").exists());
    operator.stop(Signal::Term);
}

#[test]
fn a_state_directory_that_is_none_stops_no_probe() {
    let folder = Folder::new();
    folder.write(".runready", "a file, where a directory should be");
    let backend = Backend::start();
    folder.write("backend.yaml", &tcp_check("backend", backend.port));
    let operator = folder.operator();
    backend.until_accepted(3);
    let log = operator.whole_log();
    assert!(log.contains("could not write") && log.contains("Not a directory"), "{log}");
    assert_eq!(operator.get("/healthz").expect("healthz").0, 200);
    std::fs::remove_file(folder.path(".runready")).expect("removed");
    folder.until("backend", "Ready", "True", "Healthy");
}

#[test]
fn transitions_are_lines_that_a_person_can_read() {
    let folder = Folder::new();
    let port = free_port();
    folder.write("backend.yaml", &tcp_check("backend", port));
    let operator = folder.operator();
    folder.until("backend", "Ready", "False", "ConnectionRefused");
    let _backend = Backend::again(port);
    folder.until("backend", "Ready", "True", "Healthy");
    let log = operator.stop_and_read(Signal::Term);
    let line =
        |holding: &str| log.lines().find(|line| line.contains(holding)).unwrap_or_else(|| panic!("{holding}: {log}"));
    let broken = line("reason=\"ConnectionRefused\"");
    assert!(broken.contains("WARN Application layer: backend (tcp://127.0.0.1:"), "{broken}");
    assert!(broken.contains("Next: Check that the server process runs"), "{broken}");
    assert!(broken.contains("namespace=\"default\" check=\"backend\" probe=\"backend\" generation=1"), "{broken}");
    assert!(line("Ready again after").contains("INFO"), "{log}");
    assert!(!log.contains('\u{1b}'), "no colours in a file");
}

#[test]
fn a_folder_that_another_probes_is_refused_until_that_one_has_ended() {
    let folder = Folder::new();
    let first = folder.operator();
    let path = folder.0.path().display().to_string();
    let command = [env!("CARGO_BIN_EXE_runready"), "run", "--folder", &path, "--listen", "127.0.0.1:0"];
    let scratch = scratch::dir("second");
    let mut second = Process::spawn(&[], Signal::Kill, &[], &command, &scratch.path().join("log")).expect("it starts");
    let status = until(SOON, "the second is refused", || second.ended().ok_or_else(|| second.log_tail()));
    let told = second.log_tail();
    assert_eq!(status.code(), Some(2), "{told}");
    assert!(told.contains("is probed by another runready") && told.contains("a folder of its own"), "{told}");
    // Not even SIGKILL leaves the lock behind.
    first.stop(Signal::Kill);
    folder.operator().stop(Signal::Term);
}
