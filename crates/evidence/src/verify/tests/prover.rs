//! What a dishonest service can do that holds its own keys, the log's and every recorder's (evidence, 13, 6): each wrong
//! bundle fails in the check that should name it.

use super::*;
use crate::disclosure::{self, Value};
use crate::event::{decode, encode, hash};
use crate::leaf::Leaf;
use crate::log::LogKey;
use crate::note::{Checkpoint, Head};
use crate::policy::{Needs, Policy};
use crate::sample::story::{HANDOFF, INCIDENT, START, STEP, org, person, seat, to};
use crate::sample::world::seed;
use crate::statement::Transfer;
use CheckId::{C1, C2, C3, C4, C5, C6, C7, C9, C10};
use handoff_domain::caller::Role;
use handoff_domain::event::Body;
use handoff_domain::event::handoff::{Agreed, Revised, Signed};
use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Salt};
use uuid::Uuid;

/// A bundle of events that need not be any: what follows from events is taken from the true story.
pub(super) fn files_of(world: &World, story: &Story<'_>, events: &[Vec<u8>]) -> Vec<u8> {
    let mut laid = world.lay(events);
    // An event that cannot be read is recorded by whoever recorded the true one.
    for (at, place) in laid.places.iter().enumerate() {
        if let Some(true_one) = story.events.get(at) {
            let (event, _) = decode(true_one).unwrap();
            laid.leaves[usize::try_from(*place).unwrap()] =
                Leaf::sign(hash(&events[at]), &world.recorders[&event.actor.org]);
        }
    }
    let mut files = world.bundle(story).files().unwrap();
    let wrong = world.bundle_of(story, &laid);
    let size = laid.leaves.len() as u64;
    let frame = crate::bundle::derived::Frame::new(&wrong.checkpoint, &world.policy).unwrap();
    for ((bytes, place), seq) in events.iter().zip(&laid.places).zip(1..) {
        let logged = world.logged(&laid, bytes, *place, size);
        files.insert(Slot::Event(seq).to_string(), bytes.clone());
        files.insert(Slot::Sigsum(seq).to_string(), frame.sigsum(&logged).unwrap());
        files.insert(Slot::Tlog(seq).to_string(), crate::bundle::derived::tlog(&logged, &wrong.checkpoint));
    }
    for seq in events.len() as u64 + 1..=story.events.len() as u64 {
        for slot in [Slot::Event(seq), Slot::Sigsum(seq), Slot::Tlog(seq)] {
            files.remove(&slot.to_string());
        }
    }
    for (seq, bound) in &wrong.bounds {
        files.insert(Slot::Bound(*seq).to_string(), bound.write().into_bytes());
    }
    files.insert(Slot::Checkpoint.to_string(), wrong.checkpoint.write().into_bytes());
    let disclosures = wrong.disclosures.len();
    let manifest = crate::bundle::derived::Manifest {
        incident: INCIDENT,
        events: events.len(),
        disclosures,
        bounds: wrong.bounds.len(),
        checkpoint: &wrong.checkpoint,
        policy: world.policy.digest(),
    };
    files.insert(Slot::Manifest.to_string(), manifest.write().unwrap());
    let orgs: Option<Vec<_>> =
        events.iter().map(|bytes| decode(bytes).ok().map(|(event, _)| event.actor.org)).collect();
    if let Some(orgs) = orgs {
        let text = frame.instructions(&orgs.iter().collect::<Vec<_>>());
        files.insert(Slot::Instructions.to_string(), text);
    }
    archive::write(&files).unwrap()
}

