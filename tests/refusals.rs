//! Bad manifests: the real API server and `runready check` refuse each of them, in the same words, and say what to write instead.
//! Good ones: both take them, with the same defaults.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::apiserver::ApiServer;
use crate::support::checks::{SOON, condition, object, shared};
use crate::support::operator::Operator;
use crate::support::wait::until;

/// A manifest that must be refused. The line of the fault ends in `# here`, if it is that of a field.
struct Bad {
    /// What is wrong with it.
    what: &'static str,
    /// The spec, without its indentation; gets a sound probe unless it has `probes`.
    spec: &'static str,
    /// The field that both must name.
    field: &'static str,
    /// What both must say.
    says: &'static str,
}

const fn bad(what: &'static str, spec: &'static str, field: &'static str, says: &'static str) -> Bad {
    Bad { what, spec, field, says }
}

const KINDS: &str = "exactly one kind per probe: set one of dns, tcp, tls, http or postgres";
const GO_STYLE: &str = "must be a Go-style duration with a unit, such as 500ms, 30s or 1m30s";
const WITHIN: &str = "timeout must not be longer than the interval (default 30s)";
const AT_LEAST: &str = "must be at least 1s";
const BARE_HOST: &str = "must be a bare host name or address: no scheme, port, path or brackets";
const URL: &str = "must be an absolute http:// or https:// URL with a host and without user or password";

