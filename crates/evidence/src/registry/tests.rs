use super::*;
use crate::merkle::{leaf_hash, node_hash};
use crate::policy::RegistrarKey;
use crate::policy::tests::{org, policy, public, seed};
use crate::sample::Draw;
use crate::signoff::PublicKey;
use handoff_domain::caller::Role;
use handoff_domain::ids::{Digest, OfficerId, StationId};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Salt, b64url};
use p256::ecdsa::SigningKey;
use sha2::{Digest as _, Sha256};

/// The log that these updates are for.
pub(crate) const LOG: &str = "sigsum.org/v1/tree/of-these-tests";

/// SPKI of the Ed25519 key of that seed.
pub(crate) fn ed25519_spki(name: &str) -> Vec<u8> {
    [&[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00], &public(name)[..]].concat()
}

/// The P-256 key of that seed.
pub(crate) fn p256_key(name: &str) -> SigningKey {
    SigningKey::from_slice(&seed(name)).unwrap()
}

/// Its SPKI, uncompressed.
pub(crate) fn p256_spki(name: &str) -> Vec<u8> {
    let header = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    [&header[..], p256_key(name).verifying_key().to_sec1_point(false).as_bytes()].concat()
}

fn entry(spki: &[u8], level: Level) -> Entry {
    let (officer, station) = (OfficerId::new("a-7f3c").unwrap(), StationId::new("A-01").unwrap());
    let key = PublicKey::from_spki(spki).unwrap();
    Entry { level, ..Entry::of_device(&key, officer, station, vec![Role::DutyOfficer], Salt([0x44; 16])) }
}

pub(crate) fn device(name: &str) -> Entry {
    entry(&ed25519_spki(name), Level::Device)
}

pub(crate) fn passkey(name: &str) -> Entry {
    let mut entry = entry(&p256_spki(name), Level::Passkey);
    entry.origins = vec!["https://a01.station-a.example".to_owned(), "https://a01.station-a.example:8443".to_owned()];
    entry.rp = Some("a01.station-a.example".to_owned());
    entry
}

#[test]
fn an_entry_is_these_bytes() {
    let (device, passkey) = (device("officer"), passkey("officer"));
    let spki = ed25519_spki("officer");
    let kid = crate::lines::hex(&Sha256::digest(&spki));
    let expected = format!(
        "{{\"alg\":\"Ed25519\",\"key\":\"{}\",\"kid\":\"{kid}\",\"kind\":\"signoff\",\"level\":\"device\",\
         \"officer\":\"a-7f3c\",\"roles\":[\"duty_officer\"],\"salt\":\"RERERERERERERERERERERA\",\
         \"station\":\"A-01\",\"status\":\"active\"}}",
        b64url(&spki)
    );
    assert_eq!(String::from_utf8(device.write().unwrap()).unwrap(), expected);
    assert_eq!(Entry::read(expected.as_bytes()), Ok(device));
    let bytes = passkey.write().unwrap();
    let text = std::str::from_utf8(&bytes).unwrap();
    assert!(text.contains("\"origins\":[\"https://a01.station-a.example\",\"https://a01.station-a.example:8443\"]"));
    assert!(text.contains("\"rp\":\"a01.station-a.example\""));
    assert_eq!(Entry::read(&bytes), Ok(passkey));
}

#[test]
fn every_optional_member_reads_back() {
    let mut full = passkey("officer");
    full.be = true;
    full.status = Status::Revoked;
    full.compromised_since = Some(Millis(1_795_435_200_000));
    full.held_by = Label::new("card 7");
    full.roles = vec![Role::DutyOfficer, Role::Supervisor];
    assert_eq!(Entry::read(&full.write().unwrap()), Ok(full));
    let mut es256_device = entry(&p256_spki("officer"), Level::Device);
    es256_device.held_by = Label::new("dispatch client 2");
    assert_eq!(Entry::read(&es256_device.write().unwrap()), Ok(es256_device));
}

