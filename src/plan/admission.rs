//! Which checks of a namespace are carried out, where together they ask for more than whoever runs runready allows. Pure.
//!
//! Older checks come first, so that what is created later takes nothing from what is there. One that does not fit is passed over:
//! it keeps no younger one from the room that is left, and takes that back as soon as it fits itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Action, Cadence, CheckPlan, Fault, Kind, ProbePlan};
use crate::api::Cause;
use crate::evidence::Shown;

/// A cron expression of five fields fits at most once in that time.
const LEAST_OF_CRON: Duration = Duration::from_secs(60);

/// What the checks of one namespace may ask for together; None where that is up to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// Most checks.
    pub checks: Option<u32>,
    /// Most probes each second.
    pub probes_per_second: Option<u32>,
    /// Most loads.
    pub loads: Option<u32>,
}

/// How old a check is: the order in which checks are admitted. Where two were created in the same second, the unique id decides,
/// so that every start decides alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    /// When it was created, if its source tells.
    pub created: Option<Timestamp>,
    /// Its unique id.
    pub uid: Arc<str>,
}

/// The checks of all namespaces, and what was decided about each.
#[derive(Debug)]
pub struct Admission {
    quotas: Quotas,
    namespaces: HashMap<Arc<str>, BTreeMap<Age, Candidate>>,
}

#[derive(Debug)]
struct Candidate {
    plan: Arc<CheckPlan>,
    demand: Demand,
    /// What was decided last about this plan: admitted, or which limit is in its way.
    decided: Option<Option<Limit>>,
}

/// One of the quotas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Limit {
    Checks(u32),
    Probes(u32),
    Loads(u32),
}

/// What one check asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Demand {
    /// Probes of one run, as they are counted.
    probes: u32,
    /// The time between two runs at least.
    every: Duration,
    loads: u32,
}

/// What was given to older checks.
#[derive(Default)]
struct Given {
    checks: u64,
    /// Millionths of a probe each second: whole numbers add up exactly.
    rate: u64,
    loads: u64,
}

impl Admission {
    /// Nobody asks for anything yet.
    pub fn new(quotas: Quotas) -> Self {
        Admission { quotas, namespaces: HashMap::new() }
    }

    /// Takes in a check's plan, which takes the place of the one before.
    pub fn put(&mut self, age: Age, plan: Arc<CheckPlan>) {
        let candidate = Candidate { demand: Demand::of(&plan), decided: None, plan };
        self.namespaces.entry(candidate.plan.id.namespace.clone()).or_default().insert(age, candidate);
    }

    /// Forgets a check.
    pub fn remove(&mut self, namespace: &str, age: &Age) {
        let Some(candidates) = self.namespaces.get_mut(namespace) else { return };
        candidates.remove(age);
        if candidates.is_empty() {
            self.namespaces.remove(namespace);
        }
    }

    /// Decides anew about the checks of a namespace, and returns the plans of those for which something has changed since the
    /// last time. That of a check that is refused has no probes, and a fault that names the limit.
    pub fn decide(&mut self, namespace: &str) -> Vec<Arc<CheckPlan>> {
        let mut given = Given::default();
        let mut changed = Vec::new();
        for candidate in self.namespaces.get_mut(namespace).into_iter().flat_map(BTreeMap::values_mut) {
            let limit = given.refusal(&candidate.demand, self.quotas);
            if limit.is_none() {
                given.take(&candidate.demand);
            }
            if candidate.decided != Some(limit) {
                candidate.decided = Some(limit);
                changed.push(limit.map_or_else(|| candidate.plan.clone(), |limit| candidate.refused(limit)));
            }
        }
        changed
    }
}

impl Candidate {
    fn refused(&self, limit: Limit) -> Arc<CheckPlan> {
        let fault = limit.fault(&self.plan.id.namespace, &self.demand);
        let plan = CheckPlan { cadence: Cadence::Never, probes: Box::default(), ..CheckPlan::clone(&self.plan) };
        Arc::new(CheckPlan { faults: Box::new([fault]), ..plan })
    }
}

impl Demand {
    /// What a plan asks for. A suspended check asks for nothing but its place, and so does what can't be carried out.
    fn of(plan: &CheckPlan) -> Self {
        let every = match plan.cadence {
            Cadence::Every(interval) => interval,
            Cadence::Cron(_) => LEAST_OF_CRON,
            Cadence::Never => return Demand::default(),
        };
        if plan.suspend {
            return Demand::default();
        }
        let loads = plan.probes.iter().filter(|probe| probe.kind == Kind::Load && probe.action.is_ok()).count();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Demand { probes: number(plan.probes.iter().map(probes_in).sum()), every, loads: number(loads) }
    }

    /// Millionths of a probe each second.
    fn rate(&self) -> u64 {
        let millis = self.every.as_millis().max(1);
        u64::try_from(u128::from(self.probes) * 1_000_000_000 / millis).unwrap_or(u64::MAX)
    }
}

