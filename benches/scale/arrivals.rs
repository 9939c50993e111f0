//! When probes arrived at their peer, and what that says of the schedule: lag, misses, spread. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

/// Due times are whole ticks.
const TICK: f64 = 10.0;

/// Connections as the peer saw them in a window: when, in milliseconds since its start, and for which check.
#[derive(Debug)]
pub struct Arrivals {
    by_check: BTreeMap<u32, Vec<f64>>,
    window: f64,
}

impl Arrivals {
    /// Takes them as they came.
    pub fn new(seen: impl IntoIterator<Item = (f64, u32)>, window: Duration) -> Self {
        let mut by_check: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (at, check) in seen {
            by_check.entry(check).or_default().push(at);
        }
        by_check.values_mut().for_each(|times| times.sort_by(f64::total_cmp));
        Arrivals { by_check, window: window.as_secs_f64() * 1e3 }
    }

    /// How many there were.
    pub fn count(&self) -> usize {
        self.by_check.values().map(Vec::len).sum()
    }

    /// Due times of `checks` at which nothing came: gaps between arrivals, and at the window's ends, that hold one or more.
    pub fn missed(&self, checks: usize, interval: Duration) -> usize {
        let interval = interval.as_secs_f64() * 1e3;
        let between = |gap: f64| (gap / interval).round() as usize;
        let of_one = |times: &Vec<f64>| {
            let inner: usize = times.windows(2).map(|pair| between(pair[1] - pair[0]).saturating_sub(1)).sum();
            let before = times.first().map_or(0.0, |first| first / interval);
            let after = times.last().map_or(0.0, |last| (self.window - last) / interval);
            // At the ends less than an interval passes; a lag of a tenth of it is no miss.
            inner + (before - 0.1).max(0.0) as usize + (after - 0.1).max(0.0) as usize
        };
        let silent = checks.saturating_sub(self.by_check.len()) * (self.window / interval) as usize;
        silent + self.by_check.values().map(of_one).sum::<usize>()
    }

    /// How late arrivals were against the grid of ticks, in milliseconds, least first. The grid is found from the arrivals
    /// themselves: its phase is where they begin after each tick, and a check's place on it is that of its earliest one.
    pub fn lags(&self, interval: Duration) -> Vec<f64> {
        let interval = interval.as_secs_f64() * 1e3;
        let phase = self.phase();
        let mut lags = Vec::with_capacity(self.count());
        for times in self.by_check.values() {
            let offset = |at: f64| (at - phase).rem_euclid(interval);
            // Offsets near both ends of the interval are neighbours on its circle.
            let turn = offset(times[0]);
            let around = |at: f64| (offset(at) - turn + interval / 2.0).rem_euclid(interval) - interval / 2.0;
            let earliest = times.iter().map(|at| around(*at)).fold(f64::INFINITY, f64::min) + turn;
            let due = (earliest / TICK).floor() * TICK;
            lags.extend(times.iter().map(|at| around(*at) + turn - due));
        }
        lags.sort_by(f64::total_cmp);
        lags
    }

    /// Where within a tick arrivals begin: after the longest stretch of it, taken as a circle, in which hardly any fall.
    fn phase(&self) -> f64 {
        const PARTS: usize = 100;
        let mut counts = [0_usize; PARTS];
        for at in self.by_check.values().flatten() {
            counts[((at.rem_euclid(TICK) / TICK * PARTS as f64) as usize).min(PARTS - 1)] += 1;
        }
        let few = self.count() / 2000;
        let quiet = |part: usize| counts[part % PARTS] <= few;
        let stretch = |start: usize| (0..PARTS).take_while(|step| quiet(start + step)).count();
        let longest = (0..PARTS).max_by_key(|start| stretch(*start)).unwrap_or(0);
        ((longest + stretch(longest)) % PARTS) as f64 * TICK / PARTS as f64
    }

    /// The most arrivals within one tick, as a multiple of the mean.
    pub fn busiest(&self) -> f64 {
        let mut bins: BTreeMap<u64, usize> = BTreeMap::new();
        for at in self.by_check.values().flatten() {
            *bins.entry((at / TICK) as u64).or_default() += 1;
        }
        let most = bins.values().max().copied().unwrap_or(0);
        most as f64 / (self.count() as f64 / (self.window / TICK))
    }
}

/// The value below which `share` of the sorted values lie.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(index.clamp(1, sorted.len().max(1)) - 1).copied().unwrap_or(f64::INFINITY)
}
