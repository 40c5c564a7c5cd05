//! The event schema as the domain's source states it: every path of every event type, found by reading the records.
//! A field added there is found here without anybody remembering to.

use handoff_domain::event::Body;
use std::collections::{BTreeMap, BTreeSet};

const SOURCES: [&str; 7] = [
    include_str!("../../../domain/src/event/incident.rs"),
    include_str!("../../../domain/src/event/handoff.rs"),
    include_str!("../../../domain/src/event/directory.rs"),
    include_str!("../../../domain/src/form.rs"),
    include_str!("../../../domain/src/values.rs"),
    include_str!("../../../domain/src/ids.rs"),
    include_str!("../../../domain/src/caller.rs"),
];
const TYPES: &str = include_str!("../../../domain/src/event.rs");

/// Paths of each event type, `*` for list positions and timers' names; `true` for sealed ones.
pub(super) fn paths() -> BTreeMap<&'static str, BTreeMap<String, bool>> {
    let records = records();
    let mut types = BTreeMap::new();
    for line in TYPES.lines() {
        let Some((name, record)) = line.trim().strip_prefix('"').and_then(|line| line.split_once("\" => ")) else {
            continue;
        };
        let record = record.trim_end_matches(',');
        let Some(known) = Body::TYPES.iter().find(|known| **known == name) else { continue };
        let mut found = BTreeMap::new();
        expand(&records, record, "", &mut found);
        types.insert(*known, found);
    }
    assert_eq!(types.len(), Body::TYPES.len(), "every event type has a record in the source");
    types
}

/// Every path a sealed value can have.
pub(super) fn sealed() -> BTreeSet<String> {
    let all = paths().into_values().flatten();
    all.filter(|(_, is_sealed)| *is_sealed).map(|(path, _)| path).collect()
}

/// A path with list positions written `*`.
pub(super) fn pattern(path: &str) -> String {
    let steps = path.split('.').map(|step| if step.bytes().all(|c| c.is_ascii_digit()) { "*" } else { step });
    steps.collect::<Vec<_>>().join(".")
}

type Records = BTreeMap<&'static str, Vec<(&'static str, &'static str)>>;

fn records() -> Records {
    let mut records = Records::new();
    let mut open: Option<&'static str> = None;
    for line in SOURCES.iter().flat_map(|source| source.lines()).map(str::trim) {
        if let Some(name) = line.strip_prefix("pub struct ").and_then(|line| line.strip_suffix(" {")) {
            records.insert(name, Vec::new());
            open = Some(name);
        } else if line == "}" {
            open = None;
        } else if let (Some(record), Some(field)) = (open, line.strip_prefix("pub ")) {
            let (name, ty) = field.trim_end_matches(',').split_once(": ").expect("a field has a type");
            records.get_mut(record).unwrap().push((name, ty));
        }
    }
    records
}

fn expand(records: &Records, ty: &str, path: &str, found: &mut BTreeMap<String, bool>) {
    let inner = |ty: &str, outer: &str| -> Option<String> {
        ty.strip_prefix(outer).and_then(|ty| ty.strip_prefix('<')?.strip_suffix('>')).map(str::to_owned)
    };
    if let Some(ty) = inner(ty, "Option") {
        return expand(records, &ty, path, found);
    }
    if let Some(ty) = inner(ty, "Vec") {
        return expand(records, &ty, &format!("{path}.*"), found);
    }
    let name = ty.rsplit("::").next().unwrap();
    if name == "Timers" {
        found.insert(format!("{path}.*.*"), false);
    } else if let Some(fields) = records.get(name) {
        for (field, ty) in fields {
            let path = if path.is_empty() { (*field).to_owned() } else { format!("{path}.{field}") };
            expand(records, ty, &path, found);
        }
    } else {
        found.insert(path.to_owned(), name == "Sealed");
    }
}
