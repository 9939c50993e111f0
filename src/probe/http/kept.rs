//! An HTTP/1.1 connection that is kept for many requests, as a service's own client keeps it. Does network I/O.
//!
//! What goes wrong has the same causes as with a connection for each request. A connection that the peer has closed while
//! nothing was asked is replaced; one that breaks while an answer is awaited is a failure of that request.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONNECTION};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;

use super::exchange::{Answer, MAX_HEADER, Request, failure, outgoing};
use super::{authorize, connect, expect, frontend, settings};
use crate::api::probes::HttpVersion;
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::kinds::{AuthPlan, Destination, HttpAction, shown_url};
use crate::plan::{Action, ProbePlan};
use crate::probe::Attempt;
use crate::probe::driven::Driven;
use crate::probe::net::channel::{Channel, Secured};
use crate::probe::net::tls::Session;

type Connection = http1::Connection<TokioIo<Secured>, Full<Bytes>>;

/// The same request, again and again, over one connection at a time.
pub struct Kept<'a> {
    action: &'a HttpAction,
    request: Request<'a>,
    template: hyper::Request<Full<Bytes>>,
    line: Option<Line>,
    /// Whether the credentials have an end.
    ends: bool,
}

struct Line {
    sender: http1::SendRequest<Full<Bytes>>,
    connection: Driven<Connection>,
    session: Option<Session>,
}

impl<'a> Kept<'a> {
    /// A connection for that probe; none if it is more than one exchange over HTTP/1.1, or looks into bodies.
    pub fn new(plan: &'a ProbePlan) -> Option<Self> {
        let Ok(Action::Http(action)) = plan.action.as_deref() else { return None };
        if plan.assertions.is_some()
            || action.expect_body.is_some()
            || action.follow_redirects > 0
            || action.to.version != HttpVersion::Http1
        {
            return None;
        }
        // A client takes the first address that answers.
        let mut to = Destination::clone(&action.to);
        to.endpoint.happy_eyeballs = true;
        let request = Request { to: Arc::new(to), ..Request::of(action) };
        let mut template = outgoing(&request);
        if !request.headers.contains_key(CONNECTION) {
            template.headers_mut().remove(CONNECTION);
        }
        Some(Kept { action, request, template, line: None, ends: false })
    }

    /// Sends the request once, and judges the answer.
    pub async fn send(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
        self.authorize(attempt).await?;
        let mut line = match self.usable().await {
            Some(line) => line,
            None => self.open(attempt).await?,
        };
        let answer = self.exchange(&mut line, attempt).await?;
        if !line.sender.is_closed() {
            self.line = Some(line);
        }
        expect::judge(self.action, &self.request, &answer)
    }

    /// Sets the credentials: for a new connection, and anew where those at hand had an end and have come to it. What the peer does
    /// not accept is kept all the same: an issuer is not asked at the rate of a load.
    async fn authorize(&mut self, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
        let Some(plan) = &self.action.auth else { return Ok(()) };
        let holds = || match plan {
            AuthPlan::Known(_) => false,
            AuthPlan::Token(plan) => plan.held(Timestamp::now()).is_some(),
        };
        if self.line.is_none() || (self.ends && !holds()) {
            self.template.headers_mut().insert(AUTHORIZATION, authorize(attempt, plan).await?);
            self.ends = holds();
        }
        Ok(())
    }

    /// The connection that is kept, if it still is one.
    async fn usable(&mut self) -> Option<Line> {
        let mut line = self.line.take()?;
        let ready = line.connection.beside(line.sender.ready()).await;
        (ready.is_ok() && line.connection.end().is_none()).then_some(line)
    }

    async fn open(&mut self, attempt: &mut Attempt<'_>) -> Result<Line, Failure> {
        let Destination { url, endpoint, .. } = &*self.request.to;
        let secure = url.scheme() == "https";
        let session = secure
            .then(|| Session::new(&settings(self.action, &self.request), &endpoint.host, &[b"http/1.1"]))
            .transpose()?;
        let channel = Channel::Tcp(connect::connect(attempt, endpoint).await?);
        let stream = Secured::over(attempt, session.as_ref(), &endpoint.host, channel).await?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEADER);
        let (sender, connection) = builder
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| failure(Stage::Request, &error, session.as_ref()))?;
        Ok(Line { sender, connection: Driven::new(connection), session })
    }

    async fn exchange(&self, line: &mut Line, attempt: &mut Attempt<'_>) -> Result<Answer, Failure> {
        let Line { sender, connection, session } = line;
        let broken = |stage, error: &hyper::Error| failure(stage, error, session.as_ref());
        let shown = || shown_url(&self.request.to.url);
        let waiting = || format!("waiting for {} {} to be answered", self.request.method, shown());
        let work = async {
            let sent = sender.send_request(self.template.clone());
            connection.beside(sent).await.map_err(|error| broken(Stage::Request, &error))
        };
        let (head, mut incoming) = attempt.stage(Stage::Request, waiting, work).await?.into_parts();
        let mut answer =
            Answer { status: head.status, headers: head.headers, body: Vec::new(), complete: true, body_bytes: 0 };
        let most = self.action.max_body_bytes;
        let work = async {
            while let Some(frame) = incoming.frame().await {
                let frame = frame.map_err(|error| broken(Stage::Body, &error))?;
                let Some(data) = frame.data_ref() else { continue };
                answer.body_bytes += data.len();
                if answer.body_bytes > most {
                    let message = format!(
                        "the body of {} has at least {} bytes; maxBodyBytes is {most}",
                        shown(),
                        answer.body_bytes
                    );
                    return Err(Failure::new(Cause::ResponseTooLarge, Stage::Body, message));
                }
                // Of an answer that stands for a failure, what tells who gave it.
                if frontend::speaks(answer.status, &answer.headers) {
                    let room = frontend::MOST.saturating_sub(answer.body.len());
                    answer.body.extend_from_slice(&data[..data.len().min(room)]);
                }
            }
            Ok(())
        };
        attempt.stage(Stage::Body, || format!("reading the body of {}", shown()), connection.beside(work)).await?;
        Ok(answer)
    }
}
