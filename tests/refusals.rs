//! Bad manifests: the real API server and `runready check` refuse each of them, in the same words, and say what to write instead.
//! Good ones: both take them, with the same defaults.

mod borderline;
mod conversations;
mod databases;
mod manifests;

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;
use crate::support::checks::{SOON, condition, object, shared};
use crate::support::operator::Operator;
use crate::support::wait::until;
use borderline::{GOOD, ONLY_WE_CAN_TELL};
use conversations::BAD_CONVERSATIONS;
use databases::BAD_DATABASES;
use manifests::{BAD, Bad};

fn manifest(namespace: &str, name: &str, spec: &str) -> String {
    let mut text = format!(
        "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata:\n  name: {name}\n  namespace: {namespace}\nspec:\n"
    );
    let probes = "\nprobes:\n- name: a\n  tcp: {host: 127.0.0.1, port: 1}";
    let spec = if spec.contains("probes") { spec.replace("no-probes", "") } else { format!("{spec}{probes}") };
    spec.lines().for_each(|line| text += &format!("  {line}\n"));
    text
}

/// Exit code, standard output and standard error of `runready check -f -`.
fn check(yaml: &str, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runready"));
    command.args(["check", "-f", "-"]).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    std::io::Write::write_all(&mut child.stdin.take().expect("piped"), yaml.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().expect("an exit code"), text(output.stdout), text(output.stderr))
}

fn apply(api: &ApiServer, yaml: &str) -> Result<String, String> {
    api.kubectl_as(&api.kubeconfig(), &["apply", "--validate=strict", "-f", "-"], yaml)
}

/// The faults that kubectl tells, as `field: message`. What it could not check after others had failed is none.
fn told_by_kubectl(said: &str) -> Vec<String> {
    let said = said.split("\n(KUBECONFIG=").next().expect("all of it");
    if let Some((_, faults)) = said.split_once("strict decoding error: ") {
        let field = |fault: &str| fault.split('"').nth(1).unwrap_or_default().to_owned();
        return faults.trim().split(", ").map(|fault| format!("{}: {fault}", field(fault))).collect();
    }
    let Some((_, faults)) = said.split_once(" is invalid: ") else { return vec![said.trim().to_owned()] };
    let faults = faults.split("\n* ").map(|fault| fault.trim().trim_start_matches("* ").to_owned());
    faults.filter(|fault| !fault.is_empty() && !fault.starts_with("<nil>")).collect()
}

/// The faults that `check` tells, as `field: message`, without their places.
fn told_by_check(said: &str) -> Vec<String> {
    let fault = |line: &str| line.split_once(": ").map_or(line, |(_, fault)| fault).to_owned();
    said.lines().map(fault).collect()
}

/// What is wrong with how `check` refuses it, if anything is.
fn judge_check(case: &Bad, yaml: &str) -> Result<String, String> {
    let (code, _, said) = check(yaml, &[]);
    if code != 2 {
        return Err(format!("check ends with {code}, not 2: {said}"));
    }
    let line = yaml.lines().position(|line| line.ends_with("# here")).map(|index| index + 1);
    let place = line.map_or("standard input:".to_owned(), |line| format!("standard input:{line}:"));
    if !said.starts_with(&place) {
        return Err(format!("check should begin with {place:?}: {said}"));
    }
    if !said.contains(&format!(": {}: ", case.field)) || !said.contains(case.says) {
        return Err(format!("check should say {:?} of {}: {said}", case.says, case.field));
    }
    Ok(said)
}

#[test]
fn what_is_bad_is_refused_by_the_api_server_and_by_check_in_the_same_words() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("refusals");
    let mut wrong = Vec::new();
    let cases: Vec<&Bad> = [BAD, BAD_DATABASES, BAD_CONVERSATIONS].into_iter().flatten().collect();
    for case in &cases {
        let yaml = manifest(&namespace, "bad", case.spec);
        let judged = judge_check(case, &yaml).and_then(|said| match apply(api, &yaml) {
            Ok(taken) => Err(format!("the API server takes it: {taken}")),
            Err(refusal) => {
                // But for a user and password, which `check` does not show: a pipeline's log keeps what it says.
                let refusal = refusal.replace("me:secret@", "***@");
                let (mut theirs, mut ours) = (told_by_kubectl(&refusal), told_by_check(&said));
                theirs.sort();
                ours.sort();
                if theirs == ours {
                    Ok(())
                } else {
                    Err(format!("\n  API server: {theirs:#?}\n  check:      {ours:#?}"))
                }
            }
        });
        wrong.extend(judged.err().map(|why| format!("{}: {why}", case.what)));
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn an_unknown_field_outside_of_the_spec_is_refused_too() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("refusals");
    let good = manifest(&namespace, "bad", "");
    for (yaml, field) in [
        (format!("{good}speck: {{}}\n"), "speck"),
        (good.replace("metadata:\n", "metadata:\n  lables: {}\n"), "metadata.lables"),
    ] {
        let (code, _, said) = check(&yaml, &[]);
        assert_eq!(code, 2, "{said}");
        let refusal = apply(api, &yaml).expect_err("an unknown field");
        assert_eq!(told_by_kubectl(&refusal), told_by_check(&said));
        assert!(said.contains(&format!("unknown field \"{field}\"")), "{said}");
    }
}

