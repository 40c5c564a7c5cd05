//! A message as lines, with what changes from run to run taken out.

use super::fields::is_ours;
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use std::collections::BTreeMap;

/// Fields whose value is another one in every run and says nothing but that it is there.
const MADE_ANEW: &[&str] =
    &["digest", "event_hash", "form_digest", "log", "nonce", "salt", "resume_token", "next_page_token", "next_page"];
/// Fields that count in the log or in a feed.
const PLACES_IN_THE_LOG: &[&str] = &[
    "Entry.number",
    "Entry.position",
    "MoveReply.position",
    "FeedHeartbeat.head_number",
    "FeedPosition.head_number",
    "FeedPosition.committed_number",
];
/// Longest value that stands in a line.
const VALUE_CHARS_MAX: usize = 160;

/// One value of a message.
#[derive(Clone, Debug)]
pub struct Line {
    /// Where it stands; positions in lists are numbers of two digits, so that they sort.
    pub path: String,
    /// `Message.field`.
    pub field: String,
    /// Its text, the same in every run.
    pub value: String,
    /// The organisation whose object it stands in, where it stands in one.
    pub owner: Option<String>,
    /// It stands in an event that is a signature.
    pub signed: bool,
}

/// What is known of the play: names of ids.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Calls an id by a name from here on.
    pub fn name(&mut self, id: &str, name: &str) {
        self.0.insert(id.to_owned(), format!("<{name}>"));
    }

    /// The text with known ids by name, others as `<id>`, digests as `<sha256>`.
    #[must_use]
    pub fn of(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (id, name) in &self.0 {
            out = out.replace(id, name);
        }
        let out = replaced(&out, 36, is_uuid, "<id>");
        let out = replaced(&out, 24, is_instant, "<instant>");
        replaced(&out, 71, is_digest, "<sha256>")
    }
}

