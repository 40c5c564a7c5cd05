//! Personal values at rest: sealed under a key of their incident, which follows from a key outside the database.
//!
//! ```text
//! row   = form (1) · id of the key (4) · nonce (12) · AES-256-GCM(disclosure) with its tag (16)
//! key   = HKDF-SHA-256(key of the ring, salt "handoff sealing 1", info = the incident's 16 bytes)
//! bound = form · id of the key · incident · number of the entry · path
//! ```
//!
//! Whoever has the database, its log file or a backup alone has no word of anybody; a row moved to another incident,
//! entry or field does not open. The key of the ring is never in the database (security, 6 and 7). Erasing a value is
//! deleting its row: the key of an incident is derived and stored nowhere, so there is nothing beside it to forget.

use crate::ids;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Prk, Salt};
use handoff_domain::ids::IncidentId;
use handoff_store::rows::PersonalRow;

/// Bytes of a key of the ring.
pub const VAULT_KEY_BYTES: usize = 32;
/// Bytes a sealed row is longer than its disclosure.
pub const SEALED_BYTES_MORE: usize = HEAD + NONCE_LEN + TAG;

const FORM: u8 = 1;
const ID: usize = 4;
const HEAD: usize = 1 + ID;
const TAG: usize = 16;
const SALT: &[u8] = b"handoff sealing 1";

/// Why a row does not open. Holds nothing of what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// Not a sealed row.
    #[error("a value beside the log is not sealed")]
    Form,
    /// Sealed under a key that is not in the ring.
    #[error("a value beside the log is sealed under a key that is not given; name it in sealing.previous_key_files")]
    OtherKey,
    /// Changed, or moved from where it was sealed.
    #[error("a sealed value beside the log was changed or moved")]
    Damaged,
}

/// A personal value as it is kept beside the log. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Kept {
    /// Number of the entry whose event holds its digest.
    pub seq: u64,
    /// Path of the field in the event's body.
    pub path: String,
    /// The disclosure: salt, path and value; or why it does not open.
    pub text: Result<String, VaultError>,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("seq", &self.seq).field("path", &self.path).finish_non_exhaustive()
    }
}

struct Key {
    id: [u8; ID],
    prk: Prk,
}

/// Keys that values are sealed under: the first for new ones, the others for those of before. `Debug` shows none.
pub struct Vault {
    current: Key,
    previous: Vec<Key>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault").field("previous", &self.previous.len()).finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault under `current`, which opens what was sealed under `previous` too.
    #[must_use]
    pub fn new(current: &[u8; VAULT_KEY_BYTES], previous: &[[u8; VAULT_KEY_BYTES]]) -> Self {
        Self { current: Key::new(current), previous: previous.iter().map(Key::new).collect() }
    }

    /// What the key for new values is called, in hexadecimal digits: the id its rows begin with. It says nothing of the key.
    #[must_use]
    pub fn current_name(&self) -> String {
        self.current.id.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals a disclosure as the row kept of `path` in entry `seq` of an incident.
    #[must_use]
    pub fn seal(&self, row: PersonalRow) -> PersonalRow {
        let key = &self.current;
        let nonce = ids::random::<NONCE_LEN>();
        let mut bytes = Vec::with_capacity(row.disclosure.len() + SEALED_BYTES_MORE);
        bytes.push(FORM);
        bytes.extend_from_slice(&key.id);
        bytes.extend_from_slice(&nonce);
        let mut sealed = row.disclosure;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let of = key.of(row.id.incident);
        of.seal_in_place_append_tag(nonce, Aad::from(bound(key.id, &row.id)), &mut sealed)
            .expect("a disclosure is shorter than what the cipher takes");
        bytes.append(&mut sealed);
        PersonalRow { id: row.id, disclosure: bytes }
    }

    /// The disclosure of a row.
    ///
    /// # Errors
    /// [`VaultError`].
    pub fn open(&self, row: &PersonalRow) -> Result<String, VaultError> {
        let (head, rest) = row.disclosure.split_at_checked(HEAD).ok_or(VaultError::Form)?;
        let (form, id) = head.split_first().ok_or(VaultError::Form)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).filter(|_| *form == FORM).ok_or(VaultError::Form)?;
        let key = std::iter::once(&self.current)
            .chain(&self.previous)
            .find(|key| key.id == id)
            .ok_or(VaultError::OtherKey)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Form)?;
        let mut bytes = sealed.to_vec();
        let of = key.of(row.id.incident);
        let opened = of.open_in_place(nonce, Aad::from(bound(key.id, &row.id)), &mut bytes);
        let length = opened.map_err(|_| VaultError::Damaged)?.len();
        bytes.truncate(length);
        String::from_utf8(bytes).map_err(|_| VaultError::Damaged)
    }
}

