//! Rules about what the service's log says against what else is known: it dies although the path is well, or gives up sooner than it
//! is configured to. Pure.

use std::time::Duration;

use super::super::{Case, Finding, Gravity};
use super::{clock, short, way};
use crate::api::{Cause, Confidence, Layer, ProbeState, Stage};
use crate::cloud::logs::LogSignature;
use crate::cloud::reading::Found;
use crate::cloud::service::{ConditionState, Says};
use crate::cloud::{Inspection, Picture};

pub(in crate::diagnosis) const STARTUP: &str = "application/startup";
pub(in crate::diagnosis) const TIMEOUT: &str = "application/effective-timeout";

/// Figures closer than this are the same.
const SAME: Duration = Duration::from_millis(500);

/// What a group of entries says, for people.
pub(super) fn told(found: &Found<Vec<LogSignature>>, entry: &LogSignature) -> String {
    let more = if entry.more { " or more" } else { "" };
    let code = entry.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
    format!(
        "log of {}: {}{more} entries \"{}\"{code}, first {}, last {}",
        short(&found.name),
        entry.count,
        entry.sample,
        clock(entry.first),
        clock(entry.last)
    )
}

/// What an application writes to its standard error has no severity (LogSeverity DEFAULT): that it gave up after some time is grave
/// all the same.
pub(super) fn grave(entry: &LogSignature) -> bool {
    let unrated = matches!(&*entry.severity, "" | "DEFAULT");
    entry.exit_code.is_some_and(|code| code != 0)
        || matches!(&*entry.severity, "ERROR" | "CRITICAL" | "ALERT" | "EMERGENCY")
        || (unrated && entry.timeout.is_some())
}

/// A probe of the database that passes, by which the path is known to be well.
fn path_is_well<'c, 'a>(case: &'c Case<'a>, picture: &Picture) -> Option<&'c super::super::Observation<'a>> {
    let fails =
        case.observations.iter().any(|other| other.peer_layer() == Layer::Database && other.failing().is_some());
    way::logs_in(case, picture)
        .filter(|probe| !fails && probe.state == ProbeState::Healthy && probe.passed(Stage::Query))
}

fn revision_fails(picture: &Picture) -> bool {
    let revisions = [&picture.ready_revision, &picture.created_revision];
    let of_revisions =
        revisions.into_iter().filter_map(|revision| revision.object()).flat_map(|revision| &revision.conditions);
    let of_service = picture.service.object().into_iter().flat_map(|service| &service.conditions);
    of_revisions.chain(of_service).any(|condition| condition.state == ConditionState::Failed)
}

pub(in crate::diagnosis) fn startup(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.logs.found() else { return Vec::new() };
    let exits = found.object.iter().filter(|entry| entry.exit_code.is_some_and(|code| code != 0));
    let Some(exit) = exits.max_by_key(|entry| entry.count) else { return Vec::new() };
    let symptoms = way::symptoms(case);
    if !revision_fails(picture) && symptoms.is_empty() {
        return Vec::new();
    }
    let Some(well) = path_is_well(case, picture) else { return Vec::new() };
    let vantage = well.evidence.map_or("", |evidence| &evidence.vantage);
    let latency = well.evidence.map_or(0, |evidence| evidence.latency.as_millis());
    let code = exit.exit_code.unwrap_or_default();
    let why =
        found.object.iter().filter(|entry| entry.timeout.is_some()).max_by_key(|entry| entry.count).unwrap_or(exit);
    let summary = format!(
        "the container exits with code {code} at its start; its log says \"{}\" ({} times), while {} logs in and runs its query in {latency} ms \
         from {vantage}: the two contradict each other, so the path is well and the fault is in the service's own start",
        why.sample, why.count, well.name
    );
    let mut cites = vec![told(found, exit)];
    if why != exit {
        cites.insert(0, told(found, why));
    }
    let finding = Finding::told(STARTUP, Cause::RevisionFailed, Inspection::Logs, summary, cites);
    let finding = finding.of_layer(Layer::Application).remedied(
        "Compare what the service connects with to what the probe connects with: host, port, user, TLS, pool size and time-out in its environment; \
         the path carries a login.",
    );
    // From elsewhere the path that is well is another one.
    let there = super::super::behind_cloud_run(vantage);
    let confidence = if there { Confidence::High } else { Confidence::Medium };
    vec![finding.explaining(case, Vec::new(), symptoms).sure(confidence)]
}

