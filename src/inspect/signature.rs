//! Log entries that say the same, as one. Pure.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use regex::Regex;

use super::secrets;
use crate::cloud::LogSignature;

/// Most signatures that are kept, those of the most entries.
const MOST_SIGNATURES: usize = 32;
/// Most signatures that are counted on the way there.
const MOST_COUNTED: usize = 512;
/// Longest text of an entry that is looked at, in bytes.
const LONGEST: usize = 4096;
/// Longest sample or signature, in characters.
const SAMPLE: usize = 300;
/// Severities from the gravest.
const SEVERITIES: [&str; 9] =
    ["EMERGENCY", "ALERT", "CRITICAL", "ERROR", "WARNING", "NOTICE", "INFO", "DEBUG", "DEFAULT"];

/// What changes from entry to entry: times, UUIDs, ids with digits in them, numbers.
static CHANGING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let time = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}[0-9.,]*(?:Z|[+-]\d{2}:?\d{2})?";
    let id = r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]*\d[0-9a-f]{7,}\b";
    Regex::new(&format!(r"{time}|{id}|\d+(?:[.:,]\d+)*")).ok()
});
static EXIT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\bexit(?:ed|ing)?(?: with)?(?: (?:code|status))?[ :=(]*(\d{1,3})\b").ok());
static TIMEOUT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?i)\btime(?:d)?[ -]?out(?: after| of|:| \(| in)? ?(\d+(?:\.\d+)?) ?(ms|milliseconds|s|secs?|seconds?|m|minutes?)\b").ok()
});

/// One entry, as far as it counts.
#[derive(Clone, Debug)]
pub struct Line {
    /// When.
    pub at: Timestamp,
    /// Severity, such as ERROR.
    pub severity: String,
    /// What it says.
    pub text: String,
}

/// Entries, grouped by what they say as they come: memory is bounded by the signatures.
#[derive(Debug, Default)]
pub struct Groups(HashMap<String, LogSignature>);

impl Groups {
    /// Counts an entry.
    pub fn add(&mut self, line: &Line) {
        let text = secrets::cleaned(cut(&line.text));
        let text = text.trim();
        if text.is_empty() {
            return;
        }
        let signature = signature(text);
        if self.0.len() >= MOST_COUNTED && !self.0.contains_key(&signature) {
            return;
        }
        let group = self.0.entry(signature.clone()).or_insert_with(|| LogSignature {
            signature,
            sample: text.chars().take(SAMPLE).collect(),
            count: 0,
            more: false,
            severity: line.severity.clone(),
            first: line.at,
            last: line.at,
            exit_code: exit_code(text),
            timeout: timeout(text),
        });
        group.count += 1;
        group.first = group.first.min(line.at);
        group.last = group.last.max(line.at);
        if rank(&line.severity) < rank(&group.severity) {
            group.severity.clone_from(&line.severity);
        }
    }

    /// The signatures, those of the most entries first. `more`: there are entries that were not counted.
    pub fn finish(self, more: bool) -> Vec<LogSignature> {
        let mut groups: Vec<_> = self.0.into_values().map(|group| LogSignature { more, ..group }).collect();
        // What tells an exit or a time-out is not lost among what is said more often.
        let telling = |group: &LogSignature| group.exit_code.is_none() && group.timeout.is_none();
        groups.sort_by(|a, b| {
            telling(a).cmp(&telling(b)).then(b.count.cmp(&a.count)).then_with(|| a.signature.cmp(&b.signature))
        });
        groups.truncate(MOST_SIGNATURES);
        groups.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.signature.cmp(&b.signature)));
        groups
    }
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

fn rank(severity: &str) -> usize {
    SEVERITIES.iter().position(|known| *known == severity).unwrap_or(SEVERITIES.len())
}

fn signature(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let masked = CHANGING.as_ref().map_or(line.into(), |changing| changing.replace_all(line, "#"));
    masked.chars().take(SAMPLE).collect()
}

fn exit_code(text: &str) -> Option<i32> {
    EXIT.as_ref()?.captures(text)?.get(1)?.as_str().parse().ok()
}

fn timeout(text: &str) -> Option<Duration> {
    let captures = TIMEOUT.as_ref()?.captures(text)?;
    let number: f64 = captures.get(1)?.as_str().parse().ok()?;
    let unit = captures.get(2)?.as_str().to_ascii_lowercase();
    let scale = match unit.as_str() {
        "ms" | "milliseconds" => 0.001,
        "m" | "minute" | "minutes" => 60.0,
        _ => 1.0,
    };
    Duration::try_from_secs_f64(number * scale).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: i64, severity: &str, text: &str) -> Line {
        let at = Timestamp::from_second(second).expect("a time");
        Line { at, severity: severity.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn the_incidents_649_lines_become_one_with_count_first_last_and_time_out() {
        let mut groups = Groups::default();
        for second in 0..649 {
            let text = format!(
                "2025-08-20T10:00:{:02}.123Z worker {second}: Database initialization timeout after 20.0s",
                second % 60
            );
            groups.add(&line(second, if second == 3 { "CRITICAL" } else { "ERROR" }, &text));
        }
        groups.add(&line(700, "WARNING", "Container called exit(3)."));
        let found = groups.finish(false);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].signature, "# worker #: Database initialization timeout after #s");
        assert_eq!((found[0].count, &*found[0].severity, found[0].more), (649, "CRITICAL", false));
        assert_eq!((found[0].first.as_second(), found[0].last.as_second()), (0, 648));
        assert_eq!(found[0].timeout, Some(Duration::from_secs(20)));
        assert_eq!((found[1].exit_code, found[1].timeout), (Some(3), None));
    }

    #[test]
    fn exits_and_time_outs_are_found_in_the_words_of_many() {
        for (text, code) in [
            ("Container called exit(3).", Some(3)),
            ("process exited with code 137", Some(137)),
            ("exit status 1", Some(1)),
            ("exit code: 3", Some(3)),
            ("Application startup failed. Exiting.", None),
            ("the exit of 3000 guests", None),
        ] {
            assert_eq!(exit_code(text), code, "{text}");
        }
        for (text, milliseconds) in [
            ("timeout after 20.0s", Some(20_000)),
            ("connection timed out after 500 ms", Some(500)),
            ("time-out of 2 minutes", Some(120_000)),
            ("timeout expired", None),
        ] {
            assert_eq!(timeout(text), milliseconds.map(Duration::from_millis), "{text}");
        }
    }

    #[test]
    fn a_sample_holds_no_secret_and_what_is_huge_is_cut() {
        let mut groups = Groups::default();
        groups.add(&line(
            1,
            "ERROR",
            &format!("can't connect postgres://app:hunter2@10.0.0.3/db {}", "ä".repeat(100_000)),
        ));
        let found = groups.finish(true);
        assert!(!format!("{found:?}").contains("hunter2") && found[0].sample.chars().count() <= SAMPLE);
        assert!(found[0].more);
    }

    #[test]
    fn what_differs_in_words_is_bounded_and_what_tells_most_is_kept() {
        let mut groups = Groups::default();
        groups.add(&line(1, "ERROR", "timeout after 20.0s"));
        for word in 0..10_000u32 {
            let name: String = word.to_string().bytes().map(|digit| (digit + 49) as char).collect();
            groups.add(&line(2, "ERROR", &format!("oops {name}")));
            groups.add(&line(2, "ERROR", &format!("oops {name}")));
        }
        assert!(groups.0.len() <= MOST_COUNTED);
        let found = groups.finish(false);
        assert_eq!(found.len(), MOST_SIGNATURES);
        assert!(found.iter().any(|group| group.timeout.is_some()));
    }
}
