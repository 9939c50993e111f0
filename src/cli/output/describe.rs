//! Objects in, all that is known of each out, in sentences: for whoever has to act on it. Pure.

use serde_json::Value;

use super::facts::{self, Fact};
use super::inspections::{self, Row};
use super::table::{Style, text};
use crate::api::ConnectivityCheckStatus;
use crate::api::condition::Condition;
use crate::api::status::{ProbeStatus, StageStatus};

/// One block for each object, with an empty line between two.
pub fn describe(objects: &[Value], width: usize, style: Style) -> String {
    let blocks: Vec<String> = objects.iter().map(|object| facts::lay_out(&of_check(object), width, style)).collect();
    blocks.join("\n")
}

fn of_check(object: &Value) -> Vec<Fact> {
    let part = |path: &str| text(object.pointer(path));
    let mut known = vec![("check", format!("{}/{}", part("/metadata/namespace"), part("/metadata/name")))];
    let status = object.get("status").cloned().unwrap_or_default();
    match serde_json::from_value(status) {
        Ok(status) => known.extend(of_status(&status, inspections::of_check(object))),
        Err(error) => known.push(("status", format!("it can't be read, another version may have written it: {error}"))),
    }
    known
}

fn of_status(status: &ConnectivityCheckStatus, unread: Vec<Row>) -> Vec<Fact> {
    let mut known = Vec::new();
    let (ready, others): (Vec<&Condition>, Vec<&Condition>) =
        status.conditions.iter().partition(|condition| condition.type_ == "Ready");
    match ready.first() {
        None => known.push(("ready", "not observed yet".to_owned())),
        Some(ready) => {
            let since = facts::whole_seconds(&ready.last_transition_time);
            known.push(("ready", format!("{} ({}) since {since}", ready.status, ready.reason)));
            known.extend(status.verdict.is_none().then(|| ("message", ready.message.clone())));
        }
    }
    known.extend(status.verdict.iter().flat_map(facts::verdict));
    known.extend(status.drift.iter().map(|drift| ("changed", facts::changed(drift))));
    known.extend(others.into_iter().map(|condition| ("condition", of_condition(condition))));
    known.extend(status.probes.iter().map(|probe| ("probe", of_probe(probe))));
    // A verdict tells itself what it lacks.
    let untold = unread.into_iter().filter(|_| status.verdict.is_none());
    known.extend(untold.map(|row| ("unread", of_inspections(&row))));
    known.extend(status.last_probe_time.as_ref().map(|time| ("last probe", facts::whole_seconds(time))));
    known
}

fn of_condition(condition: &Condition) -> String {
    format!("{}={} ({}): {}", condition.type_, condition.status, condition.reason, condition.message)
}

fn of_probe(probe: &ProbeStatus) -> String {
    let mut said = format!("{}, {}: {}", probe.name, probe.target, probe.state);
    if probe.observed != probe.state {
        said += &format!(", last seen {}", probe.observed);
    }
    if let Some(cause) = probe.cause {
        let place = probe.failed_stage.map(|stage| format!(" in stage {stage}")).unwrap_or_default();
        let step = probe.failed_step.as_ref().map(|step| format!(" of step {step}")).unwrap_or_default();
        said += &format!(", {cause}{place}{step}");
    }
    if !probe.message.is_empty() {
        said += &format!("; {}", probe.message);
    }
    if !probe.stages.is_empty() {
        let stages: Vec<String> = probe.stages.iter().map(of_stage).collect();
        said += &format!(" [{}]", stages.join(", "));
    }
    said
}

fn of_stage(stage: &StageStatus) -> String {
    let step = stage.step.as_ref().map(|step| format!("{step}/")).unwrap_or_default();
    format!("{step}{} {}{}", stage.name, stage.duration, if stage.passed { "" } else { " failed" })
}

