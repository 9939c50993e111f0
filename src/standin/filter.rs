//! The filters of Google's list methods (AIP-160 and Logging's query language), as far as this product may ask them: text in,
//! an expression out that holds for an object or not. What is not understood is an error, never a match. Pure.

use std::cmp::Ordering;

use jiff::Timestamp;
use regex::Regex;
use serde_json::Value;

/// A filter.
#[derive(Debug)]
pub enum Filter {
    /// All hold.
    And(Vec<Filter>),
    /// One holds.
    Or(Vec<Filter>),
    /// It does not hold.
    Not(Box<Filter>),
    /// A field compares so to a value.
    Compare(Vec<String>, Op, String),
    /// A field's value begins so.
    StartsWith(Vec<String>, String),
    /// A field's value matches.
    Matches(Vec<String>, Regex),
    /// Some text of the object holds this.
    Anywhere(String),
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// =
    Equal,
    /// !=
    Differ,
    /// <
    Less,
    /// <=
    AtMost,
    /// >
    More,
    /// >=
    AtLeast,
    /// : the value holds this text, or is there at all for `*`.
    Has,
}

/// Severities of log entries, in their order.
const SEVERITIES: [&str; 9] =
    ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"];

/// How deep parentheses may go.
const DEPTH: usize = 16;

impl Filter {
    /// Reads a filter. An empty one holds for everything.
    ///
    /// # Errors
    /// A sentence about what is not understood.
    pub fn parse(text: &str) -> Result<Filter, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
        let filter = parser.all()?;
        match parser.peek() {
            None => Ok(filter),
            Some(token) => Err(format!("the filter goes on with {token:?} where it should end")),
        }
    }

    /// Whether it holds for an object.
    pub fn holds(&self, object: &Value) -> bool {
        match self {
            Filter::And(parts) => parts.iter().all(|part| part.holds(object)),
            Filter::Or(parts) => parts.iter().any(|part| part.holds(object)),
            Filter::Not(part) => !part.holds(object),
            Filter::Compare(path, Op::Differ, value) => !values(object, path).any(|found| equal(found, value)),
            Filter::Compare(path, op, value) => values(object, path).any(|found| compare(found, path, *op, value)),
            Filter::StartsWith(path, prefix) => {
                values(object, path).any(|found| text_of(found).is_some_and(|found| found.starts_with(prefix.as_str())))
            }
            Filter::Matches(path, regex) => {
                values(object, path).any(|found| text_of(found).is_some_and(|found| regex.is_match(&found)))
            }
            Filter::Anywhere(text) => anywhere(object, &text.to_lowercase()),
        }
    }
}

/// The values of a field; those of every item, where a list is on the way.
fn values<'a>(object: &'a Value, path: &[String]) -> Box<dyn Iterator<Item = &'a Value> + 'a> {
    match object {
        Value::Array(items) => {
            let path = path.to_vec();
            Box::new(items.iter().flat_map(move |item| values(item, &path).collect::<Vec<_>>()))
        }
        _ => match path.split_first() {
            None => Box::new(std::iter::once(object)),
            Some((first, rest)) => {
                // Monitoring's filters say `label` where the object says `labels`.
                let found = object.get(first).or_else(|| object.get("labels").filter(|_| first == "label"));
                found.map_or_else(
                    || Box::new(std::iter::empty()) as Box<dyn Iterator<Item = _>>,
                    |found| values(found, rest),
                )
            }
        },
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(bool) => Some(bool.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn compare(found: &Value, path: &[String], op: Op, value: &str) -> bool {
    match op {
        Op::Equal => equal(found, value),
        Op::Differ => !equal(found, value),
        Op::Has if value == "*" => true,
        Op::Has => text_of(found).is_some_and(|found| found.to_lowercase().contains(&value.to_lowercase())),
        Op::Less => order(found, path, value) == Some(Ordering::Less),
        Op::More => order(found, path, value) == Some(Ordering::Greater),
        Op::AtMost => order(found, path, value).is_some_and(Ordering::is_le),
        Op::AtLeast => order(found, path, value).is_some_and(Ordering::is_ge),
    }
}

fn equal(found: &Value, value: &str) -> bool {
    text_of(found).is_some_and(|found| {
        let times = found.parse::<Timestamp>().ok().zip(value.parse::<Timestamp>().ok());
        found.eq_ignore_ascii_case(value) || times.is_some_and(|(found, value)| found == value)
    })
}

fn order(found: &Value, path: &[String], value: &str) -> Option<Ordering> {
    let found = text_of(found)?;
    if path.last().is_some_and(|last| last == "severity") {
        let rank = |text: &str| SEVERITIES.iter().position(|severity| severity.eq_ignore_ascii_case(text));
        return Some(rank(&found)?.cmp(&rank(value)?));
    }
    if let Some((found, value)) = found.parse::<Timestamp>().ok().zip(value.parse::<Timestamp>().ok()) {
        return Some(found.cmp(&value));
    }
    match (found.parse::<f64>(), value.parse::<f64>()) {
        (Ok(found), Ok(value)) => found.partial_cmp(&value),
        _ => Some(found.as_str().cmp(value)),
    }
}

fn anywhere(object: &Value, text: &str) -> bool {
    match object {
        Value::Object(fields) => fields.values().any(|value| anywhere(value, text)),
        Value::Array(items) => items.iter().any(|value| anywhere(value, text)),
        value => text_of(value).is_some_and(|found| found.to_lowercase().contains(text)),
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Sign(&'static str),
}

/// Signs, the longer ones first.
const SIGNS: [&str; 13] = ["=~", "!~", "!=", "<=", ">=", "=", "<", ">", ":", "(", ")", ",", "-"];

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let (quoted, after) = quoted(&rest[1..])?;
            found.push(Token::Quoted(quoted));
            rest = after;
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            found.push(Token::Sign(sign));
            rest = &rest[sign.len()..];
        } else {
            let (word, after) = word(rest)?;
            found.push(Token::Word(word));
            rest = after;
        }
        rest = rest.trim_start();
    }
    Ok(found)
}

/// Text up to the closing quote, and what follows.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => match chars.next() {
                // What regular expressions escape keeps its backslash.
                Some((_, escaped)) if escaped == '"' || escaped == '\\' => value.push(escaped),
                Some((_, escaped)) => value.extend(['\\', escaped]),
                None => break,
            },
            char => value.push(char),
        }
    }
    Err("the filter has a quotation mark without its end".to_owned())
}

