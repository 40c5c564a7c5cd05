//! Small values of an incident: codes, labels, sealed fields, places, what territory answered.

use crate::ids::{Digest, MapRef, NAME_BYTES_MAX, OrgId, StationRef};
use crate::node::{FromNode, Malformed, Node, ToNode};
use crate::time::Millis;
use std::borrow::Cow;

/// A published code, or one of a newer peer that we carry unchanged (product, *Handoff*: unknown codes survive
/// a round trip). `UPPER_SNAKE`, 1 to 64 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(Cow<'static, str>);

impl Code {
    /// A code known when this was built.
    #[must_use]
    pub const fn of(text: &'static str) -> Self {
        Self(Cow::Borrowed(text))
    }

    /// Reads a code: 1 to 64 of `A-Z 0-9 _`, beginning with a letter.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let legal = (1..=NAME_BYTES_MAX).contains(&bytes.len())
            && bytes[0].is_ascii_uppercase()
            && bytes.iter().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || *c == b'_');
        legal.then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the code `text`.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0 == text
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToNode for Code {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Text(self.0.to_string()))
    }
}

impl FromNode for Code {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        Self::new(&String::from_node(node, path)?)
            .ok_or_else(|| Malformed::new(path, "a code of 1 to 64 capital letters, digits and underscores"))
    }
}

/// Longest label, in bytes.
pub const LABEL_BYTES_MAX: usize = 120;

/// A short text in clear that says nothing about a person: a local number, a case number, an own category's name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(String);

impl Label {
    /// Reads a label: 1 to [`LABEL_BYTES_MAX`] bytes, no control characters.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let legal = (1..=LABEL_BYTES_MAX).contains(&text.len()) && !text.chars().any(char::is_control);
        legal.then(|| Self(text.to_owned()))
    }

    /// The label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Label {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl ToNode for Label {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Text(self.0.clone()))
    }
}

impl FromNode for Label {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        Self::new(&String::from_node(node, path)?)
            .ok_or_else(|| Malformed::new(path, "a label of 1 to 120 bytes without control characters"))
    }
}

/// A personal value that is not here: only its salted digest is (evidence, 9). No rule can read what it seals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sealed(pub [u8; 32]);

impl ToNode for Sealed {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Map(vec![(Cow::Borrowed("sd"), Node::Text(b64url(&self.0)))]))
    }
}

impl FromNode for Sealed {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        let mut fields = crate::node::Fields::open(node, path)?;
        let text: String = fields.take("sd")?;
        fields.close()?;
        let bytes = b64url_read(&text).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| Malformed::new(path, "43 characters of base64url"))
    }
}

/// 128 random bits, drawn by `engine`; written as 22 characters of base64url.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Salt(pub [u8; 16]);

impl ToNode for Salt {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Text(b64url(&self.0)))
    }
}

impl FromNode for Salt {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        let bytes = b64url_read(&String::from_node(node, path)?).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok());
        bytes.map(Self).ok_or_else(|| Malformed::new(path, "22 characters of base64url"))
    }
}

