//! Reads what a service's log says, counted by what it says (logging v2). Does network I/O.

use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::entries::{self, Pages};
use super::google::Google;
use super::question::Question;
use super::signature::{Groups, Line};
use crate::cloud::{LogSignature, Unread};

/// How far back the log is read: an outage of an hour is seen whole.
const WINDOW: Duration = Duration::from_secs(75 * 60);
/// How much is read of it.
const PAGES: Pages = Pages { size: 500, most: 4 };
/// What an application that is about to fail writes without a severity.
const TELLING: &str = "(?i)(error|time.?d? ?out|fail|fatal|exit|refused|unreachable|too many connections)";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    timestamp: Option<Timestamp>,
    #[serde(default)]
    severity: String,
    text_payload: Option<String>,
    json_payload: Option<serde_json::Map<String, serde_json::Value>>,
    proto_payload: Option<Proto>,
}

#[derive(Deserialize)]
struct Proto {
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
struct Status {
    #[serde(default)]
    message: String,
}

/// Reads the log of a service. `question` is about the service.
pub async fn read(
    google: &Google,
    question: &Question,
    region: &str,
    service: &str,
) -> Result<Vec<LogSignature>, Unread> {
    let filter = filter(region, service, Timestamp::now());
    let mut groups = Groups::default();
    let more = entries::read(google, question, &filter, PAGES, |entry: Entry| groups.add(&entry.line())).await?;
    Ok(groups.finish(more))
}

fn filter(region: &str, service: &str, now: Timestamp) -> String {
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    format!(
        "resource.type=\"cloud_run_revision\" AND resource.labels.service_name=\"{service}\" \
         AND resource.labels.location=\"{region}\" AND timestamp>=\"{since:.0}\" \
         AND (severity>=WARNING OR logName:\"run.googleapis.com%2Fvarlog%2Fsystem\" \
         OR (logName:\"run.googleapis.com%2Fstderr\" AND textPayload=~\"{TELLING}\"))"
    )
}

impl Entry {
    fn line(&self) -> Line {
        let said = |key: &str| self.json_payload.as_ref()?.get(key)?.as_str();
        let json = ["message", "msg", "error", "event"].into_iter().find_map(said);
        let status = || self.proto_payload.as_ref()?.status.as_ref().map(|status| status.message.as_str());
        let text = self.text_payload.as_deref().or(json).or_else(status).unwrap_or_default();
        Line { at: self.timestamp.unwrap_or_default(), severity: self.severity.clone(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_an_entry_is_found_in_each_form() {
        for entry in [
            r#"{"timestamp": "2026-01-02T03:04:05.678Z", "severity": "ERROR", "textPayload": "no"}"#,
            r#"{"timestamp": "2026-01-02T03:04:05.678Z", "severity": "ERROR", "jsonPayload": {"message": "no"}}"#,
            r#"{"timestamp": "2026-01-02T03:04:05.678Z", "severity": "ERROR", "protoPayload": {"@type": "x", "status": {"message": "no"}}}"#,
        ] {
            let line = serde_json::from_str::<Entry>(entry).expect("an entry").line();
            assert_eq!((&*line.text, &*line.severity), ("no", "ERROR"), "{entry}");
        }
    }

    #[test]
    fn the_filter_names_the_service_and_the_window() {
        let filter = filter("us-central1", "backend", "2026-01-02T04:15:00.5Z".parse().expect("a time"));
        assert!(filter.contains("service_name=\"backend\"") && filter.contains("location=\"us-central1\""), "{filter}");
        assert!(filter.contains("timestamp>=\"2026-01-02T03:00:00Z\""), "{filter}");
    }
}
