//! C8: the registry of the officers' keys: registrars' signatures, paths, order in the log.

use super::desk::{Desk, logged};
use super::tally::Tally;
use super::tree;
use crate::bundle::layout::{Part, Slot, file_part};
use crate::bundle::registry::{Shown, UpdateEvent, read_update};
use crate::event;
use crate::policy::OPERATOR;
use crate::registry::{Entry, SignedUpdate as _, verify_path};
use crate::report::{CheckId, Detail, Place, Problem};
use handoff_domain::ids::{Digest, OrgId};
use std::collections::{BTreeMap, BTreeSet};

/// One update that holds, with the entries shown under it.
pub(super) struct Known {
    /// Hash of its event: the `reg` of events checked against it.
    pub(super) hash: Digest,
    /// Its index in the log.
    pub(super) index: u64,
    /// The registry's version from it on.
    version: u64,
    pub(super) entries: Vec<Entry>,
}

/// Updates by organisation, in the order of the log.
pub(super) type Registries = BTreeMap<OrgId, Vec<Known>>;

pub(super) fn check(desk: &Desk<'_>, tally: &mut Tally) -> Registries {
    let folder = |slot: &Slot| match slot {
        Slot::Registry(folder, ..) => Some(folder.clone()),
        _ => None,
    };
    let folders: BTreeSet<String> = desk.slots.keys().filter_map(folder).collect();
    let mut found = Registries::new();
    for folder in folders {
        if let Some((org, known)) = of_folder(desk, &folder, tally) {
            found.insert(org, known);
        }
    }
    newest(desk, &found, tally);
    found
}

/// Numbers of the files of one sort in a folder.
fn numbers(desk: &Desk<'_>, folder: &str, parts: &[Part]) -> BTreeSet<u64> {
    let number = |slot: &Slot| match slot {
        Slot::Registry(of, number, part) if of == folder && parts.contains(part) => Some(*number),
        _ => None,
    };
    desk.slots.keys().filter_map(number).collect()
}

fn of_folder(desk: &Desk<'_>, folder: &str, tally: &mut Tally) -> Option<(OrgId, Vec<Known>)> {
    let mut of: Option<OrgId> = None;
    let mut known: BTreeMap<u64, (Known, UpdateEvent)> = BTreeMap::new();
    for (number, expected) in numbers(desk, folder, &[Part::Update, Part::Sigsum, Part::Tlog]).into_iter().zip(1..) {
        tally.look(CheckId::C8);
        let place = Place::File(Slot::Registry(folder.to_owned(), number, Part::Update).to_string());
        let Some((one, update)) = update(desk, folder, number, &place, tally) else { continue };
        let follows = known.last_key_value().is_none_or(|(_, (before, last))| {
            let next = last.seq + 1 != update.seq || update.prev == before.hash;
            before.index < one.index && last.update.version < update.update.version && last.seq < update.seq && next
        });
        let same = of.as_ref().is_none_or(|of| *of == update.update.org);
        if !follows || !same || number != expected || file_part(update.update.org.as_str()) != folder {
            tally.fail(CheckId::C8, place, Problem::RegistryOrder);
        }
        of = Some(update.update.org.clone());
        known.insert(number, (one, update));
    }
    for (number, expected) in numbers(desk, folder, &[Part::Entry, Part::Path]).into_iter().zip(1..) {
        tally.look(CheckId::C8);
        entry(desk, folder, number, &mut known, tally);
        if number != expected {
            let place = Place::File(Slot::Registry(folder.to_owned(), number, Part::Entry).to_string());
            tally.fail(CheckId::C8, place, Problem::RegistryOrder);
        }
    }
    Some((of?, known.into_values().map(|(known, _)| known).collect()))
}

