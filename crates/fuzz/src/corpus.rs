//! The folder of kept inputs.

use std::path::{Path, PathBuf};

/// Longest name of a file written, in bytes.
const NAME_BYTES_MAX: usize = 80;

/// The kept inputs of one target.
#[derive(Debug)]
pub(crate) struct Corpus {
    name: String,
    folder: PathBuf,
}

impl Corpus {
    pub(crate) fn new(crate_folder: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), folder: crate_folder.join("corpus").join(name) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Every kept input with its file's name, in the order of names: the same on every machine.
    pub(crate) fn read(&self) -> Vec<(String, Vec<u8>)> {
        let Ok(folder) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mut inputs: Vec<_> = folder
            .map(|entry| {
                let entry = entry.unwrap_or_else(|error| panic!("{}: {error}", self.folder.display()));
                let bytes = std::fs::read(entry.path());
                let bytes = bytes.unwrap_or_else(|error| panic!("{}: {error}", entry.path().display()));
                (entry.file_name().to_string_lossy().into_owned(), bytes)
            })
            .collect();
        inputs.sort();
        inputs
    }

    /// Writes an input down under the answer it got.
    pub(crate) fn keep(&self, answer: &str, bytes: &[u8]) {
        let mut name: String = answer.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        name.truncate(NAME_BYTES_MAX);
        drop(self.write(&name.to_ascii_lowercase(), bytes));
    }

    /// Writes a failing input down, and tells its file.
    pub(crate) fn found(&self, bytes: &[u8]) -> String {
        let name = format!("found-{:016x}", super::hash(bytes));
        self.write(&name, bytes).unwrap_or_else(|error| format!("no file ({error})"))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> std::io::Result<String> {
        std::fs::create_dir_all(&self.folder)?;
        let file = self.folder.join(name);
        std::fs::write(&file, bytes)?;
        Ok(file.display().to_string())
    }
}
