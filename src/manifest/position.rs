//! YAML text in, the place of each field out. Pure.
//!
//! The place of a field is where its key begins; that of a list's item, where the item begins. A field that is not there has
//! the place of the nearest field around it.

use std::collections::HashMap;

use saphyr::{LoadableYamlNode, MarkedYaml, Scalar, YamlData};

/// A line and a column, both counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// Where each field of one document stands.
#[derive(Clone, Debug, Default)]
pub struct Places {
    by_path: HashMap<String, Position>,
    /// Paths of scalars written without quotes: only those can be YAML 1.1 booleans.
    plain: HashMap<String, String>,
}

impl Places {
    /// Finds every field of a text with one document that begins after `lines_before` lines of its file.
    pub fn of(text: &str, lines_before: usize) -> Self {
        let mut places = Places::default();
        let start = Position { line: lines_before + 1, column: 1 };
        places.by_path.insert(String::new(), start);
        let Ok(documents) = MarkedYaml::load_from_str(text) else { return places };
        let lines: Vec<&str> = text.lines().collect();
        if let Some(document) = documents.first() {
            let root = position(document, lines_before);
            places.by_path.insert(String::new(), root);
            places.walk(document, String::new(), &lines, lines_before);
        }
        places
    }

    /// The place of a field, or of the nearest one around it that is there.
    pub fn find(&self, path: &str) -> Option<Position> {
        let mut path = path;
        loop {
            if let Some(found) = self.by_path.get(path) {
                return Some(*found);
            }
            if path.is_empty() {
                return None;
            }
            path = &path[..path.rfind(['.', '[']).unwrap_or(0)];
        }
    }

    /// The text of a scalar, if it was written without quotes.
    pub fn plain(&self, path: &str) -> Option<&str> {
        self.plain.get(path).map(String::as_str)
    }

    fn walk(&mut self, node: &MarkedYaml<'_>, path: String, lines: &[&str], before: usize) {
        match &node.data {
            YamlData::Mapping(entries) => {
                for (key, value) in entries {
                    let YamlData::Value(Scalar::String(name)) = &key.data else { continue };
                    let below = join(&path, name);
                    self.by_path.insert(below.clone(), position(key, before));
                    self.walk(value, below, lines, before);
                }
            }
            YamlData::Sequence(items) => {
                for (index, item) in items.iter().enumerate() {
                    let below = format!("{path}[{index}]");
                    self.by_path.insert(below.clone(), position(item, before));
                    self.walk(item, below, lines, before);
                }
            }
            YamlData::Tagged(_, inner) => self.walk(inner, path, lines, before),
            YamlData::Value(Scalar::String(text)) => {
                let first = lines.get(node.span.start.line().saturating_sub(1));
                let first = first.and_then(|line| line.chars().nth(node.span.start.col()));
                if first.is_some_and(|first| text.starts_with(first)) {
                    self.plain.insert(path, text.to_string());
                }
            }
            YamlData::Value(_) | YamlData::Representation(..) | YamlData::Alias(_) | YamlData::BadValue => {}
        }
    }
}

/// The path of a field of the object at `path`.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn position(node: &MarkedYaml<'_>, before: usize) -> Position {
    Position { line: node.span.start.line() + before, column: node.span.start.col() + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(places: &Places, path: &str) -> (usize, usize) {
        let Position { line, column } = places.find(path).expect("a place");
        (line, column)
    }

    #[test]
    fn fields_and_items_are_found_where_they_begin() {
        let text = "spec:\n  probes:\n  - name: a\n    tcp: {host: h, port: 0}\n  - {name: b}\n";
        let places = Places::of(text, 10);
        assert_eq!(at(&places, "spec.probes"), (12, 3));
        assert_eq!(at(&places, "spec.probes[0]"), (13, 5));
        assert_eq!(at(&places, "spec.probes[0].tcp.port"), (14, 20));
        assert_eq!(at(&places, "spec.probes[1].name"), (15, 6));
        assert_eq!(at(&places, "spec.probes[1].tcp.port"), (15, 5), "the nearest around it");
        assert_eq!(at(&places, "status"), (11, 1));
    }

    #[test]
    fn what_an_alias_stands_for_is_found_where_it_is_written() {
        let text = "a: &x\n  port: 1\nb: *x\n";
        assert_eq!(at(&Places::of(text, 0), "b.port"), (2, 3));
    }

    #[test]
    fn characters_are_counted_not_bytes() {
        let places = Places::of("{ä: ü, b: 1}\n", 0);
        assert_eq!(at(&places, "b"), (1, 8));
    }
}
