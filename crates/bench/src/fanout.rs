//! Subscribers of the feeds, and how long after the commit the last of them has what was committed.

use crate::child::{Service, nanos};
use crate::setup::{IDENTITIES, Post};
use crate::story::{AGREED_AT, Story};
use crate::way::{Grpc, Way, channel};
use handoff_client::api::WatchRequest;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tonic::Request;
use tonic::transport::Channel;

/// Subscribers on one connection; the service allows 128 streams on each.
pub(crate) const STREAMS_PER_CONNECTION: usize = 100;
/// Incidents under way at once.
const STORIES: usize = 25;
/// Events of a command of the story, on average.
const EVENTS_PER_COMMAND: f64 = 27.0 / 26.0;
/// How long the last entries may take to arrive before they count as missing.
const LATE: Duration = Duration::from_secs(5);

/// What a subscriber reads of a message; it skips the rest undecoded.
#[derive(Clone, PartialEq, prost::Message)]
struct Told {
    #[prost(message, optional, tag = "1")]
    batch: Option<Entries>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entries {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Numbers>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Numbers {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(uint64, tag = "2")]
    position: u64,
}

/// What all subscribers together have seen.
struct Seen {
    /// By position: when the last subscriber so far had it.
    last: Vec<AtomicU64>,
    /// Entries of all subscribers.
    entries: AtomicUsize,
    /// Numbers that did not follow.
    gaps: AtomicUsize,
    /// Streams that ended by themselves.
    ended: AtomicUsize,
}

/// What a fan-out came to.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Commands per second that were answered.
    pub(crate) rate: f64,
    /// Events per second.
    pub(crate) events: f64,
    /// From commit to the last subscriber, sorted; one per command.
    pub(crate) latencies: Vec<Duration>,
    /// From asking to the answer, sorted.
    pub(crate) answers: Vec<Duration>,
    /// Everything that went wrong, in words.
    pub(crate) faults: Vec<String>,
    /// Messages delivered, all subscribers together.
    pub(crate) delivered: usize,
    /// What the service held in memory, in bytes.
    pub(crate) resident: u64,
}

/// Positions a run may reach.
const POSITIONS_MAX: usize = 1 << 17;

async fn subscribe(line: Channel, request: Request<WatchRequest>, seen: Arc<Seen>, started: Arc<AtomicUsize>) {
    let mut grpc = tonic::client::Grpc::new(line);
    let ended = |seen: &Seen| seen.ended.fetch_add(1, Ordering::Relaxed);
    if grpc.ready().await.is_err() {
        ended(&seen);
        return;
    }
    let path = tonic::codegen::http::uri::PathAndQuery::from_static("/handoff.v1.FeedService/Watch");
    let codec = tonic_prost::ProstCodec::<WatchRequest, Told>::default();
    let Ok(stream) = grpc.server_streaming(request, path, codec).await else {
        ended(&seen);
        return;
    };
    started.fetch_add(1, Ordering::Relaxed);
    let mut stream = stream.into_inner();
    let mut number = None;
    while let Ok(Some(told)) = stream.message().await {
        let now = nanos();
        for entry in told.batch.into_iter().flat_map(|batch| batch.entries) {
            if number.is_some_and(|number| entry.number != number + 1) {
                seen.gaps.fetch_add(1, Ordering::Relaxed);
            }
            number = Some(entry.number);
            seen.entries.fetch_add(1, Ordering::Relaxed);
            if let Some(last) = usize::try_from(entry.position).ok().and_then(|at| seen.last.get(at)) {
                last.fetch_max(now, Ordering::Relaxed);
            }
        }
    }
    ended(&seen);
}

/// One measurement: so many subscribers, so many events a second, so long.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) subscribers: usize,
    pub(crate) events_per_second: f64,
    pub(crate) time: Duration,
}

