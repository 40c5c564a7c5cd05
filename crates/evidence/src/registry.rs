//! The registry of one organisation's sign-off keys (evidence, 7): its entries, the root over them, and the updates its
//! registrars sign. Recorder keys are not in it: they stand in the policy.
//!
//! ```text
//! entry   = JCS{alg, be?=true, compromised_since?, held_by?, key, kid, kind="signoff", level, officer, origins?, roles,
//!               rp?, salt, station, status}
//!           alg = "Ed25519" | "ES256" · key = base64url(SPKI DER) · kid = hex SHA-256(SPKI DER) · roles, origins in
//!           order, none twice · level "device": no be, origins, rp · level "passkey": ES256, origins and rp there
//! leaf    = SHA-256(0x00 || entry), entries in order of kid; root and paths as RFC 6962
//! update  = JCS{count, log, org, root, sigs: [{key, sig}], version}   body of `registry_updated`
//!           key = hex of a registrar's key, in order, none twice · sig = base64url(Ed25519(key, digest))
//! digest  = SHA-256(JCS{count, log, org, root, version})              32 bytes; log = the name of the log it is for
//! ```
//!
//! The salt keeps an entry that is not disclosed from being guessed through its hash. Whether a key counts is decided
//! by log index alone: what was enrolled before an event and not yet revoked. [`Book`] is the registry as of an update.

mod book;
mod entry;
mod tree;
mod update;

pub use book::{Book, BookError, CHANGED_MAX, ENTRIES_MAX, ENTRY_BYTES_MAX, has_role};
pub use entry::{Alg, Entry, EntryError, Kind, Status};
pub use tree::{State, StateError, verify_path};
pub use update::{RegistrarSignature, SignedUpdate, Update, UpdateError};

#[cfg(test)]
mod fuzz;
#[cfg(test)]
pub(crate) mod tests;
