mod chain;
mod files;
mod history;
mod prover;
mod reg;

use super::*;
use crate::bundle::Bundle;
use crate::report::{Check, Outcome};
use crate::sample::story::{Story, officer};
use crate::sample::world::World;
use handoff_domain::event::Event;

/// How many of many wrong bundles are tried: all of them are where the verifier is built to be fast.
const MUTANTS: usize = if cfg!(debug_assertions) { 200 } else { 20_000 };

/// Every how manieth wrong bundle of a smaller set is tried.
const EVERY: usize = if cfg!(debug_assertions) { 7 } else { 1 };

fn check_bytes(world: &World, bytes: &[u8]) -> Report {
    verify(bytes, world.policy.text(), Options::default())
}

fn checked(world: &World, bundle: &Bundle) -> Report {
    check_bytes(world, &bundle.write().unwrap())
}

/// The story with changes, as a bundle.
fn told(world: &World, mut edit: impl FnMut(Event) -> Vec<Event>) -> Bundle {
    world.bundle(&Story::told(&mut edit))
}

/// The report says so in this check.
#[track_caller]
fn says(report: &Report, id: CheckId, problem: Problem) {
    let check = report.check(id).unwrap();
    let said = check.outcome == Outcome::Failed && check.findings.iter().any(|found| found.problem == problem);
    assert!(said, "{id} does not say {problem:?}: {:?}", failures(report));
    assert_eq!((report.verdict, report.exit_code()), (Verdict::NotProven, 1));
}

/// Only these checks fail.
#[track_caller]
fn fails_only(report: &Report, ids: &[CheckId]) {
    let failed: Vec<_> = failures(report).iter().map(|check| check.id).collect();
    assert_eq!(failed, ids, "{:?}", failures(report));
}

fn failures(report: &Report) -> Vec<&Check> {
    report.checks.iter().filter(|check| check.outcome == Outcome::Failed).collect()
}

#[test]
fn a_true_bundle_is_proven() {
    let world = World::new();
    let report = checked(&world, &world.bundle(&Story::whole()));
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Proven, 0), "{:?}", failures(&report));
    let outcomes: Vec<_> = report.checks.iter().map(|check| check.outcome).collect();
    let mut expected = [Outcome::Held; 10];
    expected[7] = Outcome::NotApplicable;
    assert_eq!(outcomes, expected);
    assert!(report.checks.iter().all(|check| check.warnings.is_empty()));
    assert_eq!((report.events.len(), report.sign_offs.len()), (14, 4));
    let proven = report.proven.unwrap();
    assert_eq!(proven.witnesses, ["A", "B"]);
    let closed_at = report.closed_at.unwrap();
    assert!(proven.not_before.unwrap() <= closed_at && closed_at <= proven.witnessed.unwrap().1);
}

#[test]
fn a_bundle_with_officers_keys_is_proven() {
    let world = World::new();
    let report = checked(&world, &world.signed_bundle());
    assert_eq!(report.verdict, Verdict::Proven, "{:?}", failures(&report));
    assert_eq!(report.check(CheckId::C8).unwrap().outcome, Outcome::Held);
    let signed: Vec<_> = report.sign_offs.iter().filter_map(|line| line.key.as_ref()).collect();
    assert_eq!(signed.len(), 2);
    assert_eq!(report.events.iter().filter(|line| line.voice == crate::report::Voice::Officer).count(), 2);
}

/// Signatures asked for, an authenticated click is not enough; with keys everywhere it would be, but report and
/// confirmation have no place for a signature yet.
#[test]
fn attested_is_not_enough_where_signatures_are_asked_for() {
    let world = World::new();
    let bytes = world.signed_bundle().write().unwrap();
    let report = verify(&bytes, world.policy.text(), Options { require_signed: true });
    says(&report, CheckId::C7, Problem::AttestedOnly);
    let at: Vec<_> = report.check(CheckId::C7).unwrap().findings.iter().map(|found| found.place.clone()).collect();
    assert_eq!(at, [Place::Event(12), Place::Event(13)]);
}