/// Each rule broken once; the writer refuses it, and so does the reader of the bytes it would be.
#[test]
fn every_broken_rule_of_an_entry_is_named() {
    type Edit = fn(&mut Entry);
    let both: [(Edit, EntryError); 11] = [
        (|entry| entry.key.push('='), EntryError::Encoding),
        (|entry| entry.key.truncate(8), EntryError::Key(crate::signoff::SpkiFault::Form)),
        (|entry| entry.kid = entry.kid.to_uppercase(), EntryError::Kid),
        (|entry| entry.kid = "00".repeat(32), EntryError::Kid),
        (|entry| entry.key = b64url(&ed25519_spki("other")), EntryError::Kid),
        (|entry| entry.level = Level::Attested, EntryError::Level),
        (|entry| entry.roles.clear(), EntryError::NoRole),
        (|entry| entry.roles = vec![Role::DutyOfficer, Role::DutyOfficer], EntryError::Order("roles")),
        (|entry| entry.roles = vec![Role::Supervisor, Role::DutyOfficer], EntryError::Order("roles")),
        (|entry| entry.compromised_since = Some(Millis(0)), EntryError::Compromised),
        (|entry| entry.alg = if entry.alg == Alg::Ed25519 { Alg::Es256 } else { Alg::Ed25519 }, EntryError::Alg),
    ];
    let device_only: [(Edit, EntryError); 4] = [
        (|entry| entry.be = true, EntryError::Passkey("be")),
        (|entry| entry.origins = vec!["https://a.example".into()], EntryError::Passkey("origins")),
        (|entry| entry.rp = Some("a.example".into()), EntryError::Passkey("rp")),
        (|entry| entry.level = Level::Passkey, EntryError::Passkey("alg")),
    ];
    let origin = |text: &str| EntryError::Origin(text.to_owned());
    let passkey_only: [(Edit, EntryError); 9] = [
        (|entry| entry.level = Level::Device, EntryError::Passkey("origins")),
        (|entry| entry.rp = None, EntryError::Passkey("rp")),
        (|entry| entry.rp = Some("A01.station-a.example".into()), EntryError::Rp),
        (|entry| entry.rp = Some(String::new()), EntryError::Rp),
        (|entry| entry.rp = Some("b01.station-a.example".into()), origin("https://a01.station-a.example")),
        (|entry| entry.origins.clear(), EntryError::Passkey("origins")),
        (|entry| entry.origins.reverse(), EntryError::Order("origins")),
        (|entry| entry.origins[1] = entry.origins[0].clone(), EntryError::Order("origins")),
        (|entry| entry.origins[0].push('/'), origin("https://a01.station-a.example/")),
    ];
    let check = |base: Entry, edit: Edit, error: &EntryError| {
        let mut bad = base;
        edit(&mut bad);
        assert_eq!(bad.write().as_ref(), Err(error));
        let node = handoff_domain::node::ToNode::to_node(&bad).unwrap();
        assert_eq!(Entry::read(&crate::json::write(&node).unwrap()).as_ref(), Err(error));
    };
    both.iter().for_each(|(edit, error)| check(device("officer"), *edit, error));
    check(passkey("officer"), |entry| entry.key = b64url(&p256_spki("other")), &EntryError::Kid);
    device_only.iter().for_each(|(edit, error)| check(device("officer"), *edit, error));
    passkey_only.iter().for_each(|(edit, error)| check(passkey("officer"), *edit, error));
}

#[test]
fn an_origin_is_spelled_as_browsers_spell_it_and_lies_at_or_below_the_rp_id() {
    let answer = |rp: &str, origin: &str| {
        let mut entry = passkey("officer");
        (entry.rp, entry.origins) = (Some(rp.to_owned()), vec![origin.to_owned()]);
        entry.write().is_ok()
    };
    let good = [
        ("a.example", "https://a.example"),
        ("a.example", "https://a.example:8443"),
        ("a.example", "https://a.example:80"),
        ("a.example", "https://desk.a.example"),
        ("localhost", "http://localhost:8080"),
        ("localhost", "http://localhost"),
        ("localhost", "https://localhost:9"),
        ("xn--fiq.example", "https://xn--fiq.example"),
    ];
    for (rp, origin) in good {
        assert!(answer(rp, origin), "{rp} {origin}");
    }
    let bad = [
        ("a.example", "http://a.example"),
        ("a.example", "a.example"),
        ("a.example", "https://"),
        ("a.example", "https://a.example:443"),
        ("a.example", "https://a.example:0"),
        ("a.example", "https://a.example:08443"),
        ("a.example", "https://a.example:+1"),
        ("a.example", "https://a.example:65536"),
        ("a.example", "https://a.example:"),
        ("a.example", "https://a.example/"),
        ("a.example", "https://A.example"),
        ("a.example", "https://user@a.example"),
        ("a.example", "https://ba.example"),
        ("a.example", "https://.a.example"),
        ("a.example", "https://a.example.evil"),
        ("a.example", "https://example"),
        ("a.example", "https://a.example "),
        ("localhost", "http://localhost:80"),
        ("-a.example", "https://-a.example"),
        ("a..example", "https://a..example"),
        ("甲.example", "https://甲.example"),
    ];
    for (rp, origin) in bad {
        assert!(!answer(rp, origin), "{rp} {origin}");
    }
}

