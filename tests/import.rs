//! `runready import` on exported services of every shape: what it prints is what stands beside each in tests/import/, valid, and
//! taken by a real API server as it is; no secret of a service is ever in it. RUNREADY_BLESS=1 writes the expected texts anew.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs, thread};

use runready::api::{Cause, ConnectivityCheckSpec};
use runready::import::{Said, import};
use runready::manifest::{Contents, DEFAULT_NAMESPACE, Text};
use runready::plan::{self, Secrets};
use serde_json::{Value, json};

use crate::support::checks;

const RUNREADY: &str = env!("CARGO_BIN_EXE_runready");

/// Services of which a check can be made.
const SERVICES: [&str; 10] = [
    "everything.yaml",
    "minimal.yaml",
    "direct-egress.yaml",
    "sidecars.yaml",
    "described.json",
    "rest.json",
    "rest-spring.json",
    "grpc.yaml",
    "rest-grpc.json",
    "hostile.yaml",
];

/// What is planted where a secret could be: nothing that could be the name of a host, a user or a database.
const PLANTED: &str = "Pl4nted s3cr3t\u{1}";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/import")
}

fn text(name: &str) -> Text {
    let content = fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Text { file: name.into(), content }
}

fn imported(text: &Text) -> String {
    import(text, &Said::default()).unwrap_or_else(|error| panic!("{}: {error}", text.file))
}

fn spec(manifest: &str) -> ConnectivityCheckSpec {
    let contents = Contents::of(&Text { file: "manifest".into(), content: manifest.to_owned() }, DEFAULT_NAMESPACE);
    let faults: Vec<String> = contents.all_faults().iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{}\n{manifest}", faults.join("\n"));
    contents.checks.into_iter().next().and_then(|check| check.spec).expect("a check")
}

#[test]
fn each_service_gives_the_check_that_stands_beside_it() {
    let bless = env::var("RUNREADY_BLESS").is_ok_and(|value| value == "1");
    for name in SERVICES {
        let manifest = imported(&text(name));
        let path = folder().join(format!("{name}.expected"));
        if bless {
            fs::write(&path, &manifest).expect("a file of our own");
        }
        let expected = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(manifest, expected, "{name}: RUNREADY_BLESS=1 tests/run import writes it anew");
    }
}

#[test]
fn each_check_is_valid_and_can_be_planned() {
    for name in SERVICES {
        let spec = spec(&imported(&text(name)));
        let id = plan::CheckId::new("default", "imported");
        let plan = plan::compile(id, "uid".into(), 1, &spec, &Secrets::default());
        let invalid: Vec<String> =
            plan.faults.iter().filter(|fault| fault.cause == Cause::InvalidSpec).map(ToString::to_string).collect();
        assert!(invalid.is_empty(), "{name}: {}", invalid.join("\n"));
    }
}

#[test]
fn the_api_server_takes_each_check_as_it_is() {
    let Some(api) = checks::shared() else { return };
    let namespace = api.namespace("import");
    for name in SERVICES {
        let args = ["apply", "--namespace", &namespace, "--dry-run=server", "--validate=strict", "-f", "-"];
        let applied = api.kubectl_as(&api.kubeconfig(), &args, &imported(&text(name)));
        let said = applied.unwrap_or_else(|error| panic!("{name}: {error}"));
        // Past the harness's capture: which shapes the API server took, in its own words.
        let _ = writeln!(std::io::stderr(), "import of {name}: {}", said.trim());
    }
}

