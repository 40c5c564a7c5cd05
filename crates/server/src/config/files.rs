//! Reading the files a configuration names: bounded, and secrets only where nobody else can read them.
//!
//! A path may be `credential:NAME`: a file the service manager hands over, in the folder `CREDENTIALS_DIRECTORY` names
//! (systemd.exec, *Credentials*).

use secrecy::{SecretBox, SecretString};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Longest secret file, in bytes; a PEM key is far shorter.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of the resume key and of the log key's seed.
pub const KEY_BYTES: usize = 32;

/// Begins a path that names a credential.
pub const CREDENTIAL: &str = "credential:";
/// Where the service manager says its credentials are.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// The folder of the service manager's credentials, where there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "the service manager tells it this way alone, and this is the configuration"
)]
pub(super) fn credentials_folder() -> Option<PathBuf> {
    std::env::var_os(CREDENTIALS_DIRECTORY).filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

/// Where a path of the configuration leads: a credential into its folder, everything else from the configuration's. A
/// credential without a folder, or one whose name leads out of it, stays as it is, and is not there when it is read.
pub(super) fn place(path: &Path, folder: &Path, credentials: Option<&Path>) -> PathBuf {
    let name = path.to_str().and_then(|text| text.strip_prefix(CREDENTIAL));
    match (name, credentials) {
        (None, _) => folder.join(path),
        (Some(name), Some(credentials)) if !name.is_empty() && !name.contains('/') && name != ".." => {
            credentials.join(name)
        }
        (Some(_), _) => path.to_owned(),
    }
}

/// Permission bits nobody but the owner may have. In the credentials' folder, which others cannot enter, the bits of the
/// group are those of a list of rights that names this service's user alone.
fn forbidden(file: &Path, credentials: Option<&Path>) -> u32 {
    if credentials.is_some_and(|folder| file.parent() == Some(folder)) { 0o037 } else { 0o077 }
}

/// Why a secret file is not used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Not there, not readable, or too long.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Somebody else can read or change it.
    #[error("{} is open to others (mode {mode:03o})", file.display())]
    Open {
        /// The file.
        file: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Its content is not what it should be.
    #[error("{} does not hold {expected}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// What it should hold.
        expected: &'static str,
    },
}

impl SecretError {
    /// What the operator does about it.
    #[must_use]
    pub fn remedy(&self) -> String {
        match self {
            Self::Unreadable { file, .. } if file.to_string_lossy().starts_with(CREDENTIAL) => {
                "let the service manager hand it over (LoadCredential=), or name a file".to_owned()
            }
            Self::Unreadable { .. } => {
                "name a file the service can read; `handoff dev-ca` makes one for development".to_owned()
            }
            Self::Open { file, .. } => format!("run `chmod 600 {}`", file.display()),
            Self::Malformed { .. } => "restore the file, or make a new one with `handoff dev-ca`".to_owned(),
        }
    }
}

/// The bytes of a secret file that nobody else can read. The permissions are those of the file that was opened.
///
/// # Errors
/// The file cannot be read, is too long, or is open to group or world.
pub fn read_secret(file: &Path) -> Result<SecretBox<Vec<u8>>, SecretError> {
    let unreadable = |source| SecretError::Unreadable { file: file.to_owned(), source };
    let opened = File::open(file).map_err(unreadable)?;
    let mode = opened.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
    if mode & forbidden(file, credentials_folder().as_deref()) != 0 {
        return Err(SecretError::Open { file: file.to_owned(), mode });
    }
    let bytes = read_bounded(opened, SECRET_BYTES_MAX).map_err(unreadable)?;
    Ok(SecretBox::new(Box::new(bytes)))
}

/// A secret file that holds exactly [`KEY_BYTES`] bytes: the resume key, the seed of the log key.
///
/// # Errors
/// As [`read_secret`]; or another number of bytes.
pub fn read_key(file: &Path) -> Result<SecretBox<[u8; KEY_BYTES]>, SecretError> {
    use secrecy::ExposeSecret;
    let bytes = read_secret(file)?;
    let key = <[u8; KEY_BYTES]>::try_from(bytes.expose_secret().as_slice())
        .map_err(|_| SecretError::Malformed { file: file.to_owned(), expected: "exactly 32 bytes" })?;
    Ok(SecretBox::new(Box::new(key)))
}

/// A secret that is one line of text; the line's end is not part of it.
///
/// # Errors
/// As [`read_secret`]; or something else than one line of text.
pub fn read_secret_line(file: &Path) -> Result<SecretString, SecretError> {
    use secrecy::ExposeSecret;
    let bytes = read_secret(file)?;
    let line = std::str::from_utf8(bytes.expose_secret()).ok().map(|text| text.strip_suffix('\n').unwrap_or(text));
    match line {
        Some(line) if !line.is_empty() && !line.contains(['\n', '\r']) => Ok(line.into()),
        Some(_) | None => Err(SecretError::Malformed { file: file.to_owned(), expected: "one line of text" }),
    }
}

/// A text file of at most `max` bytes.
///
/// # Errors
/// The file cannot be read, is longer, or is not UTF-8.
pub fn read_text(file: &Path, max: u64) -> std::io::Result<String> {
    let bytes = read_bounded(File::open(file)?, max)?;
    String::from_utf8(bytes).map_err(|_| std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

fn read_bounded(file: File, max: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, format!("it is longer than {max} bytes")));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_is_found_in_its_folder_and_nowhere_else() {
        let (folder, credentials) = (Path::new("/etc/handoff"), Path::new("/run/credentials/handoff.service"));
        for (path, found) in [
            ("sealing.key", "/etc/handoff/sealing.key"),
            ("/keys/sealing.key", "/keys/sealing.key"),
            ("credential:sealing.key", "/run/credentials/handoff.service/sealing.key"),
            ("credential:", "credential:"),
            ("credential:..", "credential:.."),
            ("credential:../sealing.key", "credential:../sealing.key"),
        ] {
            assert_eq!(place(Path::new(path), folder, Some(credentials)), Path::new(found), "{path}");
        }
        let path = Path::new("credential:sealing.key");
        assert_eq!(place(path, folder, None), path, "nobody hands one over");
        assert_eq!(forbidden(&credentials.join("sealing.key"), Some(credentials)), 0o037);
        for file in ["/etc/handoff/sealing.key", "/run/credentials/handoff.service/sub/sealing.key"] {
            assert_eq!(forbidden(Path::new(file), Some(credentials)), 0o077, "{file}");
        }
    }
}