/// Time-outs that are configured, with where.
fn configured(case: &Case<'_>, picture: &Picture) -> (Vec<(String, Duration)>, Option<Duration>) {
    let template = picture.ready_revision.object().map(|revision| &revision.template);
    let template = template.or_else(|| picture.service.object().map(|service| &service.template));
    let settings = template.into_iter().flat_map(|template| &template.settings);
    let timeouts = settings.filter_map(|setting| match setting.says {
        Says::Timeout(timeout) => Some((setting.variable.clone(), timeout)),
        Says::Instance(_) | Says::Host(..) | Says::Secret(_) => None,
    });
    (timeouts.collect(), case.startup_budget)
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// What a time-out may be for: words that begin so, in a variable's name or in a line. A statement's is not held against a start's.
const PURPOSES: [&[&str]; 6] = [
    &["init", "start", "boot", "connect"],
    &["query", "statement", "transaction", "execut"],
    &["request", "response", "http", "rpc", "call"],
    &["read", "write", "socket"],
    &["idle", "keep", "lifetime"],
    &["lock", "acquire", "pool", "checkout"],
];

/// Which of the purposes a text names.
fn purposes(text: &str) -> [bool; PURPOSES.len()] {
    let text = text.to_ascii_lowercase();
    let words = || text.split(|character: char| !character.is_ascii_alphanumeric());
    PURPOSES.map(|begins| words().any(|word| begins.iter().any(|begin| word.starts_with(begin))))
}

/// Whether two texts may speak of the same time-out: they share a purpose, or one names none.
fn comparable(one: &str, other: &str) -> bool {
    let (one, other) = (purposes(one), purposes(other));
    let names = |purposes: &[bool]| purposes.contains(&true);
    !names(&one) || !names(&other) || one.iter().zip(&other).any(|(one, other)| *one && *other)
}

/// What is configured that an entry's time-out contradicts, in words.
fn contradicted(
    entry: &LogSignature,
    effective: Duration,
    settings: &[(String, Duration)],
    budget: Option<Duration>,
) -> Vec<String> {
    let same = |other: &Duration| other.abs_diff(effective) < SAME;
    let settings = || settings.iter().filter(|(variable, _)| comparable(variable, &entry.sample));
    let mut differing: Vec<String> = Vec::new();
    if !settings().any(|(_, timeout)| same(timeout)) {
        differing.extend(settings().map(|(variable, timeout)| format!("{variable} says {}", seconds(*timeout))));
    }
    let of_start = comparable("startup", &entry.sample);
    let budget = budget.filter(|budget| of_start && !same(budget) && *budget > effective);
    differing.extend(budget.map(|budget| format!("the check's startupBudget says {}", seconds(budget))));
    differing
}

pub(in crate::diagnosis) fn effective_timeout(case: &Case<'_>) -> Vec<Finding> {
    let Some(picture) = case.cloud else { return Vec::new() };
    let Some(found) = picture.logs.found() else { return Vec::new() };
    let (settings, budget) = configured(case, picture);
    let timed = found.object.iter().filter(|entry| grave(entry)).filter_map(|entry| Some((entry, entry.timeout?)));
    let told_apart =
        timed.map(|(entry, effective)| (entry, effective, contradicted(entry, effective, &settings, budget)));
    let contradictions = told_apart.filter(|(.., differing)| !differing.is_empty());
    let Some((entry, effective, differing)) = contradictions.max_by_key(|(entry, ..)| entry.count) else {
        return Vec::new();
    };
    let often = if entry.count == 1 { "once".to_owned() } else { format!("{} times", entry.count) };
    let summary = format!(
        "the service gives up after {}, as its log says {often}, but {}: the two can't both be in force",
        seconds(effective),
        differing.join(" and ")
    );
    let finding =
        Finding::told(TIMEOUT, Cause::EffectiveTimeoutDiffers, Inspection::Logs, summary, vec![told(found, entry)]);
    vec![finding.weighing(Gravity::Flaw)]
}
