//! ConnectivityCheck objects in, a table, JSON, YAML or JUnit XML out, on standard output.

mod age;
mod describe;
pub mod facts;
mod inspections;
mod junit;
mod table;

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::manifest::Fault;

pub use table::{Style, table};

/// How to print checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// As `kubectl get`
    Table,
    /// As `kubectl get -o wide`: with the message; and what could not be read of Google Cloud
    Wide,
    /// All that is known of each, in sentences: verdict, evidence, what to do, what has changed, every probe
    Describe,
    /// A List of the whole objects, as JSON
    Json,
    /// A List of the whole objects, as YAML
    Yaml,
    /// JUnit XML: a test suite for each check, a test case for each probe, and one for what Google Cloud says
    Junit,
}

/// Why the output could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Standard output can't be written to.
    #[error("standard output can't be written to: {0}")]
    Io(#[from] io::Error),
    /// The objects can't be put in this format: a defect.
    #[error("the result can't be written as YAML (a defect): {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// The definition of the columns can't be made: a defect.
    #[error(transparent)]
    Columns(#[from] crate::api::crd::CrdError),
}

/// Prints objects in a format.
///
/// # Errors
/// When standard output can't be written to.
pub fn print(objects: &[Value], format: Format) -> Result<(), OutputError> {
    let on_screen;
    let objects = if matches!(format, Format::Table | Format::Wide | Format::Describe) {
        on_screen = objects.iter().cloned().map(shown).collect::<Vec<_>>();
        &on_screen
    } else {
        objects
    };
    let text = match format {
        Format::Table => table(objects, false, Style::of_stdout(), jiff::Timestamp::now())?,
        Format::Wide => {
            let style = Style::of_stdout();
            table(objects, true, style, jiff::Timestamp::now())? + &inspections::unread(objects)
        }
        Format::Describe => describe::describe(objects, facts::width(), Style::of_stdout()),
        Format::Json => escaped(&format!("{:#}\n", list(objects))),
        Format::Yaml => serde_yaml::to_string(&list(objects))?,
        Format::Junit => junit::report(objects)?,
    };
    write(&text)
}

/// An object for a terminal, which would obey control characters: names, patterns and messages may quote any.
fn shown(object: Value) -> Value {
    match object {
        Value::String(text) => Value::String(printable(&text)),
        Value::Array(items) => items.into_iter().map(shown).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, shown(value))).collect(),
        other => other,
    }
}

/// JSON with the control characters escaped that it need not escape, and that some terminals obey (DEL and those from U+0080 on).
fn escaped(json: &str) -> String {
    let escape =
        |c: char| if ('\u{7f}'..='\u{9f}').contains(&c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
    json.chars().map(escape).collect()
}

/// Says what is wrong with manifests, on standard error.
pub fn complain(faults: &[Fault]) {
    faults.iter().for_each(|fault| eprintln!("{}", printable(&fault.to_string())));
}

/// A text without control characters, which XML 1.0 can't hold either.
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c }).collect()
}

/// Writes a text to standard output.
///
/// # Errors
/// When that can't be written to.
pub fn write(text: &str) -> Result<(), OutputError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read it has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn list(objects: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": objects})
}

/// Whether to use colours on a stream: on a terminal, unless NO_COLOR is set (no-color.org) or the terminal is dumb.
pub fn colours(stream: &impl IsTerminal) -> bool {
    movable(stream) && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether what a stream shows can be written over: on a terminal that is not dumb.
pub fn movable(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

/// How many columns a stream's terminal has. None where there is no terminal, or it does not say.
pub fn columns(stream: &(impl IsTerminal + AsFd)) -> Option<usize> {
    let size = if stream.is_terminal() { rustix::termios::tcgetwinsize(stream).ok() } else { None };
    size.map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether an object's condition Ready is True.
pub fn is_ready(object: &Value) -> bool {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
