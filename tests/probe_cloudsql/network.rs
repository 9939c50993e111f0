//! Tries the tunnel across a real network with faults, before a database of each engine: what is dropped, refused, reset, lost or
//! too large for the path has its cause, and so has an Admin API out of reach, once it is needed.

use std::sync::OnceLock;
use std::time::Duration;

use runready::api::{Cause, Kind, ProbeState, Stage};
use runready::evidence::{Evidence, Fact};
use serde_json::json;

use super::{KINDS, THROUGH, Watch, cached, case, cause, probe_of, stages, version};
use crate::support::cloudsql::StandIn;
use crate::support::hostile::{Server, Step, listener};
use crate::support::mariadb::{self, Mariadb};
use crate::support::netns::{Fault, Lab, SERVER, UNREACHABLE};
use crate::support::pgsetup;
use crate::support::postgres::Postgres;
use crate::support::probe::{Case, Row, try_all};
use crate::support::skip::require;
use crate::support::tds::{Tds, token};
use crate::support::wait::until;

/// Where every instance's proxy listens.
const PORT: u16 = 3307;
/// What a slow statement takes, and what its query is given.
const SLOW: Duration = Duration::from_secs(5);
const PATIENCE: u64 = 8000;

/// A database that no fault of the network touches: the proxy reaches it on the test program's own loopback.
enum Database {
    Postgres(Postgres),
    Mysql(Mariadb),
    SqlServer(Server),
}

/// An instance across a network: the Admin API on the client's loopback, the proxy and one more server at the server's address.
struct Bed {
    kind: &'static str,
    lab: Lab,
    api: StandIn,
    other: Server,
    _proxy: Server,
    database: Database,
}

/// Every case, tried once per process; none where namespaces can't be made.
pub fn rows() -> &'static [Row] {
    static ROWS: OnceLock<Vec<Row>> = OnceLock::new();
    ROWS.get_or_init(|| {
        let beds: Vec<Bed> = KINDS.iter().filter_map(|kind| Bed::make(kind)).collect();
        std::thread::scope(|scope| {
            let each: Vec<_> = beds.iter().map(|bed| scope.spawn(|| bed.rows())).collect();
            let joined =
                each.into_iter().map(|rows| rows.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            joined.flatten().collect()
        })
    })
}

impl Database {
    fn start(kind: &str) -> Option<Database> {
        match kind {
            "mysql" => require(mariadb::Setup::plain().start()).map(Database::Mysql),
            "sqlserver" => {
                let tds = Tds::new().slow_on("SELECT 'slow'", SLOW, token::integers("", &[1]));
                Some(Database::SqlServer(tds.start()))
            }
            _ => require(pgsetup::Setup::plain().start()).map(Database::Postgres),
        }
    }

    fn port(&self) -> u16 {
        match self {
            Database::Postgres(server) => server.port(),
            Database::Mysql(server) => server.port(),
            Database::SqlServer(server) => server.port(),
        }
    }

    /// A statement that takes its time.
    fn slow(&self) -> &'static str {
        match self {
            Database::Postgres(_) => "SELECT pg_sleep(5)",
            Database::Mysql(_) => "SELECT SLEEP(5)",
            Database::SqlServer(_) => "SELECT 'slow'",
        }
    }

    /// How often it is at work on that, or (SQL Server) how often it was asked.
    fn at_work(&self) -> u64 {
        let count = match self {
            Database::Postgres(server) => server
                .psql("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"),
            Database::Mysql(server) => {
                server.sql("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP%'")
            }
            Database::SqlServer(server) => return server.sent(),
        };
        count.expect("a count").trim().parse().expect("a number")
    }
}

impl Bed {
    fn make(kind: &'static str) -> Option<Bed> {
        let database = Database::start(kind)?;
        let lab = require(Lab::build())?;
        let api = StandIn::on(lab.at_client(|| listener("127.0.0.1:0")), version(kind), SERVER.to_owned());
        let socket = lab.at_server(|| listener(&api.proxy_address()));
        let proxy = api.proxy_on(socket, &api.certificate(), database.port());
        let other = Server::play_on(lab.at_server(|| listener(&format!("{SERVER}:0"))), vec![Step::Hang]);
        Some(Bed { kind, lab, api, other, _proxy: proxy, database })
    }

    fn rows(&self) -> Vec<Row> {
        let parts = [Bed::unreachable, Bed::fenced, Bed::cut_off, Bed::lossy, Bed::narrowed, Bed::without_api];
        let mut rows = self.carry_out(self.case("nothing: a sound path"));
        rows.extend(parts.iter().flat_map(|part| part(self)));
        rows.extend(self.with_what_is_kept());
        rows
    }