impl Key {
    fn new(key: &[u8; VAULT_KEY_BYTES]) -> Self {
        let prk = Salt::new(HKDF_SHA256, SALT).extract(key);
        let mut id = [0; ID];
        // Of the derived key, so that the name says nothing of the key itself.
        prk.expand(&[b"id"], Short).and_then(|okm| okm.fill(&mut id)).expect("four bytes are not too many");
        Self { id, prk }
    }

    /// The key of one incident.
    fn of(&self, incident: IncidentId) -> LessSafeKey {
        let bytes = incident.0.into_bytes();
        let info = [b"incident".as_slice(), bytes.as_slice()];
        LessSafeKey::new(UnboundKey::from(self.prk.expand(&info, &AES_256_GCM).expect("a key is not too long")))
    }
}

/// Length of a key's id.
struct Short;

impl aws_lc_rs::hkdf::KeyType for Short {
    fn len(&self) -> usize {
        ID
    }
}

/// Where the value belongs: nowhere else does it open.
fn bound(key: [u8; ID], of: &handoff_store::rows::PersonalId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + 24 + of.path.len());
    bytes.push(FORM);
    bytes.extend_from_slice(&key);
    bytes.extend_from_slice(of.incident.0.as_bytes());
    bytes.extend_from_slice(&of.seq.to_be_bytes());
    bytes.extend_from_slice(of.path.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_store::rows::PersonalId;
    use uuid::Uuid;

    const TEXT: &str = "WyJzYWx0IiwiY2FsbGVyLnBob25lIiwiKzg2IDEzOSJd";

    fn row(incident: u128, seq: u64, path: &str) -> PersonalRow {
        let id = PersonalId { incident: IncidentId(Uuid::from_u128(incident)), seq, path: path.to_owned() };
        PersonalRow { id, disclosure: TEXT.as_bytes().to_vec() }
    }

    #[test]
    fn a_value_opens_where_it_was_sealed_and_shows_nothing_of_itself() {
        let vault = Vault::new(&[7; 32], &[]);
        let sealed = vault.seal(row(1, 2, "caller.phone"));
        assert_eq!(sealed.disclosure.len(), TEXT.len() + SEALED_BYTES_MORE);
        assert!(!sealed.disclosure.windows(4).any(|four| TEXT.as_bytes().windows(4).any(|own| own == four)));
        assert_eq!(vault.open(&sealed).as_deref(), Ok(TEXT));
        let again = vault.seal(row(1, 2, "caller.phone"));
        assert_ne!(again.disclosure, sealed.disclosure, "the same value twice is not to be seen as the same");
        assert!(!format!("{vault:?}").contains('7'));
    }

    #[test]
    fn a_value_moved_or_changed_does_not_open() {
        let vault = Vault::new(&[7; 32], &[]);
        let sealed = vault.seal(row(1, 2, "caller.phone"));
        for other in [row(2, 2, "caller.phone"), row(1, 3, "caller.phone"), row(1, 2, "caller.details")] {
            let moved = PersonalRow { disclosure: sealed.disclosure.clone(), ..other };
            assert_eq!(vault.open(&moved), Err(VaultError::Damaged));
        }
        for at in 0..sealed.disclosure.len() {
            let mut changed = sealed.clone();
            changed.disclosure[at] ^= 1;
            assert!(vault.open(&changed).is_err(), "byte {at}");
            changed.disclosure.truncate(at);
            assert!(vault.open(&changed).is_err(), "cut at {at}");
        }
        assert_eq!(vault.open(&row(1, 2, "caller.phone")), Err(VaultError::Form), "a value in clear is refused");
    }

    #[test]
    fn an_older_key_still_opens_and_a_strange_one_says_so() {
        let old = Vault::new(&[7; 32], &[]);
        let sealed = old.seal(row(1, 2, "caller.phone"));
        let rotated = Vault::new(&[8; 32], &[[7; 32]]);
        assert_eq!(rotated.open(&sealed).as_deref(), Ok(TEXT));
        assert_eq!(Vault::new(&[8; 32], &[]).open(&sealed), Err(VaultError::OtherKey));
        let new = rotated.seal(row(1, 2, "caller.phone"));
        assert_eq!(old.open(&new), Err(VaultError::OtherKey), "new values are sealed under the new key");
    }
}
