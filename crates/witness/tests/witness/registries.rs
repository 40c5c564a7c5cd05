//! Registries of officers' keys, and sign-offs by them: a good log with both, and each rule of theirs broken alone.

use crate::desk::{entry, log_key, policy, read, story};
use crate::play::HANDED_OVER;
use crate::refusals::{next_in, of_type, take};
use crate::world::org;
use handoff_client::api::LogEntry;
use handoff_domain::caller::{Actor, Role};
use handoff_domain::directory::stream_of;
use handoff_domain::event::directory::{RegistrarSignature, RegistryUpdated};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::values::{Label, Level, Salt};
use handoff_evidence::event::{encode, hash};
use handoff_evidence::policy::{RegistrarKey, Registrars};
use handoff_evidence::registry::{Book, Entry, SignedUpdate as _, Status};
use handoff_evidence::signoff::DeviceKey;
use handoff_witness::{Code, Validator};
use std::collections::BTreeMap;
use std::sync::Arc;

fn registrar(org: &str, number: u8) -> RegistrarKey {
    let mut seed = [number; 32];
    seed.iter_mut().zip(org.bytes()).for_each(|(byte, letter)| *byte = letter);
    RegistrarKey::from_seed(&seed)
}

/// Three registrars, of whom two must sign.
pub(crate) fn registrars(org: &str) -> Registrars {
    let keys = [1, 2, 3].map(|number| registrar(org, number).public()).to_vec();
    Registrars { stream: stream(org), keys, needed: 2 }
}

fn stream(org: &str) -> IncidentId {
    stream_of("registry", org)
}

fn device() -> DeviceKey {
    DeviceKey::ed25519(&[0x5a; 32]).expect("a key")
}

/// The signer of the story's transfer, with the device's key.
fn enrolled(status: Status) -> Entry {
    let (signed, _) = read(&story()[of_type(HANDED_OVER, "signed")]);
    let (officer, station) = (signed.actor.officer.expect("an officer"), signed.actor.station.expect("a station"));
    let roles = vec![signed.actor.role];
    Entry { status, ..Entry::of_device(&device().public(), officer, station, roles, Salt([3; 16])) }
}

/// An update that says what it is told, signed by so many registrars.
fn said(org_name: &str, book: &Book, registrars: u8) -> RegistryUpdated {
    let state = book.state().expect("a state");
    let (count, root, version) = (state.count(), state.root(), book.version());
    let mut update =
        RegistryUpdated { count, log: log_key().origin(), org: org(org_name), root, sigs: Vec::new(), version };
    for number in 1..=registrars {
        update.sign(&registrar(org_name, number)).expect("a signature");
    }
    update
}

/// The event of an update at an index of the story.
fn event(index: usize, stream: IncidentId, update: RegistryUpdated) -> LogEntry {
    let (opened, _) = read(&story()[0]);
    let made = Event { incident: stream, actor: Actor::service(), body: update.into(), claimed_at: None, ..opened };
    next_in(index, &made)
}

/// The first update of an organisation, with the signer's key.
pub(crate) fn update(index: usize, org: &str, version: u64) -> LogEntry {
    let entries = vec![enrolled(Status::Active).write().expect("an entry")];
    let book = Book::default().with(1, &entries).expect("a registry");
    let update = RegistryUpdated { version, ..said(org, &book, 2) };
    LogEntry { registry_entries: entries, ..event(index, stream(org), update) }
}

/// A validator that has taken so much of the story.
fn up_to(index: usize) -> Validator {
    let mut validator = Validator::new(Arc::new(policy()), log_key().origin(), BTreeMap::new());
    for (at, bytes) in story()[..index].iter().enumerate() {
        take(&mut validator, &entry(at, bytes)).expect("the story is legal");
    }
    validator
}

fn code(validator: &Validator, sent: &LogEntry) -> Option<Code> {
    take(&mut validator.clone(), sent).err().map(|refusal| refusal.code)
}

/// The story's signer's organisation, and where its signature stands.
fn signed() -> (String, usize) {
    let index = of_type(HANDED_OVER, "signed");
    (read(&story()[index]).0.actor.org.to_string(), index)
}