/// Every part of that many letters that is one of these, as a word.
fn replaced(text: &str, length: usize, is_one: fn(&str) -> bool, word: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(first) = rest.chars().next() {
        match rest.get(..length).filter(|part| is_one(part)) {
            Some(_) => {
                out.push_str(word);
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    out
}

fn is_uuid(text: &str) -> bool {
    let hyphen = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    text.bytes().enumerate().all(|(at, byte)| if hyphen(at) { byte == b'-' } else { byte.is_ascii_hexdigit() })
}

/// `2026-11-23T12:00:00.000Z`.
fn is_instant(text: &str) -> bool {
    const FORM: &str = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.bytes().zip(FORM.bytes()).all(|(byte, form)| if form == b'd' { byte.is_ascii_digit() } else { byte == form })
}

fn is_digest(text: &str) -> bool {
    text.strip_prefix("sha256:").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The lines of a message under a name.
#[must_use]
pub fn lines(message: &DynamicMessage, name: &str, names: &Names) -> Vec<Line> {
    let mut walk = Walk { names, lines: Vec::new() };
    walk.message(message, name, None, false);
    walk.lines
}

struct Walk<'a> {
    names: &'a Names,
    lines: Vec<Line>,
}

impl Walk<'_> {
    fn message(&mut self, message: &DynamicMessage, path: &str, outer: Option<&str>, outer_signed: bool) {
        let descriptor = message.descriptor();
        let owner = owner(message).or_else(|| outer.map(str::to_owned));
        let signed = outer_signed || is_signature(message);
        let label = text(message, "path").filter(|_| descriptor.name() == "Field");
        for (field, value) in message.fields() {
            let id = format!("{}.{}", descriptor.name(), field.name());
            if id == "Field.path" {
                self.put(path, &id, text(message, "path").unwrap_or_default(), owner.as_deref(), signed);
                continue;
            }
            if label.as_deref().is_some_and(|label| MADE_ANEW.contains(&label)) {
                self.put(path, &id, "<made anew>".to_owned(), owner.as_deref(), signed);
                continue;
            }
            let at = if label.is_some() { path.to_owned() } else { format!("{path}.{}", field.name()) };
            self.value(value, &field, &at, &id, owner.as_deref(), signed);
        }
    }

    fn value(
        &mut self,
        value: &Value,
        field: &FieldDescriptor,
        path: &str,
        id: &str,
        owner: Option<&str>,
        signed: bool,
    ) {
        match value {
            Value::Message(inner) if is_ours(&inner.descriptor()) => {
                // A confirmation is a signature; that it is there is a fact of its own.
                let signed = signed || field.name() == "signed_off";
                self.put(path, id, "{}".to_owned(), owner, signed);
                self.message(inner, path, owner, signed);
            }
            Value::Message(inner) => {
                self.put(path, id, format!("<{}>", inner.descriptor().name().to_lowercase()), owner, signed);
            }
            Value::List(items) if items.iter().all(|item| item.as_message().is_none()) => {
                let words: Vec<String> = items.iter().map(|item| self.word(item, field)).collect();
                self.put(path, id, words.join(", "), owner, signed);
            }
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    let key = item.as_message().and_then(key).map(|key| self.names.of(&key));
                    let key = key.unwrap_or_else(|| format!("{at:02}"));
                    self.value(item, field, &format!("{path}[{key}]"), id, owner, signed);
                }
            }
            plain => {
                let word = if PLACES_IN_THE_LOG.contains(&id) { "<place>".to_owned() } else { self.word(plain, field) };
                self.put(path, id, word, owner, signed);
            }
        }
    }

    fn word(&self, value: &Value, field: &FieldDescriptor) -> String {
        match value {
            Value::String(_) if MADE_ANEW.contains(&field.name()) => format!("<{}>", field.name()),
            Value::String(text) => {
                let text = self.names.of(text).replace('\n', "\\n");
                if text.chars().count() <= VALUE_CHARS_MAX { text } else { "<a long text>".to_owned() }
            }
            Value::Bool(flag) => flag.to_string(),
            Value::U64(number) => number.to_string(),
            Value::U32(number) => number.to_string(),
            Value::I32(number) => number.to_string(),
            Value::F64(number) => number.to_string(),
            Value::Bytes(bytes) => format!("<{} bytes>", bytes.len()),
            other => format!("{other:?}"),
        }
    }

    fn put(&mut self, path: &str, field: &str, value: String, owner: Option<&str>, signed: bool) {
        let (path, field, owner) = (path.to_owned(), field.to_owned(), owner.map(str::to_owned));
        self.lines.push(Line { path, field, value, owner, signed });
    }
}

fn text(message: &DynamicMessage, field: &str) -> Option<String> {
    message.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).filter(|text| !text.is_empty())
}

/// The organisation an object belongs to: it names it, or the station it is of, or stands under its pseudonym.
fn owner(message: &DynamicMessage) -> Option<String> {
    match message.descriptor().name() {
        "Station" | "Post" | "Unit" | "Catalogue" | "Actor" | "Milestone" => text(message, "organisation"),
        "Officer" => text(message, "id").and_then(|id| id.chars().next()).map(|c| c.to_ascii_uppercase().to_string()),
        "Deployment" => {
            let of = message.get_field_by_name("of")?;
            text(of.as_message()?, "organisation")
        }
        _ => None,
    }
}

fn is_signature(message: &DynamicMessage) -> bool {
    match message.descriptor().name() {
        "Entry" => text(message, "type")
            .is_some_and(|kind| ["signed", "reported", "confirmed", "ruled"].contains(&kind.as_str())),
        _ => false,
    }
}

/// What an item of a list is found by, where its position would shift from reader to reader.
fn key(message: &DynamicMessage) -> Option<String> {
    let number = |field: &str| message.get_field_by_name(field).and_then(|value| value.as_u64());
    match message.descriptor().name() {
        "Entry" => Some(format!("{:02} {}", number("seq")?, text(message, "type")?)),
        "TraceEntry" => key(message.get_field_by_name("entry")?.as_message()?),
        "Field" | "Change" => text(message, "path"),
        "Station" | "Post" | "Unit" | "Officer" => text(message, "id"),
        "Obligation" => Some(format!("{} {}", text(message, "duty")?, text(message, "role").unwrap_or_default())),
        _ => None,
    }
}
