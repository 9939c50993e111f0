//! The `tcp` kind: connects; optionally sends text and expects an answer that matches. Does network I/O.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Attempt;
use super::net::{connect, io_cause};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::TcpAction;

/// The most that is read while looking for a match, in bytes.
const MOST_READ: usize = 64 * 1024;

/// Carries out a `tcp` probe.
pub async fn probe(action: &TcpAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let mut stream = connect::connect(attempt, &action.endpoint).await?;
    if action.send.is_none() && action.expect.is_none() {
        return Ok(());
    }
    let target = attempt.plan.target.clone();
    let doing = || format!("waiting for {target} to send what is expected");
    let received = attempt.stage(Stage::Exchange, doing, exchange(&mut stream, action)).await?;
    attempt.answer("received", || String::from_utf8_lossy(&received).into());
    Ok(())
}

/// Sends and reads; returns what was received up to the match.
async fn exchange(stream: &mut TcpStream, action: &TcpAction) -> Result<Vec<u8>, Failure> {
    let broken = |error: std::io::Error| {
        Failure::new(io_cause(&error), Stage::Exchange, format!("the connection broke: {error}"))
    };
    if let Some(text) = &action.send {
        stream.write_all(text.as_bytes()).await.map_err(broken)?;
    }
    let Some(expect) = &action.expect else { return Ok(Vec::new()) };
    let mut received = Vec::with_capacity(512);
    while received.len() < MOST_READ {
        if stream.read_buf(&mut received).await.map_err(broken)? == 0 {
            let message =
                format!("the peer closed the connection after {} bytes, none of which match expect", received.len());
            let cause = if received.is_empty() { Cause::ConnectionClosed } else { Cause::UnexpectedResult };
            return Err(Failure::new(cause, Stage::Exchange, message));
        }
        if expect.is_match(&received) {
            return Ok(received);
        }
    }
    let message = format!("the peer sent {} bytes without a match for expect", received.len());
    Err(Failure::new(Cause::UnexpectedResult, Stage::Exchange, message))
}