/// Runs one measurement.
pub(crate) async fn run(service: &Service, way: &Grpc, folder: &Path, plan: Plan) -> anyhow::Result<Outcome> {
    let seen = Arc::new(Seen {
        last: (0..POSITIONS_MAX).map(|_| AtomicU64::new(0)).collect(),
        entries: AtomicUsize::new(0),
        gaps: AtomicUsize::new(0),
        ended: AtomicUsize::new(0),
    });
    let started = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::with_capacity(plan.subscribers);
    let mut lines = [channel(folder, service.port, 0)?, channel(folder, service.port, 1)?];
    for number in 0..plan.subscribers {
        let (side, of_side) = (number % 2, number / 2);
        if of_side > 0 && of_side % STREAMS_PER_CONNECTION == 0 {
            lines[side] = channel(folder, service.port, side)?;
        }
        let who = (side, Post::Duty, of_side % IDENTITIES);
        let mut request = Request::new(WatchRequest { from_now: true, ..Default::default() });
        request.metadata_mut().insert("authorization", way.token(who).clone());
        tasks.push(tokio::spawn(subscribe(lines[side].clone(), request, seen.clone(), started.clone())));
    }
    let until = Instant::now() + LATE;
    while started.load(Ordering::Relaxed) < plan.subscribers && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut outcome = Outcome::default();
    if started.load(Ordering::Relaxed) < plan.subscribers {
        outcome.faults.push(format!("only {} subscribers started", started.load(Ordering::Relaxed)));
    }
    let before = [way.feed_head((0, Post::Duty, 0)).await?, way.feed_head((1, Post::Duty, 0)).await?];
    let sent = pace(service, way, plan, &mut outcome).await;
    let after = [way.feed_head((0, Post::Duty, 0)).await?, way.feed_head((1, Post::Duty, 0)).await?];
    let of = |side: usize| usize::try_from(after[side] - before[side]).unwrap_or(usize::MAX);
    let expected = plan.subscribers.div_ceil(2) * of(0) + plan.subscribers / 2 * of(1);
    let until = Instant::now() + LATE;
    while seen.entries.load(Ordering::Relaxed) < expected && Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    outcome.resident = service.usage().resident;
    outcome.delivered = seen.entries.load(Ordering::Relaxed);
    judge(&seen, expected, &mut outcome);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    if plan.subscribers > 0 {
        outcome.latencies = sent.iter().filter_map(|sent| sent.latency(&seen)).collect();
        outcome.latencies.sort_unstable();
        if outcome.latencies.len() < sent.len() {
            outcome.faults.push(format!("{} commands reached nobody", sent.len() - outcome.latencies.len()));
        }
    }
    Ok(outcome)
}

fn judge(seen: &Seen, expected: usize, outcome: &mut Outcome) {
    let (gaps, ended) = (seen.gaps.load(Ordering::Relaxed), seen.ended.load(Ordering::Relaxed));
    if outcome.delivered != expected {
        outcome.faults.push(format!("{} entries delivered of {expected}", outcome.delivered));
    }
    if gaps > 0 {
        outcome.faults.push(format!("{gaps} gaps"));
    }
    if ended > 0 {
        outcome.faults.push(format!("{ended} streams ended"));
    }
}

/// One command of the paced writer.
struct Sent {
    first: u64,
    last: u64,
    committed: u64,
}

impl Sent {
    fn latency(&self, seen: &Seen) -> Option<Duration> {
        let range = usize::try_from(self.first).ok()?..=usize::try_from(self.last).ok()?;
        let last = seen.last.get(range)?.iter().map(|at| at.load(Ordering::Relaxed)).max()?;
        (last > 0).then(|| Duration::from_nanos(last.saturating_sub(self.committed)))
    }
}

/// Asks one command after the other at an even pace, from many incidents in turn.
async fn pace(service: &Service, way: &Grpc, plan: Plan, outcome: &mut Outcome) -> Vec<Sent> {
    let mut stories: Vec<Story> = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(EVENTS_PER_COMMAND / plan.events_per_second));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Burst);
    let earlier = service.commits().len();
    let (begin, mut sent) = (Instant::now(), Vec::new());
    let mut head = None;
    let mut events = 0;
    while begin.elapsed() < plan.time {
        ticks.tick().await;
        let turn = sent.len() % STORIES;
        if turn == stories.len() {
            stories.push(Story::new(turn));
        }
        let (step, who, ask) = loop {
            if let Some(next) = stories[turn].next() {
                break next;
            }
            stories[turn] = Story::new(turn);
        };
        let started = Instant::now();
        match way.ask(who, ask).await {
            Ok(last) => {
                outcome.answers.push(started.elapsed());
                let first = head.map_or(last, |head| head + 1);
                events += last + 1 - first;
                head = Some(last);
                sent.push(Sent { first, last, committed: 0 });
            }
            Err(word) => {
                outcome.faults.push(format!("step {step}: {word}"));
                break;
            }
        }
        if step == AGREED_AT {
            stories[turn].statement = way.statement(&stories[turn]).await.unwrap_or_default();
        }
    }
    let time = begin.elapsed().as_secs_f64();
    outcome.rate = sent.len() as f64 / time;
    outcome.events = events as f64 / time;
    outcome.answers.sort_unstable();
    tokio::time::sleep(Duration::from_millis(100)).await;
    // One command was under way at a time, so the commits are the commands', in order.
    let commits = service.commits();
    if commits.len() - earlier == sent.len() {
        sent.iter_mut().zip(&commits[earlier..]).for_each(|(sent, at)| sent.committed = *at);
    } else {
        outcome.faults.push(format!("{} commits for {} commands", commits.len() - earlier, sent.len()));
        sent.clear();
    }
    sent
}
