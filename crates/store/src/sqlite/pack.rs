//! Rows of a batch as statement arguments; the form is explained in `sql`.

use crate::batch::{Batch, FeedMove};
use crate::error::AppendError;
use crate::rows::*;
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_domain::time::Millis;
use uuid::Uuid;

/// Rows of one table.
#[derive(Default)]
pub(super) struct Packed {
    /// JSON: an array with one array per row.
    pub(super) rows: Vec<u8>,
    /// Fixed-width binary columns, row after row.
    pub(super) fixed: Vec<u8>,
    /// Binary columns of any length, found by offset and length.
    pub(super) bytes: Vec<u8>,
    /// Rows packed.
    pub(super) count: u64,
}

impl Packed {
    pub(super) fn new(rows: usize, row_bytes: usize, fixed_bytes: usize) -> Self {
        Self {
            rows: Vec::with_capacity(rows * row_bytes + 2),
            fixed: Vec::with_capacity(rows * fixed_bytes),
            ..Self::default()
        }
    }

    /// Opens a row.
    pub(super) fn open(&mut self) {
        self.rows.push(if self.count == 0 { b'[' } else { b',' });
        self.count += 1;
    }

    /// Adds bytes of any length: offset, from 1, and length.
    pub(super) fn push_bytes(&mut self, bytes: &[u8]) -> (usize, usize) {
        let offset = self.bytes.len() + 1;
        self.bytes.extend_from_slice(bytes);
        (offset, bytes.len())
    }

    pub(super) fn push_id(&mut self, id: Uuid) {
        self.fixed.extend_from_slice(id.as_bytes());
    }

    /// Closes the array: the JSON text.
    pub(super) fn into_parts(mut self) -> Result<(String, Vec<u8>, Vec<u8>), AppendError> {
        self.rows.push(b']');
        let rows = String::from_utf8(self.rows).map_err(|_| AppendError::rejected("head", "a row is no text"))?;
        Ok((rows, self.fixed, self.bytes))
    }
}

/// Appends one row: a tuple of what JSON can hold.
macro_rules! row {
    ($packed:ident, $table:literal, $($value:expr),+ $(,)?) => {{
        $packed.open();
        serde_json::to_writer(&mut $packed.rows, &($($value,)+))
            .map_err(|_| AppendError::rejected($table, "a row cannot be packed"))?;
    }};
}
pub(super) use row;

fn ms(at: Option<Millis>) -> Option<i64> {
    at.map(|at| at.0)
}

pub(super) fn hex(id: Option<Uuid>) -> Option<String> {
    id.map(|id| id.as_simple().to_string())
}

fn station(station: Option<&StationId>) -> &str {
    station.map_or("", StationId::as_str)
}

fn org(org: Option<&OrgId>) -> &str {
    org.map_or("", OrgId::as_str)
}

pub(super) fn answers(rows: &[AnswerRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 80, 64);
    for answer in rows {
        let (offset, length) = packed.push_bytes(&answer.answer);
        packed.push_id(answer.id.request);
        packed.fixed.extend_from_slice(&answer.mac);
        packed.fixed.extend_from_slice(&answer.key.unwrap_or_default());
        let AnswerId { org, client, .. } = &answer.id;
        let incident = hex(answer.incident.map(|id| id.0));
        row!(
            packed,
            "answers",
            org.as_str(),
            client.as_str(),
            answer.key.is_some(),
            offset,
            length,
            answer.position,
            incident,
            answer.at.0,
        );
    }
    Ok(packed)
}

pub(super) fn events(rows: &[EventRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 80, 112);
    packed.bytes.reserve(rows.iter().map(|event| event.bytes.len()).sum());
    for event in rows {
        let (offset, length) = packed.push_bytes(&event.bytes);
        packed.push_id(event.incident.0);
        packed.fixed.extend_from_slice(&event.hash.0);
        packed.fixed.extend_from_slice(&event.leaf);
        let kind = event.kind.code();
        row!(packed, "events", event.first, kind, event.seq, &*event.type_name, event.at.0, offset, length);
    }
    Ok(packed)
}

pub(super) fn feed(rows: &[FeedRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 0);
    for entry in rows {
        row!(packed, "feed", entry.org.as_str(), entry.number, entry.position, u8::from(entry.enters));
    }
    Ok(packed)
}

pub(super) fn feeds(moves: &[FeedMove]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(moves.len(), 32, 0);
    for moved in moves {
        row!(packed, "feeds", moved.org.as_str(), moved.was, moved.number);
    }
    Ok(packed)
}

pub(super) fn cases(rows: &[CaseRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 200, 16);
    for case in rows {
        packed.push_id(case.incident.0);
        row!(
            packed,
            "cases",
            case.was,
            case.version,
            &*case.state,
            case.custodian.org.as_str(),
            case.custodian.station.as_str(),
            case.tenure,
            case.first_receiver.org.as_str(),
            case.first_receiver.station.as_str(),
            case.kind.as_deref(),
            case.severity.as_deref(),
            hex(case.drill.map(|id| id.0)),
            hex(case.alias_of.map(|id| id.0)),
            case.opened_at.0,
            ms(case.closed_at),
            case.updated_at.0,
        );
    }
    Ok(packed)
}

