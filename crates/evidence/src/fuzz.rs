//! Every reader of this crate, given what nobody wrote.

mod proofs;

use crate::archive::{self, ArchiveError};
use crate::disclosure::{self, OpenError, SealError, Value};
use crate::event::{Chain, ChainError, DecodeError, decode, encode};
use crate::json::{self, ReadError};
use crate::log::LogKey;
use crate::sample::{Draw, Sample, bodies};
use handoff_domain::apply;
use handoff_domain::event::Body;
use handoff_domain::ids::IncidentId;
use handoff_domain::values::{Salt, Sealed};
use handoff_fuzz::Fuzz;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Keys, words and marks of the envelope and its values.
const TOKENS: [&str; 20] = [
    "\"actor\":{",
    "\"at\":\"2026-11-23T12:00:00.000Z\"",
    "\"body\":{",
    "\"claimed_at\":",
    "\"incident\":",
    "\"prev\":\"sha256:",
    "\"seq\":1",
    "\"type\":\"received\"",
    "\"v\":\"handoff-event/1\"",
    "\"sd\":",
    "\"salt\":",
    "\"form\":{",
    "\"flags\":[]",
    "},",
    "\\n",
    "\\\"",
    "9007199254740992",
    "T23:59:60.000Z",
    "{}",
    "[[[[[[[[[",
];

/// One event of every type, as the service writes it.
fn events() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    let mut draw = Draw::new(11);
    bodies(&mut draw).into_iter().map(move |body| {
        let name = body.type_name();
        let (event, prev) = draw.event(body);
        (name, encode(&event, &prev).unwrap())
    })
}

fn unread(error: &ReadError) -> String {
    format!("refused: {}", error.fault)
}

fn undecoded(error: &DecodeError) -> String {
    match error {
        DecodeError::Profile(error) => unread(error),
        DecodeError::UnknownVersion(_) => "refused: another version".to_owned(),
        DecodeError::UnknownType(_) => "refused: another type".to_owned(),
        DecodeError::Envelope(error) | DecodeError::Body(error) => format!("refused: {}", pattern(&error.path)),
        DecodeError::First { .. } => "refused: number and hash before".to_owned(),
    }
}

/// A path without the numbers of list items.
fn pattern(path: &str) -> String {
    path.split('.').filter(|step| step.parse::<usize>().is_err()).collect::<Vec<_>>().join(".")
}

/// What is taken is written again as the very same bytes, and the rules answer it without a panic.
#[test]
fn an_event_that_is_read_is_written_again_as_it_was() {
    let mut fuzz = Fuzz::new(FOLDER, "event").tokens(TOKENS).tokens(Body::TYPES).runs(60_000);
    for (name, bytes) in events() {
        fuzz = fuzz.seed(name, bytes);
    }
    fuzz.run(|bytes| match decode(bytes) {
        Err(error) => undecoded(&error),
        Ok((event, prev)) => {
            assert_eq!(encode(&event, &prev).as_deref(), Ok(bytes), "another spelling of one event was read");
            let applied = match apply(None, &event) {
                Ok(case) => format!("{:?}", case.phase()),
                Err(violation) => violation.refusal.reason.as_str().to_owned(),
            };
            format!("{} {applied}", event.body.type_name())
        }
    });
}

/// The reader takes only what the writer writes.
#[test]
fn a_document_that_is_read_is_written_again_as_it_was() {
    let mut fuzz = Fuzz::new(FOLDER, "json").tokens(TOKENS).runs(60_000).bytes_max(json::BYTES_MAX + 64);
    for seed in 0..40 {
        fuzz = fuzz.seed(format!("document {seed}"), json::write(&Draw::new(seed).node(7)).unwrap());
    }
    fuzz.run(|bytes| match json::read(bytes) {
        Err(error) => {
            assert!(error.at <= bytes.len(), "the place of the fault is inside the document");
            unread(&error)
        }
        Ok(node) => {
            assert_eq!(json::write(&node).as_deref(), Ok(bytes), "another spelling of one document was read");
            "read".to_owned()
        }
    });
}

/// Lines of one incident: whatever is taken continues the chain, and what is refused leaves it as it was.
#[test]
fn a_chain_takes_nothing_but_its_next_event() {
    let incident = IncidentId::sample(&mut Draw::new(3));
    let mut lines = Vec::new();
    let mut chain = Chain::new(incident);
    let mut draw = Draw::new(5);
    for body in bodies(&mut draw).into_iter().take(6) {
        let (mut event, _) = draw.event(body);
        (event.incident, event.seq) = (incident, chain.seq() + 1);
        lines.push(chain.record(&event).unwrap().bytes);
    }
    let fuzz = Fuzz::new(FOLDER, "chain").tokens(TOKENS).seed("a chain", lines.join(&b"\n"[..]));
    fuzz.bytes_max(32 * 1024).runs(8_000).run(|bytes| {
        let mut chain = Chain::new(incident);
        let mut answer = String::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            let before = chain.clone();
            match chain.accept(line) {
                Ok(event) => {
                    assert_eq!((event.incident, event.seq), (incident, before.seq() + 1));
                    assert_eq!(encode(&event, &before.head()).as_deref(), Ok(line));
                    assert_eq!(chain.head(), crate::event::hash(line));
                    answer.push('+');
                }
                Err(error) => {
                    assert_eq!(chain, before, "what is refused changes nothing");
                    answer.push_str(match error {
                        ChainError::Decode { .. } => "d",
                        ChainError::Encode { .. } => "e",
                        ChainError::OtherIncident { .. } => "i",
                        ChainError::Number { .. } => "n",
                        ChainError::Prev { .. } => "p",
                    });
                }
            }
        }
        answer
    });
}

