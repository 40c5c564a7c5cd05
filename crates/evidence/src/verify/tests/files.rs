//! What somebody without any key can do to a bundle: change bytes, drop, double and swap files and lines.

use super::*;
use crate::archive::Files;
use crate::bundle::layout::Slot;

/// No other bundle than the true one is accepted, so this list is empty and stays so.
const ACCEPTED: [&str; 0] = [];

fn rejected(world: &World, bytes: &[u8], what: &str) {
    let report = check_bytes(world, bytes);
    let exit = report.exit_code();
    assert!(matches!(exit, 1 | 2) || ACCEPTED.contains(&what), "exit {exit}: {what}");
}

fn repacked(world: &World, files: &Files) -> Report {
    check_bytes(world, &archive::write(files).unwrap())
}

/// Bytes of the archive, each changed to one other value.
#[test]
fn every_changed_byte_of_a_bundle_is_refused() {
    let world = World::new();
    let bytes = world.signed_bundle().write().unwrap();
    let step = bytes.len().div_ceil(MUTANTS).max(1);
    for at in (0..bytes.len()).step_by(step) {
        let mut other = bytes.clone();
        other[at] = other[at].wrapping_add(1 + u8::try_from(at % 255).unwrap());
        rejected(&world, &other, &format!("byte {at}"));
    }
}

fn changed_inside(world: &World, files: &Files, most: usize) {
    let step = files.values().map(Vec::len).sum::<usize>().div_ceil(most).max(1);
    let mut count = 0;
    for (name, data) in files {
        for at in 0..data.len() {
            count += 1;
            // The first byte of every file, and every so many bytes.
            if at > 0 && count % step != 0 {
                continue;
            }
            let mut other = files.clone();
            other.get_mut(name).unwrap()[at] ^= 1 << (at % 8);
            rejected(world, &archive::write(&other).unwrap(), &format!("{name} byte {at}"));
        }
    }
}

/// Bytes of the files, in an archive that is right again.
#[test]
fn every_changed_byte_of_a_file_is_refused() {
    let world = World::new();
    changed_inside(&world, &world.signed_bundle().files().unwrap(), MUTANTS / 10);
}

/// Every bit of every file, in an archive that is right again, and every bit of the archive.
#[test]
#[ignore = "half a million bundles: an hour and more; `tests/run soak`"]
fn every_changed_bit_is_refused() {
    let world = World::new();
    let bundle = world.signed_bundle();
    let (files, whole) = (bundle.files().unwrap(), bundle.write().unwrap());
    let flipped = |data: &[u8], at: usize, bit: u32| {
        let mut other = data.to_vec();
        other[at] ^= 1 << bit;
        other
    };
    let of_files = |bit: u32| {
        for (name, data) in &files {
            for at in 0..data.len() {
                let mut other = files.clone();
                other.insert(name.clone(), flipped(data, at, bit));
                rejected(&world, &archive::write(&other).unwrap(), &format!("{name} byte {at} bit {bit}"));
            }
        }
    };
    let of_archive = |bit: u32| {
        for at in 0..whole.len() {
            rejected(&world, &flipped(&whole, at, bit), &format!("byte {at} bit {bit}"));
        }
    };
    std::thread::scope(|scope| {
        for bits in [0..4, 4..8] {
            scope.spawn(|| bits.for_each(|bit| (of_files(bit), of_archive(bit)).1));
        }
    });
}

/// The check that has to name what is wrong with a file.
fn check_of(name: &str) -> CheckId {
    match Slot::of(name).unwrap() {
        Slot::Manifest | Slot::Instructions | Slot::Policy(_) | Slot::SigsumPolicy | Slot::Key(_) => CheckId::C1,
        Slot::Checkpoint => CheckId::C2,
        Slot::Sigsum(_) | Slot::Tlog(_) => CheckId::C3,
        Slot::Event(_) => CheckId::C5,
        Slot::Statement(_) => CheckId::C7,
        Slot::Registry(..) => CheckId::C8,
        Slot::Disclosure(..) => CheckId::C9,
        Slot::Bound(_) => CheckId::C10,
    }
}

#[test]
fn every_dropped_file_is_named() {
    let world = World::new();
    let files = world.signed_bundle().files().unwrap();
    for name in files.keys().step_by(EVERY) {
        let mut other = files.clone();
        other.remove(name);
        let report = repacked(&world, &other);
        assert_eq!(report.exit_code(), 1, "{name}");
        // A field not shown and an earlier checkpoint not given are allowed: the manifest alone tells that there was one.
        let by = match Slot::of(name).unwrap() {
            Slot::Disclosure(..) | Slot::Bound(_) => CheckId::C1,
            // What is last is not missed by those after it: the case does not end closed.
            Slot::Event(14) => CheckId::C5,
            _ => check_of(name),
        };
        assert!(failures(&report).iter().any(|check| check.id == by), "{name}: {:?}", failures(&report));
    }
}