/// How many probes one counts as: each connection that it opens and each step that it takes. A load has limits of its own.
fn probes_in(probe: &ProbePlan) -> usize {
    match probe.action.as_deref() {
        Err(_) | Ok(Action::Load(_)) => 0,
        Ok(Action::Journey(journey)) => journey.steps.iter().map(|step| probes_in(&step.probe)).sum(),
        Ok(action) => action.usage().map_or(1, |usage| usize::from(usage.connections)),
    }
}

impl Given {
    fn take(&mut self, demand: &Demand) {
        self.checks += 1;
        self.rate = self.rate.saturating_add(demand.rate());
        self.loads += u64::from(demand.loads);
    }

    /// The first limit that a check does not fit into beside those that were given their room.
    fn refusal(&self, demand: &Demand, quotas: Quotas) -> Option<Limit> {
        let Quotas { checks, probes_per_second, loads } = quotas;
        let beyond = |asked: u64, most: u32, unit: u64| asked > u64::from(most) * unit;
        let checks = checks.filter(|most| beyond(self.checks + 1, *most, 1)).map(Limit::Checks);
        let rate = self.rate.saturating_add(demand.rate());
        let probes = probes_per_second.filter(|most| demand.probes > 0 && beyond(rate, *most, 1_000_000));
        let asked = self.loads + u64::from(demand.loads);
        let loads = loads.filter(|most| demand.loads > 0 && beyond(asked, *most, 1));
        checks.or(probes.map(Limit::Probes)).or(loads.map(Limit::Loads))
    }
}

impl Limit {
    /// Says what is asked for, what is allowed, and what to do. It tells nothing of what other checks ask for at the moment: that
    /// would be a new status for everyone with each of their changes.
    fn fault(self, namespace: &str, demand: &Demand) -> Fault {
        let (field, message) = match self {
            Limit::Checks(most) => (
                "metadata.namespace",
                format!(
                    "{namespace} has more checks than the {most} that whoever runs runready allows in one namespace \
                     (--max-checks-per-namespace; suspended ones count), and older ones come first: delete one, or have that raised"
                ),
            ),
            Limit::Probes(most) => (
                "spec.interval",
                format!(
                    "{} every {} do not fit beside those of older checks: whoever runs runready allows {namespace} {most} probes \
                     each second (--max-probes-per-second-per-namespace; each connection of a start-up and each step of a journey counts): \
                     probe less often, or have that raised",
                    counted(demand.probes, "probe"),
                    Shown(demand.every)
                ),
            ),
            Limit::Loads(most) => (
                "spec.probes",
                format!(
                    "{} {} not fit beside those of older checks: whoever runs runready allows {namespace} {} \
                     (--max-loads-per-namespace): remove one, or have that raised",
                    counted(demand.loads, "load"),
                    if demand.loads == 1 { "does" } else { "do" },
                    counted(most, "load")
                ),
            ),
        };
        let message =
            format!("{message}. Nothing of this check is carried out meanwhile; it starts by itself when it fits");
        Fault { field: field.to_owned(), cause: Cause::LimitExceeded, message }
    }
}

