//! A number of workers, each with an incident of its own, each asking its next command when the one before is answered.

use crate::story::{AGREED_AT, STEPS, Story};
use crate::way::Way;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a load came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Commands answered OK inside the measured time.
    pub(crate) measured: usize,
    /// Length of the measured time.
    pub(crate) time: Duration,
    /// Their latencies, sorted.
    pub(crate) latencies: Vec<Duration>,
    /// Commands answered OK at all, before and after included.
    pub(crate) ok: usize,
    /// Positions of the last event of each of these.
    pub(crate) positions: Vec<u64>,
    /// Reads in between.
    pub(crate) reads: usize,
    /// Everything that was not OK, by its word.
    pub(crate) errors: BTreeMap<String, usize>,
}

impl Outcome {
    /// Commands per second.
    pub(crate) fn rate(&self) -> f64 {
        self.measured as f64 / self.time.as_secs_f64()
    }

    /// With another load that ran beside it.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.add(other);
        self.latencies.sort_unstable();
        self
    }

    fn add(&mut self, other: Self) {
        self.measured += other.measured;
        self.latencies.extend(other.latencies);
        self.ok += other.ok;
        self.positions.extend(other.positions);
        self.reads += other.reads;
        for (word, count) in other.errors {
            *self.errors.entry(word).or_default() += count;
        }
    }
}

/// The share of `part` in a sorted list.
pub(crate) fn quantile(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * part).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the list's length")]
    sorted.get(at as usize).copied().unwrap_or_default()
}

/// How a load is laid out.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    /// Workers, each with one command under way.
    pub(crate) in_flight: usize,
    /// Not measured.
    pub(crate) warm: Duration,
    /// Measured.
    pub(crate) time: Duration,
}

/// Runs a load to its end.
pub(crate) async fn run<W: Way>(way: &W, plan: Plan) -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now() + plan.warm;
    let end = begin + plan.time;
    let workers: Vec<_> = (0..plan.in_flight)
        .map(|number| tokio::spawn(worker(way.clone(), number, (begin, end), stop.clone())))
        .collect();
    tokio::time::sleep_until(end.into()).await;
    stop.store(true, Ordering::Relaxed);
    let mut outcome = Outcome { time: plan.time, ..Outcome::default() };
    for worker in workers {
        match worker.await {
            Ok(one) => outcome.add(one),
            Err(error) => *outcome.errors.entry(format!("worker: {error}")).or_default() += 1,
        }
    }
    outcome.latencies.sort_unstable();
    outcome
}

async fn worker<W: Way>(way: W, number: usize, (begin, end): (Instant, Instant), stop: Arc<AtomicBool>) -> Outcome {
    let mut outcome = Outcome::default();
    // Spread over the story, so that not all of them receive calls at once: a part of the first one is skipped ahead
    // by pausing between the workers' starts.
    let lead = begin.saturating_duration_since(Instant::now()) / 2;
    let slot = u32::try_from(number % STEPS).unwrap_or(0);
    tokio::time::sleep(lead * slot / 26).await;
    while !stop.load(Ordering::Relaxed) {
        let mut story = Story::new(number);
        while let Some((step, who, ask)) = story.next() {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let started = Instant::now();
            let answer = way.ask(who, ask).await;
            let answered = Instant::now();
            match answer {
                Ok(position) => {
                    outcome.ok += 1;
                    outcome.positions.push(position);
                    if (begin..end).contains(&answered) {
                        outcome.measured += 1;
                        outcome.latencies.push(answered - started);
                    }
                }
                Err(word) => {
                    *outcome.errors.entry(format!("step {step}: {word}")).or_default() += 1;
                    break;
                }
            }
            if step == AGREED_AT {
                match way.statement(&story).await {
                    Ok(digest) => story.statement = digest,
                    Err(word) => *outcome.errors.entry(format!("statement: {word}")).or_default() += 1,
                }
                outcome.reads += 1;
            }
        }
    }
    outcome
}
