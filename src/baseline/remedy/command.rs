//! A command line of gcloud: arguments in, text that a shell reads as just these arguments out. Pure.

use std::fmt;

/// A command and its arguments, none of them quoted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    words: Vec<String>,
    /// Names that stand by themselves and must be names.
    names: Vec<String>,
}

impl Command {
    /// gcloud with the words of one of its commands, such as `run services update`, upon the object of that name.
    pub fn gcloud(words: &str, name: &str) -> Self {
        let mut all = vec!["gcloud".to_owned()];
        all.extend(words.split(' ').map(str::to_owned));
        all.push(name.to_owned());
        Command { words: all, names: vec![name.to_owned()] }
    }

    /// gcloud with the words of one of its commands, which names what it is upon by flags alone.
    pub fn unnamed(words: &str) -> Self {
        let words = std::iter::once("gcloud").chain(words.split(' ')).map(str::to_owned);
        Command { words: words.collect(), names: Vec::new() }
    }

    /// With a flag that has a value.
    #[must_use]
    pub fn with(mut self, flag: &str, value: &str) -> Self {
        self.words.push(format!("--{flag}={value}"));
        self
    }

    /// With a flag that has a value, where there is one.
    #[must_use]
    pub fn with_some(self, flag: &str, value: Option<&str>) -> Self {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => self.with(flag, value),
            None => self,
        }
    }

    /// With a flag that has a list for value. A delimiter is chosen that none of them holds.
    #[must_use]
    pub fn with_list<T: AsRef<str>>(self, flag: &str, values: &[T]) -> Self {
        let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
        let free = |delimiter: &char| !values.iter().any(|value| value.contains(*delimiter));
        match [',', '@', '|', ';', '#'].iter().find(|delimiter| free(delimiter)) {
            Some(',') | None => self.with(flag, &values.join(",")),
            // gcloud topic escaping.
            Some(other) => self.with(flag, &format!("^{other}^{}", values.join(&other.to_string()))),
        }
    }

    /// With a flag that has no value.
    #[must_use]
    pub fn flag(mut self, flag: &str) -> Self {
        self.words.push(format!("--{flag}"));
        self
    }

    /// The arguments as they are.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether every name is one, and nothing would be shown otherwise than it is.
    pub fn is_safe(&self) -> bool {
        let named = |name: &String| {
            let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:".contains(character);
            name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(plain)
        };
        let visible = |word: &String| !word.chars().any(|character| character.is_control() || is_format(character));
        self.names.iter().all(named) && self.words.iter().all(visible)
    }
}

/// Characters that change how others are shown: directions of writing, and those without width.
pub const fn is_format(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{}", quoted(word))?;
        }
        Ok(())
    }
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_.:/=,@%+".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}
