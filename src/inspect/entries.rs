//! Lists entries of logs (logging v2, `entries:list`, over HTTP with a client of our own: Google's crate lists entries over gRPC
//! alone). Does network I/O. The size of an answer is bounded.

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
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::google::Google;
use super::question::Question;
use crate::cloud::Unread;
use crate::plan::trust;
use crate::reasons::reasons;
use crate::refusal::Answer;

/// Longest page, in bytes.
const LONGEST: usize = 8 * 1024 * 1024;

/// How much is read.
#[derive(Clone, Copy, Debug)]
pub struct Pages {
    /// Entries per page.
    pub size: usize,
    /// Most pages.
    pub most: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page<E> {
    #[serde(default = "Vec::new")]
    entries: Vec<E>,
    #[serde(default)]
    next_page_token: String,
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

/// Reads the entries of a project that a filter leaves, the latest first, as far as a caller wants to know them. Returns whether there
/// are more.
pub async fn read<E: DeserializeOwned>(
    google: &Google,
    question: &Question,
    filter: &str,
    pages: Pages,
    mut take: impl FnMut(E),
) -> Result<bool, Unread> {
    let clients = google.clients(question).await?;
    let url = format!("{}/v2/entries:list", clients.url(question.inspection.api()));
    let mut page = String::new();
    for _ in 0..pages.most {
        let token = clients.token(question).await?.map(SecretString::from);
        let body = json!({
            "resourceNames": [format!("projects/{}", question.project)],
            "filter": filter, "orderBy": "timestamp desc", "pageSize": pages.size, "pageToken": page,
        })
        .to_string();
        let listed: Page<E> = google.asked(question, || list(&url, token.as_ref(), body.clone())).await?;
        listed.entries.into_iter().for_each(&mut take);
        page = listed.next_page_token;
        if page.is_empty() {
            break;
        }
    }
    Ok(!page.is_empty())
}

async fn list<E: DeserializeOwned>(url: &str, token: Option<&SecretString>, body: String) -> Result<Page<E>, Answer> {
    let mut request = Request::post(url).header(CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {}", token.expose_secret()));
    }
    let request = request.body(Full::new(Bytes::from(body))).map_err(|error| failed(&error.to_string()))?;
    let answer = client().await?.request(request).await.map_err(|error| failed(&reasons(&error)))?;
    read_answer(answer).await
}

async fn read_answer<E: DeserializeOwned>(answer: Response<hyper::body::Incoming>) -> Result<Page<E>, Answer> {
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
