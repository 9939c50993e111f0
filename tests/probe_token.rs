//! Tries requests whose token has to be fetched first: by OAuth 2.0 client credentials, for a Google service account, and for
//! the identity of runready itself. Real token endpoints, hostile ones, and a stand-in for the metadata server.

use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hyper::Version;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use runready::api::{Cause, ProbeState, Stage};
use runready::evidence::Evidence;
use runready::plan::secrets::Lookup;
use runready::plan::{SecretData, Secrets};
use runready::probe::net::targets::Rules;
use secrecy::SecretSlice;
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Refusing, Server, Silent, Step, say};
use crate::support::probe::{Case, Row, observe, plan, try_all, vantage};
use crate::support::scratch;
use crate::support::web::{Asked, Reply, Web, reply};

/// The client's secret; it must never show.
const HIDDEN: &str = "s3cr3t+value/";
/// A token as it is issued; it must never show either.
const TOKEN: &str = "t0ken.issued";

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| try_all([granted(), refused(), hostile(), accounts()].into_iter().flatten().collect()))
}

fn shows_no_secret(evidence: &Evidence) {
    let shown = format!("{evidence:?}");
    for hidden in [HIDDEN, TOKEN, "czNjcjN0", "s3cr3t%2Bvalue"] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

/// A service that lets in those who show the token.
fn service() -> Web {
    Web::plain(Version::HTTP_11, |asked| match asked.header("authorization") {
        Some(value) if value == format!("Bearer {TOKEN}") => reply(200, &[], "in"),
        _ => reply(401, &[], "out"),
    })
}

fn oauth(token_url: &str) -> Value {
    json!({"tokenUrl": token_url, "clientId": "app", "clientSecretRef": {"name": "client", "key": "secret"}})
}

/// A probe of a service with a token from that endpoint.
fn probing(failure: &str, service: Web, auth: Value) -> Case {
    let url = format!("http://127.0.0.1:{}/", service.port());
    Case::new(failure, json!({"http": {"url": url, "auth": auth}}))
        .secret("client", &[("secret", HIDDEN)])
        .keep(service)
        .look(shows_no_secret)
}

/// A probe of a service that nobody may ask, with a token from a server that plays this script.
fn from(failure: &str, server: Server) -> Case {
    let service = service();
    let port = service.port();
    let url = format!("http://127.0.0.1:{port}/");
    let auth = json!({"oauth2": oauth(&format!("http://127.0.0.1:{}/token", server.port()))});
    Case::new(failure, json!({"http": {"url": url, "auth": auth}}))
        .secret("client", &[("secret", HIDDEN)])
        .keep(server)
        .look(shows_no_secret)
        .look(move |evidence| {
            assert!(service.asked().is_empty(), "the service is not asked without a token: {evidence:?}");
        })
}

fn grant(_: &Asked) -> Reply {
    reply(200, &[], json!({"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600}).to_string())
}

fn granted() -> Vec<Case> {
    let basic = Web::plain(Version::HTTP_11, grant);
    let mut with_scopes = oauth(&format!("http://127.0.0.1:{}/token", basic.port()));
    with_scopes["scopes"] = json!(["read", "write"]);
    let body = Web::plain(Version::HTTP_11, grant);
    let mut in_body = oauth(&format!("http://127.0.0.1:{}/token", body.port()));
    in_body["clientAuth"] = json!("Body");
    in_body["audience"] = json!("https://api.test/");
    let authority = Authority::new("test authority");
    let secure = Web::tls(Version::HTTP_11, Tls::with(authority.server(&["localhost"])), grant);
    let mut over_tls = oauth(&format!("https://localhost:{}/token", secure.port()));
    over_tls["caSecretRef"] = json!({"name": "ca"});
    let echo = Web::plain(Version::HTTP_11, |asked| {
        reply(200, &[], json!({"seen": asked.header("authorization")}).to_string())
    });
    let issuer = Web::plain(Version::HTTP_11, grant);
    vec![
        probing(
            "the answer repeats a token that was fetched",
            echo,
            json!({"oauth2": oauth(&format!("http://127.0.0.1:{}/token", issuer.port()))}),
        )
        .with("assert", json!(["json.seen == ''"]))
        .keep(issuer)
        .fails(Cause::AssertionFailed, Stage::Assert)
        .says("json.seen is \"Bearer ***\""),
        probing("nothing: client credentials, shown in the header", service(), json!({"oauth2": with_scopes})).look(
            move |_| {
                let asked = &basic.asked()[0];
                // "app:s3cr3t%2Bvalue%2F" in base64 (RFC 6749, section 2.3.1).
                assert_eq!(asked.header("authorization"), Some("Basic YXBwOnMzY3IzdCUyQnZhbHVlJTJG"));
                assert_eq!(asked.body, "grant_type=client_credentials&scope=read+write");
                assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
            },
        ),
        probing("nothing: client credentials, shown in the body", service(), json!({"oauth2": in_body})).look(move |_| {
            let asked = &body.asked()[0];
            assert_eq!(asked.header("authorization"), None);
            let form = "grant_type=client_credentials&audience=https%3A%2F%2Fapi.test%2F&client_id=app&client_secret=s3cr3t%2Bvalue%2F";
            assert_eq!(asked.body, form);
        }),
        probing("nothing: a token endpoint within TLS", service(), json!({"oauth2": over_tls}))
            .secret("ca", &[("ca.crt", &authority.pem())])
            .keep(secure),
    ]
}

fn refused() -> Vec<Case> {
    let answering = |failure: &str, status: u16, body: String| {
        let web = Web::plain(Version::HTTP_11, move |_| reply(status, &[], body.clone()));
        let auth = json!({"oauth2": oauth(&format!("http://127.0.0.1:{}/token?x=hidden", web.port()))});
        probing(failure, service(), auth).keep(web).fails(Cause::TokenFailed, Stage::Token).look(|evidence| {
            let told = &evidence.outcome.failure().expect("a failure").message;
            assert!(told.starts_with("no token from http://127.0.0.1:") && !told.contains("hidden"), "{told}");
        })
    };
    let error = |description: &str| json!({"error": "invalid_client", "error_description": description}).to_string();
    let rotated = Web::plain(Version::HTTP_11, grant);
    let auth = json!({"oauth2": oauth(&format!("http://127.0.0.1:{}/token", rotated.port()))});
    let strict = Web::plain(Version::HTTP_11, |_| reply(401, &[], "out"));
    vec![
        answering("wrong password", 401, error("unknown client"))
            .says("/token: it answered 401 Unauthorized: invalid_client (unknown client)"),
        answering("the token endpoint quotes the secret", 401, error(&format!("not {HIDDEN}")))
            .says("invalid_client (not ***)"),
        answering("the token endpoint fails", 503, "<html>down</html>".to_owned()).says("503 Service Unavailable"),
        answering("the token endpoint gives no token", 200, "{}".to_owned()).says("without an access_token"),
        answering("the token endpoint gives a page", 200, "<html>log in</html>".to_owned())
            .says("not with a token in JSON"),
        answering("the token endpoint gives what is no header", 200, json!({"access_token": "a\nb: c"}).to_string())
            .says("can't be sent as a token"),
        probing("the token is not accepted", strict, auth).keep(rotated).fails(Cause::StatusUnexpected, Stage::Request),
    ]
}

fn hostile() -> Vec<Case> {
    let asked = || Step::AwaitText("\r\n\r\n");
    let failing =
        |failure: &str, script: Vec<Step>| from(failure, Server::play(script)).fails(Cause::TokenFailed, Stage::Token);
    let (nobody, silent) = (Refusing::on("127.0.0.1"), Silent::on("127.0.0.1"));
    let to = |failure: &str, url: &str| {
        probing(failure, service(), json!({"oauth2": oauth(url)})).fails(Cause::TokenFailed, Stage::Token)
    };
    let authority = Authority::new("test authority");
    let expired = Web::tls(Version::HTTP_11, Tls::with(authority.expired(&["localhost"])), grant);
    let mut of_expired = oauth(&format!("https://localhost:{}/token", expired.port()));
    of_expired["caSecretRef"] = json!({"name": "ca"});
    let denied = Web::plain(Version::HTTP_11, grant);
    let port = denied.port().to_string().parse().expect("a port");
    let passes_on = "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    vec![
        failing("accepts and hangs", vec![Step::Hang]).timeout(600),
        failing("accepts and hangs, cut by the stage", vec![Step::Hang])
            .stage_timeout(Stage::Token, 400)
            .says("no answer within 400ms (the stage's own limit)"),
        failing("resets at once", vec![Step::Reset]),
        failing("closes at once", vec![]),
        failing("garbage", vec![Step::Await(1), Step::Send((0..=255).collect()), Step::Hang]),
        failing("one byte a second", vec![asked(), Step::Trickle(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())])
            .stage_timeout(Stage::Token, 1200),
        failing(
            "2 GiB announced at once",
            vec![
                asked(),
                say("HTTP/1.1 200 OK\r\ncontent-length: 2147483648\r\n\r\n"),
                Step::Endless(vec![b'x'; 65536]),
            ],
        )
        .says("2147483648"),
        failing("an endless answer", vec![asked(), say("HTTP/1.1 200 OK\r\n\r\n"), Step::Endless(vec![b'x'; 65536])]),
        failing("passes on to another address", vec![asked(), say(passes_on)]).says("302 Found"),
        to("nobody listens at the token endpoint", &format!("http://127.0.0.1:{}/token", nobody.port()))
            .says("Connection refused")
            .keep(nobody),
        to("packets to the token endpoint are dropped", &format!("http://127.0.0.1:{}/token", silent.address().port()))
            .timeout(600)
            .keep(silent),
        probing("the token endpoint's certificate has expired", service(), json!({"oauth2": of_expired}))
            .secret("ca", &[("ca.crt", &authority.pem())])
            .keep(expired)
            .fails(Cause::TokenFailed, Stage::Token)
            .says("certificate"),
        probing(
            "the token endpoint may not be asked",
            service(),
            json!({"oauth2": oauth(&format!("http://127.0.0.1:{}/token", denied.port()))}),
        )
        .rules(Rules { denied_ports: vec![port], ..Rules::default() })
        .keep(denied)
        .refused(Stage::Token)
        .says("--target-deny-ports"),
        probing("metadata, as a token endpoint", service(), json!({"oauth2": oauth("https://169.254.169.254/token")}))
            .refused(Stage::Token)
            .says("--allow-link-local"),
    ]
}

static KEY: LazyLock<rsa::RsaPrivateKey> =
    LazyLock::new(|| rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).expect("a key"));

/// A service account's key, which is issued tokens there.
fn key(token_uri: &str) -> String {
    let pem = KEY.to_pkcs8_pem(LineEnding::LF).expect("PEM");
    json!({"type": "service_account", "client_email": "probe@p.iam.gserviceaccount.com", "private_key_id": "k1",
           "private_key": pem.as_str(), "token_uri": token_uri})
    .to_string()
}

/// An ID token; what it is signed with is nobody's matter here.
fn id_token(audience: &str) -> String {
    let end = jiff::Timestamp::now().as_second() + 3600;
    let part = |value: Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.c2ln", part(json!({"alg": "RS256"})), part(json!({"aud": audience, "exp": end})))
}

/// The claims of an ID token.
fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).expect("base64")).expect("JSON")
}

