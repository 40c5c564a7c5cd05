//! Public Ed25519 keys as policy, registry and sign-off take them: one spelling, and none that signs for everybody.

use crate::lines::{b64, b64_read, hex, hex_read};
use crate::note::{Cosigner, is_name};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// Type byte of an Ed25519 signature over a note's text (C2SP signed-note).
pub(crate) const TYPE_NOTE: u8 = 0x01;
/// Type byte of a witness's timed cosignature (C2SP tlog-cosignature).
pub(crate) const TYPE_COSIGNATURE: u8 = 0x04;

/// Why 32 bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum KeyFault {
    /// No point of the curve.
    #[error("the key is no point of the curve")]
    NotAPoint,
    /// A second spelling of a point: two byte strings would be one key.
    #[error("the key is not in its one spelling")]
    Spelling,
    /// One of the eight points under which one signature holds for nearly every message.
    #[error("the key is of small order")]
    SmallOrder,
}

/// Whether the bytes may stand as an Ed25519 public key.
///
/// # Errors
/// [`KeyFault`].
pub fn check_ed25519(public: &[u8; 32]) -> Result<(), KeyFault> {
    let key = VerifyingKey::from_bytes(public).map_err(|_| KeyFault::NotAPoint)?;
    if key.to_edwards().compress().to_bytes() != *public {
        return Err(KeyFault::Spelling);
    }
    if key.is_weak() { Err(KeyFault::SmallOrder) } else { Ok(()) }
}

/// Why a text is no verifier key of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum VkeyFault {
    /// Not `name+8 digits+base64`.
    #[error("not NAME+KEYID+BASE64 with eight lower-case hexadecimal digits and 33 bytes")]
    Form,
    /// A key of another type.
    #[error("a key of type {found:#04x} where type {wanted:#04x} belongs")]
    Type {
        /// The type asked for.
        wanted: u8,
        /// The type given.
        found: u8,
    },
    /// The id does not follow from name and key.
    #[error("the key id is not {0:08x}, which follows from name and key")]
    Id(u32),
    /// The key itself.
    #[error(transparent)]
    Key(KeyFault),
}

/// First four bytes of SHA-256(name LF type key): how a note names its signers.
pub(crate) fn key_id(name: &str, kind: u8, public: &[u8; 32]) -> [u8; 4] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(name).chain_update([b'\n', kind]).chain_update(public).finalize().into();
    let [a, b, c, d, ..] = hash;
    [a, b, c, d]
}

/// The verifier key of a name: `name+hex(id)+base64(type key)` (C2SP signed-note).
pub(crate) fn vkey(name: &str, kind: u8, public: &[u8; 32]) -> String {
    let mut typed = vec![kind];
    typed.extend_from_slice(public);
    format!("{name}+{}+{}", hex(&key_id(name, kind, public)), b64(&typed))
}

/// Reads [`vkey`] of the wanted type: the name and the key.
pub(crate) fn vkey_read(text: &str, wanted: u8) -> Result<(&str, [u8; 32]), VkeyFault> {
    // Base64 has plus signs of its own, names have none.
    let (name, rest) = text.split_once('+').ok_or(VkeyFault::Form)?;
    let (id, typed) = rest.split_once('+').ok_or(VkeyFault::Form)?;
    let id: [u8; 4] = hex_read(id).ok_or(VkeyFault::Form)?;
    let [found, public @ ..] = b64_read::<33>(typed).ok_or(VkeyFault::Form)?;
    if !is_name(name) {
        return Err(VkeyFault::Form);
    }
    if found != wanted {
        return Err(VkeyFault::Type { wanted, found });
    }
    check_ed25519(&public).map_err(VkeyFault::Key)?;
    let follows = key_id(name, wanted, &public);
    if id == follows { Ok((name, public)) } else { Err(VkeyFault::Id(u32::from_be_bytes(follows))) }
}

impl Cosigner {
    /// Reads [`vkey`](Self::vkey).
    ///
    /// # Errors
    /// [`VkeyFault`] says what is wrong with it.
    pub fn from_vkey(text: &str) -> Result<Self, VkeyFault> {
        let (name, public) = vkey_read(text, TYPE_COSIGNATURE)?;
        Ok(Self { name: name.to_owned(), public })
    }
}

#[cfg(test)]
pub(crate) mod tests;