fn counted(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{CheckId, Secrets, compile};

    /// A check whose age is that many seconds since it was created first of all.
    fn put(admission: &mut Admission, name: &str, born: i64, spec: &str) -> Age {
        let spec = format!("{{{spec}}}").replace("PROBE", "tcp: {host: 127.0.0.1, port: 1}");
        let spec = serde_yaml::from_str(&spec).expect("a spec");
        let plan = compile(CheckId::new("staging", name), name.into(), 1, &spec, &Secrets::default());
        assert!(plan.faults.is_empty(), "{:?}", plan.faults);
        let age = Age { created: Some(Timestamp::from_second(born).expect("a time")), uid: name.into() };
        admission.put(age.clone(), Arc::new(plan));
        age
    }

    const ONE: &str = "interval: 10s, probes: [{name: a, PROBE}]";

    fn quotas(checks: u32, probes_per_second: u32, loads: u32) -> Admission {
        Admission::new(Quotas { checks: Some(checks), probes_per_second: Some(probes_per_second), loads: Some(loads) })
    }

    /// What has changed: each check with the field that is at fault, or "runs".
    fn decided(admission: &mut Admission) -> Vec<(String, String)> {
        let told = |plan: &Arc<CheckPlan>| {
            let field = match &*plan.faults {
                [] => "runs".to_owned(),
                [fault] => {
                    assert_eq!((fault.cause, plan.probes.len()), (Cause::LimitExceeded, 0));
                    assert!(matches!(plan.cadence, Cadence::Never));
                    fault.field.clone()
                }
                more => panic!("{more:?}"),
            };
            (plan.id.name.to_string(), field)
        };
        admission.decide("staging").iter().map(told).collect()
    }

    fn is(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, field)| ((*name).to_owned(), (*field).to_owned())).collect()
    }

    #[test]
    fn the_oldest_come_first_whatever_the_order_in_which_they_are_seen_and_only_changes_are_told() {
        let mut admission = quotas(2, 100, 1);
        let young = put(&mut admission, "young", 3, ONE);
        let old = put(&mut admission, "old", 1, ONE);
        put(&mut admission, "middle", 2, ONE);
        let first = [("old", "runs"), ("middle", "runs"), ("young", "metadata.namespace")];
        assert_eq!(decided(&mut admission), is(&first));
        assert_eq!(decided(&mut admission), is(&[]));
        admission.remove("staging", &old);
        assert_eq!(decided(&mut admission), is(&[("young", "runs")]));
        put(&mut admission, "older", 0, ONE);
        assert_eq!(decided(&mut admission), is(&[("older", "runs"), ("young", "metadata.namespace")]));
        admission.remove("staging", &young);
        assert_eq!(decided(&mut admission), is(&[]));
    }

    #[test]
    fn of_two_that_were_created_in_the_same_second_the_unique_id_decides() {
        for order in [["a", "b"], ["b", "a"]] {
            let mut admission = quotas(1, 100, 1);
            order.iter().for_each(|name| _ = put(&mut admission, name, 7, ONE));
            assert_eq!(decided(&mut admission), is(&[("a", "runs"), ("b", "metadata.namespace")]));
        }
    }

    #[test]
    fn probes_are_summed_exactly_and_one_that_does_not_fit_leaves_its_room_to_younger_ones() {
        let mut admission = quotas(100, 2, 1);
        for index in 0..7 {
            put(&mut admission, &format!("third-{index}"), index, "interval: 3s, probes: [{name: a, PROBE}]");
        }
        let all = decided(&mut admission);
        assert_eq!(all.iter().filter(|(_, field)| field == "runs").count(), 6, "six times a third is two: {all:?}");
        assert_eq!(all[6], ("third-6".to_owned(), "spec.interval".to_owned()));

        let mut admission = quotas(100, 2, 1);
        put(&mut admission, "quick", 1, "interval: 1s, probes: [{name: a, PROBE}]");
        let large = put(&mut admission, "large", 2, "interval: 1s, probes: [{name: a, PROBE}, {name: b, PROBE}]");
        put(&mut admission, "small", 3, "interval: 1s, probes: [{name: a, PROBE}]");
        put(&mut admission, "asleep", 4, "interval: 1s, suspend: true, probes: [{name: a, PROBE}]");
        put(&mut admission, "hourly", 5, "schedule: 0 * * * *, probes: [{name: a, PROBE}]");
        let first = [
            ("quick", "runs"),
            ("large", "spec.interval"),
            ("small", "runs"),
            ("asleep", "runs"),
            ("hourly", "spec.interval"),
        ];
        assert_eq!(decided(&mut admission), is(&first));
        // Older, and small enough now: it takes the room back.
        let spec = "interval: 2s, probes: [{name: a, PROBE}, {name: b, PROBE}]";
        assert_eq!(put(&mut admission, "large", 2, spec), large);
        assert_eq!(decided(&mut admission), is(&[("large", "runs"), ("small", "spec.interval")]));
    }

    #[test]
    fn connections_and_loads_count_and_are_named() {
        let mut admission = quotas(100, 10, 1);
        let step = "http: {url: 'http://127.0.0.1:1/'}";
        let journey = format!("journey: {{steps: [{{name: s, {step}}}, {{name: t, {step}}}]}}");
        let database = "postgres: {host: db, database: app, user: app, tls: {mode: Disable}, connections: 40}";
        put(
            &mut admission,
            "starting",
            1,
            &format!("interval: 2s, probes: [{{name: a, {database}}}, {{name: j, {journey}}}]"),
        );
        let loaded =
            "interval: 10s, probes: [{name: a, PROBE}, {name: l, load: {probe: a, concurrency: 1, every: 1h}}]";
        put(&mut admission, "first", 2, loaded);
        put(&mut admission, "second", 3, loaded);
        let plans = admission.decide("staging");
        let said: Vec<String> = plans.iter().flat_map(|plan| &plan.faults).map(|fault| fault.to_string()).collect();
        assert!(
            said[0].starts_with("spec.interval: 42 probes every 2s do not fit")
                && said[0].contains("staging 10 probes each second (--max-probes-per-second-per-namespace"),
            "{said:?}"
        );
        assert!(
            said[1].starts_with("spec.probes: 1 load does not fit")
                && said[1].contains("allows staging 1 load (--max-loads-per-namespace)"),
            "{said:?}"
        );
        assert_eq!(said.len(), 2, "{said:?}");
    }

    #[test]
    fn without_quotas_nothing_is_refused_and_one_namespace_is_nothing_to_another() {
        let mut admission = Admission::new(Quotas::default());
        (0..1000).for_each(|index| {
            _ = put(&mut admission, &format!("c{index}"), index, "interval: 1s, probes: [{name: a, PROBE}]")
        });
        assert!(decided(&mut admission).iter().all(|(_, field)| field == "runs"));
        let mut admission = quotas(1, 1, 1);
        put(&mut admission, "here", 1, ONE);
        assert!(admission.decide("elsewhere").is_empty());
        assert_eq!(decided(&mut admission), is(&[("here", "runs")]));
    }
}