#[test]
fn the_incidents_service_gives_its_whole_path() {
    let spec = spec(&imported(&text("rest.json")));
    let service = spec.service.expect("a service");
    assert_eq!((service.project.as_str(), service.region.as_str()), ("netra-staging", "us-central1"));
    assert_eq!(spec.startup_budget.map(|budget| budget.to_string()), Some("35s".to_owned()));
    let postgres = spec.probes[0].postgres.as_ref().expect("the database first");
    let cloud_sql = postgres.cloud_sql.as_ref().expect("by its instance");
    assert_eq!(cloud_sql.instance, "netra-staging:us-central1:staging-shared-postgres");
    assert_eq!((postgres.database.as_str(), postgres.user.as_str()), ("netra staging", "backend"));
    assert!(postgres.password_secret_ref.is_some());
    let endpoint = spec.probes.last().expect("the endpoint last");
    let http = endpoint.http.as_ref().expect("an http probe");
    assert_eq!(http.url, "https://backend-abcdefghij-uc.a.run.app/healthz");
    assert_eq!(endpoint.depends_on, ["postgres"]);
}

#[test]
fn a_service_that_is_asked_over_grpc_gets_a_grpc_probe_of_the_same_service() {
    for (name, host, of) in [
        ("grpc.yaml", "orders-123456789012.us-central1.run.app", "orders.v1.Orders"),
        ("rest-grpc.json", "ledger-abcdefghij-uc.a.run.app", ""),
    ] {
        let spec = spec(&imported(&text(name)));
        let endpoint = spec.probes.last().expect("the endpoint last");
        let grpc = endpoint.grpc.as_ref().unwrap_or_else(|| panic!("{name}: a grpc probe: {endpoint:?}"));
        assert_eq!((grpc.host.as_str(), grpc.port, grpc.service.as_str(), grpc.plaintext), (host, 443, of, false));
        assert!(!endpoint.depends_on.is_empty(), "{name}");
    }
}

#[test]
fn a_probe_of_another_port_than_the_one_that_takes_requests_is_told() {
    let told = "asks port 9090, and requests come in by 8080";
    let flat = |name: &str| imported(&text(name)).replace("\n      # ", " ");
    assert!(flat("rest-grpc.json").contains(told), "{}", flat("rest-grpc.json"));
    assert!(!flat("grpc.yaml").contains("requests come in by"), "the same port");
}

#[test]
fn what_inspections_can_not_find_out_is_a_comment_and_never_a_guess() {
    for (name, lines) in [
        ("grpc.yaml", vec!["#   inspect: {instance: \"PROJECT:REGION:INSTANCE\"}"]),
        (
            "rest-grpc.json",
            vec![
                "#   inspect: {instance: \"PROJECT:REGION:INSTANCE\", connector: projects/netra-staging/locations/us-central1/connectors/NAME}",
            ],
        ),
        // The instance is mounted, and found.
        ("rest.json", vec![]),
        ("everything.yaml", vec![]),
    ] {
        let manifest = imported(&text(name));
        assert!(spec(&manifest).inspect.is_none(), "{name}");
        let found: Vec<&str> = manifest.lines().map(str::trim).filter(|line| line.contains("inspect:")).collect();
        assert_eq!(found, lines, "{name}");
        // Completed, and with the comment's mark taken away, it is a check that is taken.
        for line in lines {
            let written = line.trim_start_matches("#   ").replace("PROJECT:REGION:INSTANCE", "p-1:us-central1:db");
            let inspect = written.replace("connectors/NAME", "connectors/c-1");
            let manifest = manifest.replace(line, &inspect);
            assert!(spec(&manifest).inspect.is_some_and(|inspect| inspect.instance.is_some()), "{manifest}");
        }
    }
}

#[test]
fn no_secret_that_stands_in_a_file_is_printed() {
    for name in SERVICES {
        let manifest = imported(&text(name));
        for secret in ["s3cr3t", "cr3t@", "hunter2"] {
            assert!(!manifest.contains(secret), "{name}: {manifest}");
        }
    }
}

