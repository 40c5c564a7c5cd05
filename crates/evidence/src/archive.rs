//! The archive a bundle travels in (evidence, 12): a zip file of which there is exactly one for each set of files.
//!
//! Entries are stored, never compressed, sorted by name, dated 1980-01-01, with no extra fields and no comment. The
//! reader takes the files out, writes the archive anew and **demands the same bytes**: two readers that disagree about
//! a zip file (a name twice, a second directory, data between entries, other sizes in the two headers) cannot be given
//! different contents.
//!
//! ```text
//! file      50 4b 03 04 | 10 | 0 | 0 | 0 | 33 | CRC-32 | size | size | name length | 0 | name | data
//! directory 50 4b 01 02 | 10 | 10 | 0 | 0 | 0 | 33 | CRC-32 | size | size | name length | 0 | 0 | 0 | 0 | 0 | offset | name
//! end       50 4b 05 06 | 0 | 0 | files | files | directory's size | its offset | 0         numbers little-endian
//! ```

mod read;
mod write;

pub use read::read;
pub use write::write;

use std::borrow::Borrow;
use std::collections::BTreeMap;

/// The files of an archive by name. An archive has at least one.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Most files of one archive.
pub const FILES_MAX: usize = 65_000;

/// Longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Longest archive, in bytes: 4,000 events of 16 KiB with all their proofs, and room.
pub const ARCHIVE_BYTES_MAX: usize = 256 << 20;

/// Longest name of a file, in bytes.
pub const NAME_BYTES_MAX: usize = 200;

/// Why files make no archive, or bytes are none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// A name outside the alphabet, with an empty step or one that begins or ends with a dot, or too long.
    #[error("not a name of a file here: {0:?}")]
    Name(String),
    /// One name stands for a file and for a folder.
    #[error("{0} is a file and a folder")]
    Folder(String),
    /// A name twice.
    #[error("{0} is there twice")]
    Twice(String),
    /// A file longer than [`FILE_BYTES_MAX`].
    #[error("{0} is longer than 1048576 bytes")]
    FileTooLong(String),
    /// More than [`FILES_MAX`] files or [`ARCHIVE_BYTES_MAX`] bytes.
    #[error("more than 65000 files or 268435456 bytes")]
    TooLarge,
    /// No files.
    #[error("no files")]
    Empty,
    /// The bytes end too early, go on after the end, or have no directory where the end says: no archive of ours.
    #[error("not an archive of stored files")]
    Structure,
    /// A file's bytes are not those its checksum was made of.
    #[error("{0} does not have its checksum")]
    Checksum(String),
    /// The same files are written in other bytes.
    #[error("byte {at}: another spelling of this archive")]
    Spelling {
        /// Offset of the first byte that differs, from 0.
        at: usize,
    },
}

/// Each fixed part's length in bytes, before names and data.
const FILE_HEADER: usize = 30;
const DIRECTORY_HEADER: usize = 46;
const END: usize = 22;

const FILE_MARK: [u8; 4] = *b"PK\x03\x04";
const DIRECTORY_MARK: [u8; 4] = *b"PK\x01\x02";
const END_MARK: [u8; 4] = *b"PK\x05\x06";

/// Version 1.0, "stored files", as the version that is needed and the one that wrote it.
const VERSION: u16 = 10;

/// 1980-01-01 in the form of MS-DOS: year 0, month 1, day 1. The time of day is 0.
const DATE: u16 = 1 << 5 | 1;

/// Whether files may have these names and lengths together; the length of their archive in bytes.
fn check<K, V>(files: &BTreeMap<K, V>, size: impl Fn(&V) -> usize) -> Result<usize, ArchiveError>
where
    K: Borrow<str> + Ord,
{
    let (mut count, mut length) = (0_usize, END);
    for (name, file) in files {
        let (name, size) = (name.borrow(), size(file));
        if !is_name(name) {
            return Err(ArchiveError::Name(name.to_owned()));
        }
        let mut folders = name.match_indices('/').filter_map(|(at, _)| name.get(..at));
        if let Some(folder) = folders.find(|folder| files.contains_key(*folder)) {
            return Err(ArchiveError::Folder(folder.to_owned()));
        }
        if size > FILE_BYTES_MAX {
            return Err(ArchiveError::FileTooLong(name.to_owned()));
        }
        count += 1;
        length += FILE_HEADER + DIRECTORY_HEADER + 2 * name.len() + size;
        if count > FILES_MAX || length > ARCHIVE_BYTES_MAX {
            return Err(ArchiveError::TooLarge);
        }
    }
    if count == 0 { Err(ArchiveError::Empty) } else { Ok(length) }
}

/// Steps of letters, digits and `. _ - =` joined by `/`. A step neither begins nor ends with a dot, so that there is
/// no `..`, no hidden file, and none whose last dot a system drops.
fn is_name(name: &str) -> bool {
    let letter = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-' | b'=');
    let is_step =
        |step: &str| !step.is_empty() && step.bytes().all(letter) && !step.starts_with('.') && !step.ends_with('.');
    name.len() <= NAME_BYTES_MAX && name.split('/').all(is_step)
}

/// CRC-32 of ISO 3309, the polynomial of zip and Ethernet, a byte at a time.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |sum: u32, byte: &u8| {
        let [low, ..] = sum.to_le_bytes();
        sum >> 8 ^ CRC_TABLE.get(usize::from(low ^ byte)).copied().unwrap_or(0)
    };
    !bytes.iter().fold(u32::MAX, step)
}

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0_u32; 256];
    let (mut at, mut number) = (0_usize, 0_u32);
    while at < table.len() {
        let (mut sum, mut bit) = (number, 0);
        while bit < 8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 };
            bit += 1;
        }
        table[at] = sum;
        (at, number) = (at + 1, number + 1);
    }
    table
}

#[cfg(test)]
mod tests;
