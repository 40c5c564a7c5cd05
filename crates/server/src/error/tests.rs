//! The error table: one `ErrorInfo`, two languages, and a page that says the same as the code.

use super::*;
use std::collections::BTreeSet;
use tonic_types::StatusExt;

const PAGE: &str = include_str!("../../../../docs/errors.md");

fn details(status: &Status) -> Vec<Any> {
    pb::Status::decode(status.details()).unwrap().details
}

fn types(status: &Status) -> Vec<String> {
    let name = |any: &Any| any.type_url.strip_prefix("type.googleapis.com/google.rpc.").unwrap().to_owned();
    details(status).iter().map(name).collect()
}

fn localized(status: &Status) -> Vec<pb::LocalizedMessage> {
    let of = |any: &Any| any.type_url.ends_with("LocalizedMessage");
    details(status).iter().filter(|any| of(any)).map(|any| pb::LocalizedMessage::decode(&*any.value).unwrap()).collect()
}

/// A refusal with every value its texts know.
fn full(reason: Reason) -> Refusal {
    let mut refusal = Refusal::new(reason).field("form.kind");
    for name in placeholders(text::reason(reason).en) {
        if !["state", "legal_moves", "fields"].contains(&name.as_str()) {
            refusal = refusal.with(name.leak(), "VALUE");
        }
    }
    refusal.state = Some("OFFERED");
    refusal.legal = vec!["agree", "decline"];
    refusal
}

fn placeholders(text: &str) -> BTreeSet<String> {
    text.split('{').skip(1).map(|part| part.split('}').next().unwrap().to_owned()).collect()
}

fn han(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

#[test]
fn every_reason_has_one_error_info_and_both_languages() {
    for reason in Reason::ALL {
        for refusal in [Refusal::new(*reason), full(*reason)] {
            let status = status(&refusal);
            assert_eq!(status.code(), code(*reason), "{reason}");
            let types = types(&status);
            assert_eq!(types.iter().filter(|name| *name == "ErrorInfo").count(), 1, "{reason}: {types:?}");
            assert_eq!(types[0], "ErrorInfo");
            let info = status.get_details_error_info().unwrap();
            assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason.as_str(), DOMAIN));
            let [en, zh] = <[_; 2]>::try_from(localized(&status)).unwrap();
            assert_eq!((en.locale.as_str(), zh.locale.as_str()), ("en", "zh-CN"));
            assert_eq!(status.message(), en.message, "{reason}");
            assert!(!han(&en.message) && han(&zh.message), "{reason}");
            for message in [&en.message, &zh.message] {
                assert!(!message.contains(['{', '}', '[', ']']), "{reason}: {message}");
            }
        }
    }
}

#[test]
fn every_value_of_a_text_stands_in_the_metadata_too() {
    for reason in Reason::ALL {
        let status = status(&full(*reason));
        let metadata = status.get_details_error_info().unwrap().metadata;
        for name in placeholders(text::reason(*reason).en) {
            let value = metadata.get(&name).unwrap_or_else(|| panic!("{reason}: no `{name}`"));
            assert!(localized(&status).iter().all(|one| one.message.contains(value)), "{reason}: {name}");
        }
        assert_eq!(metadata["state"], "OFFERED");
        assert_eq!(metadata["legal_moves"], "agree, decline");
    }
}

#[test]
fn texts_of_both_languages_ask_for_the_same_values_inside_parts_that_may_be_left_out() {
    let reasons = Reason::ALL.iter().map(|reason| (reason.as_str(), text::reason(*reason)));
    for (name, text) in reasons.chain(text::VIOLATIONS) {
        assert_eq!(placeholders(text.en), placeholders(text.zh), "{name}");
        assert!(!han(text.en) && han(text.zh), "{name}");
        for text in [text.en, text.zh] {
            assert!(!text::fill(text, |_| None).contains(['{', '}', '[', ']']), "{name}: a value outside a part");
            assert!(!text.contains("  ") && !text.starts_with(' '), "{name}: {text}");
        }
        assert!(!text.zh.contains([',', ';', '!', '?']), "{name}: Chinese text has Chinese punctuation: {}", text.zh);
    }
    let codes: BTreeSet<_> = text::VIOLATIONS.iter().map(|(code, _)| code).collect();
    assert_eq!(codes.len(), text::VIOLATIONS.len());
}