/// A copy under a name of the same kind that is free, or under none a bundle has.
#[test]
fn every_doubled_file_is_named() {
    let world = World::new();
    let files = world.signed_bundle().files().unwrap();
    for (name, data) in files.iter().step_by(EVERY) {
        let copies: Vec<String> = match Slot::of(name).unwrap() {
            Slot::Event(seq) => vec![Slot::Event(15).to_string(), format!("events/{seq:05}.json")],
            Slot::Sigsum(_) => vec![Slot::Sigsum(15).to_string()],
            Slot::Tlog(_) => vec![Slot::Tlog(15).to_string()],
            Slot::Bound(seq) => vec![Slot::Bound(seq + 1).to_string()],
            Slot::Statement(seq) => vec![Slot::Statement(seq + 20).to_string()],
            Slot::Disclosure(seq, path) => {
                vec![Slot::Disclosure(seq + 1, path.clone()).to_string(), Slot::Disclosure(seq, path + "x").to_string()]
            }
            Slot::Policy(_) => vec![Slot::Policy(2).to_string()],
            Slot::Key(name) => vec![Slot::Key(name + "x").to_string()],
            Slot::Registry(org, number, part) => vec![Slot::Registry(org, number + 1, part).to_string()],
            Slot::Manifest | Slot::Instructions | Slot::Checkpoint | Slot::SigsumPolicy => vec![format!("{name}.copy")],
        };
        for copy in copies {
            let mut other = files.clone();
            if other.insert(copy.clone(), data.clone()).is_some() {
                continue;
            }
            let report = repacked(&world, &other);
            assert_eq!(report.exit_code(), 1, "{copy}");
            let by = match Slot::of(&copy) {
                None => CheckId::C1,
                // A proof of an event that is not there.
                Some(Slot::Sigsum(_) | Slot::Tlog(_)) => CheckId::C5,
                Some(_) => check_of(&copy),
            };
            assert!(failures(&report).iter().any(|check| check.id == by), "{copy}: {:?}", failures(&report));
        }
    }
}

/// Two files of one kind change places.
#[test]
fn every_two_swapped_files_are_named() {
    let world = World::new();
    let files = world.signed_bundle().files().unwrap();
    let names: Vec<&String> = files.keys().collect();
    for (at, one) in names.iter().enumerate() {
        for other in names[at + 1..].iter().step_by(EVERY) {
            let kind = |name: &str| std::mem::discriminant(&Slot::of(name).unwrap());
            if kind(one) != kind(other) || files[*one] == files[*other] {
                continue;
            }
            let mut swapped = files.clone();
            swapped.insert((*one).clone(), files[*other].clone());
            swapped.insert((*other).clone(), files[*one].clone());
            let report = repacked(&world, &swapped);
            assert_eq!(report.exit_code(), 1, "{one} and {other}");
            // An earlier checkpoint for another event: one of the two then holds its event.
            let by = check_of(one);
            assert!(failures(&report).iter().any(|check| check.id == by), "{one} and {other}");
        }
    }
}

/// Lines of the checkpoint, in that file alone and in all that hold them.
#[test]
fn every_dropped_doubled_or_swapped_line_is_refused() {
    let world = World::new();
    let files = world.signed_bundle().files().unwrap();
    let of = |name: &str| String::from_utf8(files[name].clone()).unwrap();
    for name in ["checkpoint.note", "proofs/0003.sigsum", "proofs/0003.tlog-proof", "bounds/0014.note"] {
        let text = of(name);
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for at in (0..lines.len()).step_by(EVERY.min(3)) {
            let (before, rest) = (lines[..at].concat(), lines[at + 1..].concat());
            let mut others = vec![format!("{before}{rest}"), format!("{before}{}{}{rest}", lines[at], lines[at])];
            if let Some(next) = lines.get(at + 1).filter(|next| **next != lines[at]) {
                others.push(format!("{before}{next}{}{}", lines[at], lines[at + 2..].concat()));
            }
            for other in others {
                let mut changed = files.clone();
                changed.insert(name.to_owned(), other.into_bytes());
                let report = repacked(&world, &changed);
                assert_eq!(report.exit_code(), 1, "{name} line {at}");
                let named = failures(&report).iter().any(|check| check.id == check_of(name));
                assert!(named, "{name} line {at}: {:?}", failures(&report));
            }
        }
    }
}

/// A cosignature line changed alike in every file that holds it.
#[test]
fn a_cosignature_dropped_or_swapped_everywhere_is_refused() {
    let world = World::new();
    let bundle = world.signed_bundle();
    let mut less = bundle.clone();
    less.checkpoint.cosignatures.remove(1);
    let report = checked(&world, &less);
    says(&report, CheckId::C2, Problem::Quorum);
    fails_only(&report, &[CheckId::C2]);

    let files = bundle.files().unwrap();
    let note = String::from_utf8(files["checkpoint.note"].clone()).unwrap();
    let lines: Vec<&str> = note.split_inclusive('\n').collect();
    let swap = |text: &str| text.replace(&lines[5..].concat(), &format!("{}{}", lines[6], lines[5]));
    let mut swapped = files.clone();
    for (name, data) in &mut swapped {
        if name.ends_with("tlog-proof") || name == "checkpoint.note" {
            *data = swap(std::str::from_utf8(data).unwrap()).into_bytes();
        }
    }
    says(&repacked(&world, &swapped), CheckId::C2, Problem::CheckpointUnreadable);
}
