//! What an operator decides, and where a witness keeps what.

use handoff_evidence::merkle::Hash;
use serde::Deserialize;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The file's permissions that nobody but the owner may have.
const OTHERS: u32 = 0o077;

/// The configuration file of a witness, TOML. Relative paths are meant from its folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Its name, as the policy's `witness` line has it before the first plus.
    pub name: String,
    /// 32 bytes, the seed of its Ed25519 key, readable by the witness alone.
    pub key_file: PathBuf,
    /// Where the mirror is kept.
    pub mirror: PathBuf,
    /// Where the newest head is kept besides, best on another volume. Without it a mirror from a backup is noticed only
    /// by what the service has.
    pub mark: Option<PathBuf>,
    /// The policy both organisations agreed on.
    pub policy: PathBuf,
    /// Which log of the policy, by its origin; needed where the policy lists several.
    pub origin: Option<String>,
    /// Where the service is.
    pub server: String,
    /// The authority of its certificate, PEM.
    pub ca: PathBuf,
    /// This machine's certificate, PEM.
    pub client_cert: Option<PathBuf>,
    /// Its private key, PEM.
    pub client_key: Option<PathBuf>,
    /// A token, read again for every connection.
    pub token_file: Option<PathBuf>,
    /// Refused entries that both organisations accept, each `INDEX LEAF_HASH REASON`.
    #[serde(default)]
    pub accept_fault: Vec<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file.
    #[error("{} cannot be read", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The configuration is no such TOML.
    #[error("{} is no configuration of a witness: {reason}", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        reason: String,
    },
    /// The key's file is open to others.
    #[error("{} can be read by others (mode {mode:o}): chmod 600 it", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key's file is no key.
    #[error("{} does not hold exactly 32 bytes: `handoff keys new` makes a key", .0.display())]
    Key(PathBuf),
    /// A certificate without its key, or the other way round.
    #[error("client_cert and client_key go together")]
    Machine,
    /// A line of `accept_fault`.
    #[error("accept_fault {0:?}: expected INDEX LEAF_HASH REASON, the hash in 64 lower-case hexadecimal digits")]
    Fault(String),
}

/// A fault that is accepted by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptFault {
    /// The entry's index.
    pub index: u64,
    /// The hash of its leaf in the tree.
    pub leaf_hash: Hash,
    /// Why both organisations accept it.
    pub reason: String,
}

impl AcceptFault {
    /// Reads `INDEX LEAF_HASH REASON`.
    ///
    /// # Errors
    /// [`SettingsError::Fault`].
    pub fn read(text: &str) -> Result<Self, SettingsError> {
        let wrong = || SettingsError::Fault(text.to_owned());
        let mut words = text.splitn(3, ' ');
        let (Some(index), Some(hash), Some(reason)) = (words.next(), words.next(), words.next()) else {
            return Err(wrong());
        };
        let number: u64 = index.parse().map_err(|_| wrong())?;
        let mut leaf_hash = [0; 32];
        for (at, byte) in leaf_hash.iter_mut().enumerate() {
            let digits = hash.get(2 * at..2 * at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        let spelled: String = leaf_hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let reason = reason.trim();
        if spelled != hash || number.to_string() != index || reason.is_empty() {
            return Err(wrong());
        }
        Ok(Self { index: number, leaf_hash, reason: reason.to_owned() })
    }
}

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> SettingsError {
    move |source| SettingsError::File { path: path.to_owned(), source }
}

/// The seed in a key file.
///
/// # Errors
/// [`SettingsError`]: a key that others can read is none.
pub fn key_of_file(path: &Path) -> Result<[u8; 32], SettingsError> {
    let mut file = std::fs::File::open(path).map_err(unreadable(path))?;
    let mode = file.metadata().map_err(unreadable(path))?.permissions().mode() & 0o777;
    if mode & OTHERS != 0 {
        return Err(SettingsError::Open { path: path.to_owned(), mode });
    }
    let mut bytes = Vec::with_capacity(33);
    file.by_ref().take(33).read_to_end(&mut bytes).map_err(unreadable(path))?;
    bytes.try_into().map_err(|_| SettingsError::Key(path.to_owned()))
}

impl Settings {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path).map_err(unreadable(path))?;
        let wrong = |reason: String| SettingsError::Toml { path: path.to_owned(), reason };
        let mut settings: Self = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let folder = path.parent().unwrap_or(Path::new(""));
        settings.paths().for_each(|path| *path = folder.join(path.as_path()));
        settings.faults()?;
        if settings.client_cert.is_some() != settings.client_key.is_some() {
            return Err(SettingsError::Machine);
        }
        Ok(settings)
    }

    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let always = [&mut self.key_file, &mut self.mirror, &mut self.policy, &mut self.ca];
        let maybe = [&mut self.mark, &mut self.client_cert, &mut self.client_key, &mut self.token_file];
        always.into_iter().chain(maybe.into_iter().flatten())
    }

    /// The faults that are accepted.
    ///
    /// # Errors
    /// [`SettingsError::Fault`].
    pub fn faults(&self) -> Result<Vec<AcceptFault>, SettingsError> {
        self.accept_fault.iter().map(|text| AcceptFault::read(text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_accepted_in_one_spelling() {
        let hash = "ab".repeat(32);
        let read = AcceptFault::read(&format!("17 {hash} agreed by telephone")).unwrap();
        let expected = AcceptFault { index: 17, leaf_hash: [0xab; 32], reason: "agreed by telephone".to_owned() };
        assert_eq!(read, expected);
        for bad in [
            format!("017 {hash} x"),
            format!("17 {} x", hash.to_uppercase()),
            format!("17 {hash}"),
            format!("17 {hash}  "),
            format!("17 {hash}ab x"),
            format!("+17 {hash} x"),
            format!("17  {hash} x"),
        ] {
            assert!(AcceptFault::read(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_key_is_32_bytes_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, [7; 32]).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
        assert!(matches!(key_of_file(&path), Err(SettingsError::Open { mode: 0o640, .. })));
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(key_of_file(&path).unwrap(), [7; 32]);
        for bad in [&[7; 31][..], &[7; 33]] {
            std::fs::write(&path, bad).unwrap();
            assert!(matches!(key_of_file(&path), Err(SettingsError::Key(_))));
        }
    }

    #[test]
    fn paths_are_meant_from_the_files_folder_and_unknown_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.toml");
        let text = "name = \"w\"\nkey_file = \"k\"\nmirror = \"m.db\"\npolicy = \"/p\"\nserver = \"https://h:1\"\nca = \"ca\"\n";
        std::fs::write(&path, text).unwrap();
        let settings = Settings::load(&path).unwrap();
        assert_eq!(settings.key_file, folder.path().join("k"));
        assert_eq!(settings.policy, Path::new("/p"));
        for more in ["marks = \"x\"\n", "client_cert = \"c\"\n", "accept_fault = [\"1 2 3\"]\n"] {
            std::fs::write(&path, format!("{text}{more}")).unwrap();
            assert!(Settings::load(&path).is_err(), "{more}");
        }
    }
}
