//! The story: healthy, dark, a verdict, restored. Waits for what the controller says, within deadlines, and prints it.
//! Does I/O through its parts.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use tokio::sync::mpsc;

use super::scenery::Scenery;
use super::show::{Show, Who};
use super::summary::{self, Told};
use super::witness::Seen;
use crate::api::baseline::DriftStatus;
use crate::api::condition::{Condition, ConditionStatus, ConditionType};
use crate::api::status::{OtherFinding, Verdict};
use crate::api::{Cause, ConnectivityCheckStatus, ProbeState};
use crate::cli::get;
use crate::cli::output::{OutputError, Style, facts};

/// From the start to Ready: three observations, one second apart, and the service's own start.
const TO_HEALTHY: Duration = Duration::from_secs(20);
/// From the fault to the verdict: two observations of one second each.
const TO_VERDICT: Duration = Duration::from_secs(15);
/// From there to what Google's APIs say of it: a reading may be 10 seconds old.
const TO_JOINT: Duration = Duration::from_secs(30);
/// From the repair to Ready: the service's own start, and three observations.
const TO_RESTORED: Duration = Duration::from_secs(20);
/// How long all is well before the fault.
const HEALTHY: Duration = Duration::from_secs(6);
/// From the fault to the repair.
const DARK: Duration = Duration::from_secs(21);
/// How long all must stay well after the repair.
const STEADY: Duration = Duration::from_secs(12);
/// Observations in a row that count as steady.
const FEW: usize = 3;
/// For these, beyond the time that the story takes in any case.
const TO_STEADY: Duration = Duration::from_secs(10);

/// Why the story did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum StoryError {
    /// What should have happened did not.
    #[error("the story went astray: waited {}s for {awaited}; seen last: {seen}", within.as_secs())]
    Astray {
        /// What should have happened.
        awaited: &'static str,
        /// For how long it was awaited.
        within: Duration,
        /// What was seen instead.
        seen: String,
    },
    /// What should have stayed did not.
    #[error("the story went astray: the check should have stayed Ready, but: {0}")]
    Unsteady(String),
    /// The connector can't play its part.
    #[error("the connector can't play its part: {0}")]
    Connector(io::Error),
    /// It can't be shown.
    #[error(transparent)]
    Show(#[from] OutputError),
}

/// What the story is made of.
pub struct Story {
    /// What is probed.
    pub scenery: Scenery,
    /// The folder that the controller works on.
    pub folder: PathBuf,
    /// What the controller says.
    pub seen: mpsc::UnboundedReceiver<Seen>,
    /// Where it is shown.
    pub show: Show,
    /// How many times faster it is told.
    pub pace: f64,
    /// The last status.
    pub last: Option<Box<ConnectivityCheckStatus>>,
    /// Whether people were told that the check is Ready, at the start or since the repair: they are, a moment after the status says so.
    pub told_ready: bool,
    /// The different lines that the service has logged since the last turn, and how often.
    pub logged: Vec<(String, u32)>,
}

impl Story {
    /// Tells it.
    ///
    /// # Errors
    /// When what should happen does not happen in time.
    pub async fn tell(&mut self) -> Result<(), StoryError> {
        self.show.say(Who::Story, "The controller starts on the folder. Each probe runs every second.")?;
        self.until("Ready=True", TO_HEALTHY, Story::is_ready).await?;
        self.table()?;
        self.steady(HEALTHY).await?;

        let (dark, to_alarm) = self.outage().await?;
        let (verdict, drift) = self.joint().await?;
        let to_verdict = dark.elapsed();
        self.show.facts(&facts::verdict(&verdict))?;
        self.table()?;
        self.hold(self.paced(DARK).saturating_sub(to_verdict)).await?;
        self.symptoms().await?;

        let repaired = self.repair().await?;
        let to_ready = repaired.elapsed();
        self.table()?;
        self.show.say(
            Who::Story,
            "Is it really restored? One good answer proves nothing, so the story goes on for a while.",
        )?;
        let steady = self.steady(STEADY).await?;
        self.show.say(Who::Story, "What people needed more than an hour for, and what the check has said:")?;
        self.show.facts(&summary::six_questions(&Told { verdict, drift, to_alarm, to_verdict, to_ready, steady }))?;
        Ok(())
    }

