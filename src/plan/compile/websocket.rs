//! Compiles a `websocket` probe. Pure but for the CA certificates of the system.

use std::time::Duration;

use hyper::header::HeaderName;
use jsonpath_rust::parser::model::{JpQuery, Segment, Selector};
use jsonpath_rust::parser::parse_json_path;
use url::Url;

use super::http::has_user;
use super::{Compiler, invalid};
use crate::api::probes::{ExpectJson, HttpVersion, WebsocketProbe, WebsocketStep as Spec};
use crate::plan::Fault;
use crate::plan::kinds::{Action, Destination, JsonWanted, Wanted, WebsocketAction, WebsocketStep, WebsocketWait};

const DEFAULT_MAX_MESSAGE_BYTES: u32 = 256 * 1024;
const DEFAULT_MAX_MESSAGES: u32 = 1000;

/// Headers that the request to upgrade has of itself (RFC 6455, section 4.1).
const OWN: [&str; 6] = [
    "connection",
    "upgrade",
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
];

impl Compiler<'_> {
    pub(super) fn websocket(&self, spec: &WebsocketProbe) -> Result<Action, Fault> {
        let url = Url::parse(&spec.url)
            .map_err(|error| invalid(self.at("websocket.url"), format!("is not a URL: {error}")))?;
        if !matches!(url.scheme(), "ws" | "wss") || url.host_str().is_none() || has_user(&url) {
            return Err(invalid(
                self.at("websocket.url"),
                "must be a ws:// or wss:// URL with a host and without a user",
            ));
        }
        let headers = self.headers("websocket", &spec.headers, &spec.headers_from_secret)?;
        self.no_own_headers(headers.keys().map(HeaderName::as_str))?;
        let auth = self.only_auth("websocket", spec.auth.as_ref(), &url, &headers)?;
        let tls = self.http_tls("websocket.tls", spec.tls.as_ref(), url.scheme() == "ws")?;
        // WebSockets over HTTP/2 (RFC 8441) are not asked for.
        let to = Destination::of(url, HttpVersion::Http1, spec.happy_eyeballs)
            .map_err(|problem| invalid(self.at("websocket.url"), problem))?;
        let steps = spec.steps.iter().enumerate().map(|(index, step)| self.websocket_step(index, step));
        Ok(Action::Websocket(Box::new(WebsocketAction {
            tls,
            to,
            headers,
            auth,
            subprotocols: spec.subprotocols.iter().map(|name| name.as_str().into()).collect(),
            expect_subprotocol: spec.expect_subprotocol.as_deref().map(Into::into),
            steps: steps.collect::<Result<_, Fault>>()?,
            max_time_to_first_message: spec.max_time_to_first_message.map(Duration::from),
            max_message_bytes: spec.max_message_bytes.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES) as usize,
        })))
    }

    /// Nobody else sets the headers that make the request one to upgrade.
    pub(super) fn no_own_headers<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Result<(), Fault> {
        match names.find_map(|name| OWN.into_iter().find(|own| own.eq_ignore_ascii_case(name))) {
            None => Ok(()),
            Some(name) => {
                let hint = if name == "sec-websocket-protocol" { ": use subprotocols" } else { ": leave it out" };
                Err(invalid(self.at("websocket.headers"), format!("{name} is the handshake's own header{hint}")))
            }
        }
    }

    fn websocket_step(&self, index: usize, spec: &Spec) -> Result<WebsocketStep, Fault> {
        let path = format!("websocket.steps[{index}]");
        let within = spec.within.map(Duration::from);
        let max_messages = spec.max_messages.unwrap_or(DEFAULT_MAX_MESSAGES);
        let wait = |wanted| WebsocketStep::Expect(WebsocketWait { wanted, within, max_messages });
        match spec {
            Spec { send: Some(text), send_base64: None, expect: None, expect_json: None, ping: None, .. } => {
                Ok(WebsocketStep::Send(text.as_str().into()))
            }
            Spec { send: None, send_base64: Some(text), expect: None, expect_json: None, ping: None, .. } => {
                self.base64(&format!("{path}.sendBase64"), text).map(WebsocketStep::SendBinary)
            }
            Spec { send: None, send_base64: None, expect: Some(pattern), expect_json: None, ping: None, .. } => {
                Ok(wait(Wanted::Text(self.regex(&format!("{path}.expect"), pattern)?)))
            }
            Spec { send: None, send_base64: None, expect: None, expect_json: Some(json), ping: None, .. } => {
                Ok(wait(Wanted::Json(self.json_wanted(&format!("{path}.expectJson"), json)?)))
            }
            Spec { send: None, send_base64: None, expect: None, expect_json: None, ping: Some(true), .. } => {
                Ok(WebsocketStep::Ping(within))
            }
            _ => Err(invalid(self.at(&path), "exactly one of send, sendBase64, expect, expectJson and ping: true")),
        }
    }

    /// A value that must be found in JSON, at `path`. Descendants, filters, slices and unions could visit a part of a peer's
    /// message more than once, each: a short path would take without bound.
    pub(super) fn json_wanted(&self, path: &str, spec: &ExpectJson) -> Result<JsonWanted, Fault> {
        let query = self.plain_path(&format!("{path}.path"), &spec.path)?;
        let matches = spec.matches.as_deref().map(|pattern| self.regex(&format!("{path}.matches"), pattern));
        Ok(JsonWanted { written: spec.path.as_str().into(), path: query, matches: matches.transpose()? })
    }

    /// A JSONPath that looks at each value of an answer once at most.
    pub(super) fn plain_path(&self, path: &str, written: &str) -> Result<JpQuery, Fault> {
        let field = self.at(path);
        let query = parse_json_path(written)
            .map_err(|error| invalid(&field, format!("{written:?} is not a JSONPath (RFC 9535): {error}")))?;
        let once = |segment: &Segment| match segment {
            Segment::Selector(selector) => {
                matches!(selector, Selector::Name(_) | Selector::Index(_) | Selector::Wildcard)
            }
            Segment::Selectors(_) | Segment::Descendant(_) => false,
        };
        if !query.segments.iter().all(once) {
            let message = format!("{written:?} may have names, indexes and *, and nothing else");
            return Err(invalid(field, message));
        }
        Ok(query)
    }
}
