use super::{ArchiveError, DATE, DIRECTORY_MARK, END_MARK, FILE_MARK, Files, VERSION, check, crc32};

/// The one archive of these files.
///
/// # Errors
/// [`ArchiveError`] when a name or a length is not allowed, or there are no files.
pub fn write(files: &Files) -> Result<Vec<u8>, ArchiveError> {
    let length = check(files, Vec::len)?;
    let mut out = Out(Vec::with_capacity(length));
    let mut directory = Out(Vec::new());
    for (name, data) in files {
        let offset = number(out.0.len())?;
        let entry = Entry { name, sum: crc32(data), size: number(data.len())? };
        out.put(&FILE_MARK).entry(&entry)?.put(name.as_bytes()).put(data);
        directory.put(&DIRECTORY_MARK).short(VERSION).entry(&entry)?;
        // No comment, disk 0, no attributes.
        directory.short(0).short(0).short(0).long(0).long(offset).put(name.as_bytes());
    }
    let (offset, size) = (number(out.0.len())?, number(directory.0.len())?);
    let count = u16::try_from(files.len()).map_err(|_| ArchiveError::TooLarge)?;
    out.put(&directory.0);
    out.put(&END_MARK).short(0).short(0).short(count).short(count).long(size).long(offset).short(0);
    Ok(out.0)
}

fn number(length: usize) -> Result<u32, ArchiveError> {
    u32::try_from(length).map_err(|_| ArchiveError::TooLarge)
}

/// What both headers of a file say alike.
struct Entry<'a> {
    name: &'a str,
    sum: u32,
    size: u32,
}

struct Out(Vec<u8>);

impl Out {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    fn short(&mut self, number: u16) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    fn long(&mut self, number: u32) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    /// Version, no flags, stored, the time, checksum, size twice, length of the name, no extra field.
    fn entry(&mut self, entry: &Entry<'_>) -> Result<&mut Self, ArchiveError> {
        let length = u16::try_from(entry.name.len()).map_err(|_| ArchiveError::Name(entry.name.to_owned()))?;
        self.short(VERSION).short(0).short(0).short(0).short(DATE);
        Ok(self.long(entry.sum).long(entry.size).long(entry.size).short(length).short(0))
    }
}
