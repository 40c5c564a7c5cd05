use super::*;
use crate::json::Fault;
use crate::sample::{Draw, Sample, bodies};
use handoff_domain::event::directory::AgreementProposed;
use handoff_domain::event::incident::{LabelAdded, Noted};
use handoff_domain::ids::LOG_STREAM;
use handoff_domain::timers::Timers;
use handoff_domain::values::{Code, Label};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The two entries of the design page's appendix, byte for byte.
pub(crate) const ENTRY_0: &str = r#"{"actor":{"org":"OP","role":"service"},"at":"2026-11-23T11:00:00.000Z","body":{"origin":"sigsum.org/v1/tree/e747be1c4db119db109c095f4d8207be77d2ca3c9b6751b385a548f8e32ddc2f","salt":"MzMzMzMzMzMzMzMzMzMzMw"},"incident":"00000000-0000-8000-8000-000000000000","prev":"sha256:0000000000000000000000000000000000000000000000000000000000000000","seq":1,"type":"log_opened","v":"handoff-event/1"}"#;
pub(crate) const ENTRY_1: &str = r#"{"actor":{"officer":"a-7f3c","org":"A","reg":"sha256:4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945","role":"call_taker","station":"A-01"},"at":"2026-11-23T12:00:00.000Z","body":{"caller":{"phone":{"sd":"4aRv7p_W15UaAvWiHIzT9J_dtMB7o27jqmBssmO2vbQ"}},"place":{"crs":"WGS84","lat7":1415000000,"lon7":1798700000},"salt":"IiIiIiIiIiIiIiIiIiIiIg"},"claimed_at":"2026-11-23T11:59:58.412Z","incident":"0198c0de-7e57-7000-8000-000000000001","prev":"sha256:0000000000000000000000000000000000000000000000000000000000000000","seq":1,"type":"received","v":"handoff-event/1"}"#;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sha(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

#[test]
fn the_entries_of_the_appendix_are_events_byte_for_byte() {
    for entry in [ENTRY_0, ENTRY_1] {
        let (event, prev) = decode(entry.as_bytes()).unwrap();
        assert_eq!((event.seq, prev), (1, FIRST_PREV));
        assert_eq!(encode(&event, &prev).unwrap(), entry.as_bytes());
        assert_eq!(record(&event, &prev).unwrap().hash, hash(entry.as_bytes()));
    }
    let (opened, _) = decode(ENTRY_0.as_bytes()).unwrap();
    assert_eq!((opened.incident, opened.body.type_name()), (LOG_STREAM, "log_opened"));
    let (received, _) = decode(ENTRY_1.as_bytes()).unwrap();
    assert_eq!(received.at, Millis(1_795_435_200_000));
    assert_eq!(received.claimed_at, Some(Millis(1_795_435_198_412)));
}

/// The appendix gives digests of what later stands on these bytes; they bind entry 0 too, which has none of its own.
#[test]
fn checksum_leaves_and_root_of_the_appendix_follow_from_the_event_bytes() {
    use ed25519_dalek::{Signer, SigningKey};
    let leaf = |name: &str, entry: &str| {
        let key = SigningKey::from_bytes(&sha(&[name.as_bytes()]));
        let checksum = sha(&[&hash(entry.as_bytes()).0]);
        let signature = key.sign(&[b"sigsum.org/v1/tree-leaf\0".as_slice(), &checksum].concat()).to_bytes();
        (checksum, [&checksum[..], &signature, &sha(&[key.verifying_key().as_bytes()])].concat())
    };
    let (_, leaf_0) = leaf("recOP", ENTRY_0);
    let (checksum_1, leaf_1) = leaf("recA", ENTRY_1);
    assert_eq!(hex(&checksum_1), "b805a30afbff14be8ecd6ccd22b7c0239753cb852e07ec8ea73f922208e01d18");
    assert_eq!(hex(&sha(&[&leaf_1])), "16744707a830b6f757af188f47f89cc9574535743e1f91b2739df644f2aeba2f");
    let (hash_0, hash_1) = (sha(&[&[0], &leaf_0]), sha(&[&[0], &leaf_1]));
    assert_eq!(hex(&hash_0), "3d50815d140d60f568a802484bd303add86f3c53b40f7adbd771fb54b72e691f");
    assert_eq!(hex(&hash_1), "d018beb11d040d02e03c2bf4a8b3fd463200631029ffa378dfc5b778db92f97f");
    let root = sha(&[&[1], &hash_0, &hash_1]);
    assert_eq!(hex(&root), "0540870114493ef8940ba8cf15c7324692b81d66127dd8b0adddb6b419a8ba75");
}

