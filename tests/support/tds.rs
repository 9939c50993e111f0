//! A SQL Server as far as logins and simple queries go, built from MS-TDS (version 7.4), since none can be had here: PRELOGIN, TLS
//! within its packets, LOGIN7 with the password that it hides, tokens of results and errors. Takes what the server is like; it
//! serves every connection on a free port of 127.0.0.1.

pub mod talk;
pub mod token;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;

use self::talk::{BATCH, LOGIN, PRELOGIN, Talk};
use super::hostile::tls::Tls;
use super::hostile::{Server, Step, close, listener, play};

/// The one login of every server here.
pub const USER: &str = "app";
/// Its password; not ASCII, since the way of hiding it works on UTF-16.
pub const PASSWORD: &str = "Grüße, 7 Pferde";
/// The one database.
pub const DATABASE: &str = "orders";

/// What a side says of encryption (MS-TDS 2.2.6.5).
const OFF: u8 = 0;
const ON: u8 = 1;
const NOT_SUPPORTED: u8 = 2;
const REQUIRED: u8 = 3;

/// What comes in place of an answer.
#[derive(Clone)]
enum Reply {
    /// A message of these tokens.
    Tokens(Vec<u8>),
    /// The same after that time.
    Slow(Duration, Vec<u8>),
    /// Whatever a script does to the connection; only in plain text.
    Script(Vec<Step>),
}

/// What the server is like.
#[derive(Clone, Default)]
pub struct Tds {
    tls: Option<Arc<ServerConfig>>,
    forced: bool,
    read_only: bool,
    capacity: Option<u64>,
    login: Option<Reply>,
    answers: Vec<(&'static str, Reply)>,
    connections: Arc<AtomicU64>,
}

impl Tds {
    /// A server without TLS that accepts writes.
    pub fn new() -> Tds {
        Tds::default()
    }

    /// Offers TLS.
    pub fn tls(self, tls: Tls) -> Tds {
        Tds { tls: Some(tls.acceptor().config().clone()), ..self }
    }

    /// Demands TLS (Force Encryption).
    pub fn forced(self) -> Tds {
        Tds { forced: true, ..self }
    }

    /// Its database is a secondary replica.
    pub fn read_only(self) -> Tds {
        Tds { read_only: true, ..self }
    }

    /// Takes so many logins at once, and no more.
    pub fn capacity(self, logins: u64) -> Tds {
        Tds { capacity: Some(logins), ..self }
    }

    /// Answers every login with these tokens.
    pub fn on_login(self, tokens: Vec<u8>) -> Tds {
        Tds { login: Some(Reply::Tokens(tokens)), ..self }
    }

    /// Plays a script once a login has come.
    pub fn play_on_login(self, script: Vec<Step>) -> Tds {
        Tds { login: Some(Reply::Script(script)), ..self }
    }

    /// Answers a statement with these tokens.
    pub fn on(mut self, statement: &'static str, tokens: Vec<u8>) -> Tds {
        self.answers.push((statement, Reply::Tokens(tokens)));
        self
    }

    /// Answers a statement with these tokens after that time; that it has come counts as a byte sent.
    pub fn slow_on(mut self, statement: &'static str, after: Duration, tokens: Vec<u8>) -> Tds {
        self.answers.push((statement, Reply::Slow(after, tokens)));
        self
    }

    /// Plays a script once a statement has come.
    pub fn play_on(mut self, statement: &'static str, script: Vec<Step>) -> Tds {
        self.answers.push((statement, Reply::Script(script)));
        self
    }

    /// Starts it.
    pub fn start(self) -> Server {
        let this = Arc::new(self);
        Server::start(listener("127.0.0.1:0"), move |stream, sent| {
            let this = this.clone();
            async move { this.connection(stream, &sent).await }
        })
    }

    async fn connection(&self, stream: TcpStream, sent: &AtomicU64) {
        let mut talk = Talk::new(stream);
        let now = self.connections.fetch_add(1, Ordering::SeqCst) + 1;
        let full = self.capacity.is_some_and(|capacity| now > capacity);
        // An error means that the client has gone, or said what no client says.
        let _ = self.serve(&mut talk, full, sent).await;
        self.connections.fetch_sub(1, Ordering::SeqCst);
        let resets =
            |reply: &Reply| matches!(reply, Reply::Script(script) if matches!(script.last(), Some(Step::Reset)));
        let stream = talk.into_stream();
        if self.login.iter().chain(self.answers.iter().map(|(_, reply)| reply)).any(resets) {
            stream.set_zero_linger().expect("our own socket");
        } else {
            close(stream).await;
        }
    }

