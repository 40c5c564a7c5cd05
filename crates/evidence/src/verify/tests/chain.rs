//! Policies that follow one another.

use super::*;
use crate::note::CosignerKey;
use crate::policy::{Policy, Range, Succession, Witness};
use crate::sample::story::org;
use crate::sample::world::{registrar, seed};
use CheckId::{C1, C2, C4};

/// B has a new witness from the size `from` on.
fn next(world: &World, from: u64) -> (Policy, CosignerKey) {
    let key = CosignerKey::from_seed("station-b.example/witness-2", &seed("witB2")).unwrap();
    let mut parts = world.parts.clone();
    parts.logs[0].sizes = Some(Range { from, until: None });
    parts.witnesses[1] =
        Witness { name: "B".to_owned(), key_name: key.name().to_owned(), key: key.public(), url: None };
    (Policy::write(&parts).unwrap(), key)
}

/// The note, signed by these registrars of each side.
fn note(world: &World, next: &Policy, from: u64, numbers: &[u64]) -> String {
    let (previous, origin) = (world.policy.digest(), world.log.origin());
    let succession = Succession { previous, origin, from, policy: next.clone() };
    let lines = ["A", "B"].into_iter().flat_map(|of| numbers.iter().map(move |number| (org(of), *number)));
    let lines: Vec<_> = lines.map(|(of, number)| succession.sign(&of, &registrar(&of, number))).collect();
    succession.note(&lines)
}

/// A bundle made under the second policy: all of the case, and every earlier checkpoint, is ruled by it or by the first.
fn later(world: &mut World, from: u64, numbers: &[u64]) -> (Bundle, Policy) {
    let (policy, key) = next(world, from);
    let story = Story::whole();
    let laid = world.lay(&story.events);
    let before = world.bundle_of(&story, &laid);
    let old = std::mem::replace(&mut world.witnesses[1], key);
    let mut bundle = world.bundle_of(&story, &laid);
    world.witnesses[1] = old;
    for (seq, bound) in &mut bundle.bounds {
        if bound.head.size < from {
            *bound = before.bounds[seq].clone();
        }
    }
    bundle.successions = vec![note(world, &policy, from, numbers)];
    (bundle, policy)
}

#[test]
fn a_bundle_is_judged_by_the_policy_that_ruled_then() {
    let mut world = World::new();
    for from in [2, 10, 31] {
        let (bundle, policy) = later(&mut world, from, &[1, 2]);
        let bytes = bundle.write().unwrap();
        assert_eq!(Bundle::read(&bytes).unwrap(), bundle);
        let report = check_bytes(&world, &bytes);
        assert_eq!(report.exit_code(), 0, "{from}: {:?}", failures(&report));
        // Whoever holds the later policy alone knows nothing of who recorded what before it ruled.
        let report = verify(&bytes, policy.text(), Options::default());
        if from == 2 {
            assert_eq!(report.exit_code(), 0, "{:?}", failures(&report));
        } else {
            says(&report, C4, Problem::RecorderUnknown);
            let all = [C1, C4, CheckId::C10];
            // Where it rules no event at all, it does not know the recorders' keys either.
            fails_only(&report, if from == 10 { &all[1..] } else { &all });
        }
        // A stranger's policy is the one of neither.
        let mut parts = world.parts.clone();
        parts.witnesses.pop();
        parts.groups[0].members.pop();
        let other = Policy::write(&parts).unwrap();
        says(&verify(&bytes, other.text(), Options::default()), C1, Problem::PolicyOther);
    }
}

#[test]
fn a_policy_follows_by_the_registrars_of_both_sides() {
    let mut world = World::new();
    for numbers in [&[1][..], &[], &[1, 7]] {
        let (bundle, policy) = later(&mut world, 10, numbers);
        assert!(matches!(bundle.write(), Err(crate::bundle::BundleError::Succession { number: 2, .. })));
        // The service puts its note into a bundle all the same.
        let (good, _) = later(&mut world, 10, &[1, 2]);
        let mut files = good.files().unwrap();
        files.insert("policy/0002.note".to_owned(), note(&world, &policy, 10, numbers).into_bytes());
        let report = check_bytes(&world, &archive::write(&files).unwrap());
        says(&report, C1, Problem::PolicyChain);
        says(&report, C2, Problem::WitnessUnknown);
    }
}

/// The later policy begins where it says: a checkpoint before is judged by the first one.
#[test]
fn a_later_policy_does_not_reach_back() {
    let mut world = World::new();
    let (bundle, _) = later(&mut world, 32, &[1, 2]);
    // Its tree has 31 leaves: the first policy rules it, whose witness B did not sign.
    let report = checked(&world, &bundle);
    says(&report, C2, Problem::WitnessUnknown);
}
