//! What a dishonest service can do that holds its own keys, the log's and every recorder's (evidence, 13, 6): each wrong
//! bundle fails in the check that should name it.

use super::history::with;
use super::*;
use crate::event::{decode, encode, hash};
use crate::leaf::Leaf;
use crate::log::LogKey;
use crate::note::{Checkpoint, Head};
use crate::policy::{Needs, Policy};
use crate::sample::story::{INCIDENT, START, STEP, org, seat};
use crate::sample::world::seed;
use CheckId::{C1, C2, C3, C4, C10};
use handoff_domain::event::Body;
use handoff_domain::time::Millis;

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
