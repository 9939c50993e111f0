//! From an open way to a session: the handshake, tls and authenticate stages. Does network I/O.
//!
//! The server speaks first: its greeting comes before TLS, and an error may come in its place. MySQL documentation,
//! "Connection Phase".

use std::collections::HashMap;

use mysql_common::collations::CollationId;
use mysql_common::constants::CapabilityFlags;
use mysql_common::packets::{AuthPlugin, HandshakeResponse, SslRequest};
use mysql_common::proto::MySerialize;
use secrecy::zeroize::Zeroizing;
use tokio::io::BufReader;
use tokio_rustls::client::TlsStream;

use super::exchange::Exchange;
use super::greeting::Greeting;
use super::proof::{Payload, Proof, Reply, Seal, Shelter};
use super::refusal::Refusal;
use super::session::{Connection, Packets, Session};
use super::wire::{Trouble, Violation, Wire};
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{DatabaseTlsPlan, MysqlAction};
use crate::plan::trust::{TlsPlan, Verification};
use crate::probe::Attempt;
use crate::probe::net::channel::Channel;
use crate::probe::net::tls;

/// What is asked for, as far as the server has it. Neither local files nor several statements in one query.
const WANTED: CapabilityFlags = CapabilityFlags::CLIENT_LONG_PASSWORD
    .union(CapabilityFlags::CLIENT_LONG_FLAG)
    .union(CapabilityFlags::CLIENT_PROTOCOL_41)
    .union(CapabilityFlags::CLIENT_TRANSACTIONS)
    .union(CapabilityFlags::CLIENT_SECURE_CONNECTION)
    .union(CapabilityFlags::CLIENT_MULTI_RESULTS)
    .union(CapabilityFlags::CLIENT_PLUGIN_AUTH)
    .union(CapabilityFlags::CLIENT_CONNECT_ATTRS);
/// Without these a login of today can't be had.
const NEEDED: CapabilityFlags = CapabilityFlags::CLIENT_PROTOCOL_41.union(CapabilityFlags::CLIENT_SECURE_CONNECTION);
/// The largest packet that the server may send, as far as it cares.
const LARGEST: u32 = 16 << 20;
/// From this version on, servers have utf8mb4.
const UTF8MB4: (u16, u16, u16) = (5, 5, 3);
/// How many packets the server may need to make up its mind.
const MOST_ROUNDS: usize = 16;

/// Logs in over a way that is open.
pub async fn log_in(action: &MysqlAction, attempt: &mut Attempt<'_>, channel: Channel) -> Result<Session, Failure> {
    let own = own_shelter(&channel);
    let mut exchange = Exchange::new(attempt.plan.target.clone(), action.password.is_some(), own > Shelter::Open);
    let mut wire = Wire::new(channel);
    let greeting = exchange.stage(attempt, Stage::Handshake, greet(&mut wire)).await?;
    attempt.fact(Fact::ServerVersion, String::from(&*greeting.version));
    let asked = match &action.tls {
        DatabaseTlsPlan::Disable => None,
        DatabaseTlsPlan::Prefer(plan) => Some(plan).filter(|_| greeting.offers_tls()),
        DatabaseTlsPlan::Require(plan) => Some(plan),
    };
    let (mut wire, shelter) = match asked {
        None => (packets(wire, |channel| Box::new(channel)), own),
        Some(plan) => {
            let (stream, session) = secure(action, attempt, &exchange, &greeting, wire, plan).await?;
            exchange.tls = Some(session);
            (packets(stream, |stream| stream), own.max(tls_shelter(plan)))
        }
    };
    let mut proof = Proof::new(action.password.as_ref(), shelter, &greeting.plugin, greeting.nonce);
    let work = authenticate(action, &greeting, &mut wire, &mut proof, asked.is_some());
    let result = exchange.stage(attempt, Stage::Authenticate, work).await;
    attempt.fact(Fact::AuthenticationMethod, proof.method().as_str());
    result.map(|()| Session::new(wire, exchange))
}

/// How well a way keeps what is said on it, without the database's own TLS.
const fn own_shelter(channel: &Channel) -> Shelter {
    match channel {
        Channel::Tcp(_) => Shelter::Open,
        Channel::Unix(_) | Channel::CloudSql(_) => Shelter::Certain,
    }
}

const fn tls_shelter(plan: &TlsPlan) -> Shelter {
    match plan.verification {
        Verification::Nothing => Shelter::Encrypted,
        Verification::Chain | Verification::ChainAndName => Shelter::Certain,
    }
}

/// From here on the stream is read ahead: before, what follows early must be left to the TLS handshake.
fn packets<S>(wire: Wire<S>, boxed: impl FnOnce(S) -> Box<dyn Connection>) -> Packets {
    let (stream, sequence) = wire.into_parts();
    Wire::resume(BufReader::with_capacity(4096, boxed(stream)), sequence)
}

