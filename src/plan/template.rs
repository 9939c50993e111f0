//! Texts with `${name}` in them: parsed once, and filled with values that can't break out of their place. Pure.

use super::scrub::{json, percent};

/// A text with places for values.
#[derive(Clone, Debug)]
pub struct Template(Box<[Piece]>);

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    Value(Box<str>, Option<Form>),
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Raw,
    /// Escaped for a path or a query (RFC 3986).
    Url,
    /// Escaped for a JSON string (RFC 8259).
    Json,
}

impl Template {
    /// Parses a text in which `${name}`, `${name|raw}`, `${name|url}` and `${name|json}` stand for values, and `$${` for `${`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let (mut literal, mut rest) = (String::new(), text);
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                literal += &rest[..at - 1];
                literal += "${";
                rest = &rest[at + 2..];
                continue;
            }
            literal += &rest[..at];
            pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
            let (inner, after) =
                rest[at + 2..].split_once('}').ok_or_else(|| "a ${ has no }; write $${ for the text ${".to_owned())?;
            let (name, form) = match inner.split_once('|') {
                None => (inner, None),
                Some((name, "raw")) => (name, Some(Form::Raw)),
                Some((name, "url")) => (name, Some(Form::Url)),
                Some((name, "json")) => (name, Some(Form::Json)),
                Some((_, form)) => {
                    return Err(format!("${{{inner}}}: there is no form {form:?}; there are raw, url and json"));
                }
            };
            if !is_name(name) {
                return Err(format!("${{{inner}}}: {name:?} is no name: write letters, digits and _"));
            }
            pieces.push(Piece::Value(name.into(), form));
            rest = after;
        }
        literal += rest;
        pieces.push(Piece::Text(literal.into()));
        Ok(Template(pieces.into()))
    }

    /// The names of its values.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Value(name, _) => Some(&**name),
            Piece::Text(_) => None,
        })
    }

    /// The text with its values, written in `form` where the text asks for no other.
    pub fn fill<'v>(&self, form: Form, value: impl Fn(&str) -> &'v str) -> String {
        let written = |piece: &Piece| match piece {
            Piece::Text(text) => text.to_string(),
            Piece::Value(name, own) => match own.unwrap_or(form) {
                Form::Raw => value(name).to_owned(),
                Form::Url => percent(value(name)),
                Form::Json => json(value(name)),
            },
        };
        self.0.iter().map(written).collect()
    }
}

/// Whether a value can have that name.
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|character| character == '_' || character.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_their_place_asks_for() {
        let fill = |text: &str, form| Template::parse(text).map(|template| template.fill(form, |_| "a\"/ b"));
        assert_eq!(fill("x/${v}?y", Form::Url), Ok("x/a%22%2F%20b?y".to_owned()));
        assert_eq!(fill("{\"k\": \"${v}\"}", Form::Json), Ok("{\"k\": \"a\\\"/ b\"}".to_owned()));
        assert_eq!(fill("${v|raw}${v|url}", Form::Json), Ok("a\"/ ba%22%2F%20b".to_owned()));
        assert_eq!(fill("$${v} $ $v", Form::Raw), Ok("${v} $ $v".to_owned()));
        for bad in ["${", "${v", "${}", "${a b}", "${v|html}"] {
            assert!(fill(bad, Form::Raw).is_err(), "{bad}");
        }
    }
}
