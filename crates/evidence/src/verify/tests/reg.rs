//! Officers' keys: who enrolled them, when, and what they signed.

use super::*;
use crate::event::{FIRST_PREV, hash};
use crate::policy::Policy;
use crate::registry::{Entry, SignedUpdate as _, State, Status, Update};
use crate::sample::story::{org, to};
use crate::sample::world::{Laid, ORIGIN, RP, device, passkey, registrar, sign_device, sign_passkey, update_event};
use CheckId::{C7, C8};
use handoff_domain::caller::Role;
use handoff_domain::event::Body;
use handoff_domain::event::handoff::Signed;
use handoff_domain::form::Signer;
use handoff_domain::ids::StationId;
use handoff_domain::values::{Code, Label};

/// The case signed with keys, then with changes to what is signed.
fn signed_with(world: &World, mut change: impl FnMut(&mut Signed, bool)) -> Bundle {
    let mut edit = |mut event: Event| {
        world.sign(&mut event);
        let by_a = event.actor.org == org("A");
        if let Body::Signed(body) = &mut event.body {
            change(body, by_a);
        }
        vec![event]
    };
    let story = Story::told(&mut edit);
    let laid = world.lay(&story.events);
    Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) }
}

#[test]
fn a_passkey_signs_with_the_officer_verified_on_the_stations_own_page() {
    let world = World::new();
    let passkeys: [(&str, &str, u8); 7] = [
        (ORIGIN, RP, 0x01),
        (ORIGIN, RP, 0x04),
        (ORIGIN, RP, 0x45),
        (ORIGIN, RP, 0x15),
        (ORIGIN, RP, 0x0d),
        ("https://b-07.example.evil", RP, 0x05),
        (ORIGIN, "evil.example", 0x05),
    ];
    for (origin, rp, flags) in passkeys {
        let wrong = signed_with(&world, |body, by_a| {
            if !by_a {
                sign_passkey(body, origin, rp, flags);
            }
        });
        let report = checked(&world, &wrong);
        says(&report, C7, Problem::SignatureWrong);
        fails_only(&report, &[C7]);
    }
    assert_eq!(checked(&world, &signed_with(&world, |_, _| {})).exit_code(), 0);
}

/// A change of what is signed, given whether A signs, and what is said to it.
type Wrong = (fn(&mut Signed, bool), Problem);

#[test]
fn a_signature_is_by_the_key_that_is_named_and_enrolled() {
    let world = World::new();
    let wrongs: [Wrong; 8] = [
        (|body, by_a| body.key = Label::new(&if by_a { "0" } else { "1" }.repeat(64)), Problem::KeyUnknown),
        (|body, _| body.key = None, Problem::KeyUnknown),
        (|body, _| body.sig = None, Problem::NoSignature),
        (|body, _| body.sig = Some("AAAA".to_owned()), Problem::SignatureWrong),
        (|body, _| body.sig = body.sig.take().map(|sig| sig + "="), Problem::NoSignature),
        (|body, _| body.alg = None, Problem::SignatureWrong),
        (
            |body, by_a| body.auth_data = by_a.then(|| "AAAA".to_owned()).or(body.auth_data.take()),
            Problem::SignatureUnchecked,
        ),
        (|body, _| body.client_data = None, Problem::NoSignature),
    ];
    for (change, problem) in wrongs {
        let report = checked(&world, &signed_with(&world, change));
        says(&report, C7, problem);
        fails_only(&report, &[C7]);
    }
    // A's key for both sides: the rules say so too.
    let report = checked(&world, &signed_with(&world, |body, _| sign_device(body)));
    says(&report, C7, Problem::KeyUnknown);
    fails_only(&report, &[CheckId::C6, C7]);
    // No registry event named.
    let mut edit = |mut event: Event| {
        world.sign(&mut event);
        event.actor.reg = None;
        vec![event]
    };
    let story = Story::told(&mut edit);
    let laid = world.lay(&story.events);
    let wrong = Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) };
    says(&checked(&world, &wrong), C7, Problem::KeyUnknown);
    // The registry left out.
    let mut wrong = world.signed_bundle();
    wrong.registries.remove(&org("B"));
    says(&checked(&world, &wrong), C7, Problem::KeyUnknown);
    wrong.registries.get_mut(&org("A")).unwrap().entries.clear();
    assert_eq!(checked(&world, &wrong).check(C7).unwrap().findings.len(), 2);
}

/// A world whose registries have other entries.
fn world_with(change: impl FnOnce(&mut World)) -> World {
    let mut world = World::new();
    change(&mut world);
    world
}

