//! Reaches instances by what is [known] of them. Asks the Admin API, through [`super::admin`], for the rest: at most once
//! for each instance and period, however many probes need the answer.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::access::Access;
use super::admin::{self, Admin};
use super::answer::{Awaited, Flight, Found};
use super::known::{self, Known};
use super::pass::Settings;
use crate::api::Stage;
use crate::plan::Kind;
use crate::plan::kinds::CloudSqlInstance;

/// Most instances that are asked for at once.
const AT_ONCE: usize = 16;

/// Reaches Cloud SQL instances. Clones share what they know.
#[derive(Clone, Default)]
pub struct Connector(Arc<Shared>);

#[derive(Default)]
struct Shared {
    admin: Admin,
    known: Mutex<Known>,
    turns: Turns,
}

struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Turns(Semaphore::new(AT_ONCE))
    }
}

impl Connector {
    /// A connector that asks in that way. Nothing is built before it is needed.
    pub fn new(access: Access) -> Self {
        Connector(Arc::new(Shared { admin: Admin::new(access), ..Shared::default() }))
    }

    /// What is known of an instance. If that is nothing, or old, the API is asked, in the background.
    pub fn find(&self, instance: &CloudSqlInstance, kind: Kind) -> Found {
        let (now, clock) = (Instant::now(), Timestamp::now());
        let mut known = self.known();
        known::make_room(&mut known, &instance.name, clock);
        let of_instance = known.entry(instance.name.clone()).or_default();
        if let Some(shared) = of_instance.due(instance.iam_login, (instance.ip_type, kind), now, clock) {
            let flight = self.ask(instance, shared.as_ref().map(|question| question.answer.clone()));
            of_instance.asked(instance.iam_login, shared, flight, now);
        }
        of_instance.login(instance.iam_login, now).found(clock)
    }

    /// The database has answered a probe of that kind through a tunnel: what is known is right.
    pub fn trust(&self, instance: &CloudSqlInstance, kind: Kind) {
        if let Some(entry) = known::login(&mut self.known(), instance) {
            entry.trust((instance.ip_type, kind));
        }
    }

    /// What is known did not lead a probe of that kind to a tunnel, or to one that was refused: it may be out of date.
    pub fn doubt(&self, instance: &CloudSqlInstance, kind: Kind) {
        if let Some(entry) = known::login(&mut self.known(), instance) {
            entry.doubt((instance.ip_type, kind), Instant::now());
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for both at once (for the certificate alone where settings serve that the other login asked for), and goes on when the
    /// probe that asked has given up: others wait for it, too.
    fn ask(&self, instance: &CloudSqlInstance, lent: Option<Awaited<Settings>>) -> Flight {
        let (unasked, settings) = match lent {
            Some(settings) => (None, settings),
            None => {
                let (sender, settings) = Awaited::new(Stage::Settings);
                (Some(sender), settings)
            }
        };
        let (asked, certificate) = Awaited::new(Stage::Certificate);
        let (shared, instance) = (self.0.clone(), instance.clone());
        tokio::spawn(async move {
            // Never closed, so that this waits and does not fail.
            let _turn = shared.turns.0.acquire().await;
            let ask_settings = async {
                let Some(settings) = unasked else { return };
                let answer = admin::settings(&shared.admin, &instance).await;
                settings.send_replace(Some(answer.map(Arc::new)));
            };
            let ask_certificate = async {
                let answer = admin::certificate(&shared.admin, &instance).await;
                asked.send_replace(Some(answer.map(Arc::new)));
            };
            tokio::join!(ask_settings, ask_certificate);
        });
        Flight { settings, certificate }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Connector({} instances)", self.known().len())
    }
}
