//! What the Admin API answers, or does not: each refusal, broken answer, setting and certificate that leads nowhere has its cause.

use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use runready::probe::Connector;
use runready::probe::cloudsql::{Access, Credentials};
use serde_json::{Value, json};

use super::{POSTGRES, of, probe};
use crate::support::cert::Authority;
use crate::support::cloudsql::{INSTANCE, Script, StandIn};
use crate::support::hostile::{Server, Step, say};
use crate::support::probe::Case;

/// Every case of the API.
pub fn cases() -> Vec<Case> {
    [refusals(), answers(), settings(), certificates()].into_iter().flatten().collect()
}

fn refusals() -> Vec<Case> {
    let refuse = |status| of(&format!("settings refused with {status}"), |api| api.refuse_settings = Some(status));
    let withhold =
        |status| of(&format!("certificate refused with {status}"), |api| api.refuse_certificates = Some(status));
    let unknown = StandIn::start(POSTGRES);
    let unknown_name = INSTANCE.replace("backend", "other");
    vec![
        refuse(401).unknown(Cause::CredentialsFailed, Stage::Settings),
        refuse(403)
            .unknown(Cause::CloudSqlPermissionDenied, Stage::Settings)
            .says("HTTP 403: the stand-in refuses the settings")
            .fact(Fact::HttpStatus, "403"),
        refuse(404).fails(Cause::CloudSqlInstanceNotFound, Stage::Settings),
        refuse(429).unknown(Cause::CloudSqlThrottled, Stage::Settings),
        refuse(500).fails(Cause::CloudSqlApiFailed, Stage::Settings),
        refuse(503).fails(Cause::CloudSqlApiFailed, Stage::Settings).fact(Fact::HttpStatus, "503"),
        withhold(403).unknown(Cause::CloudSqlPermissionDenied, Stage::Certificate),
        withhold(429).unknown(Cause::CloudSqlThrottled, Stage::Certificate),
        withhold(409).fails(Cause::CloudSqlCertificateFailed, Stage::Certificate),
        withhold(503).fails(Cause::CloudSqlCertificateFailed, Stage::Certificate),
        Case::new("an instance that is not there", probe(&unknown_name))
            .cloud_sql(&unknown.connector())
            .fails(Cause::CloudSqlInstanceNotFound, Stage::Settings)
            .keep(unknown),
    ]
}

/// What answers, or does not, where the API should.
fn answers() -> Vec<Case> {
    let at = |failure: &str, server: Server| {
        let endpoint = format!("http://{}", server.address()).parse().expect("an endpoint");
        let connector =
            Connector::new(Access { endpoint: Some(endpoint), credentials: Credentials::Anonymous, token_life: None });
        Case::new(failure, probe(INSTANCE)).cloud_sql(&connector).keep(server)
    };
    let failed =
        |failure: &str, script| at(failure, Server::play(script)).fails(Cause::CloudSqlApiFailed, Stage::Settings);
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let asked = Step::AwaitText("\r\n\r\n");
    let text = |body: &str| say(&format!("{head}content-length: {}\r\n\r\n{body}", body.len()));
    let closed = Server::play(vec![]);
    let refused = format!("http://{}", closed.address()).parse().expect("an endpoint");
    drop(closed);
    let refused =
        Connector::new(Access { endpoint: Some(refused), credentials: Credentials::Anonymous, token_life: None });
    vec![
        Case::new("the API refuses connections", probe(INSTANCE))
            .cloud_sql(&refused)
            .fails(Cause::CloudSqlApiFailed, Stage::Settings),
        failed("the API accepts and hangs", vec![Step::Hang]).stage_timeout(Stage::Settings, 400),
        failed("the API closes at once", vec![]),
        failed("the API resets at once", vec![Step::Reset]),
        failed("the API answers with garbage", vec![asked.clone(), Step::Send((0..=255).collect())]),
        failed("the API answers with what is not JSON", vec![asked.clone(), text("<html>")]),
        failed(
            "the API announces 2 GiB and stops",
            vec![asked.clone(), say(&format!("{head}content-length: 2147483647\r\n\r\n{{")), Step::Hang],
        )
        .stage_timeout(Stage::Settings, 400),
        at(
            "the API is not enabled in the project",
            Server::play(vec![asked.clone(), say(&format!("HTTP/1.1 403 Forbidden\r\n{}", disabled()))]),
        )
        .unknown(Cause::CloudSqlPermissionDenied, Stage::Settings)
        .says("(the API is not enabled in that project)"),
        failed("the API answers one byte a second", vec![asked, Step::Trickle(head.as_bytes().to_vec())])
            .stage_timeout(Stage::Settings, 1200),
    ]
}

