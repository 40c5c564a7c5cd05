//! A draft of a registry's next state: the file that goes from who drafts it to the registrars and back (evidence, 7).
//!
//! It carries every entry of the state before, so that a registrar's machine needs no service to work the root out, and
//! nothing in it is believed: what can be worked out is worked out anew each time it is read.

use crate::output::{self, Refused, Usage};
use handoff_domain::ids::{Digest, OrgId};
use handoff_domain::values::{Level, b64url, b64url_read};
use handoff_evidence::registry::{Book, Entry, RegistrarSignature, Status, Update};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A draft as it stands in its file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    organisation: String,
    /// The log it is for.
    log: String,
    /// The version this becomes.
    version: u64,
    /// How many entries there are after it.
    count: u64,
    root: String,
    /// Every entry of the state before, the exact bytes in base64url.
    base: Vec<String>,
    /// Those that are new or changed, the same way.
    entries: Vec<String>,
    signatures: Vec<Signature>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    /// The registrar's public key in hexadecimal.
    key: String,
    /// Base64url.
    signature: String,
}

/// A registry as `registry show --output json` prints it; the readable members beside these are not looked at.
#[derive(Debug, Deserialize)]
struct Shown {
    organisation: String,
    version: u64,
    entries: Vec<String>,
}

/// A draft that follows from its own entries.
#[derive(Debug)]
pub(super) struct Draft {
    /// The registry it changes.
    pub before: Book,
    /// The registry it makes.
    pub after: Book,
    /// The entries that are new or changed, the exact bytes.
    pub changed: Vec<Vec<u8>>,
    /// What the registrars sign, with their signatures so far. These are not verified: that takes the policy.
    pub update: Update,
}

/// A refusal with all its causes.
pub(super) fn refused(what: &str, error: impl Into<anyhow::Error>) -> anyhow::Error {
    Refused(format!("{what}: {:#}", error.into())).into()
}

fn bytes(texts: &[String], what: &str) -> anyhow::Result<Vec<Vec<u8>>> {
    let read: Option<Vec<_>> = texts.iter().map(|text| b64url_read(text)).collect();
    read.ok_or_else(|| Refused(format!("{what}: an entry is not base64url")).into())
}

fn org(name: &str, what: &str) -> anyhow::Result<OrgId> {
    OrgId::new(name).ok_or_else(|| Refused(format!("{what}: {name:?} is no code name of an organisation")).into())
}

impl Draft {
    /// The draft that makes these changes.
    pub(super) fn new(org: OrgId, log: String, before: Book, changed: Vec<Vec<u8>>) -> anyhow::Result<Self> {
        let version = before.version().saturating_add(1);
        let after = before.with(version, &changed).map_err(|error| refused("this cannot be drafted", error))?;
        let state = after.state().map_err(|error| refused("this cannot be drafted", error))?;
        let update = Update { count: state.count(), log, org, root: state.root(), sigs: Vec::new(), version };
        Ok(Self { before, after, changed, update })
    }

