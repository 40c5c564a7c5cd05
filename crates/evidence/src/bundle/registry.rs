//! The part of an organisation's key registry that a bundle shows (evidence, 7): updates with their proofs, and the
//! entries its sign-offs need, each with its way to the root of one update. Entries that are not needed stay hidden.

use super::layout::{Part, Slot, file_part};
use super::{BundleError, Logged, derived, there};
use crate::archive::Files;
use crate::event;
use crate::lines::{LineError, Lines, b64, b64_read, number_read};
use crate::merkle::{Hash, PATH_MAX};
use crate::note::Checkpoint;
use crate::registry::{Book, StateError, Update};
use crate::signoff::Claim;
use handoff_domain::caller::Actor;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, IncidentId, OrgId};
use std::collections::{BTreeMap, BTreeSet};

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

/// Which keys sign in a case: by organisation, by the registry event they were checked against, their ids.
pub type KeysUsed = BTreeMap<OrgId, BTreeMap<Digest, BTreeSet<String>>>;

/// The keys that events say they were signed with.
#[must_use]
pub fn keys_used<'a>(events: impl IntoIterator<Item = &'a Event>) -> KeysUsed {
    let mut used = KeysUsed::new();
    for event in events {
        let claim = match &event.body {
            Body::Signed(body) => Claim::from(body),
            Body::Reported(body) => Claim::from(&body.sign_off),
            Body::Confirmed(body) => Claim::from(&body.sign_off),
            Body::Ruled(body) => Claim::from(&body.sign_off),
            _ => continue,
        };
        if let (Some(key), Some(reg)) = (claim.key, event.actor.reg) {
            let of_org = used.entry(event.actor.org.clone()).or_default();
            of_org.entry(reg).or_default().insert(key.as_str().to_owned());
        }
    }
    used
}

/// Which of an organisation's updates, given by their hashes in the order of the log, a bundle shows, and under each the
/// keys it shows: those that keys were checked against; the one after each of them, so that a key is seen not to have been
/// revoked before it was used; and the newest with every key used, so that a later doubt about one is told.
#[must_use]
pub fn updates_shown(used: &BTreeMap<Digest, BTreeSet<String>>, updates: &[Digest]) -> Vec<(usize, BTreeSet<String>)> {
    let mut shown = Vec::new();
    let mut after_used = false;
    for (at, hash) in updates.iter().enumerate() {
        let under = used.get(hash);
        let is_newest = at + 1 == updates.len();
        if is_newest {
            shown.push((at, used.values().flatten().cloned().collect()));
        } else if under.is_some() || after_used {
            shown.push((at, under.cloned().unwrap_or_default()));
        }
        after_used = under.is_some();
    }
    shown
}

impl Registry {
    /// Shows an update, and under it those of these keys that its registry has, each with its way to the root.
    ///
    /// # Errors
    /// [`StateError`] where the entries are no state.
    pub fn show(&mut self, update: Logged, book: &Book, keys: &BTreeSet<String>) -> Result<(), StateError> {
        self.updates.push(update);
        let number = self.updates.len() as u64;
        let state = book.state()?;
        for entry in keys.iter().filter_map(|kid| book.entry(kid)) {
            let (index, path) = state.path(&entry.kid)?;
            let bytes = entry.write();
            let bytes = bytes.map_err(|source| StateError::Entry { kid: entry.kid.clone(), source })?;
            self.entries.push(Shown { bytes, update: number, index, path });
        }
        Ok(())
    }
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

/// Reads the event of an update.
pub(crate) fn read_update(bytes: &[u8]) -> Option<UpdateEvent> {
    let (event, prev) = event::decode(bytes).ok()?;
    let (stream, seq, actor) = (event.incident, event.seq, event.actor);
    match event.body {
        Body::RegistryUpdated(update) => Some(UpdateEvent { stream, seq, prev, actor, update }),
        _ => None,
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
