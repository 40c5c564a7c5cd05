//! Every request with every field set becomes its move.

use super::names::{by_command, by_order};
use super::sample::{commands, full, is_personal};
use super::{Recorder, schema};
use crate::convert::{Decoded, DecodedOrder, MapUpload, RegistryUpload, Violations};
use crate::{IntoCommand, IntoOrder, Requested, comparable, v1};
use handoff_domain::command::{Act, LookedAt, Order};
use handoff_domain::ids::{Digest, IncidentId};
use prost::Message;
use protox::prost_reflect::{DynamicMessage, Kind, ReflectMessage, Value};
use std::collections::BTreeSet;
use std::fmt::Debug;
use uuid::Uuid;

/// What a request became, and what was looked at on the way.
struct Read {
    decoded: Result<Decoded, Violations>,
    sealed: Recorder,
    shown: String,
    comparable: [Vec<u8>; 2],
}

struct ReadOrder {
    order: Result<DecodedOrder, Violations>,
    comparable: [Vec<u8>; 2],
}

fn read<M: IntoCommand + Default + Debug>(bytes: &[u8], other_id: &[u8]) -> Read {
    let message = M::decode(bytes).unwrap();
    let comparable = both(&message, &M::decode(other_id).unwrap());
    let shown = format!("{message:?}");
    let mut sealed = Recorder::default();
    Read { decoded: message.into_command(&mut sealed), sealed, shown, comparable }
}

fn read_order<M: IntoOrder + Default>(bytes: &[u8], other_id: &[u8]) -> ReadOrder {
    let message = M::decode(bytes).unwrap();
    let comparable = both(&message, &M::decode(other_id).unwrap());
    ReadOrder { order: message.into_order(), comparable }
}

fn both<M: Requested>(one: &M, other: &M) -> [Vec<u8>; 2] {
    assert_ne!(one.request_id(), other.request_id());
    [comparable("m", one), comparable("m", other)]
}

fn command(name: &str, bytes: &[u8], other: &[u8]) -> Option<Read> {
    by_command!(read, name, (bytes, other))
}

fn order(name: &str, bytes: &[u8], other: &[u8]) -> Option<ReadOrder> {
    by_order!(read_order, name, (bytes, other))
}

fn with_other_id(message: &DynamicMessage) -> Vec<u8> {
    let mut other = message.clone();
    other.set_field_by_name("request_id", Value::String("another".to_owned()));
    other.encode_to_vec()
}

