//! What a command was answered, stored under its request id: small canonical JSON without personal values
//! (reliability, 7). `server` turns it into protobuf.

use handoff_domain::ids::{Digest, IncidentId};
use handoff_domain::node::Node;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_evidence::json;
use std::borrow::Cow;
use uuid::Uuid;

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Recorded.
    Done(Done),
    /// Refused by the rules: nothing was recorded but this answer.
    Refused(Refusal),
}

/// Where a command was recorded: with the event's hash a receipt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Position of its last event in the log.
    pub position: u64,
    /// The incident.
    pub incident: IncidentId,
    /// The incident's version after it.
    pub version: u64,
    /// Hash of its last event.
    pub hash: Digest,
}

/// A stored answer that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("stored answer is malformed")]
pub struct BadAnswer;

fn text(value: &str) -> Node {
    Node::Text(value.to_owned())
}

fn list<S: AsRef<str>>(values: &[S]) -> Node {
    Node::List(values.iter().map(|value| text(value.as_ref())).collect())
}

impl Answer {
    /// The bytes that are stored and compared.
    ///
    /// # Errors
    /// [`BadAnswer`] when a parameter is outside the profile of event texts.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BadAnswer> {
        let key = |name: &'static str| Cow::Borrowed(name);
        let fields = match self {
            Self::Done(done) => vec![
                (key("hash"), text(&done.hash.to_string())),
                (key("incident"), text(&done.incident.to_string())),
                (key("position"), Node::Int(done.position)),
                (key("version"), Node::Int(done.version)),
            ],
            Self::Refused(refusal) => {
                let params = refusal.params.iter();
                let params = params.map(|(name, value)| Node::List(vec![text(name), text(value)])).collect();
                let mut fields = vec![
                    (key("fields"), list(&refusal.fields)),
                    (key("legal"), list(&refusal.legal)),
                    (key("params"), Node::List(params)),
                    (key("reason"), text(refusal.reason.as_str())),
                ];
                fields.extend(refusal.state.map(|state| (key("state"), text(state))));
                fields
            }
        };
        json::write(&Node::Map(fields)).map_err(|_| BadAnswer)
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    /// [`BadAnswer`] when they are not an answer.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadAnswer> {
        let Ok(Node::Map(fields)) = json::read(bytes) else { return Err(BadAnswer) };
        let get = |name: &str| fields.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        let string = |name: &str| match get(name) {
            Some(Node::Text(value)) => Some(value.as_str()),
            _ => None,
        };
        if let Some(reason) = string("reason") {
            return refused(reason, string("state"), get("fields"), get("legal"), get("params"));
        }
        let int = |name: &str| match get(name) {
            Some(Node::Int(value)) => Some(*value),
            _ => None,
        };
        let incident = string("incident").and_then(|id| Uuid::try_parse(id).ok());
        match (int("position"), incident, int("version"), string("hash").and_then(Digest::parse)) {
            (Some(position), Some(incident), Some(version), Some(hash)) => {
                Ok(Self::Done(Done { position, incident: IncidentId(incident), version, hash }))
            }
            _ => Err(BadAnswer),
        }
    }
}

fn texts(node: Option<&Node>) -> Vec<String> {
    match node {
        Some(Node::List(items)) => items
            .iter()
            .filter_map(|item| if let Node::Text(value) = item { Some(value.clone()) } else { None })
            .collect(),
        _ => Vec::new(),
    }
}

fn refused(
    reason: &str,
    state: Option<&str>,
    fields: Option<&Node>,
    legal: Option<&Node>,
    params: Option<&Node>,
) -> Result<Answer, BadAnswer> {
    let mut refusal = Refusal::new(Reason::parse(reason).ok_or(BadAnswer)?);
    refusal.fields = texts(fields);
    refusal.state = state.map(interned);
    refusal.legal = texts(legal).iter().map(|name| interned(name)).collect();
    if let Some(Node::List(pairs)) = params {
        for pair in pairs {
            let [name, value] = &texts(Some(pair))[..] else { return Err(BadAnswer) };
            refusal.params.push((interned(name), value.clone()));
        }
    }
    Ok(Answer::Refused(refusal))
}

/// The static text of a known name. Names come from our own closed lists; one of an older build reads as itself
/// through the catalogue of names ever used.
fn interned(name: &str) -> &'static str {
    use handoff_domain::case::handoff::HandoffName;
    use handoff_domain::case::phase::Phase;
    use handoff_domain::command::Act;
    const PARAMS: &[&str] = &[
        "state_now",
        "tenure_now",
        "form_version_now",
        "max",
        "owed",
        "one",
        "other",
        "station",
        "least",
        "last",
        "deliver",
        "offer",
        "rule",
        "survivor",
        "problem",
    ];
    let states = HandoffName::ALL.iter().map(|state| state.as_str());
    let phases = Phase::ALL.iter().map(|phase| phase.as_str());
    states
        .chain(phases)
        .chain(Act::NAMES.iter().copied())
        .chain(PARAMS.iter().copied())
        .find(|known| *known == name)
        .unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_read_back_as_they_were_stored() {
        let done = Answer::Done(Done {
            position: 7,
            incident: IncidentId(Uuid::from_u128(1)),
            version: 3,
            hash: Digest([9; 32]),
        });
        let mut refusal = Refusal::new(Reason::StaleVersion).field("expected.state").with("tenure_now", 2);
        refusal.state = Some("OFFERED");
        refusal.legal = vec!["agree", "decline"];
        for answer in [done, Answer::Refused(refusal)] {
            let bytes = answer.to_bytes().expect("an answer is within the profile");
            assert_eq!(Answer::from_bytes(&bytes).expect("it reads back"), answer);
        }
        assert!(Answer::from_bytes(b"{}").is_err());
    }
}
