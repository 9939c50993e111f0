//! Reads what a service's log says, counted by what it says (logging v2, `entries:list`, over HTTP with a client of our own:
//! Google's crate lists entries over gRPC alone). Does network I/O. The size of an answer is bounded.

use std::sync::OnceLock;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::google::Google;
use super::question::Question;
use super::signature::{Groups, Line};
use crate::cloud::{LogSignature, Unread};
use crate::plan::trust;
use crate::reasons::reasons;
use crate::refusal::Answer;

/// How far back the log is read: an outage of an hour is seen whole.
const WINDOW: Duration = Duration::from_secs(75 * 60);
/// Entries per page.
const PAGE: usize = 500;
/// Most pages.
const MOST_PAGES: usize = 4;
/// Longest page, in bytes.
const LONGEST: usize = 4 * 1024 * 1024;
/// What an application that is about to fail writes without a severity.
const TELLING: &str = "(?i)(error|time.?d? ?out|fail|fatal|exit|refused|unreachable|too many connections)";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    entries: Vec<Entry>,
    #[serde(default)]
    next_page_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    timestamp: Option<Timestamp>,
    #[serde(default)]
    severity: String,
    text_payload: Option<String>,
    json_payload: Option<serde_json::Map<String, serde_json::Value>>,
    proto_payload: Option<Proto>,
}

#[derive(Deserialize)]
struct Proto {
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default)]
    reason: String,
}

/// Reads the log of a service. `question` is about the service.
pub async fn read(
    google: &Google,
    question: &Question,
    region: &str,
    service: &str,
) -> Result<Vec<LogSignature>, Unread> {
    let clients = google.clients(question).await?;
    let url = format!("{}/v2/entries:list", clients.url(question.inspection.api()));
    let filter = filter(region, service, Timestamp::now());
    let (mut groups, mut page) = (Groups::default(), String::new());
    for _ in 0..MOST_PAGES {
        let token = clients.token(question).await?.map(SecretString::from);
        let body = json!({
            "resourceNames": [format!("projects/{}", question.project)],
            "filter": filter, "orderBy": "timestamp desc", "pageSize": PAGE, "pageToken": page,
        })
        .to_string();
        let listed = google.asked(question, || list(&url, token.as_ref(), body.clone())).await?;
        for entry in &listed.entries {
            groups.add(&entry.line());
        }
        page = listed.next_page_token;
        if page.is_empty() {
            break;
        }
    }
    Ok(groups.finish(!page.is_empty()))
}

fn filter(region: &str, service: &str, now: Timestamp) -> String {
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    format!(
        "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"{service}\" \
         AND resource.labels.location=\"{region}\" AND timestamp>=\"{since:.0}\" \
         AND (severity>=WARNING OR logName:\"run.googleapis.com%2Fvarlog%2Fsystem\" \
         OR (logName:\"run.googleapis.com%2Fstderr\" AND textPayload=~\"{TELLING}\"))"
    )
}

async fn list(url: &str, token: Option<&SecretString>, body: String) -> Result<Page, Answer> {
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| failed(&error.to_string()))?;
    let answer = client().await?.request(request).await.map_err(|error| failed(&reasons(&error)))?;
    read_answer(answer).await
}

async fn read_answer(answer: Response<hyper::body::Incoming>) -> Result<Page, Answer> {
    let status = answer.status();
    let pause = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let body = Limited::new(answer.into_body(), LONGEST).collect().await;
    let malformed =
        |why: String| Answer { status: Some(status.as_u16()), said: why, malformed: true, ..Answer::default() };
    let body = body
        .map_err(|error| {
            malformed(format!("the answer broke off or is longer than {LONGEST} bytes: {}", reasons(&*error)))
        })?
        .to_bytes();
    if status.is_success() {
        return serde_json::from_slice(&body)
            .map_err(|error| malformed(format!("the answer is not what it should be: {error}")));
    }
    let refusal = serde_json::from_slice::<Refusal>(&body).ok().map(|refusal| refusal.error);
    let mut reason = refusal.iter().flat_map(|error| &error.details).map(|detail| detail.reason.clone());
    Err(Answer {
        status: Some(status.as_u16()),
        reason: reason.find(|reason| !reason.is_empty()),
        said: refusal.map(|error| error.message).unwrap_or_default(),
        pause: pause.map(Duration::from_secs),
        ..Answer::default()
    })
}

type HttpsClient = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Made once: it holds the system's CA certificates. It keeps no connection.
async fn client() -> Result<HttpsClient, Answer> {
    static CLIENT: OnceLock<HttpsClient> = OnceLock::new();
    if let Some(client) = CLIENT.get() {
        return Ok(client.clone());
    }
    let made = tokio::task::spawn_blocking(|| {
        let tls = rustls::ClientConfig::builder_with_provider(trust::provider())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(trust::system_roots())
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        Ok::<_, String>(Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector))
    });
    let made = made.await.map_err(|error| failed(&error.to_string()))?.map_err(|error| failed(&error))?;
    Ok(CLIENT.get_or_init(|| made).clone())
}

fn failed(why: &str) -> Answer {
    Answer { said: why.to_owned(), ..Answer::default() }
}

impl Entry {
    fn line(&self) -> Line {
        let said = |key: &str| self.json_payload.as_ref()?.get(key)?.as_str();
        let json = ["message", "msg", "error", "event"].into_iter().find_map(said);
        let status = || self.proto_payload.as_ref()?.status.as_ref().map(|status| status.message.as_str());
        let text = self.text_payload.as_deref().or(json).or_else(status).unwrap_or_default();
        Line { at: self.timestamp.unwrap_or_default(), severity: self.severity.clone(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_entry_is_found_in_each_form() {
        for entry in [
            r#"{"timestamp": "2026-01-02T03:04:05.678Z", "severity": "ERROR", "textPayload": "no"}"#,
            r#"{"timestamp": "2026-01-02T03:04:05.678Z", "severity": "ERROR", "jsonPayload": {"message": "no"}}"#,
            r#"{"timestamp": "2026-01-02T03:04:05.678Z", "severity": "ERROR", "protoPayload": {"@type": "x", "status": {"message": "no"}}}"#,
        ] {
            let line = serde_json::from_str::<Entry>(entry).expect("an entry").line();
            assert_eq!((&*line.text, &*line.severity), ("no", "ERROR"), "{entry}");
        }
    }

    #[test]
    fn the_filter_names_the_service_and_the_window() {
        let filter = filter("us-central1", "backend", "2026-01-02T04:15:00.5Z".parse().expect("a time"));
        assert!(filter.contains("service_name=\"backend\"") && filter.contains("location=\"us-central1\""), "{filter}");
        assert!(filter.contains("timestamp>=\"2026-01-02T03:00:00Z\""), "{filter}");
    }
}
