//! The one way signatures of the log are checked.

use ed25519_dalek::{Signature, VerifyingKey};

/// Whether `signature` over `message` is one by `public`, strictly: small-order keys and points, and numbers or points
/// not in their one spelling, are refused, so that every verifier gives the same answer.
pub(crate) fn verifies(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
    // `verify_strict` refuses small order, but takes a key whose y is not reduced.
    let is_one_spelling = key.to_edwards().compress().to_bytes() == *public;
    is_one_spelling && key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
}

#[cfg(test)]
mod tests;