fn update(
    desk: &Desk<'_>,
    folder: &str,
    number: u64,
    place: &Place,
    tally: &mut Tally,
) -> Option<(Known, UpdateEvent)> {
    let slot = |part: Part| Slot::Registry(folder.to_owned(), number, part);
    let bytes = desk.get(&slot(Part::Update));
    let Some((bytes, update)) = bytes.and_then(|bytes| Some((bytes, read_update(bytes)?))) else {
        tally.fail(CheckId::C8, place.clone(), Problem::RegistryUnreadable);
        return None;
    };
    let hash = event::hash(bytes);
    let slots = (slot(Part::Sigsum), slot(Part::Tlog));
    tree::pair(desk, bytes, hash, &slots, CheckId::C8, tally);
    let logged = logged(bytes, hash, desk.get(&slots.0), desk.get(&slots.1))?;
    let origin = desk.checkpoint().map(|found| found.origin.as_str()).unwrap_or_default();
    let Some(policy) = desk.chain.ruling_event(origin, logged.index) else {
        tally.fail(CheckId::C8, place.clone(), Problem::LogUnknown);
        return None;
    };
    // Registry streams are recorded by the service itself (evidence, 7).
    let recorder = policy.recorder(&update.actor.org, logged.index).filter(|_| update.actor.org.as_str() == OPERATOR);
    if recorder.is_none_or(|key| logged.leaf.verify(hash, &key).is_err()) {
        let detail = (Detail::Organisation, update.actor.org.to_string());
        tally.fail_with(CheckId::C8, place.clone(), Problem::LeafKey, [detail]);
    }
    let org = &update.update.org;
    let stream = policy.registrars(org).map(|registrars| registrars.stream);
    if stream != Some(update.stream) || update.update.verify(policy, origin).is_err() {
        let detail = (Detail::Organisation, org.to_string());
        tally.fail_with(CheckId::C8, place.clone(), Problem::RegistryUnsigned, [detail]);
        return None;
    }
    let version = update.update.version;
    Some((Known { hash, index: logged.index, version, entries: Vec::new() }, update))
}

fn entry(
    desk: &Desk<'_>,
    folder: &str,
    number: u64,
    known: &mut BTreeMap<u64, (Known, UpdateEvent)>,
    tally: &mut Tally,
) {
    let slot = |part: Part| Slot::Registry(folder.to_owned(), number, part);
    let place = Place::File(slot(Part::Entry).to_string());
    let files = desk.get(&slot(Part::Entry)).zip(desk.get(&slot(Part::Path)));
    let Some(shown) = files.and_then(|(bytes, path)| Shown::read(bytes, path).ok()) else {
        tally.fail(CheckId::C8, place, Problem::RegistryUnreadable);
        return;
    };
    let under = known.get_mut(&shown.update);
    let found = under.and_then(|(known, event)| {
        let (count, root) = (event.update.count, &event.update.root);
        let entry = verify_path(&shown.bytes, shown.index, count, &shown.path, root).ok()?;
        Some((known, entry))
    });
    match found {
        Some((known, entry)) => known.entries.push(entry),
        None => tally.fail(CheckId::C8, place, Problem::EntryNotIncluded),
    }
}

/// An event must have been checked against the newest registry before it, as far as the bundle shows it.
fn newest(desk: &Desk<'_>, found: &Registries, tally: &mut Tally) {
    for exhibit in &desk.events {
        let (Some(event), Some(index)) = (exhibit.event(), exhibit.index()) else { continue };
        let (Some(reg), Some(known)) = (event.actor.reg, found.get(&event.actor.org)) else { continue };
        tally.look(CheckId::C8);
        let Some(used) = known.iter().find(|known| known.hash == reg) else { continue };
        let newer = known.iter().any(|known| known.index > used.index && known.index < index);
        // Where a later one is shown the next one is too: what was left out may have revoked the key.
        let next = known.iter().find(|known| known.index > used.index);
        let gap = next.is_some_and(|next| next.version != used.version + 1);
        if newer || gap || used.index >= index {
            tally.fail(CheckId::C8, Place::Event(exhibit.seq), Problem::RegistryStale);
        }
    }
}
