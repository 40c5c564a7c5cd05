//! The part of an organisation's key registry that a bundle shows (evidence, 7): updates with their proofs, and the
//! entries its sign-offs need, each with its way to the root of one update. Entries that are not needed stay hidden.

use super::layout::{Part, Slot, file_part};
use super::{BundleError, Logged, derived, there};
use crate::archive::Files;
use crate::event;
use crate::json;
use crate::lines::{LineError, Lines, b64, b64_read, number_read};
use crate::merkle::{Hash, PATH_MAX};
use crate::note::Checkpoint;
use crate::registry::Update;
use handoff_domain::caller::Actor;
use handoff_domain::event::SCHEMA;
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use handoff_domain::node::{Fields, FromNode, Malformed, Node};
use handoff_domain::time::Millis;
use std::collections::BTreeMap;

/// Name of the event that carries an update.
pub(crate) const TYPE: &str = "registry_updated";

/// First line of a path file.
const PATH_MARK: &str = "handoff-registry-path/1";

/// What a bundle shows of one organisation's registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry {
    /// Events of updates, in the order of the log.
    pub updates: Vec<Logged>,
    /// Entries.
    pub entries: Vec<Shown>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its exact bytes.
    pub bytes: Vec<u8>,
    /// Which of the updates shown it stands under, from 1.
    pub update: u64,
    /// Its place among the entries of that update, from 0.
    pub index: u64,
    /// The hashes beside its way to the root, lowest first.
    pub path: Vec<Hash>,
}

impl Shown {
    /// The file of its path.
    pub(crate) fn write_path(&self) -> Vec<u8> {
        let mut text = format!("{PATH_MARK}\nupdate {}\nindex {}\n", self.update, self.index);
        for hash in &self.path {
            text.extend([&b64(hash), "\n"]);
        }
        text.into_bytes()
    }

    /// Reads the file of its path, beside its bytes.
    pub(crate) fn read(bytes: &[u8], path: &[u8]) -> Result<Self, LineError> {
        let mut lines = Lines::new(path)?;
        lines.exactly(PATH_MARK, PATH_MARK)?;
        let update = lines.value("update ", "the number of an update", number_read)?;
        let index = lines.value("index ", "the index of the entry", number_read)?;
        let path = lines.values("", PATH_MAX, "a hash of the path in base64", b64_read)?;
        lines.end()?;
        Ok(Self { bytes: bytes.to_vec(), update, index, path })
    }
}

/// The event of an update, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpdateEvent {
    pub(crate) stream: IncidentId,
    pub(crate) seq: u64,
    pub(crate) prev: Digest,
    pub(crate) actor: Actor,
    pub(crate) update: Update,
}

/// Reads the event of an update: the envelope of every event (`event::decode`), around the body of `registry`.
pub(crate) fn read_update(bytes: &[u8]) -> Option<UpdateEvent> {
    read_envelope(json::read(bytes).ok()?).ok().flatten()
}

fn read_envelope(tree: Node) -> Result<Option<UpdateEvent>, Malformed> {
    let mut fields = Fields::open(tree, "")?;
    let (version, name): (String, String) = (fields.take("v")?, fields.take("type")?);
    let (stream, seq, prev) = (fields.take("incident")?, fields.take("seq")?, fields.take("prev")?);
    let _at: Millis = fields.take("at")?;
    let _claimed_at: Option<Millis> = fields.take("claimed_at")?;
    let (actor, Body(update)) = (fields.take("actor")?, fields.take("body")?);
    fields.close()?;
    let first = (seq == 1) == (prev == event::FIRST_PREV);
    let is_one = version == SCHEMA && name == TYPE && seq > 0 && first;
    Ok(is_one.then_some(UpdateEvent { stream, seq, prev, actor, update }))
}

struct Body(Update);

impl FromNode for Body {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        Update::from_node(node, path).map(Self)
    }
}

/// Puts the files of all registries.
pub(super) fn put(
    registries: &BTreeMap<OrgId, Registry>,
    frame: &derived::Frame<'_>,
    checkpoint: &Checkpoint,
    files: &mut Files,
) -> Result<(), BundleError> {
    for (org, registry) in registries {
        let slot = |number: u64, part: Part| Slot::Registry(file_part(org.as_str()), number, part).to_string();
        for (update, number) in registry.updates.iter().zip(1..) {
            files.insert(slot(number, Part::Update), update.bytes.clone());
            files.insert(slot(number, Part::Sigsum), frame.sigsum(update).ok_or(BundleError::Tree)?);
            files.insert(slot(number, Part::Tlog), derived::tlog(update, checkpoint));
        }
        for (entry, number) in registry.entries.iter().zip(1..) {
            files.insert(slot(number, Part::Entry), entry.bytes.clone());
            files.insert(slot(number, Part::Path), entry.write_path());
        }
    }
    Ok(())
}

/// Reads the files of all registries. Each folder is named after the organisation its updates are of.
pub(super) fn read(files: &Files) -> Result<BTreeMap<OrgId, Registry>, BundleError> {
    let mut folders: BTreeMap<String, Registry> = BTreeMap::new();
    let mut orgs: BTreeMap<String, OrgId> = BTreeMap::new();
    for (name, data) in files {
        let Some(Slot::Registry(folder, number, part)) = Slot::of(name) else { continue };
        let registry = folders.entry(folder.clone()).or_default();
        match part {
            Part::Update => {
                let update = read_update(data).ok_or_else(|| BundleError::Form(name.clone()))?;
                registry.updates.push(super::logged(
                    files,
                    &Slot::Registry(folder.clone(), number, Part::Sigsum),
                    data,
                )?);
                orgs.insert(folder, update.update.org);
            }
            Part::Entry => {
                let slot = Slot::Registry(folder, number, Part::Path);
                let shown = Shown::read(data, there(files, &slot)?);
                registry.entries.push(shown.map_err(|source| BundleError::Text { file: slot.to_string(), source })?);
            }
            Part::Sigsum | Part::Tlog | Part::Path => {}
        }
    }
    let named = |(folder, registry): (String, Registry)| {
        let org = orgs.get(&folder).cloned();
        let missing = || BundleError::Missing(Slot::Registry(folder.clone(), 1, Part::Update).to_string());
        Ok((org.ok_or_else(missing)?, registry))
    };
    folders.into_iter().map(named).collect()
}
