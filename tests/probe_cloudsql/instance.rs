//! What stands at the instance's address, or between: from the settings to a database that answers, each thing that breaks has
//! its cause.

use std::sync::Arc;
use std::time::Duration;

use runready::api::{Cause, Stage};
use runready::evidence::Fact;
use runready::probe::net::targets::{Rules, network};
use serde_json::json;

use super::{KINDS, POSTGRES, case, of, probe, probe_of, stages, version};
use crate::support::cert::Authority;
use crate::support::cloudsql::{COMMON_NAME, INSTANCE, Script, StandIn};
use crate::support::hostile::dns::{Dns, addresses};
use crate::support::hostile::tls::Tls;
use crate::support::hostile::{Server, Silent, Step, listener, say};
use crate::support::mariadb::{self, Mariadb};
use crate::support::pgsetup::Setup;
use crate::support::postgres::Postgres;
use crate::support::probe::Case;
use crate::support::skip::require;

/// Every case of the way behind the settings; those that need a database, where one can be had.
pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = ways().into_iter().chain(strangers()).collect();
    if let Some(server) = require(Setup::plain().start()).map(Arc::new) {
        cases.extend(successes(&server));
        cases.extend(impostors(&server));
    }
    if let Some(server) = require(mariadb::Setup::plain().start()).map(Arc::new) {
        cases.extend(to_mariadb(&server));
    }
    cases
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

/// What stands where the proxy should, whatever database is looked for behind it.
fn strangers() -> Vec<Case> {
    let scripts: [(&str, Vec<Step>, Cause); 5] = [
        ("accepts and hangs", vec![Step::Hang], Cause::TlsTimeout),
        ("resets at once", vec![Step::Reset], Cause::ConnectionReset),
        ("closes at once", vec![], Cause::ConnectionClosed),
        ("garbage", vec![Step::Await(8), Step::Send((0..=255).collect()), Step::Hang], Cause::TlsProtocolError),
        ("one byte a second", vec![Step::Trickle(vec![22, 3, 3, 0, 200, 2, 0, 0, 196])], Cause::TlsTimeout),
    ];
    let play = |kind: &str, failure: &str, script: &[Step]| {
        let api = StandIn::start(version(kind));
        let server = Server::play_on(listener(&api.proxy_address()), script.to_vec());
        case(kind, failure).cloud_sql(&api.connector()).keep((api, server))
    };
    let of_each = |kind: &'static str| {
        scripts.iter().map(move |(failure, script, cause)| {
            let case = play(kind, failure, script).fails(*cause, Stage::Tunnel);
            match cause {
                Cause::TlsTimeout => case.stage_timeout(Stage::Tunnel, 1200),
                Cause::ConnectionReset => case.or_in(Stage::Connect),
                _ => case,
            }
        })
    };
    let http = [Step::Await(8), say("HTTP/1.1 400 Bad Request\r\n\r\n")];
    let endless = [Step::Await(8), Step::Endless([22, 3, 3, 255, 255].repeat(1000))];
    KINDS
        .iter()
        .flat_map(|kind| of_each(kind))
        .chain([
            play("postgres", "an HTTP server in the proxy's place", &http)
                .fails(Cause::TlsProtocolError, Stage::Tunnel),
            play("postgres", "2 GiB announced by the proxy", &endless).fails(Cause::TlsProtocolError, Stage::Tunnel),
        ])
        .collect()
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

/// The same way to a real MariaDB: what it leads to, and the five ways in which it usually breaks.
fn to_mariadb(server: &Arc<Mariadb>) -> Vec<Case> {
    let before = |failure: &str, change: fn(&mut Script), make: &dyn Fn(&StandIn) -> Server| {
        let api = StandIn::start(version("mysql"));
        api.script(change);
        let proxy = make(&api);
        Case::new(failure, probe_of("mysql")).cloud_sql(&api.connector()).keep((api, proxy, server.clone()))
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
            .unknown(Cause::CloudSqlPermissionDenied, Stage::Settings),
        before("settings refused with 429", |api| api.refuse_settings = Some(429), &as_it_is)
            .unknown(Cause::CloudSqlThrottled, Stage::Settings),
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

/// Servers at the instance's address that are not the instance, or don't take us for whom we are.
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
            .fails(Cause::CloudSqlServerCertificateUntrusted, Stage::Tunnel),
        before("a server without a certificate at the address", &|api| {
            Tls::without_certificate().play_on(&api.proxy_address(), vec![Step::Hang])
        })
        .fails(Cause::CloudSqlServerCertificateMissing, Stage::Tunnel)
        .says("the server shows no certificate"),
        before("a shared CA, and a common name alone", &cas).fails(Cause::CloudSqlIdentityMismatch, Stage::Tunnel),
        before("an expired server certificate", &|api| {
            Tls::with(api.expired()).play_on(&api.proxy_address(), vec![Step::Hang])
        })
        .fails(Cause::CertificateExpired, Stage::Tunnel),
        before("a proxy that does not know our certificate", &|api| {
            api.proxy_with(&api.certificate(), Some(&clients), Duration::ZERO, server.port())
        })
        .fails(Cause::CloudSqlCertificateRejected, Stage::Tunnel)
        .says("does not accept the ephemeral certificate"),
        before("a proxy whose clock says that our certificate has expired", &|api| {
            api.proxy_with(&api.certificate(), None, hour, server.port())
        })
        .fails(Cause::CloudSqlCertificateExpired, Stage::Tunnel),
    ]
}
