//! Objects in, JUnit XML out: a suite for each check, a case for each of its probes and one for what Google Cloud says. Pure.
//!
//! A check that is not Ready although none of its required probes fails (suspended, say) gets a case of its own, so that the
//! counts always agree with the exit code.

use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};
use serde_json::Value;

use super::{is_ready, printable};

/// What came of a probe, in JUnit's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failure,
    Error,
    Skipped,
}

struct Case {
    name: String,
    seconds: f64,
    outcome: Outcome,
    kind: String,
    message: String,
}

/// Renders a report.
///
/// # Errors
/// Writing to memory does not fail.
pub fn report(objects: &[Value]) -> io::Result<String> {
    let suites: Vec<(String, &Value, Vec<Case>)> =
        objects.iter().map(|object| (name_of(object), object, cases(object))).collect();
    let all = suites.iter().flat_map(|(_, _, cases)| cases);
    let totals = counts(all);
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.create_element("testsuites")
        .with_attribute(("name", "runready"))
        .with_attributes(attributes(&totals))
        .write_inner_content(|xml| {
            for (name, object, cases) in &suites {
                suite(xml, name, object, cases)?;
            }
            Ok(())
        })?;
    let mut text = String::from_utf8_lossy(&xml.into_inner()).into_owned();
    text.push('\n');
    Ok(text)
}

