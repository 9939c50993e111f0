//! Tries the way through Cloud SQL's connector against a stand-in for Google's Admin API and a mutual-TLS proxy before a real
//! PostgreSQL: each of the connector's failures has its own cause, and the API is asked no more than it must be.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use google_cloud_auth::credentials::user_account;
use runready::api::{Cause, ProbeState, Stage};
use runready::evidence::{Evidence, Fact};
use runready::plan::Secrets;
use runready::probe::cloudsql::{Access, Credentials};
use runready::probe::net::targets::{Rules, network};
use runready::probe::{Connector, Vantage, observe_check};
use serde_json::{Value, json};

use crate::support::cert::Authority;
use crate::support::cloudsql::{COMMON_NAME, INSTANCE, Script, StandIn};
use crate::support::hostile::dns::{Dns, addresses};
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Silent, Step, listener, say};
use crate::support::mariadb::{self, Mariadb};
use crate::support::pgsetup::Setup;
use crate::support::postgres::{DATABASE, Postgres};
use crate::support::probe::{Case, Row, plan, runtime, try_all, vantage};
use crate::support::skip::require;
use crate::support::wait::until;

const POSTGRES: &str = "POSTGRES_17";

/// Every case, tried once per process.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let mut cases: Vec<Case> =
            [refusals(), answers(), settings(), certificates(), ways(), strangers()].into_iter().flatten().collect();
        if let Some(server) = require(Setup::plain().start()).map(Arc::new) {
            cases.extend(successes(&server));
            cases.extend(impostors(&server));
        }
        if let Some(server) = require(mariadb::Setup::plain().start()).map(Arc::new) {
            cases.extend(to_mariadb(&server));
        }
        // Each has a client of its own, which reads the system's CA certificates: a few at a time, or they would delay each other.
        let mut rows = Vec::new();
        while !cases.is_empty() {
            rows.extend(try_all(cases.drain(..cases.len().min(6)).collect()));
        }
        rows
    })
}

fn probe(instance: &str) -> Value {
    json!({"postgres": {"cloudSql": {"instance": instance}, "database": DATABASE, "user": "app"}})
}

/// A probe of the instance that a stand-in knows, after what it answers has been changed.
fn of(failure: &str, change: impl FnOnce(&mut Script)) -> Case {
    let api = StandIn::start(POSTGRES);
    api.script(change);
    Case::new(failure, probe(INSTANCE)).cloud_sql(&api.connector()).keep(api)
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
            .fails(Cause::CloudSqlPermissionDenied, Stage::Settings)
            .says("HTTP 403: the stand-in refuses the settings")
            .fact(Fact::HttpStatus, "403"),
        refuse(404).fails(Cause::CloudSqlInstanceNotFound, Stage::Settings),
        refuse(429).fails(Cause::CloudSqlThrottled, Stage::Settings),
        refuse(500).fails(Cause::CloudSqlApiFailed, Stage::Settings),
        refuse(503).fails(Cause::CloudSqlApiFailed, Stage::Settings).fact(Fact::HttpStatus, "503"),
        withhold(403).fails(Cause::CloudSqlPermissionDenied, Stage::Certificate),
        withhold(429).fails(Cause::CloudSqlThrottled, Stage::Certificate),
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
        let connector = Connector::new(Access { endpoint: Some(endpoint), credentials: Credentials::Anonymous });
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
    let refused = Connector::new(Access { endpoint: Some(refused), credentials: Credentials::Anonymous });
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
        failed("the API answers one byte a second", vec![asked, Step::Trickle(head.as_bytes().to_vec())])
            .stage_timeout(Stage::Settings, 1200),
    ]
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

/// From the settings to the proxy.
fn ways() -> Vec<Case> {
    let denied = Rules { denied: vec![network("127.0.0.0/8").expect("a network")], ..Rules::default() };
    let api = StandIn::start(POSTGRES);
    let silent = Silent::at(api.proxy_address().parse().expect("an address"));
    let behind_silence = Case::new("a proxy that drops connections", probe(INSTANCE)).cloud_sql(&api.connector());
    let metadata = |api: &mut Script| {
        api.settings["ipAddresses"] = json!([{"type": "PRIVATE", "ipAddress": "169.254.169.254"}]);
    };
    vec![
        of("an instance at a denied address", |_| ()).rules(denied).refused(Stage::Connect).says("--target-deny-cidrs"),
        of("an instance at the metadata server's address", metadata).refused(Stage::Connect),
        of("an instance whose proxy refuses connections", |_| ()).fails(Cause::ConnectionRefused, Stage::Connect),
        behind_silence
            .fails(Cause::ConnectTimeout, Stage::Connect)
            .stage_timeout(Stage::Connect, 400)
            .keep((api, silent)),
    ]
}

