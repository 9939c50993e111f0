//! Takes a table of cases: a probe, what is done to it, and the cause, stage and state in which it must end. Carries the
//! probes out through the library, side by side, and holds every one of them to its case, to its deadline, and to what
//! holds for all evidence. The rows that come of it are for the table of kinds, failures and causes.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use futures::future::join_all;
use runready::api::{Cause, ConnectivityCheckSpec, Kind, ProbeState, Stage};
use runready::evidence::{Evidence, Fact, MAX_TEXT};
use runready::plan::secrets::{Lookup, SecretData};
use runready::plan::{self, CheckId, CheckPlan, Secrets};
use runready::probe::net::targets::Rules;
use runready::probe::{Connector, Resolver, Targets, Vantage, observe_check};
use secrecy::SecretSlice;
use serde_json::{Value, json};

use super::hostile::dns::Dns;

/// How much later than its deadline a probe may be seen to end: the machine may be busy.
const SLACK: Duration = Duration::from_millis(1500);
/// A value shorter than this is not looked for: it would be found everywhere.
const SHORTEST: usize = 4;
/// The deadline of a probe whose case is not about time.
const AMPLE: Duration = Duration::from_secs(15);

/// One probe, and how it must end.
pub struct Case {
    failure: String,
    probe: Value,
    timeout: Duration,
    within: Duration,
    /// The stage whose own deadline is tried: the time until it begins does not count.
    cut: Option<Stage>,
    startup_budget: Option<Duration>,
    secrets: Secrets,
    /// The values in them that must not show.
    hidden: Vec<String>,
    resolver: Option<Resolver>,
    targets: Targets,
    cloud_sql: Connector,
    state: ProbeState,
    cause: Option<Cause>,
    stages: Vec<Stage>,
    facts: Vec<(Fact, String)>,
    says: Vec<String>,
    look: Vec<Look>,
    held: Vec<Box<dyn Any + Send + Sync>>,
}

type Look = Box<dyn Fn(&Evidence) + Send + Sync>;

/// What came of a case, for the table.
#[derive(Clone)]
pub struct Row {
    kind: &'static str,
    failure: String,
    state: ProbeState,
    cause: Option<Cause>,
    stage: Option<Stage>,
    message: String,
    took: Duration,
    limit: Duration,
}

impl Row {
    /// A row of evidence that was got in another way than by a [`Case`].
    pub fn of(kind: Kind, failure: &str, evidence: &Evidence, limit: Duration) -> Row {
        let failed = evidence.outcome.failure();
        Row {
            kind: kind.as_str(),
            failure: failure.to_owned(),
            state: evidence.outcome.state(),
            cause: failed.map(|failure| failure.cause),
            stage: failed.and_then(|failure| failure.stage),
            message: failed.map(|failure| failure.message.to_string()).unwrap_or_default(),
            took: evidence.latency,
            limit,
        }
    }

    /// The kind, and what was done to it.
    pub fn cell(&self) -> (&'static str, &str) {
        (self.kind, &self.failure)
    }

    /// The cause in which the case ended.
    pub fn cause(&self) -> Option<Cause> {
        self.cause
    }
}

impl Case {
    /// A probe, given as its kind's object (`{"tcp": {...}}`), to which something is done; it must be healthy.
    pub fn new(failure: impl Into<String>, probe: Value) -> Case {
        Case {
            failure: failure.into(),
            probe,
            timeout: AMPLE,
            within: AMPLE,
            cut: None,
            startup_budget: None,
            secrets: Secrets::default(),
            hidden: Vec::new(),
            resolver: None,
            targets: Targets::default(),
            cloud_sql: Connector::default(),
            state: ProbeState::Healthy,
            cause: None,
            stages: Vec::new(),
            facts: Vec::new(),
            says: Vec::new(),
            look: Vec::new(),
            held: Vec::new(),
        }
    }

    /// It must fail, with this cause and in this stage.
    pub fn fails(self, cause: Cause, stage: Stage) -> Case {
        Case { state: ProbeState::Failing, cause: Some(cause), stages: vec![stage], ..self }
    }

    /// It must fail, with this cause and before any stage of what is at fault.
    pub fn fails_before_any_stage(self, cause: Cause) -> Case {
        Case { state: ProbeState::Failing, cause: Some(cause), ..self }
    }

    /// It must be degraded, with this cause and in this stage.
    pub fn degraded(self, cause: Cause, stage: Stage) -> Case {
        Case { state: ProbeState::Degraded, cause: Some(cause), stages: vec![stage], ..self }
    }

    /// Where the kernel decides in which of two stages a fault shows.
    pub fn or_in(mut self, stage: Stage) -> Case {
        self.stages.push(stage);
        self
    }

    /// The probe's own deadline.
    pub fn timeout(self, millis: u64) -> Case {
        let timeout = Duration::from_millis(millis);
        Case { timeout, within: timeout, ..self }
    }

    /// What the service grants itself to come up.
    pub fn startup_budget(self, millis: u64) -> Case {
        Case { startup_budget: Some(Duration::from_millis(millis)), ..self }
    }