#[test]
fn a_key_is_its_officers_own_and_in_force() {
    let a = |entry: Entry| world_with(|world| drop(world.states.insert(org("A"), vec![vec![entry]])));
    let wrongs = [
        (a(Entry { status: Status::Revoked, ..device() }), Problem::KeyNotActive),
        (a(Entry { officer: officer("a-duty"), ..device() }), Problem::KeyOfOther),
        (a(Entry { station: to().station, ..device() }), Problem::KeyOfOther),
        (a(Entry { roles: vec![Role::DutyOfficer], ..device() }), Problem::KeyOfOther),
        (
            world_with(|world| drop(world.states.insert(org("B"), vec![vec![Entry { be: true, ..passkey() }]]))),
            Problem::SignatureWrong,
        ),
    ];
    for (world, problem) in wrongs {
        let report = checked(&world, &world.signed_bundle());
        says(&report, C7, problem);
        fails_only(&report, &[C7]);
    }
    // A key that the policy has for something else.
    let mut parts = World::new().parts;
    let key = crate::signoff::PublicKey::from_spki(&device().der().unwrap()).unwrap();
    let recorder = parts.recorders.iter_mut().find(|recorder| recorder.org == org("AUD")).unwrap();
    recorder.key = *key.ed25519().unwrap();
    let world = world_with(|world| world.policy = Policy::write(&parts).unwrap());
    let report = checked(&world, &world.signed_bundle());
    says(&report, C7, Problem::KeyHasRole);
}

/// A named substitute of another station signs for the side; anybody else of that station does not.
#[test]
fn a_substitute_signs_with_the_key_of_the_own_station() {
    let other = Entry { officer: officer("a-other"), station: StationId::new("A-02").unwrap(), ..device() };
    let world = world_with(|world| drop(world.states.insert(org("A"), vec![vec![other]])));
    for substitute in [Some(Code::of("NO_KEY")), None] {
        let signer = Signer { officer: officer("a-other"), substitute: substitute.clone() };
        let mut edit = |mut event: Event| {
            let by_a = event.actor.org == org("A");
            match &mut event.body {
                Body::Offered(body) => body.signer = Some(signer.clone()),
                Body::Signed(body) if by_a => {
                    body.substitute = substitute.clone();
                    event.actor.officer = Some(officer("a-other"));
                }
                _ => {}
            }
            world.sign(&mut event);
            vec![event]
        };
        let story = Story::told(&mut edit);
        let laid = world.lay(&story.events);
        let bundle = Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) };
        let report = checked(&world, &bundle);
        if substitute.is_some() {
            assert_eq!(report.exit_code(), 0, "{:?}", failures(&report));
            assert_eq!(report.sign_offs[0].substitute, substitute);
        } else {
            says(&report, C7, Problem::KeyOfOther);
            says(&report, CheckId::C6, Problem::Illegal);
        }
    }
}

/// One key enrolled on both sides.
#[test]
fn one_key_does_not_sign_for_both_sides() {
    let both = Entry { officer: officer("b-unit"), station: to().station, ..device() };
    let world = world_with(|world| drop(world.states.insert(org("B"), vec![vec![both]])));
    let wrong = signed_with(&world, |body, by_a| {
        if !by_a {
            (body.auth_data, body.client_data) = (None, None);
            sign_device(body);
        }
    });
    let report = checked(&world, &wrong);
    says(&report, C7, Problem::SameSigner);
    fails_only(&report, &[CheckId::C6, C7]);
}

/// Moves the updates of an organisation behind the case.
fn enrolled_later(world: &World, story: &Story<'_>, of: &str) -> (Laid, Bundle) {
    let mut laid = world.lay(&story.events);
    let updates = laid.updates.get_mut(&org(of)).unwrap();
    for (index, bytes) in updates {
        *index = laid.leaves.len() as u64;
        laid.leaves.push(world.leaf(bytes));
    }
    let bundle = Bundle { registries: world.registries(&laid), ..world.bundle_of(story, &laid) };
    (laid, bundle)
}

