use super::*;
use ed25519_dalek::{Signer, SigningKey};

/// The order of the group, least byte first (RFC 8032, 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The number `y` written as `2^255 − 19 + y`, with a sign.
fn unreduced(y: u8, sign: u8) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + y;
    bytes[31] = 0x7f | sign << 7;
    bytes
}

#[test]
fn a_signature_verifies_for_its_message_and_key_only() {
    let (key, other) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let public = key.verifying_key().to_bytes();
    let signature = key.sign(b"message").to_bytes();
    assert!(verifies(&public, b"message", &signature));
    assert!(!verifies(&public, b"massage", &signature));
    assert!(!verifies(other.verifying_key().as_bytes(), b"message", &signature));
    for bit in 0..512 {
        let mut changed = signature;
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(!verifies(&public, b"message", &changed), "bit {bit}");
    }
}

#[test]
fn the_same_signature_with_a_larger_number_is_refused() {
    let key = SigningKey::from_bytes(&[1; 32]);
    let mut signature = key.sign(b"message").to_bytes();
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = ((sum & 0xff).try_into().unwrap(), sum >> 8);
    }
    assert!(!verifies(key.verifying_key().as_bytes(), b"message", &signature));
}

/// With such a key anyone could sign: R = key, S = 0 fits many messages.
#[test]
fn keys_of_small_order_are_refused() {
    let mut neutral = [0; 32];
    neutral[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let loose = VerifyingKey::from_bytes(&neutral).unwrap();
    assert!(ed25519_dalek::Verifier::verify(&loose, b"message", &Signature::from_bytes(&signature)).is_ok());
    assert!(!verifies(&neutral, b"message", &signature));
    assert!(!verifies(&[0; 32], b"message", &[0; 64]));
}

#[test]
fn a_key_has_one_spelling() {
    let is_point = |bytes: &[u8; 32]| VerifyingKey::from_bytes(bytes).is_ok();
    let spelled_twice: Vec<_> =
        (0..19).flat_map(|y| [unreduced(y, 0), unreduced(y, 1)]).filter(|bytes| is_point(bytes)).collect();
    assert!(spelled_twice.len() > 10, "the library takes them");
    for bytes in spelled_twice {
        assert_eq!(key(&bytes), None);
    }
    // x = 0 has no sign.
    let mut minus_neutral = [0; 32];
    (minus_neutral[0], minus_neutral[31]) = (1, 0x80);
    assert_eq!(key(&minus_neutral), None);
    assert!(key(SigningKey::from_bytes(&[1; 32]).verifying_key().as_bytes()).is_some());
}