    /// The deadline of one stage; the probe has ample time.
    pub fn stage_timeout(mut self, stage: Stage, millis: u64) -> Case {
        self.probe["stageTimeouts"][stage.as_str()] = json!(format!("{millis}ms"));
        Case { within: Duration::from_millis(millis) + Duration::from_secs(2), cut: Some(stage), ..self }
    }

    /// A further field of the probe, such as maxLatency.
    pub fn with(mut self, field: &str, value: Value) -> Case {
        self.probe[field] = value;
        self
    }

    /// A further field of the kind's object, such as expectBody.
    pub fn field(mut self, kind: &str, field: &str, value: Value) -> Case {
        self.probe[kind][field] = value;
        self
    }

    /// A Secret of the check's namespace.
    pub fn secret(mut self, name: &str, data: &[(&str, &str)]) -> Case {
        let long = data.iter().map(|(_, text)| (*text).to_owned()).filter(|text| text.len() >= SHORTEST);
        self.hidden.extend(long);
        let value = |text: &str| SecretSlice::from(text.as_bytes().to_vec());
        let data: SecretData = data.iter().map(|(key, text)| ((*key).to_owned(), value(text))).collect();
        self.secrets.insert(name.to_owned(), Lookup::Found(data));
        self
    }

    /// The vantage's resolver.
    pub fn resolver(mut self, dns: &Dns) -> Case {
        self.resolver = Some(Resolver::asking(dns.address(), AMPLE));
        self
    }

    /// What may be probed.
    pub fn rules(mut self, rules: Rules) -> Case {
        self.targets = Targets::new(rules);
        self
    }

    /// What reaches Cloud SQL instances.
    pub fn cloud_sql(self, cloud_sql: &Connector) -> Case {
        Case { cloud_sql: cloud_sql.clone(), ..self }
    }

    /// We must not be able to tell, for this cause and in this stage.
    pub fn unknown(self, cause: Cause, stage: Stage) -> Case {
        Case { state: ProbeState::Unknown, cause: Some(cause), stages: vec![stage], ..self }
    }

    /// It must be told that the target may not be probed, in this stage.
    pub fn refused(self, stage: Stage) -> Case {
        Case { state: ProbeState::Unknown, cause: Some(Cause::TargetNotAllowed), stages: vec![stage], ..self }
    }

    /// A fact that the evidence must hold.
    pub fn fact(mut self, fact: Fact, value: impl Into<String>) -> Case {
        self.facts.push((fact, value.into()));
        self
    }

    /// What the message must say.
    pub fn says(mut self, text: impl Into<String>) -> Case {
        self.says.push(text.into());
        self
    }

    /// A further look at the evidence; it panics if it does not like it.
    pub fn look(mut self, look: impl Fn(&Evidence) + Send + Sync + 'static) -> Case {
        self.look.push(Box::new(look));
        self
    }

    /// Keeps a server until the case has been tried.
    pub fn keep(mut self, part: impl Any + Send + Sync) -> Case {
        self.held.push(Box::new(part));
        self
    }

    fn plan(&self) -> CheckPlan {
        let mut probe = self.probe.clone();
        probe["name"] = json!("probe");
        let mut spec = json!({"interval": "1h", "timeout": millis(self.timeout), "probes": [probe]});
        if let Some(budget) = self.startup_budget {
            spec["startupBudget"] = json!(millis(budget));
        }
        plan(spec, &self.secrets)
    }

    async fn carry_out(&self, plan: CheckPlan) -> Result<Row, String> {
        let vantage = Vantage {
            targets: self.targets.clone(),
            cloud_sql: self.cloud_sql.clone(),
            ..vantage(self.resolver.clone())
        };
        let begin = Instant::now();
        let evidence = observe_check(&plan, &vantage).await;
        let took = begin.elapsed();
        let evidence = &evidence[0];
        let row = Row { took, ..Row::of(plan.probes[0].kind, &self.failure, evidence, self.within) };
        if let Some(complaint) = self.complaint(&row, evidence) {
            return Err(format!("{} / {}: {complaint}\n    seen: {evidence:?}", row.kind, row.failure));
        }
        self.look.iter().for_each(|look| look(evidence));
        Ok(row)
    }

    fn complaint(&self, row: &Row, evidence: &Evidence) -> Option<String> {
        if (row.state, row.cause) != (self.state, self.cause) {
            return Some(format!("must be {} {:?} in {:?}", self.state, self.cause, self.stages));
        }
        if row.stage.is_some_and(|stage| !self.stages.contains(&stage)) {
            return Some(format!("must fail in {:?}", self.stages));
        }
        // The stages before the one that is cut take their time on a busy machine, above all to generate an RSA key without
        // optimisation; their own limits are not what is tried.
        let cut = evidence.stages.iter().find(|record| Some(record.stage) == self.cut);
        let before = cut.map_or(Duration::ZERO, |record| record.start);
        if row.took > before + self.within + SLACK {
            return Some(format!("took {:?}; its deadline is {:?}", row.took, self.within));
        }
        let message = evidence.outcome.failure().map_or("", |failure| &failure.message);
        if let Some(text) = self.says.iter().find(|text| !message.contains(&***text)) {
            return Some(format!("must say {text:?}"));
        }
        for (fact, value) in &self.facts {
            let known = evidence.facts.iter().find(|(known, _)| known == fact).map(|(_, value)| &**value);
            if known != Some(value) {
                return Some(format!("the fact {} must be {value:?}", fact.as_str()));
            }
        }
        let shown = format!("{evidence:?}");
        if let Some(text) = self.hidden.iter().find(|text| shown.contains(&***text)) {
            return Some(format!("a value of a Secret shows: {text}"));
        }
        against_the_rules(evidence)
    }
}