    async fn serve(&self, talk: &mut Talk, full: bool, sent: &AtomicU64) -> std::io::Result<()> {
        let asked = talk.expect(PRELOGIN).await?;
        let asked = encryption(&asked).ok_or(std::io::ErrorKind::InvalidData)?;
        let told = match (&self.tls, asked) {
            (None, _) => NOT_SUPPORTED,
            (Some(_), OFF) if !self.forced => OFF,
            (Some(_), NOT_SUPPORTED) if !self.forced => NOT_SUPPORTED,
            (Some(_), ON) => ON,
            (Some(_), _) => REQUIRED,
        };
        talk.say(&prelogin(told)).await?;
        match &self.tls {
            Some(config) if told == ON || told == REQUIRED => talk.secure(config.clone()).await?,
            _ => {}
        }
        let login = talk.expect(LOGIN).await?;
        let login = Login::read(&login).ok_or(std::io::ErrorKind::InvalidData)?;
        match (&self.login, login.refusal()) {
            (Some(reply), _) => return self.reply(talk, reply, sent).await,
            (None, _) if full => {
                let what = "The request limit for the database is 2 and has been reached.";
                return talk.say(&token::refusal(10928, 1, 16, what)).await;
            }
            (None, Some(refusal)) => return talk.say(&refusal).await,
            (None, None) => talk.say(&token::welcome(DATABASE)).await?,
        }
        loop {
            let batch = talk.expect(BATCH).await?;
            let statement = statement(&batch).ok_or(std::io::ErrorKind::InvalidData)?;
            match self.answers.iter().find(|(known, _)| *known == statement) {
                Some((_, reply)) => self.reply(talk, reply, sent).await?,
                None => talk.say(&self.answer(&statement)).await?,
            }
        }
    }

    async fn reply(&self, talk: &mut Talk, reply: &Reply, sent: &AtomicU64) -> std::io::Result<()> {
        match reply {
            Reply::Tokens(tokens) => talk.say(tokens).await,
            Reply::Slow(after, tokens) => {
                sent.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(*after).await;
                talk.say(tokens).await
            }
            Reply::Script(script) => {
                play(talk.stream(), script, sent).await?;
                // A script ends the connection.
                Err(std::io::ErrorKind::ConnectionAborted.into())
            }
        }
    }

    /// What every server here knows to answer.
    fn answer(&self, statement: &str) -> Vec<u8> {
        if statement.contains("DATABASEPROPERTYEX(DB_NAME(), 'Updateability')") {
            return token::text("", if self.read_only { "READ_ONLY" } else { "READ_WRITE" });
        }
        if statement.starts_with("SET ") {
            return token::done(0);
        }
        if statement == "SELECT 1" {
            return token::integers("", &[1]);
        }
        if let Some((rows, each, last)) = replicated(statement) {
            return token::filled(rows, each, last);
        }
        let what = format!("Incorrect syntax near '{}'.", statement.split(' ').next().unwrap_or_default());
        token::refusal(102, 1, 15, &what)
    }
}

/// PRELOGIN's answer: version 16.0.4105, and a word on encryption.
pub fn prelogin(encryption: u8) -> Vec<u8> {
    let options = [0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff];
    [&options[..], &[16, 0, 0x10, 0x09, 0, 0], &[encryption]].concat()
}

/// What a client's PRELOGIN says of encryption.
fn encryption(prelogin: &[u8]) -> Option<u8> {
    let option = prelogin.chunks(5).take_while(|option| option[0] != 0xff).find(|option| option[0] == 1)?;
    let offset = u16::from_be_bytes([*option.get(1)?, *option.get(2)?]);
    prelogin.get(usize::from(offset)).copied()
}

/// What a client says of itself (MS-TDS 2.2.6.4).
struct Login {
    user: String,
    password: String,
    database: String,
}

impl Login {
    fn read(login: &[u8]) -> Option<Login> {
        let number = |at: usize| Some(u32::from_le_bytes(login.get(at..at + 4)?.try_into().ok()?));
        // The length of the whole, and version 7.4.
        if number(0)? as usize != login.len() || number(4)? != 0x7400_0004 {
            return None;
        }
        // From byte 36 on: where each text begins, and how many characters it has.
        let text = |index: usize| {
            let at = 36 + 4 * index;
            let half = |at: usize| Some(usize::from(u16::from_le_bytes([*login.get(at)?, *login.get(at + 1)?])));
            login.get(half(at)?..half(at)? + 2 * half(at + 2)?)
        };
        // Each byte of the password has its halves exchanged, and is combined with A5 by XOR.
        let password: Vec<u8> = text(2)?.iter().map(|byte| (byte ^ 0xa5).rotate_left(4)).collect();
        Some(Login { user: utf16(text(1)?)?, password: utf16(&password)?, database: utf16(text(8)?)? })
    }

    fn refusal(&self) -> Option<Vec<u8>> {
        let failed = format!("Login failed for user '{}'.", self.user);
        if self.user != USER || self.password != PASSWORD {
            return Some(token::refusal(18456, 1, 14, &failed));
        }
        if !["", DATABASE].contains(&self.database.as_str()) {
            let what = format!("Cannot open database \"{}\" requested by the login. The login failed.", self.database);
            return Some([token::error(4060, 1, 11, &what), token::refusal(18456, 1, 14, &failed)].concat());
        }
        None
    }
}

/// The text of a batch, after its headers (MS-TDS 2.2.6.7).
fn statement(batch: &[u8]) -> Option<String> {
    let headers = u32::from_le_bytes(batch.get(..4)?.try_into().ok()?) as usize;
    utf16(batch.get(headers..)?)
}

/// Rows of the letter x, if that is what is asked for: how many, how long each is, and how long the last.
fn replicated(statement: &str) -> Option<(u32, u32, u32)> {
    let asked = statement.strip_suffix(" END) FROM r")?.rsplit_once("REPLICATE('x', CASE WHEN i < ")?.1;
    let (rows, lengths) = asked.split_once(" THEN ")?;
    let (each, last) = lengths.split_once(" ELSE ")?;
    Some((rows.parse().ok()?, each.parse().ok()?, last.parse().ok()?))
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
    String::from_utf16(&units).ok()
}
