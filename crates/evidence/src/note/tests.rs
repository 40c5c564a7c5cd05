use super::*;
use crate::lines::hex;
use crate::sample::log::{AT, Log, cosigners, log_key, seed, witnesses};
use proptest::prelude::*;

fn appendix() -> String {
    Log::appendix().checkpoint().write()
}

fn verified(checkpoint: &Checkpoint) -> Result<(), HeadError> {
    checkpoint.verify(&log_key().public(), &cosigners())
}

#[test]
fn the_checkpoint_of_the_appendix() {
    let head = Log::appendix().head();
    assert_eq!(hex(&head.root), "0540870114493ef8940ba8cf15c7324692b81d66127dd8b0adddb6b419a8ba75");
    let note = appendix();
    assert_eq!(hex(&Sha256::digest(&note)), "f44d4c044c1a7f61f45c7488b6c77a5e3e3a428ac048122fd2cbb5526ea3db31");
    assert_eq!(note.len(), 583);
    assert!(note.starts_with(&text(&log_key().origin(), &head)));
}

/// The example of the signed-note specification: key, key id, text and signature.
#[test]
fn the_published_note_verifies_and_its_key_has_the_published_id() {
    let public: [u8; 32] =
        b64_read::<33>("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap()[1..].try_into().unwrap();
    assert_eq!(hex(&key_id("PeterNeumann", KIND_LOG, &public)), "c74f20a3");
    let line =
        "PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=";
    let log = read_log("PeterNeumann", line).unwrap();
    assert_eq!(hex(&log.key_id), "c74f20a3");
    let text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    assert!(ed25519::verifies(&public, text.as_bytes(), &log.signature));
}

#[test]
fn what_is_written_reads_back_and_verifies() {
    let checkpoint = Log::of(7).checkpoint();
    let note = checkpoint.write();
    let read = Checkpoint::read(note.as_bytes()).unwrap();
    assert_eq!((read.write(), &read), (note, &checkpoint));
    assert_eq!(verified(&read), Ok(()));
    let alone = Checkpoint { cosignatures: Vec::new(), ..checkpoint };
    assert_eq!(Checkpoint::read(alone.write().as_bytes()), Ok(alone.clone()));
    assert_eq!(verified(&alone), Ok(()), "whether these are enough is not said here");
}

#[test]
fn the_witnesses_stand_in_the_order_of_their_names_each_once() {
    let checkpoint = Log::appendix().checkpoint();
    let [a, b] = &checkpoint.cosignatures[..] else { panic!("two") };
    let with = |cosignatures| Checkpoint { cosignatures, ..checkpoint.clone() }.write();
    assert_eq!(with(vec![b.clone(), a.clone()]), checkpoint.write(), "the writer puts them in order");
    let lines: Vec<String> = appendix().lines().map(|line| format!("{line}\n")).collect();
    let [.., line_a, line_b] = &lines[..] else { panic!("lines") };
    let rest = lines[..lines.len() - 2].concat();
    let fault = |tail: &str| Checkpoint::read(format!("{rest}{tail}").as_bytes()).unwrap_err();
    let expected = "the witnesses in the order of their names, each once";
    assert_eq!(fault(&[line_b.as_str(), line_a].concat()), LineError { line: 7, expected });
    assert_eq!(fault(&[line_a.as_str(), line_a].concat()), LineError { line: 7, expected });
    assert_eq!(fault(&[line_a.as_str(), line_b, line_b].concat()), LineError { line: 8, expected });
    // Another signature of the same witness is a second line of it all the same.
    let later = Checkpoint {
        cosignatures: vec![witnesses()[0].cosign(&log_key().origin(), &checkpoint.head, AT + 1)],
        ..checkpoint.clone()
    };
    let later = later.write().lines().last().unwrap().to_owned() + "\n";
    assert_eq!(fault(&[line_a.as_str(), &later].concat()), LineError { line: 7, expected });
}

#[test]
fn more_witnesses_than_a_checkpoint_may_have_are_refused() {
    let log = Log::appendix();
    let with = |count: usize| {
        let keys =
            (0..count).map(|at| CosignerKey::from_seed(&format!("witness-{at:02}"), &seed(&at.to_string())).unwrap());
        let lines = keys.map(|key| key.cosign(&log_key().origin(), &log.head(), AT)).collect();
        Checkpoint::read(Checkpoint { cosignatures: lines, ..log.checkpoint() }.write().as_bytes())
    };
    assert_eq!(with(COSIGNATURES_MAX).unwrap().cosignatures.len(), COSIGNATURES_MAX);
    assert_eq!(with(COSIGNATURES_MAX + 1), Err(LineError { line: 22, expected: "fewer lines of this kind" }));
}

#[test]
fn every_other_spelling_is_refused() {
    let note = appendix();
    let origin = log_key().origin();
    let root = b64(&Log::appendix().head().root);
    let upper = format!("{ORIGIN_PREFIX}{}", origin.strip_prefix(ORIGIN_PREFIX).unwrap().to_uppercase());
    let change = |from: &str, to: &str| {
        assert!(note.contains(from), "{from:?}");
        note.replace(from, to)
    };
    let size = format!("{origin}\n2\n");
    let wrong = [
        ("nothing", String::new()),
        ("another origin", change(&origin, "log.example")),
        ("an origin in upper case", change(&origin, &upper)),
        ("an origin that is too long", change(&origin, &format!("{origin}0"))),
        ("a size with a zero before it", change(&size, &format!("{origin}\n02\n"))),
        ("a size with a sign", change(&size, &format!("{origin}\n+2\n"))),
        ("a size of 2^63", change(&size, &format!("{origin}\n9223372036854775808\n"))),
        ("a root without padding", change(&root, root.trim_end_matches('='))),
        ("a root with left-over bits", change(&root, &root.replace("U=", "V="))),
        ("a root of 31 bytes", change(&root, &b64(&[0; 31]))),
        ("an extension line", change("\n\n", "\nextension\n\n")),
        ("two empty lines", change("\n\n", "\n\n\n")),
        ("no empty line", change("\n\n", "\n")),
        ("a hyphen for a dash", change("\u{2014} station-b", "- station-b")),
        ("another dash", change("\u{2014} station-b", "\u{2013} station-b")),
        ("two spaces", change("\u{2014} station-b", "\u{2014}  station-b")),
        ("a space at the end", change("==\n", "== \n")),
        ("a line of another log before the witnesses'", change(&format!("\u{2014} {origin}"), "\u{2014} log.example")),
        ("a name with a plus", change("station-b.example", "station+b.example")),
        ("a name that is no ASCII", change("station-b.example", "stati\u{f6}n-b.example")),
        ("no name", change("station-b.example/witness ", " ")),
        ("a witness's line like the log's", change(&note[note.len() - 105..], &format!("{}\n", b64(&[0; 68])))),
        ("no line end at the end", note.trim_end().to_owned()),
        ("an empty line at the end", format!("{note}\n")),
        ("more text", format!("{note}more\n")),
        ("a byte-order mark", format!("\u{feff}{note}")),
        ("carriage returns", note.replace('\n', "\r\n")),
    ];
    for (what, text) in wrong {
        assert!(Checkpoint::read(text.as_bytes()).is_err(), "{what}: {text}");
    }
    let lines: Vec<&str> = note.lines().collect();
    for at in 0..5 {
        let mut less = lines.clone();
        less.remove(at);
        assert!(Checkpoint::read(format!("{}\n", less.join("\n")).as_bytes()).is_err(), "without line {}", at + 1);
    }
}

#[test]
fn a_time_beyond_the_largest_number_is_refused() {
    let log = Log::appendix();
    for (at, is_read) in [(0, true), (NUMBER_MAX, true), (NUMBER_MAX + 1, false), (u64::MAX, false)] {
        let line = witnesses()[0].cosign(&log_key().origin(), &log.head(), at);
        let checkpoint = Checkpoint { cosignatures: vec![line], ..log.checkpoint() };
        assert_eq!(Checkpoint::read(checkpoint.write().as_bytes()).is_ok(), is_read, "{at}");
    }
}

#[test]
fn a_signature_counts_for_its_key_head_and_time_only() {
    let checkpoint = Log::appendix().checkpoint();
    let (origin, [a, b]) = (log_key().origin(), cosigners());
    let line = &checkpoint.cosignatures[0];
    assert_eq!(line.verify(&a, &origin, &checkpoint.head), Ok(()));
    assert_eq!(line.verify(&b, &origin, &checkpoint.head), Err(SignatureError::OtherKey));
    let renamed = Cosigner { name: b.name.clone(), ..a.clone() };
    assert_eq!(line.verify(&renamed, &origin, &checkpoint.head), Err(SignatureError::OtherKey));
    let other = origin_of(&[1; 32]);
    assert_eq!(line.verify(&a, &other, &checkpoint.head), Err(SignatureError::Signature));
    for head in [Head { size: 3, ..checkpoint.head }, Head { root: [0; 32], ..checkpoint.head }] {
        assert_eq!(line.verify(&a, &origin, &head), Err(SignatureError::Signature));
        assert_eq!(verify_log(&log_key().public(), &head, &checkpoint.log.signature), Err(SignatureError::Signature));
    }
    let later = Cosignature { at: AT + 1, ..line.clone() };
    assert_eq!(later.verify(&a, &origin, &checkpoint.head), Err(SignatureError::Signature));
    let forged = Cosignature { signature: checkpoint.log.signature, ..line.clone() };
    assert_eq!(forged.verify(&a, &origin, &checkpoint.head), Err(SignatureError::Signature));
    assert_eq!(checkpoint.verify_log(&b.public), Err(SignatureError::OtherKey));
    let elsewhere = Checkpoint { origin: other, ..checkpoint.clone() };
    assert_eq!(elsewhere.verify_log(&log_key().public()), Err(SignatureError::OtherKey));
    let other_id = Checkpoint { log: LogLine { key_id: [0; 4], ..checkpoint.log }, ..checkpoint };
    assert_eq!(other_id.verify_log(&log_key().public()), Err(SignatureError::OtherKey));
}

#[test]
fn a_line_that_nobody_can_check_is_refused() {
    let checkpoint = Log::appendix().checkpoint();
    let [a, _] = cosigners();
    let stranger = HeadError::Cosignature { place: 2, source: SignatureError::OtherKey };
    assert_eq!(checkpoint.verify(&log_key().public(), &[a]), Err(stranger));
    let mut forged = checkpoint.clone();
    forged.cosignatures[1].signature[0] ^= 1;
    assert_eq!(verified(&forged), Err(HeadError::Cosignature { place: 2, source: SignatureError::Signature }));
    let mut forged = checkpoint;
    forged.log.signature[0] ^= 1;
    assert_eq!(verified(&forged), Err(HeadError::Log(SignatureError::Signature)));
}

#[test]
fn a_witness_has_a_name_that_reads_back() {
    for name in ["w", "station-a.example/witness", "a_b:c", &"w".repeat(NAME_BYTES_MAX)] {
        assert!(is_name(name) && CosignerKey::from_seed(name, &[1; 32]).is_some(), "{name:?}");
    }
    for name in ["", " ", "a b", "a+b", "a\nb", "a\u{2003}b", "\u{202e}b", "ö", &"w".repeat(NAME_BYTES_MAX + 1)] {
        assert!(!is_name(name) && CosignerKey::from_seed(name, &[1; 32]).is_none(), "{name:?}");
    }
}

#[test]
fn a_key_never_shows_its_seed() {
    let key = CosignerKey::from_seed("name", &[0x5a; 32]).unwrap();
    assert_eq!(format!("{key:?}"), "CosignerKey(\"name\")");
}

/// Every byte of the note in every other value: it cannot be read, or one signature does not hold.
#[test]
fn a_note_with_any_byte_changed_proves_nothing() {
    let right = Log::appendix().checkpoint();
    let (log, witnesses) = (log_key().public(), cosigners());
    crate::sample::log::change_every_byte(right.write().as_bytes(), |changed| {
        let Ok(checkpoint) = Checkpoint::read(changed) else { return false };
        assert_eq!(checkpoint.write().as_bytes(), changed);
        let Checkpoint { origin, head, log: line, cosignatures } = &checkpoint;
        if (origin, head, line) != (&right.origin, &right.head, &right.log) {
            return checkpoint.verify_log(&log).is_ok();
        }
        // A line that is as it was is not verified again.
        let mut lines = cosignatures.iter().zip(&right.cosignatures).zip(&witnesses);
        cosignatures.len() == right.cosignatures.len()
            && lines.all(|((line, right), witness)| line == right || line.verify(witness, origin, head).is_ok())
    });
}

proptest! {
    #[test]
    fn whatever_is_signed_reads_back(size in 0..=NUMBER_MAX, root in any::<[u8; 32]>(), at in 0..=NUMBER_MAX, key in any::<[u8; 32]>()) {
        let key = LogKey::from_seed(&key);
        let head = Head { size, root };
        let mut checkpoint = Checkpoint::sign(&key, head);
        checkpoint.cosignatures = witnesses().map(|witness| witness.cosign(&key.origin(), &head, at)).into();
        let read = Checkpoint::read(checkpoint.write().as_bytes()).unwrap();
        prop_assert_eq!(read.verify(&key.public(), &cosigners()), Ok(()));
        prop_assert_eq!(read, checkpoint);
    }
}