#[test]
fn a_stale_or_illegal_move_names_state_and_legal_moves() {
    let mut refusal = Refusal::new(Reason::MoveNotLegal);
    refusal.state = Some("AGREED");
    refusal.legal = vec!["sign", "take_over"];
    let status = status(&refusal);
    assert_eq!(
        status.message(),
        "This is not possible now; the case is in state AGREED. Possible now: sign, take_over."
    );
    assert_eq!(localized(&status)[1].message, "当前不能执行此操作，案件状态为AGREED。当前可执行：sign, take_over。");
    let failure = status.get_details_precondition_failure().unwrap();
    assert_eq!(failure.violations.len(), 1);
    assert_eq!(
        (failure.violations[0].r#type.as_str(), failure.violations[0].subject.as_str()),
        ("MOVE_NOT_LEGAL", "AGREED")
    );
    let bare = super::status(&Refusal::new(Reason::MoveNotLegal));
    assert_eq!(bare.message(), "This is not possible now.");
}

#[test]
fn bad_fields_are_all_named_in_both_languages() {
    let violations = [
        FieldViolation::of("incident_id", "NOT_A_UUID", &[]),
        FieldViolation::of("note", "TOO_LONG", &[("max", "4000".to_owned())]),
        FieldViolation::of("kind", "OF_A_NEWER_PROTO", &[]),
    ];
    let status = invalid_fields(&violations);
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("incident_id, note, kind"), "{}", status.message());
    let any = details(&status).into_iter().find(|any| any.type_url.ends_with("BadRequest")).unwrap();
    let bad = pb::BadRequest::decode(&*any.value).unwrap().field_violations;
    assert_eq!(bad.len(), 3);
    assert_eq!((bad[1].field.as_str(), bad[1].reason.as_str()), ("note", "TOO_LONG"));
    assert_eq!(bad[1].description, "is too long; at most 4000 bytes");
    let zh = bad[1].localized_message.as_ref().unwrap();
    assert_eq!((zh.locale.as_str(), zh.message.as_str()), ("zh-CN", "过长，最多4000字节"));
    assert_eq!(bad[2].description, "is malformed");
    let many: Vec<_> = (0..50).map(|n| FieldViolation::of(&format!("f{n}"), "REQUIRED", &[])).collect();
    assert_eq!(invalid_fields(&many).get_details_bad_request().unwrap().field_violations.len(), VIOLATIONS_MAX);
}

#[test]
fn an_incomplete_form_names_each_missing_field() {
    let refusal = Refusal::new(Reason::FormIncomplete).field("form.kind").field("form.risks");
    let failure = status(&refusal).get_details_precondition_failure().unwrap();
    let subjects: Vec<_> = failure.violations.iter().map(|violation| violation.subject.as_str()).collect();
    assert_eq!(subjects, ["form.kind", "form.risks"]);
}

#[test]
fn only_what_may_be_sent_again_says_when() {
    for reason in Reason::ALL {
        let info = status(&Refusal::new(*reason)).get_details_retry_info();
        assert_eq!(info.is_some(), retry(*reason) == Retry::Later, "{reason}");
    }
    let queue = status(&Refusal::new(Reason::QueueFull)).get_details_retry_info().unwrap();
    assert_eq!(queue.retry_delay, Some(Duration::from_millis(200)));
}

