//! Readings of one kind of object, each read at most once per period however many ask. What is read runs in a task of its own, so
//! that who asks may leave.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;
use tokio::time::timeout_at;

use crate::cloud::reading::Found;
use crate::cloud::{Reading, Unread, Why};
use crate::plan::Turn;

/// Periods after which a reading that nobody asked for is dropped.
const UNUSED_PERIODS: u32 = 10;
/// How much earlier than its age says a reading is too old. The rounds of a check are one period apart, less what they take to come
/// to an object: what the round before has read must not serve again.
const EARLY: Duration = Duration::from_secs(1);
/// Most objects of one kind that are remembered; the one that was used longest ago gives way.
const MOST_KNOWN: usize = 1024;

/// How old a reading may be, and how long it is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// How old a reading may be.
    pub age: Duration,
    /// A probe has turned: only a reading serves that was made because one had turned the same way, of whichever check.
    pub turned: Option<Turn>,
    /// How often it is asked for.
    pub period: Duration,
    /// When an older reading is better than none.
    pub until: Instant,
}

/// Readings by the full names of their objects.
pub struct Shelf<T>(Arc<Mutex<HashMap<Arc<str>, Entry<T>>>>);

struct Entry<T> {
    /// The reading, and when it was asked for.
    made: Option<Made<T>>,
    flight: Option<watch::Receiver<Option<Reading<T>>>>,
    used: Instant,
    period: Duration,
}

struct Made<T> {
    asked: Instant,
    turned: Option<Turn>,
    reading: Reading<T>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Shelf(Arc::default())
    }
}

impl<T> Clone for Shelf<T> {
    fn clone(&self) -> Self {
        Shelf(self.0.clone())
    }
}

