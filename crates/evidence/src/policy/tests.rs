use super::*;
use crate::keys::tests::SMALL_ORDER;
use crate::keys::{KeyFault, TYPE_COSIGNATURE, TYPE_NOTE, VkeyFault, vkey};
use crate::lines::hex;
use crate::log::LogKey;
use crate::note::{Checkpoint, CosignerKey, Head, HeadError, SignatureError};
use crate::sample::Draw;

/// A seed as in the design page's appendix: SHA-256 of the key's name.
pub(crate) fn seed(name: &str) -> [u8; 32] {
    Sha256::digest(name).into()
}

/// The public key of that seed.
pub(crate) fn public(name: &str) -> [u8; 32] {
    LogKey::from_seed(&seed(name)).public()
}

pub(crate) fn org(name: &str) -> OrgId {
    OrgId::new(name).unwrap()
}

pub(crate) fn registrars(name: &str, stream: u128, keys: u32, needed: u64) -> (OrgId, Registrars) {
    let keys = (1..=keys).map(|at| public(&format!("registrar {name}{at}"))).collect();
    (org(name), Registrars { stream: IncidentId(uuid::Uuid::from_u128(stream)), keys, needed })
}

/// Two stations, both witnesses needed; A has changed its recorder key at index 100.
pub(crate) fn parts() -> Parts {
    let witness = |name: &str, key_name: &str| Witness {
        name: name.to_owned(),
        key_name: key_name.to_owned(),
        key: public(&format!("wit{name}")),
        url: None,
    };
    let recorder = |name: &str, key: &str, from: u64, until: Option<u64>| Recorder {
        org: org(name),
        key: public(key),
        indices: Range { from, until },
    };
    Parts {
        logs: vec![Log { key: public("log"), url: None, sizes: None }],
        witnesses: vec![witness("A", "station-a.example/witness"), witness("B", "station-b.example/witness")],
        groups: vec![Group {
            name: "both".to_owned(),
            needs: Needs::All,
            members: vec!["A".to_owned(), "B".to_owned()],
        }],
        quorum: Some("both".to_owned()),
        recorders: vec![
            recorder("OP", "recOP", 0, None),
            recorder("A", "recA", 0, Some(100)),
            recorder("A", "recA2", 100, None),
            recorder("B", "recB", 0, None),
        ],
        registrars: [registrars("A", 0xa, 3, 2), registrars("B", 0xb, 2, 2)].into(),
    }
}

pub(crate) fn policy() -> Policy {
    Policy::write(&parts()).unwrap()
}

/// The base with some lines replaced, by their number; an empty text takes the line away.
fn edited(edits: &[(usize, &str)]) -> String {
    let base = policy();
    let lines = (1..).zip(base.text().split_inclusive('\n'));
    lines
        .map(|(at, line)| match edits.iter().find(|(number, _)| *number == at) {
            None => line.to_owned(),
            Some((_, "")) => String::new(),
            Some((_, text)) => format!("{text}\n"),
        })
        .collect()
}

const ORIGIN: &str = "sigsum.org/v1/tree/e747be1c4db119db109c095f4d8207be77d2ca3c9b6751b385a548f8e32ddc2f";

