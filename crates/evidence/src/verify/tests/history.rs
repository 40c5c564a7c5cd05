//! A history that is not the case's own, or that the rules do not allow: written by a dishonest service with all its
//! keys (evidence, 13, 6).

use super::prover::files_of;
use super::*;
use crate::disclosure::{self, Value};
use crate::event::{decode, encode, hash};
use crate::sample::story::{HANDOFF, INCIDENT, START, person, seat, to};
use crate::statement::Transfer;
use CheckId::{C5, C6, C7, C9};
use handoff_domain::caller::Role;
use handoff_domain::event::Body;
use handoff_domain::event::handoff::{Agreed, Revised, Signed};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Salt};
use uuid::Uuid;

/// An event of one type, changed.
pub(super) fn with<T>(mut change: impl FnMut(&mut Event) -> T) -> impl FnMut(Event) -> Vec<Event> {
    move |mut event| {
        change(&mut event);
        vec![event]
    }
}

fn signed(event: &mut Event) -> Option<&mut Signed> {
    match &mut event.body {
        Body::Signed(body) => Some(body),
        _ => None,
    }
}

fn agreed(event: &mut Event) -> Option<&mut Agreed> {
    match &mut event.body {
        Body::Agreed(body) => Some(body),
        _ => None,
    }
}

#[test]
fn a_case_is_one_chain_without_gap_repeat_or_fork() {
    let world = World::new();
    let story = Story::whole();
    let of = |events: &[Vec<u8>]| check_bytes(&world, &files_of(&world, &story, events));
    // A gap: the event is left out and the others stand closer.
    let mut gap = story.events.clone();
    gap.remove(4);
    let report = of(&gap);
    says(&report, C5, Problem::NumberOther);
    says(&report, C5, Problem::PrevOther);
    // A repeat.
    let mut repeat = story.events.clone();
    repeat.insert(5, repeat[4].clone());
    says(&of(&repeat), C5, Problem::NumberOther);
    // A fork: another event in the place of one, which those after it do not follow.
    let (mut event, prev) = decode(&story.events[4]).unwrap();
    event.at = Millis(event.at.0 + 1);
    let mut fork = story.events.clone();
    fork[4] = encode(&event, &prev).unwrap();
    let report = of(&fork);
    says(&report, C5, Problem::PrevOther);
    // Two events in each other's place.
    let mut swapped = story.events.clone();
    swapped.swap(2, 3);
    says(&of(&swapped), C5, Problem::PrevOther);
    // An event of another incident.
    let (mut event, prev) = decode(&story.events[4]).unwrap();
    event.incident = IncidentId(Uuid::from_u128(9));
    let mut other = story.events.clone();
    other[4] = encode(&event, &prev).unwrap();
    says(&of(&other), C5, Problem::OtherIncident);
    // Logged in another order than the case has.
    let mut laid = world.lay(&story.events);
    let (one, two) = (laid.places[3], laid.places[4]);
    laid.leaves.swap(usize::try_from(one).unwrap(), usize::try_from(two).unwrap());
    laid.places.swap(3, 4);
    let report = checked(&world, &world.bundle_of(&story, &laid));
    says(&report, C5, Problem::IndexOther);
    fails_only(&report, &[C5]);
}

#[test]
fn a_case_that_does_not_end_closed_is_not_proven() {
    let world = World::new();
    let report = checked(
        &world,
        &told(&world, |event| match event.body {
            Body::Closed(_) => Vec::new(),
            _ => vec![event],
        }),
    );
    says(&report, C6, Problem::NotClosed);
    fails_only(&report, &[C6]);
    assert_eq!(report.closed_at, None);
    let report = checked(
        &world,
        &told(&world, |event| match event.body {
            Body::Received(_) => Vec::new(),
            _ => vec![event],
        }),
    );
    says(&report, C6, Problem::Illegal);
}

