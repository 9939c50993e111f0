//! The `tcp` kind: connects; optionally holds an exchange, step by step, that may turn to TLS in between. Does network I/O.

mod exchange;

use tokio::net::TcpStream;

use self::exchange::{Exchange, step_time};
use super::Attempt;
use super::net::channel::{Channel, Secured};
use super::net::connect;
use super::net::tls::Session;
use crate::api::{Cause, Stage};
use crate::evidence::{Fact, Failure};
use crate::plan::kinds::{TcpAction, TcpStep};

/// Carries out a `tcp` probe.
pub async fn probe(action: &TcpAction, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let stream = connect::connect(attempt, &action.endpoint).await?;
    if action.steps.is_empty() {
        return Ok(());
    }
    let exchange = Exchange::new(action);
    let result = Box::pin(converse(action, attempt, stream, &exchange)).await;
    let seen = exchange.end();
    let times: Vec<String> = action.steps.iter().zip(&seen.times).map(step_time).collect();
    attempt.fact(Fact::StepTimes, times.join(", "));
    result?;
    attempt.answer("received", || String::from_utf8_lossy(&seen.matched).into());
    Ok(())
}

/// Every step: those before the turn to TLS in one stage, the handshake in its own, those after it in another.
async fn converse(
    action: &TcpAction,
    attempt: &mut Attempt<'_>,
    stream: TcpStream,
    exchange: &Exchange<'_>,
) -> Result<(), Failure> {
    let mut channel = Channel::Tcp(stream);
    let turn = action.steps.iter().position(|step| matches!(step, TcpStep::StartTls));
    let doing = || exchange.waiting();
    let Some((turn, plan)) = turn.zip(action.tls.as_deref()) else {
        let work = exchange.run(&mut channel, 0..action.steps.len(), None);
        return attempt.stage(Stage::Exchange, doing, work).await;
    };
    if turn > 0 {
        attempt.stage(Stage::Exchange, doing, exchange.run(&mut channel, 0..turn, None)).await?;
    }
    let session = Session::new(plan, &action.endpoint.host, &[])?;
    exchange.enter(turn);
    let mut stream = secure(attempt, exchange, channel, &session).await?;
    exchange.passed();
    if turn + 1 < action.steps.len() {
        let work = exchange.run(&mut stream, turn + 1..action.steps.len(), Some(&session));
        attempt.stage(Stage::Exchange, doing, work).await?;
    }
    Ok(())
}

/// The handshake. What came in plain text before it and was not part of an answer is not taken for what comes within TLS:
/// anyone on the way could have put it there.
async fn secure(
    attempt: &mut Attempt<'_>,
    exchange: &Exchange<'_>,
    channel: Channel,
    session: &Session,
) -> Result<Secured, Failure> {
    if let Some(stuffed) = exchange.left_over() {
        let message = format!(
            "{}: {stuffed} came in plain text after the answer and before TLS; it may be put in by somebody in between, \
             or expect does not match the answer to its end",
            exchange.place()
        );
        let refused = async { Err::<(), _>(Failure::new(Cause::TlsProtocolError, Stage::Tls, message)) };
        attempt.stage(Stage::Tls, || "turning to TLS", refused).await?;
    }
    Secured::over(attempt, Some(session), exchange.host(), channel).await
}
