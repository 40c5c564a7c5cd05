//! A bundle (evidence, 12): everything needed to prove how one incident was closed, in one file that is checked with no
//! server and no network.
//!
//! ```text
//! bundle.json                          what it is about                                      derived
//! VERIFY.txt                           how to check it without us                            derived
//! checkpoint.note                      the cosigned tree that holds every event
//! events/0001.json                     the exact bytes, by number in the incident
//! proofs/0001.sigsum, .tlog-proof      leaf signature, index and path; the second is         derived
//! bounds/0001.note                     the last witnessed checkpoint that does not contain the opening, a transfer
//!                                      or a closing
//! signoff/0008.statement.json          what was signed                                       derived
//! registry/<org>/0001.update.json      the event of a change of the key registry, .update.sigsum and .tlog-proof
//! registry/<org>/0001.entry.json       an officer's key, 0001.entry.path its way to the root of an update
//! disclosures/0001.caller.phone.json   a sealed field, opened; may be taken out
//! policy/0001.policy, 0002.note …      the first policy and the notes that follow it
//! policy/sigsum.policy                 the one in force, for Sigsum's tools                  derived
//! keys/log.pub, witness-*, recorder-*  the policy's keys, in OpenSSH form                    derived
//! ```
//!
//! What is derived is written anew and compared, never believed. So a bundle is read back only as the very bytes that
//! its parts make.

pub(crate) mod derived;
pub(crate) mod layout;
pub(crate) mod registry;
pub(crate) mod signed;

pub use derived::BUNDLE;
pub use layout::EVENTS_MAX;
pub use registry::{KeysUsed, Registry, Shown, keys_used, updates_shown};
pub use signed::{Action, Papers, SignedOff, Taken};

use crate::archive::{self, ArchiveError, Files};
use crate::event::{self, DecodeError};
use crate::json::WriteError;
use crate::leaf::Leaf;
use crate::lines::LineError;
use crate::merkle::Hash;
use crate::note::Checkpoint;
use crate::policy::{Chain, Policy, PolicyError, SuccessionError};
use crate::sigsum::SigsumProof;
use derived::{Frame, Manifest};
use handoff_domain::event::Event;
use handoff_domain::ids::OrgId;
use handoff_domain::values::{b64url, b64url_read};
use layout::Slot;
use std::collections::BTreeMap;

/// One event and its place in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Its index in the log, from 0.
    pub index: u64,
    /// Its leaf.
    pub leaf: Leaf,
    /// Its inclusion path in the checkpoint's tree, the leaf's sibling first.
    pub path: Vec<Hash>,
}

/// The parts a bundle is made of. Nothing is verified here: `verify` does that with the bundle's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// Every event of the incident, from its first on.
    pub events: Vec<Logged>,
    /// A checkpoint whose tree holds all of them, with the witnesses' lines.
    pub checkpoint: Checkpoint,
    /// By number of an opening, a transfer or a closing: the last witnessed checkpoint that does not contain it.
    pub bounds: BTreeMap<u64, Checkpoint>,
    /// Disclosure strings by event number and path. What is left out reads "withheld".
    pub disclosures: BTreeMap<(u64, String), String>,
    /// What the sign-offs need of each organisation's key registry.
    pub registries: BTreeMap<OrgId, Registry>,
    /// The first policy of the chain.
    pub policy: String,
    /// The notes by which later policies follow it.
    pub successions: Vec<String>,
}