const BAD: &[Bad] = &[
    bad("no kind in an entry", "probes:\n- name: a # here", "spec.probes[0]", KINDS),
    bad(
        "two kinds in one entry",
        "probes:\n- name: a # here\n  tcp: {host: h, port: 1}\n  dns: {name: h}",
        "spec.probes[0]",
        KINDS,
    ),
    bad("no probes", "probes: [] # here", "spec.probes", "must have at least one probe"),
    bad("probes left out", "interval: 30s\nno-probes", "spec.probes", "Required value"),
    bad(
        "two probes of one name",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: a # here\n  tcp: {host: h, port: 2}",
        "spec.probes[1]",
        "Duplicate value: {\"name\":\"a\"}",
    ),
    bad(
        "a probe's name in capitals",
        "probes:\n- name: Database # here\n  tcp: {host: h, port: 1}",
        "spec.probes[0].name",
        "must be a name of lower-case letters, digits and '-', such as database",
    ),
    bad("a probe without a name", "probes:\n- tcp: {host: h, port: 1} # here", "spec.probes[0].name", "Required value"),
    bad(
        "an empty host",
        "probes:\n- name: a\n  tcp:\n    host: '' # here\n    port: 1",
        "spec.probes[0].tcp.host",
        "must name a host: a DNS name such as db.internal, or an address such as 10.20.0.3",
    ),
    bad(
        "a host with a scheme",
        "probes:\n- name: a\n  tcp:\n    host: tcp://h # here\n    port: 1",
        "spec.probes[0].tcp.host",
        BARE_HOST,
    ),
    bad(
        "a host with a port",
        "probes:\n- name: a\n  tls:\n    host: h:443 # here\n    port: 443",
        "spec.probes[0].tls.host",
        BARE_HOST,
    ),
    bad(
        "an IPv6 address in brackets",
        "probes:\n- name: a\n  tcp:\n    host: '[::1]' # here\n    port: 443",
        "spec.probes[0].tcp.host",
        BARE_HOST,
    ),
    bad("no host at all", "probes:\n- name: a\n  tcp: {port: 1} # here", "spec.probes[0].tcp.host", "Required value"),
    bad(
        "port 0",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 0 # here",
        "spec.probes[0].tcp.port",
        "should be greater than or equal to 1",
    ),
    bad(
        "port 65536",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 65536 # here",
        "spec.probes[0].tcp.port",
        "should be less than or equal to 65535",
    ),
    bad(
        "a negative port",
        "probes:\n- name: a\n  tls:\n    host: h\n    port: -1 # here",
        "spec.probes[0].tls.port",
        "should be greater than or equal to 1",
    ),
    bad(
        "a port by name",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: http # here",
        "spec.probes[0].tcp.port",
        "must be of type integer: \"string\"",
    ),
    bad(
        "a postgres port out of range",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    port: 70000 # here",
        "spec.probes[0].postgres.port",
        "should be less than or equal to 65535",
    ),
    bad("an interval under 1 s", "interval: 500ms # here", "spec.interval", AT_LEAST),
    bad("an interval of nothing", "interval: 0s # here", "spec.interval", AT_LEAST),
    bad("a timeout longer than the interval", "interval: 10s\ntimeout: 11s # here", "spec.timeout", WITHIN),
    bad("a timeout longer than the default interval", "timeout: 31s # here", "spec.timeout", WITHIN),
    bad(
        "both interval and schedule",
        "interval: 30s\nschedule: '*/5 * * * *' # here",
        "spec.schedule",
        "interval and schedule exclude each other: keep interval for a steady beat, or schedule for cron times",
    ),
    bad(
        "a time zone without a schedule",
        "timeZone: Europe/Berlin # here",
        "spec.timeZone",
        "timeZone has a meaning only together with schedule",
    ),
    bad("a duration without a unit", "interval: '30' # here", "spec.interval", GO_STYLE),
    bad("a duration as a number", "interval: 30 # here", "spec.interval", "must be of type string: \"integer\""),
    bad("a duration in words", "timeout: 1 day # here", "spec.timeout", GO_STYLE),
    bad("a duration in days", "startupBudget: 1d # here", "spec.startupBudget", GO_STYLE),
    bad("a negative duration", "timeout: -5s # here", "spec.timeout", GO_STYLE),
    bad("an empty duration", "startupBudget: '' # here", "spec.startupBudget", GO_STYLE),
    bad("a duration of nothing", "startupBudget: 0s # here", "spec.startupBudget", "must be longer than zero"),
    bad(
        "a stage's limit that is no duration",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  stageTimeouts:\n    connect: 5 s # here",
        "spec.probes[0].stageTimeouts.connect",
        GO_STYLE,
    ),
    bad(
        "a latency that is no duration",
        "probes:\n- name: a\n  maxLatency: fast # here\n  tcp: {host: h, port: 1}",
        "spec.probes[0].maxLatency",
        GO_STYLE,
    ),
    bad(
        "a failure threshold of 0",
        "failureThreshold: 0 # here",
        "spec.failureThreshold",
        "greater than or equal to 1",
    ),
    bad(
        "a success threshold of 0",
        "successThreshold: 0 # here",
        "spec.successThreshold",
        "greater than or equal to 1",
    ),
    bad("a negative threshold", "failureThreshold: -2 # here", "spec.failureThreshold", "greater than or equal to 1"),
    bad("an unknown field of the spec", "intervall: 30s # here", "spec.intervall", "unknown field \"spec.intervall\""),
    bad(
        "an unknown field of the service",
        "service:\n  project: p\n  region: r\n  name: backend\n  zone: z # here",
        "spec.service.zone",
        "unknown field \"spec.service.zone\"",
    ),
    bad(
        "an unknown kind",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  mysql: {} # here",
        "spec.probes[0].mysql",
        "unknown field \"spec.probes[0].mysql\"",
    ),
    bad(
        "an unknown field of a probe",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 1\n    ports: 2 # here",
        "spec.probes[0].tcp.ports",
        "unknown field \"spec.probes[0].tcp.ports\"",
    ),
    bad(
        "an unknown stage",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  stageTimeouts:\n    conect: 5s # here",
        "spec.probes[0].stageTimeouts.conect",
        "unknown field \"spec.probes[0].stageTimeouts.conect\"",
    ),
    bad(
        "a Secret of another namespace",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef:\n      name: s\n      key: k\n      namespace: other # here",
        "spec.probes[0].postgres.passwordSecretRef.namespace",
        "unknown field \"spec.probes[0].postgres.passwordSecretRef.namespace\"",
    ),
    bad(
        "a Secret of another namespace, by its name",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef:\n      name: other/s # here\n      key: k",
        "spec.probes[0].postgres.passwordSecretRef.name",
        "must be the name of a Secret in this namespace",
    ),
    bad(
        "dependsOn names an unknown probe",
        "probes: # here\n- name: a\n  tcp: {host: h, port: 1}\n  dependsOn: [b]",
        "spec.probes",
        "dependsOn names a probe that this check does not have: use the name of another entry of probes",
    ),
    bad(
        "dependsOn names its own probe",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  dependsOn: [a] # here",
        "spec.probes[0].dependsOn",
        "a probe can't depend on itself: name probes listed before it",
    ),
    bad(
        "dependsOn goes in a circle",
        "probes: # here\n- name: a\n  tcp: {host: h, port: 1}\n  dependsOn: [b]\n- name: b\n  tcp: {host: h, port: 1}\n  dependsOn: [a]",
        "spec.probes",
        "dependsOn may only name probes listed before its own: move what is depended on up (in a cycle no order fits; break it)",
    ),
    bad(
        "a URL without a scheme",
        "probes:\n- name: a\n  http:\n    url: example.com/healthz # here",
        "spec.probes[0].http.url",
        URL,
    ),
    bad(
        "a URL of another scheme",
        "probes:\n- name: a\n  http:\n    url: ftp://example.com # here",
        "spec.probes[0].http.url",
        URL,
    ),
    bad(
        "a URL with a password",
        "probes:\n- name: a\n  http:\n    url: https://me:secret@example.com/ # here",
        "spec.probes[0].http.url",
        URL,
    ),
    bad("an empty URL", "probes:\n- name: a\n  http:\n    url: '' # here", "spec.probes[0].http.url", URL),
    bad(
        "a method in small letters",
        "probes:\n- name: a\n  http:\n    url: http://h\n    method: get # here",
        "spec.probes[0].http.method",
        "must be an HTTP method in capital letters, such as GET",
    ),
    bad(
        "a header name with a space",
        "probes:\n- name: a\n  http:\n    url: http://h\n    headers:\n    - name: X Y # here\n      value: v",
        "spec.probes[0].http.headers[0].name",
        "must be a header name, such as Accept",
    ),
    bad(
        "a header name with a colon, for a Secret",
        "probes:\n- name: a\n  http:\n    url: http://h\n    headersFromSecret:\n    - name: 'Authorization:' # here\n      secretRef: {name: s, key: k}",
        "spec.probes[0].http.headersFromSecret[0].name",
        "must be a header name, such as Authorization",
    ),
    bad(
        "a status code that is none",
        "probes:\n- name: a\n  http:\n    url: http://h\n    expectStatus:\n    - 20 # here",
        "spec.probes[0].http.expectStatus[0]",
        "should be greater than or equal to 100",
    ),
    bad(
        "an HTTP version that is none",
        "probes:\n- name: a\n  http:\n    url: http://h\n    httpVersion: '1.1' # here",
        "spec.probes[0].http.httpVersion",
        "supported values: \"Http1\", \"Http2\"",
    ),
    bad(
        "a TLS mode in libpq's spelling",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    tls:\n      mode: verify-full # here",
        "spec.probes[0].postgres.tls.mode",
        "supported values: \"Disable\", \"Prefer\", \"Require\", \"VerifyCa\", \"VerifyFull\"",
    ),
    bad(
        "no database",
        "probes:\n- name: a\n  postgres:\n    host: h\n    user: u\n    database: '' # here",
        "spec.probes[0].postgres.database",
        "must name the database to open",
    ),
    bad(
        "a DNS record type that is none",
        "probes:\n- name: a\n  dns:\n    name: h\n    recordType: a # here",
        "spec.probes[0].dns.recordType",
        "supported values: \"A\", \"AAAA\"",
    ),
    bad(
        "an empty DNS name",
        "probes:\n- name: a\n  dns:\n    name: '' # here",
        "spec.probes[0].dns.name",
        "must be a DNS name, such as db.internal",
    ),
    bad("suspend in words", "suspend: 'later' # here", "spec.suspend", "must be of type boolean: \"string\""),
];

