use super::*;
use ed25519_dalek::{Signature, Verifier as _};
use sha2::Sha512;

/// 32 bytes from hexadecimal.
fn bytes(text: &str) -> [u8; 32] {
    hex_read(text).unwrap()
}

/// p = 2^255 − 19, little-endian, plus a little, with or without the sign bit.
fn around_p(plus: u8, sign: bool) -> [u8; 32] {
    let mut bytes = [0xff; 32];
    bytes[0] = 0xed + plus;
    bytes[31] = if sign { 0xff } else { 0x7f };
    bytes
}

/// The eight points of small order, each in its one spelling.
pub(crate) const SMALL_ORDER: [&str; 8] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
];

#[test]
fn a_key_of_small_order_is_refused() {
    for key in SMALL_ORDER {
        assert_eq!(check_ed25519(&bytes(key)), Err(KeyFault::SmallOrder), "{key}");
    }
}

/// The 19 values of y from p on say the same as 0 to 18; and a sign does not belong to x = 0.
#[test]
fn a_second_spelling_of_a_point_is_refused() {
    let mut second = 0;
    for plus in 0..19 {
        for sign in [false, true] {
            let mut reduced = [0; 32];
            (reduced[0], reduced[31]) = (plus, if sign { 0x80 } else { 0 });
            let (given, reduced) = (check_ed25519(&around_p(plus, sign)), check_ed25519(&reduced));
            match reduced {
                Err(KeyFault::NotAPoint) => assert_eq!(given, Err(KeyFault::NotAPoint), "p + {plus}"),
                Ok(()) | Err(KeyFault::SmallOrder | KeyFault::Spelling) => {
                    assert_eq!(given, Err(KeyFault::Spelling), "p + {plus}");
                    second += usize::from(reduced == Ok(()));
                }
            }
        }
    }
    assert!(second > 10, "points of large order have second spellings too: {second}");
    let one_with_sign = bytes("0100000000000000000000000000000000000000000000000000000000000080");
    assert_eq!(check_ed25519(&one_with_sign), Err(KeyFault::Spelling));
    let mut minus_one_with_sign = [0xff; 32];
    minus_one_with_sign[0] = 0xec;
    assert_eq!(check_ed25519(&minus_one_with_sign), Err(KeyFault::Spelling));
}

#[test]
fn bytes_that_are_no_point_are_refused() {
    let mut two = [0; 32];
    two[0] = 2;
    assert_eq!(check_ed25519(&two), Err(KeyFault::NotAPoint));
    let public = crate::log::LogKey::from_seed(&[7; 32]).public();
    assert_eq!(check_ed25519(&public), Ok(()));
}

/// Numbers below 2^256 in four words, lowest first.
type Words = [u64; 4];

/// L, the order of the base point.
const ORDER: Words = [0x5812_631a_5cf5_d3ed, 0x14de_f9de_a2f7_9cd6, 0, 0x1000_0000_0000_0000];

fn words(bytes: &[u8; 32]) -> Words {
    std::array::from_fn(|at| u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap()))
}

fn unwords(words: Words) -> [u8; 32] {
    words.map(u64::to_le_bytes).concat().try_into().unwrap()
}

/// a + b; the sums here stay below 2^256.
fn plus(a: Words, b: Words) -> Words {
    let mut carry = 0;
    std::array::from_fn(|at| {
        let sum = u128::from(a[at]) + u128::from(b[at]) + carry;
        carry = sum >> 64;
        u64::try_from(sum & u128::from(u64::MAX)).unwrap()
    })
}

/// a mod L for a below 2 L.
fn reduced(a: Words) -> Words {
    if a.iter().rev().lt(ORDER.iter().rev()) {
        return a;
    }
    let mut borrow = 0;
    std::array::from_fn(|at| {
        let (difference, one) = a[at].overflowing_sub(ORDER[at]);
        let (difference, two) = difference.overflowing_sub(borrow);
        borrow = u64::from(one || two);
        difference
    })
}

/// The sum of a · 2^place over the bits of the little-endian number, mod L.
fn times(number: &[u8], a: Words) -> Words {
    let bits = number.iter().rev().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1));
    bits.fold([0; 4], |sum, bit| {
        let doubled = reduced(plus(sum, sum));
        if bit { reduced(plus(doubled, a)) } else { doubled }
    })
}

/// A signature whose R is the neutral point: it satisfies the equation, and anybody who holds the key can make it, but
/// libraries differ in whether they take it.
#[test]
fn a_signature_with_a_small_r_is_refused_though_the_equation_holds() {
    let seed = [5; 32];
    let public = crate::log::LogKey::from_seed(&seed).public();
    let mut secret: [u8; 32] = Sha512::digest(seed)[..32].try_into().unwrap();
    secret[0] &= 0xf8;
    secret[31] = secret[31] & 0x3f | 0x40;
    let r = bytes(SMALL_ORDER[0]);
    let k = Sha512::new().chain_update(r).chain_update(public).chain_update("message").finalize();
    let s = times(&times(&k, [1, 0, 0, 0]).map(u64::to_le_bytes).concat(), times(&secret, [1, 0, 0, 0]));
    let signature: [u8; 64] = [r, unwords(s)].concat().try_into().unwrap();
    let key = VerifyingKey::from_bytes(&public).unwrap();
    assert!(key.verify(b"message", &Signature::from_bytes(&signature)).is_ok(), "the loose check takes it");
    assert!(!crate::ed25519::verifies(&public, b"message", &signature));
}