/// Fields that are erased or not shown change nothing else.
#[test]
fn erased_and_withheld_fields_are_counted() {
    let world = World::new();
    let mut story = Story::whole();
    story.erase(&[(1, "caller.phone"), (1, "narrative")]);
    let mut bundle = world.bundle(&story);
    bundle.disclosures.retain(|(_, path), _| path == "result");
    let report = checked(&world, &bundle);
    assert_eq!(report.verdict, Verdict::Proven, "{:?}", failures(&report));
    let fields = report.fields;
    assert_eq!((fields.disclosed, fields.withheld, fields.erased, fields.bad), (2, 4, 2, 0));
    bundle.disclosures.clear();
    assert_eq!(checked(&world, &bundle).fields.withheld, 6);
}

#[test]
fn what_is_newer_is_told_and_not_judged() {
    let world = World::new();
    let story = Story::whole();
    let mut events = story.events.clone();
    let text = String::from_utf8(events[13].clone()).unwrap();
    events[13] = text.replace("handoff-event/1", "handoff-event/2").into_bytes();
    let bytes = prover::files_of(&world, &story, &events);
    let report = check_bytes(&world, &bytes);
    assert_eq!((report.verdict, report.exit_code()), (Verdict::Newer, 3), "{:?}", failures(&report));
    let newer = |id: CheckId| report.check(id).unwrap().outcome == Outcome::Newer;
    assert!(newer(CheckId::C4) && newer(CheckId::C5) && newer(CheckId::C6));

    let mut files = world.bundle(&story).files().unwrap();
    let manifest = String::from_utf8(files["bundle.json"].clone()).unwrap();
    files.insert("bundle.json".to_owned(), manifest.replace("bundle/1", "bundle/12").into_bytes());
    files.insert("something-new".to_owned(), Vec::new());
    let report = check_bytes(&world, &archive::write(&files).unwrap());
    assert_eq!(report.exit_code(), 3);

    // An older or a made-up version is no excuse.
    for version in ["handoff-event/0", "handoff-event/01", "handoff-event/+2", "handoff-event/", "other/2"] {
        assert!(!case::is_newer(version, "handoff-event/1"), "{version}");
    }
}

#[test]
fn nothing_readable_is_exit_2() {
    let world = World::new();
    let bytes = world.bundle(&Story::whole()).write().unwrap();
    for wrong in [&b""[..], b"PK", &bytes[..bytes.len() - 1], &bytes[1..]] {
        let report = check_bytes(&world, wrong);
        assert_eq!((report.verdict, report.exit_code()), (Verdict::Unreadable, 2));
    }
    let report = verify(&bytes, "no policy\n", Options::default());
    assert_eq!(report.exit_code(), 2);
}

#[test]
fn one_bad_thing_hides_no_other() {
    let world = World::new();
    let mut files = world.signed_bundle().files().unwrap();
    let mut change = |name: &str, at: usize| *files.get_mut(name).unwrap().get_mut(at).unwrap() ^= 1;
    change("proofs/0002.tlog-proof", 40);
    change("signoff/0008.statement.json", 30);
    change("bounds/0010.note", 20);
    change("disclosures/0001.caller.phone.json", 4);
    change("registry/A/0001.entry.json", 20);
    change("VERIFY.txt", 100);
    let report = check_bytes(&world, &archive::write(&files).unwrap());
    use CheckId::{C1, C3, C7, C8, C9, C10};
    fails_only(&report, &[C1, C3, C7, C8, C9, C10]);
    assert_eq!(report.closed_at.map(|at| at.to_string()).as_deref(), Some("2026-11-23T12:06:30.000Z"));
    assert!(report.sign_offs.iter().all(|line| line.seq != 8 || !line.holds), "A's key is not shown to be enrolled");
    assert_eq!(report.sign_offs[1].officer, Some(officer("b-unit")));
    assert!(report.sign_offs[1].holds);
}
