//! Every closed case of a database, exported and verified: what an auditor would do with all of them.

use crate::app::TestApp;
use crate::witnesses::{POLICY, WITNESSES, agree_with, witness};
use anyhow::{Context, ensure};
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_engine::clock::SystemClock;
use handoff_engine::recorders::Recorders;
use handoff_engine::tree::{Tree, Witnesses, export};
use handoff_engine::vault::Vault;
use handoff_engine::{Engine, Reader, ids, open_log};
use handoff_evidence::log::LogKey;
use handoff_evidence::note::Checkpoint;
use handoff_evidence::policy::Policy;
use handoff_evidence::report::Verdict;
use handoff_evidence::verify::{Options, verify};
use handoff_store::query::CaseFilter;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proven {
    /// Closed cases, each exported and verified.
    pub cases: usize,
    /// Bytes of all bundles.
    pub bytes: usize,
}

/// Exports every closed case of a stopped service's database under a checkpoint that both witnesses signed, and verifies
/// each bundle with nothing but the policy.
///
/// # Errors
/// A case is not proven; the error names it and holds the report.
pub async fn prove_all(app: &TestApp) -> anyhow::Result<Proven> {
    agree_with(app, &[])?;
    let text = std::fs::read_to_string(app.path(POLICY))?;
    let seed: [u8; 32] = std::fs::read(app.path("log.key"))?.try_into().ok().context("a log key of 32 bytes")?;
    let recorders = Arc::new(Recorders::new(LogKey::from_seed(&seed)));
    let mut store = handoff_store::open(&app.database(), handoff_store::Options::default()).await?;
    let clock = Arc::new(SystemClock);
    open_log(&mut store, &recorders, handoff_engine::clock::Clock::now(clock.as_ref())).await?;
    let tree = Arc::new(Tree::new(recorders, None, Some(Policy::read(&text)?)));
    let vault = Arc::new(Vault::new(&ids::random(), &[]));
    let (engine, run) = Engine::start(store, Vec::new(), vault, tree.clone(), clock).await?;
    let stop = CancellationToken::new();
    let writer = tokio::spawn(run);
    let grower = tokio::spawn(handoff_engine::tree::run(engine.clone(), stop.clone()));
    let proven = exported(&engine, &tree, &text).await;
    stop.cancel();
    grower.await?;
    drop(engine);
    writer.await??;
    proven
}

async fn exported(engine: &Engine, tree: &Tree, policy: &str) -> anyhow::Result<Proven> {
    let size = engine.reader().head().await?.position;
    let mut shown = tree.watch();
    let covers = |shown: &handoff_engine::tree::Shown| {
        shown.halted.is_some() || shown.signed.as_ref().is_some_and(|signed| signed.head.size >= size)
    };
    let shown = shown.wait_for(covers).await?.clone();
    let signed = shown.signed.filter(|_| shown.halted.is_none()).context("the tree is halted")?;
    let witnesses = tree.witnesses().context("a policy")?;
    cosign(engine, witnesses, &signed).await?;
    let mut proven = Proven::default();
    for (incident, version) in closed(engine.reader()).await? {
        let bundle = export(tree, witnesses, engine.reader(), incident, version, Default::default()).await?;
        let report = verify(&bundle, policy, Options::default());
        ensure!(report.verdict == Verdict::Proven, "{incident}: {report:?}");
        proven.cases += 1;
        proven.bytes += bundle.len();
    }
    Ok(proven)
}

async fn cosign(engine: &Engine, witnesses: &Witnesses, signed: &Checkpoint) -> anyhow::Result<()> {
    for (name, ..) in WITNESSES {
        let mut note = Checkpoint { cosignatures: Vec::new(), ..signed.clone() };
        note.cosignatures.push(witness(name).cosign(&note.origin, &note.head, 1_800_000_000));
        witnesses.take(engine, &OrgId::new(name).context("a name")?, &note.write()).await?;
    }
    Ok(())
}

/// Every closed case and its version.
async fn closed(reader: &dyn Reader) -> anyhow::Result<Vec<(IncidentId, u64)>> {
    let (mut closed, mut after) = (Vec::new(), None);
    loop {
        let page = reader.cases(CaseFilter::default(), after, 1_000).await?;
        closed.extend(page.cases.iter().filter(|row| row.closed_at.is_some()).map(|row| (row.incident, row.version)));
        after = page.next;
        if after.is_none() {
            return Ok(closed);
        }
    }
}
