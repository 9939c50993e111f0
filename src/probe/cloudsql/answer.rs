//! What is asked of the Admin API for an instance, on its way and arrived. Values that are shared; no I/O.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::pass::{Certificate, Settings};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;

/// What opens the way.
#[derive(Clone)]
pub struct Grant {
    /// By which the instance is reached and recognised.
    pub settings: Arc<Settings>,
    /// By which it lets us in.
    pub certificate: Arc<Certificate>,
}

/// Why there is no grant.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In words and as a cause.
    pub failure: Failure,
    /// HTTP status of the answer, if there was one.
    pub status: Option<u16>,
    /// How long the server wants to be left alone.
    pub pause: Option<Duration>,
}

/// Answers on their way.
#[derive(Clone)]
pub struct Flight {
    /// The settings.
    pub settings: Awaited<Settings>,
    /// The certificate, which is asked for at the same time.
    pub certificate: Awaited<Certificate>,
}

/// What there is for a probe.
pub enum Found {
    /// A grant that serves, and why it could not be renewed, if so.
    Known(Grant, Option<Refusal>),
    /// Answers to wait for, and what may still serve if they are refusals.
    Asked(Flight, Option<Grant>),
    /// A refusal that is too fresh to ask again, and the settings that came beside it.
    Refused(Refusal, Option<Arc<Settings>>),
}

/// An answer that is shared, or why there is none.
pub type Answer<T> = Result<Arc<T>, Refusal>;

/// One answer that will be there for all who wait.
pub struct Awaited<T> {
    stage: Stage,
    answer: watch::Receiver<Option<Answer<T>>>,
}

impl Flight {
    /// Why what was asked for is refused, if it is.
    pub fn refusal(&self) -> Option<Refusal> {
        let settings = self.settings.peek().and_then(Result::err);
        settings.or_else(|| self.certificate.peek().and_then(Result::err))
    }
}

impl<T> Clone for Awaited<T> {
    fn clone(&self) -> Self {
        Awaited { stage: self.stage, answer: self.answer.clone() }
    }
}

impl<T> Awaited<T> {
    /// An answer of that stage, and by what it is given.
    pub fn new(stage: Stage) -> (watch::Sender<Option<Answer<T>>>, Self) {
        let (sender, answer) = watch::channel(None);
        (sender, Awaited { stage, answer })
    }

    /// Waits for the answer.
    pub async fn arrived(&mut self) -> Answer<T> {
        let answer = self.answer.wait_for(Option::is_some).await;
        answer.ok().and_then(|answer| answer.clone()).unwrap_or_else(|| Err(lost(self.stage)))
    }

    /// The answer, if it is there or will never be.
    pub fn peek(&self) -> Option<Answer<T>> {
        let gone = self.answer.has_changed().is_err();
        let answer = self.answer.borrow().clone();
        answer.or_else(|| gone.then(|| Err(lost(self.stage))))
    }
}

/// Why nobody will answer: the task that asked has ended, by a defect or with the program.
pub fn lost(stage: Stage) -> Refusal {
    let message = "the request to the Cloud SQL Admin API ended without an answer: a defect of runready; see its log";
    Refusal { failure: Failure::new(Cause::ProberError, stage, message), status: None, pause: None }
}
