//! The newest head the witness was about to sign, kept on a second volume: one line in a file of its own, replaced whole.
//! It betrays a mirror that was brought back from a backup.

use handoff_evidence::note::Head;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// First word of the file.
const MARK: &str = "handoff-witness-mark/1";

/// A head of the log with this origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The log's origin.
    pub origin: String,
    /// The head.
    pub head: Head,
}

impl Mark {
    fn to_line(&self) -> String {
        let root: String = self.head.root.iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{MARK} {} {} {root}\n", self.origin, self.head.size)
    }

    fn from_line(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        if words.next()? != MARK {
            return None;
        }
        let (origin, size, root) = (words.next()?.to_owned(), words.next()?.parse().ok()?, words.next()?);
        let mut bytes = [0; 32];
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(root.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        let mark = Self { origin, head: Head { size, root: bytes } };
        // Exactly as written, or somebody else wrote it.
        (mark.to_line() == text).then_some(mark)
    }
}

/// The mark cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum MarkError {
    /// The file system.
    #[error("the mark {} cannot be {action}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file holds something else.
    #[error("{} is no mark of a witness", .0.display())]
    Malformed(PathBuf),
}

/// The file.
#[derive(Clone, Debug)]
pub struct MarkFile(PathBuf);

impl MarkFile {
    /// The mark at this path.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// The mark, if one was kept.
    ///
    /// # Errors
    /// [`MarkError`]: a mark that cannot be read is not "no mark".
    pub fn read(&self) -> Result<Option<Mark>, MarkError> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Mark::from_line(&text).map(Some).ok_or_else(|| MarkError::Malformed(self.0.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(MarkError::Io { action: "read", path: self.0.clone(), source }),
        }
    }

    /// Replaces the mark; on stable storage when it returns.
    ///
    /// # Errors
    /// [`MarkError::Io`].
    pub fn write(&self, mark: &Mark) -> Result<(), MarkError> {
        self.replace(mark).map_err(|source| MarkError::Io { action: "written", path: self.0.clone(), source })
    }

    fn replace(&self, mark: &Mark) -> io::Result<()> {
        let mut name = self.0.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let beside = self.0.with_file_name(name);
        let mut file = File::create(&beside)?;
        file.write_all(mark.to_line().as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, &self.0)?;
        let folder = self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_kept_and_replaced_and_anything_else_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness.mark");
        let file = MarkFile::new(path.clone());
        assert!(matches!(file.read(), Ok(None)));
        let origin = format!("sigsum.org/v1/tree/{}", "ab".repeat(32));
        for size in [1, 2, 9_007_199_254_740_991] {
            let mark = Mark { origin: origin.clone(), head: Head { size, root: [0x5a; 32] } };
            file.write(&mark).unwrap();
            assert_eq!(file.read().unwrap(), Some(mark));
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        let good = fs::read_to_string(&path).unwrap();
        for bad in [String::new(), good.replace("mark/1", "mark/2"), good.replace("5a", "5A"), format!("{good}\n")] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(file.read(), Err(MarkError::Malformed(_))));
        }
    }
}
