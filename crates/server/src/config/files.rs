//! Reading the files a configuration names: bounded, and secrets only where nobody else can read them.

use secrecy::{SecretBox, SecretString};
use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Longest secret file, in bytes; a PEM key is far shorter.
pub const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of the resume key and of the log key's seed.
pub const KEY_BYTES: usize = 32;

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
    if mode & 0o077 != 0 {
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