#[test]
fn the_file_of_two_stations_reads_as_written() {
    let policy = policy();
    let key = |name: &str| hex(&public(name));
    let expected = format!(
        "log {}\n\
         witness A {}\n\
         witness B {}\n\
         group both all A B\n\
         quorum both\n\
         # handoff recorder OP {} from 0\n\
         # handoff recorder A {} from 0 until 100\n\
         # handoff recorder A {} from 100\n\
         # handoff recorder B {} from 0\n\
         # handoff registry A 00000000-0000-0000-0000-00000000000a\n\
         # handoff registrar A {}\n\
         # handoff registrar A {}\n\
         # handoff registrar A {}\n\
         # handoff registrars A 2\n\
         # handoff registry B 00000000-0000-0000-0000-00000000000b\n\
         # handoff registrar B {}\n\
         # handoff registrar B {}\n\
         # handoff registrars B 2\n",
        vkey(ORIGIN, TYPE_NOTE, &public("log")),
        vkey("station-a.example/witness", TYPE_COSIGNATURE, &public("witA")),
        vkey("station-b.example/witness", TYPE_COSIGNATURE, &public("witB")),
        key("recOP"),
        key("recA"),
        key("recA2"),
        key("recB"),
        key("registrar A1"),
        key("registrar A2"),
        key("registrar A3"),
        key("registrar B1"),
        key("registrar B2"),
    );
    assert_eq!(policy.text(), expected);
    assert_eq!(policy.parts(), &parts());
    assert_eq!(policy.digest(), Digest(Sha256::digest(&expected).into()));
    let sigsum = format!(
        "log {}\nwitness A {}\nwitness B {}\ngroup both all A B\nquorum both\n",
        key("log"),
        key("witA"),
        key("witB")
    );
    assert_eq!(policy.to_sigsum(), sigsum);
}

#[test]
fn comments_and_empty_lines_change_the_digest_and_nothing_else() {
    let base = policy();
    for comment in ["", "#", "# 甲站与乙站", "#no space", "# a # inside", "# the hand off", "#\u{a0}", "  "] {
        let text = format!("{comment}\n{}{comment}\n", base.text());
        match Policy::read(&text) {
            Ok(policy) => {
                assert_eq!(policy.parts(), base.parts(), "{comment:?}");
                assert_ne!(policy.digest(), base.digest());
                assert_eq!(policy.text(), text);
            }
            Err(error) => {
                assert_eq!((comment, error), ("  ", PolicyError { line: 1, problem: Problem::Spacing }));
            }
        }
    }
}

