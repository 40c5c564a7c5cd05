//! C2 and C3: the cosigned tree, and that every event is in it.

use super::desk::Desk;
use super::tally::{Tally, line};
use crate::bundle::derived::{self, cosigners};
use crate::bundle::layout::Slot;
use crate::merkle;
use crate::note::{Checkpoint, SignatureError};
use crate::policy::Chain;
use crate::report::{CheckId, Detail, Place, Problem, Proven};
use crate::sigsum::SigsumProof;
use crate::tlog_proof::TlogProof;
use handoff_domain::ids::Digest;
use handoff_domain::time::{Millis, SECOND};
use std::collections::BTreeSet;

/// What the signatures of a checkpoint come to.
pub(super) struct Judged {
    /// Witnesses whose lines verified, by their names in the policy.
    pub(super) witnesses: BTreeSet<String>,
    /// Earliest and latest of their times.
    pub(super) times: Option<(Millis, Millis)>,
}

/// C2.
pub(super) fn checkpoint(desk: &Desk<'_>, tally: &mut Tally) -> Option<Judged> {
    let place = || Place::File(Slot::Checkpoint.to_string());
    tally.look(CheckId::C2);
    match &desk.checkpoint {
        None => {
            tally.fail(CheckId::C2, place(), Problem::CheckpointUnreadable);
            None
        }
        Some(Err(error)) => {
            tally.fail_with(CheckId::C2, place(), Problem::CheckpointUnreadable, [line(error.line)]);
            None
        }
        Some(Ok(checkpoint)) => judge(checkpoint, desk.chain, CheckId::C2, &place(), tally),
    }
}

/// Signatures of log and witnesses, by the policy that rules the checkpoint. Every line must be one of a witness that
/// policy names, and verify: a line nobody checks would be a place for anything.
pub(super) fn judge(
    checkpoint: &Checkpoint,
    chain: &Chain,
    id: CheckId,
    place: &Place,
    tally: &mut Tally,
) -> Option<Judged> {
    let (origin, head) = (&checkpoint.origin, &checkpoint.head);
    let Some(policy) = chain.ruling(origin, head.size) else {
        tally.fail(id, place.clone(), Problem::LogUnknown);
        return None;
    };
    let log = policy.log(origin)?;
    if checkpoint.verify_log(&log.key).is_err() {
        tally.fail(id, place.clone(), Problem::LogSignature);
    }
    let known = cosigners(policy);
    let (mut verified, mut times) = (BTreeSet::new(), Vec::new());
    for cosignature in &checkpoint.cosignatures {
        let verdict = known
            .iter()
            .find(|witness| witness.name == cosignature.name)
            .ok_or(SignatureError::OtherKey)
            .and_then(|witness| cosignature.verify(witness, origin, head));
        match verdict {
            Ok(()) => {
                verified.extend(policy.witness(&cosignature.name).map(|witness| witness.name.as_str()));
                times.push(seconds(cosignature.at));
            }
            Err(SignatureError::OtherKey) => {
                tally.fail_with(
                    id,
                    place.clone(),
                    Problem::WitnessUnknown,
                    [(Detail::Witness, cosignature.name.clone())],
                );
            }
            Err(SignatureError::Signature) => {
                tally.fail_with(
                    id,
                    place.clone(),
                    Problem::WitnessSignature,
                    [(Detail::Witness, cosignature.name.clone())],
                );
            }
        }
    }
    if !policy.quorum(&verified) {
        let missing = policy.parts().witnesses.iter().filter(|witness| !verified.contains(witness.name.as_str()));
        let missing: Vec<_> = missing.map(|witness| witness.name.as_str()).collect();
        tally.fail_with(id, place.clone(), Problem::Quorum, [(Detail::Witness, missing.join(", "))]);
    }
    if policy.quorum(&BTreeSet::new()) {
        tally.warn(id, place.clone(), Problem::NoWitnesses, []);
    }
    // A witness names the second in which it signs: the last one had signed by its end.
    let last = times.iter().max().map(|last| last.plus(SECOND - 1));
    let times = times.iter().min().copied().zip(last);
    Some(Judged { witnesses: verified.into_iter().map(str::to_owned).collect(), times })
}

