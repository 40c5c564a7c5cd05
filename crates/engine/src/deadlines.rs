//! Timers: obligations are rows; every second what is due goes up one rung through the same writer as every command
//! (reliability, 8). A timer never moves custody.

use crate::engine::Engine;
use crate::ids::derived;
use crate::job::Task;
use handoff_domain::caller::{Caller, OPERATOR, OrgKind, Role};
use handoff_domain::command::{Act, Command, Expected};
use handoff_domain::ids::{ClientId, OrgId, StationRef};
use handoff_domain::time::{Millis, SECOND};
use handoff_store::StoreError;
use handoff_store::rows::ObligationRow;
use tokio_util::sync::CancellationToken;

/// How often obligations are looked at.
pub const LOOK_EVERY_MS: i64 = SECOND;
/// Obligations raised in one look; the rest follows in the next.
pub const RAISED_AT_ONCE_MAX: u32 = 100;

/// The service itself as a caller.
///
/// # Panics
/// Never: both names are legal, checked by a test.
#[must_use]
#[expect(clippy::expect_used, reason = "constants, checked by a test")]
pub fn service() -> Caller {
    Caller {
        org: OrgId::new(OPERATOR).expect("a legal name"),
        kind: OrgKind::Operator,
        client: ClientId::new("service").expect("a legal name"),
        station: None,
        officer: None,
        roles: vec![Role::Service],
    }
}

/// Raises what is due now; how many were looked at.
///
/// # Errors
/// [`StoreError`] when the store does not answer.
pub async fn raise_due(engine: &Engine, now: Millis) -> Result<usize, StoreError> {
    let due = engine.reader().due_obligations(now, RAISED_AT_ONCE_MAX).await?;
    let waiting: Vec<_> = due.iter().map(|row| raise(engine, row)).collect();
    for raised in waiting {
        // Refused or not accepted: it is still due and is looked at again.
        let _ = raised.await;
    }
    Ok(due.len())
}

async fn raise(engine: &Engine, row: &ObligationRow) -> Result<crate::job::Reply, crate::job::NoAnswer> {
    let by = row.org.clone().zip(row.station.clone()).map(|(org, station)| StationRef { org, station });
    let scope = row.scope.map(|scope| scope.to_string()).unwrap_or_default();
    let (incident, due) = (row.incident.to_string(), row.due.0.to_string());
    let seat = by.as_ref().map(ToString::to_string).unwrap_or_default();
    let id = derived(&["escalate", &incident, &scope, row.duty.as_str(), &seat, &due, row.rung.as_str()]);
    let act = Act::Escalate { duty: row.duty, by, scope: row.scope, due: row.due };
    let command =
        Command { incident: row.incident, expected: Expected::default(), claimed_at: None, acting_for: None, act };
    engine.submit_service(id, Task::Incident(command)).await
}

/// Looks every second until told to stop.
pub async fn run(engine: Engine, stop: CancellationToken) {
    let clock = engine.clock();
    loop {
        let next = clock.sleep_until(clock.now().plus(LOOK_EVERY_MS));
        tokio::select! {
            () = stop.cancelled() => return,
            () = next => {}
        }
        // Without the database nothing is accepted, and the writer has said so.
        if engine.is_away() {
            continue;
        }
        if let Err(error) = raise_due(&engine, clock.now()).await {
            tracing::error!(error = %error, "obligations could not be looked at");
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_service_is_a_caller() {
        assert_eq!(super::service().org.as_str(), "OP");
    }
}
