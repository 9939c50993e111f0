//! How a password is proven: what is answered to what the server asks. Pure, but for the chance that RSA needs.
//!
//! The password itself is never sent where somebody may read along. In plain text it goes out under the server's public key
//! alone; inside TLS, or on a way that never leaves the machine, caching_sha2_password takes it as it is (as libmysql does,
//! whether or not the certificate was verified: RSA would not help either, since the key comes from the same peer).
//! mysql_clear_password is answered only to a peer whose identity is certain. MySQL documentation, "Caching SHA-2 Pluggable
//! Authentication", "Client-Side Cleartext Pluggable Authentication".

use mysql_common::auth::plugins::caching_sha2_password::scramble_sha256;
use mysql_common::auth::plugins::mysql_native_password::scramble_native;
use rsa::RsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey, LineEnding};
use rsa::traits::PublicKeyParts;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::greeting::{NONCE, nonce};
use super::wire::{Trouble, Violation};

/// What caching_sha2_password says after the scramble (MySQL source documentation, "sha2_cache").
const FAST_AUTH_SUCCESS: u8 = 3;
const PERFORM_FULL_AUTHENTICATION: u8 = 4;
const REQUEST_PUBLIC_KEY: u8 = 2;

/// Shortest key that a password is trusted to, in bytes: 1024 bits.
const SHORTEST_KEY: usize = 128;

/// How well the connection keeps what is said on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shelter {
    /// Plain text: anybody on the way may read it.
    Open,
    /// TLS with a peer that may be anyone.
    Encrypted,
    /// TLS with a peer that has shown who it is, or a way that does not leave the machine.
    Certain,
}

/// An authentication plugin that runready can serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// SHA-1 of the password, mixed with the nonce.
    Native,
    /// SHA-256 of the password, mixed with the nonce; the password itself when the server does not have it in its cache.
    CachingSha2,
    /// The password as it is.
    Clear,
}

impl Method {
    fn of_name(name: &str) -> Option<Method> {
        [Method::Native, Method::CachingSha2, Method::Clear].into_iter().find(|method| method.as_str() == name)
    }

    /// The plugin's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Method::Native => "mysql_native_password",
            Method::CachingSha2 => "caching_sha2_password",
            Method::Clear => "mysql_clear_password",
        }
    }
}

/// A packet's payload that may hold a password.
pub type Payload = Zeroizing<Vec<u8>>;

/// What is said next.
pub enum Reply {
    /// Nothing: the server goes on.
    Nothing,
    /// This.
    Say(Payload),
    /// The password under this public key, which is worked out elsewhere.
    Seal(Seal),
}

/// A password, and the key to put it under.
pub struct Seal {
    mixed: Payload,
    key: Vec<u8>,
}

/// A proof of identity under way.
pub struct Proof<'a> {
    password: Option<&'a SecretString>,
    shelter: Shelter,
    method: Method,
    nonce: [u8; NONCE],
    /// What a further message of caching_sha2_password may be.
    step: Step,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Scrambled,
    KeyAsked,
    Told,
}

impl<'a> Proof<'a> {
    /// Begins with the server's usual plugin if it is served and gives nothing away; the server asks for the account's own
    /// plugin if that is another one.
    pub fn new(password: Option<&'a SecretString>, shelter: Shelter, plugin: &str, nonce: [u8; NONCE]) -> Self {
        let method = match Method::of_name(plugin) {
            Some(Method::CachingSha2) => Method::CachingSha2,
            Some(Method::Native | Method::Clear) | None => Method::Native,
        };
        Proof { password, shelter, method, nonce, step: Step::Scrambled }
    }

    /// The plugin that is being served.
    pub const fn method(&self) -> Method {
        self.method
    }

    /// The first answer of a plugin.
    pub fn opening(&self) -> Result<Payload, Trouble> {
        let password = self.password.map(|password| password.expose_secret().as_bytes()).unwrap_or_default();
        Ok(match self.method {
            Method::Native => scramble_native(&self.nonce, password).map(Vec::from).unwrap_or_default().into(),
            Method::CachingSha2 => scramble_sha256(&self.nonce, password).map(Vec::from).unwrap_or_default().into(),
            Method::Clear if self.shelter == Shelter::Certain => self.terminated()?,
            Method::Clear => return Err(Trouble::Method(self.unsheltered())),
        })
    }

