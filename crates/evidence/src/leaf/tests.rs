use super::*;
use crate::event::hash;
use crate::event::tests::{ENTRY_0, ENTRY_1};
use crate::lines::hex;
use crate::sample::log::{Log, recorder};

#[test]
fn the_leaves_of_the_appendix() {
    let [zero, one] =
        [("recOP", ENTRY_0), ("recA", ENTRY_1)].map(|(key, entry)| Leaf::sign(hash(entry.as_bytes()), &recorder(key)));
    assert_eq!(hex(&zero.hash()), "3d50815d140d60f568a802484bd303add86f3c53b40f7adbd771fb54b72e691f");
    assert_eq!(hex(&one.hash()), "d018beb11d040d02e03c2bf4a8b3fd463200631029ffa378dfc5b778db92f97f");
    assert_eq!(hex(&one.checksum()), "b805a30afbff14be8ecd6ccd22b7c0239753cb852e07ec8ea73f922208e01d18");
    assert_eq!(hex(&Sha256::digest(one.bytes())), "16744707a830b6f757af188f47f89cc9574535743e1f91b2739df644f2aeba2f");
    assert_eq!(one.bytes()[..32], one.checksum());
    assert_eq!(one.bytes()[32..96], one.signature());
    assert_eq!(one.bytes()[96..], recorder("recA").key_hash());
}

/// Trap of Sigsum: the file is hashed, and the hash is hashed again.
#[test]
fn the_checksum_is_the_hash_of_the_hash_of_the_event() {
    let once = Sha256::digest(ENTRY_1);
    assert_eq!(checksum(hash(ENTRY_1.as_bytes()))[..], Sha256::digest(once)[..]);
    assert_ne!(checksum(hash(ENTRY_1.as_bytes()))[..], once[..]);
    let key = recorder("recA");
    let wrong = Leaf::sign(hash(&once), &key);
    assert_eq!(wrong.verify(hash(ENTRY_1.as_bytes()), &key.public()), Err(LeafError::OtherEvent));
}

#[test]
fn a_leaf_is_that_of_its_event_and_key() {
    let log = Log::appendix();
    let (leaf, event, key) = (log.leaves[1], log.events[1], recorder("recA"));
    assert_eq!(leaf.verify(event, &key.public()), Ok(()));
    assert_eq!(leaf.verify(log.events[0], &key.public()), Err(LeafError::OtherEvent));
    assert_eq!(leaf.verify(event, &recorder("recOP").public()), Err(LeafError::OtherKey));
    // The claim to be another's does not become true by the other's key.
    let claimed = Leaf::from_parts(event, leaf.signature(), recorder("recOP").key_hash());
    assert_eq!(claimed.verify(event, &key.public()), Err(LeafError::OtherKey));
    assert_eq!(claimed.verify(event, &recorder("recOP").public()), Err(LeafError::Signature));
}

#[test]
fn parts_and_bytes_give_the_leaf_again() {
    let log = Log::appendix();
    let leaf = log.leaves[1];
    assert_eq!(Leaf::from_parts(log.events[1], leaf.signature(), leaf.key_hash()), leaf);
    assert_eq!(Leaf::from_bytes(&leaf.bytes()), leaf);
    assert_eq!(Leaf::sign(log.events[1], &recorder("recA")), leaf, "no chance in it");
}

#[test]
fn a_leaf_with_any_bit_changed_is_refused_and_has_another_hash() {
    let log = Log::appendix();
    for bit in 0..LEAF_BYTES * 8 {
        let mut bytes = log.leaves[1].bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let changed = Leaf::from_bytes(&bytes);
        let expected = match bit / 8 {
            0..32 => LeafError::OtherEvent,
            32..96 => LeafError::Signature,
            _ => LeafError::OtherKey,
        };
        assert_eq!(changed.verify(log.events[1], &recorder("recA").public()), Err(expected), "bit {bit}");
        assert_ne!(changed.hash(), log.leaves[1].hash());
    }
}

/// A signature of the same key for another use must not pass for one of a leaf.
#[test]
fn the_signature_is_over_the_checksum_in_its_context() {
    let (event, key) = (hash(ENTRY_1.as_bytes()), recorder("recA"));
    for message in
        [checksum(event).to_vec(), event.0.to_vec(), [&CONTEXT[..CONTEXT.len() - 1], &checksum(event)].concat()]
    {
        let leaf = Leaf::from_parts(event, key.0.sign(&message).to_bytes(), key.key_hash());
        assert_eq!(leaf.verify(event, &key.public()), Err(LeafError::Signature));
    }
}

#[test]
fn a_key_never_shows_its_seed() {
    let key = RecorderKey::from_seed(&[0x5a; 32]);
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("RecorderKey(sha256:{})", hex(&key.key_hash())));
    assert!(!shown.contains("5a5a"));
}
