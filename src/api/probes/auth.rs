//! How a request proves who sends it, for every kind that sends requests over HTTP. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CaSecretRef, SecretKeyRef};
use crate::api::schema;

/// What is wrong with credentials that anyone on the way could read.
pub const AUTH_IN_THE_CLEAR: &str = "auth over plain text shows the credentials to everyone on the way: use https:// (or wss://) \
    and, for grpc, no plaintext, \
    or set auth.allowPlainText: true where something else protects the path, such as a service mesh";

/// CEL that is true when `url` is encrypted, or leads to the own host, or the check's author takes the risk.
macro_rules! auth_is_covered {
    ($url:literal) => {
        concat!(
            "!has(self.auth) || (has(self.auth.allowPlainText) && self.auth.allowPlainText) || ",
            $url,
            ".matches('^((https|wss)://|(http|ws)://(localhost|127[.][0-9.]+|\\\\[::1\\\\])(:[0-9]+)?([/?#]|$))')"
        )
    };
}
pub(crate) use auth_is_covered;

/// What is wrong with an audience that runready's own identity would vouch to.
pub const OWN_AUDIENCE: &str = "without serviceAccountKeySecretRef the token is for the host that is asked alone: leave audience out, \
    or set it to the start of the URL (https:// and host)";

/// What is wrong with several ways to authenticate, or none.
pub const ONE_AUTH: &str = "exactly one way to authenticate: set one of basic, bearer, googleIdToken or oauth2";

/// CEL that is true when a token of runready's own identity is of use to the host of `url` alone. Otherwise whoever writes a
/// check could have one made out to any service that trusts runready, and sent to a host of their own.
macro_rules! audience_is_own {
    ($url:literal) => {
        concat!(
            "!has(self.auth) || !has(self.auth.googleIdToken) || !has(self.auth.googleIdToken.audience) || ",
            "has(self.auth.googleIdToken.serviceAccountKeySecretRef) || ",
            $url,
            " == self.auth.googleIdToken.audience || ",
            $url,
            ".startsWith(self.auth.googleIdToken.audience + '/')"
        )
    };
}
pub(crate) use audience_is_own;

/// How requests prove who sends them: exactly one way. The credentials never follow a redirect to another origin.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("[has(self.basic), has(self.bearer), has(self.googleIdToken), has(self.oauth2)].filter(x, x).size() == 1").message(ONE_AUTH))]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// User and password (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A token from a Secret (RFC 6750).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
    /// A Google ID token, such as Cloud Run demands of those who call a private service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub google_id_token: Option<GoogleIdTokenAuth>,
    /// A token by OAuth 2.0 client credentials (RFC 6749, section 4.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oauth2: Option<OAuth2Auth>,
    /// Send the credentials without TLS as well. Default false: plain text is refused, but to the own host.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_plain_text: bool,
}

/// User and password (RFC 7617).
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasicAuth {
    /// User name.
    #[schemars(length(min = 1, max = 255))]
    #[x_kube(validation = Rule::new("!self.contains(':')").message("must be a user name without a colon (RFC 7617)"))]
    pub username: String,
    /// Where the password is.
    pub password_secret_ref: SecretKeyRef,
}

/// A token from a Secret (RFC 6750).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BearerAuth {
    /// Where the token is: the token alone, without the word Bearer.
    pub token_secret_ref: SecretKeyRef,
}

/// A Google ID token: a JWT that Google signs, for one audience. Held until shortly before it expires.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GoogleIdTokenAuth {
    /// Who the token is for. Default: scheme, host and port of the URL, which Cloud Run takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[!-~]+$')").message("must be an audience without spaces, such as https://backend-abc.run.app"))]
    pub audience: Option<String>,
    /// Key of a service account (JSON, as Google hands it out). Default: the identity that runready itself has (Application Default Credentials).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_key_secret_ref: Option<SecretKeyRef>,
}

/// OAuth 2.0 client credentials (RFC 6749, section 4.4). The token is held until shortly before it expires.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("self.tokenUrl.matches('^(https://|http://(localhost|127[.][0-9.]+|\\\\[::1\\\\])(:[0-9]+)?([/?#]|$))')").message(TOKEN_URL_IN_THE_CLEAR).field_path(".tokenUrl"))]
#[serde(rename_all = "camelCase")]
pub struct OAuth2Auth {
    /// The token endpoint: an https:// address.
    #[schemars(schema_with = "schema::http_url")]
    pub token_url: String,
    /// Client identifier.
    #[schemars(length(min = 1, max = 255))]
    pub client_id: String,
    /// Where the client's secret is.
    pub client_secret_ref: SecretKeyRef,
    /// Scopes to ask for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 256), pattern(r"^[!#-\[\]-~]+$")))]
    pub scopes: Vec<String>,
    /// Who the token is for, where the token endpoint asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub audience: Option<String>,
    /// How the client shows its secret to the token endpoint. Default Basic.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// CA bundle to trust for the token endpoint instead of the system's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<CaSecretRef>,
}

/// What is wrong with a token endpoint in plain text.
pub const TOKEN_URL_IN_THE_CLEAR: &str = "must be an https:// address: the client's secret is sent there";

/// How a client shows its secret to a token endpoint (RFC 6749, section 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ClientAuth {
    /// In the header Authorization.
    #[default]
    Basic,
    /// In the body, as client_id and client_secret.
    Body,
}