/// What stands where the proxy should.
fn strangers() -> Vec<Case> {
    let play = |failure: &str, script| {
        let api = StandIn::start(POSTGRES);
        let server = Server::play_on(listener(&api.proxy_address()), script);
        Case::new(failure, probe(INSTANCE)).cloud_sql(&api.connector()).keep((api, server))
    };
    let asked = Step::Await(8);
    vec![
        play("the proxy accepts and hangs", vec![Step::Hang])
            .fails(Cause::TlsTimeout, Stage::Tunnel)
            .stage_timeout(Stage::Tunnel, 400),
        play("the proxy resets at once", vec![Step::Reset])
            .fails(Cause::ConnectionReset, Stage::Tunnel)
            .or_in(Stage::Connect),
        play("the proxy closes at once", vec![]).fails(Cause::ConnectionClosed, Stage::Tunnel),
        play("garbage from the proxy", vec![asked.clone(), Step::Send((0..=255).collect()), Step::Hang])
            .fails(Cause::TlsProtocolError, Stage::Tunnel),
        play("an HTTP server in the proxy's place", vec![asked.clone(), say("HTTP/1.1 400 Bad Request\r\n\r\n")])
            .fails(Cause::TlsProtocolError, Stage::Tunnel),
        play("one byte a second from the proxy", vec![Step::Trickle(vec![22, 3, 3, 0, 200, 2, 0, 0, 196])])
            .fails(Cause::TlsTimeout, Stage::Tunnel)
            .stage_timeout(Stage::Tunnel, 1200),
        play("2 GiB announced by the proxy", vec![asked, Step::Endless([22, 3, 3, 255, 255].repeat(1000))])
            .fails(Cause::TlsProtocolError, Stage::Tunnel),
    ]
}

fn stages(evidence: &Evidence) -> Vec<Stage> {
    evidence.stages.iter().map(|record| record.stage).collect()
}

fn successes(server: &Arc<Postgres>) -> Vec<Case> {
    let by_way = |failure: &str, ip_type: &str, change: fn(&StandIn)| {
        let api = StandIn::start(POSTGRES);
        change(&api);
        let proxy = api.proxy(server.port());
        let case = Case::new(failure, probe(INSTANCE)).cloud_sql(&api.connector());
        case.field("postgres", "cloudSql", json!({"instance": INSTANCE, "ipType": ip_type})).keep((
            api,
            proxy,
            server.clone(),
        ))
    };
    let public = |api: &StandIn| {
        api.script(|script| script.settings["ipAddresses"] = json!([{"type": "PRIMARY", "ipAddress": api.host}]));
    };
    let (psc, api) = (StandIn::start(POSTGRES), StandIn::start(POSTGRES));
    psc.script(|script| {
        script.settings["ipAddresses"] = json!([]);
        script.settings["pscEnabled"] = json!(true);
        script.settings["serverCaMode"] = json!("GOOGLE_MANAGED_CAS_CA");
        script.settings["dnsName"] = json!("backend.psc.test.");
    });
    let named = psc.certificate_for(&["backend.psc.test"]);
    let psc_proxy = psc.proxy_with(&named, None, Duration::ZERO, server.port());
    let dns = Dns::serve([("backend.psc.test.", addresses(&[psc.host.parse().expect("an address")]))]);
    let pool_proxy = api.proxy(server.port());
    vec![
        by_way("nothing: an instance by its name", "Private", |_| ())
            .fact(Fact::CertificateCached, "false")
            .fact(Fact::InstanceVersion, POSTGRES)
            .fact(Fact::ServerCaMode, "internal")
            .look(|evidence| {
                use Stage::{Authenticate, Certificate, Connect, Handshake, Query, Settings, Tunnel};
                assert_eq!(
                    stages(evidence),
                    [Settings, Certificate, Connect, Tunnel, Handshake, Authenticate, Query],
                    "no second TLS within the tunnel"
                );
            }),
        by_way("nothing: an instance's public address", "Public", public),
        Case::new("nothing: an instance by Private Service Connect", probe(INSTANCE))
            .field("postgres", "cloudSql", json!({"instance": INSTANCE, "ipType": "Psc"}))
            .cloud_sql(&psc.connector())
            .resolver(&dns)
            .fact(Fact::ServerCaMode, "CAS")
            .keep((psc, psc_proxy, dns)),
        Case::new("nothing: a pool through the tunnel", probe(INSTANCE))
            .field("postgres", "connections", json!(5))
            .cloud_sql(&api.connector())
            .look(move |_| assert_eq!(api.asked(), (1, 1), "five connections, one question"))
            .keep((pool_proxy, server.clone())),
    ]
}