fn snake(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[test]
fn a_full_request_becomes_its_move_and_names_what_was_seen_where_it_decides() {
    let mut moves = 0;
    for method in commands() {
        let message = full(&method.input());
        let name = method.input().name().to_owned();
        let Some(read) = command(&name, &message.encode_to_vec(), &with_other_id(&message)) else { continue };
        moves += 1;
        let decoded = read.decoded.unwrap_or_else(|violations| panic!("{name}: {violations:?}"));
        let act = &decoded.command.act;
        assert!(method.name() == "OpenCallerData" || snake(method.name()) == act.name(), "{name}: {}", act.name());
        let sees = method.input().get_field_by_name("expected").is_some();
        assert_eq!(act.decides(), sees, "{name}: a move that decides says what was seen, and no other");
        assert_eq!(decoded.command.expected.state.is_some(), sees, "{name}");
        assert_eq!(decoded.command.claimed_at.map(|at| at.0), Some(1_700_000_000_005), "{name}");
        assert_eq!(decoded.command.acting_for.map(|station| station.to_string()).as_deref(), Some("TEXT_1"));
        assert_eq!(decoded.point.is_some(), read.sealed.points.len() == 1, "{name}");
        let [one, other] = read.comparable;
        assert_eq!(one, other, "{name}: the id is no part of what is compared");
        assert!(one.len() > 20, "{name}");
    }
    assert_eq!(moves, Act::NAMES.len() - 1, "every move but the service's own has a request");
}

#[test]
fn what_is_personal_is_sealed_under_a_path_of_the_schema_and_shown_by_no_debug() {
    let known = schema::sealed();
    for method in commands() {
        let message = full(&method.input());
        let name = method.input().name().to_owned();
        let Some(read) = command(&name, &message.encode_to_vec(), &with_other_id(&message)) else { continue };
        let mut personal = BTreeSet::new();
        collect(&message, &mut personal);
        let sealed: BTreeSet<String> = read.sealed.texts.iter().map(|(_, value)| value.clone()).collect();
        assert_eq!(sealed, personal, "{name}: everything personal is sealed, and nothing else");
        let paths = read.sealed.texts.iter().map(|(path, _)| path);
        for path in paths.chain(read.sealed.points.iter().map(|(path, ..)| path)) {
            assert!(known.contains(&schema::pattern(path)), "{name}: no event has a sealed field {path}");
        }
        for hidden in ["PERSONAL", "30.5"] {
            assert!(!read.shown.contains(hidden), "{name}: Debug shows {hidden}");
        }
    }
}

fn collect(message: &DynamicMessage, found: &mut BTreeSet<String>) {
    for field in message.descriptor().fields() {
        let value = message.get_field(&field);
        let values = match value.as_ref() {
            Value::List(items) => items.clone(),
            one => vec![one.clone()],
        };
        for value in values {
            match (value, field.kind()) {
                (Value::String(text), _) if is_personal(&field) => {
                    found.insert(text);
                }
                (Value::Message(inner), Kind::Message(_)) => collect(&inner, found),
                _ => {}
            }
        }
    }
}

#[test]
fn a_full_request_to_the_directory_becomes_its_order() {
    let mut orders = 0;
    for method in commands() {
        let message = full(&method.input());
        let name = method.input().name().to_owned();
        let Some(read) = order(&name, &message.encode_to_vec(), &with_other_id(&message)) else { continue };
        orders += 1;
        let decoded = read.order.unwrap_or_else(|violations| panic!("{name}: {violations:?}"));
        assert_eq!(decoded.claimed_at.map(|at| at.0), Some(1_700_000_000_005), "{name}");
        assert_eq!(read.comparable[0], read.comparable[1], "{name}");
        if let Order::ProposeAgreement(proposed) = decoded.order {
            let timers: Vec<_> = proposed.timers.iter().flat_map(handoff_domain::timers::Timers::changes).collect();
            assert_eq!(timers, [("decide", 60_000, 60_000)]);
            assert_eq!((proposed.grid7, proposed.caller_days, proposed.text_days), (Some(7), Some(7), Some(7)));
        }
    }
    assert_eq!(orders, 12);
}

#[test]
fn every_command_is_read_by_one_of_the_three_ways() {
    for method in commands() {
        let message = full(&method.input());
        let (bytes, other, name) = (message.encode_to_vec(), with_other_id(&message), method.input().name().to_owned());
        let ways = usize::from(command(&name, &bytes, &other).is_some())
            + usize::from(order(&name, &bytes, &other).is_some())
            + usize::from(["PublishMapRequest", "UpdateRegistryRequest"].contains(&name.as_str()));
        assert_eq!(ways, 1, "{name}");
    }
}

#[test]
fn an_uploaded_map_becomes_an_order_with_what_the_reader_found() {
    let descriptor = super::sample::pool().get_message_by_name("handoff.v1.PublishMapRequest").unwrap();
    let request = v1::PublishMapRequest::decode(full(&descriptor).encode_to_vec().as_slice()).unwrap();
    let upload = MapUpload::read(request.clone()).unwrap();
    assert_eq!(upload.geojson, b"{}");
    let ordered = upload.order(Digest([1; 32]), Digest([2; 32]), 3, Vec::new());
    let Order::PublishMap(published) = ordered.order else { panic!("another order") };
    assert_eq!((published.map.version, published.area_count), (7, 3));

    let too_large = v1::PublishMapRequest { geojson: vec![b' '; crate::convert::MAP_BYTES_MAX + 1], ..request };
    let Err(violations) = MapUpload::read(too_large) else { panic!("taken") };
    assert_eq!((violations.0[0].path.as_str(), violations.0[0].code), ("geojson", "TOO_LONG"));
}

#[test]
fn an_uploaded_registry_becomes_an_order_with_what_it_was_looked_at_against() {
    let descriptor = super::sample::pool().get_message_by_name("handoff.v1.UpdateRegistryRequest").unwrap();
    let request = v1::UpdateRegistryRequest::decode(full(&descriptor).encode_to_vec().as_slice()).unwrap();
    let upload = RegistryUpload::read(request.clone()).unwrap();
    assert_eq!((upload.update.version, upload.update.sigs.len()), (7, 1));
    assert_eq!(upload.entries, [b"{}"]);
    let (stream, looked_at) = (IncidentId(Uuid::from_u128(5)), LookedAt::On(Digest([1; 32])));
    let ordered = upload.order(stream, looked_at);
    assert_eq!(ordered.claimed_at.map(|at| at.0), Some(1_700_000_000_005));
    assert_eq!(ordered.order, Order::UpdateRegistry { stream, update: upload.update, looked_at });

    let mut nobodys = request;
    nobodys.signatures[0].key = "00".into();
    let Err(violations) = RegistryUpload::read(nobodys) else { panic!("taken") };
    assert_eq!((violations.0[0].path.as_str(), violations.0[0].code), ("signatures.0.key", "NOT_A_KEY"));
}

#[test]
fn two_requests_differ_by_method_and_by_content() {
    let one = v1::CloseRequest { request_id: "1".into(), code: "DONE".into(), ..Default::default() };
    let longer_id = v1::CloseRequest { request_id: "x".repeat(300), ..one.clone() };
    let no_id = v1::CloseRequest { request_id: String::new(), ..one.clone() };
    let other = v1::CloseRequest { code: "OPENED_AS_CASE".into(), ..one.clone() };
    assert_eq!(comparable("m", &one), comparable("m", &longer_id));
    assert_eq!(comparable("m", &one), comparable("m", &no_id));
    assert_ne!(comparable("m", &one), comparable("m", &other));
    assert_ne!(comparable("m", &one), comparable("n", &one));
}
