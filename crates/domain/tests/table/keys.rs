//! Signing with keys: whose key signs what, as the newest registry has it.

use super::moves::act;
use super::states::handoff;
use super::world::*;
use handoff_domain::caller::Role;
use handoff_domain::command::{Act, LookedAt, Order, Sign};
use handoff_domain::directory::stream_of;
use handoff_domain::directory::{Directory, REGISTRY_UPDATES_MAX, REGISTRY_UPDATES_MS};
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::keys::{Enrolled, SignedBy};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::values::{KeySignature, Level};
use handoff_domain::{decide_order, next_registry};

const REG: Digest = Digest([7; 32]);
const A_SIGNER: Who = Who(Side::From, Role::Responder);
const B_SIGNER: Who = Who(Side::To, Role::Responder);

fn update(who: Who, version: u64) -> RegistryUpdated {
    RegistryUpdated {
        count: 1,
        log: "the log".to_owned(),
        org: who.0.seat().org,
        root: Digest([9; 32]),
        sigs: Vec::new(),
        version,
    }
}

/// The organisation's registry becomes another one, whose event has that hash.
fn enrol(play: &mut Play, who: Who, reg: Digest) {
    let version = play.directory.registries.get(&who.0.seat().org).map_or(1, |head| head.version + 1);
    let stream = stream_of("registry", who.0.seat().org.as_str());
    let event = next_registry(&play.directory, stream, &update(who, version), START).expect("the next version");
    play.directory.apply(&event, Some(reg)).expect("it follows");
}

fn signature(key: &str) -> KeySignature {
    let text = |text: &str| label(text);
    KeySignature { alg: text("Ed25519"), key: text(key), sig: "AA".to_owned(), auth_data: None, client_data: None }
}

/// A transfer agreed on, both registries there, and A's signer's key found good for the statement.
fn agreed() -> (Play, Act, SignedBy) {
    let mut play = handoff("AGREED");
    enrol(&mut play, A_SIGNER, REG);
    enrol(&mut play, B_SIGNER, Digest([8; 32]));
    let (act, found) = signing(&play, A_SIGNER, "key-a", REG);
    (play, act, found)
}

fn signing(play: &Play, who: Who, key: &str, reg: Digest) -> (Act, SignedBy) {
    let Act::Sign { handoff, version, mut parts } = act("sign", play, who) else { panic!("a signature") };
    (parts.level, parts.signature) = (Level::Device, Some(signature(key)));
    let enrolled = Enrolled {
        officer: who.officer().expect("a person"),
        station: who.0.seat().station,
        roles: vec![who.1],
        level: Level::Device,
    };
    let found = SignedBy { reg, key: label(key), statement: parts.statement, enrolled };
    (Act::Sign { handoff, version, parts }, found)
}

fn refused(play: &Play, act: &Act, found: Option<Result<SignedBy, Refusal>>) -> (Reason, Vec<String>) {
    let play = Play { signed_by: found, ..play.clone() };
    let refusal = play.attempt(A_SIGNER, act.clone()).expect_err("it is refused");
    (refusal.reason, refusal.fields)
}

#[test]
fn a_key_signs_for_its_officer_under_the_newest_registry_which_the_event_names() {
    let (mut play, act, found) = agreed();
    play.signed_by = Some(Ok(found));
    let decided = play.attempt(A_SIGNER, act).expect("it is legal");
    let [Event { actor, body: Body::Signed(body), .. }] = decided.events.as_slice() else { panic!("one signature") };
    assert_eq!(actor.reg, Some(REG));
    assert_eq!((body.level, body.key.clone()), (Level::Device, Some(label("key-a"))));
    // The click alone was checked against no registry, and names none.
    play.signed_by = None;
    let decided = play.attempt(A_SIGNER, self::act("sign", &play, A_SIGNER)).expect("it is legal");
    assert_eq!((decided.events[0].actor.reg, decided.events.len()), (None, 1));
}