/// Servers at the instance's address that are not the instance, or don't take us for whom we are.
/// The same way to a real MariaDB: what it leads to, and the five ways in which it usually breaks.
fn to_mariadb(server: &Arc<Mariadb>) -> Vec<Case> {
    let before = |failure: &str, change: fn(&mut Script), make: &dyn Fn(&StandIn) -> Server| {
        let api = StandIn::start("MYSQL_8_4");
        api.script(change);
        let proxy = make(&api);
        let probe =
            json!({"mysql": {"cloudSql": {"instance": INSTANCE}, "database": mariadb::DATABASE, "user": "open"}});
        Case::new(failure, probe).cloud_sql(&api.connector()).keep((api, proxy, server.clone()))
    };
    let as_it_is = |api: &StandIn| api.proxy(server.port());
    let shows = |api: &StandIn, issued, ahead| api.proxy_with(&issued, None, ahead, server.port());
    vec![
        before("nothing: an instance by its name", |_| (), &as_it_is)
            .fact(Fact::InstanceVersion, "MYSQL_8_4")
            .fact(Fact::Rows, "1")
            .look(|evidence| {
                use Stage::{Authenticate, Certificate, Connect, Handshake, Query, Settings, Tunnel};
                let expected = [Settings, Certificate, Connect, Tunnel, Handshake, Authenticate, Query];
                assert_eq!(stages(evidence), expected, "no second TLS within the tunnel");
            }),
        before("an instance in another region", |api| api.settings["region"] = json!("europe-west1"), &as_it_is)
            .fails(Cause::CloudSqlRegionMismatch, Stage::Settings),
        before("settings refused with 403", |api| api.refuse_settings = Some(403), &as_it_is)
            .fails(Cause::CloudSqlPermissionDenied, Stage::Settings),
        before("settings refused with 429", |api| api.refuse_settings = Some(429), &as_it_is)
            .fails(Cause::CloudSqlThrottled, Stage::Settings),
        before("a proxy whose clock says that our certificate has expired", |_| (), &|api| {
            shows(api, api.certificate(), Duration::from_secs(2 * 3600))
        })
        .fails(Cause::CloudSqlCertificateExpired, Stage::Tunnel),
        before("another instance at the address", |_| (), &|api| {
            shows(api, api.certificate_for(&["other.sql.goog"]), Duration::ZERO)
        })
        .fails(Cause::CloudSqlIdentityMismatch, Stage::Tunnel),
    ]
}

