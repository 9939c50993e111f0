//! An assertion: a rule in the Common Expression Language, parsed once, and refused unless its work is bounded. Pure.
//!
//! Rules are other people's manifests. What they can cost is bounded by their length, depth and number of names, by leaving
//! out the macro that builds lists from lists (`map`), and by a check of the clock before each step of a comprehension
//! (see [`TICK`]), which whoever evaluates them provides.

mod names;
mod shape;
mod walk;

use std::fmt;
use std::sync::Arc;

use cel::parser::{Expression, Parser};

use crate::api::{Kind, Stage};

pub use names::{FIRST_MESSAGE, FUNCTIONS, LATENCY, STAGES, variables};

/// Longest rule, in characters.
pub const MAX_RULE: usize = 512;
/// Most rules of one probe.
pub const MAX_RULES: usize = 16;
/// The function that is called before each step of a comprehension; it fails when the time is up.
pub const TICK: &str = "@tick";

/// How deep expressions may be nested.
const MAX_DEPTH: u16 = 24;

/// A rule that can be evaluated.
#[derive(Clone, Debug)]
pub struct Rule {
    /// As it was written.
    pub text: Arc<str>,
    /// Parsed, with a call of [`TICK`] before each step of a comprehension.
    pub expression: Arc<Expression>,
    /// What it says of the peer's answer, for people: such as json.version, with its expression.
    pub named: Arc<[(Box<str>, Expression)]>,
}

impl Rule {
    /// Whether it names a variable.
    pub fn names(&self, variable: &str) -> bool {
        let rest = |name: &str| {
            name.strip_prefix(variable)
                .map(|rest| !rest.starts_with(|next: char| next == '_' || next.is_alphanumeric()))
        };
        self.named.iter().any(|(name, _)| rest(name) == Some(true))
    }

    /// Parses a rule for a probe of a kind.
    ///
    /// # Errors
    /// When it is no CEL, names what such a probe does not have, or could cost too much.
    pub fn parse(text: &str, kind: Kind) -> Result<Self, RuleError> {
        let length = text.chars().count();
        if length > MAX_RULE {
            return Err(RuleError::new(
                text,
                MAX_RULE,
                format!("the rule has {length} characters; the most is {MAX_RULE}"),
            ));
        }
        shape::check(text).map_err(|(at, message)| RuleError::new(text, at, message))?;
        let parsed = Parser::new().max_recursion_depth(MAX_DEPTH).parse(text);
        let expression = parsed.map_err(|errors| RuleError::syntax(text, &errors))?;
        let mut walk = walk::Walk::new(variables(kind));
        walk.visit(&expression, 0).map_err(|complaint| complaint.locate(text, kind))?;
        let named = walk.named.into_iter().collect();
        Ok(Rule { text: text.into(), expression: Arc::new(walk::ticking(expression)), named })
    }
}

/// Why a rule can't be used, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The line of the rule, counted from 1.
    line: usize,
    /// The column in that line, in characters, counted from 1.
    column: usize,
    message: String,
    /// The text of that line.
    shown: String,
}

impl RuleError {
    /// A complaint about the character with that index.
    fn new(text: &str, at: usize, message: String) -> Self {
        let before: String = text.chars().take(at).collect();
        let line = before.matches('\n').count();
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        let shown = text.lines().nth(line).unwrap_or_default().chars().take(MAX_RULE).collect();
        RuleError { line: line + 1, column, message, shown }
    }

    fn syntax(text: &str, errors: &cel::ParseErrors) -> Self {
        let first = errors.errors.first();
        let (line, column) = first.map_or((1, 1), |error| error.pos);
        let message = first.map_or_else(|| "it can't be parsed".to_owned(), |error| error.msg.replace('\n', " "));
        let start: usize = text
            .split_inclusive('\n')
            .take(usize::try_from(line - 1).unwrap_or(0))
            .map(|line| line.chars().count())
            .sum();
        let column = usize::try_from(column - 1).unwrap_or(0);
        Self::new(text, (start + column).min(text.chars().count()), format!("is not CEL: {message}"))
    }
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RuleError { line, column, message, shown } = self;
        match line {
            1 => write!(f, "column {column}: ")?,
            line => write!(f, "line {line}, column {column}: ")?,
        }
        // Tabs keep their width, so that the caret stands below what it points to.
        let below: String = shown.chars().take(column - 1).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        write!(f, "{message}\n  {shown}\n  {below}^")
    }
}

impl std::error::Error for RuleError {}

/// What is wrong with a rule that can be parsed.
enum Complaint {
    Variable(String),
    Stage(String),
    Function(String),
    Pattern(String, String),
    Map,
    Message,
    TooDeep,
    TooNested,
    TooManyNames(usize),
}

