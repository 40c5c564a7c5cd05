use super::{ClientData, PublicKey, SignoffError};
use crate::registry::{Alg, Entry, EntryError};
use handoff_domain::ids::Digest;
use handoff_domain::values::{Level, b64url};
use sha2::{Digest as _, Sha256};

const UP: u8 = 0x01;
const UV: u8 = 0x04;
const BE: u8 = 0x08;
const BS: u8 = 0x10;
const AT: u8 = 0x40;
const ED: u8 = 0x80;

/// What the authenticator says of itself, for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags {
    /// The byte as signed; its two reserved bits are not judged.
    pub bits: u8,
    /// The passkey can be copied to other devices.
    pub backup_eligible: bool,
    /// It has been.
    pub backed_up: bool,
    /// The sign counter; recorded, not judged.
    pub counter: u32,
}

/// Authenticator data of an assertion without key material and extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthData {
    /// SHA-256 of the RP ID.
    pub rp_id_hash: [u8; 32],
    /// Flags and counter.
    pub flags: Flags,
}

impl AuthData {
    /// Reads it, and judges what can be judged without the registered key.
    ///
    /// # Errors
    /// [`SignoffError`]: `Attested`, `Extensions`, `AuthData`, `UserPresence`, `UserVerification` or `Backup`.
    pub fn read(bytes: &[u8]) -> Result<Self, SignoffError> {
        // The flags come first, because they tell why the rest is longer.
        let bits = *bytes.get(32).ok_or(SignoffError::AuthData)?;
        let is_set = |flag: u8| bits & flag != 0;
        if is_set(AT) {
            return Err(SignoffError::Attested);
        }
        if is_set(ED) {
            return Err(SignoffError::Extensions);
        }
        let whole: &[u8; 37] = bytes.try_into().map_err(|_| SignoffError::AuthData)?;
        let [hash @ .., _, a, b, c, d] = *whole;
        if !is_set(UP) {
            return Err(SignoffError::UserPresence);
        }
        if !is_set(UV) {
            return Err(SignoffError::UserVerification);
        }
        if is_set(BS) && !is_set(BE) {
            return Err(SignoffError::Backup);
        }
        let counter = u32::from_be_bytes([a, b, c, d]);
        let flags = Flags { bits, backup_eligible: is_set(BE), backed_up: is_set(BS), counter };
        Ok(Self { rp_id_hash: hash, flags })
    }
}

/// Whether the registered passkey signed the statement whose digest is `statement`, with its user verified, on a page
/// of its station. Whether the entry was in force is for the registry's history to say.
///
/// # Errors
/// [`SignoffError`], the first rule of the module's page that is broken.
pub fn verify_passkey(
    entry: &Entry,
    statement: &Digest,
    auth_data: &[u8],
    client_data: &[u8],
    signature: &[u8],
) -> Result<Flags, SignoffError> {
    let rp = match (entry.level, &entry.rp) {
        (Level::Passkey, Some(rp)) => rp,
        (Level::Passkey | Level::Device | Level::Attested, _) => return Err(SignoffError::NoPasskey),
    };
    let spki = entry.der().map_err(|_: EntryError| super::SpkiFault::Form)?;
    let key = PublicKey::from_spki(&spki)?;
    if key.alg() != Alg::Es256 || entry.alg != Alg::Es256 {
        return Err(SignoffError::Alg);
    }
    let client = ClientData::read(client_data)?;
    if client.kind != "webauthn.get" {
        return Err(SignoffError::Type);
    }
    if client.challenge != b64url(&statement.0) {
        return Err(SignoffError::Challenge);
    }
    if !entry.origins.contains(&client.origin) {
        return Err(SignoffError::Origin);
    }
    if client.cross_origin || client.has_top_origin {
        return Err(SignoffError::CrossOrigin);
    }
    let auth = AuthData::read(auth_data)?;
    if auth.rp_id_hash != <[u8; 32]>::from(Sha256::digest(rp)) {
        return Err(SignoffError::Rp);
    }
    if auth.flags.backup_eligible != entry.be {
        return Err(SignoffError::BackupEligibility);
    }
    let message: Vec<u8> = auth_data.iter().copied().chain(Sha256::digest(client_data)).collect();
    key.verify(&message, signature)?;
    Ok(auth.flags)
}