/// A disclosure that opens is the one its parts make, but for the form of its letters; and it proves nothing else.
#[test]
fn a_disclosure_that_opens_is_the_one_that_was_sealed() {
    let salt = Salt([7; 16]);
    let texts = ["", "13900000000", "the gate is \"locked\"\n门锁着", "\u{2028}"];
    let points = [(0, 0), (1_414_999_999, 1_798_699_999), (disclosure::LAT7_MAX, disclosure::LON7_MAX)];
    let values = texts.map(|text| Value::Text(text.to_owned())).into_iter();
    let values = values.chain(points.map(|(lat7, lon7)| Value::Point { lat7, lon7 }));
    let mut fuzz = Fuzz::new(FOLDER, "disclosure").tokens(["caller.phone", "lat7", "IiIi", "fQ", "=", "-_"]);
    for (at, value) in values.enumerate() {
        let sealed = disclosure::seal(salt, "form.items.0.note", &value).unwrap();
        // Mutations of the JSON inside go deeper than those of its base64.
        let json = handoff_domain::values::b64url_read(&sealed.text).unwrap();
        fuzz = fuzz.seed(format!("sealed {at}"), sealed.text).seed(format!("inside {at}"), json);
    }
    fuzz.runs(60_000).run(|bytes| {
        let inside = handoff_domain::values::b64url(bytes);
        let as_it_is = str::from_utf8(bytes).map_or_else(|_| "not text".to_owned(), opened);
        format!("{as_it_is}; {}", opened(&inside))
    });
}

fn opened(text: &str) -> String {
    assert_eq!(disclosure::verify(text, "note", Sealed([0; 32])), Err(OpenError::Digest));
    let said = match disclosure::open(text) {
        Err(OpenError::Profile(error)) => return unread(&error),
        Err(error) => return error.to_string(),
        Ok(said) => said,
    };
    let kind = match &said.value {
        Value::Text(_) => "a text",
        Value::Point { .. } => "a point",
    };
    match disclosure::seal(said.salt, &said.path, &said.value) {
        Ok(sealed) => assert_eq!(sealed.text, text, "another spelling of one disclosure was read"),
        Err(SealError::Profile { .. }) => return format!("{kind} in another normal form"),
        Err(error) => panic!("what opens could be sealed: {error}"),
    }
    assert!(disclosure::verify(text, &said.path, disclosure::digest(text)).is_ok());
    let elsewhere = disclosure::verify(text, "another.path", disclosure::digest(text));
    assert_eq!(elsewhere, Err(OpenError::OtherPath(said.path)));
    kind.to_owned()
}

#[test]
fn a_seed_file_that_is_read_is_the_one_that_was_written() {
    let file = LogKey::from_seed(&[9; 32]).seed_file();
    Fuzz::new(FOLDER, "seed-file").seed("a seed", file).runs(20_000).run(|bytes| match LogKey::from_seed_file(bytes) {
        Ok(key) => {
            assert_eq!(key.seed_file().as_bytes(), bytes, "another spelling of one seed was read");
            "a key".to_owned()
        }
        Err(error) => error.to_string(),
    });
}

/// Whatever is read as an archive is the one archive of its files.
#[test]
fn an_archive_that_is_read_is_the_one_that_was_written() {
    let files = |names: &[&str]| -> Vec<u8> {
        let files = names.iter().map(|name| ((*name).to_owned(), name.as_bytes().repeat(3)));
        archive::write(&files.collect()).unwrap()
    };
    let marks = ["PK\x01\x02", "PK\x03\x04", "PK\x05\x06", "../", "\0\0\0\0", "\u{21}\0"];
    let fuzz = Fuzz::new(FOLDER, "archive").tokens(marks).seed("one file", files(&["a"]));
    let fuzz = fuzz.seed("a folder", files(&["bundle.json", "events/0001.json", "events/0002.json"]));
    fuzz.runs(60_000).run(|bytes| match archive::read(bytes) {
        Ok(files) => {
            assert_eq!(archive::write(&files).as_deref(), Ok(bytes), "another spelling of one archive was read");
            format!("{} files", files.len())
        }
        Err(ArchiveError::Name(_)) => "a name".to_owned(),
        Err(ArchiveError::Folder(_)) => "a folder".to_owned(),
        Err(ArchiveError::Twice(_)) => "twice".to_owned(),
        Err(ArchiveError::Checksum(_)) => "a checksum".to_owned(),
        Err(ArchiveError::Spelling { .. }) => "another spelling".to_owned(),
        Err(error) => error.to_string(),
    });
}
