//! Bundles nobody made.

use super::*;
use crate::bundle::layout::Slot;
use crate::bundle::registry::{Shown, read_update};
use crate::report::{Lang, Outcome};
use crate::sample::world::World;
use handoff_fuzz::Fuzz;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// A verification takes some milliseconds where it is built to be fast.
const RUNS: u64 = if cfg!(debug_assertions) { 100 } else { 4_000 };

/// One file of a true bundle is another one: nothing but the very same file is accepted, whatever is wrong is said in
/// both languages, and nothing panics.
#[test]
fn no_bundle_with_another_file_is_accepted() {
    let world = World::new();
    let files = world.signed_bundle().files().unwrap();
    let marks = ["events/0001.json", "bounds/0010.note", "registry/A/0001.entry.path", "\u{2014} ", "\"seq\":", "=\n"];
    let mut fuzz = Fuzz::new(FOLDER, "bundle").tokens(marks);
    for (name, data) in &files {
        // The input is a name, a line end and the file's bytes.
        fuzz = fuzz.seed(name.clone(), [name.as_bytes(), b"\n", data].concat());
    }
    fuzz.runs(RUNS).run(|bytes| {
        let at = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
        let (name, data) = (&bytes[..at], bytes.get(at + 1..).unwrap_or_default());
        let mut other = files.clone();
        let before = other.insert(String::from_utf8_lossy(name).into_owned(), data.to_vec());
        let Ok(archive) = archive::write(&other) else { return "no archive".to_owned() };
        let report = verify(&archive, world.policy.text(), Options::default());
        let same = before.as_deref() == Some(data);
        assert_eq!(report.verdict == Verdict::Proven, same, "{}", report.text(Lang::En));
        assert_eq!(report.text(Lang::En).lines().count(), report.text(Lang::Zh).lines().count());
        let failed = report.checks.iter().filter(|check| check.outcome == Outcome::Failed);
        let said = failed.flat_map(|check| check.findings.iter().map(|found| found.problem.as_str()));
        said.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    });
}

#[test]
fn a_path_of_an_entry_that_is_read_is_the_one_that_was_written() {
    let entries = World::new().signed_bundle().registries.into_values().flat_map(|registry| registry.entries);
    let mut fuzz = Fuzz::new(FOLDER, "entry-path").tokens(["update ", "index ", "handoff-registry-path/1\n", "=\n"]);
    for (entry, at) in entries.zip(0..) {
        fuzz = fuzz.seed(format!("path {at}"), entry.write_path());
    }
    fuzz.runs(20_000).run(|bytes| match Shown::read(b"", bytes) {
        Ok(shown) => {
            assert_eq!(shown.write_path(), bytes, "another spelling of one path was read");
            format!("{} hashes", shown.path.len())
        }
        Err(error) => error.expected.to_owned(),
    });
}

#[test]
fn the_event_of_an_update_is_read_without_a_panic() {
    let world = World::new();
    let org = crate::sample::story::org("A");
    let bytes = world.update(&org, 1, event::FIRST_PREV);
    let fuzz = Fuzz::new(FOLDER, "registry-event").tokens(["\"body\":{", "\"sigs\":[", "registry_updated"]);
    fuzz.seed("an update", bytes).runs(20_000).run(|bytes| match read_update(bytes) {
        Some(read) => format!("an update {}", read.seq.min(2)),
        None => "refused".to_owned(),
    });
}

#[test]
fn a_name_that_is_read_is_the_one_that_was_written() {
    let names = World::new().signed_bundle().files().unwrap().into_keys();
    let mut fuzz = Fuzz::new(FOLDER, "bundle-name").tokens(["0001", "0000", ".json", "/", "..", "policy/"]);
    for name in names {
        fuzz = fuzz.seed(name.clone(), name);
    }
    fuzz.runs(20_000).run(|bytes| {
        let Ok(name) = str::from_utf8(bytes) else { return "not text".to_owned() };
        match Slot::of(name) {
            Some(slot) => {
                assert_eq!(slot.to_string(), name);
                format!("{slot:?}").split(['(', '"']).next().unwrap_or_default().to_owned()
            }
            None => "refused".to_owned(),
        }
    });
}
