//! Who looks at what the operator did: the service itself when it starts, each side's witness, whoever kept a
//! checkpoint, and the verifier.

use crate::evidence::{audit, verified};
use anyhow::{Context, ensure};
use handoff_client::{Client, api};
use handoff_domain::time::Millis;
use handoff_engine::clock::{Clock as _, SystemClock};
use handoff_evidence::bundle::Bundle;
use handoff_evidence::event::decode;
use handoff_evidence::log::LogKey;
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::Policy;
use handoff_tests::app::{LIMIT, POLICY, TestApp, witness};
use handoff_tests::refusal::{Refusal, told};
use handoff_witness::{Alarm, Clock, Counts, Grpc, Mirror, Pace, Witness};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::books::Log;

/// Between two looks at what is waited for.
const POLL_PAUSE: Duration = Duration::from_millis(10);
/// A witness that dials again at once and knows of no replica that may be behind.
const PACE: Pace = Pace { retry_first_ms: 10, retry_max_ms: 50, ask_every_ms: 10_000, silent_ms: 60_000, lag_ms: 0 };
/// What the service says once it signs no more, before it says why.
const HALTED: &str = "no head of the tree is signed any more";

/// The machine's clock, as a witness has it.
struct Now;

impl Clock for Now {
    fn now(&self) -> Millis {
        SystemClock.now()
    }

    fn sleep_until(&self, until: Millis) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        SystemClock.sleep_until(until)
    }
}

/// Lets a side's own witness work on its mirror until it has signed the log up to that size, or refuses: then the alarm
/// it kept.
pub(super) async fn witnessed(app: &TestApp, side: &str, mirror: &Path, size: u64) -> anyhow::Result<Option<Alarm>> {
    let policy = Policy::read(&std::fs::read_to_string(app.path(POLICY))?)?;
    let (key, clock) = (witness(&side.to_uppercase()), Arc::new(Now));
    let mut witness =
        Witness::over(key, policy, None, Vec::new(), Mirror::open(mirror).await?, None, clock.clone()).await?;
    let (name, counts) = (witness.name().to_owned(), witness.counts().clone());
    let client = app.client(&format!("{side}-witness"))?;
    let mut line = Grpc::over(client.clone());
    let stop = settled(client, &name, &counts, size);
    let work = handoff_witness::run(&mut witness, &mut line, clock, PACE, stop);
    tokio::time::timeout(LIMIT, work).await.with_context(|| format!("{side}'s witness neither signs nor refuses"))?;
    let refused = counts.refused.load(Ordering::Relaxed) > 0;
    let alarm = witness.mirror().alarms(1).await?.into_iter().next().filter(|_| refused);
    witness.close().await?;
    Ok(alarm)
}

/// The service has this witness's refusal, or a new signature of that size.
async fn settled(client: Client, name: &str, counts: &Counts, size: u64) {
    let mut ticks = tokio::time::interval(POLL_PAUSE);
    loop {
        ticks.tick().await;
        let answer = client.evidence().get_checkpoint(api::GetCheckpointRequest::default()).await;
        let Ok(answer) = answer.map(handoff_client::Response::into_inner) else { continue };
        let Some(state) = answer.witnesses.iter().find(|state| state.name == name) else { continue };
        let signed = state.signed_size >= size && counts.cosigned.load(Ordering::Relaxed) > 0;
        if signed || !state.refusal.is_empty() {
            return;
        }
    }
}

/// Waits until a service that was started shows a signed head, or says why it signs none.
pub(super) async fn halted(app: &TestApp) -> anyhow::Result<Option<String>> {
    let mut evidence = app.client("a-witness")?.evidence();
    let mut ticks = tokio::time::interval(POLL_PAUSE);
    let wait = async {
        loop {
            ticks.tick().await;
            if let Some((_, why)) = app.said().split_once(HALTED) {
                let why = why.lines().next().unwrap_or_default();
                let word = ["behind", "changed", "fork", "mark"].into_iter().find(|word| why.contains(word));
                return Ok(Some(word.with_context(|| format!("it does not say why: {why}"))?.to_owned()));
            }
            match evidence.get_checkpoint(api::GetCheckpointRequest::default()).await {
                Ok(_) => return Ok(None),
                Err(status) => ensure!(Refusal::of(&status).reason == "EVIDENCE_NOT_READY", "{status}"),
            }
        }
    };
    tokio::time::timeout(LIMIT, wait).await.context("the tree of the service neither goes on nor halts")?
}

