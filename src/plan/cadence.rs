//! When a check is due: a steady interval or a cron schedule. Pure: the current time is an argument.

use std::str::FromStr;
use std::time::Duration;

use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// When a check is due.
#[derive(Clone, Debug)]
pub enum Cadence {
    /// Every so often, on a grid whose phase is the check's own.
    Every(Duration),
    /// At the times of a cron expression.
    Cron(Box<CronSchedule>),
    /// Not at all: the spec does not say rightly when.
    Never,
}

/// A cron expression in a time zone.
#[derive(Clone, Debug)]
pub struct CronSchedule {
    cron: croner::Cron,
    zone: TimeZone,
}

/// Why a schedule can't be used; the text names what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum CadenceError {
    /// The cron expression is not one.
    #[error(
        "{expression:?} is not a cron expression: {reason}. Write five fields (minute hour day-of-month month day-of-week), such as \"*/5 * * * *\""
    )]
    Cron {
        /// What was written.
        expression: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The cron expression never comes due.
    #[error("{expression:?} never comes due: no date fits it")]
    Never {
        /// What was written.
        expression: String,
    },
    /// The time zone is unknown.
    #[error("{zone:?} is not a time zone: write an IANA name, such as Europe/Berlin or UTC")]
    Zone {
        /// What was written.
        zone: String,
    },
}

impl Cadence {
    /// Reads a cron expression of five fields in an IANA time zone (UTC when `None`).
    pub fn cron(expression: &str, zone: Option<&str>) -> Result<Self, CadenceError> {
        Ok(Cadence::Cron(Box::new(CronSchedule { cron: parse_cron(expression)?, zone: parse_zone(zone)? })))
    }

    /// The shortest distance between two runs, as far as it bounds a probe's timeout. None for cron.
    pub const fn interval(&self) -> Option<Duration> {
        match self {
            Cadence::Every(interval) => Some(*interval),
            Cadence::Cron(_) | Cadence::Never => None,
        }
    }
}

impl CronSchedule {
    /// The next due time, which lies strictly later than `after`. None when there is none.
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let here = after.to_zoned(self.zone.clone());
        Some(self.cron.find_next_occurrence(&here, false).ok()?.timestamp())
    }
}

/// Checks a cron expression, as `spec.schedule` holds it.
pub fn parse_cron(expression: &str) -> Result<croner::Cron, CadenceError> {
    let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
    let cron = parser.parse(expression).map_err(|error| {
        // Some of the library's sentences have their full stop already.
        let reason = error.to_string().trim_end_matches('.').to_owned();
        CadenceError::Cron { expression: expression.to_owned(), reason }
    })?;
    let probe = jiff::Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
    match cron.find_next_occurrence(&probe, false) {
        Ok(_) => Ok(cron),
        Err(_) => Err(CadenceError::Never { expression: expression.to_owned() }),
    }
}

/// Checks a time zone, as `spec.timeZone` holds it.
pub fn parse_zone(zone: Option<&str>) -> Result<TimeZone, CadenceError> {
    match zone {
        None => Ok(TimeZone::UTC),
        Some(name) => TimeZone::get(name).map_err(|_| CadenceError::Zone { zone: name.to_owned() }),
    }
}

impl FromStr for Cadence {
    type Err = CadenceError;

    fn from_str(expression: &str) -> Result<Self, Self::Err> {
        Cadence::cron(expression, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn until(cadence: &Cadence, now: &str) -> Option<Duration> {
        match cadence {
            Cadence::Cron(cron) => {
                let now = now.parse().expect("a timestamp");
                Duration::try_from(cron.next_after(now)?.duration_since(now)).ok()
            }
            Cadence::Every(_) | Cadence::Never => None,
        }
    }

    #[test]
    fn cron_is_read_in_its_zone() {
        let berlin = Cadence::cron("0 6 * * *", Some("Europe/Berlin")).expect("valid");
        // 06:00 in Berlin is 05:00 UTC in winter and 04:00 UTC in summer.
        assert_eq!(until(&berlin, "2026-01-10T04:00:00Z"), Some(Duration::from_secs(3600)));
        assert_eq!(until(&berlin, "2026-07-10T03:00:00Z"), Some(Duration::from_secs(3600)));
    }

    #[test]
    fn the_next_due_time_is_strictly_later() {
        let every_five: Cadence = "*/5 * * * *".parse().expect("valid");
        assert_eq!(until(&every_five, "2026-01-10T04:00:00Z"), Some(Duration::from_secs(300)));
    }

    #[test]
    fn what_is_not_a_schedule_is_refused_with_an_example() {
        for bad in ["* * * *", "61 * * * *", "every day", "0 0 6 * * *"] {
            let error = parse_cron(bad).expect_err(bad).to_string();
            assert!(error.contains("*/5 * * * *"), "{error}");
        }
        assert!(parse_cron("0 0 31 2 *").expect_err("never due").to_string().contains("never comes due"));
        assert!(parse_zone(Some("Mars/Olympus")).expect_err("no such zone").to_string().contains("IANA"));
    }
}