/// As Google's APIs say that they are not enabled: google.rpc.ErrorInfo, reason SERVICE_DISABLED.
fn disabled() -> String {
    let info = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com",
    });
    let message = "Cloud SQL Admin API has not been used in project 1 before or it is disabled.";
    let body = json!({"error": {"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": [info]}})
        .to_string();
    format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn settings() -> Vec<Case> {
    let with = |failure: &str, field: &'static str, value: Value| of(failure, move |api| api.settings[field] = value);
    let iam = |case: Case| case.field("postgres", "cloudSql", json!({"instance": INSTANCE, "iamLogin": true}));
    vec![
        with("an instance in another region", "region", json!("europe-west1"))
            .fails(Cause::CloudSqlRegionMismatch, Stage::Settings)
            .says("is in region \"europe-west1\", not in \"us-central1\""),
        with("an instance of the first generation", "backendType", json!("FIRST_GEN"))
            .fails(Cause::CloudSqlGenerationUnsupported, Stage::Settings)
            .says("FIRST_GEN"),
        with("an instance that Google does not run", "backendType", json!("EXTERNAL"))
            .fails(Cause::CloudSqlGenerationUnsupported, Stage::Settings),
        with("an instance of another engine", "databaseVersion", json!("MYSQL_8_4"))
            .fails(Cause::ProtocolMismatch, Stage::Settings)
            .says("is a MYSQL_8_4, and the probe speaks postgres"),
        iam(of("an engine without IAM login", |api| {
            api.settings["databaseVersion"] = json!("SQLSERVER_2022_STANDARD")
        }))
        .fails(Cause::CloudSqlIamLoginUnsupported, Stage::Settings)
        .says("this engine has no IAM login"),
        iam(of("an IAM login without credentials", |_| ()))
            .unknown(Cause::CredentialsFailed, Stage::Certificate)
            .says("iamLogin needs a token"),
        with("a server CA that is not there", "serverCaCert", Value::Null)
            .fails(Cause::CloudSqlServerCaInvalid, Stage::Settings),
        with("a server CA that is not readable", "serverCaCert", json!({"cert": "-----BEGIN NOTHING-----"}))
            .fails(Cause::CloudSqlServerCaInvalid, Stage::Settings),
        with(
            "an instance without a private address",
            "ipAddresses",
            json!([{"type": "PRIMARY", "ipAddress": "192.0.2.1"}]),
        )
        .fails(Cause::CloudSqlAddressMissing, Stage::Settings)
        .says("no address of type Private; it has Public"),
        with("an instance without any address", "ipAddresses", json!([]))
            .field("postgres", "cloudSql", json!({"instance": INSTANCE, "ipType": "Psc"}))
            .fails(Cause::CloudSqlAddressMissing, Stage::Settings)
            .says("it has none at all"),
    ]
}

fn certificates() -> Vec<Case> {
    let issued = |pem: &str| {
        let pem = pem.to_owned();
        move |api: &mut Script| api.issues = Some(pem)
    };
    let other = Authority::new("other").client("other", None);
    vec![
        of("a certificate that has expired already", |api| api.life = Duration::ZERO)
            .fails(Cause::CloudSqlCertificateExpired, Stage::Certificate)
            .says("is the clock here right?"),
        of("an empty certificate", issued("")).fails(Cause::CloudSqlCertificateFailed, Stage::Certificate),
        of(
            "a certificate that is not readable",
            issued("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        )
        .fails(Cause::CloudSqlCertificateFailed, Stage::Certificate),
        of("a certificate for another key", issued(&other.cert))
            .fails(Cause::CloudSqlCertificateFailed, Stage::Certificate)
            .says("does not fit the key"),
    ]
}
