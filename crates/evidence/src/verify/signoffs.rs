//! C7: what was signed, rebuilt from the case, and by whose key.

use super::desk::{Desk, Exhibit};
use super::keys::Registries;
use super::tally::Tally;
use crate::bundle::layout::Slot;
use crate::bundle::signed::{Papers, SignedOff};
use crate::registry::{Entry, Status, has_role};
use crate::report::{CheckId, Detail, EventLine, Place, Problem, SignOffLine, Voice};
use crate::signoff::{ClaimError, verify_claim};
use handoff_domain::event::handoff::Signed;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, HandoffId, OfficerId, OrgId};
use handoff_domain::values::{Label, Level};
use std::collections::{BTreeMap, BTreeSet};

/// Who has signed one statement so far: hands and keys, each with the side it signed for.
#[derive(Default)]
struct Hands {
    officers: BTreeSet<(OrgId, OfficerId)>,
    keys: BTreeSet<Label>,
}

pub(super) fn check(desk: &Desk<'_>, registries: &Registries, tally: &mut Tally) -> Vec<SignOffLine> {
    let mut papers = Papers::default();
    let mut hands: BTreeMap<(HandoffId, Digest), Hands> = BTreeMap::new();
    let (mut lines, mut statements) = (Vec::new(), BTreeSet::new());
    for exhibit in &desk.events {
        let (Some((_, hash)), Some(Ok((event, prev)))) = (exhibit.bytes, &exhibit.decoded) else { continue };
        let taken = papers.take(event, hash, *prev);
        if taken.other_form {
            tally.fail(CheckId::C7, Place::Event(exhibit.seq), Problem::FormOther);
        }
        let Some(signed) = taken.signed else { continue };
        tally.look(CheckId::C7);
        statements.insert(exhibit.seq);
        let mut holds = statement(desk, exhibit.seq, &signed, tally);
        let entry = match level(desk, exhibit, event, &signed, registries, tally) {
            Ok(entry) => entry,
            Err(()) => {
                holds = false;
                None
            }
        };
        if let Body::Signed(body) = &event.body {
            holds &= two_hands(&mut hands, event, body, tally);
        }
        lines.push(line(event, &signed, entry, registries, holds));
    }
    // A statement of an event too new to be read is no stranger.
    for slot in desk.slots.keys().filter(|_| !desk.has_newer) {
        if let Slot::Statement(seq) = slot
            && !statements.contains(seq)
        {
            tally.fail(CheckId::C7, Place::File(slot.to_string()), Problem::UnknownFile);
        }
    }
    lines
}

/// The statement everybody derives is the one recorded, and the one shown.
fn statement(desk: &Desk<'_>, seq: u64, signed: &SignedOff, tally: &mut Tally) -> bool {
    let slot = Slot::Statement(seq);
    let place = Place::File(slot.to_string());
    let Some(statement) = &signed.statement else {
        tally.fail(CheckId::C7, Place::Event(seq), Problem::NothingAgreed);
        return false;
    };
    match desk.get(&slot) {
        None => tally.fail(CheckId::C7, place, Problem::MissingFile),
        Some(shown) if shown != statement.bytes() => tally.fail(CheckId::C7, place, Problem::StatementFileOther),
        Some(_) => {}
    }
    let same = statement.digest() == signed.recorded;
    if !same {
        let detail = (Detail::Digest, signed.recorded.to_string());
        tally.fail_with(CheckId::C7, Place::Event(seq), Problem::StatementOther, [detail]);
    }
    same
}

/// The level claimed is the level shown. Gives the entry of the key, where there is one.
fn level<'a>(
    desk: &Desk<'_>,
    exhibit: &Exhibit<'_>,
    event: &Event,
    signed: &SignedOff,
    registries: &'a Registries,
    tally: &mut Tally,
) -> Result<Option<&'a Entry>, ()> {
    let place = || Place::Event(exhibit.seq);
    let mut fail = |problem: Problem| {
        tally.fail(CheckId::C7, place(), problem);
        Err(())
    };
    if signed.least.is_some_and(|least| !signed.level.at_least(least)) {
        return fail(Problem::LevelTooWeak);
    }
    if signed.level == Level::Attested {
        if !signed.claim.is_empty() {
            return fail(Problem::SignatureUnchecked);
        }
        return if desk.options.require_signed { fail(Problem::AttestedOnly) } else { Ok(None) };
    }
    let Some(statement) = &signed.statement else { return fail(Problem::NoSignature) };
    let entry = match enrolled(exhibit, event, signed, registries) {
        Ok(entry) => entry,
        Err(problem) => return fail(problem),
    };
    let policy =
        desk.checkpoint().zip(exhibit.index()).and_then(|(of, index)| desk.chain.ruling_event(&of.origin, index));
    if policy.is_none_or(|policy| has_role(policy, entry)) {
        return fail(Problem::KeyHasRole);
    }
    match verify_claim(entry, signed.level, &statement.digest(), &signed.claim) {
        Ok(()) => Ok(Some(entry)),
        Err(error) => fail(match error {
            ClaimError::Incomplete => Problem::NoSignature,
            ClaimError::Surplus => Problem::SignatureUnchecked,
            ClaimError::Alg | ClaimError::Signature(_) => Problem::SignatureWrong,
        }),
    }
}

