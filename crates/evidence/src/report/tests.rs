use super::event_names::NAMES;
use super::text::{Fact, Phrase, Value, facts};
use super::words::*;
use super::*;
use crate::bundle::Bundle;
use crate::sample::story::{Story, officer, org, to};
use crate::sample::world::World;
use crate::verify::{Options, verify};
use handoff_domain::event::Body;
use std::collections::BTreeSet;

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// The places of values in a sentence.
fn holes(text: &str) -> BTreeSet<String> {
    text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0.to_owned()).collect()
}

/// Every word of the report, by the list it is of and its own name.
fn all_words() -> Vec<(String, Text)> {
    let mut words: Vec<(String, Text)> = Vec::new();
    words.extend(Problem::ALL.iter().map(|of| (format!("problem {}", of.as_str()), of.texts())));
    words.extend(CheckId::ALL.iter().map(|of| (format!("name {of}"), check_name(*of))));
    words.extend(CheckId::ALL.iter().map(|of| (format!("meaning {of}"), check_meaning(*of))));
    words.extend(CheckId::ALL.iter().map(|of| (format!("empty {of}"), check_empty(*of))));
    words.extend(Outcome::ALL.iter().map(|of| (format!("outcome {of}"), outcome(*of))));
    words.extend(Detail::ALL.iter().map(|of| (format!("detail {of}"), detail(*of))));
    words.extend(Voice::ALL.iter().map(|of| (format!("voice {of}"), voice(*of))));
    words.extend(Role::ALL.iter().map(|of| (format!("role {of}"), role(*of))));
    words.extend(Action::ALL.iter().map(|of| (format!("action {of}"), action(*of))));
    words.extend(Level::ALL.iter().map(|of| (format!("level {of}"), level(*of))));
    words.extend(Ruling::ALL.iter().map(|of| (format!("ruling {of}"), ruling(*of))));
    words.extend(NAMES.iter().map(|(name, text)| (format!("event {name}"), *text)));
    words
}

#[test]
fn every_sentence_and_word_is_there_in_both_languages() {
    for phrase in Phrase::ALL {
        let (en, zh) = phrase.text();
        assert_eq!(holes(en), holes(zh), "{phrase:?}");
        assert!(!is_chinese(en), "{phrase:?}");
        let words = en.chars().any(|c| c.is_ascii_alphabetic());
        assert_eq!(words && !en.contains("see C7"), is_chinese(zh) && !zh.contains("见 C7"), "{phrase:?}");
    }
    let words = all_words();
    for (name, (en, zh)) in &words {
        assert!(!en.is_empty() && !is_chinese(en), "{name}");
        assert!(is_chinese(zh), "{name}");
        assert_eq!((holes(en).len(), holes(zh).len()), (0, 0), "{name}");
    }
    let names: BTreeSet<&str> = words.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names.len(), words.len());
}

/// Two words of one list that read alike could not be told apart.
#[test]
fn no_two_words_of_a_list_read_alike() {
    for lang in [Lang::En, Lang::Zh] {
        let mut seen = BTreeSet::new();
        for (name, text) in all_words() {
            let list = name.split(' ').next().unwrap().to_owned();
            if !matches!(list.as_str(), "empty") {
                assert!(seen.insert((list, lang.of(text))), "{name}");
            }
        }
    }
}

#[test]
fn every_type_of_event_has_a_name() {
    let named: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    assert_eq!(named, Body::TYPES);
}

fn report_of(world: &World, bundle: &Bundle) -> Report {
    verify(&bundle.write().unwrap(), world.policy.text(), Options::default())
}

/// Reports of all sorts.
fn reports() -> Vec<Report> {
    let world = World::new();
    let signed = world.signed_bundle();
    let mut wrong = signed.clone();
    wrong.checkpoint.cosignatures.pop();
    wrong.registries.clear();
    wrong.bounds.remove(&14);
    let mut erased = Story::whole();
    erased.erase(&[(1, "caller.phone"), (2, "nothing")]);
    let mut ruled = report_of(&world, &signed);
    ruled.by_ruling = true;
    ruled.sign_offs.push(SignOffLine {
        seq: 9,
        action: Action::Rule,
        ruling: Some(Ruling::Signature),
        in_place_of: Some(to()),
        org: org("S"),
        station: None,
        officer: Some(officer("s-1")),
        level: Level::Attested,
        substitute: None,
        at: Millis(0),
        key: None,
        compromised_since: None,
        holds: true,
    });
    ruled.sign_offs[0].substitute = Some(Code::of("NO_SIGNAL"));
    ruled.sign_offs[0].compromised_since = Some(Millis(1));
    let mut reports = vec![
        report_of(&world, &world.bundle(&Story::whole())),
        report_of(&world, &signed),
        report_of(&world, &wrong),
        report_of(&world, &world.bundle(&erased)),
        ruled,
        verify(b"", "", Options::default()),
    ];
    let newer = |report: &Report| Report { verdict: Verdict::Newer, proven: None, ..report.clone() };
    reports.push(newer(&reports[0]));
    reports
}

