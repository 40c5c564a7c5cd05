//! The API as published: every move has its method, every method its manual.

use super::sample::{commands, is_personal, methods, pool};
use crate::FILE_DESCRIPTOR_SET;
use handoff_domain::command::Act;
use handoff_domain::refusal::Reason;
use prost::Message;
use prost_types::FileDescriptorSet;
use protox::prost_reflect::{Kind, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet};

/// Moves whose method has another name than their own: the service's own one has none.
const OTHERWISE: [(&str, Option<&str>); 2] = [("escalate", None), ("open_caller", Some("OpenCallerData"))];

fn pascal(name: &str) -> String {
    let big = |word: &str| word[..1].to_uppercase() + &word[1..];
    name.split('_').map(big).collect()
}

#[test]
fn every_move_has_one_method_of_its_name() {
    let names: Vec<String> = methods().iter().map(|method| method.name().to_owned()).collect();
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len(), "a method's name stands for one method in all services");
    for act in Act::NAMES {
        let wanted = match OTHERWISE.iter().find(|(name, _)| name == act) {
            Some((_, None)) => continue,
            Some((_, Some(name))) => (*name).to_owned(),
            None => pascal(act),
        };
        assert!(unique.contains(&wanted), "the move {act} has no method {wanted}");
    }
}

#[test]
fn commands_begin_with_the_same_fields() {
    for method in commands() {
        let input = method.input();
        let at = |number: u32| input.get_field(number).map(|field| field.name().to_owned());
        assert_eq!(at(1).as_deref(), Some("request_id"), "{}", input.name());
        assert_eq!(at(4).as_deref(), Some("claimed_time"), "{}", input.name());
        // A shift is a fact of its station, as what the directory holds.
        if method.parent_service().name() != "DirectoryService" && method.name() != "TakeShift" {
            assert_eq!(at(2).as_deref(), Some("incident"), "{}", input.name());
            assert_eq!(at(5).as_deref(), Some("acting_for"), "{}", input.name());
            assert!(at(3).is_none_or(|name| name == "expected"), "{}", input.name());
        }
        assert!((6..10).all(|number| at(number).is_none()), "{}: 6 to 9 are kept", input.name());
        let output = method.output();
        assert!(matches!(output.name(), "MoveReply" | "OpenCallerDataResponse"), "{}", method.name());
    }
}

/// Comments by file and path of numbers.
fn comments() -> BTreeMap<(String, Vec<i32>), String> {
    let set = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let ours = set.file.into_iter().filter(|file| file.package() == "handoff.v1");
    ours.flat_map(|file| {
        let name = file.name().to_owned();
        let places = file.source_code_info.unwrap_or_default().location.into_iter();
        places.map(move |place| {
            let comment = place.leading_comments.unwrap_or_default();
            ((name.clone(), place.path), comment)
        })
    })
    .collect()
}

#[test]
fn every_method_says_who_may_call_what_it_needs_what_it_refuses_and_whether_to_retry() {
    let comments = comments();
    let mut faults = Vec::new();
    for method in methods() {
        let file = method.parent_file().name().to_owned();
        let path: Vec<i32> = method.path().to_vec();
        let comment = comments.get(&(file, path)).map_or("", String::as_str);
        for part in ["Who: ", "Needs: ", "Refuses: ", "Retry: "] {
            if comment.lines().filter(|line| line.trim().starts_with(part)).count() != 1 {
                faults.push(format!("{} does not say {part}once", method.full_name()));
            }
        }
        let refuses = comment.split("Refuses: ").nth(1).unwrap_or("").split("Retry: ").next().unwrap_or("");
        let words = refuses.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        for word in words.filter(|word| word.len() > 3 && word.contains('_')) {
            if Reason::parse(word).is_none() {
                faults.push(format!("{} refuses with {word}, which is no reason", method.full_name()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_message_and_field_is_explained() {
    let comments = comments();
    let mut silent = Vec::new();
    let is_silent = |file: &str, path: &[i32]| {
        comments.get(&(file.to_owned(), path.to_vec())).is_none_or(|comment| comment.trim().is_empty())
    };
    for message in pool().all_messages().filter(|message| message.package_name() == "handoff.v1") {
        let file = message.parent_file().name().to_owned();
        if is_silent(&file, message.path()) {
            silent.push(message.full_name().to_owned());
        }
        for field in message.fields() {
            if is_silent(&file, field.path()) {
                silent.push(field.full_name().to_owned());
            }
        }
    }
    for service in pool().services() {
        if is_silent(service.parent_file().name(), service.path()) {
            silent.push(service.full_name().to_owned());
        }
    }
    assert!(silent.is_empty(), "without a comment:\n{}", silent.join("\n"));
}

/// Fields of a message and of the messages in it.
fn all_fields(message: &MessageDescriptor, seen: &mut BTreeSet<String>) {
    for field in message.fields() {
        assert!(!field.is_map(), "{}: maps have no order, and requests are compared by bytes", field.full_name());
        let is_new = seen.insert(field.full_name().to_owned());
        if let (Kind::Message(inner), true) = (field.kind(), is_new) {
            all_fields(&inner, seen);
        }
    }
}

#[test]
fn no_request_holds_a_map_and_none_asks_for_a_person() {
    for method in methods() {
        let mut fields = BTreeSet::new();
        all_fields(&method.input(), &mut fields);
        if !commands().contains(&method) {
            let persons = ["officer", "crew", "signer", "phone", "caller", "name", "person"];
            for field in &fields {
                let name = field.rsplit('.').next().unwrap();
                assert!(!persons.contains(&name), "{} reads by person: {field}", method.name());
            }
        }
    }
    let list = pool().get_message_by_name("handoff.v1.ListOfficersRequest").unwrap();
    let fields: Vec<_> = list.fields().map(|field| field.name().to_owned()).collect();
    assert_eq!(fields, ["page_size", "page_token"], "officers are never searched");
}

#[test]
fn fields_that_hold_personal_content_are_marked() {
    // Names under which personal content travels; a new free text has to be one of them and marked, or none of them.
    let personal = [
        "address",
        "callback",
        "details",
        "latitude",
        "legal_ground",
        "longitude",
        "measures",
        "narrative",
        "note",
        "phone",
        "position",
        "reasons",
        "referred_to",
        "result",
        "risks",
        "text",
        "value",
        "whom",
    ];
    for message in pool().all_messages().filter(|message| message.package_name() == "handoff.v1") {
        for field in message.fields() {
            let is_plain = matches!(field.kind(), Kind::String | Kind::Double);
            // A checkpoint is a note of C2SP, and none of an officer's.
            let exempt = [
                "handoff.v1.Field.text",
                "handoff.v1.GetStatementResponse.text",
                "handoff.v1.GetCheckpointResponse.note",
                "handoff.v1.SubmitCosignatureRequest.note",
            ];
            if is_plain && !exempt.contains(&field.full_name()) {
                let named = personal.contains(&field.name());
                assert_eq!(is_personal(&field), named, "{}", field.full_name());
            }
        }
    }
}
