use super::*;
use crate::policy::tests::{org, parts, policy, public, registrars, seed};
use crate::policy::{Log, Parts, Range, Recorder};

fn key(name: &str) -> RegistrarKey {
    RegistrarKey::from_seed(&seed(&format!("registrar {name}")))
}

fn origin() -> String {
    crate::log::origin_of(&public("log"))
}

/// The next policy: A's third registrar is gone and the witness of B is another, from size 500 on.
fn next_parts() -> Parts {
    let mut next = parts();
    next.logs[0].sizes = Some(Range { from: 500, until: None });
    next.witnesses[1].key = public("witB2");
    next.witnesses[1].key_name = "station-b.example/witness2".to_owned();
    let (a, keys) = registrars("A", 0xa, 2, 2);
    next.registrars.insert(a, keys);
    next
}

fn succession_of(parts: &Parts) -> Succession {
    let policy_after = Policy::write(parts).unwrap();
    Succession { previous: policy().digest(), origin: origin(), from: 500, policy: policy_after }
}

fn succession() -> Succession {
    succession_of(&next_parts())
}

/// Lines of these keys, each for the organisation its name begins with.
fn signed(succession: &Succession, keys: &[&str]) -> Vec<RegistrarLine> {
    let mut lines: Vec<_> = keys.iter().map(|name| succession.sign(&org(&name[..1]), &key(name))).collect();
    lines.sort();
    lines
}

const ENOUGH: [&str; 4] = ["A1", "A3", "B1", "B2"];

#[test]
fn the_note_is_the_three_lines_the_policy_and_the_signatures() {
    let succession = succession();
    let lines = signed(&succession, &ENOUGH);
    let note = succession.note(&lines);
    let (a1, text) = (key("A1"), succession.text());
    let begins = format!("handoff-policy/1\nprevious {}\nfrom {} 500\nlog ", policy().digest(), origin());
    assert!(note.starts_with(&begins));
    assert!(note.starts_with(&format!("{text}\n\u{2014} A/registrar ")));
    let id = key_id("A/registrar", TYPE_NOTE, &a1.public());
    let line = format!("\u{2014} A/registrar {}\n", b64(&[&id[..], &a1.sign(text.as_bytes())].concat()));
    assert!(note.contains(&line));
    assert_eq!(Succession::read(&note), Ok((succession, lines)));
}

#[test]
fn both_sides_make_a_policy_follow() {
    let succession = succession();
    for keys in [&ENOUGH[..], &["A1", "A2", "B1", "B2"], &["A1", "A2", "A3", "B1", "B2"]] {
        assert_eq!(succession.verify(&policy(), &signed(&succession, keys)), Ok(()), "{keys:?}");
    }
}

#[test]
fn one_side_alone_makes_none() {
    let succession = succession();
    let too_few = |name: &str, signed| Err(SuccessionError::TooFew { org: org(name), signed, needed: 2 });
    let table = [
        (&[][..], too_few("A", 0)),
        (&["A1", "A2", "A3"], too_few("B", 0)),
        (&["A1", "A2", "A3", "B1"], too_few("B", 1)),
        (&["A1", "B1", "B2"], too_few("A", 1)),
        (&["B1", "B2"], too_few("A", 0)),
    ];
    for (keys, answer) in table {
        assert_eq!(succession.verify(&policy(), &signed(&succession, keys)), answer, "{keys:?}");
    }
}

#[test]
fn a_line_counts_once_and_is_by_a_registrar_of_its_organisation() {
    let succession = succession();
    let lines = signed(&succession, &["A1", "A2", "B1", "B2"]);
    let with = |edit: &dyn Fn(&mut Vec<RegistrarLine>)| {
        let mut lines = lines.clone();
        edit(&mut lines);
        succession.verify(&policy(), &lines)
    };
    assert_eq!(with(&|_| ()), Ok(()));
    assert_eq!(with(&|lines| lines.insert(1, lines[0].clone())), Err(SuccessionError::Order(2)));
    assert_eq!(with(&|lines| lines[1] = lines[0].clone()), Err(SuccessionError::Order(2)));
    assert_eq!(with(&|lines| lines.swap(0, 1)), Err(SuccessionError::Order(2)));
    assert_eq!(with(&|lines| lines.swap(1, 2)), Err(SuccessionError::Order(3)));
    assert_eq!(with(&|lines| lines[3].signature[0] ^= 1), Err(SuccessionError::Signature(4)));
    assert_eq!(with(&|lines| lines[2].id = [0; 4]), Err(SuccessionError::Stranger(3)));
    assert_eq!(with(&|lines| lines.push(succession.sign(&org("C"), &key("C1")))), Err(SuccessionError::Stranger(5)));
    let foreign = [succession.sign(&org("A"), &key("B1")), succession.sign(&org("A"), &key("C1"))];
    for line in foreign {
        let mut lines = vec![line];
        lines.extend(signed(&succession, &["B1", "B2"]));
        assert_eq!(succession.verify(&policy(), &lines), Err(SuccessionError::Stranger(1)));
    }
    // Two lines over another text: one under the earlier size, one of another policy.
    let other = Succession { from: 499, ..succession.clone() };
    let mixed: Vec<_> = signed(&other, &["A1", "A2"]).into_iter().chain(signed(&succession, &["B1", "B2"])).collect();
    assert_eq!(succession.verify(&policy(), &mixed), Err(SuccessionError::Signature(1)));
}