/// Each rule broken once, everything else as in a good file: the line named, and what is said of it.
#[test]
fn every_broken_rule_of_logs_and_witnesses_is_named_with_its_line() {
    let log = vkey(ORIGIN, TYPE_NOTE, &public("log"));
    let wit = |key_name: &str, key: &str| vkey(key_name, TYPE_COSIGNATURE, &public(key));
    let other_log = public("another log");
    let misnamed = vkey(ORIGIN, TYPE_NOTE, &other_log);
    let free_name = vkey("log.example", TYPE_NOTE, &other_log);
    let table: &[(usize, String, Problem)] = &[
        (1, "log".into(), Problem::Items("log <vkey> [url]")),
        (1, format!("log {log} u v"), Problem::Items("log <vkey> [url]")),
        (
            1,
            format!("log {}", vkey(ORIGIN, TYPE_COSIGNATURE, &public("log"))),
            Problem::Vkey(VkeyFault::Type { wanted: 1, found: 4 }),
        ),
        (1, format!("log {ORIGIN}"), Problem::Vkey(VkeyFault::Form)),
        (1, format!("log {}", log.replace("+bad4", "+Bad4")), Problem::Vkey(VkeyFault::Form)),
        (1, format!("log {misnamed}"), Problem::Origin(origin_of(&other_log))),
        (1, format!("log {free_name}"), Problem::Origin(origin_of(&other_log))),
        (1, format!("log  {log}"), Problem::Spacing),
        (1, format!(" log {log}"), Problem::Spacing),
        (1, format!("log {log} "), Problem::Spacing),
        (1, format!("log\t{log}"), Problem::Character('\t')),
        (1, format!("log {log}\r"), Problem::Character('\r')),
        (1, format!("log {log} https://log.example/#x"), Problem::InnerComment),
        (1, format!("log {log} https://日志.example"), Problem::NotAscii('日')),
        (1, format!("LOG {log}"), Problem::Unknown),
        (1, "\u{feff}log".into(), Problem::NotAscii('\u{feff}')),
        (2, format!("log {log}"), Problem::KeyTwice(1)),
        (2, "witness A".into(), Problem::Items("witness <name> <vkey> [url]")),
        (2, format!("witness A {} u v", wit("a", "witA")), Problem::Items("witness <name> <vkey> [url]")),
        (2, format!("witness none {}", wit("a", "witA")), Problem::Reserved),
        (
            2,
            format!("witness A {}", vkey("a", TYPE_NOTE, &public("witA"))),
            Problem::Vkey(VkeyFault::Type { wanted: 4, found: 1 }),
        ),
        (2, format!("witness A {}", wit("a", "log")), Problem::KeyTwice(1)),
        (2, format!("witness A#1 {}", wit("a", "witA")), Problem::InnerComment),
        (3, format!("witness A {}", wit("b", "witB")), Problem::NameTwice(2)),
        (3, format!("witness B {}", wit("b", "witA")), Problem::KeyTwice(2)),
        (3, format!("witness B {}", wit("station-a.example/witness", "witB")), Problem::KeyNameTwice(2)),
        (3, format!("witness B {}", wit(ORIGIN, "witB")), Problem::KeyNameTwice(1)),
        (4, "group both all".into(), Problem::Items("group <name> <all|any|number> <member>...")),
        (4, "group both".into(), Problem::Items("group <name> <all|any|number> <member>...")),
        (4, "group both 0 A B".into(), Problem::Needs(2)),
        (4, "group both 3 A B".into(), Problem::Needs(2)),
        (4, "group both 02 A B".into(), Problem::Needs(2)),
        (4, "group both +2 A B".into(), Problem::Needs(2)),
        (4, "group both All A B".into(), Problem::Needs(2)),
        (4, "group both 99999999999999999999 A B".into(), Problem::Needs(2)),
        (4, "group both all A A".into(), Problem::MemberTwice("A".into())),
        (4, "group both all A C".into(), Problem::NameUnknown("C".into())),
        (4, "group both all A both".into(), Problem::NameUnknown("both".into())),
        (4, "group both all A none".into(), Problem::Reserved),
        (4, "group none all A B".into(), Problem::Reserved),
        (4, "group A all A B".into(), Problem::NameTwice(2)),
        (5, "quorum".into(), Problem::Items("quorum <name|none>")),
        (5, "quorum both both".into(), Problem::Items("quorum <name|none>")),
        (5, "quorum C".into(), Problem::NameUnknown("C".into())),
        (5, "quorum BOTH".into(), Problem::NameUnknown("BOTH".into())),
        (6, "quorum none".into(), Problem::QuorumTwice(5)),
    ];
    for (line, text, problem) in table {
        let answer = Policy::read(&edited(&[(*line, text)]));
        assert_eq!(answer.unwrap_err(), PolicyError { line: *line, problem: problem.clone() }, "{text}");
    }
}

