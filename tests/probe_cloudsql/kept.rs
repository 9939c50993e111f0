//! What is kept of an instance, and when the API is asked again: no more often than it must be, and as whom.

use std::time::{Duration, Instant};

use google_cloud_auth::credentials::user_account;
use runready::api::{Cause, ProbeState, Stage};
use runready::evidence::{Evidence, Fact};
use runready::probe::cloudsql::{Access, Connector, Credentials};
use runready::probe::net::targets::{Rules, network};
use runready::probe::{Targets, observe_check};
use serde_json::{Value, json};

use super::{POSTGRES, Watch, cached, cause, probe, stages};
use crate::support::cert::Authority;
use crate::support::cloudsql::{INSTANCE, StandIn};
use crate::support::hostile::{Server, Step, say};
use crate::support::pgsetup::Setup;
use crate::support::probe::runtime;
use crate::support::skip::require;
use crate::support::wait::until;

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
    let kept = until(Duration::from_secs(10), "a refusal that is remembered", || {
        let evidence = watch.observe();
        if evidence.stages[0].duration.is_zero() { Ok(evidence) } else { Err("an answer is awaited") }
    });
    ends_in(&kept, Some(Cause::CloudSqlPermissionDenied));
    assert!(kept.facts.iter().any(|(fact, value)| *fact == Fact::HttpStatus && &**value == "403"), "{kept:?}");
    api.script(|script| script.refuse_settings = None);
    until(Duration::from_secs(30), "the API to be asked again", || {
        let evidence = watch.observe();
        if evidence.outcome.state() == ProbeState::Healthy { Ok(()) } else { Err(format!("{evidence:?}")) }
    });
}