#[test]
fn what_only_runready_can_tell_is_stalled_in_a_cluster_and_refused_by_check() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("stalled");
    let _operator = Operator::probing(&api.kubeconfig(), &["--namespace", &namespace]);
    for (index, case) in ONLY_WE_CAN_TELL.iter().enumerate() {
        let yaml = manifest(&namespace, &format!("bad-{index}"), case.spec);
        let said = judge_check(case, &yaml).unwrap_or_else(|why| panic!("{}: {why}", case.what));
        apply(api, &yaml).unwrap_or_else(|refusal| panic!("{}: {refusal}", case.what));
        let stalled = until(SOON, case.what, || {
            let object = object(api, &namespace, &format!("bad-{index}"));
            let conditions = object.pointer("/status/conditions").and_then(Value::as_array).cloned();
            let stalled = conditions.into_iter().flatten().find(|condition| condition["type"] == "Stalled");
            stalled.ok_or_else(|| object["status"].to_string())
        });
        assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("True"), &json!("InvalidSpec")), "{}", case.what);
        let message = stalled["message"].as_str().expect("a message");
        assert!(message.starts_with(&format!("{}: ", case.field)) && message.contains(case.says), "{message}");
        let ours = told_by_check(&said.replace(": Invalid value: ", ": "));
        assert!(message.starts_with(ours[0].lines().next().expect("a line")), "{message}\n{ours:?}");
    }
    let object = object(api, &namespace, "bad-3");
    assert_eq!(condition(&object, "Ready").map(|(status, _)| status).as_deref(), Some("Unknown"), "never guilty");
}

#[test]
fn what_is_good_is_taken_by_both_with_the_same_defaults() {
    let Some(api) = shared() else { return };
    let namespace = api.namespace("good");
    for (index, (what, spec)) in GOOD.iter().enumerate() {
        let name = format!("good-{index}");
        let yaml = manifest(&namespace, &name, &format!("suspend: true\n{spec}"));
        apply(api, &yaml).unwrap_or_else(|refusal| panic!("{what}: {refusal}"));
        let (code, json, said) = check(&yaml, &["-o", "json"]);
        assert_eq!(code, 1, "{what}: suspended is not Ready, and no fault: {said}");
        let list: Value = serde_json::from_str(&json).expect("JSON");
        let (theirs, ours) = (object(api, &namespace, &name), &list["items"][0]);
        assert_eq!(theirs["spec"], ours["spec"], "{what}");
        assert_eq!(theirs["status"]["observedGeneration"], -1, "kstatus: in progress until runready has seen it");
    }
}

#[test]
fn kubectl_explain_teaches_every_field() {
    let Some(api) = shared() else { return };
    // The API server publishes a new resource's schema a moment after it has accepted it.
    let explain = || api.kubectl(&["explain", "cc.spec.probes.postgres"]);
    let taught = until(SOON, "the schema to be published", explain);
    for words in ["Logs in to a PostgreSQL server", "passwordSecretRef", "Where the role's password is", "Default 5432"]
    {
        assert!(taught.contains(words), "{words:?} is not in: {taught}");
    }
    let all = api.kubectl(&["explain", "cc", "--recursive"]).expect("explained");
    assert!(all.contains("happyEyeballs") && all.contains("ruledOut"), "{all}");
    let schema = runready::api::crd::openapi_schema().expect("a schema");
    let mut silent = Vec::new();
    undescribed(&schema, "", &mut silent);
    assert!(silent.is_empty(), "not described: {silent:?}");
}

/// Fields without a description, by their paths.
fn undescribed(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, field) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        let described = field.get("description").and_then(Value::as_str).is_some_and(|text| text.len() > 3);
        if !described {
            found.push(path.clone());
        }
        undescribed(field, &path, found);
        undescribed(field.get("items").unwrap_or(&Value::Null), &path, found);
    }
}