impl<T: Send + Sync + 'static> Shelf<T> {
    /// A reading that is fresh enough; or the one on its way; or, past the time to wait, an older one with its own time.
    /// `key`: what it is remembered under.
    pub async fn read<F>(&self, key: &Arc<str>, name: &Arc<str>, terms: Terms, fetch: impl FnOnce() -> F) -> Reading<T>
    where
        F: Future<Output = Result<T, Unread>> + Send + 'static,
    {
        let mut flight = match self.known(key, terms) {
            Known::Fresh(reading) => return reading,
            Known::Flying(flight) => flight,
            Known::Wanted(sender, flight) => {
                self.start(key.clone(), name.clone(), terms.turned, sender, fetch());
                flight
            }
        };
        let landed = timeout_at(terms.until.into(), flight.wait_for(Option::is_some)).await;
        match landed {
            Ok(Ok(reading)) => reading.clone().unwrap_or_default(),
            Ok(Err(_)) => Reading::Unread(late(name, "reading it stopped before its end: a fault of runready's own")),
            Err(_) => self.older(key).unwrap_or_else(|| {
                Reading::Unread(late(
                    name,
                    "no answer yet: calls to the project wait for their turn, or the API is slow. It is read on",
                ))
            }),
        }
    }

    fn known(&self, key: &Arc<str>, terms: Terms) -> Known<T> {
        let now = Instant::now();
        let mut entries = self.lock();
        tidy(&mut entries, now);
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry {
            made: None,
            flight: None,
            used: now,
            period: terms.period,
        });
        entry.used = now;
        entry.period = terms.period;
        if let Some(made) = &entry.made
            && is_fresh(made.asked, terms.age, now)
            && terms.turned.is_none_or(|turn| made.turned == Some(turn))
        {
            return Known::Fresh(made.reading.clone());
        }
        // A flight whose task has ended without a word is none.
        if let Some(flight) = entry.flight.clone().filter(|flight| flight.has_changed().is_ok()) {
            return Known::Flying(flight);
        }
        let (sender, flight) = watch::channel(None);
        entry.flight = Some(flight.clone());
        Known::Wanted(sender, flight)
    }

    fn start(
        &self,
        key: Arc<str>,
        name: Arc<str>,
        turned: Option<Turn>,
        sender: watch::Sender<Option<Reading<T>>>,
        fetch: impl Future<Output = Result<T, Unread>> + Send + 'static,
    ) {
        let (shelf, asked) = (self.clone(), Instant::now());
        tokio::spawn(async move {
            let reading = match fetch.await {
                Ok(object) => Reading::Read(Found { name, at: Timestamp::now(), object: Arc::new(object) }),
                Err(unread) => Reading::Unread(unread),
            };
            if let Some(entry) = shelf.lock().get_mut(&key) {
                entry.made = Some(Made { asked, turned, reading: reading.clone() });
                entry.flight = None;
            }
            sender.send_replace(Some(reading));
        });
    }

    fn older(&self, key: &Arc<str>) -> Option<Reading<T>> {
        let entries = self.lock();
        entries.get(key).and_then(|entry| entry.made.as_ref()).map(|made| made.reading.clone())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Known<T> {
    Fresh(Reading<T>),
    Flying(watch::Receiver<Option<Reading<T>>>),
    Wanted(watch::Sender<Option<Reading<T>>>, watch::Receiver<Option<Reading<T>>>),
}

/// Whether a reading that was asked for at that time is young enough.
fn is_fresh(asked: Instant, age: Duration, now: Instant) -> bool {
    now.saturating_duration_since(asked) + EARLY < age
}

/// Drops what nobody asked for in a while, and what is too much.
fn tidy<T>(entries: &mut HashMap<Arc<str>, Entry<T>>, now: Instant) {
    entries.retain(|_, entry| {
        entry.flight.is_some() || now.saturating_duration_since(entry.used) < entry.period * UNUSED_PERIODS
    });
    if entries.len() >= MOST_KNOWN {
        let idle = entries.iter().filter(|(_, entry)| entry.flight.is_none());
        let oldest = idle.min_by_key(|(_, entry)| entry.used).map(|(name, _)| name.clone());
        oldest.and_then(|name| entries.remove(&name));
    }
}

fn late(name: &Arc<str>, why: &str) -> Unread {
    Unread {
        name: name.clone(),
        at: Timestamp::now(),
        why: Why::Unavailable,
        message: format!("reading {name}: {why}").into(),
        remedy: "wait: it is tried again in the next period".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::cloud::Absent;

    fn terms(age: Duration, wait: Duration) -> Terms {
        Terms { age, turned: None, period: Duration::from_secs(60), until: Instant::now() + wait }
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_thousand_askers_share_one_read() {
        let (shelf, reads) = (Shelf::<usize>::default(), Arc::new(AtomicUsize::new(0)));
        let name: Arc<str> = "projects/p/x".into();
        let asks = (0..1000).map(|_| {
            let (shelf, reads, name) = (shelf.clone(), reads.clone(), name.clone());
            async move {
                let fetch = || async move {
                    tokio::task::yield_now().await;
                    Ok(reads.fetch_add(1, Ordering::SeqCst))
                };
                shelf.read(&name, &name, terms(LONG, LONG), fetch).await
            }
        });
        let readings = futures::future::join_all(asks).await;
        assert!(readings.iter().all(|reading| reading.object() == Some(&0)));
        assert_eq!(reads.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn what_is_too_old_is_read_anew_and_what_is_late_is_served_with_its_own_time() {
        let (shelf, name) = (Shelf::<usize>::default(), Arc::<str>::from("x"));
        let first = shelf.read(&name, &name, terms(LONG, LONG), || async { Ok(1) }).await;
        let anew = shelf.read(&name, &name, terms(Duration::ZERO, LONG), || async { Ok(2) }).await;
        assert_eq!(anew.object(), Some(&2));
        let never = || async { std::future::pending().await };
        let late = shelf.read(&name, &name, terms(Duration::ZERO, Duration::from_millis(20)), never).await;
        assert_eq!(late, anew);
        assert_ne!(late, first);
    }

    #[tokio::test]
    async fn who_has_turned_takes_only_what_was_read_since_somebody_had() {
        let (shelf, name) = (Shelf::<usize>::default(), Arc::<str>::from("x"));
        let turned = |turn| Terms { turned: Some(turn), ..terms(LONG, LONG) };
        let read = async |terms, number| {
            let reading = shelf.read(&name, &name, terms, || async move { Ok(number) }).await;
            reading.object().copied()
        };
        assert_eq!(read(terms(LONG, LONG), 1).await, Some(1));
        assert_eq!(read(turned(Turn::Fails), 2).await, Some(2), "the first is of before");
        assert_eq!(read(turned(Turn::Fails), 3).await, Some(2), "another that turned shares it");
        assert_eq!(read(turned(Turn::Works), 5).await, Some(5), "what was read of a failure tells nothing of its end");
        assert_eq!(read(terms(LONG, LONG), 4).await, Some(5));
    }

    #[tokio::test]
    async fn what_never_comes_is_unread_rather_than_healthy() {
        let shelf = Shelf::<usize>::default();
        let never = || async { std::future::pending().await };
        let reading = shelf.read(&"x".into(), &"x".into(), terms(LONG, Duration::from_millis(20)), never).await;
        assert_eq!(reading.unread().map(|unread| unread.why), Some(Why::Unavailable));
        assert_ne!(reading, Reading::Absent(Absent::NotYet));
    }

    #[tokio::test]
    async fn who_leaves_does_not_end_the_read_and_a_read_that_breaks_is_begun_again() {
        let (shelf, name) = (Shelf::<usize>::default(), Arc::<str>::from("x"));
        let broken = || async { panic!("broken on purpose") };
        let reading = shelf.read(&name, &name, terms(LONG, LONG), broken).await;
        assert_eq!(reading.unread().map(|unread| unread.why), Some(Why::Unavailable));
        let reading = shelf.read(&name, &name, terms(LONG, LONG), || async { Ok(3) }).await;
        assert_eq!(reading.object(), Some(&3));
    }

    #[test]
    fn a_reading_serves_within_its_period_and_not_in_the_next_round() {
        let (asked, age) = (Instant::now(), Duration::from_secs(60));
        assert!(is_fresh(asked, age, asked + Duration::from_secs(58)));
        // The round before came to the object half a second later than this one does.
        assert!(!is_fresh(asked + Duration::from_millis(500), age, asked + age));
    }

    #[test]
    fn what_nobody_asks_for_is_dropped_after_ten_periods_and_the_rest_is_bounded() {
        let start = Instant::now();
        let entry = |used| Entry::<()> { made: None, flight: None, used, period: Duration::from_secs(10) };
        let mut entries: HashMap<Arc<str>, _> = HashMap::from([("old".into(), entry(start))]);
        tidy(&mut entries, start + Duration::from_secs(99));
        assert_eq!(entries.len(), 1);
        tidy(&mut entries, start + Duration::from_secs(100));
        assert!(entries.is_empty());
        let name = |number: usize| Arc::<str>::from(number.to_string());
        entries
            .extend((0..MOST_KNOWN).map(|number| (name(number), entry(start + Duration::from_nanos(number as u64)))));
        tidy(&mut entries, start);
        assert!(!entries.contains_key(&name(0)));
        assert_eq!(entries.len(), MOST_KNOWN - 1);
    }
}
