//! Secrets that were resolved for a plan. Data only; no value ever shows in Debug output.

use std::collections::BTreeMap;

use secrecy::{ExposeSecret, SecretSlice};

use super::Fault;
use crate::api::Cause;

/// The data of one Secret.
pub type SecretData = BTreeMap<String, SecretSlice<u8>>;

/// What came of looking a Secret up.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// It exists.
    Found(SecretData),
    /// It does not exist in the check's namespace.
    Missing,
    /// It was not found, and where it was looked for: there is no cluster.
    NotFound(String),
    /// It could not be read, and why.
    Unreadable(String),
}

/// The Secrets that a spec refers to, by name.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<String, Lookup>);

impl Secrets {
    /// Adds what came of looking `name` up.
    pub fn insert(&mut self, name: String, lookup: Lookup) {
        self.0.insert(name, lookup);
    }

    /// The value at `key` of the Secret `name`, or the fault of `field`.
    pub fn get(&self, field: &str, name: &str, key: &str) -> Result<&[u8], Fault> {
        let fault = |cause, message| Fault { field: field.to_owned(), cause, message };
        match self.0.get(name) {
            None | Some(Lookup::Missing) => Err(fault(
                Cause::SecretNotFound,
                format!("Secret {name:?} does not exist in this namespace; create it with the key {key:?}"),
            )),
            Some(Lookup::NotFound(sought)) => Err(fault(
                Cause::SecretNotFound,
                format!("Secret {name:?} with the key {key:?} was not found: {sought}"),
            )),
            Some(Lookup::Unreadable(reason)) => {
                Err(fault(Cause::ProberError, format!("Secret {name:?} could not be read: {reason}")))
            }
            Some(Lookup::Found(data)) => data.get(key).map(|value| value.expose_secret()).ok_or_else(|| {
                let keys: Vec<&str> = data.keys().map(String::as_str).collect();
                fault(
                    Cause::SecretKeyMissing,
                    format!(
                        "Secret {name:?} has no key {key:?}; it has: {}",
                        crate::evidence::clip(&keys.join(", "), 200)
                    ),
                )
            }),
        }
    }

    /// The text at `key` of the Secret `name`. One trailing line break is dropped: files and `kubectl create secret` often have it.
    pub fn text(&self, field: &str, name: &str, key: &str) -> Result<&str, Fault> {
        let bytes = self.get(field, name, key)?;
        let text = std::str::from_utf8(bytes).map_err(|_| Fault {
            field: field.to_owned(),
            cause: Cause::InvalidSpec,
            message: format!("Secret {name:?}, key {key:?} is not UTF-8 text"),
        })?;
        Ok(text.strip_suffix("\r\n").or_else(|| text.strip_suffix('\n')).unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        let mut secrets = Secrets::default();
        let data = BTreeMap::from([("password".to_owned(), SecretSlice::from(b"hunter2\n".to_vec()))]);
        secrets.insert("db".to_owned(), Lookup::Found(data));
        secrets.insert("locked".to_owned(), Lookup::Unreadable("forbidden".to_owned()));
        secrets
    }

    #[test]
    fn each_way_of_not_having_it_has_its_cause() {
        let secrets = secrets();
        let cause = |name, key| secrets.get("f", name, key).expect_err("a fault").cause;
        assert_eq!(cause("other", "password"), Cause::SecretNotFound);
        assert_eq!(cause("db", "pass"), Cause::SecretKeyMissing);
        assert_eq!(cause("locked", "password"), Cause::ProberError);
        assert_eq!(secrets.text("f", "db", "password").expect("present"), "hunter2");
    }

    #[test]
    fn debug_output_shows_no_value() {
        assert!(!format!("{:?}", secrets()).contains("hunter2"));
        assert!(!format!("{:?}", secrets()).contains("104"), "not as bytes either");
    }
}
