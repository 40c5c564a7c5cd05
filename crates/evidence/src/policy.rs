//! The policy (evidence, 7): which logs, which witnesses and how many of them, whose recorder and registrar keys. Its
//! digest is printed in the paper agreement of the two organisations; everything a verifier believes follows from it.
//!
//! The file is a C2SP tlog-policy. Lines of ours are comments to every other reader:
//!
//! ```text
//! log <vkey> [url]                       name = "sigsum.org/v1/tree/" hex SHA-256(key), type 0x01
//! witness <name> <vkey> [url]            type 0x04
//! group <name> <all|any|k> <member>…     members stand on earlier lines; each is a member once in the whole file
//! quorum <name|none>                     exactly one
//! # handoff log <origin> from <size> [until <size>]             a log of an earlier line; without it every size
//! # handoff recorder <ORG|OP> <64 hex> from <index> [until <index>]
//! # handoff registry <ORG> <uuid>        the stream of the organisation's key registry
//! # handoff registrar <ORG> <64 hex>
//! # handoff registrars <ORG> <n>         n of its registrar keys must sign, at least two
//! ```
//!
//! - `from` is the first size or index that counts, `until` the first that no longer does.
//! - The file is a strict part of what C2SP allows: one space between items and none around them, LF line ends, ASCII
//!   but for comments, no `#` inside a line (a comment to Sigsum's reader), at most [`BYTES_MAX`] bytes.
//! - A comment whose first word begins with "handoff", in any case and after any marks, is one of the five lines or
//!   refused: a slip of the pen must not turn a rule into a remark.
//! - One key, one role, one name (evidence, 7): no Ed25519 key stands twice, no verifier key's name either. Recorder
//!   ranges of one organisation do not overlap. An organisation has registry, registrars and their number, or none.
//! - A recorder range counts in indices of the log the policy is asked about. A policy that lists two logs therefore
//!   gives both the same recorders; another log with other recorders takes the next policy of the chain.
//!
//! A policy is followed by the next one through a signed note ([`Succession`]).

mod chain;
mod error;
mod judge;
mod read;
mod registrar;
mod write;

pub use chain::{Chain, RegistrarLine, Succession, SuccessionError};
pub use error::{PolicyError, Problem};
pub use judge::JudgeError;
pub use registrar::{RegistrarKey, registrar_name};

use crate::log::origin_of;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Longest policy file, in bytes.
pub const BYTES_MAX: usize = 65_536;

/// The organisation that stands for the service itself: it records timers and the directory, and has no officers.
pub const OPERATOR: &str = "OP";

/// From here on, and up to but without there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The first that counts.
    pub from: u64,
    /// The first that no longer counts; absent: all that follow count.
    pub until: Option<u64>,
}

impl Range {
    /// Everything.
    pub const ALL: Self = Self { from: 0, until: None };

    /// Whether `number` is in it.
    #[must_use]
    pub fn holds(&self, number: u64) -> bool {
        self.from <= number && self.until.is_none_or(|until| number < until)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let ends_after = |range: &Self, start: u64| range.until.is_none_or(|until| start < until);
        ends_after(self, other.from) && ends_after(other, self.from)
    }
}

/// A log whose signed heads count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Ed25519 key.
    pub key: [u8; 32],
    /// Where it is reached; never looked at.
    pub url: Option<String>,
    /// Which sizes count, where the policy says so.
    pub sizes: Option<Range>,
}

impl Log {
    /// The log's name, which follows from its key.
    #[must_use]
    pub fn origin(&self) -> String {
        origin_of(&self.key)
    }

    /// Which sizes count.
    #[must_use]
    pub fn range(&self) -> Range {
        self.sizes.unwrap_or(Range::ALL)
    }
}

/// A witness whose cosignature counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Witness {
    /// Its name inside the policy: what groups and quorum refer to.
    pub name: String,
    /// The name of its cosignature lines.
    pub key_name: String,
    /// Ed25519 key.
    pub key: [u8; 32],
    /// Where it is reached; never looked at.
    pub url: Option<String>,
}

/// How many members of a group must have witnessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Every one.
    All,
    /// One.
    Any,
    /// So many, from 1 to the number of members.
    Count(u64),
}

/// Witnesses and groups that count together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name inside the policy.
    pub name: String,
    /// How many members it takes.
    pub needs: Needs,
    /// Names of earlier witnesses and groups.
    pub members: Vec<String>,
}

/// The key that signs the leaves of one organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorder {
    /// The organisation named by the events, or [`OPERATOR`].
    pub org: OrgId,
    /// Ed25519 key.
    pub key: [u8; 32],
    /// Which log indices it signs.
    pub indices: Range,
}

/// What an organisation decides itself: who may enrol its officers' keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registrars {
    /// The stream of its key registry.
    pub stream: IncidentId,
    /// Registrar keys, in the order of the file; never held by the service.
    pub keys: Vec<[u8; 32]>,
    /// How many of them must sign, at least two.
    pub needed: u64,
}

