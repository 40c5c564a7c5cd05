//! C1: the policies, the names of the files, and everything that follows from other files.

use super::case::is_newer;
use super::desk::{Desk, Exhibit, Slots};
use super::tally::{Tally, line};
use crate::bundle;
use crate::bundle::derived::{self, BUNDLE, Manifest};
use crate::bundle::layout::Slot;
use crate::event;
use crate::policy::{Chain, Policy, Succession};
use crate::report::{CheckId, Detail, Place, Problem};
use handoff_domain::ids::{Digest, OrgId};
use std::collections::{BTreeMap, BTreeSet};

/// The policies to be trusted: the given one and those that follow it by the bundle's notes. What the bundle says of
/// policies before the given one must hold together, and is not believed.
pub(super) fn chain(slots: &Slots<'_>, given: Policy, tally: &mut Tally) -> Chain {
    tally.look(CheckId::C1);
    let mut texts: Vec<&str> = Vec::new();
    for (slot, data) in slots {
        let Slot::Policy(number) = slot else { continue };
        let text = str::from_utf8(data).ok().filter(|_| *number == texts.len() as u64 + 1);
        match text {
            Some(text) => texts.push(text),
            None => tally.fail(CheckId::C1, Place::File(slot.to_string()), Problem::PolicyChain),
        }
    }
    let Some((first, notes)) = texts.split_first() else {
        tally.fail(CheckId::C1, Place::File(Slot::Policy(1).to_string()), Problem::MissingFile);
        return Chain::new(given);
    };
    holds_together(first, notes, tally);
    let carried = |note: &&str| Succession::read(note).is_ok_and(|(succession, _)| succession.policy == given);
    let after = if *first == given.text() {
        Some(notes)
    } else {
        notes.iter().position(carried).and_then(|at| notes.get(at + 1..))
    };
    let Some(after) = after else {
        let detail = (Detail::Digest, event::hash(first.as_bytes()).to_string());
        tally.fail_with(CheckId::C1, Place::File(Slot::Policy(1).to_string()), Problem::PolicyOther, [detail]);
        return Chain::new(given);
    };
    let mut chain = Chain::new(given);
    // Where one does not follow it has been said, and nothing after it is believed.
    drop(after.iter().try_for_each(|note| chain.extend(note)));
    chain
}

fn holds_together(first: &str, notes: &[&str], tally: &mut Tally) {
    let place = |number: u64| Place::File(Slot::Policy(number).to_string());
    let mut chain = match Policy::read(first) {
        Ok(policy) => Chain::new(policy),
        Err(error) => {
            tally.fail_with(CheckId::C1, place(1), Problem::PolicyUnreadable, [line(error.line)]);
            return;
        }
    };
    for (note, number) in notes.iter().zip(2..) {
        if chain.extend(note).is_err() {
            tally.fail(CheckId::C1, place(number), Problem::PolicyChain);
            return;
        }
    }
}

/// The files that follow from others, and those that must be there.
pub(super) fn derived(desk: &Desk<'_>, tally: &mut Tally) {
    manifest(desk, tally);
    let Some(frame) = desk.frame() else {
        // Without a checkpoint the policy rules neither keys nor instructions can be told; C2 says why.
        return;
    };
    let orgs: Option<Vec<&OrgId>> =
        desk.events.iter().map(|exhibit| exhibit.event().map(|event| &event.actor.org)).collect();
    if let Some(orgs) = orgs {
        compare(desk, &Slot::Instructions, &frame.instructions(&orgs), Problem::InstructionsOther, tally);
    }
    let checkpoint = desk.checkpoint();
    let ruling = checkpoint.and_then(|found| desk.chain.ruling(&found.origin, found.head.size));
    if let Some(policy) = ruling {
        let text = policy.to_sigsum().into_bytes();
        compare(desk, &Slot::SigsumPolicy, &text, Problem::SigsumPolicyOther, tally);
    }
    let expected = frame.keys(&recorders(desk));
    for (name, keys) in &expected {
        if let Some(slot) = Slot::of(name) {
            compare(desk, &slot, keys, Problem::KeyOther, tally);
        }
    }
    // A key may belong to an event too new to be read.
    for slot in desk.slots.keys().filter(|slot| matches!(slot, Slot::Key(_)) && !desk.has_newer) {
        if !expected.contains_key(&slot.to_string()) {
            tally.fail(CheckId::C1, Place::File(slot.to_string()), Problem::KeyOther);
        }
    }
}

fn compare(desk: &Desk<'_>, slot: &Slot, expected: &[u8], problem: Problem, tally: &mut Tally) {
    tally.look(CheckId::C1);
    let place = Place::File(slot.to_string());
    match desk.get(slot) {
        None => tally.fail(CheckId::C1, place, Problem::MissingFile),
        Some(found) if found != expected => tally.fail(CheckId::C1, place, problem),
        Some(_) => {}
    }
}

/// Whether the bundle has a newer form. Then none of its files can be judged.
pub(super) fn is_too_new(slots: &Slots<'_>, tally: &mut Tally) -> bool {
    let version = slots.get(&Slot::Manifest).and_then(|manifest| derived::version(manifest));
    let Some(version) = version.filter(|version| is_newer(version, BUNDLE)) else { return false };
    let place = Place::File(Slot::Manifest.to_string());
    tally.newer(CheckId::C1, place, Problem::BundleNewer, [(Detail::Version, version)]);
    true
}

fn manifest(desk: &Desk<'_>, tally: &mut Tally) {
    let place = || Place::File(Slot::Manifest.to_string());
    if desk.get(&Slot::Manifest).is_none() {
        tally.fail(CheckId::C1, place(), Problem::MissingFile);
        return;
    }
    let (Some(incident), Some(checkpoint)) = (desk.incident(), desk.checkpoint()) else { return };
    let count = |is: fn(&Slot) -> bool| desk.slots.keys().filter(|slot| is(slot)).count();
    let expected = Manifest {
        incident,
        events: desk.events.len(),
        disclosures: count(|slot| matches!(slot, Slot::Disclosure(..))),
        bounds: count(|slot| matches!(slot, Slot::Bound(_))),
        checkpoint,
        policy: desk.get(&Slot::Policy(1)).map_or(Digest([0; 32]), event::hash),
    };
    match expected.write() {
        Ok(expected) => compare(desk, &Slot::Manifest, &expected, Problem::ManifestOther, tally),
        Err(_) => tally.fail(CheckId::C1, place(), Problem::ManifestOther),
    }
}

/// The recorder keys of the events, each organisation's in the order they come.
fn recorders(desk: &Desk<'_>) -> BTreeMap<OrgId, Vec<[u8; 32]>> {
    let mut found: BTreeMap<OrgId, Vec<[u8; 32]>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let Some(checkpoint) = desk.checkpoint() else { return found };
    for exhibit in &desk.events {
        let (Some(event), Some(index)) = (exhibit.event(), Exhibit::index(exhibit)) else { continue };
        let org = &event.actor.org;
        let key = bundle::recorder(desk.chain, &checkpoint.origin, org, index);
        if let Some(key) = key.filter(|key| seen.insert((org.clone(), *key))) {
            found.entry(org.clone()).or_default().push(key);
        }
    }
    found
}
