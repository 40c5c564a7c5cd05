//! The report for programs: the same facts under stable names, with the sentences of both languages beside the words.

use super::event_names::event_name;
use super::words::{self, Text};
use super::{Check, EventLine, Fields, Finding, Place, Proven, Report, SignOffLine};
use std::fmt::Write as _;

/// A value of the report. Unlike an event it may be absent, negative times are not in it, and it has no limit.
enum Json {
    Null,
    Flag(bool),
    Number(u64),
    Text(String),
    List(Vec<Json>),
    Map(Vec<(&'static str, Json)>),
}

pub(super) fn write(report: &Report) -> String {
    let mut out = String::new();
    put(&mut out, &of_report(report));
    out.push('\n');
    out
}

fn text(value: &(impl ToString + ?Sized)) -> Json {
    Json::Text(value.to_string())
}

fn maybe(value: Option<impl ToString>) -> Json {
    value.map_or(Json::Null, |value| text(&value))
}

fn both((en, zh): Text) -> Json {
    Json::Map(vec![("en", text(en)), ("zh", text(zh))])
}

fn list<T>(items: &[T], one: impl Fn(&T) -> Json) -> Json {
    Json::List(items.iter().map(one).collect())
}

fn of_report(report: &Report) -> Json {
    let Report { verdict, checks, policy, bundle, incident, closed_at, by_ruling, proven, sign_offs, fields, events } =
        report;
    Json::Map(vec![
        ("verdict", text(verdict)),
        ("exit_code", Json::Number(u64::from(report.exit_code()))),
        ("policy", text(policy)),
        ("bundle", text(bundle)),
        ("incident", maybe(*incident)),
        ("closed_at", maybe(*closed_at)),
        ("closed_by_ruling", Json::Flag(*by_ruling)),
        ("proven", proven.as_ref().map_or(Json::Null, of_proven)),
        ("sign_offs", list(sign_offs, of_sign_off)),
        ("fields", of_fields(*fields)),
        ("checks", list(checks, of_check)),
        ("events", list(events, of_event)),
    ])
}

fn of_proven(proven: &Proven) -> Json {
    let Proven { log, size, root, witnesses, witnessed, not_before } = proven;
    Json::Map(vec![
        ("log", text(log)),
        ("size", Json::Number(*size)),
        ("root", text(root)),
        ("witnesses", list(witnesses, |name| text(name.as_str()))),
        ("witnessed_first", maybe(witnessed.map(|(first, _)| first))),
        ("witnessed_last", maybe(witnessed.map(|(_, last)| last))),
        ("closing_not_before", maybe(*not_before)),
    ])
}

fn of_sign_off(line: &SignOffLine) -> Json {
    let SignOffLine {
        seq,
        action,
        ruling,
        in_place_of,
        org,
        station,
        officer,
        level,
        substitute,
        at,
        key,
        compromised_since,
        holds,
    } = line;
    Json::Map(vec![
        ("event", Json::Number(*seq)),
        ("action", text(action)),
        ("ruling", maybe(*ruling)),
        ("in_place_of", maybe(in_place_of.as_ref())),
        ("organisation", text(org)),
        ("station", maybe(station.as_ref())),
        ("officer", maybe(officer.as_ref())),
        ("level", text(level)),
        ("text", both(words::level(*level))),
        ("substitute", maybe(substitute.as_ref())),
        ("at", text(at)),
        ("key", maybe(key.as_ref())),
        ("compromised_since", maybe(*compromised_since)),
        ("holds", Json::Flag(*holds)),
    ])
}

fn of_fields(fields: Fields) -> Json {
    let Fields { disclosed, withheld, erased, bad } = fields;
    Json::Map(vec![
        ("disclosed", Json::Number(disclosed)),
        ("withheld", Json::Number(withheld)),
        ("erased", Json::Number(erased)),
        ("bad", Json::Number(bad)),
    ])
}

fn of_check(check: &Check) -> Json {
    let Check { id, outcome, looked_at, findings, further, warnings } = check;
    Json::Map(vec![
        ("check", text(id)),
        ("name", both(words::check_name(*id))),
        ("outcome", text(outcome)),
        ("looked_at", Json::Number(*looked_at)),
        ("findings", list(findings, of_finding)),
        ("further", Json::Number(*further)),
        ("meaning", both(words::check_meaning(*id))),
        ("warnings", list(warnings, of_finding)),
    ])
}

fn of_finding(finding: &Finding) -> Json {
    let Finding { problem, place, details } = finding;
    let (file, event) = match place {
        Place::Bundle | Place::Policy => (Json::Null, Json::Null),
        Place::File(name) => (text(name), Json::Null),
        Place::Event(seq) => (Json::Null, Json::Number(*seq)),
    };
    let detail =
        |(name, value): &(super::Detail, String)| Json::Map(vec![("name", text(name)), ("value", text(value))]);
    Json::Map(vec![
        ("problem", text(problem.as_str())),
        ("file", file),
        ("event", event),
        ("details", list(details, detail)),
        ("text", both(problem.texts())),
    ])
}

fn of_event(line: &EventLine) -> Json {
    let EventLine { seq, index, at, type_name, org, station, officer, role, voice } = line;
    Json::Map(vec![
        ("event", Json::Number(*seq)),
        ("log_index", index.map_or(Json::Null, Json::Number)),
        ("at", text(at)),
        ("type", text(type_name)),
        ("name", both(event_name(type_name))),
        ("organisation", text(org)),
        ("station", maybe(station.as_ref())),
        ("officer", maybe(officer.as_ref())),
        ("role", text(role)),
        ("voice", text(voice)),
    ])
}

fn put(out: &mut String, json: &Json) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&number.to_string()),
        Json::Text(text) => string(out, text),
        Json::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                put(out, item);
            }
            out.push(']');
        }
        Json::Map(fields) => {
            out.push('{');
            for (at, (key, value)) in fields.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                string(out, key);
                out.push(':');
                put(out, value);
            }
            out.push('}');
        }
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // A string of formatting never fails.
            c if c.is_control() => drop(write!(out, "\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