#[test]
fn every_broken_rule_of_our_own_lines_is_named_with_its_line() {
    let key = |name: &str| hex(&public(name));
    let (new, rec_a) = (key("new"), key("recA"));
    let weak = SMALL_ORDER[1];
    let second_spelling = format!("f0{}7f", "ff".repeat(30));
    let recorder = "# handoff recorder <organisation|OP> <64 hex> from <index> [until <index>]";
    let log_range = "# handoff log <origin> from <size> [until <size>]";
    let table: &[(usize, String, Problem)] = &[
        (6, format!("# handoff recorder OP {new}"), Problem::Items(recorder)),
        (6, format!("# handoff recorder OP {new} from"), Problem::Items(recorder)),
        (6, format!("# handoff recorder OP {new} to 3"), Problem::Items(recorder)),
        (6, format!("# handoff recorder OP {new} from 0 until"), Problem::Items(recorder)),
        (6, format!("# handoff recorder OP {new} until 3 from 0"), Problem::Items(recorder)),
        (6, format!("# handoff recorder OP {new} from 0 until 3 4"), Problem::Items(recorder)),
        (6, format!("# handoff recorder OP {new} from 00"), Problem::Number),
        (6, format!("# handoff recorder OP {new} from -1"), Problem::Number),
        (6, format!("# handoff recorder OP {new} from 9223372036854775808"), Problem::Number),
        (6, format!("# handoff recorder OP {new} from 0 until +3"), Problem::Number),
        (6, format!("# handoff recorder OP {new} from 3 until 3"), Problem::RangeEmpty),
        (6, format!("# handoff recorder OP {new} from 3 until 2"), Problem::RangeEmpty),
        (6, format!("# handoff recorder -OP {new} from 0"), Problem::Org),
        (6, format!("# handoff recorder {} {new} from 0", "A".repeat(65)), Problem::Org),
        (6, format!("# handoff recorder OP {} from 0", new.to_uppercase()), Problem::KeyForm),
        (6, format!("# handoff recorder OP {} from 0", &new[1..]), Problem::KeyForm),
        (6, format!("# handoff recorder OP {new}0 from 0"), Problem::KeyForm),
        (6, format!("# handoff recorder OP {weak} from 0"), Problem::Key(KeyFault::SmallOrder)),
        (6, format!("# handoff recorder OP {second_spelling} from 0"), Problem::Key(KeyFault::Spelling)),
        (6, format!("# handoff recorder OP 02{} from 0", "00".repeat(31)), Problem::Key(KeyFault::NotAPoint)),
        (6, format!("# handoff recorder OP {} from 0", key("log")), Problem::KeyTwice(1)),
        (6, format!("# handoff recorder OP {} from 0", key("witB")), Problem::KeyTwice(3)),
        (8, format!("# handoff recorder A {rec_a} from 100"), Problem::KeyTwice(7)),
        (8, format!("# handoff recorder A {new} from 99"), Problem::Overlap(7)),
        (8, format!("# handoff recorder A {new} from 0 until 1"), Problem::Overlap(7)),
        (9, format!("# handoff recorder A {new} from 5000"), Problem::Overlap(8)),
        (9, format!("# handoff log {ORIGIN}"), Problem::Items(log_range)),
        (9, format!("# handoff log {ORIGIN}x from 0"), Problem::LogUnknown),
        (9, format!("# handoff log {ORIGIN} from 5 until 4"), Problem::RangeEmpty),
        (10, "# handoff registry A".into(), Problem::Items("# handoff registry <organisation> <uuid>")),
        (10, "# handoff registry OP 00000000-0000-0000-0000-00000000000a".into(), Problem::Operator),
        (10, "# handoff registry . 00000000-0000-0000-0000-00000000000a".into(), Problem::Org),
        (10, "# handoff registry A 00000000-0000-0000-0000-00000000000A".into(), Problem::Stream),
        (10, "# handoff registry A 0000000000000000000000000000000a".into(), Problem::Stream),
        (10, "# handoff registry A 00000000-0000-8000-8000-000000000000".into(), Problem::LogStream),
        (11, format!("# handoff registrar OP {new}"), Problem::Operator),
        (
            11,
            format!("# handoff registrar A {new} from 0"),
            Problem::Items("# handoff registrar <organisation> <64 hex>"),
        ),
        (11, format!("# handoff registrar A {rec_a}"), Problem::KeyTwice(7)),
        (12, format!("# handoff registrar A {}", key("registrar A1")), Problem::KeyTwice(11)),
        (14, "# handoff registrars A".into(), Problem::Items("# handoff registrars <organisation> <number>")),
        (14, "# handoff registrars A two".into(), Problem::Number),
        (14, "# handoff registrars OP 2".into(), Problem::Operator),
        (14, "# handoff registrars A 1".into(), Problem::RegistrarsNeeded { needed: 1, keys: 3 }),
        (14, "# handoff registrars A 0".into(), Problem::RegistrarsNeeded { needed: 0, keys: 3 }),
        (14, "# handoff registrars A 4".into(), Problem::RegistrarsNeeded { needed: 4, keys: 3 }),
        (15, "# handoff registry A 00000000-0000-0000-0000-00000000000c".into(), Problem::OrgTwice(10)),
        (15, "# handoff registry B 00000000-0000-0000-0000-00000000000a".into(), Problem::StreamTwice(10)),
        (16, format!("# handoff registrar B {}", key("registrar A1")), Problem::KeyTwice(11)),
        (18, "# handoff registrars A 2".into(), Problem::OrgTwice(14)),
    ];
    for (line, text, problem) in table {
        let answer = Policy::read(&edited(&[(*line, text)]));
        assert_eq!(answer.unwrap_err(), PolicyError { line: *line, problem: problem.clone() }, "{text}");
    }
}