/// The entry of the key that is said to have signed, under the registry the event was checked against.
fn enrolled<'a>(
    exhibit: &Exhibit<'_>,
    event: &Event,
    signed: &SignedOff,
    registries: &'a Registries,
) -> Result<&'a Entry, Problem> {
    let (Some(key), Some(reg)) = (&signed.claim.key, event.actor.reg) else { return Err(Problem::KeyUnknown) };
    let known = registries.get(&event.actor.org).and_then(|known| known.iter().find(|known| known.hash == reg));
    let known = known.ok_or(Problem::KeyUnknown)?;
    if exhibit.index().is_none_or(|index| known.index >= index) {
        return Err(Problem::KeyNotActive);
    }
    let entry = known.entries.iter().find(|entry| entry.kid == key.as_str()).ok_or(Problem::KeyUnknown)?;
    if entry.status != Status::Active {
        return Err(Problem::KeyNotActive);
    }
    let own = entry.enrolled().may_sign_as(&event.actor, signed.level, signed.is_substitute);
    if own { Ok(entry) } else { Err(Problem::KeyOfOther) }
}

/// Two organisations, two officers, two keys: nobody signs for both sides.
fn two_hands(
    hands: &mut BTreeMap<(HandoffId, Digest), Hands>,
    event: &Event,
    body: &Signed,
    tally: &mut Tally,
) -> bool {
    let hands = hands.entry((body.handoff, body.statement)).or_default();
    let officer = event.actor.officer.clone().map(|officer| (event.actor.org.clone(), officer));
    let fresh = officer.is_none_or(|officer| hands.officers.insert(officer))
        & body.key.clone().is_none_or(|key| hands.keys.insert(key));
    if !fresh {
        tally.fail(CheckId::C7, Place::Event(event.seq), Problem::SameSigner);
    }
    fresh
}

fn line(event: &Event, signed: &SignedOff, entry: Option<&Entry>, registries: &Registries, holds: bool) -> SignOffLine {
    let (ruling, in_place_of) = match &event.body {
        Body::Ruled(body) => (Some(body.ruling), body.side.clone()),
        _ => (None, None),
    };
    let substitute = match &event.body {
        Body::Signed(body) => body.substitute.clone(),
        _ => None,
    };
    // A later update may show that the key is doubted from some time on. It judges nothing.
    let doubted = entry.and_then(|entry| {
        let of_org = registries.get(&event.actor.org)?.iter().flat_map(|known| &known.entries);
        of_org.filter(|other| other.kid == entry.kid).find_map(|other| other.compromised_since)
    });
    SignOffLine {
        seq: event.seq,
        action: signed.action,
        ruling,
        in_place_of,
        org: event.actor.org.clone(),
        station: event.actor.station.clone(),
        officer: event.actor.officer.clone(),
        level: signed.level,
        substitute,
        at: event.at,
        key: entry.map(|entry| entry.kid.clone()),
        compromised_since: doubted,
        holds,
    }
}

/// One line per event that can be read.
pub(super) fn lines(desk: &Desk<'_>, sign_offs: &[SignOffLine]) -> Vec<EventLine> {
    let line = |exhibit: &Exhibit<'_>| {
        let event = exhibit.event()?;
        let signed = sign_offs.iter().find(|line| line.seq == exhibit.seq && line.holds);
        let voice = match signed.map(|line| line.level) {
            Some(Level::Device | Level::Passkey) => Voice::Officer,
            Some(Level::Attested) => Voice::Attested,
            None => Voice::Service,
        };
        let line = EventLine::new(exhibit.seq, event.at, event.body.type_name(), &event.actor, voice);
        Some(EventLine { index: exhibit.index(), ..line })
    };
    desk.events.iter().filter_map(line).collect()
}