/// An event of one type, changed.
fn with<T>(mut change: impl FnMut(&mut Event) -> Option<T>) -> impl FnMut(Event) -> Vec<Event> {
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
fn a_witness_counts_once_and_only_for_what_it_signed() {
    let world = World::new();
    let bundle = world.bundle(&Story::whole());
    let (origin, head) = (world.log.origin(), bundle.checkpoint.head);
    let with = |cosignatures: Vec<crate::note::Cosignature>| {
        let mut other = bundle.clone();
        other.checkpoint.cosignatures = cosignatures;
        checked(&world, &other)
    };
    let [a, b] = &world.witnesses[..] else { panic!("two witnesses") };
    let at = bundle.checkpoint.cosignatures[0].at;
    // A's line twice, at two times; A's key under B's name; B for another size, another log, another time.
    says(
        &with(vec![a.cosign(&origin, &head, at), a.cosign(&origin, &head, at + 1)]),
        C2,
        Problem::CheckpointUnreadable,
    );
    let as_b = crate::note::CosignerKey::from_seed(b.name(), &seed("witA")).unwrap();
    says(&with(vec![a.cosign(&origin, &head, at), as_b.cosign(&origin, &head, at)]), C2, Problem::WitnessUnknown);
    let smaller = Head { size: head.size - 1, root: head.root };
    says(&with(vec![a.cosign(&origin, &head, at), b.cosign(&origin, &smaller, at)]), C2, Problem::WitnessSignature);
    let elsewhere = LogKey::from_seed(&seed("another log")).origin();
    says(&with(vec![a.cosign(&origin, &head, at), b.cosign(&elsewhere, &head, at)]), C2, Problem::WitnessSignature);
    let mut later = b.cosign(&origin, &head, at);
    later.at += 1;
    says(&with(vec![a.cosign(&origin, &head, at), later]), C2, Problem::WitnessSignature);
    let stranger = crate::note::CosignerKey::from_seed("stranger.example", &seed("stranger")).unwrap();
    let three = vec![a.cosign(&origin, &head, at), b.cosign(&origin, &head, at), stranger.cosign(&origin, &head, at)];
    says(&with(three), C2, Problem::WitnessUnknown);
    says(&with(Vec::new()), C2, Problem::Quorum);
}

#[test]
fn the_log_and_its_root_are_those_the_policy_names() {
    let world = World::new();
    let bundle = world.bundle(&Story::whole());
    let mut files = bundle.files().unwrap();
    let other = LogKey::from_seed(&seed("another log"));
    let mut note = Checkpoint::sign(&other, bundle.checkpoint.head);
    let cosign = |witness: &crate::note::CosignerKey| witness.cosign(&other.origin(), &note.head, 1_795_435_500);
    note.cosignatures = world.witnesses.iter().map(cosign).collect();
    files.insert("checkpoint.note".to_owned(), note.write().into_bytes());
    let report = check_bytes(&world, &archive::write(&files).unwrap());
    says(&report, C2, Problem::LogUnknown);

    // A root nobody signed, in all files that name it.
    let mut unsigned = bundle;
    unsigned.checkpoint.head.root = [7; 32];
    let report = checked(&world, &unsigned);
    says(&report, C2, Problem::LogSignature);
    says(&report, C2, Problem::WitnessSignature);
    says(&report, C3, Problem::NotIncluded);

    // The service signs a root of its own making, and no witness does.
    let mut own = unsigned.clone();
    own.checkpoint.log = world.log.sign_head(&own.checkpoint.head);
    let report = checked(&world, &own);
    says(&report, C2, Problem::WitnessSignature);
    says(&report, C3, Problem::NotIncluded);
}

#[test]
fn a_proof_is_that_of_its_own_event() {
    let world = World::new();
    let story = Story::whole();
    let laid = world.lay(&story.events);
    let size = laid.leaves.len() as u64;
    let bundle = world.bundle_of(&story, &laid);
    // Index and path of the sibling, the path alone, the index alone.
    let sibling = world.logged(&laid, &story.events[3], laid.places[3] ^ 1, size);
    let mut wrong = bundle.clone();
    (wrong.events[3].index, wrong.events[3].path) = (sibling.index, sibling.path.clone());
    says(&checked(&world, &wrong), C3, Problem::NotIncluded);
    let mut wrong = bundle.clone();
    wrong.events[3].path = sibling.path;
    says(&checked(&world, &wrong), C3, Problem::NotIncluded);
    let mut wrong = bundle.clone();
    wrong.events[3].index ^= 1;
    says(&checked(&world, &wrong), C3, Problem::NotIncluded);
    let mut wrong = bundle.clone();
    wrong.events[3].index += size;
    says(&checked(&world, &wrong), C3, Problem::NotIncluded);
    // An event the log does not hold, with the proof of the one it does.
    let mut wrong = bundle;
    let (mut event, prev) = decode(&story.events[13]).unwrap();
    event.at = Millis(event.at.0 + 1);
    wrong.events[13].bytes = encode(&event, &prev).unwrap();
    wrong.events[13].leaf = world.leaf(&wrong.events[13].bytes);
    let report = checked(&world, &wrong);
    says(&report, C3, Problem::NotIncluded);
    fails_only(&report, &[C3]);
}

#[test]
fn an_event_is_recorded_by_the_organisation_it_names() {
    let world = World::new();
    let story = Story::whole();
    let mut laid = world.lay(&story.events);
    let place = usize::try_from(laid.places[9]).unwrap();
    laid.leaves[place] = Leaf::sign(hash(&story.events[9]), &world.recorders[&org("A")]);
    let report = checked(&world, &world.bundle_of(&story, &laid));
    says(&report, C4, Problem::LeafKey);
    fails_only(&report, &[C4]);

    let mut laid = world.lay(&story.events);
    let leaf = laid.leaves[place];
    laid.leaves[place] = Leaf::from_parts(hash(&story.events[9]), [1; 64], leaf.key_hash());
    says(&checked(&world, &world.bundle_of(&story, &laid)), C4, Problem::LeafSignature);

    // An organisation without a recorder key in the policy: the bundle cannot even tell its keys.
    let stranger = seat("C", "C-01");
    let mut edit =
        with(|event| matches!(event.body, Body::AlertSeen(_)).then(|| event.actor.org = stranger.org.clone()));
    let wrong = Story::told(&mut edit);
    let mut world = world;
    world.recorders.insert(org("C"), crate::leaf::RecorderKey::from_seed(&seed("recC")));
    let report = check_bytes(&world, &files_of(&world, &Story::whole(), &wrong.events));
    says(&report, C4, Problem::RecorderUnknown);
}

/// Other spellings of an event that mean the same to a lenient reader.
#[test]
fn an_event_has_one_spelling() {
    let world = World::new();
    let story = Story::whole();
    let text = String::from_utf8(story.events[0].clone()).unwrap();
    let others = [
        text.replace("\"seq\":1,", "\"seq\":1,\"seq\":1,"),
        text.replace("\"seq\":1,", "\"seq\":1.0,"),
        text.replace("\"seq\":1,", "\"seq\":-0,"),
        text.replace("\"precision_m\":30", "\"precision_m\":9007199254740992"),
        text.replace("\"seq\":1,", "\"seq\": 1,"),
        text.replace("sha256:00", "sha256:0A"),
        text.replace("\"salt\":\"IiIiIiIiIiIiIiIiIiIiIg\"", "\"salt\":\"IiIiIiIiIiIiIiIiIiIiIh\""),
        text.replace("000000000001\"", "00000000000A\""),
        format!("{text}\n"),
        text.replace("\"received\"", "\"no_such_type\""),
        text.replace("handoff-event/1", "handoff-event/0"),
    ];
    for other in others {
        assert_ne!(other, text);
        let mut events = story.events.clone();
        events[0] = other.clone().into_bytes();
        says(&check_bytes(&world, &files_of(&world, &story, &events)), C4, Problem::EventUnreadable);
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
            Body::Reported(body) => Some(body.sign_off.statement = Digest([2; 32])),
            Body::Confirmed(body) => Some(body.sign_off.statement = Digest([2; 32])),
            _ => None,
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
            Body::Signed(body) => Some(body.level = Level::Passkey),
            Body::Reported(body) => Some(body.sign_off.level = Level::Device),
            Body::Confirmed(body) => Some(body.sign_off.level = Level::Passkey),
            _ => None,
        }),
    );
    let report = checked(&world, &wrong);
    says(&report, C7, Problem::KeyUnknown);
    says(&report, C7, Problem::NoSignature);
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