#[test]
fn what_is_not_the_signers_own_key_in_force_signs_nothing() {
    let (play, act, good) = agreed();
    let with = |change: fn(&mut SignedBy)| {
        let mut found = good.clone();
        change(&mut found);
        refused(&play, &act, Some(Ok(found)))
    };
    let not_enrolled = (Reason::KeyNotEnrolled, vec!["signature.key".to_owned()]);
    assert_eq!(with(|found| found.enrolled.officer = officer("somebody")), not_enrolled);
    assert_eq!(with(|found| found.enrolled.station = station("B-01")), not_enrolled);
    assert_eq!(with(|found| found.enrolled.roles = vec![Role::DutyOfficer]), not_enrolled);
    assert_eq!(with(|found| found.enrolled.roles.clear()), not_enrolled);
    assert_eq!(with(|found| found.enrolled.level = Level::Passkey), not_enrolled);
    assert_eq!(with(|found| found.reg = Digest([6; 32])), (Reason::StaleVersion, vec!["signature.key".to_owned()]));
    let other_text = (Reason::StatementMismatch, vec!["statement".to_owned()]);
    assert_eq!(with(|found| found.statement = Digest([5; 32])), other_text);
    assert_eq!(with(|found| found.key = label("key-b")), other_text);
    assert_eq!(refused(&play, &act, None), not_enrolled);
    let wrong = Refusal::new(Reason::SignatureInvalid).field("signature");
    assert_eq!(refused(&play, &act, Some(Err(wrong))), (Reason::SignatureInvalid, vec!["signature".to_owned()]));
}

#[test]
fn level_and_signature_belong_together() {
    let (play, act, good) = agreed();
    let Act::Sign { handoff, version, parts } = act else { panic!("a signature") };
    let missing = (Reason::InvalidField, vec!["signature".to_owned()]);
    for (level, signature) in
        [(Level::Device, None), (Level::Passkey, None), (Level::Attested, Some(signature("key-a")))]
    {
        let parts = handoff_domain::command::SignParts { level, signature, ..parts.clone() };
        let act = Act::Sign { handoff, version, parts };
        assert_eq!(refused(&play, &act, Some(Ok(good.clone()))), missing, "{level}");
    }
}

#[test]
fn a_registry_that_changed_meanwhile_is_asked_again() {
    let (mut play, act, found) = agreed();
    enrol(&mut play, A_SIGNER, Digest([1; 32]));
    let stale = (Reason::StaleVersion, vec!["signature.key".to_owned()]);
    assert_eq!(refused(&play, &act, Some(Ok(found.clone()))), stale);
    // The other side's registry is its own business.
    let (mut play, act, found) = agreed();
    enrol(&mut play, B_SIGNER, Digest([1; 32]));
    play.signed_by = Some(Ok(found));
    assert!(play.attempt(A_SIGNER, act).is_ok());
}

#[test]
fn one_key_never_signs_for_both_sides() {
    let (mut play, act, found) = agreed();
    play.signed_by = Some(Ok(found));
    play.make(A_SIGNER, act);
    let (act, found) = signing(&play, B_SIGNER, "key-a", Digest([8; 32]));
    play.signed_by = Some(Ok(found));
    let refusal = play.attempt(B_SIGNER, act).expect_err("A signed with it");
    assert_eq!(refusal.reason, Reason::KeyNotEnrolled);
    let (act, found) = signing(&play, B_SIGNER, "key-b", Digest([8; 32]));
    play.signed_by = Some(Ok(found));
    play.make(B_SIGNER, act);
}

#[test]
fn a_substitute_or_a_supervisor_signs_for_another_station_and_a_superior_has_none() {
    let enrolled =
        |role| Enrolled { officer: officer("x"), station: station("A-99"), roles: vec![role], level: Level::Device };
    let actor = |role, at: Option<&str>| handoff_domain::caller::Actor {
        org: seat("A-01").org,
        station: at.map(station),
        officer: Some(officer("x")),
        role,
        reg: None,
    };
    for (role, at, substitute, may) in [
        (Role::Responder, Some("A-01"), false, false),
        (Role::Responder, Some("A-99"), false, true),
        (Role::Responder, Some("A-01"), true, true),
        (Role::DutyOfficer, Some("A-01"), false, false),
        (Role::Supervisor, Some("A-01"), false, true),
        (Role::Superior, None, false, true),
    ] {
        assert_eq!(enrolled(role).may_sign_as(&actor(role, at), Level::Device, substitute), may, "{role} at {at:?}");
    }
    assert!(!enrolled(Role::Superior).may_sign_as(&actor(Role::Superior, None), Level::Passkey, false));
}

