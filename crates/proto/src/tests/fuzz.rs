//! Every request of every method, given bytes nobody encoded.

use super::Recorder;
use super::names::{by_command, by_order, by_reading};
use super::sample::{full, methods, pool};
use crate::convert::{self, MapUpload, RegistryUpload, Violations, codes};
use crate::{IntoCommand, IntoOrder, Requested, comparable, v1};
use handoff_fuzz::Fuzz;
use prost::Message;
use protox::prost_reflect::{Kind, MessageDescriptor};

/// Tag and length of a field no message has, number 20,000, with two bytes in it.
const UNKNOWN_FIELD: [u8; 6] = [0x82, 0xe2, 0x09, 0x02, b'h', b'i'];

const TOKENS: [&[u8]; 16] = [
    b"0190a0b0-0000-7000-8000-000000000001",
    b"00000000-0000-8000-8000-000000000000",
    b"sha256:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
    b"TEXT_1",
    b"URGENT",
    b"attested",
    b"decide",
    // A field of 36 bytes under number 1, groups, an empty message, numbers of every width.
    b"\x0a\x24",
    b"\x0b",
    b"\x0c",
    b"\x5a\x00",
    b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x09\x00\x00\x00\x00\x00\x00\xf8\x7f",
    b"\x0d\x00\x00\xc0\x7f",
    b"\x82\xe2\x09\x02hi",
    b"\x12\xff\xff\xff\xff\x0f",
];

/// What an input became: the decoded message in its own bytes, and what was wrong with it, field by field.
struct Outcome {
    encoded: Vec<u8>,
    refused: Option<Violations>,
}

/// Decodes, and holds whatever decodes to its own encoding.
fn decoded<M: Message + Default>(bytes: &[u8]) -> Option<(M, Vec<u8>)> {
    let message = M::decode(bytes).ok()?;
    let encoded = message.encode_to_vec();
    assert!(encoded.len() <= bytes.len() * 2 + 16, "a message does not grow by being read");
    let again = M::decode(encoded.as_slice()).expect("what we encode decodes");
    // By bytes, since a number that is none is equal to nothing.
    assert_eq!(again.encode_to_vec(), encoded, "a message changes by being read twice");
    let more = [bytes, &UNKNOWN_FIELD].concat();
    // An input may end within a group or a length that swallows what comes after; then nothing decodes.
    if let Ok(newer) = M::decode(more.as_slice()) {
        assert_eq!(newer.encode_to_vec(), encoded, "a field of a newer build changes none of ours");
    }
    Some((message, encoded))
}

/// A repetition is recognised by what was decoded, not by the bytes it came in.
fn compared<M: Requested + Default>(message: &M, encoded: &[u8]) {
    let again = M::decode(encoded).expect("what we encode decodes");
    assert_eq!(comparable("m", message), comparable("m", &again));
}

fn command<M: IntoCommand + Default + Clone>(bytes: &[u8]) -> Option<Outcome> {
    let (message, encoded) = decoded::<M>(bytes)?;
    compared(&message, &encoded);
    let (mut one, mut other) = (Recorder::default(), Recorder::default());
    let read = message.clone().into_command(&mut one);
    assert_eq!(message.into_command(&mut other), read, "the same request is read twice in the same way");
    assert_eq!((one.texts, one.points), (other.texts, other.points));
    Some(Outcome { encoded, refused: read.err() })
}

fn order<M: IntoOrder + Default + Clone>(bytes: &[u8]) -> Option<Outcome> {
    let (message, encoded) = decoded::<M>(bytes)?;
    compared(&message, &encoded);
    let read = message.clone().into_order();
    assert_eq!(message.into_order(), read, "the same request is read twice in the same way");
    Some(Outcome { encoded, refused: read.err() })
}

/// How a request that records nothing is read. Those that name nothing to be checked are read by decoding alone.
trait Reading {
    fn read(self) -> Result<(), Violations>;
}

macro_rules! readings {
    ($( $request:ident: |$message:ident| $read:expr; )*) => { $(
        impl Reading for v1::$request {
            fn read(self) -> Result<(), Violations> {
                let $message = self;
                $read.map(drop)
            }
        }
    )* };
}

