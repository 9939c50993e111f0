//! The assert stage: evaluates a probe's rules over what its peer answered. Computes on a thread apart, within a bound of
//! its own; no I/O.

mod value;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cel::extractors::This;
use cel::{Context, ExecutionError, Value};
use regex::RegexBuilder;
use serde_json::Value as Json;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use self::value::{into_cel, shown};
use super::{Answers, Attempt};
use crate::api::{Cause, Stage};
use crate::evidence::Failure;
use crate::plan::rule::{FIRST_MESSAGE, LATENCY, STAGES, TICK};
use crate::plan::{Assertions, Rule};

/// How long the rules of one probe may be evaluated.
const TIME: Duration = Duration::from_millis(250);
/// How many probes' rules are evaluated at once, and how long a probe waits for its turn.
static TURNS: Semaphore = Semaphore::const_new(2);
const PATIENCE: Duration = Duration::from_secs(5);
/// The most that rules see of one variable: the length of its JSON.
const MOST_SEEN: usize = 64 * 1024;
/// How many values are shown of those that a rule names.
const MOST_SHOWN: usize = 6;

/// Evaluates the rules of a plan.
///
/// # Errors
/// The first rule that does not hold, or that can't be evaluated.
pub async fn hold(assertions: Arc<Assertions>, attempt: &mut Attempt<'_>) -> Result<(), Failure> {
    let now = Instant::now();
    // What the rules themselves may take is not spent on waiting: that would look as if they did not hold.
    let left = attempt.stage_deadline(Stage::Assert, now).saturating_duration_since(now).saturating_sub(TIME);
    let turn = timeout(PATIENCE.min(left), TURNS.acquire()).await;
    if !matches!(turn, Ok(Ok(_))) {
        let message = "there was no time to evaluate the rules: too many others are being evaluated";
        return Err(Failure::new(Cause::ProberError, Stage::Assert, message));
    }
    let known = Known {
        latency: attempt.latency(),
        stages: attempt.stage_times().collect(),
        answers: attempt
            .answers()
            .iter()
            .filter(|(name, _)| assertions.rules.iter().any(|rule| rule.names(name)))
            .cloned()
            .collect(),
    };
    let hidden = attempt.hidden();
    let work = async {
        let judged = spawn_blocking(move || {
            judge(&assertions.rules, &known).map_err(|message| hidden.clean(&message).into_owned())
        })
        .await;
        let ours = |_| {
            Failure::new(
                Cause::ProberError,
                Stage::Assert,
                "the rules' evaluation broke: a defect of runready; see the operator's log",
            )
        };
        judged.map_err(ours)?.map_err(|message| Failure::new(Cause::AssertionFailed, Stage::Assert, message))
    };
    attempt.stage(Stage::Assert, || "evaluating the rules", work).await
}

/// What the rules speak of.
struct Known {
    latency: Duration,
    stages: Vec<(Stage, Duration)>,
    answers: Answers,
}

/// Evaluates rules, one after the other, up to the first that does not hold.
fn judge(rules: &[Rule], known: &Known) -> Result<(), String> {
    let deadline = Instant::now() + TIME;
    let mut context = Context::default();
    context.add_function(TICK, move || {
        if Instant::now() < deadline { Ok(true) } else { Err(ExecutionError::function_error(TICK, "out of time")) }
    });
    context.add_function("matches", matches);
    let mut left_out = Vec::new();
    context.add_variable_from_value(LATENCY, value::duration(known.latency));
    context.add_variable_from_value(STAGES, value::durations(&known.stages));
    for (name, answer) in &known.answers {
        match answer_length(answer) {
            Some(_) if *name == FIRST_MESSAGE => {
                let took = Duration::from_nanos(answer.as_u64().unwrap_or_default());
                context.add_variable_from_value(*name, value::duration(took));
            }
            Some(_) => context.add_variable_from_value(*name, into_cel(answer)),
            None => left_out.push(*name),
        }
    }
    for rule in rules {
        let failed = match Value::resolve(&rule.expression, &context) {
            Ok(Value::Bool(true)) => continue,
            Ok(Value::Bool(false)) => "does not hold".to_owned(),
            Ok(other) => format!("gives {}, not true or false", value::kind(&other)),
            Err(error) => format!("can't be evaluated: {}", reason(&error, &left_out)),
        };
        let values: Vec<String> = told_of(rule)
            .take(MOST_SHOWN)
            .map(|(name, path)| shown(name, Value::resolve(path, &context).ok()))
            .collect();
        let told = if values.is_empty() { String::new() } else { format!("; {}", values.join(", ")) };
        return Err(format!("the rule {} {failed}{told}", rule.text));
    }
    Ok(())
}