/// What holds for all evidence: a failure explains itself, and its stage is the first that failed.
fn against_the_rules(evidence: &Evidence) -> Option<String> {
    if evidence.facts.iter().any(|(_, value)| value.chars().count() > MAX_TEXT) {
        return Some("a fact is longer than it may be".to_owned());
    }
    let failure = evidence.outcome.failure()?;
    if failure.message.len() < 20 || failure.message.chars().count() > MAX_TEXT {
        return Some("the message does not explain the failure, or is too long".to_owned());
    }
    if evidence.outcome.state() != ProbeState::Failing {
        return None;
    }
    let broken = evidence.stages.iter().find(|stage| !stage.passed).map(|stage| stage.stage);
    (broken != failure.stage).then(|| format!("the first stage that failed is {broken:?}"))
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// The plan of a spec.
pub fn plan(spec: Value, secrets: &Secrets) -> CheckPlan {
    let spec: ConnectivityCheckSpec = serde_json::from_value(spec).expect("a spec");
    let plan = plan::compile(CheckId::new("staging", "backend"), "uid".into(), 1, &spec, secrets);
    assert!(plan.faults.is_empty(), "{:?}", plan.faults);
    plan
}

/// A vantage with its own resolver, or the system's.
pub fn vantage(resolver: Option<Resolver>) -> Vantage {
    let resolver = resolver.unwrap_or_else(Resolver::system);
    Vantage { name: "host/test".into(), resolver, targets: Targets::default(), cloud_sql: Connector::default() }
}

/// Observes a check with the library, on a runtime of its own.
pub fn observe(plan: &CheckPlan, vantage: &Vantage) -> Vec<Evidence> {
    runtime().block_on(observe_check(plan, vantage))
}

/// A runtime whose threads are in the network namespace of the thread that calls.
pub fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().expect("a runtime")
}

/// Tries cases side by side, and panics with all that are not as they must be.
pub fn try_all(cases: Vec<Case>) -> Vec<Row> {
    // Made beforehand: reading the system's CA certificates takes its time, which is no probe's.
    let cases: Vec<(CheckPlan, Case)> = cases.into_iter().map(|case| (case.plan(), case)).collect();
    let count = cases.len();
    let results = runtime().block_on(async {
        let tasks = cases.into_iter().map(|(plan, case)| tokio::spawn(async move { case.carry_out(plan).await }));
        join_all(tasks.collect::<Vec<_>>()).await
    });
    let results: Vec<_> =
        results.into_iter().map(|result| result.unwrap_or_else(|panic| Err(panic.to_string()))).collect();
    let complaints: Vec<&str> = results.iter().filter_map(|result| result.as_ref().err()).map(String::as_str).collect();
    assert!(complaints.is_empty(), "{} of {count} cases:\n{}", complaints.len(), complaints.join("\n"));
    results.into_iter().filter_map(Result::ok).collect()
}

/// The rows as text, aligned, sorted by kind.
pub fn table(rows: &[Row]) -> String {
    let mut by_kind: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        by_kind.entry(row.kind).or_default().push(row);
    }
    let mut text = format!(
        "{:9} {:60} {:9} {:32} {:13} {:>7} {:>9}\n",
        "KIND", "FAILURE", "STATE", "CAUSE", "STAGE", "TOOK", "LIMIT"
    );
    for row in by_kind.into_values().flatten() {
        let cause = row.cause.map_or("-", Cause::as_str);
        let stage = row.stage.map_or("-", Stage::as_str);
        let (took, limit) = (row.took.as_millis(), row.limit.as_millis());
        let Row { kind, failure, state, .. } = row;
        writeln!(text, "{kind:9} {failure:60} {state:9} {cause:32} {stage:13} {took:>5}ms {limit:>7}ms")
            .expect("a string grows");
    }
    text
}

/// What the first failure of each cause says, as a reader of the status has it.
pub fn messages(rows: &[Row]) -> String {
    let mut by_cause: BTreeMap<&str, &Row> = BTreeMap::new();
    for row in rows {
        if let Some(cause) = row.cause {
            by_cause.entry(cause.as_str()).or_insert(row);
        }
    }
    let mut text = String::new();
    for (cause, Row { kind, failure, message, .. }) in by_cause {
        writeln!(text, "{cause} ({kind}, {failure})\n    {message}").expect("a string grows");
    }
    text
}
