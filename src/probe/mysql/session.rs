//! A session: logged in, and ready for queries. Does network I/O.

use std::pin::pin;

use mysql_common::constants::Command;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};

use super::answer::{self, Answer};
use super::exchange::Exchange;
use super::wire::{Row, Trouble, Wire};
use crate::api::Stage;
use crate::evidence::Failure;
use crate::probe::database::farewell;

/// Any connection.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Connection for S {}

/// What a session's packets go over.
pub type Packets = Wire<BufReader<Box<dyn Connection>>>;

/// A session with a server.
pub struct Session {
    wire: Packets,
    /// What is known of it.
    pub exchange: Exchange,
}

impl Session {
    /// A session whose login is complete.
    pub const fn new(wire: Packets, exchange: Exchange) -> Self {
        Session { wire, exchange }
    }

    /// Runs a statement and reads all of its results; `look` sees each row. A failure is one of `stage`.
    pub async fn run(&mut self, stage: Stage, sql: &str, look: impl FnMut(&Row)) -> Result<Answer, Failure> {
        self.ask(sql, look).await.map_err(|trouble| self.exchange.failure(stage, trouble))
    }

    /// [`Session::run`], where a refusal may be an answer.
    pub async fn ask(&mut self, sql: &str, look: impl FnMut(&Row)) -> Result<Answer, Trouble> {
        let command = [&[Command::COM_QUERY as u8], sql.as_bytes()].concat();
        self.wire.command(&command).await?;
        answer::read(&mut self.wire, look).await
    }

    /// Ends it in good order, so that the server does not count a connection that was lost.
    pub async fn close(mut self) {
        let goodbye = pin!(async {
            let _ = self.wire.command(&[Command::COM_QUIT as u8]).await;
            let _ = self.wire.stream().shutdown().await;
        });
        farewell(goodbye).await;
    }
}