/// Every place of a variable in a description: its pointer and its name.
fn variables(value: &Value, at: &str, found: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            if let (Some(Value::String(name)), true) = (fields.get("name"), at.contains("/env/")) {
                found.push((at.to_owned(), name.clone()));
            }
            fields.iter().for_each(|(key, value)| variables(value, &format!("{at}/{}", key.replace('/', "~1")), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| variables(item, &format!("{at}/{index}"), found));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn a_secret_planted_in_the_place_of_any_value_is_never_printed() {
    let values = [
        PLANTED.to_owned(),
        format!("postgres://app:{PLANTED}@10.0.0.1/app"),
        format!("postgres://{PLANTED}@10.0.0.1/app"),
        format!("postgres://10.0.0.1/{PLANTED}"),
        format!("postgres://{PLANTED}/app"),
        format!("postgres://app:a/{PLANTED}@10.0.0.1/app"),
        format!("postgres://app@10.0.0.1/app?password={PLANTED}&token={PLANTED}#{PLANTED}"),
        format!("redis://{PLANTED}@10.0.0.1"),
        format!("jdbc:sqlserver://10.0.0.1;user=app;password={PLANTED};x={PLANTED}"),
        format!("Server=10.0.0.1;Uid=app;Pwd={PLANTED};Other={PLANTED}"),
        format!("host=10.0.0.1 user=app password='{PLANTED}'"),
        format!("app:{PLANTED}@tcp(10.0.0.1:3306)/app"),
        format!("{PLANTED}://10.0.0.1"),
        format!("/cloudsql/{PLANTED}"),
        format!("$({PLANTED})"),
    ];
    let mut planted = 0;
    for name in SERVICES {
        let description: Value = serde_yaml::from_str(&text(name).content).expect("YAML");
        let mut places = Vec::new();
        variables(&description, "", &mut places);
        for (place, variable) in places {
            for value in &values {
                let mut changed = description.clone();
                let slot = changed.pointer_mut(&place).expect("found just now");
                if slot.get("value").is_none() && slot.get("valueFrom").is_none() && slot.get("valueSource").is_none() {
                    continue;
                }
                *slot = json!({"name": variable, "value": value});
                let changed = Text { file: name.into(), content: changed.to_string() };
                let manifest = imported(&changed);
                assert!(
                    !manifest.contains("Pl4nted") && !manifest.contains("s3cr3t"),
                    "{name}: {variable}: {manifest}"
                );
                planted += 1;
            }
        }
    }
    assert!(planted > 300, "only {planted} were planted");
}

#[test]
fn a_value_of_a_mebibyte_and_a_thousand_databases_are_no_matter() {
    let mut environment: Vec<Value> = (0..1000)
        .flat_map(|n| [json!({"name": format!("A{n}_DB_HOST"), "value": format!("10.0.{}.{}", n / 250, n % 250 + 1)})])
        .collect();
    environment.push(json!({"name": "DB_HOST", "value": "x.".repeat(1 << 19)}));
    environment.push(json!({"name": "x_".repeat(1 << 19) + "DB_USER", "value": "x".repeat(1 << 20)}));
    let description = json!({
        "name": "projects/p/locations/us-central1/services/s",
        "template": {"containers": [{"image": "x", "env": environment}]},
    });
    let manifest = imported(&Text { file: "large".into(), content: description.to_string() });
    assert_eq!(spec(&manifest).probes.len(), 32 - 1, "{manifest}");
    assert!(manifest.contains("more were found") && manifest.len() < 100_000, "{}", manifest.len());
}

#[test]
fn what_is_no_service_is_refused_with_a_sentence_that_shows_nothing_of_it() {
    let job = text("job.yaml").content;
    for (content, said) in [
        (job.as_str(), "holds a Cloud Run job"),
        ("", "holds nothing"),
        ("s3cr3t", "holds plain text"),
        ("a: [s3cr3t\n", "is neither YAML nor JSON (line"),
        ("{\"s3cr3t\"", "is neither YAML nor JSON (line 1"),
        ("[]", "a list of 0 objects"),
        ("a: 1\n---\nb: 2\n", "a list of 2 objects"),
        ("{a: s3cr3t}", "is neither YAML nor JSON"),
        ("a: s3cr3t", "an object of a shape"),
        ("{\"kind\": \"Deployment\", \"apiVersion\": \"apps/v1\"}", "an object of kind Deployment"),
        ("apiVersion: v1\nkind: Service\n", "a Kubernetes Service"),
        ("apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\n", "a ConnectivityCheck already"),
        ("apiVersion: serving.knative.dev/v1\nkind: Revision\n", "a part of a service (Revision)"),
        ("apiVersion: serving.knative.dev/v1\nkind: Service\n", "a service without a name"),
        (
            "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: x}\nspec: {template: {spec: {containers: s3cr3t}}}",
            "spec.template.spec.containers is not a list",
        ),
    ] {
        let refused = import(&Text { file: "file".into(), content: content.to_owned() }, &Said::default());
        let refused = refused.expect_err(content).to_string();
        assert!(refused.contains(said) && !refused.contains("s3cr3t"), "{content}: {refused}");
    }
}

#[test]
fn what_the_command_line_says_goes_before_what_the_file_says() {
    let path = folder().join("everything.yaml").display().to_string();
    let args = ["import", "-f", &path, "--project", "netra-staging", "--region", "us-east1", "-n", "staging"];
    let output = Command::new(RUNREADY).args(args).output().expect("the binary starts");
    let out = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(out.contains("    project: netra-staging\n    region: us-east1\n    name: backend\n"), "{out}");
    assert!(out.contains("  namespace: staging\n") && out.contains("backend-database -n staging"), "{out}");
    let missing = Command::new(RUNREADY).args(["import", "-f", "/nowhere.yaml"]).output().expect("the binary starts");
    assert_eq!(missing.status.code(), Some(2));
    let bare = Command::new(RUNREADY).args(["import", "--service", "backend"]).output().expect("the binary starts");
    assert_eq!(bare.status.code(), Some(2), "a service needs its project and region");
}

/// Answers one request, and returns its first line.
fn answer(listener: TcpListener, status: &'static str, body: String) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).expect("a request") > 0 {
            request.push(byte[0]);
        }
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).expect("an answer is taken");
        String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned()
    })
}