/// Both languages are made of one list of facts, and show every value of it.
#[test]
fn both_languages_carry_the_same_facts() {
    for report in reports() {
        let facts = facts(&report);
        let (en, zh) = (report.text(Lang::En), report.text(Lang::Zh));
        assert_eq!((en.lines().count(), zh.lines().count()), (facts.len(), facts.len()));
        assert!(!is_chinese(&en));
        for (Fact(phrase, values), (en, zh)) in facts.iter().zip(en.lines().zip(zh.lines())) {
            assert_eq!(values.len(), holes(phrase.text().0).len(), "{phrase:?}");
            for value in values {
                match value {
                    Value::Plain(text) | Value::Filled(_, text) => assert!(en.contains(text) && zh.contains(text)),
                    Value::Word(text) => assert!(en.contains(text.0) && zh.contains(text.1)),
                    Value::Names(names) => {
                        names.iter().for_each(|name| assert!(en.contains(name) && zh.contains(name)));
                    }
                    Value::Pairs(pairs) => {
                        pairs.iter().for_each(|(_, text)| assert!(en.contains(text) && zh.contains(text)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_report_begins_with_the_verdict_and_ends_with_what_is_not_proven() {
    for report in reports() {
        let text = report.text(Lang::En);
        let first = text.lines().next().unwrap();
        let expected = match report.verdict {
            Verdict::Proven => "PROVEN.",
            Verdict::NotProven => "NOT PROVEN.",
            Verdict::Unreadable => "UNREADABLE.",
            Verdict::Newer => "NOT CHECKED TO THE END.",
        };
        assert!(first.starts_with(expected), "{first}");
        let at = |word: &str| text.find(word).unwrap();
        let order = ["\nSign-offs\n", "\nSealed fields:", "\nChecks\n", "\nEvents,", "\nWhat is not proven\n"].map(at);
        assert!(order.is_sorted());
        assert_eq!(text.contains("\nProven by A and B: "), report.verdict == Verdict::Proven);
        assert_eq!(text.contains("\nIncident ") && text.contains(" was closed at "), report.verdict == Verdict::Proven);
        assert_eq!(text.contains("Proven by"), report.verdict == Verdict::Proven);
        assert!(text.ends_with("that anything told at the scene, by phone or in a text is true\n"));
    }
}

#[test]
fn what_failed_says_where_and_what_it_means() {
    let text = reports()[2].text(Lang::En);
    for line in [
        "NOT PROVEN. These checks failed: C2 and C7.",
        "By its events, which are not proven, incident 0198c0de-7e57-7000-8000-000000000001 was closed at 2026-11-23T12:06:30.000Z.",
        "  C2 signatures of log and witnesses: FAILED",
        "      - checkpoint.note: too few witnesses signed this checkpoint (witness B)",
        "      - event 0008: the key that signed is not shown to be in the registry the event was checked against",
        "        does NOT hold, see C7",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert_eq!(text.matches("What it means: ").count(), 2);
    let zh = reports()[2].text(Lang::Zh);
    assert!(zh.starts_with("未证明。以下核验未通过：C2、C7。\n"));
    assert!(zh.lines().any(|line| line == "      - checkpoint.note：对检查点签名的见证方不足（见证方 B）"), "{zh}");
}

#[test]
fn an_attested_sign_off_and_a_ruling_are_shown_as_such() {
    let text = reports()[4].text(Lang::En);
    assert!(text.contains(", by ruling.\n"));
    assert!(text.contains("ruling: S, s-1, attested only: rests on the service's word\n"));
    assert!(text.contains("        in place of a missing signature\n        for B/B-07\n"));
    assert!(text.contains("        a substitute signed: NO_SIGNAL\n"));
    assert!(reports()[0].text(Lang::Zh).contains("仅系统认证：没有密钥签名，以系统记载为准"));
}

/// Another reader takes the JSON form, and finds every key in every report.
#[test]
fn the_json_form_is_json() {
    let mut keys = BTreeSet::new();
    for report in reports() {
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        assert_eq!(json["exit_code"], report.exit_code());
        assert_eq!(json["verdict"], report.verdict.as_str());
        assert_eq!(json["checks"].as_array().unwrap().len(), 10);
        assert_eq!(json["events"].as_array().unwrap().len(), report.events.len());
        assert_eq!(json["sign_offs"].as_array().unwrap().len(), report.sign_offs.len());
        let own: Vec<&String> = json.as_object().unwrap().keys().collect();
        keys.insert(format!("{own:?}"));
        for check in json["checks"].as_array().unwrap() {
            for finding in check["findings"].as_array().unwrap() {
                assert!(is_chinese(finding["text"]["zh"].as_str().unwrap()));
            }
        }
    }
    assert_eq!(keys.len(), 1, "every report has the same keys");
}

/// A bundle's own words do not draw on the reader's screen.
#[test]
fn what_a_bundle_says_of_itself_is_shown_on_one_line() {
    let mut report = reports().swap_remove(0);
    let details = vec![(Detail::Version, format!("x\u{1b}[31m\nPROVEN\r{}", "y".repeat(1_000)))];
    let finding = Finding { problem: Problem::EventUnreadable, place: Place::Event(1), details };
    report.checks[3].warnings.push(finding);
    let text = report.text(Lang::En);
    assert!(!text.contains('\u{1b}') && !text.contains('\r') && !text.lines().any(|line| line.starts_with("PROVEN\r")));
    assert!(text.contains("x [31m PROVEN yyy") && text.lines().all(|line| line.len() < 400));
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    let value = json["checks"][3]["warnings"][0]["details"][0]["value"].as_str().unwrap();
    assert!(value.contains('\u{1b}'), "programs get it as it is");
}

#[test]
fn languages_have_words() {
    assert_eq!((Lang::parse("en"), Lang::parse("zh"), Lang::parse("EN")), (Some(Lang::En), Some(Lang::Zh), None));
}