/// A slip in one of our lines is never taken for a remark.
#[test]
fn what_nearly_is_a_handoff_line_is_refused() {
    let nearly = [
        "#handoff registrars B 2",
        "#  handoff registrars B 2",
        "# Handoff registrars B 2",
        "# HANDOFF registrars B 2",
        "## handoff registrars B 2",
        "# # handoff registrars B 2",
        "# -- handoff registrars B 2",
        "#\u{a0}handoff registrars B 2",
        "#\u{200b}handoff registrars B 2",
        "# handoff\u{a0}registrars B 2",
        "# handoff",
        "# handoff ",
        "# handoff: registrars B 2",
        "# handoffs between A and B",
        "# handoff Registrars B 2",
        "# handoff witness B",
        "# handoff registrars B 2 # both",
        " # handoff registrars B 2",
    ];
    for text in nearly {
        let error = Policy::read(&edited(&[(18, text)])).unwrap_err();
        assert_eq!(error.line, 18, "{text}");
        let named = matches!(error.problem, Problem::UnknownHandoff | Problem::NotAscii(_) | Problem::Spacing);
        assert!(named, "{text}: {error}");
    }
    for text in ["# Hand-off of B", "# the handoff of B", "# handof"] {
        let error = Policy::read(&edited(&[(18, text)])).unwrap_err();
        let missing = Problem::Incomplete { org: "B".into(), missing: "registrars" };
        assert_eq!(error, PolicyError { line: 15, problem: missing }, "{text}: a plain comment");
    }
}

#[test]
fn what_is_missing_is_named() {
    let incomplete = |org: &str, missing| Problem::Incomplete { org: org.into(), missing };
    let table: &[(&[usize], usize, Problem)] = &[
        (&[5], 18, Problem::QuorumMissing),
        (&[10], 10, incomplete("A", "registry")),
        (&[14], 10, incomplete("A", "registrars")),
        (&[11, 12], 12, Problem::RegistrarsNeeded { needed: 2, keys: 1 }),
        (&[11, 12, 13], 11, Problem::RegistrarsNeeded { needed: 2, keys: 0 }),
        (&[2], 3, Problem::NameUnknown("A".into())),
        (&[4], 4, Problem::NameUnknown("both".into())),
    ];
    for (lines, line, problem) in table {
        let edits: Vec<(usize, &str)> = lines.iter().map(|line| (*line, "")).collect();
        let error = Policy::read(&edited(&edits)).unwrap_err();
        assert_eq!(error, PolicyError { line: *line, problem: problem.clone() }, "without {lines:?}");
    }
    let base = policy();
    let whole = [
        (String::new(), 1, Problem::QuorumMissing),
        ("quorum none".into(), 1, Problem::NoLineEnd),
        (base.text().trim_end().to_owned(), 18, Problem::NoLineEnd),
        (format!("{}x", base.text()), 19, Problem::NoLineEnd),
        (format!("{}# {}\n", base.text(), "x".repeat(BYTES_MAX)), 0, Problem::TooLong),
        (base.text().replace('\n', "\r\n"), 1, Problem::Character('\r')),
        (format!("# \u{202e}\n{}", base.text()), 1, Problem::Character('\u{202e}')),
        (format!("# \0\n{}", base.text()), 1, Problem::Character('\0')),
    ];
    for (text, line, problem) in whole {
        assert_eq!(Policy::read(&text).unwrap_err(), PolicyError { line, problem });
    }
}