#[test]
fn the_policy_inside_is_not_believed() {
    let world = World::new();
    let mut bundle = world.bundle(&Story::whole());
    // A policy that asks for one witness, and a checkpoint that has one.
    let mut parts = world.parts.clone();
    parts.groups[0].needs = Needs::Any;
    bundle.policy = Policy::write(&parts).unwrap().text().to_owned();
    bundle.checkpoint.cosignatures.remove(1);
    let report = checked(&world, &bundle);
    says(&report, C1, Problem::PolicyOther);
    says(&report, C2, Problem::Quorum);
    assert_eq!(report.policy, world.policy.digest());
    // A policy whose log key is the forger's.
    let mut parts = world.parts.clone();
    parts.witnesses.pop();
    parts.groups[0].members.pop();
    bundle.policy = Policy::write(&parts).unwrap().text().to_owned();
    says(&checked(&world, &bundle), C2, Problem::Quorum);
}

/// Keys that would sign for everybody are in no policy, so nothing is verified under one.
#[test]
fn a_policy_with_a_key_of_small_order_is_not_read() {
    let world = World::new();
    let bytes = world.bundle(&Story::whole()).write().unwrap();
    for key in [
        [0_u8; 32],
        {
            let mut one = [0; 32];
            one[0] = 1;
            one
        },
        [0xff; 32],
    ] {
        let mut parts = world.parts.clone();
        parts.recorders[0].key = key;
        assert!(Policy::write(&parts).is_err());
        let hex = |key: &[u8; 32]| key.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = world.policy.text().replace(&hex(&world.parts.recorders[0].key), &hex(&key));
        assert_ne!(text, world.policy.text());
        assert_eq!(verify(&bytes, &text, Options::default()).exit_code(), 2);
    }
}