/// A word, which may have quoted segments: labels."run.googleapis.com/job".
fn word(text: &str) -> Result<(String, &str), String> {
    let (mut value, mut rest) = (String::new(), text);
    while let Some(char) = rest.chars().next() {
        if char == '"' && value.ends_with('.') {
            let (segment, after) = quoted(&rest[1..])?;
            // A dot within a segment is no separator: it is kept apart until the path is split.
            value.push_str(&segment.replace('.', "\u{0}"));
            rest = after;
        } else if char.is_whitespace() || char == '"' || "=!<>:(),".contains(char) {
            break;
        } else {
            value.push(char);
            rest = &rest[char.len_utf8()..];
        }
    }
    if value.is_empty() { Err(format!("the filter is not understood at {rest:?}")) } else { Ok((value, rest)) }
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let there = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(there);
        there
    }

    fn take_word(&mut self, word: &str) -> bool {
        let there = self.peek() == Some(&Token::Word(word.to_owned()));
        self.at += usize::from(there);
        there
    }

    /// Parts that must all hold, joined by AND or by nothing.
    fn all(&mut self) -> Result<Filter, String> {
        let mut parts = Vec::new();
        while self.peek().is_some_and(|token| *token != Token::Sign(")")) {
            if !parts.is_empty() {
                self.take_word("AND");
            }
            parts.push(self.any()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::And(parts) })
    }

    /// Parts of which one must hold: OR binds closer than AND.
    fn any(&mut self) -> Result<Filter, String> {
        let mut parts = vec![self.part()?];
        while self.take_word("OR") {
            parts.push(self.part()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Filter::Or(parts) })
    }

    fn part(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEPTH {
            return Err(format!("the filter goes more than {DEPTH} levels deep"));
        }
        let part = if self.take_word("NOT") || self.take("-") {
            Filter::Not(Box::new(self.part()?))
        } else if self.take("(") {
            let inner = self.all()?;
            if !self.take(")") {
                return Err("the filter has a parenthesis without its end".to_owned());
            }
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(part)
    }

    fn comparison(&mut self) -> Result<Filter, String> {
        let field = match self.next() {
            Some(Token::Word(word)) => word,
            Some(Token::Quoted(text)) => return Ok(Filter::Anywhere(text)),
            Some(Token::Sign(sign)) => return Err(format!("the filter has {sign:?} where a field is expected")),
            None => return Err("the filter ends where a field is expected".to_owned()),
        };
        let Some(Token::Sign(sign)) = self.peek().cloned() else {
            return Ok(Filter::Anywhere(field.replace('\u{0}', ".")));
        };
        let path: Vec<String> = field.split('.').map(|segment| segment.replace('\u{0}', ".")).collect();
        let op = match sign {
            "=~" | "!~" => {
                self.at += 1;
                let regex = Regex::new(&self.value()?).map_err(|error| format!("the filter's expression: {error}"))?;
                let matches = Filter::Matches(path, regex);
                return Ok(if sign == "=~" { matches } else { Filter::Not(Box::new(matches)) });
            }
            "=" => Op::Equal,
            "!=" => Op::Differ,
            "<" => Op::Less,
            "<=" => Op::AtMost,
            ">" => Op::More,
            ">=" => Op::AtLeast,
            ":" => Op::Has,
            _ => return Ok(Filter::Anywhere(field.replace('\u{0}', "."))),
        };
        self.at += 1;
        if self.take("(") {
            return self.choice(&path, op);
        }
        let value = self.value()?;
        if self.peek() == Some(&Token::Sign("(")) && self.tokens.get(self.at - 1) == Some(&Token::Word(value.clone())) {
            return self.function(path, op, &value);
        }
        Ok(Filter::Compare(path, op, value))
    }

    fn value(&mut self) -> Result<String, String> {
        let negative = self.take("-");
        match self.next() {
            Some(Token::Quoted(value)) if !negative => Ok(value),
            Some(Token::Word(value)) if negative => Ok(format!("-{value}")),
            Some(Token::Word(mut value)) => {
                // A time without quotation marks: its colons are signs to the reader of tokens.
                while value.contains('T') && value.starts_with(|char: char| char.is_ascii_digit()) && self.take(":") {
                    match self.next() {
                        Some(Token::Word(more)) => value = format!("{value}:{more}"),
                        _ => return Err(format!("the filter breaks off after {value:?}")),
                    }
                }
                Ok(value)
            }
            other => Err(format!("the filter has {other:?} where a value is expected")),
        }
    }

    /// field=("a" OR "b")
    fn choice(&mut self, path: &[String], op: Op) -> Result<Filter, String> {
        let mut parts = vec![Filter::Compare(path.to_vec(), op, self.value()?)];
        let all = self.peek() == Some(&Token::Word("AND".to_owned()));
        while self.take_word(if all { "AND" } else { "OR" }) {
            parts.push(Filter::Compare(path.to_vec(), op, self.value()?));
        }
        if !self.take(")") {
            return Err("the filter has values in parentheses without their end".to_owned());
        }
        Ok(if all { Filter::And(parts) } else { Filter::Or(parts) })
    }

    /// field=starts_with("a"), field=one_of("a", "b")
    fn function(&mut self, path: Vec<String>, op: Op, name: &str) -> Result<Filter, String> {
        self.at += 1;
        let mut values = vec![self.value()?];
        while self.take(",") {
            values.push(self.value()?);
        }
        if op != Op::Equal || !self.take(")") {
            return Err(format!("the filter's {name} is not understood"));
        }
        match (name, values.as_slice()) {
            ("starts_with", [prefix]) => Ok(Filter::StartsWith(path, prefix.clone())),
            ("one_of", values) => {
                let equals = values.iter().map(|value| Filter::Compare(path.clone(), Op::Equal, value.clone()));
                Ok(Filter::Or(equals.collect()))
            }
            (other, _) => Err(format!("the filter's function {other} is not known here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Filter;

    fn entry() -> serde_json::Value {
        json!({
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "backend", "location": "us-central1"}},
            "labels": {"run.googleapis.com/x": "y"}, "severity": "ERROR", "timestamp": "2026-11-25T10:00:00Z",
            "textPayload": "Database initialization timeout after 20.0s", "value": 20, "targets": [{"a": "1"}, {"a": "2"}],
        })
    }

    #[test]
    fn a_filter_holds_for_what_it_says() {
        for filter in [
            "",
            r#"resource.type="cloud_run_revision" AND resource.labels.service_name="backend""#,
            "resource.type = \"cloud_run_revision\"\nresource.label.service_name = backend",
            r#"severity>=ERROR timestamp>="2026-11-25T09:59:59.5Z" timestamp<2026-11-25T10:00:01Z"#,
            r#"severity=("ERROR" OR "CRITICAL")"#,
            r#"textPayload:"initialization timeout" OR severity=INFO"#,
            r#"textPayload=~"after \d+\.\ds""#,
            r#"textPayload!~"refused" AND NOT severity<WARNING AND -severity=INFO"#,
            r#"(severity=INFO OR severity=ERROR) AND value>19.5"#,
            r#"resource.type = starts_with("cloud_run") resource.labels.location = one_of("a", "us-central1")"#,
            r#""timeout after""#,
            "timeout",
            r#"labels."run.googleapis.com/x"="y""#,
            "targets.a=2 resource.labels.location:* severity!=INFO jsonPayload.code!=3",
        ] {
            assert!(Filter::parse(filter).expect(filter).holds(&entry()), "{filter}");
        }
    }

    #[test]
    fn a_filter_does_not_hold_for_anything_else() {
        for filter in [
            r#"resource.labels.service_name="frontend""#,
            "severity>ERROR",
            r#"timestamp>"2026-11-25T10:00:00Z""#,
            r#"timestamp>="2026-11-25T12:00:00+01:00""#,
            // OR binds closer than AND.
            "severity=ERROR OR severity=INFO AND value=21",
            "jsonPayload.message:*",
            "severity!=ERROR",
            "refused",
        ] {
            assert!(!Filter::parse(filter).expect(filter).holds(&entry()), "{filter}");
        }
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        let deep = "(".repeat(1000);
        for filter in
            ["severity=", "(severity=ERROR", "a=b)", "\"open", "a=nonsense(\"b\")", "a=~\"(\"", "=b", "OR", &deep]
        {
            // A lone OR is a word to be looked for in Google's language too.
            assert!(filter == "OR" || Filter::parse(filter).is_err(), "{filter}");
        }
    }
}