const B64URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding (RFC 4648, 5).
#[must_use]
pub fn b64url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().enumerate().fold(0_u32, |word, (at, byte)| word | u32::from(*byte) << (16 - 8 * at));
        for at in 0..=group.len() {
            text.push(char::from(B64URL[(word >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}

/// Reads [`b64url`]; padding, other letters and trailing bits that are not zero are `None`.
#[must_use]
pub fn b64url_read(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut word = 0_u32;
        for (at, letter) in group.iter().enumerate() {
            let value = B64URL.iter().position(|known| known == letter)?;
            word |= u32::try_from(value).ok()? << (18 - 6 * at);
        }
        bytes.extend(word.to_be_bytes().get(1..group.len()).filter(|_| group.len() > 1)?);
    }
    (b64url(&bytes) == text).then_some(bytes)
}

crate::words! {
    /// How urgent an incident is. Unknown counts as urgent (product, *Incident*).
    pub enum Severity {
        /// Timers of the urgent column.
        Urgent = "URGENT",
        /// Timers of the normal column.
        Normal = "NORMAL",
        /// Not known yet; treated as urgent.
        Unknown = "UNKNOWN",
    }

    /// What territory said of a point, seen from nobody's side (product, *Territory*).
    pub enum Ground {
        /// Exactly one station claims the place.
        Claimed = "CLAIMED",
        /// Embedded zone, overlap, or within the band around a border.
        Shared = "SHARED",
        /// No area of the map holds the place.
        Outside = "OUTSIDE",
        /// The point or its datum cannot be trusted; go by the address.
        Untrusted = "UNTRUSTED",
    }
}

impl Severity {
    /// Whether the urgent column of the timers holds.
    #[must_use]
    pub fn is_urgent(self) -> bool {
        matches!(self, Self::Urgent | Self::Unknown)
    }
}

crate::record! {
    /// An own code for what happened, with the table it is from; the other side's mapped code stands beside it.
    pub struct Category {
        /// Code in the own table.
        pub code: Label,
        /// What the table calls it.
        pub label: Option<Label>,
        /// Version of the table.
        pub table: Option<Label>,
    }

    /// What the boundary map answered for one place, written into the event as a fact.
    pub struct Territory {
        /// The answer.
        pub ground: Ground,
        /// Every station that claims the place, in the map's order; none chosen silently.
        pub claimants: Vec<StationRef>,
        /// Distance to the nearest border in metres.
        pub border_m: Option<u64>,
        /// Why the place is shared or not trusted.
        pub why: Option<Code>,
        /// The map that answered; absent where no map covers the asking station.
        pub map: Option<MapRef>,
    }

    /// A place as one report gave it. Places are a history: a later one stands beside, never instead.
    pub struct Place {
        /// The datum: `WGS84`, `CGCS2000`, `GCJ02`, or what the caller's system called it.
        pub crs: Option<Label>,
        /// Latitude from the south pole in 1e-7 degrees, rounded to the agreement's grid.
        pub lat7: Option<u64>,
        /// Longitude from the antimeridian in 1e-7 degrees, rounded likewise.
        pub lon7: Option<u64>,
        /// The exact point, sealed.
        pub point: Option<Sealed>,
        /// How precise the point is, in metres.
        pub precision_m: Option<u64>,
        /// The address, sealed.
        pub address: Option<Sealed>,
        /// What territory answered when the place was recorded.
        pub territory: Option<Territory>,
    }

    /// Who called, sealed; opened only as product, *Sealed and erasable*, says.
    pub struct CallerData {
        /// Call-back number.
        pub phone: Option<Sealed>,
        /// Whatever else is needed to reach the caller.
        pub details: Option<Sealed>,
    }

    /// A key's signature under a statement, as the signer's program made it (evidence, 8). Rules look at nothing of it
    /// but whose key is named: whether it holds is for `evidence`.
    pub struct KeySignature {
        /// Algorithm: `Ed25519` or `ES256`.
        pub alg: Label,
        /// The key's id in the registry: SHA-256 of its SPKI DER in lower-case hexadecimal.
        pub key: Label,
        /// The signature in base64url.
        pub sig: String,
        /// Authenticator data in base64url, for a passkey.
        pub auth_data: Option<String>,
        /// The browser's client data in base64url, for a passkey.
        pub client_data: Option<String>,
    }

    /// A decision's signature facts as recorded: level, the digest of the statement, and what a key made of it
    /// (evidence, 8).
    pub struct SignOff {
        /// `attested`, `device` or `passkey`.
        pub level: Level,
        /// Digest of the statement that was shown.
        pub statement: Digest,
        /// Algorithm, for a key.
        pub alg: Option<Label>,
        /// The key's id, for a key.
        pub key: Option<Label>,
        /// The signature, for a key.
        pub sig: Option<String>,
        /// Authenticator data, for a passkey.
        pub auth_data: Option<String>,
        /// Client data, for a passkey.
        pub client_data: Option<String>,
    }

    /// Terms of the agreement in force, copied into the event that starts an alert, handoff or joint handling,
    /// so that a later version of the agreement never acts backwards.
    pub struct Terms {
        /// The agreement; absent between stations of one organisation that have none.
        pub agreement: Option<crate::ids::AgreementId>,
        /// Its version.
        pub version: Option<u64>,
        /// Hash of the event that set this version.
        pub hash: Option<Digest>,
        /// The common superior's organisation; absent where both supervisors rule together.
        pub superior: Option<OrgId>,
        /// The weakest signature the two stations take.
        pub level: Option<Level>,
        /// Timers that differ from the rule set's defaults.
        pub timers: Option<crate::timers::Timers>,
        /// Days after closing until caller data is erased, where it is not the default.
        pub caller_days: Option<u64>,
        /// Days after closing until text and place are erased, where it is not the default.
        pub text_days: Option<u64>,
    }
}

crate::words! {
    /// How a signature was given (evidence, 8).
    pub enum Level {
        /// An authenticated click alone: rests on the service's word.
        Attested = "attested",
        /// A device key of the dispatch client or the command line.
        Device = "device",
        /// A passkey with user verification.
        Passkey = "passkey",
    }
}

impl SignOff {
    /// At that level, over that statement, by that key where it is one.
    #[must_use]
    pub fn new(level: Level, statement: Digest, signature: Option<KeySignature>) -> Self {
        let (alg, key, sig, auth_data, client_data) = match signature {
            Some(KeySignature { alg, key, sig, auth_data, client_data }) => {
                (Some(alg), Some(key), Some(sig), auth_data, client_data)
            }
            None => Default::default(),
        };
        Self { level, statement, alg, key, sig, auth_data, client_data }
    }

    /// The authenticated click alone.
    #[must_use]
    pub fn attested(statement: Digest) -> Self {
        Self::new(Level::Attested, statement, None)
    }
}

impl Level {
    /// Attested is weaker than a device key, which is weaker than a passkey.
    #[must_use]
    pub fn at_least(self, least: Self) -> bool {
        self >= least
    }
}

/// A claimed time that lies behind the recorded one by more than this is marked *late entry* (product, *What an
/// auditor gets*).
pub const LATE_ENTRY_MS: i64 = 5 * crate::time::MINUTE;

/// Whether an entry came late by its own account.
#[must_use]
pub fn is_late_entry(at: Millis, claimed_at: Option<Millis>) -> bool {
    claimed_at.is_some_and(|claimed| at.since(claimed) > LATE_ENTRY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64url_round_trips_and_refuses_trailing_bits() {
        for length in 0..40_u8 {
            let bytes: Vec<u8> = (0..length).map(|n| n.wrapping_mul(73)).collect();
            assert_eq!(b64url_read(&b64url(&bytes)), Some(bytes));
        }
        assert_eq!(b64url(&[0x33; 16]), "MzMzMzMzMzMzMzMzMzMzMw");
        for wrong in ["A", "AB=", "AAB", "A+B_"] {
            assert_eq!(b64url_read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn codes_and_labels_refuse_what_the_wire_may_not_carry() {
        assert!(Code::new("NOT_OUR_TERRITORY").is_some());
        for wrong in ["", "lower", "_A", "1A", "A-B", "É"] {
            assert!(Code::new(wrong).is_none(), "{wrong}");
        }
        assert!(Label::new("2026-兵-17").is_some());
        assert!(Label::new("").is_none() && Label::new("a\nb").is_none() && Label::new(&"x".repeat(121)).is_none());
    }
}
