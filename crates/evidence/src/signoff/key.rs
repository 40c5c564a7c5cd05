use super::SignoffError;
use crate::ed25519::verifies;
use crate::keys::{KeyFault, check_ed25519};
use crate::registry::Alg;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};

/// SPKI of an Ed25519 key up to its 32 bytes (RFC 8410).
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// SPKI of a key on the named curve P-256, uncompressed, up to its two coordinates (RFC 5480).
const P256: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// Why bytes are no key an officer signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum SpkiFault {
    /// Neither of the two forms: another algorithm or curve, compressed, parameters, bytes before or after.
    #[error("not an Ed25519 or uncompressed P-256 key in DER")]
    Form,
    /// Ed25519.
    #[error(transparent)]
    Ed25519(#[from] KeyFault),
    /// No point of P-256.
    #[error("the key is no point of P-256")]
    P256,
}

/// An officer's public key, read from its SubjectPublicKeyInfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Inner);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Inner {
    Ed25519([u8; 32]),
    P256([u8; 64], VerifyingKey),
}

impl PublicKey {
    /// Reads the one DER form of each algorithm.
    ///
    /// # Errors
    /// [`SpkiFault`].
    pub fn from_spki(der: &[u8]) -> Result<Self, SpkiFault> {
        // Everything before the key itself is constant, so a comparison is the strictest parser.
        if let Some(key) = der.strip_prefix(&ED25519).and_then(|key| <[u8; 32]>::try_from(key).ok()) {
            check_ed25519(&key)?;
            return Ok(Self(Inner::Ed25519(key)));
        }
        let coordinates = der.strip_prefix(&P256).and_then(|point| <[u8; 64]>::try_from(point).ok());
        let coordinates = coordinates.ok_or(SpkiFault::Form)?;
        let point: Vec<u8> = std::iter::once(4).chain(coordinates).collect();
        let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| SpkiFault::P256)?;
        Ok(Self(Inner::P256(coordinates, key)))
    }

    /// How it signs.
    #[must_use]
    pub fn alg(&self) -> Alg {
        match self.0 {
            Inner::Ed25519(_) => Alg::Ed25519,
            Inner::P256(..) => Alg::Es256,
        }
    }

    /// The Ed25519 key, where it is one: it must have no role in the policy.
    #[must_use]
    pub fn ed25519(&self) -> Option<&[u8; 32]> {
        match &self.0 {
            Inner::Ed25519(key) => Some(key),
            Inner::P256(..) => None,
        }
    }

    /// The DER it was read from.
    #[must_use]
    pub fn to_spki(&self) -> Vec<u8> {
        match &self.0 {
            Inner::Ed25519(key) => ED25519.iter().chain(key).copied().collect(),
            Inner::P256(coordinates, _) => P256.iter().chain(coordinates).copied().collect(),
        }
    }

    /// Whether `signature` is one over `message`: 64 bytes for Ed25519, DER for ES256.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignoffError> {
        let holds = match &self.0 {
            Inner::Ed25519(key) => {
                let signature = signature.try_into().map_err(|_| SignoffError::SignatureForm)?;
                verifies(key, message, &signature)
            }
            Inner::P256(_, key) => {
                let signature = der_signature(signature).ok_or(SignoffError::SignatureForm)?;
                key.verify(message, &signature).is_ok()
            }
        };
        if holds { Ok(()) } else { Err(SignoffError::Signature) }
    }
}

/// SEQUENCE { INTEGER r, INTEGER s } in DER, both from 1 to n − 1.
fn der_signature(der: &[u8]) -> Option<Signature> {
    let [0x30, length, rest @ ..] = der else { return None };
    // Two numbers of at most 33 bytes each keep every length below 128, where DER has one form of it.
    if usize::from(*length) != rest.len() || *length >= 0x80 {
        return None;
    }
    let (r, rest) = der_integer(rest)?;
    let (s, rest) = der_integer(rest)?;
    if !rest.is_empty() {
        return None;
    }
    Signature::from_scalars(r, s).ok()
}

/// One positive INTEGER of at most 32 bytes, and what follows it.
fn der_integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = der else { return None };
    let (content, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = match content {
        // A zero in front is there only where the number would be negative without it.
        [0, digits @ ..] => digits.first().filter(|first| **first >= 0x80).map(|_| digits)?,
        [first, ..] if *first < 0x80 => content,
        _ => return None,
    };
    let mut number = [0; 32];
    number.get_mut(32_usize.checked_sub(digits.len())?..)?.copy_from_slice(digits);
    Some((number, rest))
}
