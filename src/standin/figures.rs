//! Log entries and figures: those that a filter and a window leave. No I/O; the time is an argument.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::answer::Request;
use super::filter::Filter;
use super::page::page;
use super::refusal::Refusal;
use super::state::State;

/// The fields of ListLogEntriesRequest.
const FIELDS: [&str; 6] = ["resourceNames", "projectIds", "filter", "orderBy", "pageSize", "pageToken"];

/// Entries looked back for where the filter names no time, as Cloud Logging does.
const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);

/// The most entries of a page, and how many there are unless asked otherwise.
const ENTRIES: (usize, &str) = (1000, "50");

/// The most series of a page.
const SERIES: usize = 1000;

/// The entries of the projects that the request names, the oldest first unless it says otherwise.
///
/// # Errors
/// When the request is not understood.
pub fn entries(state: &State, request: &Request) -> Result<Value, Refusal> {
    let body = request.body.as_object().ok_or_else(|| request.invalid("The body is no ListLogEntriesRequest"))?;
    if let Some(field) = body.keys().find(|field| !FIELDS.contains(&field.as_str())) {
        return Err(
            request.invalid(format!("Invalid JSON payload received. Unknown name \"{field}\": Cannot find field."))
        );
    }
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
    let names: Vec<&str> =
        body.get("resourceNames").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return Err(request.invalid("resourceNames is required"));
    }
    let filter = Filter::parse(text("filter")).map_err(|error| request.invalid(error))?;
    let since =
        (!text("filter").contains("timestamp")).then(|| request.now.saturating_sub(LOOK_BACK).unwrap_or_default());
    let of = |entry: &&Value| {
        let log = entry["logName"].as_str().unwrap_or_default();
        let recent = since.is_none_or(|since| time(&entry["timestamp"]).is_some_and(|at| at >= since));
        names.iter().any(|name| log.starts_with(&format!("{name}/"))) && recent && filter.holds(entry)
    };
    let mut found: Vec<Value> = state.entries.iter().filter(of).cloned().collect();
    found.sort_by_key(|entry| time(&entry["timestamp"]));
    match text("orderBy") {
        "" | "timestamp" | "timestamp asc" => {}
        "timestamp desc" => found.reverse(),
        other => return Err(request.invalid(format!("orderBy {other:?} is not understood"))),
    }
    let size = body.get("pageSize").map_or_else(|| ENTRIES.1.to_owned(), Value::to_string);
    let asked = format!("{names:?} {} {}", text("filter"), text("orderBy"));
    let page =
        page(found, &asked, Some(&size), ENTRIES.0, Some(text("pageToken"))).map_err(|error| request.invalid(error))?;
    Ok(answer("entries", page.items, page.next))
}

/// The series of a metric, with the points of the window.
///
/// # Errors
/// When the request is not understood, or asks for what the stand-in does not do: it aligns and reduces nothing.
pub fn series(state: &State, request: &Request) -> Result<Value, Refusal> {
    let unmet =
        |parameter: &&String| parameter.starts_with("aggregation.") || parameter.starts_with("secondaryAggregation.");
    if let Some(parameter) = request.query.keys().find(unmet) {
        return Err(request.invalid(format!("The stand-in aggregates nothing, so it can't take {parameter}")));
    }
    let text = request.asked("filter").filter(|filter| filter.contains("metric.type"));
    let text =
        text.ok_or_else(|| request.invalid("Field filter had an invalid value: it must name one metric.type"))?;
    let filter = Filter::parse(text).map_err(|error| request.invalid(error))?;
    let end =
        bound(request, "interval.endTime")?.ok_or_else(|| request.invalid("Field interval.endTime is required"))?;
    let start = bound(request, "interval.startTime")?.unwrap_or(end);
    if start > end {
        return Err(request.invalid("Field interval.startTime is after interval.endTime"));
    }
    let project = request.call.parameter("project");
    let of = |series: &&Value| series["resource"]["labels"]["project_id"] == project && filter.holds(series);
    let found = state.series.iter().filter(of).filter_map(|series| within(series, start, end));
    let asked = format!("{project} {text} {start} {end}");
    let page = page(found.collect(), &asked, request.asked("pageSize"), SERIES, request.asked("pageToken"))
        .map_err(|error| request.invalid(error))?;
    Ok(answer("timeSeries", page.items, page.next))
}

fn answer(field: &str, items: Vec<Value>, next: Option<String>) -> Value {
    let mut answer = json!({});
    if !items.is_empty() {
        answer[field] = Value::Array(items);
    }
    if let Some(next) = next {
        answer["nextPageToken"] = json!(next);
    }
    answer
}

/// A series with the points that end in the window; none if there is none.
fn within(series: &Value, start: Timestamp, end: Timestamp) -> Option<Value> {
    let ends = |point: &&Value| {
        let at = time(&point["interval"]["endTime"]);
        at.is_some_and(|at| at <= end && (at > start || at == end))
    };
    let points: Vec<Value> = series["points"].as_array()?.iter().filter(ends).cloned().collect();
    let mut series = series.clone();
    series["points"] = json!(points);
    (!points.is_empty()).then_some(series)
}

fn bound(request: &Request, parameter: &str) -> Result<Option<Timestamp>, Refusal> {
    let read = |text: &str| text.parse().map_err(|_| request.invalid(format!("{parameter} is no time: {text:?}")));
    request.asked(parameter).map(read).transpose()
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