readings! {
    TraceRequest: |request| convert::trace(&request);
    WhyOpenRequest: |request| convert::incident(&request.incident);
    OpenSealedRequest: |request| convert::sealed_fields(&request);
    ExportBundleRequest: |request| convert::incident(&request.incident);
    GetCheckpointRequest: |_request| Ok(());
    ProveConsistencyRequest: |_request| Ok(());
    StreamEntriesRequest: |_request| Ok(());
    SubmitCosignatureRequest: |_request| Ok(());
    SubmitRefusalRequest: |_request| Ok(());
    ListStationsRequest: |request| convert::list_directory(request.page_size);
    ListPostsRequest: |request| convert::list_directory(request.page_size);
    ListUnitsRequest: |request| convert::list_directory(request.page_size);
    ListOfficersRequest: |request| convert::list_directory(request.page_size);
    ListAgreementsRequest: |request| convert::list_directory(request.page_size);
    ListCataloguesRequest: |request| convert::list_directory(request.page_size);
    GetCatalogueRequest: |request| convert::catalogue(&request);
    PublishMapRequest: |request| MapUpload::read(request);
    UpdateRegistryRequest: |request| RegistryUpload::read(request);
    GetRegistryRequest: |_request| Ok(());
    ListMapsRequest: |request| convert::list_directory(request.page_size);
    GetMapRequest: |request| convert::map(&request.map, true);
    DownloadMapRequest: |request| convert::map(&request.map, false);
    ListDrillsRequest: |request| convert::list_directory(request.page_size);
    ResolveTerritoryRequest: |request| convert::territory(&request);
    WatchRequest: |_request| Ok(());
    CommitRequest: |_request| Ok(());
    GetPositionRequest: |_request| Ok(());
    GetHandoffRequest: |request| convert::handoff(&request);
    GetStatementRequest: |request| convert::statement(&request, &mut Recorder::default());
    GetIncidentRequest: |request| convert::incident(&request.incident);
    ListIncidentsRequest: |request| convert::list_incidents(request);
    ListObligationsRequest: |request| convert::list_obligations(request);
}

fn reading<M: Message + Reading + Default>(bytes: &[u8]) -> Option<Outcome> {
    let (message, encoded) = decoded::<M>(bytes)?;
    Some(Outcome { encoded, refused: message.read().err() })
}

/// What bytes become as a request of that name; nothing in the inner place where they are no message.
fn outcome(name: &str, bytes: &[u8]) -> Option<Option<Outcome>> {
    let of_order = || by_order!(order, name, (bytes));
    let of_reading = || by_reading!(reading, name, (bytes));
    by_command!(command, name, (bytes)).or_else(of_order).or_else(of_reading)
}

/// Whether a message has a field of that dotted path; numbers stand for items of a list.
fn has_field(message: &MessageDescriptor, path: &str) -> bool {
    let mut at = Some(message.clone());
    path.split('.').filter(|step| step.parse::<usize>().is_err()).all(|step| {
        let field = at.as_ref().and_then(|message| message.get_field_by_name(step));
        at = field.as_ref().and_then(|field| match field.kind() {
            Kind::Message(inner) => Some(inner),
            _ => None,
        });
        field.is_some()
    })
}

/// Bytes become a message or not, a message a command or a refusal that names fields of the message, each with a
/// published code; and neither a second reading nor a field of a newer build changes what was read.
#[test]
fn every_request_becomes_a_command_or_a_refusal_that_names_its_fields() {
    let mut names: Vec<String> = methods().iter().map(|method| method.input().name().to_owned()).collect();
    names.sort();
    names.dedup();
    let mut fuzz = Fuzz::new(env!("CARGO_MANIFEST_DIR"), "request").tokens(TOKENS);
    for name in &names {
        let message = pool().get_message_by_name(&format!("handoff.v1.{name}")).unwrap();
        fuzz = fuzz.seed(name, [name.as_bytes(), b":", &full(&message).encode_to_vec()].concat());
        fuzz = fuzz.seed(format!("empty {name}"), [name.as_bytes(), b":"].concat());
    }
    fuzz.runs(150_000).run(|bytes| {
        // The message's name stands before a colon; of a name nobody has, its length and letters choose one.
        let colon = bytes.iter().position(|byte| *byte == b':').unwrap_or(0);
        let (named, message) = (&bytes[..colon], bytes.get(colon + 1..).unwrap_or_default());
        let chosen: usize = named.iter().map(|byte| usize::from(*byte)).sum();
        let known = names.iter().find(|name| name.as_bytes() == named);
        let name = known.unwrap_or_else(|| &names[chosen % names.len()]);
        let Some(outcome) = outcome(name, message).unwrap_or_else(|| panic!("nothing here reads {name}")) else {
            return format!("{name}: no message");
        };
        let Some(Violations(violations)) = outcome.refused else {
            return format!("{name}: taken{}", if outcome.encoded.is_empty() { ", empty" } else { "" });
        };
        let descriptor = pool().get_message_by_name(&format!("handoff.v1.{name}")).unwrap();
        for violation in &violations {
            assert!(codes::ALL.contains(&violation.code), "{} is published", violation.code);
            let is_whole = violation.path.is_empty() && violation.code == codes::EMPTY_MESSAGE;
            assert!(is_whole || has_field(&descriptor, &violation.path), "{name} has a field {}", violation.path);
        }
        let first = violations.first().expect("a refusal names at least one field");
        let path = first.path.split('.').filter(|step| step.parse::<usize>().is_err()).collect::<Vec<_>>().join(".");
        format!("{name}: {path} {}", first.code)
    });
}
