use crate::json::{self, ReadError, WriteError};
use crate::lines::hex;
use crate::signoff::{PublicKey, SpkiFault};
use handoff_domain::caller::Role;
use handoff_domain::ids::{OfficerId, StationId};
use handoff_domain::keys::Enrolled;
use handoff_domain::node::{FromNode as _, Malformed, Node, ToNode as _};
use handoff_domain::time::Millis;
use handoff_domain::values::{Label, Level, Salt, b64url, b64url_read};
use sha2::{Digest as _, Sha256};

handoff_domain::words! {
    /// How a key signs.
    pub enum Alg {
        /// Ed25519 (RFC 8032).
        Ed25519 = "Ed25519",
        /// ECDSA over P-256 with SHA-256, signatures in DER.
        Es256 = "ES256",
    }

    /// What a key of the registry is for. Recorder keys stand in the policy, so there is one kind only.
    pub enum Kind {
        /// An officer's signature under a statement.
        Signoff = "signoff",
    }

    /// Whether a key counts in this state of the registry.
    pub enum Status {
        /// It does.
        Active = "active",
        /// It does no longer. What it signed before stands.
        Revoked = "revoked",
    }
}

handoff_domain::record! {
    /// One key of one officer, as the registrars enrolled it.
    pub struct Entry {
        /// How it signs.
        pub alg: Alg,
        /// The passkey may be copied to other devices (the flag BE at enrolment).
        pub be: bool,
        /// From when on its signatures are doubted; told beside them, and judges nothing.
        pub compromised_since: Option<Millis>,
        /// What holds it, where that is not the officer: a dispatch client, a card.
        pub held_by: Option<Label>,
        /// The public key: SPKI DER in base64url.
        pub key: String,
        /// Its id: SHA-256 of the DER in lower-case hexadecimal.
        pub kid: String,
        /// What it is for.
        pub kind: Kind,
        /// `device` or `passkey`.
        pub level: Level,
        /// Whose it is.
        pub officer: OfficerId,
        /// Web origins a passkey may be used from, in order.
        pub origins: Vec<String>,
        /// As what its officer may sign, in order of the words.
        pub roles: Vec<Role>,
        /// A passkey's RP ID: the station's host name.
        pub rp: Option<String>,
        /// Random.
        pub salt: Salt,
        /// The officer's station.
        pub station: StationId,
        /// Whether it counts.
        pub status: Status,
    }
}

