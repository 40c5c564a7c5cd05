//! Rows for the suite: two stations, invented incidents, a clock that is counted by hand.

use crate::batch::{Batch, TILE_BYTES};
use crate::rows::*;
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, Digest, HandoffId, IncidentId, OrgId, Scope, StationId, StationRef};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, Rung};
use std::collections::HashMap;
use std::sync::Arc;
use uuid::Uuid;

/// Begin of the story's time.
pub(crate) const BEGIN: i64 = 1_795_435_200_000;

/// What has been written so far, and batches that go on from there.
#[derive(Clone, Debug, Default)]
pub struct Story {
    /// Next position.
    pub position: u64,
    seqs: HashMap<IncidentId, u64>,
    feeds: HashMap<OrgId, u64>,
}

impl Story {
    /// A story that believes the log ends there.
    #[must_use]
    pub fn at(position: u64) -> Self {
        Self { position, ..Self::default() }
    }

    /// A batch at the story's end with nothing in it.
    #[must_use]
    pub fn batch(&self) -> Batch {
        Batch { expected: self.position, ..Batch::default() }
    }

    /// Adds one command of `events` events of a stream, each told to the organisations.
    pub fn command(&mut self, batch: &mut Batch, incident: IncidentId, events: u64, told: &[&str]) {
        let first = self.position;
        for _ in 0..events {
            let seq = self.seqs.entry(incident).or_default();
            *seq += 1;
            batch.events.push(event(self.position, first, incident, *seq));
            for name in told {
                let number = self.feeds.entry(org(name)).or_default();
                *number += 1;
                let enters = *seq == 1;
                batch.feed.push(FeedRow { org: org(name), number: *number, position: self.position, enters });
            }
            self.position += 1;
        }
    }

    /// A batch with one new incident: event, feed of A, case, parties A-01 and B-07, answer.
    #[must_use]
    pub fn opening(&mut self, number: u128) -> Batch {
        let mut batch = self.batch();
        let position = self.position;
        self.command(&mut batch, incident(number), 1, &["A"]);
        batch.cases.push(case(number, 0, 1));
        batch.parties.extend([party(number, "A", "A-01"), party(number, "B", "B-07")]);
        batch.answers.push(AnswerRow { position: Some(position), ..answer("A", "cad", number) });
        batch
    }

    /// Seq of a stream's last event.
    #[must_use]
    pub fn seq(&self, incident: IncidentId) -> u64 {
        self.seqs.get(&incident).copied().unwrap_or(0)
    }
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

pub(crate) fn station(org_name: &str, name: &str) -> StationRef {
    StationRef { org: org(org_name), station: StationId::new(name).unwrap() }
}

/// One of the story's incidents.
pub(crate) fn incident(number: u128) -> IncidentId {
    IncidentId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0000 + number))
}

pub(crate) fn digest(seed: u64) -> Digest {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    Digest(bytes)
}

pub(crate) fn at(position: u64) -> Millis {
    Millis(BEGIN).plus(i64::try_from(position).unwrap())
}

pub(crate) fn event(position: u64, first: u64, incident: IncidentId, seq: u64) -> EventRow {
    EventRow {
        position,
        first,
        kind: StreamKind::Incident,
        incident,
        seq,
        type_name: Text::Borrowed("noted"),
        at: at(position),
        hash: digest(position),
        // Bytes that are no UTF-8, with a zero: nothing may read or cut them.
        bytes: Arc::from([&[0xff, 0x00, b'"', b'\\'][..], &position.to_be_bytes(), &[b'x'; 100]].concat()),
        leaf: signature(position),
    }
}

/// A batch at the story's end with a row of each table of evidence: the tree over the log, a key registry. One for each
/// position: an entry of the registry is written once.
#[cfg(test)]
pub(crate) fn of_evidence(story: &Story) -> Batch {
    let mut batch = story.batch();
    batch.tiles.push(tile(0, 0));
    batch.tree_heads.push(tree_head(story.position));
    batch.cosignatures = [1, 2].map(|number| cosignature(story.position, number)).into();
    batch.registry = [1, 2].map(|number| registry_entry("A", story.position, number)).into();
    batch
}