/// What a rule names, but not what only leads to it: json.version, and not json.
fn told_of(rule: &Rule) -> impl Iterator<Item = &(Box<str>, cel::IdedExpr)> {
    let leads = |name: &str| {
        rule.named.iter().any(|(other, _)| other.strip_prefix(name).is_some_and(|rest| rest.starts_with(['.', '['])))
    };
    rule.named.iter().filter(move |(name, _)| !leads(name))
}

/// The length of an answer's JSON, if rules may see it.
fn answer_length(answer: &Json) -> Option<usize> {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            if self.0 > MOST_SEEN { Err(std::io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, answer).ok().map(|()| count.0)
}

/// The function `matches`, with a bound on the size of the expression.
fn matches(This(text): This<Arc<String>>, pattern: Arc<String>) -> Result<bool, ExecutionError> {
    let expression = RegexBuilder::new(&pattern).size_limit(1 << 20).dfa_size_limit(1 << 20).build();
    let expression = expression.map_err(|_| {
        ExecutionError::function_error("matches", "the pattern is not a regular expression, or too large")
    })?;
    Ok(expression.is_match(&text))
}

/// Why a rule can't be evaluated, without the values: they may be large, or secret.
fn reason(error: &ExecutionError, left_out: &[&str]) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) if left_out.contains(&name.as_str()) => {
            format!("{name} is too large: rules see up to {} KiB", MOST_SEEN / 1024)
        }
        ExecutionError::UndeclaredReference(name) if name.as_str() == "json" => "the answer is no JSON".to_owned(),
        ExecutionError::UndeclaredReference(name) => format!("the answer has no {name}"),
        ExecutionError::NoSuchKey(key) => format!("there is no {key} (has() tells whether there is)"),
        ExecutionError::IndexOutOfBounds(_) => "the list has no item with that index".to_owned(),
        ExecutionError::FunctionError { function, .. } if function == TICK => {
            format!("it takes longer than {} ms", TIME.as_millis())
        }
        ExecutionError::FunctionError { function, message } => {
            format!("{function}(): {}", crate::evidence::clip(message.lines().next().unwrap_or_default(), 100))
        }
        ExecutionError::UnexpectedType { got, want } => format!("it has {got} where {want} is needed"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "it divides by zero".to_owned(),
        ExecutionError::Overflow(..) => "a number becomes too large".to_owned(),
        ExecutionError::ValuesNotComparable(left, right)
        | ExecutionError::UnsupportedBinaryOperator(_, left, right) => {
            format!("an operator does not take {} and {}", value::kind(left), value::kind(right))
        }
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}")
        }
        _ => "a function or an operator does not take values of these types".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Kind;
    use serde_json::json;

    fn say(rule: &str, answers: Json) -> String {
        const NAMES: [&str; 4] = ["status", "headers", "body", "json"];
        let answers = NAMES.into_iter().filter_map(|name| Some((name, answers.get(name)?.clone()))).collect();
        let rule = Rule::parse(rule, Kind::Http).unwrap_or_else(|error| panic!("{error}"));
        let stages = vec![(Stage::Connect, Duration::from_millis(3)), (Stage::Connect, Duration::from_millis(2))];
        let known = Known { latency: Duration::from_millis(12), stages, answers };
        judge(&[rule], &known).err().unwrap_or_else(|| "holds".to_owned())
    }

    /// Where the turns are taken, the rules are not said to be broken.
    #[tokio::test]
    async fn without_a_turn_nothing_is_said_of_the_rules() {
        let turns = TURNS.acquire_many(2).await.expect("never closed");
        let plan = crate::probe::attempt::tests::plan();
        let vantage = crate::probe::attempt::tests::vantage();
        let mut attempt = Attempt::start(&plan, &vantage);
        let rules = Box::new([Rule::parse("latency < duration('1h')", Kind::Tcp).expect("a rule")]);
        let failure = hold(Arc::new(Assertions { rules }), &mut attempt).await.expect_err("no turn");
        drop(turns);
        assert_eq!(failure.cause, Cause::ProberError, "{failure:?}");
        assert!(attempt.elapsed() < PATIENCE, "the wait ends with the probe's own time");
    }

    fn answer() -> Json {
        let headers = json!({"content-type": "application/json", "set-cookie": "sid=topsecret"});
        let json = json!({"version": "2", "n": 3, "big": 1.5, "items": [{"ok": true}, {"ok": false}], "token": "abcdefgh", "at": "2026-05-01T00:00:00Z"});
        json!({"status": 200, "headers": headers, "body": json.to_string(), "json": json})
    }

    #[test]
    fn rules_hold_or_say_what_they_saw() {
        for (rule, said) in [
            ("latency < duration('300ms')", "holds"),
            ("latency < duration('10ms')", "does not hold; latency is 12ms"),
            ("stages.connect <= duration('5ms') && !has(stages.tls)", "holds"),
            ("stages.connect > duration('5ms')", "does not hold; stages.connect is 5ms"),
            ("stages.tls < duration('1s')", "can't be evaluated: there is no tls (has() tells whether there is)"),
            ("status == 200 && status in [200, 204]", "holds"),
            ("status == 404", "does not hold; status is 200"),
            ("json.version == '2' && json.n > 2 && json.big > 1.0", "holds"),
            ("json.version == '1'", "does not hold; json.version is \"2\""),
            ("json.version == 2", "does not hold; json.version is \"2\""),
            ("json.missing == 2", "can't be evaluated: there is no missing"),
            ("json.n", "gives a number, not true or false; json.n is 3"),
            ("json.items.exists(i, i.ok) && !json.items.all(i, i.ok)", "holds"),
            ("json.items.filter(i, i.ok).size() == 1 && json.items.exists_one(i, i.ok)", "holds"),
            ("json.items[0].ok && json.items[7].ok", "can't be evaluated: the list has no item with that index"),
            ("json.items.all(i, i.ok)", "does not hold; json.items is a list of 2"),
            ("headers['content-type'].startsWith('application/')", "holds"),
            ("headers['set-cookie'] == ''", "does not hold; headers['set-cookie'] is a text of 13 characters"),
            ("json.token == ''", "does not hold; json.token is a text of 8 characters"),
            ("body.contains('nothing')", "does not hold; body is a text of "),
            ("body.matches('vers[a-z]+')", "holds"),
            ("timestamp(json.at) > timestamp('2026-01-01T00:00:00Z')", "holds"),
            ("json.version > 1", "can't be evaluated: "),
            ("json.n / 0 == 1", "can't be evaluated: it divides by zero"),
            ("duration(json.version) > latency", "can't be evaluated: duration(): "),
        ] {
            let told = say(rule, answer());
            assert!(told.contains(said), "{rule}: {told}");
            assert!(!told.contains("topsecret") && !told.contains("abcdefgh"), "{told}");
        }
        assert!(say("json.a == 1", json!({"status": 200})).contains("the answer is no JSON"));
        assert!(
            say("body == ''", json!({"body": "x".repeat(70_000)}))
                .contains("body is too large: rules see up to 64 KiB")
        );
    }

    #[test]
    fn no_rule_takes_long_or_much_memory() {
        let many = json!((0..10_000).collect::<Vec<i32>>());
        for rule in [
            "json.all(a, json.all(b, a + b >= 0))",
            "json.exists(a, json.exists(b, a + b < 0)) || json.exists(a, json.exists(b, a + b < 0))",
            "json.filter(a, a >= 0).size() == json.filter(a, a >= 0).size()",
            "json.all(a, [json,json,json,json,json,json,json,json].size() == 8)",
            "json.all(a, string(a).matches('(\\\\w{20}){9}') || true)",
        ] {
            let began = Instant::now();
            let said = say(rule, json!({"json": many}));
            assert!(began.elapsed() < Duration::from_secs(8), "{rule} takes {:?}", began.elapsed());
            assert!(said.contains("takes longer than 250 ms") || said == "holds", "{rule}: {said}");
        }
    }
}
