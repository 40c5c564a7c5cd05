//! The other form of a certificate that was signed with ECDSA.
//!
//! Where (r, s) is a signature, so is (r, n - s), and anybody can work it out (SEC 1, 4.1.4). Written into the
//! certificate it gives one that holds as well and has another thumbprint. So whoever holds the key of a machine that
//! was taken back by its thumbprint could come back with it: what is taken back is held against both forms.

use super::clients::{Thumbprint, thumbprint};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
/// Order of P-256 (FIPS 186-4, D.1.2.3).
pub(super) const P256: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];
/// Order of P-384 (FIPS 186-4, D.1.2.4).
const P384: [u8; 48] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0,
    0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];

/// Order of P-521 (FIPS 186-4, D.1.2.5).
const P521: [u8; 66] = [
    0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfa, 0x51, 0x86, 0x87, 0x83,
    0xbf, 0x2f, 0x96, 0x6b, 0x7f, 0xcc, 0x01, 0x48, 0xf7, 0x09, 0xa5, 0xd0, 0x3b, 0xb5, 0xc9, 0xb8, 0x89, 0x9c, 0x47,
    0xae, 0xbb, 0x6f, 0xb7, 0x1e, 0x91, 0x38, 0x64, 0x09,
];

/// Thumbprints of a certificate's other forms: one for each curve its authority's key may be of, since the certificate
/// does not say which; none where it is not signed with ECDSA.
pub(super) fn twins(certificate: &[u8]) -> Vec<Thumbprint> {
    [P256.as_slice(), P384.as_slice(), P521.as_slice()]
        .into_iter()
        .filter_map(|order| twin(certificate, order))
        .map(|twin| thumbprint(&twin))
        .collect()
}

/// The certificate with the other signature under a key of a curve of that order.
pub(super) fn twin(certificate: &[u8], order: &[u8]) -> Option<Vec<u8>> {
    let (content, []) = element(certificate, SEQUENCE)? else { return None };
    let (_, rest) = element(content, SEQUENCE)?;
    let (_, signature) = element(rest, SEQUENCE)?;
    let signed = content.len() - signature.len();
    let (bits, []) = element(signature, BIT_STRING)? else { return None };
    // No bit is unused.
    let (pair, []) = element(bits.strip_prefix(&[0])?, SEQUENCE)? else { return None };
    let (r, rest) = element(pair, INTEGER)?;
    let (s, []) = element(rest, INTEGER)? else { return None };
    let pair = [encoded(INTEGER, r), encoded(INTEGER, &integer(&less(order, s)?))].concat();
    let bits = [&[0], encoded(SEQUENCE, &pair).as_slice()].concat();
    Some(encoded(SEQUENCE, &[&content[..signed], encoded(BIT_STRING, &bits).as_slice()].concat()))
}

/// Content of the first element, which has that tag, and what follows it.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.strip_prefix(&[tag])?.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 | 0x82 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// An element in its one shortest form.
fn encoded(tag: u8, content: &[u8]) -> Vec<u8> {
    let [.., high, low] = content.len().to_be_bytes();
    let length = match content.len() {
        0..0x80 => vec![low],
        0x80..0x100 => vec![0x81, low],
        _ => vec![0x82, high, low],
    };
    [&[tag], length.as_slice(), content].concat()
}

/// What is left of the order without this number, which is below it and not zero.
fn less(order: &[u8], number: &[u8]) -> Option<Vec<u8>> {
    let number = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    let short = order.len().checked_sub(number.len())?;
    let padded = [&vec![0; short], number].concat();
    if number.is_empty() || padded.as_slice() >= order {
        return None;
    }
    let (mut left, mut borrowed) = (vec![0; order.len()], false);
    for at in (0..order.len()).rev() {
        let (byte, one) = order[at].overflowing_sub(padded[at]);
        let (byte, two) = byte.overflowing_sub(u8::from(borrowed));
        (left[at], borrowed) = (byte, one || two);
    }
    Some(left)
}

/// A positive INTEGER's content: no byte more than its sign needs.
fn integer(number: &[u8]) -> Vec<u8> {
    let short = &number[number.iter().take_while(|byte| **byte == 0).count()..];
    let sign: &[u8] = if short.first().is_some_and(|byte| byte & 0x80 != 0) { &[0] } else { &[] };
    [sign, short].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{
        CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ECDSA_P521_SHA512,
        PKCS_ED25519,
    };

    #[test]
    fn the_twin_of_the_twin_is_the_certificate_itself() {
        for (alg, order) in [
            (&PKCS_ECDSA_P256_SHA256, P256.as_slice()),
            (&PKCS_ECDSA_P384_SHA384, P384.as_slice()),
            (&PKCS_ECDSA_P521_SHA512, P521.as_slice()),
        ] {
            // Signatures are drawn anew, so that shorter and longer numbers come up.
            for _ in 0..40 {
                let key = KeyPair::generate_for(alg).unwrap();
                let made = CertificateParams::new(vec!["desk.example".to_owned()]).unwrap().self_signed(&key).unwrap();
                let other = twin(made.der(), order).expect("it is signed with ECDSA");
                assert_ne!(other.as_slice(), made.der().as_ref());
                assert_eq!(twin(&other, order).as_deref(), Some(made.der().as_ref()));
                assert!(twins(&other).contains(&thumbprint(made.der())));
            }
        }
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let made = CertificateParams::new(vec!["desk.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        assert_eq!(twins(made.der()), [] as [Thumbprint; 0], "an Ed25519 signature has one form");
    }

    #[test]
    fn what_is_no_certificate_has_no_twin() {
        for bytes in [&[][..], &[0x30], &[0x30, 0x84, 1, 2, 3, 4], &[0x30, 0x82, 0xff], &[0x30, 3, 0x30, 0, 0]] {
            assert_eq!(twins(bytes), [] as [Thumbprint; 0]);
        }
        assert_eq!(less(&P256, &P256), None);
        assert_eq!(less(&P256, &[0, 0]), None);
    }
}
