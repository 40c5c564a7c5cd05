mod oracle;

use super::*;
use crate::sample::log::{AT, Log, change_every_byte, cosigners, log_key, recorder, witnesses};
use sha2::{Digest as _, Sha256};

/// The proof of entry 1 of the appendix.
fn appendix() -> SigsumProof {
    Log::appendix().proofs(1).0
}

fn publics() -> [[u8; 32]; 2] {
    cosigners().map(|cosigner| cosigner.public)
}

fn verified(proof: &SigsumProof, event: Digest) -> Result<(), ProofError> {
    proof.verify(event, &recorder("recA").public(), &log_key().public(), &publics())
}

#[test]
fn the_proof_of_the_appendix() {
    let text = appendix().write().unwrap();
    assert_eq!(hex(&Sha256::digest(&text)), "9f9a3ae278fe56612e606682beb7b7e685a42f806c455bc7d2ac9868c1bbeda8");
    assert_eq!(text.len(), 1023);
}

/// What the design page says of the lengths, for a path of 10 and a place of 3 digits.
#[test]
fn the_lengths_at_1009_leaves() {
    let log = Log::of(1_009);
    let (sigsum, tlog) = log.proofs(500);
    assert_eq!((sigsum.path.len(), sigsum.write().unwrap().len(), tlog.write().len()), (10, 1_703, 1_249));
    assert_eq!(log.checkpoint().write().len(), 586);
    assert_eq!(verified(&sigsum, log.events[500]), Ok(()));
}

#[test]
fn what_is_written_reads_back_and_verifies_at_any_size() {
    for size in 2..=20 {
        let log = Log::of(size);
        for index in 1..size {
            let (proof, _) = log.proofs(index);
            let read = SigsumProof::read(proof.write().unwrap().as_bytes()).unwrap();
            assert_eq!(read, proof);
            assert_eq!(verified(&read, log.events[index]), Ok(()), "{index} of {size}");
            assert_eq!(read.leaf(log.events[index]), log.leaves[index]);
        }
    }
    let (proof, _) = Log::appendix().proofs(0);
    let operator = recorder("recOP").public();
    assert_eq!(proof.verify(Log::appendix().events[0], &operator, &log_key().public(), &publics()), Ok(()));
}

/// Trap of Sigsum: verifiers do not agree on the form of such a proof.
#[test]
fn there_is_no_proof_about_a_tree_of_one_leaf() {
    let (proof, _) = Log::of(1).proofs(0);
    assert_eq!((proof.head.size, proof.write()), (1, None));
    let text = appendix().write().unwrap().replace("size=2\n", "size=1\n");
    let expected = "the size of a tree of two leaves and more";
    assert_eq!(SigsumProof::read(text.as_bytes()), Err(LineError { line: 5, expected }));
}

#[test]
fn the_witnesses_stand_in_the_order_of_their_key_hashes_each_once() {
    let right = appendix();
    let [one, two] = right.cosignatures[..] else { panic!("two") };
    assert!(one.key_hash < two.key_hash);
    let with = |cosignatures: &[KeyedCosignature]| SigsumProof { cosignatures: cosignatures.into(), ..right.clone() };
    assert_eq!(with(&[two, one]).write(), right.write(), "the writer puts them in order");
    let doubled = with(&[one, one]).write().unwrap();
    let expected = "the witnesses in the order of their key hashes, each once";
    assert_eq!(SigsumProof::read(doubled.as_bytes()), Err(LineError { line: 9, expected }));
    let text = right.write().unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.swap(7, 8);
    let swapped = format!("{}\n", lines.join("\n"));
    assert_eq!(SigsumProof::read(swapped.as_bytes()), Err(LineError { line: 9, expected }));
    // A witness left out is read: whether the others are enough is the policy's to say.
    assert_eq!(SigsumProof::read(with(&[two]).write().unwrap().as_bytes()), Ok(with(&[two])));
}

#[test]
fn lines_of_witnesses_that_are_not_asked_for_are_left_out() {
    let log = Log::appendix();
    let [_, b] = cosigners();
    let proof = SigsumProof::new(
        &log_key().public(),
        &log.leaves[1],
        1,
        Vec::new(),
        &log.checkpoint(),
        std::slice::from_ref(&b),
    );
    let line = witnesses()[1].cosign(&log_key().origin(), &log.head(), AT);
    assert_eq!(proof.cosignatures, [KeyedCosignature::new(&line, &b)]);
}

