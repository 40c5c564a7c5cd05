use super::*;
use handoff_domain::caller::Role;
use handoff_domain::ids::{OfficerId, StationId};
use handoff_domain::time::Millis;
use handoff_domain::values::Salt;
use handoff_evidence::policy::RegistrarKey;
use handoff_evidence::registry::SignedUpdate as _;
use handoff_evidence::signoff::DeviceKey;

fn entry(seed: u8, officer: &str) -> Entry {
    let key = DeviceKey::ed25519(&[seed; 32]).unwrap().public();
    let (officer, station) = (OfficerId::new(officer).unwrap(), StationId::new("A-01").unwrap());
    Entry::of_device(&key, officer, station, vec![Role::DutyOfficer], Salt([seed; 16]))
}

const LOG: &str = "sigsum.org/v1/tree/of-this-test";

fn a() -> OrgId {
    OrgId::new("A").unwrap()
}

fn first() -> Draft {
    Draft::new(a(), LOG.to_owned(), Book::default(), vec![entry(1, "o-17").write().unwrap()]).unwrap()
}

#[test]
fn a_draft_reads_back_with_its_signatures() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("draft.json");
    let mut draft = first();
    draft.write_new(&file).unwrap();
    assert!(draft.write_new(&file).is_err(), "it overwrites nothing");
    draft.update.sign(&RegistrarKey::from_seed(&[7; 32])).unwrap();
    draft.write_over(&file).unwrap();
    let read = Draft::read(&file).unwrap();
    assert_eq!((&read.update, &read.after, &read.changed), (&draft.update, &draft.after, &draft.changed));
    assert_eq!(kept(&file).unwrap(), (a(), draft.after), "a draft stands for the state it makes");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

/// Whoever carries the draft cannot have another registry signed than the one that is shown.
#[test]
fn a_draft_whose_root_is_not_that_of_its_entries_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("draft.json");
    first().write_new(&file).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    let (good, other) = (b64url(&entry(1, "o-17").write().unwrap()), b64url(&entry(2, "o-18").write().unwrap()));
    let root = first().update.root.to_string();
    let edits = [
        (good, other.clone()),
        (root, Digest([0; 32]).to_string()),
        ("\"count\": 1".to_owned(), "\"count\": 2".to_owned()),
        ("\"base\": []".to_owned(), format!("\"base\": [\"{other}\"]")),
        ("\"version\": 1".to_owned(), "\"version\": 2".to_owned()),
        ("\"organisation\": \"A\"".to_owned(), "\"organisation\": \"a b\"".to_owned()),
    ];
    for (from, to) in edits {
        assert!(text.contains(&from));
        std::fs::write(&file, text.replace(&from, &to)).unwrap();
        let error = Draft::read(&file).unwrap_err();
        assert!(error.is::<Refused>(), "{from}: {error:#}");
    }
}

#[test]
fn what_changes_is_said_in_words() {
    let (book, active) = (first().after, entry(1, "o-17"));
    let kid = &active.kid;
    let key = format!("the device key {kid} (Ed25519) of officer o-17, station A-01, as duty_officer");
    assert_eq!(first().words(), [format!("ENROLS {key}")]);
    let next =
        |entry: Entry| Draft::new(a(), LOG.to_owned(), book.clone(), vec![entry.write().unwrap()]).unwrap().words();
    let since = Some(Millis(1_795_435_200_000));
    let revoked = Entry { status: Status::Revoked, compromised_since: since, ..active.clone() };
    assert_eq!(next(revoked.clone()), [format!("REVOKES {key}; in doubt since 2026-11-23T12:00:00.000Z")]);
    let more = vec![Role::DutyOfficer, Role::Supervisor];
    assert_eq!(next(Entry { roles: more.clone(), ..active }), [format!("CHANGES {key} TO {key}, supervisor")]);
    let hidden = next(Entry { roles: more, ..revoked });
    let since = "in doubt since 2026-11-23T12:00:00.000Z";
    assert_eq!(hidden, [format!("REVOKES {key}; {since}; and it becomes {key}, supervisor")]);
}
