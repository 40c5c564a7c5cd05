//! The allow-list against the schema.

use super::schema;
use crate::allow::{Who, may_see, rows, who};
use crate::view::{Recipient, RecipientKind};
use handoff_domain::event::Body;
use handoff_domain::ids::OrgId;
use std::collections::BTreeSet;

#[test]
fn somebody_has_decided_about_every_field_of_every_event() {
    let mut undecided = Vec::new();
    let mut decided = 0;
    for (type_name, paths) in schema::paths() {
        for path in paths.keys() {
            match who(type_name, path) {
                Some(_) => decided += 1,
                None => undecided.push(format!("{type_name}: {path}")),
            }
        }
    }
    assert!(undecided.is_empty(), "say in allow/table.rs who may see:\n{}", undecided.join("\n"));
    assert!(decided > 400, "only {decided} fields were found: is the schema read?");
}

#[test]
fn the_table_names_no_field_that_is_none_and_none_twice() {
    let mut faults = Vec::new();
    for (type_name, paths) in schema::paths() {
        let mut seen = BTreeSet::new();
        for (_, prefix, names) in rows(type_name).unwrap_or_default() {
            for name in *names {
                let path = if prefix.is_empty() { (*name).to_owned() } else { format!("{prefix}.{name}") };
                if !paths.contains_key(&path) {
                    faults.push(format!("{type_name} has no field {path}"));
                }
                if !seen.insert(path.clone()) {
                    faults.push(format!("{type_name}: {path} stands there twice"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn each_kind_of_reader_sees_its_part() {
    let org = |name: &str| OrgId::new(name).unwrap();
    let reader = |name: &str, kind| Recipient { org: org(name), kind };
    let (own, other) = (reader("A", RecipientKind::Party), reader("B", RecipientKind::Party));
    let (superior, auditor) = (reader("S", RecipientKind::Superior), reader("X", RecipientKind::Auditor));
    let sees = |type_name: &str, path: &str| {
        [&own, &other, &superior, &auditor].map(|reader| may_see(type_name, path, reader, &org("A")))
    };
    assert_eq!(sees("unit_reported", "unit"), [true, true, true, true]);
    assert_eq!(sees("unit_reported", "crew.0"), [true, false, false, true]);
    assert_eq!(sees("alerted", "terms.timers.decide.1"), [false, false, true, true]);
    assert_eq!(sees("received", "salt"), [false; 4]);
    assert_eq!(sees("received", "a_field_of_tomorrow"), [false; 4]);
    assert_eq!(sees("a_type_of_tomorrow", "code"), [false; 4]);
}

#[test]
fn salts_and_other_peoples_officers_are_for_nobody_and_for_their_own() {
    for (type_name, paths) in schema::paths() {
        for path in paths.keys() {
            let last = path.trim_end_matches(".*").rsplit('.').next().unwrap();
            match last {
                "salt" => assert_eq!(who(type_name, path), Some(Who::Nobody), "{type_name}: {path}"),
                // Of the actor's own side; where units of both stand in one event, for nobody.
                "crew" if type_name == "merged" => assert_eq!(who(type_name, path), Some(Who::Nobody)),
                "crew" => assert_eq!(who(type_name, path), Some(Who::Own), "{type_name}: {path}"),
                _ => {}
            }
        }
    }
    assert!(Body::TYPES.len() > 70);
}
