//! Scenarios as data: what the probes saw and what Google Cloud says, and the verdict that follows. Each file of
//! tests/scenarios/*.yaml holds one or more; tests/scenarios/base/healthy.yaml is the world that they differ from. Pure.

mod file;
mod vocabulary;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;

use proptest::prelude::*;
use runready::api::{Cause, Confidence, Layer};
use runready::diagnosis::{Diagnosis, RULES, Rule, diagnose, diagnose_by};

use crate::diagnosis::{any_seen, cases, seen};
use file::{Expected, Scenario, all};

/// Whether a rule speaks of what Google Cloud says: the scenarios try it, not the table of probes.
pub fn rests_on_the_cloud(id: &str) -> bool {
    !cases::rows().iter().any(|(_, _, rule, ..)| *rule == id)
        && all().iter().any(|scenario| scenario.verdict.as_ref().is_some_and(|verdict| verdict.names(id)))
}

fn judged(scenario: &Scenario, rules: &[&Rule]) -> Option<Diagnosis> {
    let seen = scenario.seen();
    let drift = scenario.drift.clone();
    let picture = scenario.picture();
    let mut case = seen::case(&seen, scenario.service);
    for (observation, probe) in case.observations.iter_mut().zip(&scenario.probes) {
        observation.target = &probe.target;
    }
    case.cloud = picture.as_ref();
    case.drift = &drift;
    case.now = scenario.now;
    case.startup_budget = scenario.startup_budget();
    diagnose_by(&case, rules.iter().copied())
}

/// What is not as expected.
fn faults(expected: Option<&Expected>, found: Option<&Diagnosis>) -> Vec<String> {
    let (expected, found) = match (expected, found) {
        (None, None) => return Vec::new(),
        (Some(_), None) => return vec!["no verdict".to_owned()],
        (None, Some(found)) => return vec![format!("a verdict, although nothing is wrong: {}", found.primary.summary)],
        (Some(expected), Some(found)) => (expected, found),
    };
    let primary = &found.primary;
    let mut faults = Vec::new();
    let mut same = |what: &str, should: &str, is: &str| {
        if should != is {
            faults.push(format!("{what} is {is}, not {should}"));
        }
    };
    same("rule", &expected.rule, primary.rule);
    same("cause", &expected.cause, primary.cause.as_str());
    same("layer", &expected.layer, primary.layer.as_str());
    same("confidence", &expected.confidence, primary.confidence.as_str());
    let ruled_out: Vec<String> = found.ruled_out.iter().map(|(layer, why)| format!("{layer}: {why}")).collect();
    let others: Vec<String> = found
        .others
        .iter()
        .map(|other| format!("{} {} {}: {}", other.rule, other.layer, other.cause, other.summary))
        .collect();
    for (what, words, text) in [
        ("summary", &expected.summary, primary.summary.clone()),
        ("remedy", &expected.remedy, primary.remedy.clone()),
        ("evidence", &expected.evidence, found.evidence.join("\n")),
        ("unknown", &expected.unknown, found.unknown.join("\n")),
        ("ruledOut", &expected.ruled_out, ruled_out.join("\n")),
        ("others", &expected.others, others.join("\n")),
    ] {
        let missing = words.iter().filter(|word| !text.contains(&***word));
        faults.extend(missing.map(|word| format!("{what} lacks {word:?}: {text}")));
    }
    let cleared =
        expected.not_ruled_out.iter().filter(|layer| found.ruled_out.iter().any(|(out, _)| out.as_str() == **layer));
    faults.extend(cleared.map(|layer| format!("{layer} is ruled out")));
    faults
}

fn told(scenario: &Scenario, found: Option<&Diagnosis>) -> String {
    match found {
        None => format!("{}: no verdict", scenario.name),
        Some(Diagnosis { primary, .. }) => {
            format!("{}: {} {} ({}, {})", scenario.name, primary.layer, primary.cause, primary.rule, primary.confidence)
        }
    }
}

#[test]
fn each_scenario_has_its_verdict() {
    let rules: Vec<&Rule> = RULES.iter().collect();
    let (mut text, mut wrong) = (String::new(), String::new());
    let scenarios = all();
    for scenario in scenarios {
        let found = judged(scenario, &rules);
        writeln!(text, "    {}", told(scenario, found.as_ref())).expect("a string grows");
        let faults = faults(scenario.verdict.as_ref(), found.as_ref());
        if !faults.is_empty() {
            writeln!(wrong, "{}: {}\n    {}", scenario.file, scenario.name, faults.join("\n    "))
                .expect("a string grows");
        }
    }
    // Written past the test harness's capture: the table is what the scenarios are read by.
    let _ = writeln!(std::io::stderr(), "\n{} scenarios\n{text}", scenarios.len());
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(scenarios.len() >= 60, "only {} scenarios", scenarios.len());
    let names: BTreeSet<&str> = scenarios.iter().map(|scenario| &*scenario.name).collect();
    assert_eq!(names.len(), scenarios.len(), "two scenarios have the same name");
}