pub(super) fn parties(rows: &[PartyRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 16);
    for party in rows {
        packed.push_id(party.incident.0);
        row!(packed, "parties", party.org.as_str(), station(party.station.as_ref()), u8::from(party.active));
    }
    Ok(packed)
}

pub(super) fn obligations(rows: &[ObligationRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 128, 32);
    for owed in rows {
        packed.push_id(owed.incident.0);
        packed.push_id(owed.scope.map(|scope| scope.0).unwrap_or_default());
        row!(
            packed,
            "obligations",
            owed.scope.is_some(),
            owed.duty.as_str(),
            org(owed.org.as_ref()),
            station(owed.station.as_ref()),
            owed.role.as_str(),
            owed.since.0,
            owed.due.0,
            ms(owed.raise_at),
            owed.rung.as_str(),
            u8::from(owed.acknowledged),
            u8::from(owed.done),
        );
    }
    Ok(packed)
}

pub(super) fn handoffs(rows: &[HandoffRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 80, 32);
    for handoff in rows {
        packed.push_id(handoff.handoff.0);
        packed.push_id(handoff.incident.0);
        row!(
            packed,
            "handoffs",
            handoff.from.org.as_str(),
            handoff.from.station.as_str(),
            handoff.to.org.as_str(),
            handoff.to.station.as_str(),
            &*handoff.state,
            ms(handoff.offered_at),
            handoff.updated_at.0,
        );
    }
    Ok(packed)
}

pub(super) fn personal(rows: &[PersonalRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 48, 16);
    for value in rows {
        let (offset, length) = packed.push_bytes(&value.disclosure);
        packed.push_id(value.id.incident.0);
        row!(packed, "personal", value.id.seq, &value.id.path, offset, length);
    }
    Ok(packed)
}

pub(super) fn erase(rows: &[PersonalId]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 16);
    for id in rows {
        packed.push_id(id.incident.0);
        row!(packed, "personal", id.seq, &id.path);
    }
    Ok(packed)
}

pub(super) fn forget_keys(rows: &[AnswerId]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 16);
    for id in rows {
        packed.push_id(id.request);
        row!(packed, "answers", id.org.as_str(), id.client.as_str());
    }
    Ok(packed)
}

pub(super) fn cursors(rows: &[CursorRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 40, 0);
    for cursor in rows {
        row!(packed, "cursors", cursor.org.as_str(), cursor.client.as_str(), cursor.number);
    }
    Ok(packed)
}

pub(super) fn audit(rows: &[AuditRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 96, 0);
    for denied in rows {
        row!(
            packed,
            "audit",
            denied.at.0,
            denied.org.as_ref().map(OrgId::as_str),
            denied.client.as_ref().map(ClientId::as_str),
            denied.officer.as_ref().map(OfficerId::as_str),
            &*denied.method,
            &*denied.reason,
            denied.count,
        );
    }
    Ok(packed)
}

pub(super) fn maps(rows: &[MapRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 48);
    for map in rows {
        let (offset, length) = packed.push_bytes(&map.bytes);
        packed.push_id(map.map.id.0);
        packed.fixed.extend_from_slice(&map.digest.0);
        row!(packed, "maps", map.map.version, offset, length);
    }
    Ok(packed)
}

pub(super) fn tiles(rows: &[TileRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 0);
    for tile in rows {
        let (offset, length) = packed.push_bytes(&tile.hashes);
        row!(packed, "tiles", tile.level, tile.number, offset, length);
    }
    Ok(packed)
}

pub(super) fn tree_heads(rows: &[TreeHeadRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 32, 32);
    for head in rows {
        packed.fixed.extend_from_slice(&head.root);
        row!(packed, "tree_heads", head.size, head.at.0);
    }
    Ok(packed)
}

pub(super) fn cosignatures(rows: &[CosignatureRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 64, 96);
    for signed in rows {
        packed.fixed.extend_from_slice(&signed.key);
        packed.fixed.extend_from_slice(&signed.signature);
        row!(packed, "cosignatures", signed.size, &signed.name, signed.at);
    }
    Ok(packed)
}

pub(super) fn registry_entries(rows: &[RegistryRow]) -> Result<Packed, AppendError> {
    let mut packed = Packed::new(rows.len(), 112, 0);
    for row in rows {
        let (offset, length) = packed.push_bytes(&row.entry);
        row!(packed, "registry_entries", row.org.as_str(), row.version, &row.kid, offset, length);
    }
    Ok(packed)
}

/// Bytes of content, for the estimate of how far the write-ahead log has grown.
pub(super) fn payload(batch: &Batch) -> usize {
    /// About what a row costs besides its bytes.
    const ROW_BYTES: usize = 100;
    let bytes = batch.events.iter().map(|event| event.bytes.len());
    let bytes = bytes.chain(batch.maps.iter().map(|map| map.bytes.len()));
    let bytes = bytes.chain(batch.tiles.iter().map(|tile| tile.hashes.len()));
    bytes.chain(batch.registry.iter().map(|row| row.entry.len())).sum::<usize>() + batch.rows() * ROW_BYTES
}