#[test]
fn a_policy_follows_one_policy_from_one_size() {
    let verify = |succession: &Succession, before: &Policy| {
        succession.verify(before, &signed(succession, &["A1", "A2", "B1", "B2"]))
    };
    let good = succession();
    let another = Policy::read(&format!("# another\n{}", policy().text())).unwrap();
    assert_eq!(verify(&good, &another), Err(SuccessionError::Previous(policy().digest())));
    let from = Err(SuccessionError::From(origin()));
    assert_eq!(verify(&Succession { from: 501, ..good.clone() }, &policy()), from);
    let mut open = next_parts();
    open.logs[0].sizes = None;
    assert_eq!(verify(&Succession { from: 0, ..succession_of(&open) }, &policy()), from, "it must say from where");
    let elsewhere = crate::log::origin_of(&public("another log"));
    let unlisted = Succession { origin: elsewhere.clone(), ..good.clone() };
    assert_eq!(verify(&unlisted, &policy()), Err(SuccessionError::From(elsewhere.clone())));
    let mut same = next_parts();
    same.logs[0].sizes = Some(Range::ALL);
    let same = Succession { from: 0, ..succession_of(&same) };
    assert_eq!(verify(&same, &policy()), Err(SuccessionError::Backwards(origin())), "it would rule from the start");
    // Beside the log it begins in, another log of both may begin no earlier than before.
    let mut before = parts();
    before.logs.push(Log { key: public("another log"), url: None, sizes: Some(Range { from: 30, until: None }) });
    let before = Policy::write(&before).unwrap();
    for (earlier, answer) in [(29, Err(SuccessionError::Backwards(elsewhere))), (30, Ok(())), (31, Ok(()))] {
        let mut next = next_parts();
        next.logs.push(Log {
            key: public("another log"),
            url: None,
            sizes: Some(Range { from: earlier, until: None }),
        });
        let next = Succession { previous: before.digest(), ..succession_of(&next) };
        assert_eq!(verify(&next, &before), answer, "{earlier}");
    }
}

#[test]
fn nobody_follows_a_policy_without_registrars() {
    let alone = Policy::write(&Parts { registrars: BTreeMap::new(), ..parts() }).unwrap();
    let next = Succession { previous: alone.digest(), ..succession() };
    assert_eq!(next.verify(&alone, &signed(&next, &ENOUGH)), Err(SuccessionError::NoRegistrars));
}

#[test]
fn a_key_keeps_its_role_and_name() {
    let mut other_name = next_parts();
    other_name.witnesses[0].key_name = "station-a.example/other".to_owned();
    let mut recorder_of_b = next_parts();
    recorder_of_b.recorders.retain(|recorder| recorder.key != public("recA2"));
    recorder_of_b.recorders.push(Recorder { org: org("C"), key: public("recA2"), indices: Range::ALL });
    let mut registrar_as_witness = next_parts();
    registrar_as_witness.witnesses[1].key = key("A3").public();
    for parts in [other_name, recorder_of_b, registrar_as_witness] {
        let next = succession_of(&parts);
        let answer = next.verify(&policy(), &signed(&next, &ENOUGH));
        assert!(matches!(answer, Err(SuccessionError::RoleChanged { .. })), "{answer:?}");
    }
}