/// What only runready itself can tell: Stalled in a cluster.
const ONLY_WE_CAN_TELL: &[Bad] = &[
    bad(
        "a cron expression of four fields",
        "schedule: '*/5 * * *' # here",
        "spec.schedule",
        "Write five fields (minute hour day-of-month month day-of-week), such as \"*/5 * * * *\"",
    ),
    bad("a cron expression that never comes due", "schedule: 0 0 31 2 * # here", "spec.schedule", "never comes due"),
    bad(
        "a time zone that is none",
        "schedule: 0 6 * * *\ntimeZone: Mars/Olympus # here",
        "spec.timeZone",
        "is not a time zone: write an IANA name, such as Europe/Berlin or UTC",
    ),
    bad(
        "a regular expression that is none",
        "probes:\n- name: a\n  tcp:\n    host: 127.0.0.1\n    port: 1\n    expect: '(' # here",
        "spec.probes[0].tcp.expect",
        "is not a regular expression (RE2 syntax)",
    ),
    bad(
        "a resolver that is no address",
        "probes:\n- name: a\n  dns:\n    name: h\n    resolver: dns.example # here",
        "spec.probes[0].dns.resolver",
        "is not an address: write 10.0.0.2, 10.0.0.2:53 or [fd00::53]:53",
    ),
    bad(
        "a URL whose port is none",
        "probes:\n- name: a\n  http:\n    url: http://h:seventy/ # here",
        "spec.probes[0].http.url",
        "is not a URL",
    ),
];

