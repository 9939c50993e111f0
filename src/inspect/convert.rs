//! From Google's types to those of [`crate::cloud`]: times and names. Pure.

use std::time::Duration;

use google_cloud_wkt as wkt;
use jiff::Timestamp;

/// A time.
pub fn time(time: Option<&wkt::Timestamp>) -> Option<Timestamp> {
    time.and_then(|time| Timestamp::new(time.seconds(), time.nanos()).ok())
}

/// A length of time, without what is negative.
pub fn length(length: &wkt::Duration) -> Option<Duration> {
    Some(Duration::new(u64::try_from(length.seconds()).ok()?, u32::try_from(length.nanos()).ok()?))
}

/// A value of an API by its name; what the API does not say is what stands first among the values.
pub fn named<E: for<'a> From<&'a str> + Clone>(name: Option<&str>, known: &[E]) -> E {
    match (name, known.first()) {
        (None, Some(unspecified)) => unspecified.clone(),
        (name, _) => E::from(name.unwrap_or_default()),
    }
}

/// A value that may be left out: None, where the API does not say.
pub fn optional<E: for<'a> From<&'a str> + Clone + PartialEq>(name: Option<&str>, known: &[E]) -> Option<E> {
    Some(named(name, known)).filter(|value| Some(value) != known.first())
}

/// The last part of a path: the name without path.
pub fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// A name in full, without the URL that compute puts before it: projects/...
pub fn full(path: &str) -> &str {
    match path.find("projects/") {
        Some(at) => &path[at..],
        None => path,
    }
}

/// The project that a full name is in.
pub fn project(name: &str) -> &str {
    full(name).split('/').nth(1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::connector::ConnectorState;

    #[test]
    fn names_are_taken_apart() {
        let url = "https://www.googleapis.com/compute/v1/projects/host/global/networks/shared";
        assert_eq!((full(url), last(url), project(url)), ("projects/host/global/networks/shared", "shared", "host"));
        assert_eq!((full("default"), last("default"), project("default")), ("default", "default", ""));
    }

    #[test]
    fn values_that_are_new_or_left_out_are_kept_apart() {
        assert_eq!(named(Some("READY"), ConnectorState::ALL), ConnectorState::Ready);
        assert_eq!(named(None, ConnectorState::ALL), ConnectorState::Unspecified);
        assert_eq!(named(Some("NEW"), ConnectorState::ALL), ConnectorState::Other("NEW".to_owned()));
        assert_eq!(optional(Some("STATE_UNSPECIFIED"), ConnectorState::ALL), None);
    }

    #[test]
    fn times_and_lengths_outside_of_their_range_are_none() {
        assert_eq!(time(Some(&wkt::Timestamp::clamp(1, 5))), Timestamp::new(1, 5).ok());
        assert_eq!(time(None), None);
        assert_eq!(length(&wkt::Duration::clamp(20, 0)), Some(Duration::from_secs(20)));
        assert_eq!(length(&wkt::Duration::clamp(-1, 0)), None);
    }
}