#[test]
fn the_chain_knows_which_policy_rules_a_size() {
    let mut chain = Chain::new(policy());
    let first = succession();
    chain.extend(&first.note(&signed(&first, &ENOUGH))).unwrap();
    // Third: the log ends at 900, and a new one begins. A3 is no registrar any more.
    let mut third = next_parts();
    third.logs[0].sizes = Some(Range { from: 800, until: Some(900) });
    third.logs.push(Log { key: public("log 2"), url: None, sizes: Some(Range::ALL) });
    let new_log = crate::log::origin_of(&public("log 2"));
    let policy_3 = Policy::write(&third).unwrap();
    let second =
        Succession { previous: first.policy.digest(), origin: new_log.clone(), from: 0, policy: policy_3.clone() };
    let stale = second.note(&signed(&second, &ENOUGH));
    let before = chain.clone();
    assert!(matches!(chain.extend(&stale), Err(SuccessionError::Stranger(_))), "by the registrars of policy 2");
    assert_eq!(chain, before, "what is refused changes nothing");
    chain.extend(&second.note(&signed(&second, &["A1", "A2", "B1", "B2"]))).unwrap();
    let ruling = |origin: &str, size| chain.ruling(origin, size).map(Policy::digest);
    let digests = [policy().digest(), first.policy.digest(), policy_3.digest()];
    for (size, which) in [(0, 0), (499, 0), (500, 1), (799, 1), (800, 2), (899, 2)] {
        assert_eq!(ruling(&origin(), size), Some(digests[which]), "{size}");
    }
    assert_eq!(ruling(&origin(), 900), None, "ended");
    assert_eq!(ruling(&new_log, 0), Some(digests[2]));
    assert_eq!(ruling("x", 0), None);
    assert_eq!(chain.ruling_event(&origin(), 498).map(Policy::digest), Some(digests[0]));
    assert_eq!(chain.ruling_event(&origin(), 499).map(Policy::digest), Some(digests[1]));
    assert_eq!(chain.ruling_event(&origin(), u64::MAX), None);
    assert_eq!(chain.newest(), &policy_3);
    assert_eq!(chain.policies().map(Policy::digest).collect::<Vec<_>>(), [digests[2], digests[1], digests[0]]);
    // A key that was dropped comes back as something else.
    let mut fourth = third;
    fourth.logs[0].sizes = Some(Range { from: 850, until: Some(900) });
    fourth.recorders.push(Recorder { org: org("D"), key: public("witB"), indices: Range::ALL });
    let back = Policy::write(&fourth).unwrap();
    let back = Succession { previous: policy_3.digest(), origin: origin(), from: 850, policy: back };
    let note = back.note(&signed(&back, &["A1", "A2", "B1", "B2"]));
    assert!(matches!(chain.extend(&note), Err(SuccessionError::RoleChanged { .. })));
}

#[test]
fn a_note_has_one_spelling() {
    let succession = succession();
    let lines = signed(&succession, &ENOUGH);
    let good = succession.note(&lines);
    let edits: [(&str, &str); 14] = [
        ("handoff-policy/1", "handoff-policy/2"),
        ("handoff-policy/1\n", ""),
        ("previous sha256:", "previous "),
        ("previous ", "previous  "),
        ("from ", "From "),
        (" 500\n", " 0500\n"),
        (" 500\n", "\n"),
        ("\n\n\u{2014}", "\n\u{2014}"),
        ("\u{2014} A", "- A"),
        ("\u{2014} A", "\u{2014}  A"),
        ("A/registrar", "A/Registrar"),
        ("A/registrar ", "A/registrar  "),
        ("A/registrar", "/registrar"),
        ("=\n\u{2014} B", "\n\u{2014} B"),
    ];
    for (from, to) in edits {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        assert!(Succession::read(&bad).is_err(), "{from:?} as {to:?}");
    }
    for bad in [good.trim_end(), &format!("{good}\n"), &format!("{good}x\n"), "", "\n\n", &succession.note(&[])] {
        assert!(Succession::read(bad).is_err(), "{bad}");
    }
}

/// With exactly the lines that are needed, no other bytes are taken.
#[test]
fn no_bit_of_a_note_can_be_flipped_and_no_line_dropped() {
    let succession = succession();
    let good = succession.note(&signed(&succession, &ENOUGH));
    let mut chain = Chain::new(policy());
    assert_eq!(chain.extend(&good), Ok(()));
    let accepts = |note: &str| Chain::new(policy()).extend(note).is_ok();
    let (start, end) = (good.find("log ").unwrap(), good.rfind("\n\n").unwrap());
    let mut tried = 0;
    for at in 0..good.len() {
        // Inside the policy two bits of each byte, one of them the case of letters: its own tests go further.
        let is_inside = (start..end).contains(&at);
        for bit in (0..8).filter(|bit| !is_inside || [0, 5].contains(bit)) {
            let mut bytes = good.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(flipped) = String::from_utf8(bytes) else { continue };
            tried += 1;
            assert!(!accepts(&flipped), "bit {bit} of byte {at}");
        }
    }
    assert!(tried > 5_000);
    let lines: Vec<&str> = good.split_inclusive('\n').collect();
    for at in 0..lines.len() {
        let without: String = [&lines[..at], &lines[at + 1..]].concat().concat();
        assert!(!accepts(&without), "without line {}", at + 1);
        let twice: String = [&lines[..=at], &lines[at..]].concat().concat();
        assert!(!accepts(&twice), "line {} twice", at + 1);
    }
}

/// Empty lines at the end of a policy stay its own.
#[test]
fn a_policy_that_ends_in_empty_lines_is_carried_as_it_is() {
    let text = format!("\n{}\n\n", Policy::write(&next_parts()).unwrap().text());
    let carried = Succession { policy: Policy::read(&text).unwrap(), ..succession() };
    let lines = signed(&carried, &ENOUGH);
    let note = carried.note(&lines);
    let (read, read_lines) = Succession::read(&note).unwrap();
    assert_eq!(read.policy.text(), text);
    assert_eq!((read, read_lines), (carried, lines));
}
