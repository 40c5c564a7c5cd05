//! Figures that are looked at rather than counted: how far the log is, what waits, what is overdue.

use crate::metrics::{DEADLINES_OVERDUE, HEAD_POSITION, WRITER_QUEUE_COMMANDS};
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
    if engine.is_away() {
        return;
    }
    match engine.reader().counts(engine.clock().now()).await {
        Ok(counts) => metrics::gauge!(DEADLINES_OVERDUE).set(counts.overdue_obligations as f64),
        Err(error) => tracing::warn!(error = %error, "what is overdue could not be counted"),
    }
}