/// Why bytes are no registry entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not canonical JSON of the profile.
    #[error("not canonical")]
    Profile(#[from] ReadError),
    /// Not the members of an entry.
    #[error("not an entry")]
    Shape(#[from] Malformed),
    /// It cannot be written.
    #[error("cannot be written")]
    Write(#[from] WriteError),
    /// Not base64url in its one spelling.
    #[error("the key is not base64url")]
    Encoding,
    /// Not a key we take.
    #[error("the key cannot be read")]
    Key(#[from] SpkiFault),
    /// The key is of another algorithm.
    #[error("the key is not of the algorithm the entry names")]
    Alg,
    /// `kid` does not follow from the key.
    #[error("the key's id does not follow from the key")]
    Kid,
    /// `attested` is the level of a sign-off without a key.
    #[error("a key's level is device or passkey")]
    Level,
    /// A passkey needs P-256, an RP ID and origins; a device key has none of them.
    #[error("{0} does not fit the level")]
    Passkey(&'static str),
    /// No host name in lower case.
    #[error("the RP ID is no host name")]
    Rp,
    /// No web origin of the RP ID's host, or below it.
    #[error("{0:?} is no origin of the RP ID")]
    Origin(String),
    /// Out of order or given twice.
    #[error("{0} are out of order or given twice")]
    Order(&'static str),
    /// It may sign as nothing.
    #[error("no role")]
    NoRole,
    /// A doubt about a key that still counts.
    #[error("compromised, and not revoked")]
    Compromised,
}

impl Entry {
    /// Reads an entry: `read(bytes)?.write()? == bytes` for all bytes it takes.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn read(bytes: &[u8]) -> Result<Self, EntryError> {
        let entry = Self::from_node(json::read(bytes)?, "")?;
        entry.check()?;
        Ok(entry)
    }

    /// The canonical bytes: what the tree's leaf is made of.
    ///
    /// # Errors
    /// [`EntryError`] where its members do not fit together.
    pub fn write(&self) -> Result<Vec<u8>, EntryError> {
        self.check()?;
        Ok(json::write(&self.to_node().unwrap_or(Node::Map(Vec::new())))?)
    }

    /// What rules need of it.
    #[must_use]
    pub fn enrolled(&self) -> Enrolled {
        Enrolled {
            officer: self.officer.clone(),
            station: self.station.clone(),
            roles: self.roles.clone(),
            level: self.level,
        }
    }

    /// The public key in DER.
    ///
    /// # Errors
    /// [`EntryError::Encoding`].
    pub fn der(&self) -> Result<Vec<u8>, EntryError> {
        b64url_read(&self.key).ok_or(EntryError::Encoding)
    }

    /// The members `alg`, `key` and `kid` of a public key.
    #[must_use]
    pub fn names_of(key: &PublicKey) -> (Alg, String, String) {
        let der = key.to_spki();
        (key.alg(), b64url(&der), kid(&der))
    }

    /// The entry of an officer's device key, in force. The roles are put in order.
    #[must_use]
    pub fn of_device(
        key: &PublicKey,
        officer: OfficerId,
        station: StationId,
        mut roles: Vec<Role>,
        salt: Salt,
    ) -> Self {
        let (alg, key, kid) = Self::names_of(key);
        roles.sort_by_key(|role| role.as_str());
        Self {
            alg,
            be: false,
            compromised_since: None,
            held_by: None,
            key,
            kid,
            kind: Kind::Signoff,
            level: Level::Device,
            officer,
            origins: Vec::new(),
            roles,
            rp: None,
            salt,
            station,
            status: Status::Active,
        }
    }

    fn check(&self) -> Result<(), EntryError> {
        let der = self.der()?;
        if PublicKey::from_spki(&der)?.alg() != self.alg {
            return Err(EntryError::Alg);
        }
        if self.kid != kid(&der) {
            return Err(EntryError::Kid);
        }
        if self.roles.is_empty() {
            return Err(EntryError::NoRole);
        }
        if !in_order(self.roles.iter().map(|role| role.as_str())) {
            return Err(EntryError::Order("roles"));
        }
        if self.compromised_since.is_some() && self.status != Status::Revoked {
            return Err(EntryError::Compromised);
        }
        match self.level {
            Level::Attested => Err(EntryError::Level),
            Level::Device => self.check_device(),
            Level::Passkey => self.check_passkey(),
        }
    }

    fn check_device(&self) -> Result<(), EntryError> {
        let foreign = [("be", self.be), ("origins", !self.origins.is_empty()), ("rp", self.rp.is_some())];
        match foreign.into_iter().find(|(_, is_there)| *is_there) {
            Some((name, _)) => Err(EntryError::Passkey(name)),
            None => Ok(()),
        }
    }

    fn check_passkey(&self) -> Result<(), EntryError> {
        if self.alg != Alg::Es256 {
            return Err(EntryError::Passkey("alg"));
        }
        let rp = self.rp.as_deref().ok_or(EntryError::Passkey("rp"))?;
        if !is_host(rp) {
            return Err(EntryError::Rp);
        }
        if self.origins.is_empty() {
            return Err(EntryError::Passkey("origins"));
        }
        if let Some(origin) = self.origins.iter().find(|origin| !is_origin_of(origin, rp)) {
            return Err(EntryError::Origin(origin.clone()));
        }
        if in_order(self.origins.iter().map(String::as_str)) { Ok(()) } else { Err(EntryError::Order("origins")) }
    }
}

/// The id of a key: SHA-256 of its SPKI DER.
pub(super) fn kid(der: &[u8]) -> String {
    hex(&Sha256::digest(der))
}

fn in_order<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    texts.is_sorted_by(|a, b| a < b)
}

/// A host name in its one spelling: lower-case labels joined by dots, at most 253 bytes.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// Whether a browser could show a page of this origin that uses this RP ID: `https://HOST[:PORT]` with the host itself
/// or one below it, as browsers spell it. Plain `http` for `localhost` alone, which is for demonstrations.
fn is_origin_of(origin: &str, rp: &str) -> bool {
    let (rest, default_port) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443),
        (None, Some(rest)) if rp == "localhost" => (rest, 80),
        (None, _) => return false,
    };
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    // A browser leaves out the port that follows from the scheme.
    let is_port = |port: &str| {
        port.parse().is_ok_and(|number: u16| number != 0 && number != default_port && number.to_string() == port)
    };
    let is_below = host.strip_suffix(rp).is_some_and(|before| before.is_empty() || before.ends_with('.'));
    is_below && is_host(host) && port.is_none_or(is_port)
}
