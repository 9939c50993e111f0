//! Statuses and verdicts in, facts for people out. Pure.

use std::time::Duration;

use crate::api::baseline::DriftStatus;
use crate::api::status::Verdict;
use crate::api::{ConnectivityCheckStatus, Layer};
use crate::cli::output::facts;

/// What came of the story.
pub struct Told {
    /// The verdict on the outage.
    pub verdict: Verdict,
    /// What differed from the baseline then.
    pub drift: Vec<DriftStatus>,
    /// From the fault until the check was not Ready.
    pub to_alarm: Duration,
    /// From the fault to the verdict.
    pub to_verdict: Duration,
    /// From the repair to Ready.
    pub to_ready: Duration,
    /// Observations since then, all of them healthy.
    pub steady: usize,
}

/// Every probe's state in one line.
pub fn line(status: &ConnectivityCheckStatus) -> String {
    let probes = status.probes.iter().map(|probe| {
        let observed = probe.cause.map_or_else(|| probe.latency.clone().unwrap_or_default(), |cause| cause.to_string());
        format!("{} {} {observed}", probe.name, probe.observed)
    });
    probes.collect::<Vec<_>>().join("  |  ")
}

/// What people needed an hour for, and what the check has said.
pub fn six_questions(told: &Told) -> Vec<(&'static str, String)> {
    let verdict = &told.verdict;
    let whose = match verdict.layer {
        Layer::Application => "The application's own code or configuration.",
        Layer::CloudRun | Layer::Egress | Layer::Network | Layer::Database | Layer::Region => "The infrastructure.",
        Layer::Prober => "That can't be told: the prober itself failed.",
    };
    let cleared: Vec<String> =
        verdict.ruled_out.iter().map(|ruled| format!("{} is ruled out: {}", ruled.layer, ruled.evidence)).collect();
    vec![
        ("from fault to alarm", format!("{:.1} s", told.to_alarm.as_secs_f32())),
        ("from fault to verdict", format!("{:.1} s", told.to_verdict.as_secs_f32())),
        ("from repair to Ready", format!("{:.1} s", told.to_ready.as_secs_f32())),
        ("1 our code, or not?", format!("{whose} {}.", cleared.join("; "))),
        (
            "2 which hop?",
            format!(
                "{} layer, {}: {}. What it can't tell: {}.",
                verdict.layer,
                verdict.cause,
                verdict.summary,
                if verdict.unknown.is_empty() { "nothing".to_owned() } else { verdict.unknown.join("; ") }
            ),
        ),
        ("3 seen before?", "Not answered: this check remembers no incident before this one.".to_owned()),
        ("4 what has changed?", format!("{}.", told.drift.iter().map(facts::changed).collect::<Vec<_>>().join("; "))),
        (
            "5 really restored?",
            format!("Ready, and {} observations in a row since then with every probe healthy.", told.steady),
        ),
        ("6 who does what?", format!("Told by an event and kept in the status: {}", verdict.remedy)),
    ]
}
