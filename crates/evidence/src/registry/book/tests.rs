use super::*;
use crate::policy::RegistrarKey;
use crate::policy::tests::{org, policy, seed};
use crate::registry::tests::{LOG, device, passkey};
use handoff_domain::ids::OfficerId;

fn bytes(entries: &[Entry]) -> Vec<Vec<u8>> {
    entries.iter().map(|entry| entry.write().unwrap()).collect()
}

/// The update that signs a registry as it is.
fn signed(book: &Book, registrars: &[&str]) -> Update {
    let state = book.state().unwrap();
    let (count, root, version) = (state.count(), state.root(), book.version());
    let mut update = Update { count, log: LOG.to_owned(), org: org("A"), root, sigs: Vec::new(), version };
    for name in registrars {
        update.sign(&RegistrarKey::from_seed(&seed(&format!("registrar {name}")))).unwrap();
    }
    update
}

fn revoked(entry: Entry) -> Entry {
    Entry { status: Status::Revoked, ..entry }
}

#[test]
fn an_update_gives_the_next_registry_and_leaves_the_one_before() {
    let (one, two) = (device("officer 1"), passkey("officer 2"));
    let empty = Book::default();
    let first = empty.with(1, &bytes(std::slice::from_ref(&one))).unwrap();
    let update = signed(&first, &["A1", "A2"]);
    assert_eq!(empty.next(&update, &bytes(std::slice::from_ref(&one)), &policy(), LOG).unwrap(), first);
    let changed = bytes(&[two.clone(), revoked(one.clone())]);
    let second = first.with(2, &changed).unwrap();
    assert_eq!(first.next(&signed(&second, &["A2", "A3"]), &changed, &policy(), LOG).unwrap(), second);
    assert_eq!((second.version(), second.entries().count()), (2, 2));
    assert_eq!(second.entry(&one.kid).unwrap().status, Status::Revoked);
    assert_eq!((first.version(), first.entry(&one.kid), first.entry(&two.kid)), (1, Some(&one), None));
    let all: Vec<_> = second.entries().cloned().collect();
    assert_eq!(Book::of(2, &bytes(&all)).unwrap(), second, "given out whole, it is the same");
}

#[test]
fn an_update_changes_something_once_and_follows_on_the_last() {
    let one = bytes(&[device("officer 1")]);
    let book = Book::default().with(1, &one).unwrap();
    for found in [0, 1, 3, u64::MAX] {
        assert_eq!(book.with(found, &one), Err(BookError::Version { wanted: 2, found }));
    }
    assert_eq!(book.with(2, &bytes(&[])), Err(BookError::Changed));
    let many: Vec<_> = (0..=CHANGED_MAX).map(|number| device(&format!("officer {number}"))).collect();
    assert_eq!(Book::default().with(1, &bytes(&many)), Err(BookError::Changed));
    assert!(Book::default().with(1, &bytes(&many[1..])).is_ok());
    let twice = [one.clone(), one.clone()].concat();
    assert!(matches!(book.with(2, &twice), Err(BookError::Twice(_))));
    let unreadable = [one[0].clone(), b"{}".to_vec()];
    assert!(matches!(Book::default().with(1, &unreadable), Err(BookError::Entry { number: 2, .. })));
}

#[test]
fn a_key_never_changes_hands_and_what_is_revoked_stays_so() {
    let one = device("officer 1");
    let book = Book::default().with(1, &bytes(std::slice::from_ref(&one))).unwrap();
    let other = Entry { officer: OfficerId::new("somebody").unwrap(), ..one.clone() };
    assert_eq!(book.with(2, &bytes(&[other])), Err(BookError::Reassigned(one.kid.clone())));
    let gone = book.with(2, &bytes(&[revoked(one.clone())])).unwrap();
    assert_eq!(gone.with(3, &bytes(std::slice::from_ref(&one))), Err(BookError::Revoked(one.kid.clone())));
    // A doubt may be added later.
    let doubted = Entry { compromised_since: Some(handoff_domain::time::Millis(5)), ..revoked(one) };
    assert!(gone.with(3, &bytes(&[doubted])).is_ok());
}

#[test]
fn registrars_sign_these_entries_and_no_others() {
    let one = bytes(&[device("officer 1")]);
    let (book, other) = (Book::default().with(1, &one).unwrap(), bytes(&[device("officer 2")]));
    let good = signed(&book, &["A1", "A2"]);
    let next = |update: &Update, entries: &[Vec<u8>]| Book::default().next(update, entries, &policy(), LOG);
    assert_eq!(next(&good, &other), Err(BookError::Root));
    assert_eq!(next(&Update { count: 2, ..good.clone() }, &one), Err(BookError::Root));
    assert!(matches!(next(&signed(&book, &["A1"]), &one), Err(BookError::Update(UpdateError::TooFew { .. }))));
    let elsewhere = Book::default().next(&good, &one, &policy(), "another log");
    assert_eq!(elsewhere, Err(BookError::Update(UpdateError::OtherLog)), "what was revoked since would be back there");
    assert!(matches!(next(&Update { org: org("B"), ..good }, &one), Err(BookError::Update(_))));
}

/// One key, one role (evidence, 7): a registrar's own key signs no transfer.
#[test]
fn a_key_with_a_role_in_the_policy_is_not_enrolled() {
    let key = device("registrar A1");
    let book = Book::default().with(1, &bytes(std::slice::from_ref(&key))).unwrap();
    let found = Book::default().next(&signed(&book, &["A1", "A2"]), &bytes(std::slice::from_ref(&key)), &policy(), LOG);
    assert_eq!(found, Err(BookError::Role(key.kid)));
}

#[test]
fn a_book_is_rebuilt_from_all_its_entries() {
    let bytes = [device("one"), passkey("two")].map(|entry| entry.write().unwrap());
    let book = Book::default().with(1, &bytes).unwrap();
    assert_eq!(Book::of(1, &bytes).as_ref(), Ok(&book));
    let [one, two] = bytes;
    assert_eq!(Book::of(1, &[&two, &one]), Ok(book));
    let none: [&[u8]; 0] = [];
    assert_eq!(Book::of(0, &none), Ok(Book::default()));
    assert_eq!(Book::of(1, &none), Err(BookError::Changed), "an update changes something");
    assert_eq!(Book::of(0, &[&one]), Err(BookError::Changed), "nothing is enrolled before the first update");
    assert_eq!(Book::of(1, &vec![&one; CHANGED_MAX + 1]), Err(BookError::Changed));
    assert_eq!(Book::of(2, &[&one, &one]), Err(BookError::Twice(device("one").kid)));
    assert!(matches!(Book::of(1, &[b"{}"]), Err(BookError::Entry { number: 1, .. })));
}
