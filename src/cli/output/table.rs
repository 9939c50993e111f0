//! Objects in, the table that `kubectl get` would print out. Pure: the current time is an argument.
//!
//! The columns are the definition's printer columns, so this table and the one of a cluster can't drift apart.

use std::io::stdout;

use jiff::Timestamp;
use jsonpath_rust::JsonPath;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceColumnDefinition;
use serde_json::Value;

use super::{age, colours};
use crate::api::crd::{CrdError, crd};

/// Space between two columns.
const PADDING: usize = 3;
/// No column is narrower than this, its padding included.
const NARROWEST: usize = 6;

/// How a table may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Text alone.
    Plain,
    /// With READY in colour.
    Coloured,
}

impl Style {
    /// What standard output can show.
    pub fn of_stdout() -> Self {
        if colours(&stdout()) { Style::Coloured } else { Style::Plain }
    }
}

/// Renders a table. NAMESPACE is a column when the objects are of more than one.
///
/// # Errors
/// Only a defect of the types can cause one.
pub fn table(objects: &[Value], wide: bool, style: Style, now: Timestamp) -> Result<String, CrdError> {
    let versions = crd()?.spec.versions.into_iter();
    let mut columns: Vec<CustomResourceColumnDefinition> =
        versions.flat_map(|version| version.additional_printer_columns.unwrap_or_default()).collect();
    columns.retain(|column| wide || column.priority.unwrap_or(0) == 0);
    let namespace = |object: &Value| text(object.pointer("/metadata/namespace"));
    let namespaced = objects.windows(2).any(|pair| namespace(&pair[0]) != namespace(&pair[1]));

    let mut header = vec!["NAME".to_owned()];
    header.extend(columns.iter().map(|column| column.name.to_uppercase()));
    let mut rows = vec![header];
    for object in objects {
        let mut row = vec![text(object.pointer("/metadata/name"))];
        row.extend(columns.iter().map(|column| cell(object, column, now)));
        rows.push(row);
    }
    if namespaced {
        let namespaces = objects.iter().map(namespace);
        let cells = std::iter::once("NAMESPACE".to_owned()).chain(namespaces);
        rows.iter_mut().zip(cells).for_each(|(row, cell)| row.insert(0, cell));
    }
    Ok(lay_out(&rows, style))
}

pub(super) fn lay_out(rows: &[Vec<String>], style: Style) -> String {
    let count = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count).map(|column| (width(column) + PADDING).max(NARROWEST)).collect();
    let ready = rows.first().and_then(|header| header.iter().position(|name| name == "READY"));
    let mut out = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let padded = format!("{cell:<width$}", width = widths[column]);
            let painted = number > 0 && Some(column) == ready && style == Style::Coloured;
            line += &if painted { paint(cell, &padded) } else { padded };
        }
        out += line.trim_end();
        out.push('\n');
    }
    out
}

/// Colours of ECMA-48: green for True, red for False, yellow for what is not known.
fn paint(cell: &str, padded: &str) -> String {
    let code = match cell {
        "True" => 32,
        "False" => 31,
        _ => 33,
    };
    format!("\x1b[{code}m{padded}\x1b[0m")
}

fn cell(object: &Value, column: &CustomResourceColumnDefinition, now: Timestamp) -> String {
    // The paths of Kubernetes begin below the root that RFC 9535 writes as $.
    let found = object.query(&format!("${}", column.json_path)).unwrap_or_default();
    let age = column.json_path == ".metadata.creationTimestamp";
    match found.first() {
        None if age => "<unknown>".to_owned(),
        None => String::new(),
        Some(value) if column.type_ == "date" => match text(Some(value)).parse::<Timestamp>() {
            Ok(time) => age::human(now.duration_since(time).as_secs()),
            Err(_) => "<invalid>".to_owned(),
        },
        Some(value) => first_line(&text(Some(value))),
    }
}

/// kubectl shows the first line, and that there is more.
fn first_line(text: &str) -> String {
    match text.split_once(['\n', '\r', '\u{c}']) {
        Some((first, _)) => format!("{first}..."),
        None => text.to_owned(),
    }
}

pub(super) fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(namespace: &str, name: &str, ready: &str) -> Value {
        json!({
            "metadata": {"namespace": namespace, "name": name, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {
                "conditions": [{"type": "Stalled", "status": "False", "reason": "no", "message": "no"},
                               {"type": "Ready", "status": ready, "reason": "ConnectTimeout", "message": "first\nsecond"}],
                "latency": "3ms", "lastProbeTime": "2026-01-01T00:09:00Z",
            },
        })
    }

    fn rendered(objects: &[Value], wide: bool, style: Style) -> String {
        let now = "2026-01-01T00:10:00Z".parse().expect("a time");
        table(objects, wide, style, now).expect("a table")
    }

    #[test]
    fn a_table_looks_like_kubectl_s() {
        let table = rendered(&[object("a", "backend", "False"), object("a", "b", "True")], false, Style::Plain);
        let expected = "NAME      READY   VERDICT          LAYER   LATENCY   LAST PROBE   AGE\n\
                        backend   False   ConnectTimeout           3ms       60s          10m\n\
                        b         True    ConnectTimeout           3ms       60s          10m\n";
        assert_eq!(table, expected);
    }

    #[test]
    fn wide_adds_the_message_and_namespaces_show_when_they_differ() {
        let table = rendered(&[object("a", "x", "False"), object("b", "x", "Unknown")], true, Style::Plain);
        assert!(table.starts_with("NAMESPACE   NAME   READY"), "{table}");
        assert!(table.contains("first..."), "{table}");
    }

    #[test]
    fn only_ready_is_coloured() {
        let table = rendered(&[object("a", "x", "False")], false, Style::Coloured);
        assert_eq!(table.matches("\x1b[31mFalse   \x1b[0m").count(), 1, "{table}");
        assert_eq!(table.matches("\x1b[").count(), 2, "{table}");
    }

    #[test]
    fn what_is_not_known_yet_is_left_blank() {
        let bare = json!({"metadata": {"name": "x"}, "status": {"observedGeneration": -1}});
        let table = rendered(&[bare], false, Style::Plain);
        let cells: Vec<&str> = table.lines().nth(1).expect("a row").split_whitespace().collect();
        assert_eq!(cells, ["x", "<unknown>"]);
    }
}
