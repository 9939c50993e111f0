//! A JSON value in; its fields by name, each with its path, out. Pure. What is of the wrong type is an error that names the
//! path and never shows the value, which may be a secret.

use serde_json::Value;

use super::ImportError;

/// A field of a service's description, which may not be there.
#[derive(Clone)]
pub struct Field<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Field<'a> {
    /// The description as a whole.
    pub fn whole(value: &'a Value) -> Self {
        Field { path: String::new(), value }
    }

    /// A field of it.
    pub fn get(&self, name: &str) -> Self {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        Field { path, value: self.value.get(name).unwrap_or(&Value::Null) }
    }

    /// A field of a field.
    pub fn at(&self, names: &[&str]) -> Self {
        names.iter().fold(self.clone(), |field, name| field.get(name))
    }

    /// Whether it is there.
    pub fn is_there(&self) -> bool {
        !self.value.is_null()
    }

    /// Its items; none if it is not there.
    ///
    /// # Errors
    /// If it is something else than a list.
    pub fn items(&self) -> Result<Vec<Self>, ImportError> {
        let item = |(index, value)| Field { path: format!("{}[{index}]", self.path), value };
        match self.value {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => Ok(items.iter().enumerate().map(item).collect()),
            _ => Err(self.wrong("a list")),
        }
    }

    /// Its text; a number or a truth value is taken for the text that it was written as, since YAML parts them by quotes alone.
    ///
    /// # Errors
    /// If it holds fields or items.
    pub fn text(&self) -> Result<Option<String>, ImportError> {
        match self.value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            Value::Array(_) | Value::Object(_) => Err(self.wrong("a text")),
        }
    }

    /// Its number, which Google's APIs may write as a text.
    ///
    /// # Errors
    /// If it is no whole number from 0 to 4294967295.
    pub fn count(&self) -> Result<Option<u32>, ImportError> {
        let Some(text) = self.text()? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| self.wrong("a whole number"))
    }

    fn wrong(&self, expected: &'static str) -> ImportError {
        ImportError::Field { path: self.path.clone(), expected }
    }
}