async fn greet(wire: &mut Wire<Channel>) -> Result<Greeting, Trouble> {
    let greeting = Greeting::read(&wire.greeting().await?)?;
    if !greeting.capabilities.contains(NEEDED) {
        return Err(Trouble::Method(format!(
            "the server is of version {}, whose authentication is from before MySQL 4.1",
            greeting.version
        )));
    }
    Ok(greeting)
}

/// The tls stage: asks for TLS if the greeting offers it, and shakes hands.
async fn secure(
    action: &MysqlAction,
    attempt: &mut Attempt<'_>,
    exchange: &Exchange,
    greeting: &Greeting,
    mut wire: Wire<Channel>,
    plan: &TlsPlan,
) -> Result<(Wire<Box<dyn Connection>>, tls::Session), Failure> {
    let host = action.way.host();
    let session = tls::Session::new(plan, host, &[])?;
    let work = async {
        if !greeting.offers_tls() {
            let message = format!("{host} does not offer TLS (its greeting lacks the capability)");
            return Err(Failure::new(Cause::TlsNotOffered, Stage::Tls, message));
        }
        let mut request = Vec::with_capacity(32);
        let capabilities = capabilities(action, greeting, true);
        SslRequest::new(capabilities, LARGEST, CollationId::UTF8MB4_GENERAL_CI as u8).serialize(&mut request);
        wire.write(&request).await.map_err(|trouble| exchange.failure(Stage::Tls, trouble))?;
        let (channel, sequence) = wire.into_parts();
        Ok((session.handshake(channel).await?, sequence))
    };
    let result: Result<(Box<TlsStream<Channel>>, u8), Failure> =
        attempt.stage(Stage::Tls, || exchange.doing(Stage::Tls), work).await;
    session.record(attempt, result.as_ref().ok().map(|(stream, _)| &**stream));
    let (stream, sequence) = result?;
    Ok((Wire::resume(stream, sequence), session))
}

/// The authenticate stage's work: up to the server's acceptance.
async fn authenticate(
    action: &MysqlAction,
    greeting: &Greeting,
    wire: &mut Packets,
    proof: &mut Proof<'_>,
    tls: bool,
) -> Result<(), Trouble> {
    let response = response(action, greeting, proof, tls)?;
    wire.write(&response).await?;
    for _ in 0..MOST_ROUNDS {
        let packet = wire.read().await?;
        if let Some(refusal) = Refusal::read(&packet) {
            return Err(Trouble::Refused(refusal));
        }
        let reply = match &packet[..] {
            [0x00, ..] => return Ok(()),
            [0x01, data @ ..] => proof.more(data)?,
            // Without a name: the way of before 4.1, whose digest is as good as the password.
            [0xfe] => Reply::Say(proof.switch(b"mysql_old_password", &[])?),
            [0xfe, request @ ..] => {
                let end = request.iter().position(|byte| *byte == 0).unwrap_or(request.len());
                Reply::Say(proof.switch(&request[..end], request.get(end + 1..).unwrap_or_default())?)
            }
            _ => return Err(Violation::Malformed("the answer to the login").into()),
        };
        match reply {
            Reply::Nothing => {}
            Reply::Say(payload) => wire.write(&payload).await?,
            Reply::Seal(seal) => wire.write(&sealed(seal).await?).await?,
        }
    }
    Err(Violation::Endless.into())
}

/// RSA is no work for a thread that serves others.
async fn sealed(seal: Seal) -> Result<Payload, Trouble> {
    tokio::task::spawn_blocking(|| seal.close())
        .await
        .unwrap_or_else(|error| Err(Trouble::Method(format!("the encryption of the password broke off: {error}"))))
}

/// HandshakeResponse41, with the first part of the proof.
fn response(action: &MysqlAction, greeting: &Greeting, proof: &Proof<'_>, tls: bool) -> Result<Payload, Trouble> {
    let capabilities = capabilities(action, greeting, tls);
    let has = |capability| capabilities.contains(capability);
    let plugin = has(CapabilityFlags::CLIENT_PLUGIN_AUTH)
        .then(|| AuthPlugin::from_bytes(proof.method().as_str().as_bytes()).into_owned());
    let attributes = || HashMap::from([("program_name".to_owned(), "runready".to_owned())]);
    let opening = proof.opening()?;
    let response = HandshakeResponse::new(
        Some(&opening[..]),
        UTF8MB4,
        Some(action.user.as_bytes()),
        action.database.as_deref().map(str::as_bytes),
        plugin,
        capabilities,
        has(CapabilityFlags::CLIENT_CONNECT_ATTRS).then(attributes),
        LARGEST,
    );
    let mut payload = Zeroizing::new(Vec::with_capacity(256));
    response.serialize(&mut payload);
    Ok(payload)
}

fn capabilities(action: &MysqlAction, greeting: &Greeting, tls: bool) -> CapabilityFlags {
    let mut capabilities = WANTED & greeting.capabilities;
    capabilities.set(CapabilityFlags::CLIENT_CONNECT_WITH_DB, action.database.is_some());
    capabilities.set(CapabilityFlags::CLIENT_SSL, tls);
    capabilities
}
