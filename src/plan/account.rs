//! A key of a Google service account, parsed from its JSON, and what is signed with it. Pure: signing computes, time is an
//! argument.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::SignatureScheme;
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::kinds::in_the_clear;
use super::trust;

/// Where Google issues tokens, unless the key says otherwise.
const GOOGLE: &str = "https://oauth2.googleapis.com/token";
/// How long a signed request may be used, in seconds.
const LIFETIME: i64 = 600;

/// A service account that can sign.
#[derive(Clone)]
pub struct Account {
    email: Box<str>,
    key_id: Option<Box<str>>,
    key: Arc<dyn SigningKey>,
    /// Where it is issued tokens.
    pub token_url: Url,
}

/// Why a service account's key can't be used. Says nothing of what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No JSON, or without the fields of a key.
    #[error("is not the JSON key of a service account: client_email and private_key are missing, or it is no JSON")]
    NoKey,
    /// Credentials of another type.
    #[error("holds credentials that are not a service account's key (its type is not service_account)")]
    OtherType,
    /// The private key can't be read.
    #[error("holds a private_key that is not an RSA key in PEM")]
    NoPrivateKey,
    /// The token endpoint is none that may be asked.
    #[error("holds a token_uri that is not an https:// URL")]
    TokenUri,
    /// The key can't sign.
    #[error("holds a private_key that can't sign with RS256")]
    CantSign,
}

#[derive(Deserialize)]
struct Written {
    r#type: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    token_uri: Option<String>,
}

impl Account {
    /// Reads a key as Google hands it out.
    ///
    /// # Errors
    /// When it is none, or can't be used.
    pub fn parse(text: &[u8]) -> Result<Account, AccountError> {
        let written: Written = serde_json::from_slice(text).map_err(|_| AccountError::NoKey)?;
        if written.r#type.as_deref().is_some_and(|kind| kind != "service_account") {
            return Err(AccountError::OtherType);
        }
        let (Some(email), Some(pem)) = (written.client_email, written.private_key) else {
            return Err(AccountError::NoKey);
        };
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| AccountError::NoPrivateKey)?;
        let key = trust::provider().key_provider.load_private_key(key).map_err(|_| AccountError::NoPrivateKey)?;
        if key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).is_none() {
            return Err(AccountError::CantSign);
        }
        let token_url = Url::parse(written.token_uri.as_deref().unwrap_or(GOOGLE)).ok();
        let token_url = token_url.filter(|url| url.host_str().is_some() && url.username().is_empty());
        let token_url = token_url.filter(|url| url.password().is_none() && !in_the_clear(url));
        Ok(Account {
            email: email.into(),
            key_id: written.private_key_id.map(Into::into),
            key,
            token_url: token_url.ok_or(AccountError::TokenUri)?,
        })
    }

    /// The request for an ID token for `audience` (RFC 7523): a form. Computes for a millisecond or more.
    ///
    /// # Errors
    /// When the key can't sign.
    pub fn request(&self, audience: &str, now: Timestamp) -> Result<String, AccountError> {
        let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.email,
            "sub": self.email,
            "aud": self.token_url.as_str(),
            "target_audience": audience,
            "iat": now.as_second(),
            "exp": now.as_second() + LIFETIME,
        });
        let signed = format!("{}.{}", part(header), part(claims));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or(AccountError::CantSign)?;
        let signature = signer.sign(signed.as_bytes()).map_err(|_| AccountError::CantSign)?;
        let assertion = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature));
        Ok(format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"))
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("email", &self.email).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_told_apart_without_what_it_holds() {
        for (text, error) in [
            ("", AccountError::NoKey),
            ("{}", AccountError::NoKey),
            ("[]", AccountError::NoKey),
            (r#"{"type": "authorized_user", "refresh_token": "hidden"}"#, AccountError::OtherType),
            (r#"{"client_email": "a@b", "private_key": "hidden"}"#, AccountError::NoPrivateKey),
        ] {
            let told = Account::parse(text.as_bytes()).expect_err(text);
            assert_eq!(told, error, "{text}");
            assert!(!told.to_string().contains("hidden"));
        }
    }
}