type Totals = [(&'static str, String); 4];

fn counts<'a>(cases: impl Iterator<Item = &'a Case> + Clone) -> Totals {
    let count = |outcome| cases.clone().filter(|case| case.outcome == outcome).count().to_string();
    [
        ("tests", cases.clone().count().to_string()),
        ("failures", count(Outcome::Failure)),
        ("errors", count(Outcome::Error)),
        ("skipped", count(Outcome::Skipped)),
    ]
}

fn attributes(totals: &Totals) -> impl Iterator<Item = (&str, &str)> {
    totals.iter().map(|(name, value)| (*name, value.as_str()))
}

fn suite(xml: &mut Writer<Vec<u8>>, name: &str, object: &Value, cases: &[Case]) -> io::Result<()> {
    let totals = counts(cases.iter());
    let time = format!("{:.6}", cases.iter().map(|case| case.seconds).fold(0.0, f64::max));
    let at = text(object, "/status/lastProbeTime");
    let mut element =
        xml.create_element("testsuite").with_attribute(("name", name)).with_attributes(attributes(&totals));
    element = element.with_attribute(("time", time.as_str()));
    if !at.is_empty() {
        element = element.with_attribute(("timestamp", at.as_str()));
    }
    element.write_inner_content(|xml| cases.iter().try_for_each(|case| write_case(xml, name, case)))?;
    Ok(())
}

fn write_case(xml: &mut Writer<Vec<u8>>, check: &str, case: &Case) -> io::Result<()> {
    let time = format!("{:.6}", case.seconds);
    let element = xml.create_element("testcase").with_attributes([
        ("name", case.name.as_str()),
        ("classname", check),
        ("time", time.as_str()),
    ]);
    let child = match case.outcome {
        Outcome::Passed => return element.write_empty().map(drop),
        Outcome::Failure => "failure",
        Outcome::Error => "error",
        Outcome::Skipped => "skipped",
    };
    let message = printable(&case.message);
    element.write_inner_content(|xml| {
        let mut inner = xml.create_element(child).with_attribute(("message", message.as_str()));
        if case.outcome != Outcome::Skipped {
            inner = inner.with_attribute(("type", case.kind.as_str()));
        }
        inner.write_text_content(BytesText::new(&message)).map(drop)
    })?;
    Ok(())
}

fn cases(object: &Value) -> Vec<Case> {
    let probes = object.pointer("/status/probes").and_then(Value::as_array);
    let mut cases: Vec<Case> = probes.into_iter().flatten().flat_map(of_probe).collect();
    cases.extend(infrastructure(object));
    let fails = cases.iter().any(|case| matches!(case.outcome, Outcome::Failure | Outcome::Error));
    if !is_ready(object) && !fails {
        let mut ready = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
        let ready = ready.find(|condition| text(condition, "/type") == "Ready");
        let part = |path: &str| ready.map(|condition| text(condition, path)).unwrap_or_default();
        cases.push(Case {
            name: "Ready".to_owned(),
            seconds: 0.0,
            outcome: Outcome::Failure,
            kind: part("/reason"),
            message: part("/message"),
        });
    }
    cases
}

/// The case of what Google Cloud says, where it is read. It fails with the check alone: what is not known, or does not keep the
/// check from being Ready, is skipped, with the reason.
fn infrastructure(object: &Value) -> Option<Case> {
    let mut conditions = object.pointer("/status/conditions").and_then(Value::as_array)?.iter();
    let condition = conditions.find(|condition| text(condition, "/type") == "InfrastructureHealthy")?;
    let outcome = match text(condition, "/status").as_str() {
        "True" => Outcome::Passed,
        "False" if !is_ready(object) => Outcome::Failure,
        _ => Outcome::Skipped,
    };
    Some(Case {
        name: "InfrastructureHealthy".to_owned(),
        seconds: 0.0,
        outcome,
        kind: text(condition, "/reason"),
        message: text(condition, "/message"),
    })
}

/// A probe's case; before it those of its steps, which pass or fail on their own.
fn of_probe(probe: &Value) -> Vec<Case> {
    let steps = probe.pointer("/steps").and_then(Value::as_array);
    let mut cases: Vec<Case> = steps.into_iter().flatten().map(|step| step_case(&text(probe, "/name"), step)).collect();
    cases.push(case(probe));
    cases
}

fn step_case(probe: &str, step: &Value) -> Case {
    let (outcome, message) = match text(step, "/state").as_str() {
        "Passed" | "Degraded" => (Outcome::Passed, String::new()),
        "Skipped" => (Outcome::Skipped, "not carried out, because an earlier step failed".to_owned()),
        _ => (Outcome::Failure, text(step, "/message")),
    };
    Case {
        name: format!("{probe}/{}", text(step, "/name")),
        seconds: seconds(&text(step, "/duration")),
        outcome,
        kind: text(step, "/cause"),
        message,
    }
}

fn seconds(duration: &str) -> f64 {
    duration.parse::<kube::core::Duration>().map(std::time::Duration::from).unwrap_or_default().as_secs_f64()
}

fn case(probe: &Value) -> Case {
    let outcome = match text(probe, "/state").as_str() {
        "Healthy" | "Degraded" => Outcome::Passed,
        "Failing" => Outcome::Failure,
        "Skipped" => Outcome::Skipped,
        _ => Outcome::Error,
    };
    Case {
        name: text(probe, "/name"),
        seconds: seconds(&text(probe, "/latency")),
        outcome,
        kind: text(probe, "/cause"),
        message: text(probe, "/message"),
    }
}

fn name_of(object: &Value) -> String {
    format!("{}/{}", text(object, "/metadata/namespace"), text(object, "/metadata/name"))
}

fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(ready: &str, probes: Value) -> Value {
        let ready = json!([{"type": "Ready", "status": ready, "reason": "Suspended", "message": "it is suspended"}]);
        json!({"metadata": {"namespace": "ns", "name": "x"}, "status": {"conditions": ready, "probes": probes}})
    }

    #[test]
    fn each_state_has_its_element_and_the_text_is_escaped() {
        let probes = json!([
            {"name": "a", "state": "Healthy", "latency": "1.5ms"},
            {"name": "b", "state": "Failing", "cause": "ConnectTimeout", "message": "<nothing> & \"no one\"\u{1}"},
            {"name": "c", "state": "Skipped", "message": "because of b"},
            {"name": "d", "state": "Unknown", "cause": "SecretNotFound", "message": "no Secret"},
        ]);
        let xml = report(&[object("False", probes)]).expect("a report");
        for part in [
            r#"<testsuite name="ns/x" tests="4" failures="1" errors="1" skipped="1" time="0.001500""#,
            r#"<testcase name="a" classname="ns/x" time="0.001500"/>"#,
            r#"message="&lt;nothing&gt; &amp; &quot;no one&quot;"#,
            r#"type="ConnectTimeout""#,
            "<skipped message=\"because of b\"",
            r#"<error message="no Secret" type="SecretNotFound""#,
        ] {
            assert!(xml.contains(part), "{part} is not in\n{xml}");
        }
        assert!(!xml.contains('\u{1}'));
    }

    #[test]
    fn what_google_cloud_says_is_a_case_that_fails_with_the_check_alone() {
        let of = |ready: &str, infrastructure: &str| {
            let mut object = object(ready, json!([{"name": "a", "state": "Healthy"}]));
            let condition = json!({"type": "InfrastructureHealthy", "status": infrastructure,
                "reason": "ConnectorNotReady", "message": "the connector is in state ERROR"});
            object["status"]["conditions"].as_array_mut().expect("conditions").push(condition);
            report(&[object]).expect("a report")
        };
        let broken = of("False", "False");
        assert!(broken.contains(r#"tests="2" failures="1""#), "{broken}");
        assert!(broken.contains(r#"<failure message="the connector is in state ERROR" type="ConnectorNotReady""#));
        for (ready, infrastructure) in [("True", "False"), ("True", "Unknown")] {
            let xml = of(ready, infrastructure);
            assert!(xml.contains(r#"failures="0""#) && xml.contains(r#"skipped="1""#), "{xml}");
        }
        assert!(of("True", "True").contains(r#"<testcase name="InfrastructureHealthy""#));
    }

    #[test]
    fn a_check_that_is_not_ready_always_counts() {
        let xml = report(&[object("Unknown", json!([]))]).expect("a report");
        assert!(xml.contains(r#"failures="1""#) && xml.contains(r#"type="Suspended""#), "{xml}");
    }
}