/// POSIX seconds as milliseconds, kept within what a text can show.
fn seconds(at: u64) -> Millis {
    Millis(0).plus(i64::try_from(at).unwrap_or(i64::MAX).saturating_mul(1_000))
}

/// The witnessed tree, for the report.
pub(super) fn proven(desk: &Desk<'_>, judged: Option<Judged>, not_before: Option<Millis>) -> Option<Proven> {
    let checkpoint = desk.checkpoint()?;
    let Judged { witnesses, times } = judged?;
    Some(Proven {
        log: checkpoint.origin.clone(),
        size: checkpoint.head.size,
        root: Digest(checkpoint.head.root),
        witnesses: witnesses.into_iter().collect(),
        witnessed: times,
        not_before,
    })
}

/// C3: both proofs of every event.
pub(super) fn proofs(desk: &Desk<'_>, tally: &mut Tally) {
    for exhibit in &desk.events {
        let slots = (Slot::Sigsum(exhibit.seq), Slot::Tlog(exhibit.seq));
        // A proof of an event that is not there is what C5 says is missing.
        if let Some((bytes, hash)) = exhibit.bytes {
            pair(desk, bytes, hash, &slots, CheckId::C3, tally);
        }
    }
}

/// Both proofs of one event of the log: they read, hold under the checkpoint, and are the ones that follow.
pub(super) fn pair(desk: &Desk<'_>, bytes: &[u8], hash: Digest, slots: &(Slot, Slot), id: CheckId, tally: &mut Tally) {
    tally.look(id);
    let (sigsum, tlog) = (desk.get(&slots.0), desk.get(&slots.1));
    let places = (Place::File(slots.0.to_string()), Place::File(slots.1.to_string()));
    match sigsum.map(SigsumProof::read) {
        Some(Ok(_)) => {}
        Some(Err(error)) => tally.fail_with(id, places.0.clone(), Problem::ProofUnreadable, [line(error.line)]),
        None => tally.fail(id, places.0.clone(), Problem::ProofUnreadable),
    }
    match tlog.map(TlogProof::read) {
        Some(Ok(_)) => {}
        Some(Err(error)) => tally.fail_with(id, places.1.clone(), Problem::ProofUnreadable, [line(error.line)]),
        None => tally.fail(id, places.1.clone(), Problem::ProofUnreadable),
    }
    let Some(checkpoint) = desk.checkpoint() else {
        // The root comes from C2 alone: without it nothing is in a tree.
        tally.fail(id, Place::File(Slot::Checkpoint.to_string()), Problem::CheckpointUnreadable);
        return;
    };
    let Some(logged) = super::desk::logged(bytes, hash, sigsum, tlog) else { return };
    let head = &checkpoint.head;
    let included =
        merkle::verify_inclusion(&logged.leaf.hash(), logged.index, head.size, &logged.path, &head.root).is_ok();
    let place = if sigsum.is_some_and(|data| SigsumProof::read(data).is_ok()) { &places.0 } else { &places.1 };
    if !included {
        tally.fail_with(id, place.clone(), Problem::NotIncluded, [(Detail::Index, logged.index.to_string())]);
    }
    if let Some(proof) = sigsum.and_then(|data| SigsumProof::read(data).ok()) {
        if proof.head != *head || proof.head_signature != checkpoint.log.signature {
            tally.fail(id, places.0.clone(), Problem::ProofOtherTree);
        } else if desk.frame().is_some_and(|frame| frame.sigsum(&logged).as_deref() != sigsum) {
            tally.fail(id, places.0.clone(), Problem::ProofOther);
        }
    }
    if let Some(proof) = tlog.and_then(|data| TlogProof::read(data).ok()) {
        if proof.checkpoint.head != *head {
            tally.fail(id, places.1.clone(), Problem::ProofOtherTree);
        } else if tlog != Some(derived::tlog(&logged, checkpoint).as_slice()) {
            tally.fail(id, places.1.clone(), Problem::ProofOther);
        }
    }
}