#[test]
fn values_are_cut_and_never_read_as_a_text() {
    let long = "长".repeat(VALUE_CHARS_MAX + 1);
    let refusal = Refusal::new(Reason::MapInvalid).with("problem", &long);
    let info = status(&refusal).get_details_error_info().unwrap();
    assert_eq!(info.metadata["problem"].chars().count(), VALUE_CHARS_MAX + 1);
    let tricky = Refusal::new(Reason::MapInvalid).with("problem", "{state} [x]");
    assert!(status(&tricky).message().contains("{state} [x]"));
}

#[test]
fn the_same_refusal_has_the_same_bytes_and_fits_a_header() {
    for reason in Reason::ALL {
        let mut refusal = full(*reason);
        for n in 0..VIOLATIONS_MAX {
            refusal = refusal.field(&format!("a.longer.path.to.a.field[{n}]"));
        }
        let first = status(&refusal);
        assert!((0..5).all(|_| status(&refusal).details() == first.details()), "{reason}");
        // Base64 makes it a third longer; 16 KiB is what HTTP/2 clients take at least.
        assert!(first.details().len() * 4 / 3 + first.message().len() * 3 < 15_000, "{reason}");
    }
}

#[test]
fn a_fault_of_ours_says_nothing_about_itself() {
    let error = std::io::Error::other("/var/lib/handoff: disk of officer o-17");
    let status = fault("the batch was not written", &error);
    assert_eq!(status.code(), Code::Unavailable);
    let details = String::from_utf8_lossy(status.details()).into_owned();
    assert!(!status.message().contains("o-17") && !details.contains("o-17"));
}

#[test]
fn the_page_has_one_section_per_reason_and_says_what_the_code_does() {
    let reasons = PAGE.split_once("\n## Reasons\n").unwrap().1.split_once("\n## ").unwrap().0;
    let sections: Vec<_> = reasons.split("\n### ").skip(1).collect();
    let headings: Vec<_> = sections.iter().map(|section| section.lines().next().unwrap()).collect();
    assert_eq!(headings, Reason::ALL.iter().map(|reason| reason.as_str()).collect::<Vec<_>>());
    for (reason, section) in Reason::ALL.iter().zip(sections) {
        let mut expected = format!("`{}` · retry: {}", screaming(code(*reason)), retry(*reason).as_str());
        let en = text::reason(*reason).en;
        let names: Vec<_> =
            en.split('{').skip(1).map(|part| format!("`{}`", part.split('}').next().unwrap())).collect();
        if !names.is_empty() {
            expected = format!("{expected} · values: {}", names.join(", "));
        }
        assert_eq!(section.lines().nth(2), Some(expected.as_str()), "{reason}");
        assert!(section.contains("\n**When.** ") && section.contains("\n**Do.** "), "{reason}");
    }
}

#[test]
fn the_page_lists_every_field_code() {
    let fields = PAGE.split_once("\n## Field codes\n").unwrap().1.split_once("\n## ").unwrap().0;
    let rows: Vec<_> = fields.lines().filter_map(|line| line.strip_prefix("| `")).collect();
    let plain = |text: &str| text.replace(['[', ']'], "");
    let expected: Vec<_> = text::VIOLATIONS
        .iter()
        .map(|(code, text)| format!("{code}` | {} | {} |", plain(text.en), plain(text.zh)))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn every_code_of_the_conversions_has_its_text() {
    for code in handoff_proto::convert::codes::ALL {
        assert!(text::violation(code).is_some(), "{code}");
    }
}

#[test]
fn links_of_the_page_lead_somewhere() {
    let anchors: BTreeSet<_> = PAGE
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-"))
        .collect();
    for link in PAGE.split("](#").skip(1) {
        let anchor = link.split(')').next().unwrap();
        assert!(anchors.contains(anchor), "{anchor}");
    }
}

/// A gRPC code as the specification writes it.
fn screaming(code: Code) -> String {
    let mut name = String::new();
    for c in format!("{code:?}").chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_uppercase());
    }
    name
}