/// Whoever edits the file at night sees where and what to do.
#[test]
fn an_error_names_the_line_and_the_remedy() {
    let said = |edits: &[(usize, &str)]| Policy::read(&edited(edits)).unwrap_err().to_string();
    assert_eq!(
        said(&[(9, &format!("# handoff recorder A {} from 5000", hex(&public("new"))))]),
        "line 9: the range overlaps that of line 8; end the earlier key with \"until\" where this one begins"
    );
    assert_eq!(
        said(&[(5, "")]),
        "line 18: no quorum; add a line \"quorum NAME\", or \"quorum none\" to ask for no witness"
    );
    let message = said(&[(2, "witness A a+00000000+BAAA")]);
    assert!(message.starts_with("line 2: not NAME+KEYID+BASE64"), "{message}");
    assert!(said(&[(1, "log x\ty")]).contains("U+0009"));
}

#[test]
fn parts_that_would_read_back_otherwise_are_not_written() {
    let mut spaced = parts();
    spaced.witnesses[0].url = Some("https://a.example/\nquorum none".to_owned());
    assert_eq!(Policy::write(&spaced).unwrap_err().problem, Problem::QuorumTwice(3));
    let mut emptied = parts();
    emptied.witnesses[0].url = Some("https://a.example/\n".to_owned());
    assert_eq!(Policy::write(&emptied).unwrap_err(), PolicyError { line: 0, problem: Problem::OtherParts });
    let mut unnamed = parts();
    unnamed.witnesses[0].key_name = String::new();
    assert_eq!(Policy::write(&unnamed).unwrap_err().problem, Problem::Vkey(VkeyFault::Form));
}

#[test]
fn recorders_registrars_and_roles_are_found() {
    let policy = policy();
    let recorder = |name: &str, index| policy.recorder(&org(name), index);
    assert_eq!(recorder("A", 0), Some(public("recA")));
    assert_eq!(recorder("A", 99), Some(public("recA")));
    assert_eq!(recorder("A", 100), Some(public("recA2")));
    assert_eq!(recorder("A", u64::MAX), Some(public("recA2")));
    assert_eq!(recorder("OP", 7), Some(public("recOP")));
    assert_eq!(recorder("C", 7), None);
    assert_eq!(policy.registrars(&org("A")).map(|a| a.needed), Some(2));
    assert_eq!(policy.registrars(&org("OP")), None);
    assert_eq!(policy.registry_of(IncidentId(uuid::Uuid::from_u128(0xb))), Some(&org("B")));
    assert_eq!(policy.registry_of(IncidentId(uuid::Uuid::from_u128(0xc))), None);
    assert_eq!(policy.role(&public("log")), Some(Role::Log));
    assert_eq!(policy.role(&public("witB")), Some(Role::Witness("station-b.example/witness".into())));
    assert_eq!(policy.role(&public("recA2")), Some(Role::Recorder(org("A"))));
    assert_eq!(policy.role(&public("registrar B2")), Some(Role::Registrar(org("B"))));
    assert_eq!(policy.role(&public("an officer")), None);
    assert_eq!(policy.witness_by_key(&public("witA")).map(|witness| witness.name.as_str()), Some("A"));
}

#[test]
fn two_ranges_overlap_where_some_number_is_in_both() {
    let ends = [None, Some(1), Some(2), Some(3), Some(4)];
    let ranges = (0..4).flat_map(|from| ends.map(|until| Range { from, until }));
    let ranges: Vec<Range> = ranges.filter(|range| range.until.is_none_or(|until| until > range.from)).collect();
    for a in &ranges {
        for b in &ranges {
            let shared = (0..9).any(|number| a.holds(number) && b.holds(number));
            assert_eq!(a.overlaps(b), shared, "{a:?} {b:?}");
        }
    }
}

