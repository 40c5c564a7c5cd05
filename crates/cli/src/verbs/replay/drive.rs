//! Plays a plan against a service, whichever way it is reached.

use super::plan::Plan;
use super::setup::Setup;
use super::step::Step;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use handoff_domain::time::Millis;
use serde::Serialize;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Incidents worked on at the same time. One more waits until one of them has had its answer.
pub const CASES_AT_ONCE_MAX: usize = 64;

/// Where an acknowledged command stands in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// Position of its last event.
    pub position: u64,
    /// Version of the incident after it.
    pub version: u64,
    /// Hash of that event.
    pub event_hash: String,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Recorded.
    Done(Receipt),
    /// Recorded by an earlier start of the same run. A signature found on a form that waits for none any more is not
    /// asked for again and has no receipt.
    Repeated(Option<Receipt>),
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
    /// where the form bears that signature and waits for none any more, an earlier start of the run has given it,
    /// which is [`Outcome::Repeated`].
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
            refused.push(format!("{}: {reason}", setup.name()));
        }
    }
    Ok(refused)
}

/// Plays every step; `heard` is told of each answer as it comes.
///
/// # Errors
/// [`Away`] with the first answer that does not come.
pub async fn play(drive: &impl Drive, plan: &Plan, heard: impl FnMut(&Step, &Outcome)) -> Result<(), Away> {
    let heard = RefCell::new(heard);
    if !drive.follows_the_plan() {
        return side_by_side(drive, &plan.steps, &heard).await;
    }
    let mut rest = plan.steps.as_slice();
    while let Some(first) = rest.first() {
        let together = rest.iter().take_while(|step| step.at == first.at).count();
        let (now, later) = rest.split_at(together);
        drive.reach(first.at).await?;
        side_by_side(drive, now, &heard).await?;
        rest = later;
    }
    Ok(())
}

/// Incidents beside each other, each one's steps one after the other.
async fn side_by_side(
    drive: &impl Drive,
    steps: &[Step],
    heard: &RefCell<impl FnMut(&Step, &Outcome)>,
) -> Result<(), Away> {
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
    let played = stream::iter(chains.map(|chain| async move {
        for step in chain {
            let outcome = drive.submit(step).await?;
            // All of them are polled by one task, so nobody else is being told at this moment.
            (heard.borrow_mut())(step, &outcome);
        }
        Ok(())
    }));
    played.buffer_unordered(CASES_AT_ONCE_MAX).try_collect().await
}
