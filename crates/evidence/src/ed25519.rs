//! The one way signatures of the log are checked.

use ed25519_dalek::{Signature, VerifyingKey};

/// Whether `signature` over `message` is one by `public`, strictly: small-order keys and points, and numbers or points
/// not in their one spelling, are refused, so that every verifier gives the same answer.
pub(crate) fn verifies(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    key(public).is_some_and(|key| key.verify_strict(message, &Signature::from_bytes(signature)).is_ok())
}

/// The key, if its bytes are the one spelling of a point. `verify_strict` refuses small order, but takes a key whose
/// coordinate is not reduced.
fn key(public: &[u8; 32]) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(public).ok().filter(|key| key.to_edwards().compress().as_bytes() == public)
}

#[cfg(test)]
mod tests;
