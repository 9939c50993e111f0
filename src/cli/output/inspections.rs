//! Objects in, a table of what could not be read of Google Cloud out: why, and what mends it. Pure.

use serde_json::Value;

use super::table::{Style, lay_out, text};

/// What hinders, and the inspections that it hinders.
pub struct Row {
    check: String,
    pub inspections: Vec<String>,
    pub reason: String,
    /// What came of the first of them.
    pub message: String,
    pub next: String,
}

/// The table, after an empty line. Empty where everything was read. What hinders several inspections is one row.
pub fn unread(objects: &[Value]) -> String {
    let rows: Vec<Row> = objects.iter().flat_map(of_check).collect();
    if rows.is_empty() {
        return String::new();
    }
    let mut cells = vec![["CHECK", "UNREAD", "REASON", "NEXT"].map(str::to_owned).to_vec()];
    cells.extend(rows.into_iter().map(|row| vec![row.check, row.inspections.join(","), row.reason, row.next]));
    format!("\n{}", lay_out(&cells, Style::Plain))
}

/// What could not be read for one check.
pub fn of_check(object: &Value) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let inspections = object.pointer("/status/inspections").and_then(Value::as_array).into_iter().flatten();
    for entry in inspections.filter(|entry| entry["state"] == "Unread") {
        let part = |name: &str| text(entry.get(name));
        let (reason, next) = (part("reason"), part("remedy"));
        match rows.iter_mut().find(|row| (&row.reason, &row.next) == (&reason, &next)) {
            Some(row) if row.inspections.contains(&part("inspection")) => {}
            Some(row) => row.inspections.push(part("inspection")),
            None => rows.push(Row {
                check: text(object.pointer("/metadata/name")),
                inspections: vec![part("inspection")],
                reason,
                message: part("message"),
                next,
            }),
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(inspections: Value) -> Value {
        json!({"metadata": {"name": "backend"}, "status": {"inspections": inspections}})
    }

    #[test]
    fn what_hinders_several_inspections_is_one_row() {
        let entry = |inspection: &str, reason: &str, remedy: &str| json!({"inspection": inspection, "state": "Unread", "reason": reason, "remedy": remedy});
        let shown = unread(&[object(json!([
            entry("Service", "NoCredentials", "log in"),
            entry("Revisions", "NoCredentials", "log in"),
            entry("Revisions", "NoCredentials", "log in"),
            entry("Network", "PermissionDenied", "grant it"),
            {"inspection": "Logs", "state": "Read"},
        ]))]);
        assert_eq!(
            shown,
            "\nCHECK     UNREAD              REASON             NEXT\n\
             backend   Service,Revisions   NoCredentials      log in\n\
             backend   Network             PermissionDenied   grant it\n"
        );
    }

    #[test]
    fn where_all_is_read_nothing_is_added() {
        assert_eq!(unread(&[object(json!([{"inspection": "Logs", "state": "Read"}])), json!({})]), "");
    }
}