#[test]
fn every_type_of_the_schema_is_sampled_and_reads_back() {
    let wanted: BTreeSet<_> = Body::TYPES.iter().copied().collect();
    for seed in 0..100 {
        let mut draw = Draw::new(seed);
        let mut seen = BTreeSet::new();
        for body in bodies(&mut draw) {
            seen.insert(body.type_name());
            let (event, prev) = draw.event(body);
            let bytes = encode(&event, &prev).unwrap();
            assert_eq!(decode(&bytes), Ok((event, prev)));
        }
        assert_eq!(seen, wanted);
    }
}

/// A changed byte gives no event, or another event that is written exactly so: no two spellings of one event exist.
fn assert_no_other_spelling(bytes: &[u8], original: &Event, changed: &[u8]) {
    if changed != bytes
        && let Ok((event, prev)) = decode(changed)
    {
        let (_, original_prev) = decode(bytes).unwrap();
        assert!(event != *original || prev != original_prev);
        assert_eq!(encode(&event, &prev).unwrap(), changed);
    }
}

#[test]
fn no_single_byte_of_the_appendix_can_change_unseen() {
    for entry in [ENTRY_0, ENTRY_1] {
        let bytes = entry.as_bytes();
        let (original, _) = decode(bytes).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            for byte in 0..=255 {
                changed[at] = byte;
                assert_no_other_spelling(bytes, &original, &changed);
            }
            changed.remove(at);
            assert_no_other_spelling(bytes, &original, &changed);
            let doubled = [&bytes[..at], &bytes[at..=at], &bytes[at..]].concat();
            assert_no_other_spelling(bytes, &original, &doubled);
        }
        assert_eq!(decode(&bytes[..bytes.len() - 1]).unwrap_err(), truncated(bytes.len() - 1));
    }
}

fn truncated(at: usize) -> DecodeError {
    DecodeError::Profile(ReadError { at, fault: Fault::Truncated })
}

#[test]
fn no_single_bit_of_any_type_can_change_unseen() {
    let mut draw = Draw::new(7);
    for body in bodies(&mut draw) {
        let (event, prev) = draw.event(body);
        let bytes = encode(&event, &prev).unwrap();
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << bit;
                assert_no_other_spelling(&bytes, &event, &changed);
            }
        }
    }
}

#[test]
fn a_newer_version_and_an_unknown_type_are_told_apart_from_damage() {
    let changed = |from: &str, to: &str| decode(ENTRY_1.replace(from, to).as_bytes()).unwrap_err();
    assert_eq!(changed("event/1", "event/2"), DecodeError::UnknownVersion("handoff-event/2".into()));
    assert_eq!(changed("\"received\"", "\"perceived\""), DecodeError::UnknownType("perceived".into()));
    let newer = br#"{"something":"else","v":"handoff-event/2"}"#;
    assert_eq!(decode(newer), Err(DecodeError::UnknownVersion("handoff-event/2".into())));
    assert!(matches!(changed("\"salt\":", "\"salts\":"), DecodeError::Body(error) if error.path == "salt"));
    assert!(matches!(changed("\"org\"", "\"orgs\""), DecodeError::Envelope(error) if error.path == "actor.org"));
    assert!(matches!(changed("Z\",\"body\"", "Z\",\"zone\":1,\"body\""), DecodeError::Profile(_)));
    assert!(matches!(changed(",\"v\":", ",\"u\":1,\"v\":"), DecodeError::Envelope(error) if error.path == "u"));
    assert_eq!(changed("\"seq\":1", "\"seq\":2"), DecodeError::First { seq: 2 });
    assert_eq!(changed("\"seq\":1", "\"seq\":0"), DecodeError::First { seq: 0 });
    assert_eq!(changed("sha256:00", "sha256:01"), DecodeError::First { seq: 1 });
}