#[test]
fn an_update_is_its_registrars_and_follows() {
    let (name, index) = signed();
    let validator = up_to(index);
    let good = update(index, &name, 1);
    assert_eq!(code(&validator, &good), None);
    let entries = &good.registry_entries;
    let book = Book::default().with(1, entries).expect("a registry");
    let with = |update: RegistryUpdated, stream: IncidentId, entries: &[Vec<u8>]| {
        code(&validator, &LogEntry { registry_entries: entries.to_vec(), ..event(index, stream, update) })
    };
    let refused = Some(Code::Registry);
    assert_eq!(with(said(&name, &book, 1), stream(&name), entries), refused, "one registrar");
    let strangers = RegistryUpdated { org: org(&name), ..said(if name == "A" { "B" } else { "A" }, &book, 2) };
    assert_eq!(with(strangers, stream(&name), entries), refused, "the other side's registrars");
    let root = RegistryUpdated { root: Digest([1; 32]), ..said(&name, &book, 2) };
    assert_eq!(with(root, stream(&name), entries), refused, "another root");
    assert_eq!(with(said(&name, &book, 2), stream(&name), &[]), refused, "its entries kept back");
    assert_eq!(with(said(&name, &book, 2), stream("X"), entries), refused, "another stream");
    assert_eq!(code(&validator, &update(index, &name, 2)), refused, "a version left out");
    let mut later = validator.clone();
    take(&mut later, &good).expect("it is good");
    let again = LogEntry { index: good.index + 1, ..update(index, &name, 1) };
    assert!(code(&later, &again).is_some(), "the first one twice");
    let mut forged = said(&name, &book, 2);
    forged.sigs =
        forged.sigs.into_iter().map(|sig| RegistrarSignature { sig: sig.sig.replace('A', "B"), ..sig }).collect();
    assert_eq!(with(forged, stream(&name), entries), refused, "a signature that does not hold");
}

/// The story's signature, by the device's key under that registry event, then changed.
fn by_key(index: usize, reg: Digest, change: impl FnOnce(&mut Event)) -> LogEntry {
    let (mut event, prev) = read(&story()[signed().1]);
    event.actor.reg = Some(reg);
    if let Body::Signed(body) = &mut event.body {
        let made = device().sign(&body.statement);
        body.level = Level::Device;
        (body.alg, body.key, body.sig) = (Some(made.alg), Some(made.key), Some(made.sig));
    }
    change(&mut event);
    entry(index, &encode(&event, &prev).expect("an event"))
}

#[test]
fn a_key_signs_under_the_newest_registry_for_its_officer_alone() {
    let (name, index) = signed();
    let mut validator = up_to(index);
    let update = update(index, &name, 1);
    take(&mut validator, &update).expect("it is good");
    let reg = hash(&update.event);
    let says = |change: fn(&mut Event)| code(&validator, &by_key(index + 1, reg, change));
    assert_eq!(says(|_| {}), None);
    type Change = fn(&mut Event);
    let table: [(&str, Change, Code); 6] = [
        ("no registry", |event| event.actor.reg = None, Code::Signature),
        ("another registry", |event| event.actor.reg = Some(Digest([4; 32])), Code::StaleReg),
        ("another role", |event| event.actor.role = Role::DutyOfficer, Code::Signature),
        ("an unknown key", |event| of(event).key = Label::new("k"), Code::Signature),
        ("no signature", |event| of(event).sig = None, Code::Signature),
        ("another level", |event| of(event).level = Level::Passkey, Code::Signature),
    ];
    for (what, change, expected) in table {
        assert_eq!(says(change), Some(expected), "{what}");
    }
    // Revoked before it is used.
    let entries = vec![enrolled(Status::Revoked).write().expect("an entry")];
    let book = Book::default().with(1, &update.registry_entries).and_then(|book| book.with(2, &entries));
    let revoked = said(&name, &book.expect("a registry"), 2);
    let (before, _) = read(&update.event);
    let next = Event { seq: before.seq + 1, body: revoked.into(), ..before };
    let bytes = encode(&next, &reg).expect("an event");
    let revoking = LogEntry { registry_entries: entries, ..entry(index + 1, &bytes) };
    take(&mut validator, &revoking).expect("it is good");
    let newest = hash(&bytes);
    assert_eq!(code(&validator, &by_key(index + 2, newest, |_| {})), Some(Code::Signature));
}

fn of(event: &mut Event) -> &mut handoff_domain::event::handoff::Signed {
    match &mut event.body {
        Body::Signed(body) => body,
        body => panic!("{}", body.type_name()),
    }
}