/// The rules stop what the service could write with its keys.
#[test]
fn what_the_rules_forbid_is_found() {
    let world = World::new();
    let without = |is: fn(&Body, usize) -> bool| {
        let mut at = 0;
        checked(
            &world,
            &told(&world, |event| {
                at += 1;
                if is(&event.body, at) { Vec::new() } else { vec![event] }
            }),
        )
    };
    // A takeover before the second signature, before any, without an agreement; a closing nobody confirmed.
    let cases: [fn(&Body, usize) -> bool; 5] = [
        |_, at| at == 9,
        |body, _| matches!(body, Body::Signed(_)),
        |body, _| matches!(body, Body::Agreed(_)),
        |body, _| matches!(body, Body::Confirmed(_)),
        |body, _| matches!(body, Body::Handled(_)),
    ];
    for is in cases {
        says(&without(is), C6, Problem::Illegal);
    }
    // A dispatch system takes over; A's officer takes over for B; the same officer decides and signs.
    let wrong =
        told(&world, with(|event| matches!(event.body, Body::TakenOver(_)).then(|| event.actor.role = Role::Adapter)));
    says(&checked(&world, &wrong), C6, Problem::Illegal);
    let by_a = person(&seat("A", "A-01"), "a-duty", Role::DutyOfficer);
    let wrong =
        told(&world, with(|event| matches!(event.body, Body::TakenOver(_)).then(|| event.actor = by_a.clone())));
    says(&checked(&world, &wrong), C6, Problem::Illegal);
    let wrong =
        told(&world, with(|event| signed(event).is_some().then(|| event.actor.officer = Some(officer("a-duty")))));
    says(&checked(&world, &wrong), C6, Problem::Illegal);
    // Time runs backwards.
    let wrong = told(&world, with(|event| matches!(event.body, Body::Closed(_)).then(|| event.at = Millis(START))));
    says(&checked(&world, &wrong), C6, Problem::Illegal);
}