/// Google's token endpoint for service accounts: verifies the signature, and issues an ID token.
fn google(asked: &Asked) -> Reply {
    let no = |why: &str| reply(400, &[], json!({"error": "invalid_grant", "error_description": why}).to_string());
    let form: Vec<(String, String)> = url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect();
    let of = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
    if of("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
        return no("wrong grant");
    }
    let (signed, signature) = of("assertion").rsplit_once('.').expect("a JWT");
    let public = KEY.to_public_key().to_pkcs1_der().expect("DER");
    let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
    let (_, rs256) = algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == rustls::SignatureScheme::RSA_PKCS1_SHA256)
        .expect("RS256");
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).expect("base64");
    if rs256[0].verify_signature(public.as_bytes(), signed.as_bytes(), &signature).is_err() {
        return no("Invalid JWT Signature.");
    }
    let claims = claims(of("assertion"));
    reply(200, &[], json!({"id_token": id_token(claims["target_audience"].as_str().unwrap_or(""))}).to_string())
}

/// A service as Cloud Run guards it: lets in those who show an ID token for this audience.
fn guarded(audience: Option<&'static str>) -> Web {
    Web::plain(Version::HTTP_11, move |asked| {
        let own = format!("http://{}", asked.header("host").unwrap_or_default());
        let token = asked.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
        match token {
            Some(token) if claims(token)["aud"] == audience.unwrap_or(&own) => reply(200, &[], "in"),
            _ => reply(403, &[], "out"),
        }
    })
}