fn impostors(server: &Arc<Postgres>) -> Vec<Case> {
    let (foreign, clients) = (Authority::new("foreign"), Authority::new("other clients"));
    let hour = Duration::from_secs(2 * 3600);
    let before = |failure: &str, make: &dyn Fn(&StandIn) -> Server| {
        let api = StandIn::start(POSTGRES);
        let proxy = make(&api);
        Case::new(failure, probe(INSTANCE)).cloud_sql(&api.connector()).keep((api, proxy, server.clone()))
    };
    let shows = |api: &StandIn, issued| api.proxy_with(&issued, None, Duration::ZERO, server.port());
    let cas = |api: &StandIn| {
        api.script(|script| script.settings["serverCaMode"] = json!("GOOGLE_MANAGED_CAS_CA"));
        shows(api, api.certificate())
    };
    vec![
        before("another instance at the address", &|api| shows(api, api.certificate_for(&["other.sql.goog"])))
            .fails(Cause::CloudSqlIdentityMismatch, Stage::Tunnel)
            .says("is not netra-staging:us-central1:backend: its certificate names other.sql.goog"),
        before("a server of another CA at the address", &|api| shows(api, foreign.common_name(COMMON_NAME)))
            .fails(Cause::CloudSqlIdentityMismatch, Stage::Tunnel),
        before("a shared CA, and a common name alone", &cas).fails(Cause::CloudSqlIdentityMismatch, Stage::Tunnel),
        before("an expired server certificate", &|api| {
            Tls::with(api.expired()).play_on(&api.proxy_address(), vec![Step::Hang])
        })
        .fails(Cause::CertificateExpired, Stage::Tunnel),
        before("a proxy that does not know our certificate", &|api| {
            api.proxy_with(&api.certificate(), Some(&clients), Duration::ZERO, server.port())
        })
        .fails(Cause::ClientCertificateRequired, Stage::Tunnel)
        .says("does not accept the ephemeral certificate"),
        before("a proxy whose clock says that our certificate has expired", &|api| {
            api.proxy_with(&api.certificate(), None, hour, server.port())
        })
        .fails(Cause::CloudSqlCertificateExpired, Stage::Tunnel),
    ]
}

/// Observes checks of the instance, with one connector for all.
struct Watch {
    runtime: tokio::runtime::Runtime,
    vantage: Vantage,
    plan: runready::plan::CheckPlan,
}

impl Watch {
    fn by(connector: Connector, mut probe: Value) -> Watch {
        probe["name"] = json!("probe");
        let spec = json!({"interval": "1h", "timeout": "15s", "probes": [probe]});
        let vantage = Vantage { cloud_sql: connector, ..vantage(None) };
        Watch { runtime: runtime(), vantage, plan: plan(spec, &Secrets::default()) }
    }

    fn observe(&self) -> Evidence {
        self.runtime.block_on(observe_check(&self.plan, &self.vantage)).remove(0)
    }

    fn many(&self, count: usize) -> Vec<Evidence> {
        let all = futures::future::join_all((0..count).map(|_| observe_check(&self.plan, &self.vantage)));
        self.runtime.block_on(all).into_iter().flatten().collect()
    }
}

fn cause(evidence: &Evidence) -> Option<Cause> {
    evidence.outcome.failure().map(|failure| failure.cause)
}

fn cached(evidence: &Evidence) -> bool {
    evidence.facts.iter().any(|(fact, value)| *fact == Fact::CertificateCached && &**value == "true")
}

#[test]
fn the_cases_end_as_they_must() {
    assert!(!rows().is_empty());
}

#[test]
fn many_checks_of_an_instance_ask_the_api_once() {
    let Some(server) = require(Setup::plain().max_connections(80).start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    let watch = Watch::by(api.connector(), probe(INSTANCE));
    for evidence in [watch.many(40), watch.many(40)].concat() {
        assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    }
    assert_eq!(api.asked(), (1, 1));
    let again = watch.observe();
    assert!(cached(&again) && stages(&again).first() == Some(&Stage::Connect), "{again:?}");
}

#[test]
fn many_checks_of_a_refused_instance_ask_the_api_once_and_recover() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    api.script(|script| script.refuse_settings = Some(403));
    let watch = Watch::by(api.connector(), probe(INSTANCE));
    for evidence in [watch.many(40), watch.many(40)].concat() {
        assert_eq!(cause(&evidence), Some(Cause::CloudSqlPermissionDenied), "{evidence:?}");
        assert_eq!(stages(&evidence), [Stage::Settings]);
    }
    assert_eq!(api.asked().0, 1);
    assert!(api.asked().1 <= 1, "the certificate is asked for at the same time, once there is a key");
    api.script(|script| script.refuse_settings = None);
    until(Duration::from_secs(30), "the API to be asked again", || {
        let evidence = watch.observe();
        if evidence.outcome.state() == ProbeState::Healthy { Ok(()) } else { Err(format!("{evidence:?}")) }
    });
}