#[test]
fn every_other_spelling_is_refused() {
    let text = appendix().write().unwrap();
    let change = |from: &str, to: &str| {
        assert!(text.contains(from), "{from:?}");
        text.replacen(from, to, 1)
    };
    let hash = hex(&appendix().log);
    let wrong = [
        ("nothing", String::new()),
        ("another version", change("version=2", "version=1")),
        ("no version", change("version=2\n", "")),
        ("upper case", change(&hash, &hash.to_uppercase())),
        ("a shorter hash", change(&hash, &hash[2..])),
        ("a longer hash", change(&hash, &format!("{hash}00"))),
        (
            "two spaces in the leaf",
            change(
                "bed884b84d0d13a5ba667b10cc2de41b4525eb26494980ff18c09576a0788ec5 ",
                "bed884b84d0d13a5ba667b10cc2de41b4525eb26494980ff18c09576a0788ec5  ",
            ),
        ),
        ("a third value in the leaf", change("\n\nsize", " 00\n\nsize")),
        ("no empty line", change("\n\nsize", "\nsize")),
        ("two empty lines", change("\n\nsize", "\n\n\nsize")),
        ("a size with a zero", change("size=2", "size=02")),
        ("a size with a sign", change("size=2", "size=+2")),
        ("a size of 2^63", change("size=2", "size=9223372036854775808")),
        ("a time with a zero", change(" 1795435200 ", " 01795435200 ")),
        ("a time of 2^63", change(" 1795435200 ", " 9223372036854775808 ")),
        ("no time", change(" 1795435200 ", " ")),
        ("another key", change("leaf_index=", "index=")),
        ("an index with a sign", change("leaf_index=1", "leaf_index=+1")),
        ("no index", change("leaf_index=1\n", "")),
        ("fields in another order", change("root_hash=", "signature=")),
        ("no line end at the end", text.trim_end().to_owned()),
        ("an empty line at the end", format!("{text}\n")),
        ("more text", format!("{text}more\n")),
        ("a byte-order mark", format!("\u{feff}{text}")),
        ("carriage returns", text.replace('\n', "\r\n")),
    ];
    for (what, text) in wrong {
        assert!(SigsumProof::read(text.as_bytes()).is_err(), "{what}: {text}");
    }
    let long = SigsumProof { path: vec![[0; 32]; PATH_MAX], ..appendix() };
    assert_eq!(SigsumProof::read(long.write().unwrap().as_bytes()), Ok(long.clone()));
    let longer = SigsumProof { path: vec![[0; 32]; PATH_MAX + 1], ..long };
    assert!(SigsumProof::read(longer.write().unwrap().as_bytes()).is_err());
}

#[test]
fn a_line_dropped_doubled_or_swapped_is_refused() {
    let log = Log::of(5);
    let (event, text) = (log.events[2], log.proofs(2).0.write().unwrap());
    let lines: Vec<&str> = text.lines().collect();
    let holds = |lines: &[&str]| {
        let text = format!("{}\n", lines.join("\n"));
        SigsumProof::read(text.as_bytes())
            .is_ok_and(|proof| proof.cosignatures.len() == 2 && verified(&proof, event).is_ok())
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
    let (right, event) = (log.proofs(3).0, log.events[3]);
    let (recorder_key, log_public) = (recorder("recA").public(), log_key().public());
    let other = [9; 32];
    let leaf = |error| Err(ProofError::Leaf(error));
    let head = |error| Err(ProofError::Head(error));
    assert_eq!(verified(&right, event), Ok(()));
    assert_eq!(verified(&right, log.events[2]), leaf(LeafError::Signature));
    assert_eq!(right.verify(event, &recorder("recOP").public(), &log_public, &publics()), leaf(LeafError::OtherKey));
    assert_eq!(right.verify(event, &recorder_key, &other, &publics()), head(HeadError::Log(SignatureError::OtherKey)));
    let [first, second] = right.cosignatures[..] else { panic!("two") };
    let strangers = publics().map(|public| if key_hash(&public) == second.key_hash { other } else { public });
    let expected = HeadError::Cosignature { place: 2, source: SignatureError::OtherKey };
    assert_eq!(right.verify(event, &recorder_key, &log_public, &strangers), head(expected));
    let wrong = |change: &dyn Fn(&mut SigsumProof)| {
        let mut proof = right.clone();
        change(&mut proof);
        verified(&proof, event)
    };
    let log_signature = head(HeadError::Log(SignatureError::Signature));
    assert_eq!(wrong(&|proof| proof.head.size = 7), log_signature);
    assert_eq!(wrong(&|proof| proof.head.root[0] ^= 1), log_signature);
    assert_eq!(wrong(&|proof| proof.head_signature[9] ^= 1), log_signature);
    let signature = |place| head(HeadError::Cosignature { place, source: SignatureError::Signature });
    assert_eq!(wrong(&|proof| proof.cosignatures[0].at += 1), signature(1));
    assert_eq!(wrong(&|proof| proof.cosignatures[1].signature = first.signature), signature(2));
    assert_eq!(wrong(&|proof| proof.cosignatures[0].key_hash = second.key_hash), signature(1));
    let inclusion = |error| Err(ProofError::Inclusion(error));
    assert_eq!(wrong(&|proof| proof.index = 2), inclusion(MerkleError::Root));
    assert_eq!(wrong(&|proof| proof.index = 6), inclusion(MerkleError::Index { index: 6, size: 6 }));
    assert_eq!(wrong(&|proof| proof.path[0][0] ^= 1), inclusion(MerkleError::Root));
    assert_eq!(wrong(&|proof| _ = proof.path.pop()), inclusion(MerkleError::Length));
    assert_eq!(wrong(&|proof| proof.path.push([0; 32])), inclusion(MerkleError::Length));
    assert_eq!(wrong(&|proof| proof.path.swap(0, 1)), inclusion(MerkleError::Root));
    // Index and path of the sibling, with this leaf.
    let sibling = log.proofs(2).0;
    assert_eq!(wrong(&|proof| (proof.index, proof.path) = (2, sibling.path.clone())), inclusion(MerkleError::Root));
}

/// Every byte of the proof in every other value: it cannot be read, or one part does not hold.
#[test]
fn a_proof_with_any_byte_changed_proves_nothing() {
    let log = Log::appendix();
    let (recorder, log_public, witnesses) = (recorder("recA").public(), log_key().public(), publics());
    change_every_byte(appendix().write().unwrap().as_bytes(), |changed| {
        let Ok(proof) = SigsumProof::read(changed) else { return false };
        assert_eq!(proof.write().unwrap().as_bytes(), changed);
        proof.verify(log.events[1], &recorder, &log_public, &witnesses).is_ok()
    });
}
