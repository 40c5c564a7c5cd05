use super::*;
use crate::leaf::LeafError;
use crate::lines::hex;
use crate::merkle::MerkleError;
use crate::note::{HeadError, SignatureError};
use crate::sample::log::{Log, change_every_byte, cosigners, log_key, recorder};
use sha2::{Digest as _, Sha256};

/// The proof of entry 1 of the appendix.
fn appendix() -> TlogProof {
    Log::appendix().proofs(1).1
}

fn verified(proof: &TlogProof, event: Digest) -> Result<(), ProofError> {
    proof.verify(event, &recorder("recA").public(), &log_key().public(), &cosigners())
}

#[test]
fn the_proof_of_the_appendix() {
    let text = appendix().write();
    assert_eq!(hex(&Sha256::digest(&text)), "7a1aa5f7f89d10653c3e743970f20d975ffe65e7c74bf28e6f814ff3b0b80397");
    assert_eq!(text.len(), 839);
}

#[test]
fn what_is_written_reads_back_and_verifies_at_any_size() {
    for size in 2..=20 {
        let log = Log::of(size);
        for index in 1..size {
            let (_, proof) = log.proofs(index);
            let read = TlogProof::read(proof.write().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(verified(&read, log.events[index]), Ok(()), "{index} of {size}");
        }
    }
    // The one leaf of a tree has no path.
    let (_, proof) = Log::of(1).proofs(0);
    assert_eq!(TlogProof::read(proof.write().as_bytes()), Ok(proof));
}

#[test]
fn every_other_spelling_is_refused() {
    let text = appendix().write();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from:?}");
        text.replacen(from, to, 1)
    };
    let extra = b64(&appendix().extra.bytes());
    let path = b64(&appendix().path[0]);
    let wrong = [
        ("nothing", String::new()),
        ("another version", change("@v1", "@v2")),
        ("no mark", change("c2sp.org/tlog-proof@v1\n", "")),
        ("no leaf", change(&format!("extra {extra}\n"), "")),
        ("an empty leaf", change(&extra, "")),
        ("a leaf that is too short", change(&extra, &b64(&[0; 127]))),
        ("a leaf that is too long", change(&extra, &b64(&[0; 129]))),
        ("a leaf without padding", change(&extra, extra.trim_end_matches('='))),
        ("a leaf with left-over bits", change(&extra, &extra.replace("sU=", "sV="))),
        ("an index with a zero", change("index 1", "index 01")),
        ("an index with a sign", change("index 1", "index +1")),
        ("an index of 2^63", change("index 1", "index 9223372036854775808")),
        ("no index", change("index 1\n", "")),
        (
            "leaf and index in the other order",
            change(&format!("extra {extra}\nindex 1"), &format!("index 1\nextra {extra}")),
        ),
        ("a hash in base64url", change(&path, &path.replace('V', "-"))),
        ("a hash of 31 bytes", change(&path, &b64(&[0; 31]))),
        ("no empty line", change("\n\n", "\n")),
        ("two empty lines", change("\n\n", "\n\n\n")),
        ("no checkpoint", text.split_once("\n\n").unwrap().0.to_owned() + "\n\n"),
        ("no line end at the end", text.trim_end().to_owned()),
        ("an empty line at the end", format!("{text}\n")),
        ("more text", format!("{text}more\n")),
        ("a byte-order mark", format!("\u{feff}{text}")),
        ("carriage returns", text.replace('\n', "\r\n")),
    ];
    for (what, text) in wrong {
        assert!(TlogProof::read(text.as_bytes()).is_err(), "{what}: {text}");
    }
    let long = TlogProof { path: vec![[0; 32]; PATH_MAX], ..appendix() };
    assert_eq!(TlogProof::read(long.write().as_bytes()), Ok(long.clone()));
    let longer = TlogProof { path: vec![[0; 32]; PATH_MAX + 1], ..long };
    assert_eq!(TlogProof::read(longer.write().as_bytes()), Err(LineError { line: 67, expected: "an empty line" }));
}

#[test]
fn a_fault_in_the_checkpoint_names_its_line_in_the_whole_text() {
    let text = appendix().write().replacen("\n2\n", "\n02\n", 1);
    assert_eq!(TlogProof::read(text.as_bytes()), Err(LineError { line: 7, expected: "the size of the tree" }));
}

