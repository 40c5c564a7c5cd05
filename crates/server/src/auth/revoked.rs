//! What an organisation has taken back before its time: tokens, officers' pseudonyms, certificates.
//!
//! One file for each organisation, read again when it changes, so that a lost desk is shut out without a restart. A new
//! file that cannot be read changes nothing and is reported: an operator's slip must not let anybody back in. One that
//! cannot be read at the start shuts that organisation out, and no other, until it can.

use super::clients::Thumbprint;
use crate::config::files;
use handoff_domain::time::SECOND;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

/// How often the files are looked at, in milliseconds.
pub const LOOK_MS: i64 = 5 * SECOND;
/// Longest file, in bytes.
pub const REVOKED_BYTES_MAX: u64 = 1024 * 1024;

/// Why a list is not used.
#[derive(Debug, thiserror::Error)]
pub enum RevokedError {
    /// The file is not there, not readable or too long.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{} is not a list of what was taken back: {what}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        what: String,
    },
}

/// Everything one organisation has taken back.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Revoked {
    tokens: BTreeSet<String>,
    subjects: BTreeSet<String>,
    certificates: BTreeSet<Thumbprint>,
}

/// The file's form.
/// All three have to be there: a file that is empty or cut off while somebody writes it must not let anybody back in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    /// `jti` of tokens.
    tokens: BTreeSet<String>,
    /// `sub` of officers: every token of theirs.
    subjects: BTreeSet<String>,
    /// SHA-256 of certificates, 64 hexadecimal digits.
    certificates: BTreeSet<String>,
}

impl Revoked {
    /// Reads a list.
    ///
    /// # Errors
    /// The file cannot be read, or holds something else.
    pub fn read(file: &Path) -> Result<Self, RevokedError> {
        let malformed = |what: String| RevokedError::Malformed { file: file.to_owned(), what };
        let text = files::read_text(file, REVOKED_BYTES_MAX)
            .map_err(|source| RevokedError::Unreadable { file: file.to_owned(), source })?;
        let Listed { tokens, subjects, certificates } =
            toml::from_str(&text).map_err(|error| malformed(error.message().to_owned()))?;
        let certificates = certificates.iter().map(|text| {
            hex(text).ok_or_else(|| malformed(format!("`{text}` is not a SHA-256 of 64 hexadecimal digits")))
        });
        Ok(Self { tokens, subjects, certificates: certificates.collect::<Result<_, _>>()? })
    }

    /// Whether a token was taken back, or every token of its subject.
    #[must_use]
    pub fn has_token(&self, id: &str, subject: &str) -> bool {
        self.tokens.contains(id) || self.subjects.contains(subject)
    }

    /// Whether a certificate was taken back.
    #[must_use]
    pub fn has_certificate(&self, thumbprint: &Thumbprint) -> bool {
        self.certificates.contains(thumbprint)
    }
}

/// 64 hexadecimal digits, with or without colons between the bytes.
fn hex(text: &str) -> Option<Thumbprint> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| *c != ':')
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// What a file looked like: changed if any of it has.
type Look = Option<(SystemTime, u64, u64, i64)>;

/// One organisation's list, as the file has it now.
#[derive(Debug)]
pub struct RevokedFile {
    file: Option<PathBuf>,
    look: Mutex<Look>,
    /// None where no list was ever read.
    list: RwLock<Option<Arc<Revoked>>>,
}

impl RevokedFile {
    /// The list of this file; an empty one for ever where none is named.
    #[must_use]
    pub fn new(file: Option<&Path>) -> Self {
        let list = if file.is_none() { Some(Arc::default()) } else { None };
        Self { file: file.map(Path::to_owned), look: Mutex::new(None), list: RwLock::new(list) }
    }

