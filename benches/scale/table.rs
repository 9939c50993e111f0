//! Figures next to their bounds, as a table. No I/O but a line per figure on standard error, as soon as it is known.

use std::fmt;

/// What was measured.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    part: String,
    what: String,
    measured: String,
    bound: String,
    /// None where there is no bound.
    within: Option<bool>,
}

impl Table {
    /// A figure that may be at most `bound`.
    pub fn at_most(&mut self, part: &str, what: &str, measured: f64, bound: f64, unit: &str) {
        self.add(part, what, shown(measured, unit), format!("<= {}", shown(bound, unit)), Some(measured <= bound));
    }

    /// A figure that must be less than `bound`.
    pub fn less_than(&mut self, part: &str, what: &str, measured: f64, bound: f64, unit: &str) {
        self.add(part, what, shown(measured, unit), format!("< {}", shown(bound, unit)), Some(measured < bound));
    }

    /// A figure without a bound.
    pub fn note(&mut self, part: &str, what: &str, measured: f64, unit: &str) {
        self.add(part, what, shown(measured, unit), String::new(), None);
    }

    /// What could not be measured, and why. It counts as missed: a bound that nobody has looked at does not hold.
    pub fn unmeasured(&mut self, part: &str, why: &str) {
        self.add(part, "not measured", why.to_owned(), String::new(), Some(false));
    }

    /// Whether every bound holds.
    pub fn all_within(&self) -> bool {
        self.lines.iter().all(|line| line.within != Some(false))
    }

    fn add(&mut self, part: &str, what: &str, measured: String, bound: String, within: Option<bool>) {
        let line = Line { part: part.to_owned(), what: what.to_owned(), measured, bound, within };
        eprintln!("{}: {}: {} {} {}", line.part, line.what, line.measured, line.bound, line.verdict());
        self.lines.push(line);
    }
}

impl Line {
    const fn verdict(&self) -> &'static str {
        match self.within {
            Some(true) => "ok",
            Some(false) => "MISSED",
            None => "",
        }
    }

    fn cells(&self) -> [&str; 5] {
        [&self.part, &self.what, &self.measured, &self.bound, self.verdict()]
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["part", "figure", "measured", "bound", ""];
        let rows: Vec<[&str; 5]> = std::iter::once(head).chain(self.lines.iter().map(Line::cells)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 5] = std::array::from_fn(width);
        for (index, row) in rows.iter().enumerate() {
            let padded = |(cell, width): (&&str, &usize)| format!("{cell:<width$}");
            writeln!(f, "| {} |", row.iter().zip(&widths).map(padded).collect::<Vec<_>>().join(" | "))?;
            if index == 0 {
                writeln!(f, "|-{}-|", widths.iter().map(|width| "-".repeat(*width)).collect::<Vec<_>>().join("-|-"))?;
            }
        }
        Ok(())
    }
}

fn shown(value: f64, unit: &str) -> String {
    let digits = if value.fract() == 0.0 || value >= 100.0 { 0 } else { 2 };
    format!("{value:.digits$} {unit}").trim_end().to_owned()
}
