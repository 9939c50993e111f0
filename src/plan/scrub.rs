//! Takes secrets out of what people see: the values themselves, and the forms in which URLs, JSON and logs write them. Pure.

use std::borrow::Cow;
use std::cmp::Reverse;

use secrecy::{ExposeSecret, SecretString};

/// A value shorter than this, in bytes, is not looked for: it would be found everywhere.
pub const SHORTEST: usize = 4;
/// What stands in place of a secret.
pub const HIDDEN: &str = "***";

/// The values that must not be shown.
#[derive(Clone, Debug, Default)]
pub struct Scrub(Vec<SecretString>);

impl Scrub {
    /// Hides a value from now on.
    pub fn hide(&mut self, value: &str) {
        let value = value.trim();
        let known = |form: &str| self.0.iter().any(|known| known.expose_secret() == form);
        if value.len() >= SHORTEST && !known(value) {
            let mut forms = vec![value.to_owned(), percent(value), json(value)];
            forms.dedup();
            self.0.extend(forms.into_iter().map(SecretString::from));
            // What holds another is replaced first.
            self.0.sort_by_key(longest_first);
        }
    }

    /// Whether there is nothing to hide.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These values and those of another.
    pub fn and(&self, other: &Self) -> Self {
        let known = |form: &&SecretString| self.0.iter().all(|own| own.expose_secret() != form.expose_secret());
        let mut both: Vec<SecretString> = self.0.iter().chain(other.0.iter().filter(known)).cloned().collect();
        both.sort_by_key(longest_first);
        Scrub(both)
    }

    /// A text without the values; where it is cut, also without the beginning of one.
    pub fn clean<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for value in self.0.iter().map(ExposeSecret::expose_secret) {
            if text.contains(value) {
                text = text.replace(value, HIDDEN).into();
            }
        }
        if !text.contains('…') {
            return text;
        }
        let mut cleaned = String::with_capacity(text.len());
        let mut pieces = text.split('…').peekable();
        while let Some(piece) = pieces.next() {
            let cut = pieces.peek().is_some();
            match self.begun_at_end(piece).filter(|_| cut) {
                Some(length) => cleaned.extend([&piece[..piece.len() - length], HIDDEN]),
                None => cleaned.push_str(piece),
            }
            cleaned.extend(cut.then_some('…'));
        }
        cleaned.into()
    }

    /// How many bytes of the beginning of a value stand at a text's end.
    fn begun_at_end(&self, text: &str) -> Option<usize> {
        let begun = |value: &str| {
            (SHORTEST..value.len()).rev().find(|end| value.is_char_boundary(*end) && text.ends_with(&value[..*end]))
        };
        self.0.iter().filter_map(|value| begun(value.expose_secret())).max()
    }
}

fn longest_first(form: &SecretString) -> Reverse<usize> {
    Reverse(form.expose_secret().len())
}

/// As it stands in a path or a query (RFC 3986): everything but unreserved characters is escaped.
pub fn percent(value: &str) -> String {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    value.bytes().map(escape).collect()
}

/// As it stands between the quotes of a JSON string (RFC 8259).
pub fn json(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_lists_what_holds_another_is_replaced_first() {
        let (mut one, mut other) = (Scrub::default(), Scrub::default());
        one.hide("alice");
        other.hide("alice-7f3c9e");
        assert_eq!(other.and(&one).clean("/u/alice-7f3c9e/alice"), "/u/***/***");
        assert_eq!(one.and(&other).clean("/u/alice-7f3c9e/alice"), "/u/***/***");
    }

    #[test]
    fn a_secret_is_shown_in_none_of_its_forms_not_even_its_beginning() {
        let mut scrub = Scrub::default();
        ["p\"ss word\n", "abc"].into_iter().for_each(|value| scrub.hide(value));
        for (text, expected) in [
            ("password is p\"ss word!", "password is ***!"),
            ("GET /a?b=p%22ss%20word", "GET /a?b=***"),
            ("{\"a\":\"p\\\"ss word\"}", "{\"a\":\"***\"}"),
            ("cut p\"ss w…", "cut ***…"),
            ("cut \"p\"ss w…\" within", "cut \"***…\" within"),
            ("cut p\"ss", "cut p\"ss"),
            ("abc is too short to be looked for", "abc is too short to be looked for"),
        ] {
            assert_eq!(scrub.clean(text), expected);
        }
        assert!(!format!("{scrub:?}").contains("ss"));
    }
}
