//! Sealed fields: in the event stands a salted digest, the value lives beside it and can be erased (evidence, 9).
//!
//! ```text
//! disclosure = base64url( JSON [salt, path, value] )     canonical JSON, base64url without padding
//! sd         = base64url( SHA-256( ASCII(disclosure) ) ) RFC 9901 form; in the event {"sd": sd}
//! salt       = 128 random bits, 22 characters of base64url
//! path       = dotted path in the event's body, list items by number: "caller.phone", "form.items.0.note"
//! value      = a text, or a point {"lat7":…,"lon7":…} under the datum that stands in clear beside it
//! ```

use crate::json::{self, ReadError, WriteError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use handoff_domain::event::Body;
use handoff_domain::node::{Fields, FromNode, Malformed, Node, ToNode};
use handoff_domain::values::{Salt, Sealed};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;

/// Largest latitude, 90° north, counted in 1e-7 degrees from the south pole.
pub const LAT7_MAX: u64 = 1_800_000_000;
/// Largest longitude, 180° east, counted in 1e-7 degrees from the antimeridian.
pub const LON7_MAX: u64 = 3_600_000_000;

/// A value before it is sealed. `Debug` does not show it, so that no log line can hold it.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// An exact point.
    Point {
        /// Latitude from the south pole in 1e-7 degrees, at most [`LAT7_MAX`].
        lat7: u64,
        /// Longitude from the antimeridian in 1e-7 degrees, at most [`LON7_MAX`].
        lon7: u64,
    },
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Point { .. } => f.write_str("Point(..)"),
        }
    }
}

/// What the side table keeps of one sealed field. `Debug` shows neither value nor salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Disclosure {
    /// Path of the field in the event's body.
    pub path: String,
    /// The disclosure string: salt, path and value.
    pub text: String,
    /// What stands in the event.
    pub digest: Sealed,
}

impl std::fmt::Debug for Disclosure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Disclosure").field("path", &self.path).finish_non_exhaustive()
    }
}

/// What a disclosure string says. `Debug` shows neither value nor salt.
#[derive(Clone, PartialEq, Eq)]
pub struct Opened {
    /// The field's own salt.
    pub salt: Salt,
    /// Path of the field in the event's body.
    pub path: String,
    /// The value.
    pub value: Value,
}

impl std::fmt::Debug for Opened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Opened").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Why a value cannot be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Not a dotted path of keys and numbers.
    #[error("not a path of a field: {0:?}")]
    Path(String),
    /// The text may not enter the log, or is too long together with its salt and path.
    #[error("field {path} cannot be sealed")]
    Profile {
        /// The field.
        path: String,
        /// What is wrong with it.
        source: WriteError,
    },
    /// No such place on earth.
    #[error("field {0}: a point outside the grid")]
    Point(String),
}