#[test]
fn a_certificate_is_renewed_while_the_old_one_serves_and_a_refused_renewal_degrades() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    api.script(|script| script.life = Duration::from_secs(40));
    let watch = Watch::by(api.connector(), probe(INSTANCE));
    assert_eq!(watch.observe().outcome.state(), ProbeState::Healthy);
    api.script(|script| script.refuse_certificates = Some(403));
    until(Duration::from_secs(35), "a renewal that is refused", || {
        let evidence = watch.observe();
        assert!(cached(&evidence), "nobody waits for a renewal: {evidence:?}");
        match evidence.outcome.state() {
            ProbeState::Degraded => {
                assert_eq!(cause(&evidence), Some(Cause::CloudSqlPermissionDenied));
                Ok(())
            }
            ProbeState::Healthy => Err("still healthy"),
            other => panic!("the certificate at hand serves: {other} {evidence:?}"),
        }
    });
    let refused = api.asked();
    api.script(|script| {
        script.refuse_certificates = None;
        script.life = Duration::from_secs(3600);
    });
    until(Duration::from_secs(30), "the renewal", || {
        let evidence = watch.observe();
        assert!(cached(&evidence), "nobody waits for a renewal: {evidence:?}");
        if evidence.outcome.state() == ProbeState::Healthy { Ok(()) } else { Err("degraded") }
    });
    assert_eq!(api.asked().1, refused.1 + 1, "one question for the renewal");
}

#[test]
fn settings_that_lead_nowhere_are_asked_for_again_but_not_at_every_probe() {
    let api = StandIn::start(POSTGRES);
    let watch = Watch::by(api.connector(), probe(INSTANCE));
    for evidence in watch.many(20).iter().chain(&watch.many(20)) {
        assert_eq!(cause(evidence), Some(Cause::ConnectionRefused), "{evidence:?}");
    }
    assert_eq!(api.asked(), (1, 1));
}

/// A token endpoint, and credentials that ask it.
fn account(answer: &str) -> (Server, Credentials) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let server = Server::play(vec![Step::AwaitText("\r\n\r\n"), say(&format!("HTTP/1.1 {answer}"))]);
    let user = json!({
        "type": "authorized_user", "client_id": "id", "client_secret": "keep-this-secret", "refresh_token": "keep-that-too",
    });
    let uri = format!("http://{}/token", server.address());
    let credentials = user_account::Builder::new(user).with_token_uri(uri).build_access_token_credentials();
    (server, Credentials::Given(credentials.expect("credentials")))
}

fn token_answer() -> String {
    let body = json!({"access_token": "ya29.keep-this-too", "expires_in": 3600, "token_type": "Bearer"}).to_string();
    format!("200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn a_token_is_sent_to_the_api_and_into_the_certificate_of_an_iam_login_and_shown_nowhere() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    let runtime = runtime();
    let (_tokens, credentials) = runtime.block_on(async { account(&token_answer()) });
    let mut login = probe(INSTANCE);
    login["postgres"]["cloudSql"]["iamLogin"] = json!(true);
    let watch = Watch { runtime, ..Watch::by(api.connector_as(credentials), login) };
    let evidence = watch.observe();
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    api.script(|script| {
        assert_eq!(script.authorization.as_deref(), Some("Bearer ya29.keep-this-too"));
        assert_eq!(script.login_token.as_deref(), Some("ya29.keep-this-too"));
    });
    assert!(!format!("{evidence:?} {:?}", watch.vantage.cloud_sql).contains("keep-"));
}

#[test]
fn without_a_token_nothing_is_known() {
    let api = StandIn::start(POSTGRES);
    let runtime = runtime();
    let refusal = "400 Bad Request\r\ncontent-length: 25\r\n\r\n{\"error\":\"invalid_grant\"}";
    let (_tokens, credentials) = runtime.block_on(async { account(refusal) });
    let watch = Watch { runtime, ..Watch::by(api.connector_as(credentials), probe(INSTANCE)) };
    let evidence = watch.observe();
    assert_eq!((evidence.outcome.state(), cause(&evidence)), (ProbeState::Unknown, Some(Cause::CredentialsFailed)));
    assert!(!format!("{evidence:?}").contains("keep-"), "{evidence:?}");
    assert_eq!(api.asked(), (0, 0), "the API is not asked as nobody");
}
