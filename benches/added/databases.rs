//! The contests of the databases. Does I/O.

use std::net::SocketAddr;

use mysql_async::OptsBuilder;
use mysql_async::prelude::Queryable;
use redis::{Cmd, Value, cmd};
use runready::plan::Secrets;
use runready::plan::secrets::{Lookup, SecretData};
use secrecy::SecretSlice;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::{Config, NoTls};
use tokio_util::compat::TokioAsyncWriteCompatExt;

use crate::contest::Contest;
use crate::support::mariadb;
use crate::support::pgsetup::Setup;
use crate::support::postgres::{DATABASE, Postgres};
use crate::support::tds;

/// Logs in to PostgreSQL, asks for 1, and says goodbye.
pub fn postgres() -> Result<Contest, String> {
    let server = Postgres::launch(Setup::plain())?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let user = server.user();
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            let stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            select(stream, user).await;
        })
    };
    let probe = json!({"postgres": {
        "host": "127.0.0.1", "port": server.port(), "database": DATABASE, "user": user, "tls": {"mode": "Disable"},
    }});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)).keep(server))
}

/// Logs in to PostgreSQL on a stream, asks for 1, and says goodbye.
pub async fn select(stream: impl AsyncRead + AsyncWrite + Unpin + Send, user: &str) {
    let mut config = Config::new();
    config.user(user).dbname(DATABASE).application_name("runready");
    let (client, connection) = config.connect_raw(stream, NoTls).await.expect("a login");
    let work = async move {
        client.simple_query("SELECT 1").await.expect("a row");
    };
    futures::future::join(work, connection).await.1.expect("a connection that ends well");
}

/// Logs in to MariaDB, asks for 1, and says goodbye.
pub fn mysql() -> Result<Contest, String> {
    let server = mariadb::Setup::plain().start()?;
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.port())
        .user(Some("open"))
        .db_name(Some(mariadb::DATABASE))
        // Known settings, so that the client does not ask for them.
        .max_allowed_packet(Some(16 << 20))
        .wait_timeout(Some(60))
        .prefer_socket(false);
    let options = mysql_async::Opts::from(options);
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        let options = options.clone();
        Box::pin(async move {
            let mut connection = mysql_async::Conn::new(options).await.expect("a login");
            let row: Option<u64> = connection.query_first("SELECT 1").await.expect("a row");
            assert_eq!(row, Some(1));
            connection.disconnect().await.expect("a goodbye");
        })
    };
    let probe = json!({"mysql": {
        "host": "127.0.0.1", "port": server.port(), "database": mariadb::DATABASE, "user": "open", "tls": {"mode": "Disable"},
    }});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)).keep(server))
}

/// Logs in to a SQL Server built from MS-TDS in plain text, asks for 1, and says goodbye.
pub fn sqlserver() -> Result<Contest, String> {
    let server = tds::Tds::new().start();
    let port = server.port();
    let mut config = tiberius::Config::new();
    config.host("127.0.0.1");
    config.port(port);
    config.database(tds::DATABASE);
    config.authentication(tiberius::AuthMethod::sql_server(tds::USER, tds::PASSWORD));
    config.encryption(tiberius::EncryptionLevel::NotSupported);
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        let config = config.clone();
        Box::pin(async move {
            let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            let mut client = tiberius::Client::connect(config, stream.compat_write()).await.expect("a login");
            let rows = client.simple_query("SELECT 1").await.expect("an answer").into_first_result().await;
            assert_eq!(rows.expect("rows").len(), 1);
            client.close().await.expect("a goodbye");
        })
    };
    let probe = json!({"sqlserver": {
        "host": "127.0.0.1", "port": port, "database": tds::DATABASE, "user": tds::USER,
        "passwordSecretRef": {"name": "db", "key": "password"}, "tls": {"mode": "Disable"},
    }});
    Ok(Contest::new(probe, &password("db", tds::PASSWORD), Box::new(bare)).keep(server))
}

/// A Secret with a password.
fn password(name: &str, password: &str) -> Secrets {
    let data: SecretData =
        [("password".to_owned(), SecretSlice::from(password.as_bytes().to_vec()))].into_iter().collect();
    let mut secrets = Secrets::default();
    secrets.insert(name.to_owned(), Lookup::Found(data));
    secrets
}

/// Asks Redis what the probe asks: PING; then PING, ROLE and INFO at once.
pub fn redis() -> Result<Contest, String> {
    let server = crate::support::redis::Setup::default().start()?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let bare = move || -> futures::future::LocalBoxFuture<'static, ()> {
        Box::pin(async move {
            let mut stream = TcpStream::connect(address).await.expect("a connection");
            stream.set_nodelay(true).expect("a socket");
            ask(&mut stream, &[cmd("PING")]).await;
            ask(&mut stream, &[cmd("PING"), cmd("ROLE"), cmd("INFO").arg("server").take()]).await;
        })
    };
    let probe = json!({"redis": {"host": "127.0.0.1", "port": server.port()}});
    Ok(Contest::new(probe, &Secrets::default(), Box::new(bare)).keep(server))
}

/// Sends commands, and reads an answer to each with the library's parser.
async fn ask(stream: &mut TcpStream, commands: &[Cmd]) {
    let packed: Vec<u8> = commands.iter().flat_map(Cmd::get_packed_command).collect();
    stream.write_all(&packed).await.expect("a connection");
    let mut heard = Vec::with_capacity(8192);
    loop {
        assert_ne!(stream.read_buf(&mut heard).await.expect("an answer"), 0, "the server closed");
        // One parser for all: it takes in more than it is asked for.
        let (mut parser, mut rest) = (redis::Parser::new(), &heard[..]);
        let answers: Result<Vec<Value>, _> = commands.iter().map(|_| parser.parse_value(&mut rest)).collect();
        if let Ok(answers) = answers {
            assert!(answers.iter().all(|answer| !matches!(answer, Value::ServerError(_))), "{answers:?}");
            return;
        }
    }
}