#[test]
fn a_line_dropped_doubled_or_swapped_is_refused() {
    let log = Log::of(5);
    let (event, text) = (log.events[2], log.proofs(2).1.write());
    let lines: Vec<&str> = text.lines().collect();
    let holds = |lines: &[&str]| {
        let text = format!("{}\n", lines.join("\n"));
        TlogProof::read(text.as_bytes())
            .is_ok_and(|proof| proof.checkpoint.cosignatures.len() == 2 && verified(&proof, event).is_ok())
    };
    assert!(holds(&lines));
    for at in 0..lines.len() {
        let (mut dropped, mut doubled) = (lines.clone(), lines.clone());
        dropped.remove(at);
        doubled.insert(at, lines[at]);
        assert!(!holds(&dropped) && !holds(&doubled), "line {}", at + 1);
        for other in (at + 1..lines.len()).filter(|other| lines[at] != lines[*other]) {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            assert!(!holds(&swapped), "lines {} and {}", at + 1, other + 1);
        }
    }
}

#[test]
fn each_part_is_verified_and_named() {
    let log = Log::of(6);
    let (right, event) = (log.proofs(3).1, log.events[3]);
    assert_eq!(verified(&right, event), Ok(()));
    assert_eq!(verified(&right, log.events[2]), Err(ProofError::Leaf(LeafError::OtherEvent)));
    let operator = recorder("recOP").public();
    let other_key = right.verify(event, &operator, &log_key().public(), &cosigners());
    assert_eq!(other_key, Err(ProofError::Leaf(LeafError::OtherKey)));
    let other_log = right.verify(event, &recorder("recA").public(), &operator, &cosigners());
    assert_eq!(other_log, Err(ProofError::Head(HeadError::Log(SignatureError::OtherKey))));
    let wrong = |change: &dyn Fn(&mut TlogProof)| {
        let mut proof = right.clone();
        change(&mut proof);
        verified(&proof, event)
    };
    assert_eq!(wrong(&|proof| proof.extra = log.leaves[2]), Err(ProofError::Leaf(LeafError::OtherEvent)));
    // The event signed once more at another place is another leaf's proof.
    let head = |error| Err(ProofError::Head(error));
    assert_eq!(wrong(&|proof| proof.checkpoint.head.size = 7), head(HeadError::Log(SignatureError::Signature)));
    let second = HeadError::Cosignature { place: 2, source: SignatureError::Signature };
    assert_eq!(wrong(&|proof| proof.checkpoint.cosignatures[1].at += 1), head(second));
    assert_eq!(wrong(&|proof| proof.index = 2), Err(ProofError::Inclusion(MerkleError::Root)));
    assert_eq!(wrong(&|proof| proof.path[1][5] ^= 1), Err(ProofError::Inclusion(MerkleError::Root)));
    assert_eq!(wrong(&|proof| _ = proof.path.pop()), Err(ProofError::Inclusion(MerkleError::Length)));
    let another = Log::of(5).checkpoint();
    assert_eq!(wrong(&|proof| proof.checkpoint = another.clone()), Err(ProofError::Inclusion(MerkleError::Root)));
}

/// Every byte of the proof in every other value: it cannot be read, or one part does not hold. The checkpoint's bytes
/// are tried in `note`.
#[test]
fn a_proof_with_any_byte_changed_proves_nothing() {
    let log = Log::appendix();
    let text = appendix().write();
    let (before, checkpoint) = text.split_once("\n\n").unwrap();
    let (right, recorder) = (log.checkpoint(), recorder("recA").public());
    change_every_byte(format!("{before}\n\n").as_bytes(), |changed| {
        let changed = [changed, checkpoint.as_bytes()].concat();
        let Ok(proof) = TlogProof::read(&changed) else { return false };
        assert_eq!(proof.write().as_bytes(), changed);
        assert_eq!(proof.checkpoint, right);
        let leaf = proof.extra.verify(log.events[1], &recorder);
        let head = &proof.checkpoint.head;
        leaf.is_ok()
            && merkle::verify_inclusion(&proof.extra.hash(), proof.index, head.size, &proof.path, &head.root).is_ok()
    });
    assert_eq!(verified(&appendix(), log.events[1]), Ok(()));
}