    /// The connector goes dark. Returns when it did, and how long it took until the check was not Ready.
    async fn outage(&mut self) -> Result<(Instant, Duration), StoryError> {
        self.logged.clear();
        self.show.say(
            Who::Story,
            "The connector is made anew now, by mistake on another network. It goes dark: packets vanish, nothing is refused.",
        )?;
        let dark = Instant::now();
        self.scenery.break_connector().await.map_err(StoryError::Connector)?;
        // The database and the cache: one silent address does not tell the connector from the address.
        let silent = |story: &Story| {
            let timeouts = story.last.iter().flat_map(|status| &status.probes);
            let timeouts = timeouts.filter(|probe| probe.cause == Some(Cause::ConnectTimeout));
            story.ready() == ConditionStatus::False && timeouts.count() > 1
        };
        self.until("Ready=False for two probes that time out", TO_VERDICT, silent).await?;
        Ok((dark, dark.elapsed()))
    }

    /// What the probes and Google's APIs say together: the verdict, and what differs from the baseline.
    async fn joint(&mut self) -> Result<(Verdict, Vec<DriftStatus>), StoryError> {
        let known = |story: &Story| story.verdict_of(Cause::ConnectorNotReady).is_some() && !story.drift().is_empty();
        self.until("Ready=False with the cause ConnectorNotReady, and the drift", TO_JOINT, known).await?;
        let verdict = self.verdict_of(Cause::ConnectorNotReady).cloned();
        let verdict = verdict.ok_or_else(|| StoryError::Unsteady(describe(self.last.as_deref())))?;
        Ok((verdict, self.drift().to_vec()))
    }

    /// What people saw meanwhile, and what the check makes of it.
    async fn symptoms(&mut self) -> Result<(), StoryError> {
        // A backend that lost its database, and others that could not get at it: Google's log has their lines by then.
        let seen = |story: &Story| {
            let differs = |other: &OtherFinding| other.cause == Cause::EffectiveTimeoutDiffers;
            story.logged.len() > 1 && story.others().iter().any(differs)
        };
        self.until("the backend's exits, and what they tell of its time-out", TO_JOINT, seen).await?;
        if let Some((line, count)) = self.logged.last() {
            let times = if *count == 1 { "once".to_owned() } else { format!("{count} times") };
            let text = format!("Meanwhile the backend has logged {times}: \"{line}\" Its team sees no more than that.");
            self.show.say(Who::Story, &text)?;
        }
        for other in self.others() {
            self.show.say(Who::Bad, &format!("Also {}: {}", other.cause, other.summary))?;
        }
        Ok(())
    }

    /// The connector works again. Returns when it did.
    async fn repair(&mut self) -> Result<Instant, StoryError> {
        self.logged.clear();
        self.show.say(
            Who::Story,
            "The connector is made anew as the remedy says. The service still has to start, so it is not Ready yet.",
        )?;
        self.told_ready = false;
        let repaired = Instant::now();
        self.scenery.restore_connector().await.map_err(StoryError::Connector)?;
        self.until("Ready=True", TO_RESTORED, Story::is_ready).await?;
        Ok(repaired)
    }

    /// Shows what happens until it is as wanted.
    async fn until(
        &mut self,
        awaited: &'static str,
        within: Duration,
        wanted: impl Fn(&Story) -> bool,
    ) -> Result<(), StoryError> {
        let deadline = Instant::now() + within;
        while !wanted(self) {
            match tokio::time::timeout_at(deadline.into(), self.next()).await {
                Ok(next) => drop(next?),
                Err(_) => return Err(StoryError::Astray { awaited, within, seen: describe(self.last.as_deref()) }),
            }
        }
        self.rest()
    }

    /// Shows what happens for a while.
    async fn hold(&mut self, lasts: Duration) -> Result<(), StoryError> {
        let deadline = Instant::now() + lasts;
        while let Ok(status) = tokio::time::timeout_at(deadline.into(), self.next()).await {
            status?;
        }
        Ok(())
    }