/// Why parts make no bundle, or bytes are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// The archive itself.
    #[error("not the archive of a bundle")]
    Archive(#[from] ArchiveError),
    /// A file that must be there.
    #[error("{0} is missing")]
    Missing(String),
    /// A file no bundle has.
    #[error("{0} is no file of this bundle")]
    Unknown(String),
    /// A file that says something else than what follows from the others.
    #[error("{0} is not what follows from the other files")]
    Other(String),
    /// A file that cannot be read.
    #[error("{file} cannot be read")]
    Text {
        /// Its name.
        file: String,
        /// Why.
        source: LineError,
    },
    /// A disclosure that is no base64url, or no UTF-8 in the case of a policy.
    #[error("{0} is in no form it may have")]
    Form(String),
    /// An event that cannot be read.
    #[error("event {seq} cannot be read")]
    Event {
        /// Its number.
        seq: u64,
        /// Why.
        source: DecodeError,
    },
    /// No events, or more than [`EVENTS_MAX`].
    #[error("no events, or more than 9999")]
    Count,
    /// The first policy.
    #[error("the first policy cannot be read")]
    Policy(#[from] PolicyError),
    /// A later policy.
    #[error("policy {number} does not follow")]
    Succession {
        /// Its place in the chain, from 2.
        number: u64,
        /// Why.
        source: SuccessionError,
    },
    /// No policy of the chain rules the checkpoint's log and size.
    #[error("no policy rules this checkpoint")]
    NoPolicy,
    /// No recorder key of an event's organisation at its index.
    #[error("no recorder key of {org} at index {index}")]
    NoRecorder {
        /// The organisation.
        org: OrgId,
        /// The index.
        index: u64,
    },
    /// The tree has fewer than two leaves: Sigsum has no proof of it.
    #[error("the tree is too small for a proof")]
    Tree,
    /// A value outside the profile.
    #[error("cannot be written")]
    Write(#[from] WriteError),
}

impl Bundle {
    /// The files of the bundle, by name.
    ///
    /// # Errors
    /// [`BundleError`] where a part cannot be read, or the policy does not know who made it.
    pub fn files(&self) -> Result<Files, BundleError> {
        let chain = chain(&self.policy, &self.successions)?;
        let checkpoint = &self.checkpoint;
        let policy = chain.ruling(&checkpoint.origin, checkpoint.head.size).ok_or(BundleError::NoPolicy)?;
        let frame = Frame::new(checkpoint, policy).ok_or(BundleError::NoPolicy)?;
        let mut files = Files::new();
        let mut put = |slot: Slot, bytes: Vec<u8>| drop(files.insert(slot.to_string(), bytes));
        let told = self.told()?;
        for ((event, logged), seq) in told.iter().zip(&self.events).zip(1..) {
            put(Slot::Event(seq), logged.bytes.clone());
            put(Slot::Sigsum(seq), frame.sigsum(logged).ok_or(BundleError::Tree)?);
            put(Slot::Tlog(seq), derived::tlog(logged, checkpoint));
            if let Some(statement) = &event.statement {
                put(Slot::Statement(seq), statement.clone());
            }
        }
        put(Slot::Checkpoint, checkpoint.write().into_bytes());
        self.bounds.iter().for_each(|(seq, bound)| put(Slot::Bound(*seq), bound.write().into_bytes()));
        for ((seq, path), text) in &self.disclosures {
            let slot = Slot::Disclosure(*seq, path.clone());
            let json = b64url_read(text).ok_or_else(|| BundleError::Form(slot.to_string()))?;
            put(slot, json);
        }
        put(Slot::Policy(1), self.policy.clone().into_bytes());
        self.successions
            .iter()
            .zip(2..)
            .for_each(|(note, number)| put(Slot::Policy(number), note.clone().into_bytes()));
        put(Slot::SigsumPolicy, policy.to_sigsum().into_bytes());
        put(Slot::Instructions, frame.instructions(&told.iter().map(|told| &told.event.actor.org).collect::<Vec<_>>()));
        let incident = told.first().map(|told| told.event.incident).ok_or(BundleError::Count)?;
        let (events, disclosures, bounds) = (self.events.len(), self.disclosures.len(), self.bounds.len());
        let policy = event::hash(self.policy.as_bytes());
        put(Slot::Manifest, Manifest { incident, events, disclosures, bounds, checkpoint, policy }.write()?);
        files.extend(frame.keys(&self.recorders(&chain, &told)?));
        registry::put(&self.registries, &frame, checkpoint, &mut files)?;
        Ok(files)
    }

    /// The archive of the bundle.
    ///
    /// # Errors
    /// [`BundleError`] as for [`files`](Self::files), or when they are too many or too long.
    pub fn write(&self) -> Result<Vec<u8>, BundleError> {
        Ok(archive::write(&self.files()?)?)
    }

    /// Reads a bundle: `Bundle::read(bytes)?.write()? == bytes`. No signature is verified.
    ///
    /// # Errors
    /// [`BundleError`] names the first file that is missing, unknown, or other than it must be.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let files = archive::read(bytes)?;
        let bundle = parts(&files)?;
        let same = bundle.files()?;
        if let Some(name) = same.keys().find(|name| !files.contains_key(*name)) {
            return Err(BundleError::Missing(name.clone()));
        }
        match files.iter().find(|(name, data)| same.get(*name) != Some(data)) {
            None => Ok(bundle),
            Some((name, _)) if same.contains_key(name) => Err(BundleError::Other(name.clone())),
            Some((name, _)) => Err(BundleError::Unknown(name.clone())),
        }
    }

    /// Each event as it reads, with what was signed with it.
    fn told(&self) -> Result<Vec<Told>, BundleError> {
        if self.events.is_empty() || self.events.len() as u64 > EVENTS_MAX {
            return Err(BundleError::Count);
        }
        let mut papers = Papers::default();
        let tell = |(logged, seq): (&Logged, u64)| {
            let (event, prev) = event::decode(&logged.bytes).map_err(|source| BundleError::Event { seq, source })?;
            let signed = papers.take(&event, event::hash(&logged.bytes), prev).signed;
            let statement = signed.and_then(|signed| signed.statement).map(|statement| statement.bytes().to_vec());
            Ok(Told { event, statement })
        };
        self.events.iter().zip(1..).map(tell).collect()
    }

    /// The recorder keys of the events, each organisation's in the order they come.
    fn recorders(&self, chain: &Chain, told: &[Told]) -> Result<BTreeMap<OrgId, Vec<[u8; 32]>>, BundleError> {
        let mut found: BTreeMap<OrgId, Vec<[u8; 32]>> = BTreeMap::new();
        for (told, logged) in told.iter().zip(&self.events) {
            let (org, index) = (&told.event.actor.org, logged.index);
            let key = recorder(chain, &self.checkpoint.origin, org, index);
            let key = key.ok_or_else(|| BundleError::NoRecorder { org: org.clone(), index })?;
            let of_org = found.entry(org.clone()).or_default();
            if !of_org.contains(&key) {
                of_org.push(key);
            }
        }
        Ok(found)
    }
}

/// One event, read.
struct Told {
    event: Event,
    statement: Option<Vec<u8>>,
}

/// Takes chosen disclosures out of a bundle: everything else still verifies, the fields read "withheld".
///
/// # Errors
/// [`BundleError`] when the bytes are no bundle.
pub fn redact(bundle: &[u8], remove: impl Fn(u64, &str) -> bool) -> Result<Vec<u8>, BundleError> {
    let mut bundle = Bundle::read(bundle)?;
    bundle.disclosures.retain(|(seq, path), _| !remove(*seq, path));
    bundle.write()
}

/// The recorder key of an organisation at an index of a log, by the policy that ruled then.
pub(crate) fn recorder(chain: &Chain, origin: &str, org: &OrgId, index: u64) -> Option<[u8; 32]> {
    chain.ruling_event(origin, index)?.recorder(org, index)
}

/// The chain of policies.
fn chain(policy: &str, successions: &[String]) -> Result<Chain, BundleError> {
    let mut chain = Chain::new(Policy::read(policy)?);
    for (note, number) in successions.iter().zip(2..) {
        chain.extend(note).map_err(|source| BundleError::Succession { number, source })?;
    }
    Ok(chain)
}

/// The parts that are not derived.
fn parts(files: &Files) -> Result<Bundle, BundleError> {
    let mut bounds = BTreeMap::new();
    let mut disclosures = BTreeMap::new();
    let (mut policies, mut events) = (Vec::new(), Vec::new());
    for (name, data) in files {
        match Slot::of(name).ok_or_else(|| BundleError::Unknown(name.clone()))? {
            // A gap shows when the files are compared: they are written again under numbers without one.
            Slot::Event(seq) => events.push(logged(files, &Slot::Sigsum(seq), data)?),
            Slot::Bound(seq) => drop(bounds.insert(seq, checkpoint(name, data)?)),
            Slot::Disclosure(seq, path) => drop(disclosures.insert((seq, path), b64url(data))),
            Slot::Policy(_) => {
                let text = String::from_utf8(data.clone()).map_err(|_| BundleError::Form(name.clone()))?;
                policies.push(text);
            }
            Slot::Manifest
            | Slot::Instructions
            | Slot::Checkpoint
            | Slot::Sigsum(_)
            | Slot::Tlog(_)
            | Slot::Statement(_)
            | Slot::SigsumPolicy
            | Slot::Key(_)
            | Slot::Registry(..) => {}
        }
    }
    let mut policies = policies.into_iter();
    let policy = policies.next().ok_or_else(|| BundleError::Missing(Slot::Policy(1).to_string()))?;
    let checkpoint = checkpoint(&Slot::Checkpoint.to_string(), there(files, &Slot::Checkpoint)?)?;
    let (registries, successions) = (registry::read(files)?, policies.collect());
    Ok(Bundle { events, checkpoint, bounds, disclosures, registries, policy, successions })
}

fn there<'a>(files: &'a Files, slot: &Slot) -> Result<&'a Vec<u8>, BundleError> {
    files.get(&slot.to_string()).ok_or_else(|| BundleError::Missing(slot.to_string()))
}

fn checkpoint(file: &str, data: &[u8]) -> Result<Checkpoint, BundleError> {
    Checkpoint::read(data).map_err(|source| BundleError::Text { file: file.to_owned(), source })
}

/// An event with its place in the log, which its proof in that file tells.
fn logged(files: &Files, slot: &Slot, bytes: &[u8]) -> Result<Logged, BundleError> {
    let proof = SigsumProof::read(there(files, slot)?);
    let proof = proof.map_err(|source| BundleError::Text { file: slot.to_string(), source })?;
    let leaf = proof.leaf(event::hash(bytes));
    Ok(Logged { bytes: bytes.to_vec(), index: proof.index, leaf, path: proof.path })
}

#[cfg(test)]
mod tests;