fn asked(status: &'static str, body: String) -> (String, Option<i32>, String, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let endpoint = format!("http://{}", listener.local_addr().expect("its address"));
    let answered = answer(listener, status, body);
    let args = ["import", "--project", "netra-staging", "--region", "us-central1", "--service", "backend"];
    let mut command = Command::new(RUNREADY);
    command.args(args).args(["--google-endpoint", &endpoint, "--google-credentials", "anonymous"]);
    let output = command.output().expect("the binary starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (answered.join().expect("one request"), output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_api_is_asked_once_and_gives_the_same_as_the_file() {
    let file = text("rest.json");
    let (request, code, out, err) = asked("200 OK", file.content.clone());
    assert!(request.starts_with("GET /v2/projects/netra-staging/locations/us-central1/services/backend"), "{request}");
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(
        out,
        import(
            &file,
            &Said { project: Some("netra-staging".into()), region: Some("us-central1".into()), namespace: None }
        )
        .expect("a check")
    );
}

#[test]
fn what_the_api_refuses_is_said_with_what_mends_it() {
    let error = |code: u16, status: &str, details: Value| {
        json!({"error": {"code": code, "message": "no", "status": status, "details": details}}).to_string()
    };
    let disabled = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}]);
    for (status, body, said) in [
        ("403 Forbidden", error(403, "PERMISSION_DENIED", json!([])), "--role=roles/run.viewer"),
        ("403 Forbidden", error(403, "PERMISSION_DENIED", disabled), "gcloud services enable run.googleapis.com"),
        ("404 Not Found", error(404, "NOT_FOUND", json!([])), "gcloud run services list"),
        ("500 Internal Server Error", error(500, "INTERNAL", json!([])), "HTTP 500"),
        ("200 OK", "{\"template\": \"s3cr3t\"}".to_owned(), "can't be read"),
    ] {
        let (_, code, out, err) = asked(status, body);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{err}");
        assert!(err.contains(said) && !err.contains("s3cr3t"), "{said}: {err}");
    }
}