    /// A case whose certificate is its own.
    fn case(&self, failure: &str) -> Case {
        case(self.kind, failure).cloud_sql(&self.api.connector())
    }

    fn carry_out(&self, case: Case) -> Vec<Row> {
        self.lab.at_client(|| try_all(vec![case]))
    }

    fn unreachable(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (failure, fault, cause) in UNREACHABLE {
            self.lab.fault(fault);
            let case = self.case(failure).fails(cause, Stage::Connect).says("10.77.2.2:3307");
            let quick = cause == Cause::ConnectTimeout;
            rows.extend(self.carry_out(if quick { case.stage_timeout(Stage::Connect, 700) } else { case }));
        }
        self.lab.heal();
        rows
    }

    /// A firewall that knows of the database's port alone, and one that lets connections open and no more.
    fn fenced(&self) -> Vec<Row> {
        self.lab.fault(Fault::DropPort(PORT));
        let other = json!({"tcp": {"host": SERVER, "port": self.other.port()}});
        let cases = vec![
            self.case("packets to port 3307 dropped")
                .fails(Cause::ConnectTimeout, Stage::Connect)
                .stage_timeout(Stage::Connect, 700),
            Case::new(format!("nothing: another port than 3307 ({})", self.kind), other),
        ];
        let mut rows = self.lab.at_client(|| try_all(cases));
        self.lab.fault(Fault::DropData(PORT));
        let case = self.case("packets dropped once connected");
        rows.extend(self.carry_out(case.fails(Cause::TlsTimeout, Stage::Tunnel).stage_timeout(Stage::Tunnel, 1000)));
        self.lab.heal();
        rows
    }

    /// The path breaks while the database is at work.
    fn cut_off(&self) -> Vec<Row> {
        let silent = self.case("packets dropped in the middle of a query").field(
            self.kind,
            "query",
            json!(self.database.slow()),
        );
        let silent = silent.fails(Cause::QueryTimeout, Stage::Query).stage_timeout(Stage::Query, PATIENCE);
        // A firewall that has lost its table: the answer comes through, and what is sent next is reset.
        let reset = self.case("reset in the middle").field(self.kind, "initQueries", json!([self.database.slow()]));
        let reset = reset.fails(Cause::ConnectionReset, Stage::Query).or_in(Stage::Initialize);
        [(silent, Fault::Silence), (reset, Fault::Reset)]
            .into_iter()
            .flat_map(|(case, fault)| self.during(case, fault))
            .collect()
    }

