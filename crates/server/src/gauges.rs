//! Figures that are looked at rather than counted: how far the log is, what waits, what is overdue.

use crate::metrics::{
    DEADLINES_OVERDUE, HEAD_POSITION, TREE_ENTRIES, TREE_HALTED, UNWITNESSED_SECONDS, WRITER_QUEUE_COMMANDS,
};
use handoff_domain::time::SECOND;
use handoff_engine::Engine;
use tokio_util::sync::CancellationToken;

/// How often they are looked at.
pub const LOOK_EVERY_MS: i64 = 5 * SECOND;

/// Looks until told to stop.
pub async fn run(engine: Engine, stop: CancellationToken) {
    let clock = engine.clock();
    loop {
        look(&engine).await;
        let next = clock.sleep_until(clock.now().plus(LOOK_EVERY_MS));
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => {}
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics")]
async fn look(engine: &Engine) {
    let head = *engine.head().borrow();
    metrics::gauge!(HEAD_POSITION).set(head as f64);
    let (facts, decisions) = engine.waiting();
    metrics::gauge!(WRITER_QUEUE_COMMANDS, "code" => "facts").set(facts as f64);
    metrics::gauge!(WRITER_QUEUE_COMMANDS, "code" => "decisions").set(decisions as f64);
    let shown = engine.tree().shown();
    let signed = shown.signed.map_or(0, |signed| signed.head.size);
    metrics::gauge!(TREE_ENTRIES, "code" => "signed").set(signed as f64);
    metrics::gauge!(TREE_HALTED).set(f64::from(u8::from(shown.halted.is_some())));
    if engine.is_away() {
        return;
    }
    unwitnessed(engine, head).await;
    match engine.reader().counts(engine.clock().now()).await {
        Ok(counts) => metrics::gauge!(DEADLINES_OVERDUE).set(counts.overdue_obligations as f64),
        Err(error) => tracing::warn!(error = %error, "what is overdue could not be counted"),
    }
}

/// Above this nobody may say that it is only the usual second (evidence, 6).
const UNWITNESSED_ALARM_MS: i64 = 60 * SECOND;

/// How old the oldest entry is that the quorum of witnesses has not signed. Handling never waits for it.
#[expect(clippy::cast_precision_loss, reason = "metrics")]
async fn unwitnessed(engine: &Engine, head: u64) {
    let Some(witnesses) = engine.tree().witnesses() else { return };
    // The witnesses may have signed at another replica.
    if *witnesses.proven().borrow() < head
        && let Err(error) = witnesses.look(engine.tree(), engine.reader()).await
    {
        return tracing::warn!(%error, "what is proven could not be read");
    }
    let proven = *witnesses.proven().borrow();
    metrics::gauge!(TREE_ENTRIES, "code" => "proven").set(proven as f64);
    let age_ms = if proven >= head {
        0
    } else {
        match engine.reader().event_at(proven).await {
            Ok(oldest) => oldest.map_or(0, |oldest| engine.clock().now().since(oldest.at).max(0)),
            Err(error) => return tracing::warn!(%error, "the oldest unwitnessed entry could not be read"),
        }
    };
    metrics::gauge!(UNWITNESSED_SECONDS).set(age_ms as f64 / 1_000.0);
    if age_ms > UNWITNESSED_ALARM_MS {
        tracing::error!(
            age_s = age_ms / 1_000,
            "entries of the log are not witnessed; look at the witnesses of both sides"
        );
    }
}