/// Whether the log of now begins with the checkpoint somebody kept.
pub(super) fn begins_with(app: &TestApp, note: &str) -> anyhow::Result<bool> {
    let output = audit(app, &["prove-log", "--policy", POLICY, "--since", note])?;
    match output.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => anyhow::bail!("{}", String::from_utf8_lossy(&output.stderr)),
    }
}

/// The newest checkpoint of exactly that size with a quorum.
pub(super) async fn proven(app: &TestApp, size: u64) -> anyhow::Result<Checkpoint> {
    let request = api::GetCheckpointRequest { size, proven: true };
    let found = told(app.client("auditor")?.evidence().get_checkpoint(request).await)?;
    ensure!(found.size == size && found.proven, "{} of {size} entries are proven", found.size);
    Ok(Checkpoint::read(found.note.as_bytes())?)
}

/// The bundle an operator makes of its own log, with whatever honest witnesses have signed of it. Nothing asks the
/// service: it would refuse to show a case that breaks the rules.
pub(super) fn bundle(honest: &Bundle, key: &LogKey, log: &Log, proven: &[Checkpoint]) -> anyhow::Result<Bundle> {
    let newest = log.newest()?;
    let checkpoint = proven.iter().find(|known| known.head == newest).cloned();
    let checkpoint = checkpoint.unwrap_or_else(|| Checkpoint::sign(key, newest));
    let before = honest.events.iter().map(|logged| Ok(decode(&logged.bytes)?.0)).collect::<anyhow::Result<Vec<_>>>()?;
    let incident = before.first().context("a case has events")?.incident;
    let places: Vec<usize> = (0..log.made.len()).filter(|at| log.made[*at].event.incident == incident).collect();
    let events = places.iter().map(|at| log.logged(*at)).collect::<anyhow::Result<Vec<_>>>()?;
    // A bound belongs to an event of its type, wherever that one is now, and must not hold it.
    let mut bounds = BTreeMap::new();
    for (seq, bound) in &honest.bounds {
        let of = before.get(usize::try_from(*seq)? - 1).context("a bound belongs to an event")?.body.type_name();
        let now = places.iter().zip(1..).find(|(at, _)| log.made[**at].event.body.type_name() == of);
        if let Some((_, seq)) = now.filter(|(at, _)| bound.head.size <= **at as u64) {
            bounds.insert(seq, bound.clone());
        }
    }
    let mut bundle = Bundle { events, checkpoint, bounds, ..honest.clone() };
    for update in bundle.registries.values_mut().flat_map(|registry| &mut registry.updates) {
        let (was, _) = decode(&update.bytes)?;
        let same = |at: &usize| (log.made[*at].event.incident, log.made[*at].event.seq) == (was.incident, was.seq);
        *update = log.logged((0..log.made.len()).find(same).context("the registry is in the log")?)?;
    }
    Ok(bundle)
}

/// What the built program says to a bundle: its exit code, and everything it found.
pub(super) fn judged(app: &TestApp, name: &str, bundle: &Bundle) -> anyhow::Result<String> {
    let file = app.path(&format!("{name}.evidence.zip"));
    std::fs::write(&file, bundle.write()?)?;
    let (code, said) = verified(app, &file, &["--require-signed", "--output", "json"])?;
    let report: Value = serde_json::from_str(said.lines().next().unwrap_or_default()).with_context(|| said.clone())?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut found = BTreeSet::new();
    for check in list(&report["checks"]) {
        for finding in list(&check["findings"]).into_iter().chain(list(&check["warnings"])) {
            let (check, problem) = (check["check"].as_str(), finding["problem"].as_str());
            found.insert(format!("{} {}", check.unwrap_or("?"), problem.unwrap_or("?")));
        }
    }
    let found = found.into_iter().collect::<Vec<_>>().join(", ");
    Ok(format!("{} {found}", code.context("the verifier was killed")?).trim_end().to_owned())
}