const GOOD: &[(&str, &str)] = &[
    ("the least that there can be", "probes:\n- name: a\n  tcp: {host: h, port: 1}"),
    ("a timeout as long as the interval", "interval: 1m30s\ntimeout: 1m30s"),
    (
        "a timeout longer than the default interval, on a schedule",
        "schedule: '*/5 * * * *'\ntimeZone: Europe/Berlin\ntimeout: 2m",
    ),
    (
        "IPv6 addresses",
        "probes:\n- name: a\n  tcp: {host: '2001:db8::1', port: 1}\n- name: b\n  http: {url: 'http://[::1]:8080/'}",
    ),
    ("fractions and compound durations", "interval: 1.5s\ntimeout: 1s250ms"),
    (
        "everything of postgres",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: VerifyFull, serverName: db.internal, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    query: SELECT 2\n    expectRows: 1\n    writable: true\n  maxLatency: 500ms\n  required: false\n  stageTimeouts: {connect: 5s, query: 1s}",
    ),
    (
        "everything of http",
        "probes:\n- name: a\n  dns: {name: h, recordType: AAAA, resolver: '10.0.0.2:53', expect: ['::1']}\n- name: b\n  dependsOn: [a]\n  http:\n    url: https://h/x?y=z\n    method: POST\n    headers: [{name: Accept, value: '*/*'}]\n    headersFromSecret: [{name: Authorization, secretRef: {name: s, key: k}}]\n    body: b\n    expectStatus: [200, 404]\n    expectBody: ok\n    expectHeaders: [{name: Content-Type, value: json}]\n    maxBodyBytes: 10\n    followRedirects: 2\n    tls: {insecureSkipVerify: true}\n    httpVersion: Http2",
    ),
];

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
    for case in BAD {
        let yaml = manifest(&namespace, "bad", case.spec);
        let judged = judge_check(case, &yaml).and_then(|said| match apply(api, &yaml) {
            Ok(taken) => Err(format!("the API server takes it: {taken}")),
            Err(refusal) => {
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
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), BAD.len(), wrong.join("\n"));
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
    let taught = api.kubectl(&["explain", "cc.spec.probes.postgres"]).expect("explained");
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