/// The scenarios, and the cases of the table of probes, that come to something else without a rule.
fn missed_by(without: &Rule, scenarios: &[Scenario]) -> Vec<String> {
    let rest: Vec<&Rule> = RULES.iter().filter(|rule| rule.id != without.id).collect();
    let of_scenarios = scenarios
        .iter()
        .filter(|scenario| !faults(scenario.verdict.as_ref(), judged(scenario, &rest).as_ref()).is_empty())
        .map(|scenario| scenario.name.clone());
    let cases = cases::rows();
    let of_cases = cases.iter().filter(|(_, probes, rule, layer, confidence)| {
        let found = diagnose_by(&seen::case(probes, false), rest.iter().copied());
        let key = found.map(|found| (found.primary.rule, found.primary.layer, found.primary.confidence));
        key != Some::<(&str, Layer, Confidence)>((rule, *layer, *confidence))
    });
    of_scenarios.chain(of_cases.map(|(name, ..)| (*name).to_string())).collect()
}

#[test]
fn no_rule_can_be_switched_off_unnoticed() {
    let scenarios = all();
    let (mut text, mut unmissed) = (String::new(), Vec::new());
    for rule in RULES {
        let missed = missed_by(rule, scenarios);
        match missed.first() {
            Some(first) => writeln!(text, "    without {}: {} fail, first: {first}", rule.id, missed.len()),
            None => writeln!(text, "    without {}: NOTHING CHANGES", rule.id),
        }
        .expect("a string grows");
        if missed.is_empty() {
            unmissed.push(rule.id);
        }
    }
    // Past the harness's capture, like the table of scenarios.
    let _ = writeln!(std::io::stderr(), "\n{} rules, each switched off in turn\n{text}", RULES.len());
    assert!(unmissed.is_empty(), "nothing changes without {unmissed:?}");
}

#[test]
fn every_rule_is_hit_by_a_scenario_or_a_case() {
    let scenarios = all();
    let rules: Vec<&Rule> = RULES.iter().collect();
    let mut hit: BTreeSet<&str> = cases::rows().iter().map(|(_, _, rule, ..)| *rule).collect();
    let mut causes: BTreeSet<Cause> = BTreeSet::new();
    for found in scenarios.iter().filter_map(|scenario| judged(scenario, &rules)) {
        for finding in std::iter::once(&found.primary).chain(&found.others) {
            hit.insert(finding.rule);
            causes.insert(finding.cause);
        }
    }
    let unhit: Vec<&str> = RULES.iter().map(|rule| rule.id).filter(|id| !hit.contains(id)).collect();
    assert!(unhit.is_empty(), "no scenario or case hits {unhit:?}");
    let unseen: Vec<&Cause> =
        Cause::ALL.iter().filter(|cause| cause.is_of_the_cloud() && !causes.contains(cause)).collect();
    assert!(unseen.is_empty(), "no scenario ends in {unseen:?}");
}

#[test]
fn in_a_healthy_world_no_rule_speaks() {
    let probes = [seen::well("database", runready::api::Kind::Postgres, "10.20.0.3:5432")];
    let picture = file::healthy();
    let mut case = seen::case(&probes, true);
    case.cloud = Some(&picture);
    for rule in RULES {
        let found = (rule.look)(&case);
        assert!(found.is_empty(), "{} speaks although all is well: {found:?}", rule.id);
    }
}

#[test]
fn what_was_not_read_accuses_nobody_and_clears_nobody() {
    let rules: Vec<&Rule> = RULES.iter().collect();
    for scenario in all() {
        let seen = scenario.seen();
        let mut case = seen::case(&seen, scenario.service);
        let without = diagnose_by(&case, rules.iter().copied());
        let unread = file::unread();
        case.cloud = Some(&unread);
        let with = diagnose_by(&case, rules.iter().copied());
        match (&without, &with) {
            (None, None) => {}
            (Some(without), Some(with)) => {
                assert_eq!(without.primary, with.primary, "{}", scenario.name);
                assert_eq!(without.ruled_out, with.ruled_out, "{}", scenario.name);
                let roles = with.unknown.iter().filter(|line| line.contains("roles/")).count();
                assert!(roles >= 10, "each inspection names the role that it lacks: {:?}", with.unknown);
            }
            (_, _) => panic!("{}: {without:?} became {with:?}", scenario.name),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_probes_saw_in_whatever_world_the_verdict_is_sound(
        seen in proptest::collection::vec(any_seen(), 0..5),
        scenario in proptest::sample::select(all()),
    ) {
        let picture = scenario.picture();
        let mut case = seen::case(&seen, true);
        case.cloud = picture.as_ref();
        case.drift = &scenario.drift;
        case.now = scenario.now;
        let Some(found) = diagnose(&case) else { return Ok(()) };
        let guilty = found.primary.layer;
        prop_assert!(found.ruled_out.iter().all(|(layer, _)| *layer != guilty), "both guilty and not: {:?}", found);
        for finding in std::iter::once(&found.primary).chain(&found.others) {
            let indices = || finding.probes.iter().chain(&finding.symptoms);
            prop_assert!(indices().all(|index| *index < seen.len()), "{:?}", finding);
            prop_assert!(indices().next().is_some() || !finding.told.is_empty(), "it rests on nothing: {:?}", finding);
            prop_assert!(!finding.summary.is_empty() && !finding.remedy.is_empty(), "{:?}", finding);
        }
        let elsewhere = |index: &usize| {
            seen[*index].evidence.as_ref().is_none_or(|found| !found.vantage.starts_with("cloudrun/"))
        };
        let of_the_way = matches!(guilty, Layer::Egress | Layer::Network);
        let seen_elsewhere = found.primary.probes.iter().any(elsewhere);
        prop_assert!(!(of_the_way && seen_elsewhere) || found.primary.confidence < Confidence::High, "{:?}", found);
        prop_assert_eq!(diagnose(&case), Some(found), "the same case, the same verdict");
    }
}
