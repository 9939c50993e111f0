//! Facts for people: each with its name, below each other, and broken to the width of the terminal. Pure, but for that width.

use std::io::stdout;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Style, columns};
use crate::api::baseline::DriftStatus;
use crate::api::status::Verdict;
use crate::baseline;
use crate::cloud::Drift;

/// Width where there is no terminal to ask.
const WIDTH: usize = 100;
/// Narrower than this, a fact begins on the line after its name.
pub const NARROW: usize = 60;

/// One fact: its name, and what it is.
pub type Fact = (&'static str, String);

/// How wide text may be on standard output, in columns.
pub fn width() -> usize {
    columns(&stdout()).unwrap_or(WIDTH).clamp(20, WIDTH)
}

/// Facts below each other, the names in one column.
pub fn lay_out(facts: &[(&str, String)], width: usize, style: Style) -> String {
    let column = facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let bold = |name: &str| match style {
        Style::Coloured => format!("\x1b[1m{name}\x1b[0m"),
        Style::Plain => name.to_owned(),
    };
    let mut text = String::new();
    for (name, fact) in facts {
        let name = format!("  {name:<column$}  ");
        if width < NARROW {
            text += &format!("{}\n{}\n", bold(name.trim_end()), wrap(fact, width, 4));
        } else {
            let body = wrap(fact, width, column + 4);
            text += &format!("{}{}\n", bold(&name), body.trim_start());
        }
    }
    text
}

/// A verdict, fact by fact.
pub fn verdict(verdict: &Verdict) -> Vec<Fact> {
    let mut facts = vec![
        ("layer", verdict.layer.to_string()),
        ("cause", verdict.cause.to_string()),
        ("since", whole_seconds(&verdict.since)),
        ("confidence", verdict.confidence.to_string()),
        ("summary", verdict.summary.clone()),
    ];
    facts.extend(verdict.evidence.iter().map(|evidence| ("evidence", evidence.clone())));
    facts.extend(
        verdict.others.iter().map(|other| ("also", format!("{} {}: {}", other.layer, other.cause, other.summary))),
    );
    facts.extend(verdict.ruled_out.iter().map(|ruled| ("ruled out", format!("{}: {}", ruled.layer, ruled.evidence))));
    facts.extend(verdict.unknown.iter().map(|unknown| ("unknown", unknown.clone())));
    facts.push(("what to do", verdict.remedy.clone()));
    facts
}

/// What differs from the configuration that worked, in a sentence.
pub fn changed(drift: &DriftStatus) -> String {
    baseline::sentence(&Drift::from(drift))
}

/// A time to the second.
pub fn whole_seconds(time: &Time) -> String {
    time.0.round(jiff::Unit::Second).unwrap_or(time.0).to_string()
}

/// Breaks a text at its spaces, each line behind `indent` spaces. A word longer than a line stands alone.
pub fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = " ".repeat(indent);
        let mut filled = indent;
        for word in paragraph.split(' ').filter(|word| !word.is_empty()) {
            let length = word.chars().count();
            let gap = usize::from(filled > indent);
            if gap > 0 && filled + gap + length > width {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
                filled = indent;
            } else if gap > 0 {
                line.push(' ');
                filled += 1;
            }
            line += word;
            filled += length;
        }
        lines.push(line);
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::wrap;

    #[test]
    fn text_breaks_at_spaces_and_a_long_word_stays_whole() {
        assert_eq!(wrap("one two three", 9, 2), "  one two\n  three");
        assert_eq!(wrap("a http://127.0.0.1:80/x b", 10, 0), "a\nhttp://127.0.0.1:80/x\nb");
        assert_eq!(wrap("two\nlines", 80, 1), " two\n lines");
        assert_eq!(wrap("", 80, 2), "  ");
    }
}
