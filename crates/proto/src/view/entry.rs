//! One event as one reader sees it: the facts of the allow-list and nothing else.

use super::values::{actor, caller_text, is_point, sealed_point, sealed_text, timestamp};
use super::{Disclosed, Recipient};
use crate::allow;
use crate::v1::{self, field::Value};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::Digest;
use handoff_domain::node::{FromNode, Node};
use handoff_domain::retention::is_caller_data;
use handoff_domain::values::{Sealed, is_late_entry};

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located {
    /// Number in the reader's feed; 0 outside a feed.
    pub number: u64,
    /// Place in the log.
    pub position: u64,
    /// Hash of the event's bytes, where the reader of the log has it.
    pub hash: Option<Digest>,
}

/// An event as this reader sees it. Caller data is never opened here.
#[must_use]
pub fn entry(located: Located, event: &Event, recipient: &Recipient, disclosed: &dyn Disclosed) -> v1::Entry {
    let type_name = event.body.type_name();
    let mut facts = Vec::new();
    walk(event.body.to_node(), String::new(), &mut facts);
    let fields = facts
        .into_iter()
        .filter(|(path, _)| allow::may_see(type_name, path, recipient, &event.actor.org))
        .map(|(path, fact)| v1::Field { value: Some(shown(&path, fact, disclosed)), path })
        .collect();
    v1::Entry {
        number: located.number,
        position: located.position,
        incident: event.incident.to_string(),
        seq: event.seq,
        r#type: type_name.to_owned(),
        record_time: Some(timestamp(event.at)),
        claimed_time: event.claimed_at.map(timestamp),
        actor: Some(actor(&event.actor, recipient, is_signature(&event.body))),
        fields,
        event_hash: located.hash.map(|hash| hash.to_string()).unwrap_or_default(),
        late_entry: is_late_entry(event.at, event.claimed_at),
    }
}

/// Whether who did it stands under a paper: both sides' signers are shown to both.
fn is_signature(body: &Body) -> bool {
    matches!(body, Body::Signed(_) | Body::Reported(_) | Body::Confirmed(_) | Body::Ruled(_))
}

/// A fact without structure.
enum Fact {
    Text(String),
    Number(u64),
    Flag(bool),
    Sealed(Sealed),
}

fn shown(path: &str, fact: Fact, disclosed: &dyn Disclosed) -> Value {
    match fact {
        Fact::Text(text) => Value::Text(text),
        Fact::Number(number) => Value::Number(number),
        Fact::Flag(flag) => Value::Flag(flag),
        Fact::Sealed(sealed) if is_caller_data(path) => Value::SealedText(caller_text(&sealed, disclosed)),
        Fact::Sealed(sealed) if is_point(path) => Value::SealedPoint(sealed_point(&sealed, disclosed)),
        Fact::Sealed(sealed) => Value::SealedText(sealed_text(&sealed, disclosed)),
    }
}

/// The facts of a body with their paths, in the order of the record's fields.
fn walk(node: Node, path: String, facts: &mut Vec<(String, Fact)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match node {
        Node::Text(text) => facts.push((path, Fact::Text(text))),
        Node::Int(number) => facts.push((path, Fact::Number(number))),
        Node::Flag(flag) => facts.push((path, Fact::Flag(flag))),
        Node::List(items) => {
            for (at, item) in items.into_iter().enumerate() {
                walk(item, below(&at.to_string()), facts);
            }
        }
        // `sd` is the only key of a sealed field and of nothing else in the schema.
        Node::Map(fields) if fields.len() == 1 && fields[0].0 == "sd" => {
            if let Ok(sealed) = Sealed::from_node(Node::Map(fields), &path) {
                facts.push((path, Fact::Sealed(sealed)));
            }
        }
        Node::Map(fields) => {
            for (key, field) in fields {
                walk(field, below(&key), facts);
            }
        }
    }
}
