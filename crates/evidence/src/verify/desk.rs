//! What the checks look at: the files of a bundle, each read by itself.

use super::Options;
use super::case::newer;
use crate::bundle::Logged;
use crate::bundle::derived::Frame;
use crate::bundle::layout::Slot;
use crate::event::{self, DecodeError};
use crate::lines::LineError;
use crate::note::Checkpoint;
use crate::policy::Chain;
use crate::sigsum::SigsumProof;
use crate::tlog_proof::TlogProof;
use handoff_domain::event::Event;
use handoff_domain::ids::{Digest, IncidentId};
use std::collections::BTreeMap;

/// The files of a bundle by their places.
pub(super) type Slots<'a> = BTreeMap<Slot, &'a [u8]>;

/// One event as far as it can be read.
pub(super) struct Exhibit<'a> {
    pub(super) seq: u64,
    /// Its bytes and their hash.
    pub(super) bytes: Option<(&'a [u8], Digest)>,
    /// The event and the hash of the one before.
    pub(super) decoded: Option<Result<(Event, Digest), DecodeError>>,
    /// Where it stands in the log, by its first proof that reads.
    pub(super) logged: Option<Logged>,
}

impl Exhibit<'_> {
    /// The event, if it can be read.
    pub(super) fn event(&self) -> Option<&Event> {
        self.decoded.as_ref()?.as_ref().ok().map(|(event, _)| event)
    }

    pub(super) fn index(&self) -> Option<u64> {
        self.logged.as_ref().map(|logged| logged.index)
    }
}

pub(super) struct Desk<'a> {
    pub(super) slots: Slots<'a>,
    /// The policies that are trusted.
    pub(super) chain: &'a Chain,
    pub(super) options: Options,
    pub(super) checkpoint: Option<Result<Checkpoint, LineError>>,
    pub(super) events: Vec<Exhibit<'a>>,
    /// An event is of a version newer than this verifier: what belongs to it cannot be told from a stranger.
    pub(super) has_newer: bool,
}

impl<'a> Desk<'a> {
    pub(super) fn new(slots: Slots<'a>, chain: &'a Chain, options: Options) -> Self {
        let numbered = |slot: &Slot| match slot {
            Slot::Event(seq) | Slot::Sigsum(seq) | Slot::Tlog(seq) => Some(*seq),
            _ => None,
        };
        let last = slots.keys().filter_map(numbered).max().unwrap_or(0);
        let events: Vec<Exhibit<'_>> = (1..=last).map(|seq| exhibit(&slots, seq)).collect();
        let is_newer = |exhibit: &Exhibit<'_>| matches!(&exhibit.decoded, Some(Err(error)) if newer(error).is_some());
        let has_newer = events.iter().any(is_newer);
        let checkpoint = slots.get(&Slot::Checkpoint).map(|data| Checkpoint::read(data));
        Self { slots, chain, options, checkpoint, events, has_newer }
    }

    pub(super) fn get(&self, slot: &Slot) -> Option<&'a [u8]> {
        self.slots.get(slot).copied()
    }

    /// The checkpoint, if it can be read.
    pub(super) fn checkpoint(&self) -> Option<&Checkpoint> {
        self.checkpoint.as_ref()?.as_ref().ok()
    }

    /// Checkpoint, log and witnesses under the policy that rules them.
    pub(super) fn frame(&self) -> Option<Frame<'_>> {
        let checkpoint = self.checkpoint()?;
        Frame::new(checkpoint, self.chain.ruling(&checkpoint.origin, checkpoint.head.size)?)
    }

    /// The incident of the first event that can be read.
    pub(super) fn incident(&self) -> Option<IncidentId> {
        self.events.iter().find_map(Exhibit::event).map(|event| event.incident)
    }
}

fn exhibit<'a>(slots: &Slots<'a>, seq: u64) -> Exhibit<'a> {
    let get = |slot: Slot| slots.get(&slot).copied();
    let bytes = get(Slot::Event(seq)).map(|bytes| (bytes, event::hash(bytes)));
    let decoded = bytes.map(|(bytes, _)| event::decode(bytes));
    let logged = bytes.and_then(|(bytes, hash)| logged(bytes, hash, get(Slot::Sigsum(seq)), get(Slot::Tlog(seq))));
    Exhibit { seq, bytes, decoded, logged }
}

/// The place in the log by the Sigsum proof, or, where that cannot be read, by the other one.
pub(super) fn logged(bytes: &[u8], hash: Digest, sigsum: Option<&[u8]>, tlog: Option<&[u8]>) -> Option<Logged> {
    if let Some(proof) = sigsum.and_then(|data| SigsumProof::read(data).ok()) {
        let leaf = proof.leaf(hash);
        return Some(Logged { bytes: bytes.to_vec(), index: proof.index, leaf, path: proof.path });
    }
    let proof = TlogProof::read(tlog?).ok()?;
    Some(Logged { bytes: bytes.to_vec(), index: proof.index, leaf: proof.extra, path: proof.path })
}
