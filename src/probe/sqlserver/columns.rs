//! The columns of a row, for assertions. Pure.

use serde_json::Value;
use tiberius::{ColumnData, Row};

use crate::probe::MAX_ANSWER;

/// The columns as a map of texts, with null for NULL. Dates and times are left out: as texts they are what CONVERT makes of them.
/// None when the row is too large to be kept.
pub fn columns(row: &Row) -> Option<Value> {
    let texts = row.cells().filter_map(|(column, value)| Some((column.name().to_owned(), text(value)?)));
    let texts: Vec<(String, Option<String>)> = texts.collect();
    let bytes: usize = texts.iter().filter_map(|(_, text)| text.as_ref()).map(String::len).sum();
    (bytes <= MAX_ANSWER).then(|| texts.into_iter().map(|(name, text)| (name, Value::from(text))).collect())
}

/// A value as text; None for what has no text of its own.
fn text(value: &ColumnData<'_>) -> Option<Option<String>> {
    fn shown<T: ToString>(value: &Option<T>) -> Option<String> {
        value.as_ref().map(ToString::to_string)
    }
    Some(match value {
        ColumnData::U8(value) => shown(value),
        ColumnData::I16(value) => shown(value),
        ColumnData::I32(value) => shown(value),
        ColumnData::I64(value) => shown(value),
        ColumnData::F32(value) => shown(value),
        ColumnData::F64(value) => shown(value),
        ColumnData::Bit(value) => value.map(|bit| u8::from(bit).to_string()),
        ColumnData::String(value) => shown(value),
        ColumnData::Guid(value) => shown(value),
        ColumnData::Numeric(value) => shown(value),
        ColumnData::Xml(value) => shown(value),
        ColumnData::Binary(value) => {
            value.as_ref().map(|bytes| bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}")))
        }
        ColumnData::DateTime(None)
        | ColumnData::SmallDateTime(None)
        | ColumnData::Time(None)
        | ColumnData::Date(None)
        | ColumnData::DateTime2(None)
        | ColumnData::DateTimeOffset(None) => None,
        ColumnData::DateTime(Some(_))
        | ColumnData::SmallDateTime(Some(_))
        | ColumnData::Time(Some(_))
        | ColumnData::Date(Some(_))
        | ColumnData::DateTime2(Some(_))
        | ColumnData::DateTimeOffset(Some(_)) => return None,
    })
}