fn accounts() -> Vec<Case> {
    let google_at = |web: &Web| key(&format!("http://127.0.0.1:{}/token", web.port()));
    let auth = |audience: Option<&str>| json!({"googleIdToken": {"audience": audience, "serviceAccountKeySecretRef": {"name": "account", "key": "key.json"}}});
    let issuers = [Web::plain(Version::HTTP_11, google), Web::plain(Version::HTTP_11, google)];
    let stranger = Web::plain(Version::HTTP_11, |_| {
        reply(400, &[], r#"{"error": "invalid_grant", "error_description": "Invalid JWT Signature."}"#)
    });
    let keys = issuers.each_ref().map(google_at);
    let [first, second] = issuers;
    vec![
        probing("nothing: a Google ID token for the URL's origin", guarded(None), auth(None))
            .secret("account", &[("key.json", &keys[0])])
            .keep(first),
        probing(
            "nothing: a Google ID token for another audience",
            guarded(Some("client-1.apps")),
            auth(Some("client-1.apps")),
        )
        .secret("account", &[("key.json", &keys[1])])
        .keep(second),
        probing("the service account's key has been revoked", guarded(None), auth(None))
            .secret("account", &[("key.json", &google_at(&stranger))])
            .keep(stranger)
            .fails(Cause::TokenFailed, Stage::Token)
            .says("it answered 400 Bad Request: invalid_grant (Invalid JWT Signature.)"),
    ]
}

#[test]
fn without_a_token_the_failure_says_what_its_issuer_answered() {
    assert!(rows().len() > 25);
}

/// Observes a probe of `service` with a token from `issuer`, so many times.
fn observed(service: &Web, issuer: &Web, times: usize) -> Vec<ProbeState> {
    let auth = json!({"oauth2": oauth(&format!("http://127.0.0.1:{}/token", issuer.port()))});
    let probe = json!({"name": "a", "http": {"url": format!("http://127.0.0.1:{}/", service.port()), "auth": auth}});
    let data = SecretData::from_iter([("secret".to_owned(), SecretSlice::from(HIDDEN.as_bytes().to_vec()))]);
    let mut secrets = Secrets::default();
    secrets.insert("client".to_owned(), Lookup::Found(data));
    let (plan, vantage) = (plan(json!({"interval": "1h", "probes": [probe]}), &secrets), vantage(None));
    assert!(!format!("{plan:?}").contains("s3cr3t"), "{plan:?}");
    (0..times).map(|_| observe(&plan, &vantage)[0].outcome.state()).collect()
}

#[test]
fn a_token_is_fetched_once_and_again_when_it_is_not_accepted() {
    let (lenient, issuer) = (service(), Web::plain(Version::HTTP_11, grant));
    assert_eq!(observed(&lenient, &issuer, 3), [ProbeState::Healthy; 3]);
    assert_eq!((issuer.asked().len(), lenient.asked().len()), (1, 3));

    let (strict, issuer) = (Web::plain(Version::HTTP_11, |_| reply(401, &[], "")), Web::plain(Version::HTTP_11, grant));
    assert_eq!(observed(&strict, &issuer, 2), [ProbeState::Failing; 2], "no attempt hides that a token was refused");
    assert_eq!((issuer.asked().len(), strict.asked().len()), (2, 2));

    let once = Web::plain(Version::HTTP_11, |_| reply(200, &[], json!({"access_token": TOKEN}).to_string()));
    assert_eq!(observed(&lenient, &once, 2), [ProbeState::Healthy; 2]);
    assert_eq!(once.asked().len(), 2, "a token that does not say how long it lasts is used once");
}

/// Runs `check` on a probe of `service` that shows runready's own identity; what the probe came to.
fn own_identity(service: &Web, environment: &[(&str, &str)]) -> Value {
    let check = format!(
        "apiVersion: runready.dev/v1alpha1\nkind: ConnectivityCheck\nmetadata: {{name: own}}\nspec:\n  probes:\n  - name: a\n    \
         http: {{url: 'http://127.0.0.1:{}/', auth: {{googleIdToken: {{}}}}}}\n",
        service.port()
    );
    let scratch = scratch::dir("token");
    let file = scratch.path().join("check.yaml");
    std::fs::write(&file, check).expect("a file");
    let mut command = Command::new(env!("CARGO_BIN_EXE_runready"));
    command.env_remove("GOOGLE_APPLICATION_CREDENTIALS").env_remove("GCE_METADATA_HOST");
    command.envs(environment.iter().copied()).args(["check", "-o", "json", "-f"]).arg(&file);
    let output = command.output().expect("the binary starts");
    let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    told.pointer("/items/0").unwrap_or(&told)["status"]["probes"][0].clone()
}

#[test]
fn the_own_identity_comes_from_the_metadata_server_or_from_a_key_file() {
    let service = guarded(None);
    let origin = format!("http://127.0.0.1:{}", service.port());
    let metadata = Web::plain(Version::HTTP_11, |asked| {
        let query = asked.uri.query().unwrap_or_default();
        let audience = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "audience");
        match (asked.header("metadata-flavor"), audience) {
            (Some("Google"), Some((_, audience))) => reply(200, &[("metadata-flavor", "Google")], id_token(&audience)),
            _ => reply(403, &[], ""),
        }
    });
    let told = own_identity(&service, &[("GCE_METADATA_HOST", &format!("127.0.0.1:{}", metadata.port()))]);
    assert_eq!(told["state"], "Healthy", "{told}");
    assert_eq!(metadata.asked()[0].uri.path(), "/computeMetadata/v1/instance/service-accounts/default/identity");
    let shown = service.asked();
    let token = shown[0].header("authorization").and_then(|value| value.strip_prefix("Bearer ")).expect("a token");
    assert_eq!(claims(token)["aud"], origin);

    let issuer = Web::plain(Version::HTTP_11, google);
    let scratch = scratch::dir("key");
    let file = scratch.path().join("key.json");
    std::fs::write(&file, key(&format!("http://127.0.0.1:{}/token", issuer.port()))).expect("a file");
    let file = file.display().to_string();
    let told = own_identity(&service, &[("GOOGLE_APPLICATION_CREDENTIALS", &file)]);
    assert_eq!(told["state"], "Healthy", "{told}");
    assert_eq!(issuer.asked().len(), 1);
}

#[test]
fn without_an_identity_of_its_own_runready_cant_tell() {
    let service = guarded(None);
    let no_account = Web::plain(Version::HTTP_11, |_| reply(404, &[("metadata-flavor", "Google")], "no account"));
    let impostor = Web::plain(Version::HTTP_11, |_| reply(200, &[], id_token("x")));
    let nobody = Refusing::on("127.0.0.1");
    let at = |port: u16| format!("127.0.0.1:{port}");
    for (host, says) in [
        (at(no_account.port()), "answered 404 Not Found; is a service account attached"),
        (at(impostor.port()), "answered 200 OK, but is no metadata server"),
        (at(nobody.port()), "does not answer"),
    ] {
        let told = own_identity(&service, &[("GCE_METADATA_HOST", &host)]);
        assert_eq!((&told["state"], &told["cause"]), (&json!("Unknown"), &json!("ProberError")), "{told}");
        assert!(told["message"].as_str().is_some_and(|message| message.contains(says)), "{says}: {told}");
    }
    let told = own_identity(&service, &[("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key.json")]);
    assert_eq!(told["state"], "Unknown", "{told}");
    assert!(service.asked().is_empty());
}
