//! How the story is shown: lines with the time and who speaks, tables, and on a terminal a line that lives. Writes to
//! standard output.

use std::io::{Write, stdout};
use std::time::Instant;

use crate::cli::output::facts::{self, NARROW, wrap};
use crate::cli::output::{self, OutputError, Style};

/// Room for the time and the speaker.
const MARGIN: usize = 17;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The story itself.
    Story,
    /// The controller, with good news.
    Good,
    /// The controller, with bad news.
    Bad,
    /// The backend's log.
    Backend,
}

impl Who {
    const fn name(self) -> &'static str {
        match self {
            Who::Story => "demo",
            Who::Good | Who::Bad => "runready",
            Who::Backend => "backend",
        }
    }

    /// Select Graphic Rendition of ECMA-48: bold, green, red, faint.
    const fn paint(self) -> &'static str {
        match self {
            Who::Story => "1",
            Who::Good => "32",
            Who::Bad => "31",
            Who::Backend => "2",
        }
    }
}

/// Where the story is shown.
pub struct Show {
    start: Instant,
    colours: bool,
    /// Whether a line can be written over.
    alive: bool,
    /// Whether a block was printed last, which a blank line parts from what comes next.
    after_block: bool,
}

impl Show {
    /// The clock starts now.
    pub fn start() -> Self {
        let stdout = stdout();
        Show {
            start: Instant::now(),
            colours: output::colours(&stdout),
            alive: output::movable(&stdout),
            after_block: false,
        }
    }

    /// Says something.
    pub fn say(&mut self, who: Who, text: &str) -> Result<(), OutputError> {
        let said = self.start.elapsed().as_secs();
        let head = format!("{:02}:{:02}  {:<10}", said / 60, said % 60, who.name());
        let width = facts::width();
        let body = if width < NARROW {
            format!("\n{}", wrap(text, width, 2))
        } else {
            wrap(text, width, MARGIN).trim_start().to_owned()
        };
        let gap = if std::mem::take(&mut self.after_block) { "\n" } else { "" };
        let line = format!("{gap}{head}{}\n", self.painted(&body, who.paint()));
        self.print(&line)
    }

    /// Prints facts below each other, the names in one column.
    pub fn facts(&mut self, facts: &[(&str, String)]) -> Result<(), OutputError> {
        self.block(&facts::lay_out(facts, facts::width(), self.style()))
    }

    /// Prints a paragraph.
    pub fn paragraph(&mut self, text: &str) -> Result<(), OutputError> {
        self.block(&format!("{}\n", wrap(text, facts::width(), 0)))
    }

    /// Prints a table: in its style where there is room for it, otherwise plain, and cut off on the right.
    pub fn table(&mut self, styled: &str, plain: &str) -> Result<(), OutputError> {
        let room = output::columns(&stdout()).unwrap_or(usize::MAX);
        if plain.lines().all(|line| line.chars().count() <= room) {
            return self.block(styled);
        }
        let cut = |line: &str| line.chars().take(room).chain(['\n']).collect::<String>();
        self.block(&plain.lines().map(cut).collect::<String>())
    }

    /// How the table of `get` may look here.
    pub const fn style(&self) -> Style {
        if self.colours { Style::Coloured } else { Style::Plain }
    }

    /// Shows a line that the next one replaces; only on a terminal.
    pub fn live(&self, text: &str) -> Result<(), OutputError> {
        if !self.alive {
            return Ok(());
        }
        let line: String = text.chars().take(facts::width().saturating_sub(1)).collect();
        let mut out = stdout().lock();
        write!(out, "\r\x1b[K{}", self.painted(&line, "2"))?;
        Ok(out.flush()?)
    }

    /// Prints a block, with a blank line before it.
    fn block(&mut self, text: &str) -> Result<(), OutputError> {
        self.after_block = true;
        self.print(&format!("\n{text}"))
    }

    fn print(&self, text: &str) -> Result<(), OutputError> {
        let mut out = stdout().lock();
        if self.alive {
            out.write_all(b"\r\x1b[K")?;
        }
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }

    fn painted(&self, text: &str, paint: &str) -> String {
        if self.colours { format!("\x1b[{paint}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