    /// Breaks the path once the database is at work for a case.
    fn during(&self, case: Case, fault: Fault) -> Vec<Row> {
        let before = self.database.at_work();
        let rows = std::thread::scope(|scope| {
            let probing = scope.spawn(|| self.carry_out(case));
            until(Duration::from_secs(10), "the database to be at work", || match self.database.at_work() {
                count if count > before => Ok(()),
                count => Err(count),
            });
            self.lab.fault(fault);
            probing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        self.lab.heal();
        rows
    }

    fn lossy(&self) -> Vec<Row> {
        self.lab.fault(Fault::Lossy(6));
        let case = self.case("nothing that TCP does not mend: one packet in six lost");
        let rows =
            self.carry_out(case.field(self.kind, "payloadBytes", json!(65536)).fact(Fact::PayloadBytes, "65536"));
        assert!(self.lab.lost() > 0, "no packet was lost");
        self.lab.heal();
        rows
    }

    /// A path whose MTU is smaller than both ends believe.
    fn narrowed(&self) -> Vec<Row> {
        let fetching = |failure: &str, bytes: u32| self.case(failure).field(self.kind, "payloadBytes", json!(bytes));
        let sound = fetching("nothing: 1 MiB", 1 << 20).fact(Fact::PayloadBytes, "1048576");
        let mut rows = self.carry_out(sound);
        self.lab.narrow(1280, true);
        let lost = fetching("MTU 1280 on the way, and nobody says so", 65536)
            .fails(Cause::LargePacketsLost, Stage::Payload)
            .stage_timeout(Stage::Payload, 6000)
            .says("on a second connection 512 bytes came after")
            .says("and 16384 bytes did not");
        rows.extend(self.carry_out(lost));
        rows.extend(self.carry_out(self.case("nothing is seen by a small query: MTU 1280 on the way")));
        self.lab.clamp(1200);
        rows.extend(self.carry_out(fetching("nothing: MTU 1280, and the router clamps the MSS", 65536)));
        self.lab.narrow(1280, false);
        rows.extend(self.carry_out(fetching("nothing: MTU 1280, and the router says so", 65536)));
        self.lab.narrow(576, true);
        let mute = self.case("an MTU into which the proxy's certificate does not fit");
        rows.extend(self.carry_out(mute.fails(Cause::TlsTimeout, Stage::Tunnel).stage_timeout(Stage::Tunnel, 1500)));
        self.lab.heal();
        rows
    }

    /// Nothing is known of the instance, and nobody can be asked.
    fn without_api(&self) -> Vec<Row> {
        self.lab.shut(self.api.port(), "drop");
        let dropped = self.case("the Admin API's packets dropped from the beginning");
        let dropped = dropped.fails(Cause::CloudSqlApiFailed, Stage::Settings).stage_timeout(Stage::Settings, 1000);
        let mut rows = self.carry_out(dropped.says("asking the Cloud SQL Admin API").says("no answer within 1s"));
        self.lab.shut(self.api.port(), "reject with icmp type net-unreachable");
        let rejected = self.case("the Admin API unreachable from the beginning");
        rows.extend(self.carry_out(rejected.fails(Cause::CloudSqlApiFailed, Stage::Settings).says("unreachable")));
        self.lab.open();
        rows
    }

    /// The API goes away after a certificate has been issued: the path stays healthy while the certificate is fresh, is degraded while
    /// it could be renewed, and fails once it has expired.
    fn with_what_is_kept(&self) -> Vec<Row> {
        let kind = *Kind::ALL.iter().find(|kind| kind.as_str() == self.kind).expect("a kind");
        let row = |failure: &str, evidence: &Evidence| {
            Row::of(kind, &format!("{THROUGH}{failure}"), evidence, Duration::from_secs(15))
        };
        self.api.script(|script| script.life = Duration::from_secs(30));
        self.lab.at_client(|| {
            let watch = Watch::by(self.api.connector(), probe_of(self.kind));
            let first = watch.observe();
            assert_eq!((first.outcome.state(), cached(&first)), (ProbeState::Healthy, false), "{first:?}");
            // A reset ends the connection that is kept to the API; where packets are dropped, the next question takes its ten seconds.
            self.lab.shut(self.api.port(), "reject with tcp reset");
            let asked = self.api.asked();
            let kept = watch.observe();
            assert_eq!((kept.outcome.state(), cached(&kept)), (ProbeState::Healthy, true), "{kept:?}");
            assert_eq!(
                stages(&kept).first(),
                Some(&Stage::Connect),
                "nothing is asked, and no stage claims so: {kept:?}"
            );
            assert!(kept.facts.iter().any(|(fact, _)| *fact == Fact::EphemeralCertificateNotAfter));
            let degraded = self.becomes(&watch, ProbeState::Degraded);
            let message = degraded.outcome.failure().map(|failure| failure.message.to_string()).unwrap_or_default();
            assert!(message.contains("the certificate at hand serves until"), "{message}");
            let failing = self.becomes(&watch, ProbeState::Failing);
            assert_eq!(stages(&failing), [Stage::Settings], "{failing:?}");
            assert_eq!(self.api.asked(), asked, "no packet of ours has arrived");
            self.lab.open();
            let healed = self.becomes(&watch, ProbeState::Healthy);
            vec![
                row("nothing: the Admin API unreachable, a fresh certificate at hand", &kept),
                row("the Admin API unreachable when the certificate should be renewed", &degraded),
                row("the Admin API unreachable, and the certificate has expired", &failing),
                row("nothing: the Admin API back again", &healed),
            ]
        })
    }

    /// Observes until that is the state; what is not healthy must be for the API's sake.
    fn becomes(&self, watch: &Watch, state: ProbeState) -> Evidence {
        until(Duration::from_secs(40), &format!("the state {state}"), || {
            let evidence = watch.observe();
            if !matches!(evidence.outcome.state(), ProbeState::Healthy) {
                assert_eq!(cause(&evidence), Some(Cause::CloudSqlApiFailed), "{evidence:?}");
            }
            if evidence.outcome.state() == state { Ok(evidence) } else { Err(format!("{evidence:?}")) }
        })
    }
}

#[test]
fn each_fault_of_the_network_has_its_cause_through_the_tunnel() {
    let rows = rows().len();
    assert!(rows.is_multiple_of(26), "each bed has its 26: {rows}");
}
