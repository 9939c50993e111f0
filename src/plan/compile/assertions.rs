//! Compiles what must hold of a probe's answer. Pure.

use std::sync::Arc;

use super::{Compiler, invalid};
use crate::plan::{Assertions, Fault, Kind, Rule, Scrub};

impl Compiler<'_> {
    /// The rules at `path`, for a kind of probe.
    pub(super) fn assertions(
        &self,
        path: &str,
        rules: &[String],
        kind: Kind,
    ) -> Result<Option<Arc<Assertions>>, Fault> {
        if rules.is_empty() {
            return Ok(None);
        }
        let rule = |(index, rule): (usize, &String)| {
            Rule::parse(rule, kind).map_err(|error| invalid(self.at(&format!("{path}[{index}]")), error.to_string()))
        };
        let rules = rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?;
        Ok(Some(Arc::new(Assertions { rules })))
    }

    /// Values of Secrets, to be kept out of sight, also without the name of a scheme before them. One that can't be read is no
    /// secret, nor is one that stands in what is `shown` anyway: stars in its place would tell it.
    pub(super) fn hidden(&self, secrets: &[(&str, &str)], shown: &str) -> Scrub {
        let mut hidden = Scrub::default();
        let texts = secrets.iter().filter_map(|(name, key)| self.secrets.text("", name, key).ok());
        for text in texts {
            let words = [Some(text), credentials(text)];
            words.into_iter().flatten().filter(|word| !shown.contains(word.trim())).for_each(|word| hidden.hide(word));
        }
        hidden
    }
}

/// What follows the name of a scheme, as in a header's value (RFC 9110, section 11.4). A phrase of several words has none.
fn credentials(text: &str) -> Option<&str> {
    let (scheme, word) = text.trim().split_once(' ')?;
    let named = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    (named && !word.contains(char::is_whitespace)).then_some(word)
}