#[test]
fn bytes_that_are_no_entry_are_refused() {
    let good = String::from_utf8(device("officer").write().unwrap()).unwrap();
    let edits = [
        ("{\"alg\"", "{ \"alg\""),
        ("\"kind\":\"signoff\"", "\"kind\":\"submit\""),
        ("\"status\":\"active\"", "\"status\":\"Active\""),
        ("\"status\":\"active\"", "\"status\":\"active\",\"x\":1"),
        ("\"status\":\"active\"", "\"status\":\"active\",\"status\":\"active\""),
        (",\"status\":\"active\"", ""),
        ("\"alg\":\"Ed25519\"", "\"alg\":\"EdDSA\""),
        ("\"alg\":\"Ed25519\"", "\"alg\":\"Ed25519\",\"be\":false"),
        ("\"roles\":[\"duty_officer\"]", "\"roles\":[]"),
        ("\"salt\":\"R", "\"salt\":\"RR"),
    ];
    for (from, to) in edits {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(matches!(Entry::read(bad.as_bytes()), Err(EntryError::Profile(_) | EntryError::Shape(_))), "{bad}");
    }
    let at = |wanted: usize| Entry::read(&good.as_bytes()[..wanted]).is_err();
    assert!((0..good.len()).all(at), "cut anywhere");
}

fn state(count: u64) -> State {
    State::new((0..count).map(|at| device(&format!("officer {at}"))).collect()).unwrap()
}

#[test]
fn the_root_is_the_one_of_the_definition() {
    assert_eq!(state(0).root(), Digest(Sha256::digest([]).into()));
    let leaves: Vec<_> = state(3).entries().iter().map(|entry| leaf_hash(&entry.write().unwrap())).collect();
    assert_eq!(state(3).root().0, node_hash(&node_hash(&leaves[0], &leaves[1]), &leaves[2]));
    assert_eq!(state(1).root().0, leaf_hash(&state(1).entries()[0].write().unwrap()));
    // The log's own tree is a second implementation.
    for count in 0..40 {
        let state = state(count);
        let mut edge = crate::merkle::Edge::new();
        for entry in state.entries() {
            edge.push(leaf_hash(&entry.write().unwrap()));
        }
        assert_eq!((state.count(), state.root().0), (count, edge.root()), "{count} entries");
    }
}

#[test]
fn entries_stand_in_order_of_their_ids_whatever_order_they_come_in() {
    let sorted = state(9);
    assert!(sorted.entries().is_sorted_by(|a, b| a.kid < b.kid));
    let mut shuffled = sorted.entries().to_vec();
    shuffled.rotate_left(4);
    shuffled.swap(0, 3);
    assert_eq!(State::new(shuffled.clone()).unwrap(), sorted);
    let mut again = shuffled[2].clone();
    again.status = Status::Revoked;
    shuffled.push(again.clone());
    assert_eq!(State::new(shuffled), Err(StateError::Twice(again.kid)), "one key has one status");
    let mut bad = device("officer");
    bad.roles.clear();
    let kid = bad.kid.clone();
    assert_eq!(State::new(vec![bad]), Err(StateError::Entry { kid, source: EntryError::NoRole }));
}

