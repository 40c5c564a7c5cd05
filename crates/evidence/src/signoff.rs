//! An officer's signature under a statement (evidence, 8): verified here. What makes one is [`DeviceKey`] alone, for
//! the officer's own program; a passkey signs in its browser, and the service holds no officer's key.
//!
//! ```text
//! D           = SHA-256(S), 32 bytes (module `statement`)
//! device      Ed25519 over the message D, or ES256: ECDSA P-256, SHA-256 over the message D, DER
//! passkey     ES256 over auth_data || SHA-256(client_data)
//! auth_data   = SHA-256(RP ID)[32] || flags[1] || counter, big-endian[4]: 37 bytes, nothing after them
//! flags       UP 0x01 and UV 0x04 set · BS 0x10 only with BE 0x08 · AT 0x40 and ED 0x80 clear · BE as enrolled
//! client_data = JSON of the browser: type "webauthn.get" · challenge base64url(D) · origin of the entry's list ·
//!               crossOrigin absent or false · topOrigin absent
//! ```
//!
//! A P-256 signature has a twin that holds as well (s and n − s), and nothing here refuses it: identify a sign-off by
//! key and statement, never by the bytes of its signature (evidence, 14, 7). Its DER has one spelling all the same.

mod claim;
mod client_data;
mod device;
mod key;
mod passkey;

pub use claim::{Claim, ClaimError, verify_claim};
pub use client_data::{ClientData, ClientDataError};
pub use device::{DeviceKey, DeviceKeyError, KEY_FILE_BYTES_MAX};
pub use key::{PublicKey, SpkiFault};
pub use passkey::{AuthData, Flags, verify_passkey};

use crate::registry::Alg;
use handoff_domain::ids::Digest;

/// Why a sign-off does not hold. Its names are stable: witness and verifier report them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignoffError {
    /// The key cannot be read.
    #[error("the key cannot be read")]
    Key(#[from] SpkiFault),
    /// The key is of another algorithm than the sign-off or the entry says.
    #[error("the key is of another algorithm")]
    Alg,
    /// A device key where a passkey belongs.
    #[error("the registered key is no passkey")]
    NoPasskey,
    /// The bytes are no signature in its one spelling.
    #[error("not a signature")]
    SignatureForm,
    /// The signature does not hold.
    #[error("the signature does not hold")]
    Signature,
    /// The browser's client data cannot be read.
    #[error("the client data cannot be read")]
    ClientData(#[from] ClientDataError),
    /// Another ceremony: an enrolment, a payment.
    #[error("the client data is of another ceremony")]
    Type,
    /// Another statement was signed.
    #[error("the challenge is another statement")]
    Challenge,
    /// Signed on a page of another site.
    #[error("the origin is not one of the registered ones")]
    Origin,
    /// Signed inside a page of another site.
    #[error("signed inside a frame of another site")]
    CrossOrigin,
    /// Not 37 bytes.
    #[error("the authenticator data is not 37 bytes")]
    AuthData,
    /// Key material in an assertion (AT).
    #[error("the authenticator data holds a key")]
    Attested,
    /// Extensions nobody asked for (ED).
    #[error("the authenticator data holds extensions")]
    Extensions,
    /// For another RP ID.
    #[error("the authenticator data is for another RP ID")]
    Rp,
    /// Nobody touched the device (UP).
    #[error("the user was not present")]
    UserPresence,
    /// Nobody showed that it was the officer (UV).
    #[error("the user was not verified")]
    UserVerification,
    /// A copy of what cannot be copied (BS without BE).
    #[error("backed up, but cannot be")]
    Backup,
    /// Whether it can be copied is not as it was at enrolment: another key holder (BE).
    #[error("whether it can be backed up is not as enrolled")]
    BackupEligibility,
}

/// Whether `signature` is one under the statement whose digest is `statement`, by the device key in `spki`.
///
/// # Errors
/// [`SignoffError`]: `Key`, `Alg`, `SignatureForm` or `Signature`.
pub fn verify_device(alg: Alg, spki: &[u8], statement: &Digest, signature: &[u8]) -> Result<(), SignoffError> {
    let key = PublicKey::from_spki(spki)?;
    if key.alg() != alg {
        return Err(SignoffError::Alg);
    }
    key.verify(&statement.0, signature)
}

#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod tests;
