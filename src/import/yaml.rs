//! A tree of fields and comments in, its YAML text out. Pure.
//!
//! Texts are quoted wherever a reader could take them for anything else, in YAML 1.1 as well as 1.2. A comment is one line of
//! visible characters, whatever it is made of: nothing in it can begin a line of its own.

use std::fmt::Write;
use std::net::Ipv4Addr;

/// Columns that comments are wrapped at.
const WIDTH: usize = 110;
/// Longest word that is shown in a comment.
const LONGEST_WORD: usize = 300;

/// A value.
#[derive(Clone, Debug)]
pub enum Node {
    /// A text.
    Text(String),
    /// A number.
    Number(u64),
    /// True.
    Yes,
    /// Texts in brackets.
    Names(Vec<String>),
    /// Fields.
    Fields(Vec<Line>),
    /// A list of such.
    Items(Vec<Vec<Line>>),
}

/// A field, or a comment between fields.
#[derive(Clone, Debug)]
pub enum Line {
    /// A sentence, wrapped where it is long.
    Say(String),
    /// A line that may be copied: it is never wrapped.
    Copy(String),
    /// A field.
    Field(&'static str, Node),
}

/// A sentence.
pub fn say(text: impl Into<String>) -> Line {
    Line::Say(text.into())
}

/// A field with a text.
pub fn text(key: &'static str, value: impl Into<String>) -> Line {
    Line::Field(key, Node::Text(value.into()))
}

/// A field with fields.
pub fn fields(key: &'static str, lines: Vec<Line>) -> Line {
    Line::Field(key, Node::Fields(lines))
}

/// The text of a document.
pub fn document(lines: &[Line]) -> String {
    let mut out = String::new();
    write_lines(&mut out, lines, 0);
    out
}

fn write_lines(out: &mut String, lines: &[Line], indent: usize) {
    for line in lines {
        write_line(out, line, indent);
    }
}

fn write_line(out: &mut String, line: &Line, indent: usize) {
    match line {
        Line::Say(sentence) => wrapped(sentence, indent, out),
        Line::Copy(command) => push(out, indent, &format!("#   {}", visible(command))),
        Line::Field(key, Node::Fields(lines)) if lines.is_empty() => push(out, indent, &format!("{key}: {{}}")),
        Line::Field(key, Node::Fields(lines)) => {
            push(out, indent, &format!("{key}:"));
            write_lines(out, lines, indent + 2);
        }
        Line::Field(key, Node::Items(items)) => {
            push(out, indent, &format!("{key}:"));
            items.iter().for_each(|item| write_item(out, item, indent));
        }
        Line::Field(key, Node::Names(names)) => {
            let names: Vec<String> = names.iter().map(|name| quoted(name)).collect();
            push(out, indent, &format!("{key}: [{}]", names.join(", ")));
        }
        Line::Field(key, Node::Text(value)) => push(out, indent, &format!("{key}: {}", scalar(value))),
        Line::Field(key, Node::Number(number)) => push(out, indent, &format!("{key}: {number}")),
        Line::Field(key, Node::Yes) => push(out, indent, &format!("{key}: true")),
    }
}

/// An item: comments before its first field stand before the dash.
fn write_item(out: &mut String, lines: &[Line], indent: usize) {
    let first = lines.iter().position(|line| matches!(line, Line::Field(..))).unwrap_or(lines.len());
    let (before, rest) = lines.split_at(first);
    write_lines(out, before, indent);
    let start = out.len();
    write_lines(out, rest, indent + 2);
    if out.len() > start {
        out.replace_range(start + indent..start + indent + 1, "-");
    }
}

fn push(out: &mut String, indent: usize, text: &str) {
    let _ = writeln!(out, "{:indent$}{text}", "");
}

/// A sentence as lines of comment.
fn wrapped(sentence: &str, indent: usize, out: &mut String) {
    let mut line = String::new();
    let sentence = visible(sentence);
    for word in sentence.split(' ').filter(|word| !word.is_empty()) {
        if !line.is_empty() && indent + 2 + line.chars().count() + 1 + word.chars().count() > WIDTH {
            push(out, indent, &format!("# {line}"));
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    push(out, indent, format!("# {line}").trim_end());
}

/// A text in one line: what can't be seen, or could end the line, is a replacement character.
fn visible(text: &str) -> String {
    let text: String = text.chars().map(|c| if is_visible(c) { c } else { '\u{fffd}' }).collect();
    let cut = |word: &str| match word.char_indices().nth(LONGEST_WORD) {
        Some((end, _)) => format!("{}...", &word[..end]),
        None => word.to_owned(),
    };
    text.split(' ').map(cut).collect::<Vec<_>>().join(" ")
}

/// Whether a character may stand in a YAML stream as it is (YAML 1.2, section 5.1), and ends no line in YAML 1.1 either.
fn is_visible(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}') && (!is_mark(c))
}

/// Characters that turn the direction of a text, by which a comment could look like something else.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text as a scalar in a block.
fn scalar(text: &str) -> String {
    if is_plain(text) { text.to_owned() } else { quoted(text) }
}

/// Words that are truth values in YAML 1.1, whatever their case; serde_yaml, which reads 1.2, writes them without quotes.
const TRUTH_VALUES: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];

/// Whether a text needs no quotes: a word that begins with a letter, an address or a number of seconds, and that stands for
/// nothing else.
fn is_plain(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let seconds =
        || text.strip_suffix('s').is_some_and(|count| !count.is_empty() && count.chars().all(|c| c.is_ascii_digit()));
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    text.chars().all(inner)
        && (begins || seconds() || text.parse::<Ipv4Addr>().is_ok())
        && !TRUTH_VALUES.iter().any(|word| text.eq_ignore_ascii_case(word))
        && serde_yaml::to_string(text).is_ok_and(|written| written.trim_end() == text)
}

/// A text in double quotes (YAML 1.2, section 7.3.1).
fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if is_visible(c) => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08x}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_back(value: &str) -> String {
        let lines = [
            say(value),
            Line::Copy(value.to_owned()),
            fields("a", vec![text("b", value), Line::Field("c", Node::Names(vec![value.to_owned()])), say(value)]),
        ];
        let written = document(&lines);
        let read: serde_yaml::Value =
            serde_yaml::from_str(&written).unwrap_or_else(|error| panic!("{error}: {written}"));
        assert_eq!(read["a"]["c"][0].as_str(), read["a"]["b"].as_str(), "{written}");
        assert_eq!(read.as_mapping().map(serde_yaml::Mapping::len), Some(1), "{written}");
        assert_eq!(read["a"].as_mapping().map(serde_yaml::Mapping::len), Some(2), "{written}");
        read["a"]["b"].as_str().unwrap_or_else(|| panic!("no text: {written}")).to_owned()
    }

    #[test]
    fn hostile_texts_stay_the_texts_that_they_are() {
        let long = "x".repeat(1 << 20);
        for text in [
            "",
            " ",
            "a: b",
            "a #b",
            "# x",
            "- x",
            "null",
            "~",
            "true",
            "yes",
            "on",
            "y",
            "N",
            "0x1f",
            "1e3",
            "12",
            "1_000",
            "0o7",
            "1:20",
            "2020-01-01",
            ".inf",
            "=",
            "<<",
            "!!int 3",
            "&a",
            "*a",
            "%YAML",
            "---",
            "...",
            "@x",
            "`x",
            "a\nb: c",
            "a\r\nb",
            "\u{85}x",
            "\u{2028}x",
            "\u{feff}x",
            "\u{7f}",
            "\0",
            "\u{9f}",
            "🦀 x",
            "\"",
            "\\",
            "'",
            "{a}",
            "[a]",
            "a, b",
            "?",
            "|",
            ">",
            "\t",
            &long,
        ] {
            assert_eq!(read_back(text), text);
        }
    }

    #[test]
    fn ordinary_words_need_no_quotes() {
        for text in ["yes", "Y", "off", "null", "true", "12"] {
            assert_eq!(scalar(text), format!("\"{text}\""), "not a text in YAML 1.1");
        }
        for text in ["backend", "us-central1", "10.20.0.3", "35s", "db.internal", "VerifyFull"] {
            assert_eq!(scalar(text), text);
        }
    }

    #[test]
    fn comments_before_an_item_stand_before_its_dash() {
        let item = vec![say("first"), text("name", "a"), say("second"), text("kind", "b")];
        assert_eq!(
            document(&[Line::Field("list", Node::Items(vec![item]))]),
            "list:\n# first\n- name: a\n  # second\n  kind: b\n"
        );
    }

    proptest! {
        #[test]
        fn any_text_comes_back(text in any::<String>()) {
            prop_assert_eq!(read_back(&text), text);
        }
    }
}