#[test]
fn each_entry_is_proven_at_its_place_and_nowhere_else() {
    for count in [1, 2, 3, 7, 8, 9, 17] {
        let (state, root) = (state(count), state(count).root());
        let shown: Vec<_> = state.entries().iter().map(|entry| entry.write().unwrap()).collect();
        for (at, entry) in state.entries().iter().enumerate() {
            let (index, path) = state.path(&entry.kid).unwrap();
            assert_eq!(index, at as u64);
            assert_eq!(verify_path(&shown[at], index, count, &path, &root).as_ref(), Ok(entry));
            let proves = |bytes: &[u8], index, count, path: &[_], root: &Digest| {
                verify_path(bytes, index, count, path, root).is_ok()
            };
            for other in 0..=count {
                assert!(other == index || !proves(&shown[at], other, count, &path, &root), "at {other}");
            }
            for (other, bytes) in shown.iter().enumerate() {
                assert!(other == at || !proves(bytes, index, count, &path, &root), "entry {other}");
            }
            for step in 0..path.len() {
                let mut wrong = path.clone();
                wrong[step][0] ^= 1;
                assert!(!proves(&shown[at], index, count, &wrong, &root));
            }
            let longer = [&path[..], &[[0; 32]]].concat();
            assert!(!proves(&shown[at], index, count, &longer, &root));
            assert!(path.is_empty() || !proves(&shown[at], index, count, &path[1..], &root));
            assert!(!proves(&shown[at], index, count, &path, &Digest([0; 32])));
            let mut revoked = entry.clone();
            revoked.status = Status::Revoked;
            assert!(!proves(&revoked.write().unwrap(), index, count, &path, &root));
        }
        assert_eq!(state.path("00"), Err(StateError::Unknown("00".to_owned())));
    }
    let spaced = [&b" "[..], &device("officer 0").write().unwrap()].concat();
    assert!(matches!(verify_path(&spaced, 0, 1, &[], &state(1).root()), Err(StateError::Shown(_))));
}

fn registrar(name: &str) -> RegistrarKey {
    RegistrarKey::from_seed(&seed(&format!("registrar {name}")))
}

fn update(version: u64, keys: &[&str]) -> Update {
    let state = state(version);
    let mut update = Update {
        count: state.count(),
        log: LOG.to_owned(),
        org: org("A"),
        root: state.root(),
        sigs: Vec::new(),
        version,
    };
    for key in keys {
        update.sign(&registrar(key)).unwrap();
    }
    update
}

#[test]
fn registrars_sign_the_body_without_their_signatures() {
    let update = update(3, &["A1", "A2"]);
    let body = format!("{{\"count\":3,\"log\":\"{LOG}\",\"org\":\"A\",\"root\":\"{}\",\"version\":3}}", update.root);
    assert_eq!(update.digest().unwrap(), Digest(Sha256::digest(body).into()));
    let bytes = update.write().unwrap();
    let keys: Vec<&str> = update.sigs.iter().map(|sig| sig.key.as_str()).collect();
    assert!(keys.is_sorted());
    let sigs = update.sigs.iter().map(|sig| format!("{{\"key\":\"{}\",\"sig\":\"{}\"}}", sig.key, sig.sig));
    let sigs: Vec<_> = sigs.collect();
    let expected = format!(
        "{{\"count\":3,\"log\":\"{LOG}\",\"org\":\"A\",\"root\":\"{}\",\"sigs\":[{}],\"version\":3}}",
        update.root,
        sigs.join(",")
    );
    assert_eq!(String::from_utf8(bytes.clone()).unwrap(), expected);
    assert_eq!(Update::read(&bytes), Ok(update));
}

#[test]
fn two_registrars_of_the_organisation_make_an_update() {
    for keys in [&["A1", "A2"][..], &["A3", "A1"], &["A1", "A2", "A3"]] {
        assert_eq!(update(3, keys).verify(&policy(), LOG), Ok(()), "{keys:?}");
    }
}