#[test]
fn an_event_that_would_not_read_back_is_not_written() {
    let (mut event, prev) = decode(ENTRY_1.as_bytes()).unwrap();
    let refused = |event: &Event| encode(event, &prev).unwrap_err();
    event.seq = 2;
    assert_eq!(refused(&event), EncodeError::Unreadable(DecodeError::First { seq: 2 }));
    event.seq = 1;
    event.claimed_at = Some(Millis(-1));
    assert_eq!(refused(&event), EncodeError::Changed);
    event.claimed_at = None;
    event.body = Noted { text: None, code: Some(Code::of("word")), handoff: None, flags: Vec::new() }.into();
    assert!(matches!(refused(&event), EncodeError::Unreadable(DecodeError::Body(error)) if error.path == "code"));
    let number = Label::new("A\u{202e}17").unwrap();
    event.body = LabelAdded { number }.into();
    assert_eq!(refused(&event), EncodeError::Profile(WriteError { path: "body.number".into(), fault: Fault::Bidi }));
    event.body = AgreementProposed { timers: Some(Timers::default()), ..Sample::sample(&mut Draw::new(1)) }.into();
    assert_eq!(refused(&event), EncodeError::Changed);
}

#[test]
fn a_new_event_is_in_normal_form_c_and_an_old_one_need_not_be() {
    let (mut event, prev) = decode(ENTRY_1.as_bytes()).unwrap();
    event.body = LabelAdded { number: Label::new("cafe\u{301}").unwrap() }.into();
    let bytes = encode(&event, &prev).unwrap();
    assert_eq!(decode(&bytes), Ok((event.clone(), prev)));
    let fault = WriteError { path: "body.number".into(), fault: Fault::NotNfc };
    assert_eq!(record(&event, &prev), Err(EncodeError::Profile(fault)));
}

fn note(seq: u64) -> Event {
    let (mut event, _) = decode(ENTRY_1.as_bytes()).unwrap();
    event.seq = seq;
    event.body = Noted { text: None, code: Some(Code::of("WORD")), handoff: None, flags: Vec::new() }.into();
    event
}

#[test]
fn a_chain_takes_the_next_event_and_no_other() {
    let (first, _) = decode(ENTRY_1.as_bytes()).unwrap();
    let mut writer = Chain::new(first.incident);
    let mut stored = vec![writer.record(&first).unwrap()];
    for seq in 2..=5 {
        stored.push(writer.record(&note(seq)).unwrap());
    }
    assert_eq!((writer.seq(), writer.head()), (5, stored[4].hash));

    let mut reader = Chain::new(first.incident);
    for recorded in &stored {
        assert!(reader.accept(&recorded.bytes).is_ok());
    }
    assert_eq!(reader, writer);
    assert_eq!(reader, Chain::resume(first.incident, 5, stored[4].hash));

    let mut chain = Chain::new(first.incident);
    assert_eq!(chain.accept(&stored[1].bytes), Err(ChainError::Number { expected: 1, found: 2 }));
    chain.accept(&stored[0].bytes).unwrap();
    assert_eq!(chain.accept(&stored[0].bytes), Err(ChainError::Number { expected: 2, found: 1 }));
    assert_eq!(chain.accept(&stored[2].bytes), Err(ChainError::Number { expected: 2, found: 3 }));
    let fork = encode(&note(2), &hash(b"another history")).unwrap();
    assert_eq!(chain.accept(&fork), Err(ChainError::Prev { seq: 2 }));
    assert!(matches!(chain.accept(b"{}"), Err(ChainError::Decode { seq: 2, .. })));
    let mut foreign = note(2);
    foreign.incident = LOG_STREAM;
    let error = ChainError::OtherIncident { seq: 2, found: LOG_STREAM };
    assert_eq!(chain.record(&foreign), Err(error));
    assert!(chain.accept(&stored[1].bytes).is_ok(), "a refusal leaves the chain as it was");
}

mod size;

proptest! {
    #[test]
    fn bytes_that_decode_encode_to_themselves(seed in any::<u64>()) {
        let mut draw = Draw::new(seed);
        for body in bodies(&mut draw) {
            let (event, prev) = draw.event(body);
            // A random event may be longer than an event can be; then it is refused and nothing else.
            match encode(&event, &prev) {
                Ok(bytes) => {
                    let (same, same_prev) = decode(&bytes).unwrap();
                    prop_assert_eq!(encode(&same, &same_prev).unwrap(), bytes);
                }
                Err(EncodeError::Profile(error)) => prop_assert_eq!(error.fault, Fault::TooLong),
                Err(error) => prop_assert!(false, "{:?}", error),
            }
        }
    }
}
