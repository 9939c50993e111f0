//! A line on a terminal that says what is still running. Writes to standard error, and only if that is a terminal.

use std::io::{Write, stderr};

use crate::cli::output::{columns, movable};

/// Width of a terminal that does not say how wide it is.
const WIDTH: usize = 79;

/// What is still running.
pub struct Progress {
    waiting: Vec<Option<String>>,
}

impl Progress {
    /// Everything is still to be done.
    pub fn new(names: impl Iterator<Item = String>) -> Self {
        let progress = Progress { waiting: names.map(Some).collect() };
        progress.draw();
        progress
    }

    /// One is done.
    pub fn done(&mut self, index: usize) {
        if let Some(name) = self.waiting.get_mut(index)
            && name.take().is_some()
        {
            self.draw();
        }
    }

    fn draw(&self) {
        // A line that wraps could not be removed: the last column stays free.
        write(&line(&self.waiting, columns(&stderr()).unwrap_or(WIDTH).saturating_sub(1)));
    }
}

/// Removes the line.
pub fn clear() {
    write("");
}

fn write(line: &str) {
    let mut stderr = stderr();
    if movable(&stderr) {
        // Progress that can't be shown is no reason to stop.
        let _ = write!(stderr, "\r\x1b[K{line}").and_then(|()| stderr.flush());
    }
}

/// Such as `probing, 2 of 5 checks done; waiting for staging/backend, staging/chat`.
fn line(waiting: &[Option<String>], width: usize) -> String {
    let names: Vec<&str> = waiting.iter().flatten().map(String::as_str).collect();
    if names.is_empty() {
        return String::new();
    }
    let done = waiting.len() - names.len();
    let text = format!("probing, {done} of {} checks done; waiting for {}", waiting.len(), names.join(", "));
    if text.chars().count() <= width {
        return text;
    }
    text.chars().take(width.saturating_sub(3)).chain("...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn the_line_names_what_it_waits_for_and_does_not_wrap() {
        assert_eq!(line(&[None, Some("a/b".into())], 78), "probing, 1 of 2 checks done; waiting for a/b");
        assert_eq!(line(&[None, None], 78), "");
        for width in [20, 78] {
            let long = line(&vec![Some("a-rather-long-name/of-a-check".into()); 20], width);
            assert_eq!(long.chars().count(), width);
        }
    }
}
