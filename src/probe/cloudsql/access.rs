//! How Google's APIs are asked: where they are, and as whom. Gets tokens, which is network I/O.

use std::time::Duration;

use google_cloud_auth::credentials::{AccessTokenCredentials, Builder};
use tokio::time::timeout;
use url::{Host, Url};

use crate::reasons::reasons;

/// Longest wait for a token.
const TOKEN_LIMIT: Duration = Duration::from_secs(5);

/// How Google's APIs are asked.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Where the APIs are. None: at Google.
    pub endpoint: Option<Endpoint>,
    /// As whom.
    pub credentials: Credentials,
    /// How long a token that was just got surely lasts. None: 4 minutes.
    pub token_life: Option<Duration>,
}

/// As whom Google's APIs are asked.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// Application Default Credentials: a file, or the metadata server.
    #[default]
    Default,
    /// As nobody: for a stand-in that asks for no token.
    Anonymous,
    /// As this one.
    Given(AccessTokenCredentials),
}

/// The base URL of an API: https, or http on this very machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

impl Access {
    /// What tokens of that scope come from. None: no token is wanted.
    pub fn credentials(&self, scope: &str) -> Result<Option<AccessTokenCredentials>, String> {
        match &self.credentials {
            Credentials::Anonymous => Ok(None),
            Credentials::Given(credentials) => Ok(Some(credentials.clone())),
            Credentials::Default => Builder::default()
                .with_scopes([scope])
                .build_access_token_credentials()
                .map(Some)
                .map_err(|error| reasons(&error)),
        }
    }
}

impl Endpoint {
    /// The URL, without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url: Url = text.parse().map_err(|error| format!("{text:?} is no URL: {error}"))?;
        let local = match url.host() {
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        };
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty() && url.password().is_none();
        match (url.scheme(), bare) {
            ("https", true) => Ok(Endpoint(text.trim_end_matches('/').to_owned())),
            ("http", true) if local => Ok(Endpoint(text.trim_end_matches('/').to_owned())),
            ("http", true) => {
                Err(format!("{text:?}: http would send tokens in plain text; it is for this machine alone"))
            }
            _ => Err(format!("{text:?} must be a scheme and a host, such as https://sqladmin.example.internal")),
        }
    }
}

/// What google-cloud-auth says where there are neither credentials nor a metadata server.
const NOWHERE: &str = "not running in a Google Cloud Environment and you have not configured local credentials";

/// A token at hand, or why there is none.
pub async fn token(credentials: &AccessTokenCredentials) -> Result<String, String> {
    let credentials = credentials.clone();
    // A task of its own: the library panics where the task that renews its token has ended.
    let asking = tokio::spawn(async move { credentials.access_token().await });
    match timeout(TOKEN_LIMIT, asking).await {
        Ok(Ok(Ok(token))) => Ok(token.token),
        Ok(Ok(Err(error))) => Err(without_credentials(reasons(&error))),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {}s", TOKEN_LIMIT.as_secs())),
    }
}

/// Says in few words what the library says in many: that nothing on this machine gives a token.
fn without_credentials(why: String) -> String {
    if why.contains(NOWHERE) {
        "no credentials were found: neither GOOGLE_APPLICATION_CREDENTIALS nor those of `gcloud auth application-default login`, and no \
         metadata server answers here"
            .to_owned()
    } else {
        why
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_https_or_on_this_machine_and_has_no_path() {
        for good in
            ["https://sqladmin.p.googleapis.com", "https://10.0.0.1/", "http://127.0.0.1:8080", "http://[::1]:1"]
        {
            assert!(good.parse::<Endpoint>().is_ok(), "{good}");
        }
        for bad in
            ["", "sqladmin", "http://10.0.0.1", "http://sqladmin.example", "https://a/b", "https://u:p@a", "ftp://a"]
        {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
    }
}
