use super::{ARCHIVE_BYTES_MAX, ArchiveError, DIRECTORY_HEADER, DIRECTORY_MARK, END, END_MARK, FILE_HEADER};
use super::{FILES_MAX, Files, check, crc32, write};
use std::collections::BTreeMap;

/// The files of an archive: `write(&read(bytes)?) == bytes` for all bytes it takes.
///
/// # Errors
/// [`ArchiveError`]: the bytes are no archive, or not the one [`write()`] makes of its files.
pub fn read(bytes: &[u8]) -> Result<Files, ArchiveError> {
    if bytes.len() > ARCHIVE_BYTES_MAX {
        return Err(ArchiveError::TooLarge);
    }
    let entries = entries(bytes)?;
    check(&entries, |entry| entry.data.len())?;
    if let Some((name, _)) = entries.iter().find(|(_, entry)| crc32(entry.data) != entry.sum) {
        return Err(ArchiveError::Checksum((*name).to_owned()));
    }
    let files = entries.into_iter().map(|(name, entry)| (name.to_owned(), entry.data.to_vec())).collect();
    let same = write(&files)?;
    if same == bytes {
        return Ok(files);
    }
    let at = same.iter().zip(bytes).take_while(|(ours, theirs)| ours == theirs).count();
    Err(ArchiveError::Spelling { at })
}

struct Entry<'a> {
    sum: u32,
    data: &'a [u8],
}

/// What the directory says, with the data it points at. Everything it does not say is judged by the spelling.
fn entries(bytes: &[u8]) -> Result<BTreeMap<&str, Entry<'_>>, ArchiveError> {
    let wrong = || ArchiveError::Structure;
    let start = bytes.len().checked_sub(END).ok_or_else(wrong)?;
    let end = bytes.get(start..).filter(|end| end.starts_with(&END_MARK)).ok_or_else(wrong)?;
    let (count, mut at) = (short(end, 10).ok_or_else(wrong)?, long(end, 16).ok_or_else(wrong)?);
    let mut entries = BTreeMap::new();
    // Entries that share their data could stand for more bytes than there are.
    let mut room = bytes.len();
    for _ in 0..usize::from(count).min(FILES_MAX) {
        let header = bytes.get(at..start).filter(|header| header.starts_with(&DIRECTORY_MARK)).ok_or_else(wrong)?;
        let (name, entry) = entry(bytes, header).ok_or_else(wrong)?;
        room = room.checked_sub(entry.data.len()).ok_or_else(wrong)?;
        at = at.saturating_add(DIRECTORY_HEADER).saturating_add(name.len());
        if entries.insert(name, entry).is_some() {
            return Err(ArchiveError::Twice(name.to_owned()));
        }
    }
    if at == start { Ok(entries) } else { Err(ArchiveError::Structure) }
}

fn entry<'a>(bytes: &'a [u8], header: &'a [u8]) -> Option<(&'a str, Entry<'a>)> {
    let (sum, size) = (u32::from_le_bytes(array(header, 16)?), long(header, 24)?);
    let (length, offset) = (usize::from(short(header, 28)?), long(header, 42)?);
    let name = str::from_utf8(header.get(DIRECTORY_HEADER..)?.get(..length)?).ok()?;
    let from = offset.checked_add(FILE_HEADER)?.checked_add(length)?;
    let data = bytes.get(from..from.checked_add(size)?)?;
    Some((name, Entry { sum, data }))
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(array(bytes, at)?)).ok()
}
