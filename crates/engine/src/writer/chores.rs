//! What rides in the batch's transaction besides commands.

use super::{DENIAL_ROWS_PER_BATCH_MAX, QUEUE_CHORES_MAX};
use crate::job::Chore;
use handoff_store::rows::{AuditRow, CosignatureRow, CursorRow, TileRow, TreeHeadRow};
use std::collections::HashMap;

/// Denied attempts that have no audit row and get none: they are counted here, and nowhere else.
pub(crate) const DENIALS_UNRECORDED_TOTAL: &str = "handoff_denials_unrecorded_total";

/// Counts denials that get no row.
pub(crate) fn unrecorded(denials: usize) {
    metrics::counter!(DENIALS_UNRECORDED_TOTAL).increment(denials as u64);
}

/// Keeps a denial for the database's return. Whoever waits for a cursor, or for the tree, is told that it is not known.
pub(super) fn keep(kept: &mut Vec<Chore>, chore: Chore) {
    match chore {
        Chore::Denial { .. } if kept.len() < QUEUE_CHORES_MAX => kept.push(chore),
        Chore::Denial { .. } => unrecorded(1),
        Chore::Cursor { .. } | Chore::Tree { .. } => {}
    }
}

/// Gives chores up: no row of them is written from here on.
pub(super) fn give_up(chores: &mut Vec<Chore>) {
    unrecorded(chores.drain(..).filter(|chore| matches!(chore, Chore::Denial { .. })).count());
}

/// Cursors, denials and what is noted of the tree ride in the batch's transaction.
pub(super) fn add_chores(rows: &mut handoff_store::Batch, chores: &[Chore]) {
    let mut cursors: HashMap<(String, String), CursorRow> = HashMap::new();
    for chore in chores {
        match chore {
            Chore::Cursor { org, client, number, .. } => {
                let key = (org.to_string(), client.to_string());
                let row = CursorRow { org: org.clone(), client: client.clone(), number: *number };
                let kept = cursors.entry(key).or_insert_with(|| row.clone());
                kept.number = kept.number.max(*number);
            }
            Chore::Tree { tiles, head, cosignatures, .. } => add_tree(rows, tiles, *head, cosignatures),
            Chore::Denial { at, org, client, method, reason } => {
                let row = AuditRow {
                    at: *at,
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

/// Rows that two chores bring, each right, are written once: the first stays, as it would in the database.
fn add_tree(
    rows: &mut handoff_store::Batch,
    tiles: &[TileRow],
    head: Option<TreeHeadRow>,
    cosignatures: &[CosignatureRow],
) {
    for tile in tiles {
        if !rows.tiles.iter().any(|other| (other.level, other.number) == (tile.level, tile.number)) {
            rows.tiles.push(tile.clone());
        }
    }
    if let Some(head) = head.filter(|head| !rows.tree_heads.iter().any(|other| other.size == head.size)) {
        rows.tree_heads.push(head);
    }
    for line in cosignatures {
        if !rows.cosignatures.iter().any(|other| (other.size, other.key) == (line.size, line.key)) {
            rows.cosignatures.push(line.clone());
        }
    }
}
