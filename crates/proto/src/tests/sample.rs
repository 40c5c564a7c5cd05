//! Requests with every field set, made from the descriptor: a field added to the API is filled in here by itself.

use crate::FILE_DESCRIPTOR_SET;
use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};
use std::sync::OnceLock;

pub(super) fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("our own descriptor"))
}

pub(super) fn methods() -> Vec<MethodDescriptor> {
    pool().services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

/// Requests that record something: those with a request id.
pub(super) fn commands() -> Vec<MethodDescriptor> {
    methods().into_iter().filter(|method| method.input().get_field_by_name("request_id").is_some()).collect()
}

pub(super) fn is_personal(field: &FieldDescriptor) -> bool {
    let options = field.options();
    options.get_field_by_name("debug_redact").is_some_and(|value| *value == Value::Bool(true))
}

/// A legal id; another one for every number.
pub(super) fn id(number: u8) -> String {
    format!("0190a0b0-0000-7000-8000-0000000000{number:02x}")
}

pub(super) const DIGEST: &str = "sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A request of this message with every field set to something legal.
pub(super) fn full(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let value = if field.is_list() { Value::List(vec![value(message, &field)]) } else { value(message, &field) };
        filled.set_field(&field, value);
    }
    filled
}

fn value(message: &MessageDescriptor, field: &FieldDescriptor) -> Value {
    match field.kind() {
        Kind::String => Value::String(text(message.name(), field)),
        Kind::Bool => Value::Bool(true),
        Kind::Uint64 => Value::U64(7),
        Kind::Uint32 => Value::U32(7),
        Kind::Int32 => Value::I32(7),
        Kind::Double => Value::F64(30.5),
        Kind::Bytes => Value::Bytes(vec![b'{', b'}'].into()),
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Timestamp" => {
            Value::Message(time(&inner, 1_700_000_000, 5_000_000))
        }
        Kind::Message(inner) if inner.full_name() == "google.protobuf.Duration" => Value::Message(time(&inner, 60, 0)),
        Kind::Message(inner) => Value::Message(full(&inner)),
        other => panic!("{}: a field of kind {other:?} in a request", field.full_name()),
    }
}

fn time(message: &MessageDescriptor, seconds: i64, nanos: i32) -> DynamicMessage {
    let mut time = DynamicMessage::new(message.clone());
    time.set_field_by_name("seconds", Value::I64(seconds));
    time.set_field_by_name("nanos", Value::I32(nanos));
    time
}

fn text(message: &str, field: &FieldDescriptor) -> String {
    if is_personal(field) {
        return format!("PERSONAL 内容 {}", field.full_name());
    }
    match (message, field.name()) {
        ("MapRef" | "Agreement", "id") | ("RatifyAgreementRequest", "agreement") => id(0x40),
        (_, "request_id") => id(1),
        (_, "incident") => id(2),
        (_, "handoff" | "part" | "deployment" | "support" | "joint" | "drill" | "other" | "survivor") => id(3),
        (_, "ours" | "parent" | "duplicate_of" | "scope") => id(4),
        (_, "statement" | "paper" | "annex" | "digest" | "root") => DIGEST.to_owned(),
        ("ReportUnitRequest", "status") => "EN_ROUTE".to_owned(),
        ("AnswerSupportRequest", "answer") => "PARTLY".to_owned(),
        ("OfferRequest", "basis") => "NO_UNIT_FREE".to_owned(),
        ("ReopenRequest", "to") => "RECEIVED".to_owned(),
        ("KeySignature", "algorithm") => "Ed25519".to_owned(),
        ("KeySignature" | "RegistrarSignature", "key") => DIGEST.trim_start_matches("sha256:").to_owned(),
        ("FieldRef", "path") => "caller.phone".to_owned(),
        ("Timer", "name") => "decide".to_owned(),
        (_, "link") => "RELATED".to_owned(),
        (_, "severity") => "NORMAL".to_owned(),
        (_, "level") => "attested".to_owned(),
        (_, "outcome" | "ruling") => "AGREED".to_owned(),
        (_, "duty") => "decide".to_owned(),
        (_, "roles") => "duty_officer".to_owned(),
        // Legal as a code, a code name and a label alike.
        _ => "TEXT_1".to_owned(),
    }
}