    /// Begins anew with the plugin that the server names.
    pub fn switch(&mut self, name: &[u8], data: &[u8]) -> Result<Payload, Trouble> {
        let name = String::from_utf8_lossy(name);
        let Some(method) = Method::of_name(&name) else {
            let name = crate::evidence::clip(&name, 64);
            return Err(Trouble::Method(format!(
                "the server asks for authentication by {name}, which runready does not have"
            )));
        };
        self.method = method;
        self.step = Step::Scrambled;
        match method {
            Method::Native | Method::CachingSha2 => {
                self.nonce = nonce(data).ok_or(Violation::Malformed("the request for another authentication"))?;
            }
            Method::Clear => {}
        }
        self.opening()
    }

    /// Answers a further message of the plugin.
    pub fn more(&mut self, data: &[u8]) -> Result<Reply, Trouble> {
        match (self.method, self.step, data) {
            (Method::CachingSha2, Step::Scrambled, [FAST_AUTH_SUCCESS]) => {
                self.step = Step::Told;
                Ok(Reply::Nothing)
            }
            (Method::CachingSha2, Step::Scrambled, [PERFORM_FULL_AUTHENTICATION]) => match self.shelter {
                Shelter::Encrypted | Shelter::Certain => {
                    self.step = Step::Told;
                    Ok(Reply::Say(self.terminated()?))
                }
                Shelter::Open => {
                    self.step = Step::KeyAsked;
                    Ok(Reply::Say(vec![REQUEST_PUBLIC_KEY].into()))
                }
            },
            (Method::CachingSha2, Step::KeyAsked, key) => {
                self.step = Step::Told;
                let mut mixed = self.terminated()?;
                mixed.iter_mut().zip(self.nonce.iter().cycle()).for_each(|(byte, nonce)| *byte ^= nonce);
                Ok(Reply::Seal(Seal { mixed, key: key.to_vec() }))
            }
            _ => Err(Violation::Malformed("the server's part of the authentication").into()),
        }
    }

    /// The password and the zero that ends it.
    fn terminated(&self) -> Result<Payload, Trouble> {
        let Some(password) = self.password else {
            let name = self.method.as_str();
            let what =
                format!("the server asks for a password ({name}), and the check has none: set passwordSecretRef");
            return Err(Trouble::Method(what));
        };
        let password = password.expose_secret().as_bytes();
        // Grown at once: a vector that moves would leave a copy behind.
        let mut terminated = Zeroizing::new(Vec::with_capacity(password.len() + 1));
        terminated.extend_from_slice(password);
        terminated.push(0);
        Ok(terminated)
    }

    fn unsheltered(&self) -> String {
        format!(
            "the server asks for the password as it is ({}), which runready gives only inside TLS to a server that it has \
             verified: set tls.mode to VerifyCa or VerifyFull, if the server is meant to ask for it",
            self.method.as_str()
        )
    }
}

impl Seal {
    /// Puts the password under the key: RSA with OAEP, some hundred microseconds of work.
    pub fn close(self) -> Result<Payload, Trouble> {
        let unreadable = || Trouble::from(Violation::Malformed("the server's public key"));
        // Read strictly and bounded in size; the library that encrypts takes what it is given, so it gets the key anew.
        let key = SubjectPublicKeyInfoDer::from_pem_slice(&self.key).map_err(|_| unreadable())?;
        let key = RsaPublicKey::from_public_key_der(&key).map_err(|_| unreadable())?;
        if key.size() < SHORTEST_KEY {
            let bits = key.size() * 8;
            return Err(Trouble::Method(format!(
                "the server's public key has {bits} bits, too few to keep a password"
            )));
        }
        let key = key.to_public_key_pem(LineEnding::LF).map_err(|_| unreadable())?;
        let sealed = mysql_common::crypto::encrypt(&self.mixed, key.as_bytes()).map_err(|error| {
            Trouble::Method(format!("the password can't be put under the server's public key: {error}"))
        })?;
        Ok(sealed.into())
    }
}