/// What the words of a group mean, by the definition: a group has witnessed where enough members have.
fn has_witnessed(parts: &Parts, name: &str, verified: &BTreeSet<&str>) -> bool {
    let Some(group) = parts.groups.iter().find(|group| group.name == name) else { return verified.contains(name) };
    let there = group.members.iter().filter(|member| has_witnessed(parts, member, verified)).count() as u64;
    match group.needs {
        Needs::All => there == group.members.len() as u64,
        Needs::Any => there > 0,
        Needs::Count(count) => there >= count,
    }
}

/// Any number of logs, witnesses, nested groups, keys and organisations.
pub(crate) fn any_parts(draw: &mut Draw) -> Parts {
    let mut made = 0;
    let mut key = |what: &str| {
        made += 1;
        public(&format!("{what} {made}"))
    };
    let url = |draw: &mut Draw| (draw.below(2) == 0).then(|| format!("https://{}.example/+=", draw.below(9)));
    let range = |draw: &mut Draw| {
        let from = draw.below(1_000);
        Range { from, until: (draw.below(2) == 0).then(|| from + 1 + draw.below(50)) }
    };
    let mut parts = Parts::default();
    for _ in 0..draw.below(3) {
        let sizes = (draw.below(2) == 0).then(|| range(draw));
        parts.logs.push(Log { key: key("log"), url: url(draw), sizes });
    }
    let mut free: Vec<String> = Vec::new();
    for at in 0..draw.below(7) {
        let name = format!("w{at}");
        free.push(name.clone());
        parts.witnesses.push(Witness { name, key_name: format!("w{at}.example/~"), key: key("wit"), url: url(draw) });
    }
    while free.len() > 1 && draw.below(4) > 0 {
        let count = 1 + draw.below(free.len() as u64);
        let members: Vec<String> =
            (0..count).map(|_| free.swap_remove(usize::try_from(draw.below(free.len() as u64)).unwrap())).collect();
        let needs = match draw.below(3) {
            0 => Needs::All,
            1 => Needs::Any,
            _ => Needs::Count(1 + draw.below(count)),
        };
        let name = format!("g{}", parts.groups.len());
        free.push(name.clone());
        parts.groups.push(Group { name, needs, members });
    }
    parts.quorum = free.pop().filter(|_| draw.below(8) > 0);
    for name in ["OP", "A", "B.2:x_-"] {
        let mut from = draw.below(5);
        for _ in 0..draw.below(4) {
            let until = from + 1 + draw.below(9);
            parts.recorders.push(Recorder {
                org: org(name),
                key: key("rec"),
                indices: Range { from, until: Some(until) },
            });
            from = until + draw.below(2);
        }
    }
    for name in ["A", "B", "SUP"].into_iter().take(usize::try_from(draw.below(4)).unwrap()) {
        let keys: Vec<[u8; 32]> = (0..2 + draw.below(3)).map(|_| key("registrar")).collect();
        let needed = 2 + draw.below(keys.len() as u64 - 1);
        let stream = IncidentId(uuid::Uuid::from_u128(u128::from(draw.bits())));
        parts.registrars.insert(org(name), Registrars { stream, keys, needed });
    }
    parts
}

#[test]
fn a_policy_of_any_parts_reads_back_as_these_parts_and_counts_as_they_say() {
    let mut reached = [0, 0];
    for seed in 0..300 {
        let mut draw = Draw::new(seed);
        let parts = any_parts(&mut draw);
        let policy = Policy::write(&parts).unwrap();
        assert_eq!(policy.parts(), &parts);
        let names: Vec<&str> = parts.witnesses.iter().map(|witness| witness.name.as_str()).collect();
        for set in 0..1_u32 << names.len() {
            let chosen = names.iter().enumerate().filter(|(at, _)| set >> at & 1 == 1).map(|(_, name)| *name);
            let verified: BTreeSet<&str> = chosen.collect();
            let meant = parts.quorum.as_ref().is_none_or(|quorum| has_witnessed(&parts, quorum, &verified));
            assert_eq!(policy.quorum(&verified), meant, "{}{verified:?}", policy.text());
            reached[usize::from(meant)] += 1;
        }
    }
    assert!(reached.iter().all(|count| *count > 500), "{reached:?}");
}