    /// The list in force; none where it is not known what was taken back, so that nobody may be let in.
    #[must_use]
    pub fn list(&self) -> Option<Arc<Revoked>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file if it has changed, and the first time; tells whether the list has.
    ///
    /// # Errors
    /// The new file cannot be used; the old list stays in force.
    pub fn refresh(&self) -> Result<bool, RevokedError> {
        let Some(file) = &self.file else { return Ok(false) };
        // Looked at before it is read: a change in between is then seen at the next look.
        let now = look(file);
        if self.list().is_some() && *self.look.lock().unwrap_or_else(PoisonError::into_inner) == now {
            return Ok(false);
        }
        // Looked at again, and reported again, until it can be read.
        let list = Some(Arc::new(Revoked::read(file)?));
        *self.look.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let mut held = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *held != list;
        *held = list;
        Ok(changed)
    }
}

fn look(file: &Path) -> Look {
    let metadata = file.metadata().ok()?;
    // A copy may keep time and length; the inode and the time of its last change it does not.
    Some((metadata.modified().ok()?, metadata.len(), metadata.ino(), metadata.ctime()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("revoked.toml");
        std::fs::write(&file, text).unwrap();
        (folder, file)
    }

    #[test]
    fn a_list_says_what_was_taken_back_and_nothing_else_is_in_it() {
        let digits = "0123456789abcdef".repeat(4);
        let colons = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect::<Vec<_>>();
        for certificate in [digits.clone(), digits.to_uppercase(), colons.join(":")] {
            let (_folder, file) =
                written(&format!("tokens = [\"t-1\"]\nsubjects = [\"o-17\"]\ncertificates = [\"{certificate}\"]"));
            let list = Revoked::read(&file).unwrap();
            assert!(list.has_token("t-1", "o-1") && list.has_token("t-2", "o-17") && !list.has_token("t-2", "o-1"));
            let mut thumbprint = [0; 32];
            for (at, byte) in thumbprint.iter_mut().enumerate() {
                *byte = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef][at % 8];
            }
            assert!(list.has_certificate(&thumbprint) && !list.has_certificate(&[0; 32]));
        }
    }

    #[test]
    fn what_is_not_a_list_is_refused_whole() {
        for (text, what) in [
            ("token = []", "unknown field"),
            ("", "missing field"),
            ("tokens = []\nsubjects = []", "missing field"),
            ("tokens = \"t-1\"", "invalid type"),
            ("tokens = []\nsubjects = []\ncertificates = [\"00\"]", "64 hexadecimal digits"),
            ("tokens = []\nsubjects = []\ncertificates = [\"zz\"]", "64 hexadecimal digits"),
        ] {
            let (_folder, file) = written(text);
            let error = Revoked::read(&file).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
    }

    #[test]
    fn a_changed_file_is_read_again_and_a_broken_one_lets_nobody_back_in() {
        let (_folder, file) = written("tokens = [\"t-1\"]\nsubjects = []\ncertificates = []");
        let watched = RevokedFile::new(Some(&file));
        assert!(watched.refresh().unwrap(), "the first time");
        assert!(!watched.refresh().unwrap(), "nothing has changed");
        std::fs::write(&file, "tokens = [\"t-1\", \"t-2\"]\nsubjects = []\ncertificates = []").unwrap();
        assert!(watched.refresh().unwrap());
        assert!(watched.list().unwrap().has_token("t-2", ""));
        std::fs::write(&file, "tokens = [").unwrap();
        assert!(watched.refresh().is_err());
        assert!(watched.refresh().is_err(), "and it is reported again");
        assert!(watched.list().unwrap().has_token("t-2", ""), "the old list stays in force");
        std::fs::remove_file(&file).unwrap();
        assert!(watched.refresh().is_err());
        assert!(watched.list().unwrap().has_token("t-1", ""));
    }

    #[test]
    fn without_a_list_nobody_is_let_in_until_there_is_one() {
        let (_folder, file) = written("tokens = [");
        let watched = RevokedFile::new(Some(&file));
        assert!(watched.refresh().is_err() && watched.list().is_none());
        assert!(watched.refresh().is_err(), "and it is reported again");
        std::fs::write(&file, "tokens = []\nsubjects = []\ncertificates = []").unwrap();
        assert!(watched.refresh().unwrap() && watched.list().is_some());
        assert_eq!(RevokedFile::new(None).list().as_deref(), Some(&Revoked::default()), "no file takes back nothing");
    }
}
