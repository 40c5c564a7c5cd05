use super::*;

fn files(of: &[(&str, &[u8])]) -> Files {
    of.iter().map(|(name, data)| ((*name).to_owned(), data.to_vec())).collect()
}

fn sample() -> Files {
    files(&[
        ("VERIFY.txt", b"read me\n"),
        ("bundle.json", b"{}"),
        ("disclosures/0001.caller.phone.json", b"[]"),
        ("events/0001.json", b"{\"a\":1}"),
        ("events/0002.json", &[0; 300]),
        ("registry/A=3A1/empty", b""),
    ])
}

#[test]
fn the_checksum_is_that_of_the_published_check_value() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    assert_eq!(crc32(b""), 0);
}

#[test]
fn one_file_has_exactly_these_bytes() {
    let bytes = write(&files(&[("a", b"123456789")])).unwrap();
    let file = b"PK\x03\x04\x0a\0\0\0\0\0\0\0\x21\0\x26\x39\xf4\xcb\x09\0\0\0\x09\0\0\0\x01\0\0\0a123456789";
    let directory = b"PK\x01\x02\x0a\0\x0a\0\0\0\0\0\0\0\x21\0\x26\x39\xf4\xcb\x09\0\0\0\x09\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0a";
    let end = b"PK\x05\x06\0\0\0\0\x01\0\x01\0\x2f\0\0\0\x28\0\0\0\0\0";
    assert_eq!(bytes, [&file[..], directory, end].concat());
}

#[test]
fn what_was_written_is_read_back() {
    let bytes = write(&sample()).unwrap();
    assert_eq!(read(&bytes), Ok(sample()));
}

/// A second implementation finds the same names, bytes, dates and checksums.
#[test]
fn a_standard_reader_opens_it() {
    let bytes = write(&sample()).unwrap();
    let mut other = zip::ZipArchive::new(std::io::Cursor::new(bytes)).unwrap();
    let mut found = Files::new();
    for at in 0..other.len() {
        let mut file = other.by_index(at).unwrap();
        assert_eq!(file.compression(), zip::CompressionMethod::Stored);
        assert_eq!(file.last_modified().map(|date| date.to_string()), Some("1980-01-01 00:00:00".to_owned()));
        let mut data = Vec::new();
        std::io::Read::read_to_end(&mut file, &mut data).unwrap();
        found.insert(file.name().unwrap().into_owned(), data);
    }
    assert_eq!(found, sample());
}

/// A standard writer's archive of the same files is another spelling.
#[test]
fn an_archive_of_another_writer_is_refused() {
    let mut other = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, data) in sample() {
        other.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut other, &data).unwrap();
    }
    let bytes = other.finish().unwrap().into_inner();
    assert!(matches!(read(&bytes), Err(ArchiveError::Spelling { .. })));
}

#[test]
fn names_that_leave_the_folder_or_the_alphabet_are_refused() {
    let long = "a".repeat(NAME_BYTES_MAX + 1);
    let refused = [
        "", "/a", "a/", "a//b", "..", "../a", "a/../b", ".a", "a.", "a./b", "a/.b", "a b", "a\\b", "C:a", "ä", "a\0",
        "a\n", &long,
    ];
    for name in refused {
        assert_eq!(write(&files(&[(name, b"")])), Err(ArchiveError::Name(name.to_owned())), "{name:?}");
    }
    let taken = ["a", "A", "a.b", "a-b_c", "0001.caller.phone.json", "a/b/c", &long[1..]];
    for name in taken {
        assert!(write(&files(&[(name, b"")])).is_ok(), "{name}");
    }
}

#[test]
fn a_name_is_no_file_and_folder_at_once() {
    assert_eq!(write(&files(&[("a", b""), ("a/b", b"")])), Err(ArchiveError::Folder("a".to_owned())));
    // A name that sorts between the two.
    assert_eq!(write(&files(&[("a", b""), ("a-", b""), ("a/b/c", b"")])), Err(ArchiveError::Folder("a".to_owned())));
    assert!(write(&files(&[("a", b""), ("ab/c", b"")])).is_ok());
}

#[test]
fn limits_hold() {
    assert_eq!(write(&Files::new()), Err(ArchiveError::Empty));
    assert!(write(&files(&[("a", &vec![0; FILE_BYTES_MAX])])).is_ok());
    let long = vec![0; FILE_BYTES_MAX + 1];
    assert_eq!(write(&files(&[("a", &long)])), Err(ArchiveError::FileTooLong("a".to_owned())));
    let many = |count: usize| (0..count).map(|at| (format!("{at:05}"), Vec::new())).collect::<Files>();
    assert_eq!(write(&many(FILES_MAX + 1)), Err(ArchiveError::TooLarge));
    let most = write(&many(FILES_MAX)).unwrap();
    assert_eq!(read(&most).map(|files| files.len()), Ok(FILES_MAX));
}

/// The empty archive of the format is none of ours.
#[test]
fn an_archive_without_files_is_refused() {
    let mut end = END_MARK.to_vec();
    end.resize(END, 0);
    assert_eq!(read(&end), Err(ArchiveError::Empty));
}

#[test]
fn every_other_byte_anywhere_is_refused() {
    let bytes = write(&sample()).unwrap();
    for at in 0..bytes.len() {
        for flip in 1..=255 {
            let mut other = bytes.clone();
            other[at] ^= flip;
            assert!(read(&other).is_err(), "byte {at} with {flip:#x}");
        }
    }
}

#[test]
fn cut_and_added_bytes_are_refused() {
    let bytes = write(&sample()).unwrap();
    for at in 0..bytes.len() {
        assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        assert!(read(&bytes[at + 1..]).is_err(), "begun at {at}");
        let more = [&bytes[..at], &[0], &bytes[at..]].concat();
        assert!(read(&more).is_err(), "a byte more at {at}");
    }
    assert!(read(&[&bytes[..], &[0]].concat()).is_err());
    assert!(read(&[&bytes[..], &bytes[..]].concat()).is_err());
}

/// Two entries of one name, as [`write`] would write them if it could.
#[test]
fn a_name_twice_is_refused() {
    let one = write(&files(&[("a", b"1"), ("b", b"2")])).unwrap();
    let twice: Vec<u8> = {
        let mut bytes = one;
        let mut at = 0;
        while at < bytes.len() {
            let header = bytes[at..].starts_with(&FILE_MARK) && bytes[at + FILE_HEADER] == b'b';
            let entry = bytes[at..].starts_with(&DIRECTORY_MARK) && bytes[at + DIRECTORY_HEADER] == b'b';
            if header {
                bytes[at + FILE_HEADER] = b'a';
            } else if entry {
                bytes[at + DIRECTORY_HEADER] = b'a';
            }
            at += 1;
        }
        bytes
    };
    assert_eq!(read(&twice), Err(ArchiveError::Twice("a".to_owned())));
}

/// Entries that share their data, so that a few bytes stand for many.
#[test]
fn entries_over_one_another_are_refused() {
    let bytes = write(&files(&[("a", &[7; 64]), ("b", &[7; 64])])).unwrap();
    let second = (0..bytes.len()).rfind(|at| bytes[*at..].starts_with(&DIRECTORY_MARK)).unwrap();
    let mut other = bytes.clone();
    other[second + 42..second + 46].copy_from_slice(&0_u32.to_le_bytes());
    assert!(matches!(read(&other), Err(ArchiveError::Checksum(_) | ArchiveError::Spelling { .. })));
}