/// Why a disclosure does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Not base64url without padding and without trailing bits.
    #[error("not base64url")]
    Encoding,
    /// Not canonical JSON of the profile.
    #[error("not canonical")]
    Profile(#[from] ReadError),
    /// Not `[salt, path, value]`.
    #[error("not a salt, a path and a value")]
    Shape(#[source] Malformed),
    /// It is not what was sealed: another salt, path or value.
    #[error("the digest is another one")]
    Digest,
    /// It was sealed for another field.
    #[error("sealed for field {0}")]
    OtherPath(String),
}

/// Seals the fields of one command and keeps what has to be stored beside its events.
#[derive(Clone, Debug, Default)]
pub struct Sealer {
    disclosures: Vec<Disclosure>,
}

impl Sealer {
    /// Nothing sealed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Seals one value under a salt of its own. A salt used twice lets equal values be recognised.
    ///
    /// # Errors
    /// [`SealError`] for a path that names no field, a text outside the profile or not in normal form C, or a
    /// point off the grid.
    pub fn seal(&mut self, salt: Salt, path: &str, value: &Value) -> Result<Sealed, SealError> {
        let disclosure = seal(salt, path, value)?;
        let digest = disclosure.digest;
        self.disclosures.push(disclosure);
        Ok(digest)
    }

    /// What was sealed so far, in order.
    #[must_use]
    pub fn disclosures(&self) -> &[Disclosure] {
        &self.disclosures
    }

    /// What was sealed, in order, to be matched to events through [`sealed_paths`].
    #[must_use]
    pub fn into_disclosures(self) -> Vec<Disclosure> {
        self.disclosures
    }
}

/// Seals one value ([`Sealer::seal`]).
///
/// # Errors
/// [`SealError`].
pub fn seal(salt: Salt, path: &str, value: &Value) -> Result<Disclosure, SealError> {
    if !is_path(path) {
        return Err(SealError::Path(path.to_owned()));
    }
    let profile = |source: WriteError| SealError::Profile { path: path.to_owned(), source };
    let value = match value {
        Value::Text(text) => {
            json::check_text(text).map_err(|fault| profile(fault.into()))?;
            Node::Text(text.clone())
        }
        Value::Point { lat7, lon7 } if *lat7 > LAT7_MAX || *lon7 > LON7_MAX => {
            return Err(SealError::Point(path.to_owned()));
        }
        Value::Point { lat7, lon7 } => {
            Node::Map(vec![(Cow::Borrowed("lat7"), Node::Int(*lat7)), (Cow::Borrowed("lon7"), Node::Int(*lon7))])
        }
    };
    let parts = salt.to_node().into_iter().chain([Node::Text(path.to_owned()), value]);
    let json = json::write(&Node::List(parts.collect())).map_err(profile)?;
    let text = URL_SAFE_NO_PAD.encode(json);
    let digest = digest(&text);
    Ok(Disclosure { path: path.to_owned(), text, digest })
}

/// The digest that stands in the event for this disclosure string.
#[must_use]
pub fn digest(disclosure: &str) -> Sealed {
    Sealed(Sha256::digest(disclosure.as_bytes()).into())
}

/// Reads a disclosure string. It says nothing yet about what was sealed: [`verify`] does.
///
/// # Errors
/// [`OpenError`]; only the strings [`seal`] can make are read, and those of text in another normal form.
pub fn open(disclosure: &str) -> Result<Opened, OpenError> {
    let json = URL_SAFE_NO_PAD.decode(disclosure).map_err(|_| OpenError::Encoding)?;
    let wrong = |expected: &'static str| OpenError::Shape(Malformed::new("", expected));
    let Node::List(parts) = json::read(&json)? else { return Err(wrong("a list")) };
    let [salt, path, value] = <[Node; 3]>::try_from(parts).map_err(|_| wrong("three values"))?;
    let salt = Salt::from_node(salt, "salt").map_err(OpenError::Shape)?;
    let path = String::from_node(path, "path").map_err(OpenError::Shape)?;
    if !is_path(&path) {
        return Err(wrong("a path of a field"));
    }
    let value = match value {
        Node::Text(text) => Value::Text(text),
        Node::Int(_) | Node::Flag(_) | Node::List(_) | Node::Map(_) => point(value).map_err(OpenError::Shape)?,
    };
    Ok(Opened { salt, path, value })
}

fn point(node: Node) -> Result<Value, Malformed> {
    let mut fields = Fields::open(node, "value")?;
    let (lat7, lon7) = (fields.take("lat7")?, fields.take("lon7")?);
    fields.close()?;
    if lat7 > LAT7_MAX || lon7 > LON7_MAX {
        return Err(Malformed::new("value", "a point on the grid"));
    }
    Ok(Value::Point { lat7, lon7 })
}

/// Reads a disclosure string and checks that it is what was sealed at `path`.
///
/// # Errors
/// [`OpenError`]; the digest is compared first, so that nothing of a forged string is shown.
pub fn verify(disclosure: &str, path: &str, sealed: Sealed) -> Result<Opened, OpenError> {
    if digest(disclosure) != sealed {
        return Err(OpenError::Digest);
    }
    let opened = open(disclosure)?;
    if opened.path == path { Ok(opened) } else { Err(OpenError::OtherPath(opened.path)) }
}

/// Every sealed field of a body with its path, in the order of the record's fields.
#[must_use]
pub fn sealed_paths(body: &Body) -> Vec<(String, Sealed)> {
    let mut found = Vec::new();
    walk(&body.to_node(), &mut String::new(), &mut found);
    found
}

fn walk(node: &Node, path: &mut String, found: &mut Vec<(String, Sealed)>) {
    match node {
        Node::Text(_) | Node::Int(_) | Node::Flag(_) => {}
        Node::List(items) => {
            for (at, item) in items.iter().enumerate() {
                step(item, &at.to_string(), path, found);
            }
        }
        // `sd` is the only key of a sealed field and of nothing else in the schema.
        Node::Map(fields) if fields.len() == 1 && fields[0].0 == "sd" => {
            found.extend(Sealed::from_node(node.clone(), path).ok().map(|sealed| (path.clone(), sealed)));
        }
        Node::Map(fields) => {
            for (key, field) in fields {
                step(field, key, path, found);
            }
        }
    }
}

fn step(node: &Node, name: &str, path: &mut String, found: &mut Vec<(String, Sealed)>) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(name);
    walk(node, path, found);
    path.truncate(length);
}

/// `[a-z][a-z0-9_]*`, then more of the same or list positions without needless zeros, joined by dots.
fn is_path(path: &str) -> bool {
    let is_position = |step: &str| {
        !step.is_empty() && step.bytes().all(|c| c.is_ascii_digit()) && (step == "0" || !step.starts_with('0'))
    };
    path.split('.').enumerate().all(|(at, step)| json::is_key(step) || at > 0 && is_position(step))
}

#[cfg(test)]
mod tests;