impl Complaint {
    /// The complaint, with the place of what it is about.
    fn locate(self, text: &str, kind: Kind) -> RuleError {
        let list = |names: &[&str]| names.join(", ");
        let (at, message) = match self {
            Complaint::Variable(name) => (
                find(text, &name, false),
                format!("`{name}` is not known here; a probe of kind {} has {}", kind.as_str(), list(&variables(kind))),
            ),
            Complaint::Stage(name) => (
                find(text, &name, true),
                format!("there is no stage `{name}`; there are {}", list(&Stage::ALL.map(Stage::as_str))),
            ),
            Complaint::Function(name) => (
                find(text, &name, true),
                format!(
                    "there is no function `{name}`; there are has, all, exists, exists_one, filter, {}",
                    list(FUNCTIONS)
                ),
            ),
            Complaint::Pattern(pattern, error) => {
                let reason = error.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                (
                    text.find(&*pattern).map_or(0, |at| text[..at].chars().count()),
                    format!("is not a regular expression (RE2 syntax): {reason}"),
                )
            }
            Complaint::Map => (
                find(text, "map", true),
                "`map` is not offered, because it can build lists without bound: use all, exists, exists_one or filter"
                    .to_owned(),
            ),
            Complaint::Message => (0, "messages such as Type{field: value} are not offered".to_owned()),
            Complaint::TooDeep => (0, format!("it is nested deeper than {MAX_DEPTH}: write several rules")),
            Complaint::TooNested => (
                0,
                format!(
                    "more than {} of all, exists, exists_one and filter within each other: write several rules",
                    walk::MAX_NESTED
                ),
            ),
            Complaint::TooManyNames(count) => {
                (0, format!("it names variables {count} times; the most is {}: write several rules", walk::MAX_NAMES))
            }
        };
        RuleError::new(text, at, message)
    }
}

/// The index of the first character of a name in a rule; 0 if it is not found. A name that is no field stands after no dot.
fn find(text: &str, name: &str, field: bool) -> usize {
    let word = |character: char| character == '_' || character.is_alphanumeric();
    let stands_alone = |&(at, _): &(usize, &str)| {
        let before = text[..at].chars().next_back();
        let after = text[at + name.len()..].chars().next();
        !before.is_some_and(|before| word(before) || (!field && before == '.')) && !after.is_some_and(word)
    };
    text.match_indices(name).find(stands_alone).map_or(0, |(at, _)| text[..at].chars().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        Rule::parse(text, Kind::Http).err().map_or_else(|| format!("{text} is taken"), |error| error.to_string())
    }

    #[test]
    fn what_can_be_written_is_taken() {
        for rule in [
            "latency < duration('300ms')",
            "stages.connect < duration('50ms') && !has(stages.tls)",
            "status == 200 || status == 204",
            "json.version == '2'",
            "headers['content-type'].startsWith('application/json')",
            "json.items.all(item, item.ok) && json.items.exists(i, i.name == 'a') && size(json.items.filter(i, i.x > 1)) == 2",
            "body.matches('^ok[0-9]+$')",
            "timestamp(json.at) > timestamp('2026-01-01T00:00:00Z')",
            "'a' in json.tags ? json.n % 2 == 0 : json[0] == -1",
        ] {
            if let Err(error) = Rule::parse(rule, Kind::Http) {
                panic!("{error}");
            }
        }
    }

    #[test]
    fn a_refusal_points_at_what_is_wrong() {
        for (rule, column, says) in [
            ("json.version = '2'", 14, "is not CEL"),
            ("latency <", 10, "is not CEL"),
            (
                "jsn.version == '2'",
                1,
                "`jsn` is not known here; a probe of kind http has latency, stages, status, headers, body, json",
            ),
            ("status == 200 && rows > 1", 18, "`rows` is not known here"),
            ("json.items.all(x, y == 1)", 19, "`y` is not known here"),
            ("stages.conect < duration('1s')", 8, "there is no stage `conect`; there are token, settings"),
            ("body.include('x')", 6, "there is no function `include`"),
            ("body.matches('(a')", 15, "is not a regular expression"),
            ("json.map(x, [x]).size() > 1", 6, "`map` is not offered"),
        ] {
            let said = refusal(rule);
            let caret = format!("\n  {rule}\n  {}^", " ".repeat(column - 1));
            assert!(said.starts_with(&format!("column {column}: ")) && said.ends_with(&caret), "{said}");
            assert!(said.contains(says), "{said}");
        }
        let said = refusal("status == 200 &&\n  jsn == 1");
        assert!(said.starts_with("line 2, column 3: ") && said.ends_with("\n    jsn == 1\n    ^"), "{said}");
    }

    #[test]
    fn hostile_rules_are_refused_at_once_and_break_nothing() {
        let fill = |piece: &str| piece.repeat(MAX_RULE / piece.len());
        let long = [
            "(",
            "[",
            "{",
            "!",
            "-",
            "1+",
            "json.",
            "json[",
            "a?b:",
            "json.all(x,",
            "\"",
            "'",
            "\\",
            "&&",
            "=",
            "\u{1F600}",
            "has(",
            "1,",
        ];
        let mut rules: Vec<String> = long.into_iter().map(fill).collect();
        rules.extend([
            format!("{}true{}", fill("(")[..250].to_owned(), fill(")")[..250].to_owned()),
            format!("{}1 > 0", fill("1+")[..500].to_owned()),
            format!("json{} == 1", fill(".a")[..500].to_owned()),
            format!("{}true", fill("!")[..500].to_owned()),
            format!("size([{}1]) > 0", fill("json,")[..490].to_owned()),
            format!("json.all(a, {}true){}", "json.all(b, ".repeat(20), ")".repeat(20)),
            "Type{a: 1} == 1".to_owned(),
            "x".repeat(100_000),
            String::new(),
            "\u{0}".to_owned(),
        ]);
        for rule in rules {
            let began = std::time::Instant::now();
            assert!(Rule::parse(&rule, Kind::Http).is_err(), "{rule} is taken");
            assert!(began.elapsed().as_secs() < 5, "{rule} takes {:?}", began.elapsed());
        }
    }
}
