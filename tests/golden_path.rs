//! The golden path of examples/golden-path.yaml, walked by `runready check` against a real login, chat and agent: each part is
//! broken in turn, each has its own verdict, what is to be cleaned up is, and nothing secret is ever shown.

use std::io::Write;
use std::net::SocketAddr;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::agent::{Agent, Broken, CHAT, PASSWORD, SESSION, TOKEN};
use crate::support::hostile::Refusing;

/// The example, with another host in it and nothing else changed.
fn manifest(address: SocketAddr) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/golden-path.yaml");
    let text = std::fs::read_to_string(path).expect("the example");
    let host = "backend-staging.example.com";
    assert_eq!(text.matches(host).count(), 4, "every step goes to the one host");
    text.replace(&format!("https://{host}"), &format!("http://{address}"))
        .replace(&format!("wss://{host}"), &format!("ws://{address}"))
}

/// What `check` prints of it in a format, and whether it says that all is ready.
fn check(address: SocketAddr, format: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runready"));
    command
        .args(["check", "-f", "-", "-o", format, "--inspect", "off"])
        .env("RUNREADY_SECRET_GOLDEN_PATH_USER_PASSWORD", PASSWORD);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    child.stdin.take().expect("piped").write_all(manifest(address).as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8")).concat();
    shows_no_secret(&text);
    (output.status.success(), text)
}

fn shows_no_secret(text: &str) {
    for secret in [PASSWORD, TOKEN, SESSION, CHAT, "tok%2F3n", "chat%2077"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

/// What must come of a part that is broken: cause, step and stage of the first failure, the condition, and what cleans up.
struct Verdict {
    broken: Broken,
    cause: &'static str,
    step: &'static str,
    stage: &'static str,
    available: &'static str,
    steps: [&'static str; 4],
}

const fn verdict(
    broken: Broken,
    cause: &'static str,
    step: &'static str,
    stage: &'static str,
    available: &'static str,
    steps: [&'static str; 4],
) -> Verdict {
    Verdict { broken, cause, step, stage, available, steps }
}

const NOBODY_IN: [&str; 4] = ["Failed", "Skipped", "Skipped", "Skipped"];
const NO_ANSWER: [&str; 4] = ["Passed", "Failed", "Passed", "Passed"];

const VERDICTS: [Verdict; 8] = [
    verdict(Broken::LoginRefused, "StatusUnexpected", "login", "request", "False", NOBODY_IN),
    verdict(
        Broken::LoginWithoutToken,
        "CaptureMissing",
        "login",
        "assert",
        "False",
        ["Failed", "Skipped", "Skipped", "Passed"],
    ),
    verdict(Broken::LoginFails, "StatusUnexpected", "login", "request", "False", NOBODY_IN),
    verdict(
        Broken::ChatRefused,
        "UpgradeRefused",
        "chat",
        "upgrade",
        "False",
        ["Passed", "Failed", "Skipped", "Passed"],
    ),
    verdict(Broken::AgentSilent, "ResponseTimeout", "chat", "messages", "False", NO_ANSWER),
    verdict(Broken::AgentCrashes, "WebSocketClosed", "chat", "messages", "False", NO_ANSWER),
    verdict(
        Broken::AgentSlow,
        "LatencyExceeded",
        "chat",
        "messages",
        "True",
        ["Passed", "Degraded", "Passed", "Passed"],
    ),
    verdict(
        Broken::LogoutFails,
        "StatusUnexpected",
        "logout",
        "request",
        "True",
        ["Passed", "Passed", "Passed", "Failed"],
    ),
];

fn status(text: &str) -> Value {
    let list: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    list["items"][0]["status"].clone()
}

fn condition<'s>(status: &'s Value, name: &str) -> &'s Value {
    let conditions = status["conditions"].as_array().expect("conditions");
    conditions.iter().find(|condition| condition["type"] == name).unwrap_or_else(|| panic!("no {name}: {status:#}"))
}

fn states(status: &Value) -> Vec<&str> {
    let steps = status["probes"][0]["steps"].as_array().expect("steps");
    steps.iter().map(|step| step["state"].as_str().expect("a state")).collect()
}

#[test]
fn the_example_passes_and_cleans_up_after_itself() {
    let agent = Agent::start(Broken::Nothing);
    let (ready, text) = check(agent.address(), "json");
    let status = status(&text);
    assert!(ready, "{status:#}");
    assert_eq!(states(&status), ["Passed"; 4], "{status:#}");
    let golden = condition(&status, "GoldenPathAvailable");
    assert_eq!(golden["status"], "True");
    assert_eq!(golden["message"], "healthy: golden-path; golden-path available in 100% of its one observation");
    assert_eq!(status["probes"][0]["availability"]["observations"], "+", "{status:#}");
    let expected = [
        "POST /auth/login ".to_owned(),
        format!("GET /chat Bearer {TOKEN}"),
        format!("DELETE /chats/chat%2077%2F..%2Fx Bearer {TOKEN}"),
        format!("POST /auth/logout session={SESSION}"),
    ];
    assert_eq!(agent.asked(), expected);
}

#[test]
fn each_part_that_breaks_has_its_own_verdict_and_what_was_begun_is_cleaned_up() {
    let judge = |expected: &Verdict| {
        let agent = Agent::start(expected.broken);
        let (_, text) = check(agent.address(), "json");
        let status = status(&text);
        let (broken, probe) = (expected.broken, &status["probes"][0]);
        assert_eq!(states(&status), expected.steps, "{broken:?}: {status:#}");
        let seen = [&status["verdict"]["cause"], &probe["failedStep"], &probe["failedStage"]];
        assert_eq!(seen, [expected.cause, expected.step, expected.stage], "{broken:?}: {status:#}");
        assert_eq!(condition(&status, "GoldenPathAvailable")["status"], expected.available, "{broken:?}: {status:#}");
        let summary = status["verdict"]["summary"].as_str().expect("a summary");
        assert!(summary.contains(&format!("of 4, {}: ", expected.step)), "{summary}");
        let asked = |what: &str| agent.asked().iter().any(|asked| asked.starts_with(what));
        assert_eq!(asked("DELETE /chats/"), expected.steps[2] != "Skipped", "{broken:?}: {:?}", agent.asked());
        assert_eq!(asked("POST /auth/logout"), expected.steps[3] != "Skipped", "{broken:?}: {:?}", agent.asked());
        println!("{broken:?}: {} in {}/{}: {summary}", expected.cause, expected.step, expected.stage);
        summary.to_owned()
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = VERDICTS.iter().map(|expected| scope.spawn(|| judge(expected))).collect();
        let mut summaries: Vec<String> = all.into_iter().map(|one| one.join().expect("as it must be")).collect();
        summaries.sort();
        summaries.dedup();
        assert_eq!(summaries.len(), VERDICTS.len(), "each says something else");
    });
}

#[test]
fn a_backend_that_is_away_is_told_from_one_that_refuses() {
    let away = Refusing::on("127.0.0.1");
    let (ready, text) = check(([127, 0, 0, 1], away.port()).into(), "json");
    let status = status(&text);
    assert!(!ready);
    assert_eq!(status["verdict"]["cause"], "ConnectionRefused", "{status:#}");
    assert_eq!(status["probes"][0]["failedStep"], "login");
}

#[test]
fn every_format_tells_the_steps() {
    let agent = Agent::start(Broken::ChatRefused);
    let (_, wide) = check(agent.address(), "wide");
    assert!(wide.contains("step 2 of 4, chat: "), "{wide}");
    let (_, junit) = check(agent.address(), "junit");
    for part in [
        "<testcase name=\"golden-path/login\"",
        "<testcase name=\"golden-path/chat\"",
        "type=\"UpgradeRefused\"",
        "<skipped message=\"not carried out, because an earlier step failed\"",
    ] {
        assert!(junit.contains(part), "{part} is not in\n{junit}");
    }
}
