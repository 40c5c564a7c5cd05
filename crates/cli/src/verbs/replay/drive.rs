//! Plays a plan against a service, whichever way it is reached.

use super::plan::Plan;
use super::setup::Setup;
use super::step::Step;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use handoff_domain::time::Millis;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Incidents worked on at the same time. One more waits until one of them has had its answer.
pub const CASES_AT_ONCE_MAX: usize = 64;

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Recorded.
    Done,
    /// Recorded by an earlier start of the same run.
    Repeated,
    /// Refused: the published reason, and the state it met.
    Refused {
        /// The reason.
        reason: String,
        /// The state.
        state: Option<String>,
    },
}

/// The service could not be reached, or gave no answer: the run stops and can be started again under its name.
#[derive(Debug, thiserror::Error)]
#[error("no answer from the service: {why}")]
pub struct Away {
    /// What happened.
    pub why: String,
}

/// A way to a service as both sides. Each command has its request id; sending one again is safe.
pub trait Drive {
    /// Orders one change of the directory. `map` holds the bytes that go with a map's publication.
    fn order(&self, setup: &Setup, map: Option<&Arc<[u8]>>) -> impl Future<Output = Result<Outcome, Away>>;

    /// Sends one command. The implementation seals or carries its texts, and asks for the statement of a signature:
    /// where the form no longer waits for one, an earlier start of the run has signed it, which is
    /// [`Outcome::Repeated`].
    fn submit(&self, step: &Step) -> impl Future<Output = Result<Outcome, Away>>;

    /// Lets the service's clock reach `at`; one that runs by itself is not waited for.
    fn reach(&self, at: Millis) -> impl Future<Output = Result<(), Away>>;

    /// Whether the clock follows the plan. If not, incidents are played beside each other as fast as they go, each in
    /// its own order.
    fn follows_the_plan(&self) -> bool;
}

/// Puts everything into the directory. What stands there already is refused as such and is no fault.
///
/// # Errors
/// [`Away`].
pub async fn set_up(drive: &impl Drive, orders: &[Setup], map: Option<&Arc<[u8]>>) -> Result<Vec<String>, Away> {
    const STANDS_ALREADY: [&str; 2] = ["STALE_VERSION", "MOVE_NOT_LEGAL"];
    let mut refused = Vec::new();
    for setup in orders {
        let bytes = map.filter(|_| setup.with_map);
        if let Outcome::Refused { reason, .. } = drive.order(setup, bytes).await?
            && !STANDS_ALREADY.contains(&reason.as_str())
        {
            refused.push(format!("{reason}: {:?}", setup.order));
        }
    }
    Ok(refused)
}

/// Plays every step; `heard` is told of each answer.
///
/// # Errors
/// [`Away`] with the first answer that does not come.
pub async fn play(drive: &impl Drive, plan: &Plan, mut heard: impl FnMut(&Step, &Outcome)) -> Result<(), Away> {
    if drive.follows_the_plan() {
        let mut rest = plan.steps.as_slice();
        while let Some(first) = rest.first() {
            let together = rest.iter().take_while(|step| step.at == first.at).count();
            let (now, later) = rest.split_at(together);
            drive.reach(first.at).await?;
            side_by_side(drive, now, &mut heard).await?;
            rest = later;
        }
        return Ok(());
    }
    side_by_side(drive, &plan.steps, &mut heard).await
}

/// Incidents beside each other, each one's steps one after the other.
async fn side_by_side(drive: &impl Drive, steps: &[Step], heard: &mut impl FnMut(&Step, &Outcome)) -> Result<(), Away> {
    if let [step] = steps {
        let outcome = drive.submit(step).await?;
        heard(step, &outcome);
        return Ok(());
    }
    let mut order = Vec::new();
    let mut chains: BTreeMap<usize, Vec<&Step>> = BTreeMap::new();
    for step in steps {
        let chain = chains.entry(step.case).or_default();
        if chain.is_empty() {
            order.push(step.case);
        }
        chain.push(step);
    }
    let chains = order.into_iter().filter_map(|case| chains.remove(&case));
    let mut answers = stream::iter(chains.map(|chain| async move {
        let mut answers = Vec::with_capacity(chain.len());
        for step in chain {
            answers.push((step, drive.submit(step).await?));
        }
        Ok(answers)
    }))
    .buffer_unordered(CASES_AT_ONCE_MAX);
    while let Some(answers) = answers.try_next().await? {
        for (step, outcome) in answers {
            heard(step, &outcome);
        }
    }
    Ok(())
}