#[test]
fn a_name_that_is_no_witness_counts_for_nothing() {
    let policy = policy();
    assert!(policy.quorum(&["A", "B"].into()));
    assert!(!policy.quorum(&["A"].into()));
    assert!(!policy.quorum(&["A", "both"].into()), "a group's name is no witness");
    assert!(!policy.quorum(&["A", "b"].into()));
    assert!(!policy.quorum(&BTreeSet::new()));
}

/// A checkpoint of size `size` cosigned by these seeds under these names.
fn checkpoint(log: &str, size: u64, cosigners: &[(&str, &str)]) -> Checkpoint {
    let log = LogKey::from_seed(&seed(log));
    let head = Head { size, root: [7; 32] };
    let mut checkpoint = Checkpoint::sign(&log, head);
    for (name, key) in cosigners {
        let key = CosignerKey::from_seed(name, &seed(key)).unwrap();
        checkpoint.cosignatures.push(key.cosign(&log.origin(), &head, 1_795_435_200));
    }
    checkpoint
}

#[test]
fn a_checkpoint_counts_with_its_log_within_its_sizes_and_with_both_witnesses() {
    let mut parts = parts();
    parts.logs[0].sizes = Some(Range { from: 2, until: Some(10) });
    let policy = Policy::write(&parts).unwrap();
    let (a, b) = (("station-a.example/witness", "witA"), ("station-b.example/witness", "witB"));
    assert_eq!(policy.judge(&checkpoint("log", 2, &[a, b])), Ok(()));
    assert_eq!(policy.judge(&checkpoint("log", 9, &[a, b])), Ok(()));
    for size in [1, 10] {
        assert_eq!(policy.judge(&checkpoint("log", size, &[a, b])), Err(JudgeError::Size(size)));
    }
    let other = checkpoint("another log", 2, &[a, b]);
    assert_eq!(policy.judge(&other), Err(JudgeError::Log(other.origin.clone())));
    let quorum = |names: &[&str]| JudgeError::Quorum { verified: names.iter().map(|&name| name.into()).collect() };
    assert_eq!(policy.judge(&checkpoint("log", 2, &[a])), Err(quorum(&["A"])));
    assert_eq!(policy.judge(&checkpoint("log", 2, &[b, b])), Err(quorum(&["B"])), "each counts once");
    assert_eq!(policy.judge(&checkpoint("log", 2, &[])), Err(quorum(&[])));
    assert_eq!(quorum(&[]).to_string(), "no quorum: cosigned by nobody");
    let cosignature = |place, source| Err(JudgeError::Head(HeadError::Cosignature { place, source }));
    let stranger = ("station-c.example/witness", "witC");
    assert_eq!(policy.judge(&checkpoint("log", 2, &[a, b, stranger])), cosignature(3, SignatureError::OtherKey));
    let renamed = ("station-c.example/witness", "witB");
    assert_eq!(policy.judge(&checkpoint("log", 2, &[a, renamed])), cosignature(2, SignatureError::OtherKey));
    let mut swapped = checkpoint("log", 2, &[a, b]);
    swapped.cosignatures[1].at += 1;
    assert_eq!(policy.judge(&swapped), cosignature(2, SignatureError::Signature));
    let mut resized = checkpoint("log", 2, &[a, b]);
    resized.head.size = 3;
    assert_eq!(policy.judge(&resized), Err(JudgeError::Head(HeadError::Log(SignatureError::Signature))));
}
