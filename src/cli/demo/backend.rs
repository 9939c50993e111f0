//! The Cloud Run service of the story: an instance that needs its database at start-up, and the front that answers for it.
//! Does network I/O on loopback.
//!
//! As in the incident, the instance gives its database a fixed time at start-up and exits when that is not enough; it is
//! started again and again. The front answers 200 while an instance serves, and otherwise 503: a symptom, and a true one.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_postgres::{Client, NoTls};

use super::database::{DATABASE, USER};

/// What the instance grants its database at start-up. It stands for the incident's 20 s.
pub const STARTUP_LIMIT: Duration = Duration::from_secs(2);
/// What its configuration grants the database at start-up, and nobody heeds. It stands for the incident's 35 s.
pub const CONFIGURED_LIMIT: Duration = Duration::from_millis(3500);
/// The variable of the environment that says so.
pub const LIMIT_VARIABLE: &str = "DATABASE_INIT_TIMEOUT_SECONDS";
/// Between the end of an instance and the start of the next.
const RESTART: Duration = Duration::from_millis(500);
/// Between two uses of the database.
const WORK: Duration = Duration::from_millis(500);
/// What the instance grants a query.
const QUERY_LIMIT: Duration = Duration::from_secs(1);

/// The service: where its database is, and what it logs.
pub struct Service {
    /// Where it reaches its database: through the connector.
    pub database: SocketAddr,
    /// The role's password.
    pub password: String,
    /// Takes the lines of its log.
    pub log: mpsc::UnboundedSender<String>,
}

impl Service {
    /// Runs one instance after another, and says in `serving` whether there is one.
    pub async fn run(self, serving: watch::Sender<bool>) {
        loop {
            match timeout(STARTUP_LIMIT, self.connect()).await {
                Ok(Ok(client)) => {
                    self.log("Application startup complete.".to_owned());
                    serving.send_replace(true);
                    let end = work(&client).await;
                    serving.send_replace(false);
                    self.log(format!("{end} Exiting."));
                }
                Ok(Err(error)) => self.log(format!("Database initialization failed: {error}. Exiting.")),
                Err(_) => {
                    let limit = STARTUP_LIMIT.as_secs_f32();
                    self.log(format!("Database initialization timeout after {limit:.1}s. Exiting."));
                }
            }
            sleep(RESTART).await;
        }
    }

    async fn connect(&self) -> anyhow::Result<Client> {
        let stream = TcpStream::connect(self.database).await?;
        let mut config = tokio_postgres::Config::new();
        config.user(USER).dbname(DATABASE).password(&self.password);
        let (client, connection) = config.connect_raw(stream, NoTls).await?;
        // Its end shows at the next query.
        tokio::spawn(connection);
        Ok(client)
    }

    fn log(&self, line: String) {
        // Nobody reads it any more when the story is over.
        let _ = self.log.send(line);
    }
}

/// Uses the database until that fails, and says how.
async fn work(client: &Client) -> String {
    loop {
        match timeout(QUERY_LIMIT, client.simple_query("SELECT 1")).await {
            Ok(Ok(_)) => sleep(WORK).await,
            Ok(Err(error)) => return format!("Database connection lost: {error}."),
            Err(_) => return format!("Database query timeout after {:.1}s.", QUERY_LIMIT.as_secs_f32()),
        }
    }
}

/// Answers for the service, until the listener fails.
pub async fn front(listener: TcpListener, serving: watch::Receiver<bool>) -> std::io::Result<()> {
    let router = Router::new().route("/healthz", get(answer)).with_state(serving);
    axum::serve(listener, router).await
}

async fn answer(State(serving): State<watch::Receiver<bool>>) -> (StatusCode, &'static str) {
    if *serving.borrow() {
        (StatusCode::OK, "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no instance could be started\n")
    }
}