/// Each rule broken once.
#[test]
fn every_broken_rule_of_an_update_is_named() {
    let too_few = |signed| Err(UpdateError::TooFew { signed, needed: 2 });
    assert_eq!(update(3, &[]).verify(&policy(), LOG), too_few(0));
    assert_eq!(update(3, &["A1"]).verify(&policy(), LOG), too_few(1));
    assert_eq!(update(0, &["A1", "A2"]).verify(&policy(), LOG), Err(UpdateError::Version));
    let strangers = update(3, &["B1", "B2"]).verify(&policy(), LOG);
    assert_eq!(strangers, Err(UpdateError::Stranger(1)), "registrars of the other side");
    let with = |edit: &dyn Fn(&mut Update)| {
        let mut update = update(3, &["A1", "A2"]);
        edit(&mut update);
        update.verify(&policy(), LOG)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|update| update.count = 4), Err(UpdateError::Signature(1)));
    assert_eq!(with(&|update| update.version = 4), Err(UpdateError::Signature(1)));
    assert_eq!(with(&|update| update.root = Digest([0; 32])), Err(UpdateError::Signature(1)));
    assert_eq!(with(&|update| update.org = org("B")), Err(UpdateError::Stranger(1)));
    assert_eq!(with(&|update| update.org = org("C")), Err(UpdateError::NoRegistrars(org("C"))));
    assert_eq!(with(&|update| update.sigs[1] = update.sigs[0].clone()), Err(UpdateError::Order(2)));
    assert_eq!(with(&|update| update.sigs.swap(0, 1)), Err(UpdateError::Order(2)));
    assert_eq!(with(&|update| update.sigs[1].sig.push('=')), Err(UpdateError::Spelling(2)));
    assert_eq!(with(&|update| update.sigs[1].sig.truncate(84)), Err(UpdateError::Spelling(2)));
    assert_eq!(with(&|update| update.sigs[0].key.make_ascii_uppercase()), Err(UpdateError::Spelling(1)));
    assert_eq!(with(&|update| update.sigs[1].sig = update.sigs[0].sig.clone()), Err(UpdateError::Signature(2)));
    // One bad signature among enough good ones is not passed over.
    let mut three = update(3, &["A1", "A2", "A3"]);
    three.sigs[2].sig = three.sigs[0].sig.clone();
    assert_eq!(three.verify(&policy(), LOG), Err(UpdateError::Signature(3)));
    let recorder = RegistrarKey::from_seed(&seed("recA"));
    let mut by_recorder = update(3, &["A1"]);
    by_recorder.sign(&recorder).unwrap();
    assert!(
        matches!(by_recorder.verify(&policy(), LOG), Err(UpdateError::Stranger(_))),
        "another role is no registrar"
    );
    let mut resigned = update(3, &["A1", "A2"]);
    resigned.sign(&registrar("A1")).unwrap();
    assert_eq!(resigned, update(3, &["A1", "A2"]));
    let too_large = Update { count: u64::MAX, ..update(3, &[]) };
    assert!(matches!(too_large.verify(&policy(), LOG), Err(UpdateError::Write(_))));
}

#[test]
fn bytes_that_are_no_update_are_refused() {
    let good = String::from_utf8(update(3, &["A1", "A2"]).write().unwrap()).unwrap();
    for (from, to) in [
        ("\"count\":3", "\"count\":3.0"),
        ("\"count\":3", "\"count\":\"3\""),
        ("\"count\":3,", ""),
        ("\"version\":3", "\"version\":3,\"x\":1"),
        ("\"sigs\":[", "\"sigs\":[],\"sigz\":["),
        ("{\"key\"", "{\"kid\":\"\",\"key\""),
    ] {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        assert!(matches!(Update::read(bad.as_bytes()), Err(UpdateError::Profile(_) | UpdateError::Shape(_))), "{bad}");
    }
}

/// Entries of any shape, for properties and fuzzing.
pub(crate) fn any_entry(draw: &mut Draw, at: u64) -> Entry {
    let name = format!("any {at}");
    let mut entry = match draw.below(3) {
        0 => device(&name),
        1 => entry(&p256_spki(&name), Level::Device),
        _ => passkey(&name),
    };
    entry.be = entry.level == Level::Passkey && draw.below(2) == 0;
    if draw.below(2) == 0 {
        entry.status = Status::Revoked;
        entry.compromised_since = (draw.below(2) == 0).then_some(Millis(1_795_435_200_000));
    }
    if draw.below(2) == 0 {
        entry.held_by = Label::new(&draw.text(40).replace(char::is_control, "x"));
    }
    entry
}

#[test]
fn an_entry_of_any_shape_reads_back() {
    let mut draw = Draw::new(3);
    for at in 0..200 {
        let entry = any_entry(&mut draw, at);
        assert_eq!(Entry::read(&entry.write().unwrap()), Ok(entry));
    }
}
