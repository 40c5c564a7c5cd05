//! What rides in the batch's transaction besides commands.

use super::DENIAL_ROWS_PER_BATCH_MAX;
use crate::job::Chore;
use handoff_domain::time::Millis;
use handoff_store::rows::{AuditRow, CursorRow};
use std::collections::HashMap;

/// Cursors and denials ride in the batch's transaction.
pub(super) fn add_chores(rows: &mut handoff_store::Batch, chores: &[Chore], now: Millis) {
    let mut cursors: HashMap<(String, String), CursorRow> = HashMap::new();
    for chore in chores {
        match chore {
            Chore::Cursor { org, client, number, .. } => {
                let key = (org.to_string(), client.to_string());
                let row = CursorRow { org: org.clone(), client: client.clone(), number: *number };
                let kept = cursors.entry(key).or_insert_with(|| row.clone());
                kept.number = kept.number.max(*number);
            }
            Chore::Denial { org, client, method, reason } => {
                let row = AuditRow {
                    at: now,
                    org: org.clone(),
                    client: client.clone(),
                    officer: None,
                    method: (*method).into(),
                    reason: reason.as_str().into(),
                    count: 1,
                };
                let crowded = rows.audit.len() >= DENIAL_ROWS_PER_BATCH_MAX;
                let alike = |other: &&mut AuditRow| (&other.org, &other.method) == (&row.org, &row.method);
                match rows.audit.iter_mut().find(alike).filter(|_| crowded) {
                    Some(counted) => counted.count += 1,
                    None => rows.audit.push(row),
                }
            }
        }
    }
    rows.cursors.extend(cursors.into_values());
}