    /// Reads a draft and works its root out anew.
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let what = path.display().to_string();
        let file: File = serde_json::from_slice(&output::read(path)?)
            .map_err(|error| Usage(format!("{what} is no draft of a registry: {error}")))?;
        let before = Book::of(file.version.saturating_sub(1), &bytes(&file.base, &what)?);
        let before = before.map_err(|error| refused(&format!("{what}: the state before"), error))?;
        let mut draft = Self::new(org(&file.organisation, &what)?, file.log, before, bytes(&file.entries, &what)?)?;
        let told = (file.version, file.count, Digest::parse(&file.root));
        if told != (draft.update.version, draft.update.count, Some(draft.update.root)) {
            return Err(Refused(format!("{what}: version, count or root are not those of its entries")).into());
        }
        let sigs = file.signatures.into_iter();
        draft.update.sigs = sigs.map(|given| RegistrarSignature { key: given.key, sig: given.signature }).collect();
        Ok(draft)
    }

    fn text(&self) -> anyhow::Result<String> {
        let base: Result<Vec<_>, _> =
            self.before.entries().map(|entry| entry.write().map(|bytes| b64url(&bytes))).collect();
        let sigs = self.update.sigs.iter();
        let file = File {
            organisation: self.update.org.to_string(),
            log: self.update.log.clone(),
            version: self.update.version,
            count: self.update.count,
            root: self.update.root.to_string(),
            base: base.map_err(|error| refused("the state before", error))?,
            entries: self.changed.iter().map(|bytes| b64url(bytes)).collect(),
            signatures: sigs.map(|sig| Signature { key: sig.key.clone(), signature: sig.sig.clone() }).collect(),
        };
        Ok(format!("{}\n", serde_json::to_string_pretty(&file)?))
    }

    /// Writes a new file of its owner's alone; it overwrites nothing.
    pub(super) fn write_new(&self, path: &Path) -> anyhow::Result<()> {
        let mut options = std::fs::OpenOptions::new();
        write(path, options.create_new(true), &self.text()?).map_err(|error| cannot(path, &error))
    }

    /// Writes over a draft as a whole: a machine that stops half-way leaves the old one.
    pub(super) fn write_over(&self, path: &Path) -> anyhow::Result<()> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let beside = PathBuf::from(name);
        let text = self.text()?;
        let mut options = std::fs::OpenOptions::new();
        let written = write(&beside, options.create(true).truncate(true), &text);
        written.and_then(|()| std::fs::rename(&beside, path)).map_err(|error| cannot(path, &error))
    }

    /// What changes, one sentence for each entry.
    pub(super) fn words(&self) -> Vec<String> {
        let changed = self.changed.iter().filter_map(|bytes| Entry::read(bytes).ok());
        changed.map(|entry| self.sentence(&entry)).collect()
    }

    fn sentence(&self, entry: &Entry) -> String {
        match (self.before.entry(&entry.kid), entry.status) {
            (None, Status::Active) => format!("ENROLS {}", described(entry)),
            (None, Status::Revoked) => format!("ENTERS, revoked already, {}", described(entry)),
            (Some(before), Status::Revoked) if before.status == Status::Active => {
                let doubted = entry.compromised_since;
                let doubted = doubted.map_or_else(String::new, |since| format!("; in doubt since {since}"));
                let (was, becomes) = (described(before), described(&revived(entry)));
                let also = if was == becomes { String::new() } else { format!("; and it becomes {becomes}") };
                format!("REVOKES {was}{doubted}{also}")
            }
            (Some(before), _) => {
                let doubted = |entry: &Entry| match entry.compromised_since {
                    Some(since) => format!("{}, in doubt since {since}", described(entry)),
                    None => described(entry),
                };
                format!("CHANGES {} TO {}", doubted(before), doubted(entry))
            }
        }
    }
}

/// The entry with nothing said of its revocation, to compare all the rest of it.
fn revived(entry: &Entry) -> Entry {
    Entry { status: Status::Active, compromised_since: None, ..entry.clone() }
}

/// Everything an entry says but its status, in words.
fn described(entry: &Entry) -> String {
    let Entry { alg, held_by, kid, level, officer, station, .. } = entry;
    let held_by = held_by.as_ref().map_or_else(String::new, |holder| format!(", held by {holder}"));
    let passkey = match (level, &entry.rp) {
        (Level::Passkey, Some(rp)) => format!(" of {rp} from {}", entry.origins.join(", ")),
        (Level::Passkey | Level::Device | Level::Attested, _) => String::new(),
    };
    let copied = if entry.be { ", which may be copied to other devices" } else { "" };
    format!(
        "the {level} key {kid} ({alg}){passkey}{copied}{held_by} of officer {officer}, station {station}, as {}",
        roles(entry)
    )
}

/// The roles of an entry, as people read them.
pub(super) fn roles(entry: &Entry) -> String {
    entry.roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().join(", ")
}

/// A registry that a registrar kept: what `registry show --output json` printed, or a draft, which stands for the state
/// it makes.
pub(super) fn kept(path: &Path) -> anyhow::Result<(OrgId, Book)> {
    let content = output::read(path)?;
    if serde_json::from_slice::<File>(&content).is_ok() {
        let draft = Draft::read(path)?;
        return Ok((draft.update.org, draft.after));
    }
    let what = path.display().to_string();
    let shown: Shown = serde_json::from_slice(&content).map_err(|error| {
        Usage(format!("{what} is neither a registry as `registry show` prints it nor a draft: {error}"))
    })?;
    let book = Book::of(shown.version, &bytes(&shown.entries, &what)?).map_err(|error| refused(&what, error))?;
    Ok((org(&shown.organisation, &what)?, book))
}

fn write(path: &Path, options: &mut std::fs::OpenOptions, text: &str) -> std::io::Result<()> {
    // It names pseudonyms and their stations, which the other organisation does not see.
    let mut opened = options.write(true).mode(0o600).open(path)?;
    opened.write_all(text.as_bytes())?;
    opened.sync_all()
}

fn cannot(path: &Path, error: &std::io::Error) -> anyhow::Error {
    Usage(format!("{} cannot be written: {error}", path.display())).into()
}

#[cfg(test)]
mod tests;