/// Under the neutral point as key one signature holds for every message.
#[test]
fn a_signature_under_a_small_key_is_refused_though_the_equation_holds() {
    let neutral = bytes(SMALL_ORDER[0]);
    let signature: [u8; 64] = [neutral, [0; 32]].concat().try_into().unwrap();
    let key = VerifyingKey::from_bytes(&neutral).unwrap();
    for message in [&b"one"[..], b"another"] {
        assert!(key.verify(message, &Signature::from_bytes(&signature)).is_ok(), "the loose check takes it");
        assert!(!crate::ed25519::verifies(&neutral, message, &signature));
    }
}

#[test]
fn a_signature_whose_s_is_not_reduced_is_refused() {
    let key = ed25519_dalek::SigningKey::from_bytes(&[6; 32]);
    let public = key.verifying_key().to_bytes();
    let good = ed25519_dalek::Signer::sign(&key, b"message").to_bytes();
    assert!(crate::ed25519::verifies(&public, b"message", &good));
    let (r, s): ([u8; 32], [u8; 32]) = (good[..32].try_into().unwrap(), good[32..].try_into().unwrap());
    let mut more = words(&s);
    for times_l in 1..=7 {
        more = plus(more, ORDER);
        let again: [u8; 64] = [r, unwords(more)].concat().try_into().unwrap();
        assert!(!crate::ed25519::verifies(&public, b"message", &again), "s + {times_l} L");
    }
    for at in 0..64 {
        for bit in 0..8 {
            let mut flipped = good;
            flipped[at] ^= 1 << bit;
            assert!(!crate::ed25519::verifies(&public, b"message", &flipped), "bit {bit} of byte {at}");
        }
    }
    assert!(!crate::ed25519::verifies(&public, b"messagf", &good));
    assert!(!crate::ed25519::verifies(&public, b"message", &[0; 64]));
}

/// The verifier key in the documentation of the signed-note package in Go.
const PUBLISHED: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

#[test]
fn a_published_verifier_key_reads_and_is_written_again() {
    let (name, key) = vkey_read(PUBLISHED, TYPE_NOTE).unwrap();
    assert_eq!(vkey(name, TYPE_NOTE, &key), PUBLISHED);
}

#[test]
fn a_verifier_key_has_one_spelling() {
    let key = crate::log::LogKey::from_seed(&[1; 32]).public();
    let good = vkey("a.example/w", TYPE_COSIGNATURE, &key);
    assert_eq!(vkey_read(&good, TYPE_COSIGNATURE), Ok(("a.example/w", key)));
    let id = u32::from_be_bytes(key_id("a.example/w", TYPE_COSIGNATURE, &key));
    let parts: Vec<&str> = good.splitn(3, '+').collect();
    let [name, hex_id, typed] = parts[..] else { panic!("three parts") };
    assert_ne!(hex_id, hex_id.to_uppercase(), "the id has a letter");
    let form = Err(VkeyFault::Form);
    let typed_as = |kind: u8, key: &[u8]| b64(&[&[kind], key].concat());
    let weak = bytes(SMALL_ORDER[0]);
    let table = [
        (String::new(), form),
        (name.to_owned(), form),
        (format!("{name}+{hex_id}"), form),
        (format!("+{hex_id}+{typed}"), form),
        (format!("a b+{hex_id}+{typed}"), form),
        (format!("{name}+{}+{typed}", hex_id.to_uppercase()), form),
        (format!("{name}+0{hex_id}+{typed}"), form),
        (format!("{name}+{}+{typed}", &hex_id[1..]), form),
        (format!("{name}+{hex_id}+{typed}="), form),
        (format!("{name}+{hex_id}+{typed}\n"), form),
        (format!("{name}+{hex_id}+{}", &typed[..40]), form),
        (format!("{name}+{hex_id}+{typed}AAAA"), form),
        (
            format!("b.example/w+{hex_id}+{typed}"),
            Err(VkeyFault::Id(u32::from_be_bytes(key_id("b.example/w", 4, &key)))),
        ),
        (format!("{name}+00000000+{typed}"), Err(VkeyFault::Id(id))),
        (vkey(name, TYPE_NOTE, &key), Err(VkeyFault::Type { wanted: 4, found: 1 })),
        (vkey(name, 2, &key), Err(VkeyFault::Type { wanted: 4, found: 2 })),
        (vkey(name, 4, &weak), Err(VkeyFault::Key(KeyFault::SmallOrder))),
        (vkey(name, 4, &around_p(3, false)), Err(VkeyFault::Key(KeyFault::Spelling))),
        (format!("{name}+{hex_id}+{}", typed_as(1, &key)), Err(VkeyFault::Type { wanted: 4, found: 1 })),
    ];
    for (text, answer) in table {
        assert_eq!(vkey_read(&text, TYPE_COSIGNATURE).map(|_| ()), answer, "{text}");
    }
}
