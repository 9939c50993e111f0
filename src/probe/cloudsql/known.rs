//! What is known of each instance, and what its two logins share of it: the settings. Clocks in, decisions out; no I/O.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::answer::{Awaited, Flight};
use super::entry::{Asker, Entry};
use super::pass::Settings;
use crate::plan::kinds::CloudSqlInstance;

/// Most instances that are remembered; the one that was used longest ago gives way.
const MOST_KNOWN: usize = 1024;
/// How long settings that were asked for by one login serve the other: as long as a certificate lives.
const SHARED_FOR: Duration = Duration::from_secs(3600);

/// Instances by their names.
pub type Known = HashMap<Box<str>, Instance>;

/// What is known of an instance.
#[derive(Default)]
pub struct Instance {
    /// The last question for its settings.
    question: Option<Question>,
    /// With a password, and with a token in place of one (IAM login), which is in the certificate.
    logins: [Option<Entry>; 2],
}

/// The last question for an instance's settings, whichever login put it.
#[derive(Clone)]
pub struct Question {
    /// When.
    put: Instant,
    /// Its answer, which may be on its way.
    pub answer: Awaited<Settings>,
}

/// What is known of an instance for those who log in as it says.
pub fn login<'a>(known: &'a mut Known, instance: &CloudSqlInstance) -> Option<&'a mut Entry> {
    known.get_mut(&instance.name)?.logins[usize::from(instance.iam_login)].as_mut()
}

/// Has the instance that is missed least give way to a new one, where there are too many.
pub fn make_room(known: &mut Known, newcomer: &str, clock: Timestamp) {
    if known.len() < MOST_KNOWN || known.contains_key(newcomer) {
        return;
    }
    // What has a certificate that serves, or waits for one, goes last: names are made up quickly.
    let oldest = known
        .iter()
        .min_by_key(|(_, instance)| {
            let logins = || instance.logins.iter().flatten();
            let useful = logins().any(|entry| entry.serving(clock).is_some() || entry.flight.is_some());
            (useful, logins().map(|entry| entry.used).max())
        })
        .map(|(name, _)| name.clone());
    oldest.into_iter().for_each(|name| drop(known.remove(&name)));
}

impl Instance {
    /// What is known for that login.
    pub fn login(&mut self, iam_login: bool, now: Instant) -> &mut Entry {
        self.logins[usize::from(iam_login)].get_or_insert_with(|| Entry::new(now))
    }

    /// Takes up what has arrived. If the API is to be asked for that login: the question for settings whose answer it can share.
    pub fn due(&mut self, iam_login: bool, asker: Asker, now: Instant, clock: Timestamp) -> Option<Option<Question>> {
        self.logins.iter_mut().flatten().for_each(|entry| entry.land(now));
        let Instance { question, logins: [by_password, by_token] } = self;
        let (own, other) = if iam_login { (by_token, by_password) } else { (by_password, by_token) };
        let entry = own.get_or_insert_with(|| Entry::new(now));
        entry.used = now;
        let after = entry.outdated(asker);
        let other_waits = other.as_ref().is_some_and(|other| other.flight.is_some());
        let newer = || question.as_ref().filter(|question| question.serves(after, other_waits, now));
        if entry.rest_of_settings(now).is_some() && newer().is_some() {
            // The API has answered the other login since.
            entry.refusal = None;
        }
        if !entry.is_due(asker, now, clock) {
            return None;
        }
        if let Some(question) = newer() {
            return Some(Some(question.clone()));
        }
        let refused = question.as_ref().is_some_and(|last| matches!(last.answer.peek(), Some(Err(_))));
        let Some(rest) = other.as_ref().filter(|_| refused).and_then(|other| other.rest_of_settings(now)) else {
            return Some(None);
        };
        entry.refusal = Some(rest.clone());
        None
    }

    /// Takes in what was asked for that login, of its own or with a question that it shares.
    pub fn asked(&mut self, iam_login: bool, shared: Option<Question>, flight: Flight, now: Instant) {
        let question = shared.unwrap_or_else(|| Question { put: now, answer: flight.settings.clone() });
        let entry = self.login(iam_login, now);
        (entry.asked, entry.settings_put, entry.flight) = (now, Some(question.put), Some(flight));
        self.question = Some(question);
    }
}

