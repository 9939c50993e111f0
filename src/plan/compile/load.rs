//! Compiles a `load` probe: what it repeats is a probe that was compiled before. Pure.

use std::sync::Arc;
use std::time::Duration;

use super::{Compiler, invalid};
use crate::api::probes::{LoadLatency, LoadProbe, ONE_PACE_SAYS, REST_SAYS, WHEN_SAYS};
use crate::plan::cadence::parse_cron;
use crate::plan::kinds::{Action, DEFAULT_IN_FLIGHT, DEFAULT_RATE, LoadAction, Pace, Percentile};
use crate::plan::{Cadence, Fault, Kind, ProbePlan};

const DEFAULT_WINDOW: Duration = Duration::from_secs(30);
/// How many of a million must succeed unless the spec says otherwise.
const DEFAULT_LEAST: u32 = 990_000;

impl Compiler<'_> {
    /// The load as it may be shown.
    pub(super) fn shown_load(&self, spec: &LoadProbe) -> String {
        let pace = pace(spec).map_or_else(String::new, |pace| format!(" at {pace}"));
        match self.earlier.iter().find(|probe| *probe.name == *spec.probe) {
            Some(probe) => format!("{}{pace}", probe.target),
            None => format!("{}{pace}", spec.probe),
        }
    }

    pub(super) fn load(&self, spec: &LoadProbe) -> Result<Action, Fault> {
        let probe = self.repeated(&spec.probe)?;
        let window = spec.window.map_or(DEFAULT_WINDOW, Duration::from);
        Ok(Action::Load(Arc::new(LoadAction {
            probe: Box::new(ProbePlan { repeated: true, ..probe.clone() }),
            pace: pace(spec).ok_or_else(|| invalid(self.at("load"), ONE_PACE_SAYS))?,
            window,
            least: match spec.success_ratio.as_deref() {
                None => DEFAULT_LEAST,
                Some(text) => millionths(text).ok_or_else(|| {
                    let message = format!("{text:?} is not a percentage: write one with its sign, such as 99.9%");
                    invalid(self.at("load.successRatio"), message)
                })?,
            },
            bounds: bounds(spec.latency.as_ref()),
            reuse: spec.reuse_connections.unwrap_or(true),
            cadence: self.load_cadence(spec, window)?,
            after_recovery: spec.after_recovery,
            most_in_flight: DEFAULT_IN_FLIGHT,
            most_per_second: DEFAULT_RATE,
        })))
    }

    /// The probe that is repeated. What keeps it from being carried out keeps its load from it, too.
    fn repeated(&self, name: &str) -> Result<&ProbePlan, Fault> {
        let field = || self.at("load.probe");
        let probe = self.earlier.iter().find(|probe| *probe.name == *name);
        let probe = probe
            .ok_or_else(|| invalid(field(), format!("{name:?} is not the name of a probe listed before this one")))?;
        match &probe.action {
            Ok(_) if probe.kind == Kind::Load => {
                Err(invalid(field(), format!("{name:?} is a load itself: name the probe that it repeats")))
            }
            Ok(_) => Ok(probe),
            Err(why) => Err(Fault {
                field: field(),
                cause: why.cause,
                message: format!("{name:?} can't be carried out: {}", why.message),
            }),
        }
    }

    fn load_cadence(&self, spec: &LoadProbe, window: Duration) -> Result<Cadence, Fault> {
        match (spec.every.map(Duration::from), &spec.schedule) {
            (Some(every), None) if every > window => Ok(Cadence::Every(every)),
            (Some(_), None) => Err(invalid(self.at("load.every"), REST_SAYS)),
            (None, Some(expression)) => Cadence::cron(expression, self.time_zone).map_err(|error| {
                let field =
                    if parse_cron(expression).is_err() { self.at("load.schedule") } else { "spec.timeZone".to_owned() };
                invalid(field, error.to_string())
            }),
            (None, None) if spec.after_recovery => Ok(Cadence::Never),
            (None, None) => Err(invalid(self.at("load"), WHEN_SAYS)),
            (Some(_), Some(_)) => Err(invalid(self.at("load.schedule"), "every and schedule exclude each other")),
        }
    }
}

fn pace(spec: &LoadProbe) -> Option<Pace> {
    match (spec.rate_per_second, spec.concurrency) {
        (Some(rate), None) => Some(Pace::PerSecond(rate.max(1))),
        (None, Some(count)) => Some(Pace::AtOnce(count.max(1))),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn bounds(latency: Option<&LoadLatency>) -> Box<[(Percentile, Duration)]> {
    let Some(LoadLatency { p50, p95, p99, max }) = latency else { return Box::default() };
    [(Percentile::P50, p50), (Percentile::P95, p95), (Percentile::P99, p99), (Percentile::Max, max)]
        .into_iter()
        .filter_map(|(percentile, bound)| bound.map(|bound| (percentile, bound.into())))
        .collect()
}

/// A percentage, of a million.
fn millionths(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| text.chars().all(|digit| digit.is_ascii_digit()) && (1..=4).contains(&text.len());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let parts = whole.parse::<u32>().ok()? * 10_000 + format!("{fraction:0<4}").parse::<u32>().ok()?;
    (parts <= 1_000_000).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_exactly() {
        assert_eq!(
            ["99.9%", "100%", "0%", "99.9999%", "7.05%"].map(millionths),
            [999_000, 1_000_000, 0, 999_999, 70_500].map(Some)
        );
        assert_eq!(["99.9", "101%", "%", "-1%", "1.%", "1e2%"].map(millionths), [None; 6]);
    }
}