/// What a policy says, in the order of its lines. [`Policy::write`] makes a file of it, and checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Logs.
    pub logs: Vec<Log>,
    /// Witnesses.
    pub witnesses: Vec<Witness>,
    /// Groups, members before those that name them.
    pub groups: Vec<Group>,
    /// The witness or group that must have witnessed; absent: `none`.
    pub quorum: Option<String>,
    /// Recorder keys.
    pub recorders: Vec<Recorder>,
    /// Registrars of each organisation that has officers.
    pub registrars: BTreeMap<OrgId, Registrars>,
}

/// What a key is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Signs heads.
    Log,
    /// Cosigns heads, under this name.
    Witness(String),
    /// Signs leaves of this organisation.
    Recorder(OrgId),
    /// Signs registry and policy changes for this organisation.
    Registrar(OrgId),
}

/// A policy that was read: its exact text and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    text: String,
    parts: Parts,
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] names the line and what to do about it.
    pub fn read(text: &str) -> Result<Self, PolicyError> {
        let parts = read::parts(text)?;
        Ok(Self { text: text.to_owned(), parts })
    }

    /// Makes a policy file of its parts. It reads back as the same parts.
    ///
    /// # Errors
    /// [`PolicyError`] of the file these parts would make.
    pub fn write(parts: &Parts) -> Result<Self, PolicyError> {
        let policy = Self::read(&write::c2sp(parts))?;
        // A name with a line end or a space in it could make another policy than the one asked for.
        if policy.parts == *parts { Ok(policy) } else { Err(PolicyError { line: 0, problem: Problem::OtherParts }) }
    }

    /// The exact file.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it says.
    #[must_use]
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// SHA-256 of the exact file: what the paper agreement prints.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(&self.text).into())
    }

    /// The same logs, witnesses and quorum in the form Sigsum's own tools read. It knows no ranges and no lines of ours.
    #[must_use]
    pub fn to_sigsum(&self) -> String {
        write::sigsum(&self.parts)
    }

    /// The log of that name.
    #[must_use]
    pub fn log(&self, origin: &str) -> Option<&Log> {
        self.parts.logs.iter().find(|log| log.origin() == origin)
    }

    /// The witness whose cosignature lines bear that name.
    #[must_use]
    pub fn witness(&self, key_name: &str) -> Option<&Witness> {
        self.parts.witnesses.iter().find(|witness| witness.key_name == key_name)
    }

    /// The witness with that key.
    #[must_use]
    pub fn witness_by_key(&self, key: &[u8; 32]) -> Option<&Witness> {
        self.parts.witnesses.iter().find(|witness| witness.key == *key)
    }

    /// Whether the witnesses whose cosignatures verified, by their names inside the policy, are enough. A policy with
    /// `quorum none` asks for nobody. Names the policy does not know count for nothing.
    #[must_use]
    pub fn quorum(&self, verified: &BTreeSet<&str>) -> bool {
        let Some(quorum) = self.parts.quorum.as_deref() else { return true };
        let known = self.parts.witnesses.iter().map(|witness| witness.name.as_str());
        let mut reached: BTreeSet<&str> = known.filter(|name| verified.contains(name)).collect();
        // Members stand before their group, so one pass is enough.
        for group in &self.parts.groups {
            let there = group.members.iter().filter(|member| reached.contains(member.as_str())).count();
            let enough = match group.needs {
                Needs::All => there == group.members.len(),
                Needs::Any => there >= 1,
                Needs::Count(count) => u64::try_from(there).is_ok_and(|there| there >= count),
            };
            if enough {
                reached.insert(&group.name);
            }
        }
        reached.contains(quorum)
    }

    /// The key that signs leaves of that organisation at that log index.
    #[must_use]
    pub fn recorder(&self, org: &OrgId, index: u64) -> Option<[u8; 32]> {
        let found = self.parts.recorders.iter().find(|recorder| recorder.org == *org && recorder.indices.holds(index));
        found.map(|recorder| recorder.key)
    }

    /// The registrars of that organisation.
    #[must_use]
    pub fn registrars(&self, org: &OrgId) -> Option<&Registrars> {
        self.parts.registrars.get(org)
    }

    /// The organisation whose registry this stream is.
    #[must_use]
    pub fn registry_of(&self, stream: IncidentId) -> Option<&OrgId> {
        self.parts.registrars.iter().find(|(_, registrars)| registrars.stream == stream).map(|(org, _)| org)
    }

    /// What a key is for under this policy. An officer's key must be for nothing here.
    #[must_use]
    pub fn role(&self, key: &[u8; 32]) -> Option<Role> {
        self.keys().find(|(known, _)| *known == key).map(|(_, role)| role)
    }

    /// Every key and what it is for.
    fn keys(&self) -> impl Iterator<Item = (&[u8; 32], Role)> {
        let Parts { logs, witnesses, recorders, registrars, .. } = &self.parts;
        let logs = logs.iter().map(|log| (&log.key, Role::Log));
        let witnesses = witnesses.iter().map(|witness| (&witness.key, Role::Witness(witness.key_name.clone())));
        let recorders = recorders.iter().map(|recorder| (&recorder.key, Role::Recorder(recorder.org.clone())));
        let registrars = registrars
            .iter()
            .flat_map(|(org, of_org)| of_org.keys.iter().map(move |key| (key, Role::Registrar(org.clone()))));
        logs.chain(witnesses).chain(recorders).chain(registrars)
    }
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub(crate) mod tests;