/// Digest of the statement of the story, with something else in it.
fn statement(world: &World, change: impl FnOnce(&mut Transfer<'_>)) -> Digest {
    let story = Story::whole();
    let (event, _) = decode(&story.events[6]).unwrap();
    let Body::Agreed(agreed) = &event.body else { panic!("the seventh event agrees") };
    let mut transfer = Transfer::agreed(INCIDENT, hash(&story.events[6]), agreed);
    let base = transfer.statement().unwrap().digest();
    change(&mut transfer);
    let other = transfer.statement().unwrap().digest();
    assert_ne!(base, other);
    // The true one is what the true story signs.
    assert_eq!(
        checked(world, &told(world, with(|event| signed(event).map(|body| body.statement = base)))).exit_code(),
        0
    );
    other
}

#[test]
fn what_was_signed_is_what_follows_from_the_case() {
    let world = World::new();
    let other_seat: &'static _ = Box::leak(Box::new(seat("B", "B-08")));
    let others = [
        statement(&world, |of| of.head = Digest([1; 32])),
        statement(&world, |of| of.form = Digest([1; 32])),
        statement(&world, |of| of.nonce = Salt([1; 16])),
        statement(&world, |of| of.exp = Millis(START + 1)),
        statement(&world, |of| of.to = other_seat),
        statement(&world, |of| of.incident = IncidentId(Uuid::from_u128(7))),
    ];
    for other in others {
        let wrong = told(&world, with(|event| signed(event).map(|body| body.statement = other)));
        let report = checked(&world, &wrong);
        says(&report, C7, Problem::StatementOther);
        fails_only(&report, &[C7]);
        assert!(report.sign_offs.iter().filter(|line| line.seq < 10).all(|line| !line.holds));
    }
    // Report and confirmation over something else.
    let wrong = told(
        &world,
        with(|event| match &mut event.body {
            Body::Reported(body) => body.sign_off.statement = Digest([2; 32]),
            Body::Confirmed(body) => body.sign_off.statement = Digest([2; 32]),
            _ => {}
        }),
    );
    let report = checked(&world, &wrong);
    assert_eq!(report.check(C7).unwrap().findings.len(), 2);
    // Agreed was another form than the one on the table.
    let wrong = told(&world, with(|event| agreed(event).map(|body| body.form_digest = Digest([3; 32]))));
    says(&checked(&world, &wrong), C7, Problem::FormOther);
}

/// The form is edited after the signatures, agreed to again, and taken over on the old signatures.
#[test]
fn an_edit_voids_the_signatures() {
    let world = World::new();
    let mut form = None;
    let mut signatures = Vec::new();
    let wrong = told(&world, |event| match &event.body {
        Body::Offered(body) => {
            form = Some(body.form.clone());
            vec![event]
        }
        Body::Signed(_) => {
            signatures.push(event.clone());
            if signatures.len() < 2 {
                return Vec::new();
            }
            let mut edited = form.clone().unwrap();
            edited.place_unknown = true;
            edited.number = None;
            let digest = crate::statement::form_digest(&edited).unwrap();
            let revised = Revised {
                handoff: HANDOFF,
                version: 2,
                form: edited,
                signer: None,
                exp: None,
                nonce: None,
                form_digest: None,
            };
            let agreed = Agreed {
                handoff: HANDOFF,
                version: 2,
                form_digest: digest,
                from: seat("A", "A-01"),
                to: to(),
                agreement: None,
                exp: Millis(START + 7_200_000),
                nonce: Salt([0x55; 16]),
                level: Level::Attested,
                number: None,
                category: None,
                signer: None,
                paper: None,
            };
            let revise = Event {
                body: revised.into(),
                actor: person(&seat("A", "A-01"), "a-duty", Role::DutyOfficer),
                ..event.clone()
            };
            let agree =
                Event { body: agreed.into(), actor: person(&to(), "b-duty", Role::DutyOfficer), ..event.clone() };
            let again = signatures.iter().cloned().map(|mut event| {
                signed(&mut event).unwrap().form_version = 2;
                Event { at: revise.at, ..event }
            });
            [revise.clone(), agree].into_iter().chain(again).collect()
        }
        _ => vec![event],
    });
    let report = checked(&world, &wrong);
    says(&report, C7, Problem::StatementOther);
    fails_only(&report, &[C7]);
}

#[test]
fn a_level_is_what_is_shown() {
    let world = World::new();
    // Attested where the two sides agreed on a device key.
    let wrong = told(&world, with(|event| agreed(event).map(|body| body.level = Level::Device)));
    let report = checked(&world, &wrong);
    says(&report, C6, Problem::Illegal);
    says(&report, C7, Problem::LevelTooWeak);
    // A level without a signature, in every kind of sign-off.
    let wrong = told(
        &world,
        with(|event| match &mut event.body {
            Body::Signed(body) => body.level = Level::Passkey,
            Body::Reported(body) => body.sign_off.level = Level::Device,
            Body::Confirmed(body) => body.sign_off.level = Level::Passkey,
            _ => {}
        }),
    );
    let report = checked(&world, &wrong);
    says(&report, C7, Problem::KeyUnknown);
    fails_only(&report, &[C7]);
    assert!(report.sign_offs.iter().all(|line| !line.holds));
    assert!(report.events.iter().all(|line| line.voice == crate::report::Voice::Service));
    // A signature nobody checks, beside an attested one.
    let wrong = told(&world, with(|event| signed(event).map(|body| body.sig = Some("AAAA".to_owned()))));
    says(&checked(&world, &wrong), C7, Problem::SignatureUnchecked);
    let wrong = told(&world, with(|event| signed(event).map(|body| body.key = Label::new("me"))));
    says(&checked(&world, &wrong), C7, Problem::SignatureUnchecked);
}

#[test]
fn a_disclosure_is_of_its_field_salt_and_value() {
    let world = World::new();
    let bundle = world.bundle(&Story::whole());
    let key = (1, "caller.phone".to_owned());
    let shown = |text: String| {
        let mut wrong = bundle.clone();
        wrong.disclosures.insert(key.clone(), text);
        checked(&world, &wrong)
    };
    let opened = disclosure::open(&bundle.disclosures[&key]).unwrap();
    let value = Value::Text("+44 20 7946 0001".to_owned());
    let others = [
        disclosure::seal(opened.salt, "caller.phone", &value).unwrap().text,
        disclosure::seal(Salt([1; 16]), "caller.phone", &opened.value).unwrap().text,
        disclosure::seal(opened.salt, "caller.details", &opened.value).unwrap().text,
        bundle.disclosures[&(1, "narrative".to_owned())].clone(),
    ];
    for other in others {
        let report = shown(other);
        says(&report, C9, Problem::DisclosureOther);
        fails_only(&report, &[C9]);
        assert_eq!((report.fields.disclosed, report.fields.bad), (7, 1));
    }
    let mut wrong = bundle.clone();
    let text = wrong.disclosures[&key].clone();
    wrong.disclosures.insert((2, "caller.phone".to_owned()), text);
    says(&checked(&world, &wrong), C9, Problem::NoSuchField);
}