fn of_inspections(row: &Row) -> String {
    let Row { inspections, reason, message, next, .. } = row;
    format!("{} ({reason}): {}. Next: {next}", inspections.join(", "), message.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(status: &Value) -> String {
        let object = json!({"metadata": {"namespace": "staging", "name": "backend"}, "status": status});
        describe(&[object], 200, Style::Plain)
    }

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
        let since = "2026-01-01T00:00:00.25Z";
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": since})
    }

    fn failing() -> Value {
        json!({
            "conditions": [
                condition("Ready", "False", "ConnectTimeout", "nothing answers. Next: look"),
                condition("DatabaseReachable", "False", "ConnectTimeout", "database: no answer"),
            ],
            "verdict": {
                "layer": "Egress", "cause": "ConnectTimeout", "rule": "egress/all-silent", "summary": "nothing answers",
                "remedy": "look", "confidence": "Medium", "since": "2026-01-01T00:00:00.25Z", "evidence": ["silence", "more of it"],
                "ruledOut": [{"layer": "Application", "evidence": "no query was sent"}],
                "unknown": ["whether it is dropped"], "others": [],
            },
            "probes": [{
                "name": "database", "vantage": "host/x", "target": "postgres://10.0.0.1:5432/app", "state": "Failing",
                "observed": "Healthy", "streak": 1, "failedStage": "connect", "cause": "ConnectTimeout",
                "message": "connecting to 10.0.0.1:5432: no answer within 2s",
                "stages": [
                    {"name": "resolve", "duration": "1ms", "passed": true},
                    {"name": "connect", "duration": "2s", "passed": false},
                ],
            }],
            "inspections": [
                {"inspection": "Logs", "object": "x", "state": "Unread", "reason": "PermissionDenied", "message": "no.", "remedy": "grant it"},
                {"inspection": "Service", "object": "x", "state": "Read"},
            ],
            "lastProbeTime": "2026-01-01T00:10:00Z",
        })
    }

    #[test]
    fn all_that_is_known_of_a_failure_is_told() {
        let expected = "  check       staging/backend\n  \
            ready       False (ConnectTimeout) since 2026-01-01T00:00:00Z\n  \
            layer       Egress\n  \
            cause       ConnectTimeout\n  \
            since       2026-01-01T00:00:00Z\n  \
            confidence  Medium\n  \
            summary     nothing answers\n  \
            evidence    silence\n  \
            evidence    more of it\n  \
            ruled out   Application: no query was sent\n  \
            unknown     whether it is dropped\n  \
            what to do  look\n  \
            condition   DatabaseReachable=False (ConnectTimeout): database: no answer\n  \
            probe       database, postgres://10.0.0.1:5432/app: Failing, last seen Healthy, ConnectTimeout in stage connect; \
            connecting to 10.0.0.1:5432: no answer within 2s [resolve 1ms, connect 2s failed]\n  \
            last probe  2026-01-01T00:10:00Z\n";
        assert_eq!(shown(&failing()), expected);
    }

    #[test]
    fn without_a_verdict_the_condition_speaks() {
        let ready = condition("Ready", "True", "Healthy", "all of 1 probes are healthy");
        let unread = failing()["inspections"].clone();
        let shown = shown(&json!({"conditions": [ready], "inspections": unread}));
        assert!(shown.contains("ready    True (Healthy)") && shown.contains("message  all of 1 probes"), "{shown}");
        assert!(shown.contains("unread   Logs (PermissionDenied): no. Next: grant it\n"), "{shown}");
        assert!(super::describe(&[json!({"status": {}})], 200, Style::Plain).contains("not observed yet"));
    }

    #[test]
    fn a_status_of_another_version_is_told_and_hides_no_other_check() {
        let other = json!({"metadata": {"namespace": "a", "name": "b"}, "status": {"conditions": 7}});
        let object = json!({"metadata": {"namespace": "staging", "name": "backend"}, "status": failing()});
        let shown = describe(&[other, object], 200, Style::Plain);
        assert!(shown.contains("a/b") && shown.contains("another version may have written it"), "{shown}");
        assert!(shown.contains("\n\n  check       staging/backend\n"), "{shown}");
    }
}