/// 64 bytes of any kind, the first zero.
pub(crate) fn signature(seed: u64) -> [u8; 64] {
    let mut bytes = [0xa5; 64];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes
}

pub(crate) fn tile(level: u8, number: u64) -> TileRow {
    let bytes = (0..TILE_BYTES as u64).map(|at| (at * 7 + number * 3 + u64::from(level)).to_le_bytes()[0]);
    TileRow { level, number, hashes: bytes.collect() }
}

pub(crate) fn tree_head(size: u64) -> TreeHeadRow {
    TreeHeadRow { size, root: digest(size).0, at: at(size) }
}

/// A witness's key; those of higher numbers come first.
pub(crate) fn witness(number: u8) -> [u8; 32] {
    [0xff - number; 32]
}

pub(crate) fn cosignature(size: u64, number: u8) -> CosignatureRow {
    CosignatureRow {
        size,
        key: witness(number),
        name: format!("station-{number}.example/\"witness\" \\ 中文"),
        at: 1_795_435_200 + size % 1_000,
        signature: signature(size * 256 + u64::from(number)),
    }
}

/// An officer's key; those of higher numbers come first.
pub(crate) fn kid(number: u8) -> String {
    format!("{:02x}", 0xff - number).repeat(32)
}

pub(crate) fn registry_entry(org_name: &str, version: u64, number: u8) -> RegistryRow {
    // Bytes that are no UTF-8, with a zero, of another length for each key: nothing may read or cut them.
    let entry = [&[0xff, 0x00, b'"', b'\\', number][..], &version.to_be_bytes(), &vec![b'e'; number.into()]].concat();
    RegistryRow { org: org(org_name), version, kid: kid(number), entry }
}

pub(crate) fn case(number: u128, was: u64, version: u64) -> CaseRow {
    CaseRow {
        incident: incident(number),
        was,
        version,
        state: Text::Borrowed("RECEIVED"),
        custodian: station("A", "A-01"),
        tenure: 1,
        first_receiver: station("A", "A-01"),
        kind: Some(Text::Borrowed("emergency")),
        severity: None,
        drill: None,
        alias_of: None,
        opened_at: Millis(BEGIN + i64::try_from(number).unwrap()),
        closed_at: None,
        updated_at: Millis(BEGIN + i64::try_from(number).unwrap()),
    }
}

pub(crate) fn party(number: u128, org_name: &str, name: &str) -> PartyRow {
    let station = StationId::new(name);
    PartyRow { incident: incident(number), org: org(org_name), station, active: true }
}

pub(crate) fn answer_id(org_name: &str, client: &str, number: u128) -> AnswerId {
    AnswerId { org: org(org_name), client: ClientId::new(client).unwrap(), request: Uuid::from_u128(number) }
}

pub(crate) fn answer(org_name: &str, client: &str, number: u128) -> AnswerRow {
    AnswerRow {
        id: answer_id(org_name, client, number),
        key: Some([3; 16]),
        mac: [4; 32],
        answer: Arc::from(&b"{\"position\":0}"[..]),
        position: None,
        incident: None,
        at: Millis(BEGIN),
    }
}

pub(crate) fn obligation(number: u128, duty: Duty, due: i64) -> ObligationRow {
    ObligationRow {
        incident: incident(number),
        scope: Some(Scope(Uuid::from_u128(number + 1))),
        duty,
        org: Some(org("B")),
        station: StationId::new("B-07"),
        role: Role::DutyOfficer,
        since: Millis(BEGIN),
        due: Millis(BEGIN + due),
        raise_at: Some(Millis(BEGIN + due)),
        rung: Rung::Duty,
        acknowledged: false,
        done: false,
    }
}

pub(crate) fn handoff(number: u128, of: u128) -> HandoffRow {
    HandoffRow {
        handoff: HandoffId(Uuid::from_u128(number)),
        incident: incident(of),
        from: station("A", "A-01"),
        to: station("B", "B-07"),
        state: Text::Borrowed("OFFERED"),
        offered_at: Some(Millis(BEGIN)),
        updated_at: Millis(BEGIN),
    }
}
