//! Texts that an attacker would send, put into every field of every request that holds text.

use crate::matrix::calls::request;
use crate::matrix::cast::Caller;
use crate::matrix::methods::METHODS;
use crate::matrix::scene::Scene;
use crate::projection::fields::pool;
use anyhow::Context;
use prost::bytes::Bytes;
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

/// Stands in every planted text and in nothing else.
pub const CANARY: &str = "zwitscher-5e1d";

/// Texts that are no text: in no field may they stand. Each has the canary in it, and its raw character.
#[must_use]
pub fn forbidden() -> Vec<(&'static str, String)> {
    vec![
        ("a terminal's escape", format!("{CANARY}\u{1b}[31mred")),
        ("a second line of a log", format!("{CANARY}\r\n{{\"level\":\"ERROR\"}}")),
        ("the end of a C text", format!("{CANARY}\0tail")),
        ("a turned direction", format!("{CANARY}\u{202e}gnp.exe")),
        ("a control character beyond ASCII", format!("{CANARY}\u{9b}31m")),
        ("a deletion", format!("{CANARY}\u{7f}")),
    ]
}

/// Texts that are legal wherever a person may write, however they look.
pub const LEGAL: &[(&str, &str)] = &[
    ("SQL", "Robert'); DROP TABLE events;-- \" OR '1'='1"),
    ("SQL with numbered arguments", "?1 $1 :1 %s %n {0} {field}"),
    ("a formula with =", "=cmd|' /C calc'!A0"),
    ("a formula with +", "+1+1"),
    ("a formula with -", "-2+3"),
    ("a formula with @", "@SUM(1+1)"),
    ("a script", "<script>alert(1)</script><img src=x onerror=alert(1)>"),
    ("an entity", "&lt;b&gt; &#0; %00 %0d%0a"),
    ("escapes that are letters", r#"\x1b[31m \r\n \u202e {"level":"ERROR"}"#),
    ("a lookup", "${jndi:ldap://127.0.0.1/x} $(id) `id`"),
    ("a path", "../../../../etc/passwd"),
];

/// A text field of a request.
#[derive(Clone, Debug)]
pub struct Place {
    /// `Service/Method`.
    pub method: String,
    /// Its path, as a refusal names it: `intake.place.address`, `fields.0.path`.
    pub path: String,
    message: MessageDescriptor,
    steps: Vec<FieldDescriptor>,
    base: Vec<u8>,
}

impl Place {
    /// The request with a text in this field.
    ///
    /// # Errors
    /// The request that it is put into is none.
    pub fn with(&self, text: &str) -> anyhow::Result<Vec<u8>> {
        let mut message = DynamicMessage::decode(self.message.clone(), Bytes::from(self.base.clone()))?;
        plant(&mut message, &self.steps, text);
        use prost::Message;
        Ok(message.encode_to_vec())
    }
}

fn plant(message: &mut DynamicMessage, steps: &[FieldDescriptor], text: &str) {
    let Some((field, rest)) = steps.split_first() else { return };
    let planted = if rest.is_empty() {
        Value::String(text.to_owned())
    } else {
        let found = message.get_field(field).into_owned();
        let first = if field.is_list() { found.as_list().and_then(|list| list.first().cloned()) } else { Some(found) };
        let inner = first.and_then(|value| value.as_message().cloned());
        let Kind::Message(kind) = field.kind() else { return };
        let mut inner = inner.unwrap_or_else(|| DynamicMessage::new(kind));
        plant(&mut inner, rest, text);
        Value::Message(inner)
    };
    message.set_field(field, if field.is_list() { Value::List(vec![planted]) } else { planted });
}

/// Every text field of every request, in a request that is otherwise as this caller would make it.
///
/// # Errors
/// The protocol has no such method, or nobody wrote its request.
pub fn places(scene: &Scene, caller: Caller) -> anyhow::Result<Vec<Place>> {
    let mut places = Vec::new();
    for method in METHODS {
        let service = pool().get_service_by_name(&format!("handoff.v1.{}", method.service)).context("a service")?;
        let message = service.methods().find(|known| known.name() == method.name).context("a method")?.input();
        let base = request(method, scene, caller)?;
        let mut found = Vec::new();
        texts(&message, &mut Vec::new(), &mut found);
        for steps in found {
            let name = |field: &FieldDescriptor| {
                if field.is_list() { format!("{}.0", field.name()) } else { field.name().to_owned() }
            };
            let path = steps.iter().map(name).collect::<Vec<_>>().join(".");
            let (method, message) = (format!("{}/{}", method.service, method.name), message.clone());
            places.push(Place { method, path, message, steps, base: base.clone() });
        }
    }
    Ok(places)
}

fn texts(message: &MessageDescriptor, before: &mut Vec<FieldDescriptor>, found: &mut Vec<Vec<FieldDescriptor>>) {
    for field in message.fields() {
        before.push(field.clone());
        match field.kind() {
            Kind::String => found.push(before.clone()),
            Kind::Message(inner) if inner.package_name() == "handoff.v1" => texts(&inner, before, found),
            _ => {}
        }
        before.pop();
    }
}