#[test]
fn a_certificate_that_is_refused_hides_nothing_that_the_settings_say_of_a_check() {
    let api = StandIn::start(POSTGRES);
    api.script(|script| script.refuse_certificates = Some(409));
    let mut elsewhere = probe(INSTANCE);
    elsewhere["postgres"]["cloudSql"]["ipType"] = json!("Psc");
    let watch = Watch::by(api.connector(), elsewhere);
    ends_in(&watch.observe(), Some(Cause::CloudSqlAddressMissing));
    let other = Watch::by(watch.vantage.cloud_sql.clone(), probe(INSTANCE));
    until(Duration::from_secs(10), "the refusal", || match cause(&other.observe()) {
        Some(Cause::CloudSqlCertificateFailed) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    ends_in(&watch.observe(), Some(Cause::CloudSqlAddressMissing));
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
    let mut login = probe(INSTANCE);
    login["postgres"]["user"] = json!("nobody");
    let stranger = Watch::by(watch.vantage.cloud_sql.clone(), login).observe();
    assert_eq!(cause(&stranger), Some(Cause::AccessDenied), "{stranger:?}");
    let message = &stranger.outcome.failure().expect("a failure").message;
    assert!(message.contains("nobody") && message.contains("can't be renewed: asking the Cloud SQL"), "{message}");
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

/// Probes an instance for 40 seconds, all of which end in that cause, and 20 of them at once; how often the API was asked.
fn asked_in_40_seconds(api: &StandIn, watch: &Watch, expected: Cause) -> (usize, usize) {
    for evidence in watch.many(20).iter().chain(&watch.many(20)) {
        ends_in(evidence, Some(expected));
    }
    assert_eq!(api.asked().0, 1, "not at every probe: {expected}");
    for_40_seconds(watch, Some(expected));
    api.asked()
}

/// Whether that is the cause, in the stage that is recorded as failed, whether or not anything had to be done in it.
fn ends_in(evidence: &Evidence, expected: Option<Cause>) {
    let failure = evidence.outcome.failure();
    let broken = evidence.stages.iter().find(|record| !record.passed).map(|record| record.stage);
    assert_eq!(failure.map(|failure| failure.cause), expected, "{evidence:?}");
    assert_eq!(failure.and_then(|failure| failure.stage), broken, "{evidence:?}");
}

fn for_40_seconds(watch: &Watch, expected: Option<Cause>) {
    let begin = Instant::now();
    until(Duration::from_secs(60), "40 seconds to pass", || {
        ends_in(&watch.observe(), expected);
        if begin.elapsed() > Duration::from_secs(40) { Ok(()) } else { Err(format!("{:?}", begin.elapsed())) }
    });
}

#[test]
fn what_leads_nowhere_is_asked_for_again_but_not_at_every_probe_nor_where_we_refuse_ourselves() {
    let nobody_there = || {
        let api = StandIn::start(POSTGRES);
        let watch = Watch::by(api.connector(), probe(INSTANCE));
        assert_eq!(asked_in_40_seconds(&api, &watch, Cause::ConnectionRefused), (2, 2));
    };
    let elsewhere = || {
        let api = StandIn::start(POSTGRES);
        api.script(|script| script.settings["region"] = json!("europe-west1"));
        let watch = Watch::by(api.connector(), probe(INSTANCE));
        assert_eq!(asked_in_40_seconds(&api, &watch, Cause::CloudSqlRegionMismatch), (2, 2));
    };
    // In TLS 1.3 the handshake has passed for us when the instance refuses: only what it says next tells.
    let not_let_in = || {
        let api = StandIn::start(POSTGRES);
        let _proxy = api.proxy_with(&api.certificate(), Some(&Authority::new("other clients")), Duration::ZERO, 1);
        let watch = Watch::by(api.connector(), probe(INSTANCE));
        assert_eq!(asked_in_40_seconds(&api, &watch, Cause::CloudSqlCertificateRejected), (2, 2));
    };
    let not_allowed = || {
        let api = StandIn::start(POSTGRES);
        let mut watch = Watch::by(api.connector(), probe(INSTANCE));
        let denied = vec![network("127.0.0.0/8").expect("a network")];
        watch.vantage.targets = Targets::new(Rules { denied, ..Rules::default() });
        let asked = asked_in_40_seconds(&api, &watch, Cause::TargetNotAllowed);
        assert_eq!(asked, (1, 1), "the API can't change what we refuse");
    };
    let healed = || {
        let Some(server) = require(Setup::plain().start()) else { return };
        let api = StandIn::start(POSTGRES);
        let watch = Watch::by(api.connector(), probe(INSTANCE));
        assert_eq!(cause(&watch.observe()), Some(Cause::ConnectionRefused));
        let _proxy = api.proxy(server.port());
        for_40_seconds(&watch, None);
        assert_eq!(api.asked(), (1, 1), "what is known has led to the database since");
    };
    let situations: [&(dyn Fn() + Sync); 5] = [&nobody_there, &elsewhere, &not_let_in, &not_allowed, &healed];
    std::thread::scope(|scope| {
        let all: Vec<_> = situations.into_iter().map(|situation| scope.spawn(situation)).collect();
        all.into_iter().for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
}

#[test]
fn an_api_that_hangs_is_given_up_and_asked_again() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    api.script(|script| script.delay = Duration::from_secs(3600));
    let watch = Watch::by(api.connector(), probe(INSTANCE));
    let evidence = watch.observe();
    assert_eq!(cause(&evidence), Some(Cause::CloudSqlApiFailed), "{evidence:?}");
    assert!(format!("{evidence:?}").contains("no answer within 10s"), "{evidence:?}");
    api.script(|script| script.delay = Duration::ZERO);
    until(Duration::from_secs(30), "the API to be asked again", || {
        let evidence = watch.observe();
        if evidence.outcome.state() == ProbeState::Healthy { Ok(()) } else { Err(format!("{evidence:?}")) }
    });
    assert_eq!(api.asked(), (2, 2));
}

#[test]
fn many_instances_are_asked_for_some_at_a_time() {
    let api = StandIn::start(POSTGRES);
    api.script(|script| script.delay = Duration::from_secs(2));
    let name = |number: usize| INSTANCE.replace("backend", &format!("backend-{number}"));
    let connector = api.connector();
    let runtime = runtime();
    let watches: Vec<Watch> = (0..40).map(|number| Watch::by(connector.clone(), probe(&name(number)))).collect();
    let all = watches.iter().map(|watch| observe_check(&watch.plan, &watch.vantage));
    for evidence in runtime.block_on(futures::future::join_all(all)).iter().flatten() {
        assert_eq!(cause(evidence), Some(Cause::CloudSqlInstanceNotFound), "{evidence:?}");
    }
    assert_eq!(api.asked(), (40, 40));
    let most = api.most_at_once();
    assert!((17..=32).contains(&most), "16 instances, each with two questions at once: {most}");
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

/// A probe by such an account, whose token endpoint answers that.
fn with_account(api: &StandIn, answer: &str, probe: Value) -> (Server, Watch) {
    let runtime = runtime();
    let (tokens, credentials) = runtime.block_on(async { account(answer) });
    (tokens, Watch { runtime, ..Watch::by(api.connector_as(credentials), probe) })
}

fn login_by_token() -> Value {
    let mut login = probe(INSTANCE);
    login["postgres"]["cloudSql"]["iamLogin"] = json!(true);
    login
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
    let (_tokens, watch) = with_account(&api, &token_answer(), login_by_token());
    let evidence = watch.observe();
    assert_eq!(evidence.outcome.state(), ProbeState::Healthy, "{evidence:?}");
    api.script(|script| {
        assert_eq!(script.authorization.as_deref(), Some("Bearer ya29.keep-this-too"));
        assert_eq!(script.login_token.as_deref(), Some("ya29.keep-this-too"));
    });
    assert!(!format!("{evidence:?} {:?}", watch.vantage.cloud_sql).contains("keep-"));
}

/// A check that runs seldom finds its certificate's token old at each run: the API is waited for, and the old one tried only where
/// it refuses another.
#[test]
fn a_certificate_whose_token_may_have_expired_serves_while_the_api_refuses_another() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    let runtime = runtime();
    let (_tokens, credentials) = runtime.block_on(async { account(&token_answer()) });
    let life = Duration::from_secs(1);
    let endpoint = api.url().parse().expect("an endpoint");
    let connector = Connector::new(Access { endpoint: Some(endpoint), credentials, token_life: Some(life) });
    let watch = Watch { runtime, ..Watch::by(connector, login_by_token()) };
    let when_old = |expected: ProbeState, cause_expected: Option<Cause>, from_cache: bool| {
        let began = Instant::now();
        until(life * 10, "the token to be old", || if began.elapsed() > life { Ok(()) } else { Err("young") });
        let evidence = watch.observe();
        assert_eq!((evidence.outcome.state(), cause(&evidence)), (expected, cause_expected), "{evidence:?}");
        assert_eq!(cached(&evidence), from_cache, "{evidence:?}");
        assert_eq!(stages(&evidence).last(), Some(&Stage::Query), "{evidence:?}");
    };
    assert_eq!(watch.observe().outcome.state(), ProbeState::Healthy);
    when_old(ProbeState::Healthy, None, false);
    api.script(|script| script.refuse_certificates = Some(503));
    when_old(ProbeState::Degraded, Some(Cause::CloudSqlCertificateFailed), true);
    api.script(|script| script.refuse_certificates = None);
    until(Duration::from_secs(30), "another certificate", || {
        let evidence = watch.observe();
        match evidence.outcome.state() {
            ProbeState::Healthy => Ok(()),
            ProbeState::Degraded => Err("it can't be renewed yet"),
            other => panic!("the certificate at hand serves: {other} {evidence:?}"),
        }
    });
}

/// The settings are asked for once, a certificate once for each way to log in, and once in all while settings are refused.
#[test]
fn a_password_and_a_token_share_what_is_known_of_an_instance() {
    let Some(server) = require(Setup::plain().start()) else { return };
    let api = StandIn::start(POSTGRES);
    let _proxy = api.proxy(server.port());
    let (_tokens, by_token) = with_account(&api, &token_answer(), login_by_token());
    let by_password = Watch::by(by_token.vantage.cloud_sql.clone(), probe(INSTANCE));
    api.script(|script| script.refuse_settings = Some(403));
    for evidence in [by_password.observe(), by_token.observe()] {
        ends_in(&evidence, Some(Cause::CloudSqlPermissionDenied));
    }
    let refused = api.asked();
    assert_eq!(refused.0, 1, "a refusal is one for both");
    api.script(|script| script.refuse_settings = None);
    for watch in [&by_token, &by_password] {
        until(Duration::from_secs(30), "the API to be asked again", || {
            let evidence = watch.observe();
            if evidence.outcome.state() == ProbeState::Healthy { Ok(()) } else { Err(format!("{evidence:?}")) }
        });
    }
    assert_eq!(api.asked().0, refused.0 + 1, "settings are the same for both");
    api.script(|script| assert_eq!(script.login_token, None, "the last certificate is the password's"));
}

#[test]
fn without_a_token_nothing_is_known() {
    let api = StandIn::start(POSTGRES);
    let refusal = "400 Bad Request\r\ncontent-length: 25\r\n\r\n{\"error\":\"invalid_grant\"}";
    let (_tokens, watch) = with_account(&api, refusal, probe(INSTANCE));
    let evidence = watch.observe();
    assert_eq!((evidence.outcome.state(), cause(&evidence)), (ProbeState::Unknown, Some(Cause::CredentialsFailed)));
    assert!(!format!("{evidence:?}").contains("keep-"), "{evidence:?}");
    assert_eq!(api.asked(), (0, 0), "the API is not asked as nobody");
}
