//! How a request proves who sends it, for every kind that sends requests over HTTP. Types and schema only.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretKeyRef;

/// What is wrong with credentials that anyone on the way could read.
pub const AUTH_IN_THE_CLEAR: &str = "auth over plain text shows the credentials to everyone on the way: use https:// (or wss://), \
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

/// How requests prove who sends them: exactly one way. The credentials never follow a redirect to another origin.
#[derive(KubeSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[x_kube(validation = Rule::new("[has(self.basic), has(self.bearer)].filter(x, x).size() == 1").message("exactly one way to authenticate: set one of basic or bearer"))]
#[serde(rename_all = "camelCase")]
pub struct Auth {
    /// User and password (RFC 7617).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basic: Option<BasicAuth>,
    /// A token from a Secret (RFC 6750).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerAuth>,
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