#[test]
fn the_result_is_signed_off_with_keys_too() {
    let play = handoff("REPORTED");
    let caller = Who(Side::From, Role::DutyOfficer);
    let report = play.case().reports;
    let sign = Sign { level: Level::Device, statement: None, signature: Some(signature("k")) };
    let refusal = play.attempt(caller, Act::Confirm { report, sign }).expect_err("no key was found");
    assert_eq!((refusal.reason, refusal.fields), (Reason::KeyNotEnrolled, vec!["signature.key".to_owned()]));
}

#[test]
fn a_registrys_next_version_comes_from_an_admin_of_its_organisation_and_is_the_services_event() {
    let mut directory = directory();
    let stream = stream_of("registry", "any");
    let admin = Who(Side::From, Role::Admin);
    let looked = |version, looked_at| Order::UpdateRegistry { stream, update: update(admin, version), looked_at };
    let order = |version| looked(version, if version == 1 { LookedAt::Empty } else { LookedAt::On(REG) });
    let decided =
        |directory: &_, who: Who, version| decide_order(directory, &who.caller(), &order(version), None, START);
    let reason = |result: Result<Vec<Event>, Refusal>| result.expect_err("it is refused").reason;
    assert_eq!(reason(decided(&directory, Who(Side::From, Role::DutyOfficer), 1)), Reason::RoleNotAllowed);
    assert_eq!(reason(decided(&directory, Who(Side::To, Role::Admin), 1)), Reason::OtherOrganisation);
    assert_eq!(reason(decided(&directory, admin, 2)), Reason::StaleVersion);
    let events = decided(&directory, admin, 1).expect("the first");
    let [event] = events.as_slice() else { panic!("one event") };
    assert_eq!((&event.actor, event.seq), (&handoff_domain::caller::Actor::service(), 1));
    directory.apply(event, Some(REG)).expect("it follows");
    assert_eq!(directory.registries[&admin.0.seat().org].event, Some(REG));
    assert_eq!(reason(decided(&directory, admin, 1)), Reason::StaleVersion);
    let update_2 = || update(admin, 2);
    for wrong in [LookedAt::Nothing, LookedAt::Empty, LookedAt::On(Digest([1; 32]))] {
        let unseen = decide_order(&directory, &admin.caller(), &looked(2, wrong), None, START);
        assert_eq!(
            reason(unseen),
            Reason::StaleVersion,
            "{wrong:?}: its signatures were looked at for another registry"
        );
    }
    let (elsewhere, looked_at) = (stream_of("registry", "other"), LookedAt::On(REG));
    let elsewhere = Order::UpdateRegistry { stream: elsewhere, update: update_2(), looked_at };
    let moved = decide_order(&directory, &admin.caller(), &elsewhere, None, START);
    assert_eq!(reason(moved), Reason::RegistryInvalid, "a registry stays in its stream");
    assert!(decided(&directory, admin, 2).is_ok());
    let taken = IncidentId(uuid::Uuid::from_u128(0x0198_c0de_7e57_7000_8000_0000_0000_0001));
    let callers = next_registry(&Directory::default(), taken, &update(admin, 1), START);
    assert_eq!(callers.expect_err("an id that callers name").reason, Reason::RegistryInvalid);
}

/// Each update costs the other side's witness a look at the whole registry.
#[test]
fn a_registry_changes_so_often_and_no_more() {
    let mut play = Play::new();
    for number in 0..REGISTRY_UPDATES_MAX {
        enrol(&mut play, A_SIGNER, Digest([u8::try_from(number).expect("few"); 32]));
    }
    let (org, version) = (A_SIGNER.0.seat().org, REGISTRY_UPDATES_MAX as u64 + 1);
    let next = |at| next_registry(&play.directory, stream_of("registry", org.as_str()), &update(A_SIGNER, version), at);
    assert_eq!(next(START).expect_err("too soon").reason, Reason::LimitExceeded);
    assert_eq!(next(START.plus(REGISTRY_UPDATES_MS - 1)).expect_err("too soon").reason, Reason::LimitExceeded);
    assert!(next(START.plus(REGISTRY_UPDATES_MS)).is_ok());
}