impl Question {
    /// Whether its answer, which may be on its way, serves who needs one to a question put after that: it is not old either, nor a
    /// refusal, unless the login that has it still waits for its certificate.
    fn serves(&self, after: Option<Instant>, refusals_count: bool, now: Instant) -> bool {
        let fresh = match self.answer.peek() {
            None => true,
            Some(Ok(_)) => now.saturating_duration_since(self.put) < SHARED_FOR,
            Some(Err(_)) => refusals_count,
        };
        fresh && after < Some(self.put)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::answer::Answer;
    use super::super::entry::tests::{ASKER, awaited, clock, granted, landed, refused, seconds, settings};
    use super::super::pass::tests::lasting;
    use super::*;
    use crate::api::Stage;

    fn last_used(mut entry: Entry, used: Instant) -> Entry {
        entry.used = used;
        entry
    }

    #[test]
    fn the_instance_that_was_used_longest_ago_gives_way() {
        let now = Instant::now();
        let name = |number: usize| -> Box<str> { format!("project:region:{number}").into() };
        let by_password = |entry| Instance { logins: [Some(entry), None], question: None };
        let mut known = HashMap::new();
        for number in 0..MOST_KNOWN {
            let used = now + if number == 7 { seconds(0) } else { seconds(1) };
            known.insert(name(number), by_password(last_used(Entry::new(now), used)));
        }
        // Used longer ago still, but it has what serves; and lately, but by a login that is used no more.
        known.insert(name(8), by_password(last_used(granted(now), now - seconds(1))));
        let used = now - seconds(2);
        known.insert(
            name(9),
            Instance {
                logins: [Some(last_used(Entry::new(now), used)), Some(last_used(Entry::new(now), now + seconds(1)))],
                question: None,
            },
        );
        make_room(&mut known, &name(3), clock(0));
        assert_eq!(known.len(), MOST_KNOWN, "it has its place");
        make_room(&mut known, &name(MOST_KNOWN), clock(0));
        assert!(known.len() == MOST_KNOWN - 1 && !known.contains_key(&name(7)));
    }

    #[test]
    fn settings_serve_the_other_login_while_they_are_newer_and_fresh() {
        let now = Instant::now();
        let question = |answer| Question { put: now, answer: awaited(Stage::Settings, answer).1 };
        let (_sender, answer) = awaited(Stage::Settings, None);
        let open = Question { put: now, answer };
        let told = question(Some(Ok(Arc::new(settings()))));
        let declined = question(Some(Err(refused(None))));
        let hour = now + seconds(3600);
        assert!(open.serves(None, false, now) && told.serves(None, false, now + seconds(3599)));
        assert!(!told.serves(None, true, hour), "it is old");
        assert!(told.serves(Some(now - seconds(1)), false, now), "it is newer");
        assert!(!told.serves(Some(now), false, now) && !open.serves(Some(now), false, now), "it is what the login has");
        assert!(declined.serves(None, true, now) && !declined.serves(None, false, now), "the pause is over");
    }

    /// An instance, both of whose logins have been asked for at `now` with those answers.
    fn shared(now: Instant, settings: Answer<Settings>) -> Instance {
        let mut instance = Instance::default();
        for iam_login in [false, true] {
            let question = instance.due(iam_login, ASKER, now, clock(0)).expect("nothing is known");
            assert_eq!(question.is_some(), iam_login, "the second one shares the first one's question");
            instance.asked(iam_login, question, landed(settings.clone(), Ok(Arc::new(lasting(3600)))), now);
        }
        instance
    }

    #[test]
    fn a_doubt_is_answered_by_a_question_that_was_put_after_it() {
        let now = Instant::now();
        let later = |after| now + seconds(after);
        let mut instance = shared(now, Ok(Arc::new(settings())));
        instance.logins[0].as_mut().expect("a login").doubt(ASKER, later(80));
        let own = instance.due(false, ASKER, later(90), clock(90)).expect("it doubts");
        assert!(own.is_none(), "what both have is older than the doubt");
        instance.asked(false, own, landed(Ok(Arc::new(settings())), Ok(Arc::new(lasting(3600)))), later(90));
        instance.logins[1].as_mut().expect("a login").doubt(ASKER, later(3000));
        let own = instance.due(true, ASKER, later(3000), clock(3000)).expect("it doubts");
        assert!(own.is_none(), "those of the other login are newer than its own, and older than the failure");
    }

    #[test]
    fn a_refusal_of_settings_holds_for_both_logins_until_the_same_moment_or_a_newer_answer() {
        let now = Instant::now();
        let mut instance = Instance::default();
        let first = instance.due(false, ASKER, now, clock(0)).expect("nothing is known");
        let throttled = refused(Some(seconds(600)));
        instance.asked(false, first, landed(Err(throttled.clone()), Err(throttled)), now);
        assert!(instance.due(true, ASKER, now + seconds(599), clock(0)).is_none(), "nothing at all is asked");
        let until = |instance: &Instance, login: usize| {
            instance.logins[login].as_ref().and_then(|entry| entry.refusal.as_ref()).map(|rest| rest.until)
        };
        // Taken up when it was looked at.
        let end = until(&instance, 0).expect("a pause");
        assert_eq!(until(&instance, 1), Some(end));
        let again = instance.due(false, ASKER, end, clock(0)).expect("the pause is over");
        assert!(again.is_none(), "nobody has asked since");
        instance.asked(false, again, landed(Ok(Arc::new(settings())), Ok(Arc::new(lasting(3600)))), end);
        let lent = instance.due(true, ASKER, end, clock(0)).expect("there is a newer answer");
        assert_eq!(lent.map(|question| question.put), Some(end));
    }
}