#[test]
fn an_earlier_checkpoint_is_earlier_and_witnessed() {
    let world = World::new();
    let story = Story::whole();
    let laid = world.lay(&story.events);
    let bundle = world.bundle_of(&story, &laid);
    let with = |seq: u64, bound: Checkpoint| {
        let mut wrong = bundle.clone();
        wrong.bounds.insert(seq, bound);
        checked(&world, &wrong)
    };
    says(&with(14, bundle.checkpoint.clone()), C10, Problem::BoundContains);
    says(&with(13, bundle.bounds[&1].clone()), C10, Problem::BoundOfOther);
    let mut alone = bundle.bounds[&14].clone();
    alone.cosignatures.remove(0);
    says(&with(14, alone), C10, Problem::Quorum);
    let mut other = bundle.bounds[&14].clone();
    other.cosignatures[0].at += 1;
    says(&with(14, other), C10, Problem::WitnessSignature);
    // Two trees of one size, both signed: proof of a fork.
    let size = bundle.bounds[&14].head.size;
    let fork = world.cosigned(Head { size, root: [9; 32] }, START);
    let mut forked = bundle.clone();
    forked.bounds.insert(10, world.cosigned(Head { size: bundle.bounds[&10].head.size, root: [9; 32] }, START));
    forked.bounds.insert(14, fork);
    assert_eq!(checked(&world, &forked).exit_code(), 0, "a bound alone is only as good as its witnesses");
    let mut forked = bundle.clone();
    forked.bounds.insert(14, world.cosigned(Head { size: bundle.bounds[&10].head.size, root: [9; 32] }, START));
    says(&checked(&world, &forked), C10, Problem::Fork);
    // Without an earlier checkpoint the closing has no lower bound, which the report says.
    let mut bare = bundle.clone();
    bare.bounds.clear();
    let report = checked(&world, &bare);
    assert_eq!((report.exit_code(), report.proven.unwrap().not_before), (0, None));
}

#[test]
fn a_recorded_time_that_contradicts_a_witnessed_one_is_told() {
    let world = World::new();
    let story = Story::whole();
    let laid = world.lay(&story.events);
    let mut bundle = world.bundle_of(&story, &laid);
    let warned = |bundle: &Bundle| {
        let report = checked(&world, bundle);
        assert_eq!(report.exit_code(), 0, "{:?}", failures(&report));
        let warnings = report.check(C10).unwrap().warnings.iter();
        warnings.map(|found| (found.problem, found.place.clone())).collect::<Vec<_>>()
    };
    assert_eq!(warned(&bundle), []);
    // Witnesses held a log without the closing a minute and more after its time.
    let closed = START + 13 * STEP;
    bundle.bounds.insert(14, world.checkpoint(&laid, laid.places[13], closed + 60_000));
    assert_eq!(warned(&bundle), []);
    bundle.bounds.insert(14, world.checkpoint(&laid, laid.places[13], closed + 61_000));
    assert_eq!(warned(&bundle), [(Problem::TooEarly, Place::Event(14))]);
    // Witnesses held the whole log long before the times of its last events.
    let mut bundle = world.bundle_of(&story, &laid);
    bundle.bounds.clear();
    bundle.checkpoint = world.checkpoint(&laid, laid.leaves.len() as u64, START + 10 * STEP);
    assert_eq!(warned(&bundle), [(Problem::TooLate, Place::Event(14))]);
}