    /// Shows what happens for a while in which the check must stay Ready. Returns how many observations in a row found every
    /// probe healthy: a few at least, however fast the story is told.
    async fn steady(&mut self, lasts: Duration) -> Result<usize, StoryError> {
        let lasts = self.paced(lasts);
        let (enough, deadline) = (Instant::now() + lasts, Instant::now() + lasts + TO_STEADY);
        let (mut healthy, mut before) = (0, None::<Time>);
        loop {
            let until = if healthy < FEW { deadline } else { enough };
            let Ok(status) = tokio::time::timeout_at(until.into(), self.next()).await else { break };
            let Some(status) = status? else { continue };
            if self.ready() != ConditionStatus::True {
                return Err(StoryError::Unsteady(describe(Some(&status))));
            }
            if status.last_probe_time != before {
                let all = status.probes.iter().all(|probe| probe.observed == ProbeState::Healthy);
                healthy = if all { healthy + 1 } else { 0 };
            }
            before = status.last_probe_time;
        }
        let astray = || StoryError::Astray {
            awaited: "several observations in a row with every probe healthy",
            within: lasts + TO_STEADY,
            seen: describe(self.last.as_deref()),
        };
        if healthy < FEW { Err(astray()) } else { Ok(healthy) }
    }

    /// Waits for the next thing that happens, and shows it. Gives a status, if it was one.
    async fn next(&mut self) -> Result<Option<Box<ConnectivityCheckStatus>>, StoryError> {
        tokio::select! {
            biased;
            Some(seen) = self.seen.recv() => self.take(seen),
            Some(line) = self.scenery.log.recv() => {
                self.log(&line)?;
                Ok(None)
            }
            else => Err(StoryError::Unsteady("the controller has ended".to_owned())),
        }
    }

    fn take(&mut self, seen: Seen) -> Result<Option<Box<ConnectivityCheckStatus>>, StoryError> {
        match seen {
            Seen::Notice(notice) => {
                // Such as `Ready=True: ...` and `Ready again after 21s: ...`.
                self.told_ready |= ["Ready=True", "Ready again"].iter().any(|begins| notice.note.starts_with(begins));
                self.show.say(if notice.warning { Who::Bad } else { Who::Good }, &notice.note)?;
                Ok(None)
            }
            Seen::Status(status) => {
                self.show.live(&summary::line(&status))?;
                self.last = Some(status.clone());
                Ok(Some(status))
            }
        }
    }

    /// Shows a line of the service's log, unless it is the same again. Google's log has each.
    fn log(&mut self, line: &str) -> Result<(), OutputError> {
        self.scenery.log(line);
        match self.logged.iter_mut().find(|(known, _)| known == line) {
            Some((_, count)) => *count += 1,
            None => {
                self.logged.push((line.to_owned(), 1));
                self.show.say(Who::Backend, line)?;
            }
        }
        Ok(())
    }

    /// Shows what has happened already.
    fn rest(&mut self) -> Result<(), StoryError> {
        while let Ok(seen) = self.seen.try_recv() {
            self.take(seen)?;
        }
        Ok(())
    }

    /// The table, as `runready get --folder` prints it.
    fn table(&mut self) -> Result<(), StoryError> {
        let styled = get::table_of(&self.folder, self.show.style())?;
        Ok(self.show.table(&styled, &get::table_of(&self.folder, Style::Plain)?)?)
    }

    /// Whether the check is Ready and people were told so.
    fn is_ready(&self) -> bool {
        self.ready() == ConditionStatus::True && self.told_ready
    }

    fn ready(&self) -> ConditionStatus {
        self.last.as_deref().and_then(ready).map_or(ConditionStatus::Unknown, |condition| condition.status)
    }

    /// The verdict, if it is that one and the check is not Ready for it.
    fn verdict_of(&self, cause: Cause) -> Option<&Verdict> {
        let verdict = self.last.as_ref()?.verdict.as_ref()?;
        (self.ready() == ConditionStatus::False && verdict.cause == cause).then_some(verdict)
    }

    /// What differs from the baseline.
    fn drift(&self) -> &[DriftStatus] {
        self.last.as_ref().map(|status| status.drift.as_slice()).unwrap_or_default()
    }

    /// What else was found, beside the root.
    fn others(&self) -> Vec<OtherFinding> {
        let verdict = self.last.as_ref().and_then(|status| status.verdict.as_ref());
        verdict.map(|verdict| verdict.others.clone()).unwrap_or_default()
    }

    fn paced(&self, lasts: Duration) -> Duration {
        lasts.div_f64(self.pace)
    }
}

fn ready(status: &ConnectivityCheckStatus) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str())
}

fn describe(status: Option<&ConnectivityCheckStatus>) -> String {
    match status.map(ready) {
        None => "no status at all".to_owned(),
        Some(None) => "a status without Ready".to_owned(),
        Some(Some(Condition { status, reason, message, .. })) => format!("Ready={status} ({reason}): {message}"),
    }
}