#[test]
fn a_key_counts_from_its_enrolment_to_its_revocation() {
    let world = World::new();
    let mut sign = |mut event: Event| {
        world.sign(&mut event);
        vec![event]
    };
    let story = Story::told(&mut sign);
    let (_, late) = enrolled_later(&world, &story, "A");
    let report = checked(&world, &late);
    says(&report, C7, Problem::KeyNotActive);
    says(&report, C8, Problem::RegistryStale);

    // Revoked before the case, and the event names the state before that.
    let revoked = Entry { status: Status::Revoked, ..device() };
    let world = world_with(|world| drop(world.states.insert(org("A"), vec![vec![device()], vec![revoked.clone()]])));
    let first = hash(&world.update(&org("A"), 1, FIRST_PREV));
    let mut sign = |mut event: Event| {
        world.sign(&mut event);
        if event.actor.org == org("A") && event.actor.reg.is_some() {
            event.actor.reg = Some(first);
        }
        vec![event]
    };
    let story = Story::told(&mut sign);
    let laid = world.lay(&story.events);
    let wrong = Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) };
    let report = checked(&world, &wrong);
    says(&report, C8, Problem::RegistryStale);
    fails_only(&report, &[C8]);
    // Named honestly it is not in force.
    says(&checked(&world, &world.signed_bundle()), C7, Problem::KeyNotActive);

    // Revoked after the case, and doubted: what it signed before stands, and the report tells.
    let doubted = Entry { compromised_since: Some(handoff_domain::time::Millis(1)), ..revoked };
    let world = world_with(|world| drop(world.states.insert(org("A"), vec![vec![device()], vec![doubted]])));
    let mut sign = |mut event: Event| {
        world.sign(&mut event);
        if event.actor.org == org("A") && event.actor.reg.is_some() {
            event.actor.reg = Some(first);
        }
        vec![event]
    };
    let story = Story::told(&mut sign);
    let mut laid = world.lay(&story.events);
    let second = &mut laid.updates.get_mut(&org("A")).unwrap()[1];
    second.0 = laid.leaves.len() as u64;
    laid.leaves.push(world.leaf(&second.1));
    let bundle = Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) };
    let report = checked(&world, &bundle);
    assert_eq!(report.exit_code(), 0, "{:?}", failures(&report));
    assert_eq!(report.sign_offs[0].compromised_since, Some(handoff_domain::time::Millis(1)));
}

/// The service makes a registry of its own.
#[test]
fn a_registry_is_what_its_registrars_signed() {
    let world = World::new();
    let forged = |sign: &dyn Fn(&mut Update)| {
        let state = State::new(world.states[&org("A")][0].clone()).unwrap();
        let mut update = Update {
            count: state.count(),
            log: world.log.origin(),
            org: org("A"),
            root: state.root(),
            sigs: Vec::new(),
            version: 1,
        };
        sign(&mut update);
        let bytes = update_event(&org("A"), 1, FIRST_PREV, &update);
        let reg = hash(&bytes);
        let mut edit = |mut event: Event| {
            world.sign(&mut event);
            if event.actor.org == org("A") && event.actor.reg.is_some() {
                event.actor.reg = Some(reg);
            }
            vec![event]
        };
        let story = Story::told(&mut edit);
        let mut laid = world.lay(&story.events);
        laid.updates.get_mut(&org("A")).unwrap()[0].1 = bytes.clone();
        laid.leaves[usize::try_from(laid.updates[&org("A")][0].0).unwrap()] = world.leaf(&bytes);
        checked(&world, &Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) })
    };
    let by = |numbers: &'static [u64], of: &'static str| {
        move |update: &mut Update| {
            numbers.iter().for_each(|number| update.sign(&registrar(&org(of), *number)).unwrap());
        }
    };
    assert_eq!(forged(&by(&[1, 2], "A")).exit_code(), 0);
    assert_eq!(forged(&by(&[1, 2, 3], "A")).exit_code(), 0);
    says(&forged(&by(&[1], "A")), C8, Problem::RegistryUnsigned);
    says(&forged(&by(&[], "A")), C8, Problem::RegistryUnsigned);
    says(&forged(&by(&[1, 2], "B")), C8, Problem::RegistryUnsigned);
    says(&forged(&by(&[1, 9], "A")), C8, Problem::RegistryUnsigned);
    let report = forged(&|update: &mut Update| {
        by(&[1, 2], "A")(update);
        update.root.0[0] ^= 1;
    });
    says(&report, C8, Problem::RegistryUnsigned);
}

#[test]
fn an_entry_is_proven_to_be_in_the_registry() {
    let world = World::new();
    let bundle = world.signed_bundle();
    let with = |change: fn(&mut crate::bundle::Shown)| {
        let mut wrong = bundle.clone();
        change(&mut wrong.registries.get_mut(&org("A")).unwrap().entries[0]);
        checked(&world, &wrong)
    };
    says(&with(|entry| entry.index ^= 1), C8, Problem::EntryNotIncluded);
    says(&with(|entry| entry.path[0][0] ^= 1), C8, Problem::EntryNotIncluded);
    says(&with(|entry| entry.path.clear()), C8, Problem::EntryNotIncluded);
    says(&with(|entry| entry.update = 2), C8, Problem::EntryNotIncluded);
    says(&with(|entry| entry.bytes = passkey().write().unwrap()), C8, Problem::EntryNotIncluded);
    // An update recorded by somebody else than the service.
    let mut sign = |mut event: Event| {
        world.sign(&mut event);
        vec![event]
    };
    let story = Story::told(&mut sign);
    let mut laid = world.lay(&story.events);
    let (index, bytes) = laid.updates[&org("A")][0].clone();
    laid.leaves[usize::try_from(index).unwrap()] = crate::leaf::Leaf::sign(hash(&bytes), &world.recorders[&org("B")]);
    let wrong = Bundle { registries: world.registries(&laid), ..world.bundle_of(&story, &laid) };
    says(&checked(&world, &wrong), C8, Problem::LeafKey);
}
