//! Checkpoints (evidence, 4): a tree head as a C2SP signed note, with the log's line and the witnesses' cosignatures.
//!
//! ```text
//! text      = origin LF decimal(size) LF base64(root) LF
//! log line  = "— " origin " " base64( SHA-256(origin LF 0x01 log.pub)[0..4] || Ed25519(log, text) ) LF
//! wit. line = "— " name " " base64( SHA-256(name LF 0x04 wit.pub)[0..4] || u64be(T) ||
//!                                   Ed25519(wit, "cosignature/v1" LF "time " T LF text) ) LF
//! note      = text LF log-line wit-line*              dash = U+2014; T = POSIX seconds
//! ```
//!
//! There are no extension lines, the log's line comes first, the witnesses' follow in the order of name and key id,
//! and nobody stands there twice. These signatures are also those of the Sigsum proof ([`crate::sigsum`]).

use crate::ed25519;
use crate::lines::{LineError, Lines, NUMBER_MAX, b64, b64_read, hex_read, number_read};
use crate::log::{LogKey, ORIGIN_PREFIX, origin_of};
use crate::merkle::Hash;
use ed25519_dalek::{Signer, SigningKey};
use sha2::{Digest as _, Sha256};

/// Most witness lines of one checkpoint.
pub const COSIGNATURES_MAX: usize = 16;

/// Longest name of a witness, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// What every signature line begins with.
const DASH: &str = "\u{2014} ";

/// Kind of key in a key id: Ed25519 over the text of a note.
const KIND_LOG: u8 = 0x01;
/// Kind of key in a key id: timestamped Ed25519 cosignature.
const KIND_COSIGNER: u8 = 0x04;

/// A tree head: which tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Leaves in the tree; at most [`NUMBER_MAX`].
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// The three lines that the log signs.
#[must_use]
pub fn text(origin: &str, head: &Head) -> String {
    format!("{origin}\n{}\n{}\n", head.size, b64(&head.root))
}

/// What a witness signs: the same three lines after the time.
fn cosigned(origin: &str, head: &Head, at: u64) -> String {
    format!("cosignature/v1\ntime {at}\n{}", text(origin, head))
}

/// The first four bytes of SHA-256 over name, kind and key.
fn key_id(name: &str, kind: u8, public: &[u8; 32]) -> [u8; 4] {
    let digest = Sha256::new_with_prefix(name).chain_update([b'\n', kind]).chain_update(public).finalize();
    std::array::from_fn(|at| digest.get(at).copied().unwrap_or_default())
}

/// How the lines of a log name its key.
#[must_use]
pub fn log_key_id(public: &[u8; 32]) -> [u8; 4] {
    key_id(&origin_of(public), KIND_LOG, public)
}

/// Whether a witness may have this name: 1 to [`NAME_BYTES_MAX`] visible ASCII characters without `+`.
#[must_use]
pub fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_graphic() && c != b'+')
}

/// Why a signature does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The line has the name or key id of another key.
    #[error("the line names another key")]
    OtherKey,
    /// It does not verify.
    #[error("the signature does not verify")]
    Signature,
}

/// Why a signed head does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// The log's signature does not count.
    #[error("wrong signature of the log")]
    Log(#[source] SignatureError),
    /// A cosignature does not count: it is wrong, or nobody's that is known here.
    #[error("wrong cosignature, number {place}")]
    Cosignature {
        /// Which one, from 1.
        place: usize,
        /// Why.
        source: SignatureError,
    },
}

/// Checks a log's signature over a head. The origin follows from the key.
///
/// # Errors
/// [`SignatureError::Signature`].
pub fn verify_log(public: &[u8; 32], head: &Head, signature: &[u8; 64]) -> Result<(), SignatureError> {
    let verifies = ed25519::verifies(public, text(&origin_of(public), head).as_bytes(), signature);
    if verifies { Ok(()) } else { Err(SignatureError::Signature) }
}

/// Checks a witness's signature over a head of the log `origin` and the time `at`, in POSIX seconds.
///
/// # Errors
/// [`SignatureError::Signature`].
pub fn verify_cosignature(
    public: &[u8; 32],
    origin: &str,
    head: &Head,
    at: u64,
    signature: &[u8; 64],
) -> Result<(), SignatureError> {
    let verifies = ed25519::verifies(public, cosigned(origin, head, at).as_bytes(), signature);
    if verifies { Ok(()) } else { Err(SignatureError::Signature) }
}

/// The log's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// First bytes of a hash over origin and key.
    pub key_id: [u8; 4],
    /// Over [`text`].
    pub signature: [u8; 64],
}

impl LogKey {
    /// Signs a head. The caller has stored and committed it before (evidence, 5): two heads of one size are a fork.
    #[must_use]
    pub fn sign_head(&self, head: &Head) -> LogLine {
        let signature = self.sign(text(&self.origin(), head).as_bytes());
        LogLine { key_id: log_key_id(&self.public()), signature }
    }
}

/// A witness as others know it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cosigner {
    /// Its name; see [`is_name`].
    pub name: String,
    /// Its Ed25519 public key.
    pub public: [u8; 32],
}

impl Cosigner {
    /// How its lines name its key.
    #[must_use]
    pub fn key_id(&self) -> [u8; 4] {
        key_id(&self.name, KIND_COSIGNER, &self.public)
    }

    /// Its verifier key, as a policy's `witness` line has it: `name+id+base64` (C2SP signed-note).
    #[must_use]
    pub fn vkey(&self) -> String {
        crate::keys::vkey(&self.name, KIND_COSIGNER, &self.public)
    }
}

/// A witness's Ed25519 key and its name. Wiped when dropped; `Debug` shows only the name.
#[derive(Clone)]
pub struct CosignerKey {
    name: String,
    key: SigningKey,
}

impl std::fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("CosignerKey").field(&self.name).finish()
    }
}

impl CosignerKey {
    /// The key of a 32-byte seed (RFC 8032), drawn elsewhere; none for a text that [`is_name`] refuses.
    #[must_use]
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Option<Self> {
        is_name(name).then(|| Self { name: name.to_owned(), key: SigningKey::from_bytes(seed) })
    }

    /// Name and public key.
    #[must_use]
    pub fn cosigner(&self) -> Cosigner {
        Cosigner { name: self.name.clone(), public: self.public() }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.key.verifying_key().to_bytes()
    }

    /// Cosigns a head of the log `origin` at `at`, in POSIX seconds. The caller has validated and stored everything
    /// up to it before (evidence, 6).
    #[must_use]
    pub fn cosign(&self, origin: &str, head: &Head, at: u64) -> Cosignature {
        let signature = self.key.sign(cosigned(origin, head, at).as_bytes()).to_bytes();
        Cosignature { key_id: self.cosigner().key_id(), name: self.name.clone(), at, signature }
    }
}

/// A witness's line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cosignature {
    /// The witness's name.
    pub name: String,
    /// First bytes of a hash over name and key.
    pub key_id: [u8; 4],
    /// When it was signed by the witness's clock, in POSIX seconds; at most [`NUMBER_MAX`].
    pub at: u64,
    /// Over the time and [`text`].
    pub signature: [u8; 64],
}

impl Cosignature {
    /// Checks that this is the line of `cosigner` over a head of the log `origin`.
    ///
    /// # Errors
    /// [`SignatureError`]; `OtherKey` says that the line is not this witness's at all.
    pub fn verify(&self, cosigner: &Cosigner, origin: &str, head: &Head) -> Result<(), SignatureError> {
        if !self.is_of(cosigner) {
            return Err(SignatureError::OtherKey);
        }
        verify_cosignature(&cosigner.public, origin, head, self.at, &self.signature)
    }

    /// Whether the line says that it is of this witness.
    #[must_use]
    pub fn is_of(&self, cosigner: &Cosigner) -> bool {
        self.name == cosigner.name && self.key_id == cosigner.key_id()
    }

    fn order(&self) -> (&str, [u8; 4]) {
        (&self.name, self.key_id)
    }
}

/// A checkpoint with its signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log's name ([`LogKey::origin`]).
    pub origin: String,
    /// The tree.
    pub head: Head,
    /// The log's line.
    pub log: LogLine,
    /// The witnesses' lines; [`write`](Self::write) puts them in order.
    pub cosignatures: Vec<Cosignature>,
}

impl Checkpoint {
    /// The head signed by `key`, not cosigned yet.
    #[must_use]
    pub fn sign(key: &LogKey, head: Head) -> Self {
        Self { origin: key.origin(), head, log: key.sign_head(&head), cosignatures: Vec::new() }
    }

    /// The note. The witnesses' lines are put in order.
    #[must_use]
    pub fn write(&self) -> String {
        let mut note = text(&self.origin, &self.head);
        note.push('\n');
        let mut line = |name: &str, blob: &[u8]| note.extend([DASH, name, " ", &b64(blob), "\n"]);
        line(&self.origin, &[&self.log.key_id[..], &self.log.signature].concat());
        let mut cosignatures: Vec<_> = self.cosignatures.iter().collect();
        cosignatures.sort_by_key(|cosignature| cosignature.order());
        for Cosignature { name, key_id, at, signature } in cosignatures {
            line(name, &[&key_id[..], &at.to_be_bytes(), signature].concat());
        }
        note
    }

    /// Reads a note as [`write`](Self::write) writes it. No signature is verified.
    ///
    /// # Errors
    /// [`LineError`] for any other bytes.
    pub fn read(bytes: &[u8]) -> Result<Self, LineError> {
        Self::read_rest(Lines::new(bytes)?)
    }

    /// Reads the note that the rest of a text is.
    pub(crate) fn read_rest(mut lines: Lines<'_>) -> Result<Self, LineError> {
        let origin = lines.value("", "the origin of a log", |line| is_origin(line).then_some(line))?;
        let size = lines.value("", "the size of the tree", number_read)?;
        let root = lines.value("", "the root of the tree in base64", b64_read)?;
        lines.exactly("", "an empty line")?;
        let log = lines.value(DASH, "the log's signature", |line| read_log(origin, line))?;
        let cosignatures = lines.values(DASH, COSIGNATURES_MAX, "a witness's signature", read_cosignature)?;
        if !cosignatures.is_sorted_by(|one, next| one.order() < next.order()) {
            return Err(lines.fault("the witnesses in the order of their names, each once"));
        }
        lines.end()?;
        Ok(Self { origin: origin.to_owned(), head: Head { size, root }, log, cosignatures })
    }

    /// Checks the log's line; the origin must be that of the key.
    ///
    /// # Errors
    /// [`SignatureError`]; `OtherKey` when it is the checkpoint of another log.
    pub fn verify_log(&self, public: &[u8; 32]) -> Result<(), SignatureError> {
        if self.origin != origin_of(public) || self.log.key_id != log_key_id(public) {
            return Err(SignatureError::OtherKey);
        }
        verify_log(public, &self.head, &self.log.signature)
    }

    /// Checks the log's line and that every witness's line is one of these witnesses' and verifies. Whether they are
    /// enough is the policy's to say.
    ///
    /// # Errors
    /// [`HeadError`]. A line of a stranger is an error too: it would be the one part of a proof that nobody checks.
    pub fn verify(&self, log: &[u8; 32], witnesses: &[Cosigner]) -> Result<(), HeadError> {
        self.verify_log(log).map_err(HeadError::Log)?;
        for (at, line) in self.cosignatures.iter().enumerate() {
            let witness = witnesses.iter().find(|witness| line.is_of(witness)).ok_or(SignatureError::OtherKey);
            witness
                .and_then(|witness| line.verify(witness, &self.origin, &self.head))
                .map_err(|source| HeadError::Cosignature { place: at + 1, source })?;
        }
        Ok(())
    }
}

/// The prefix and 64 hexadecimal digits.
fn is_origin(text: &str) -> bool {
    text.strip_prefix(ORIGIN_PREFIX).and_then(hex_read::<32>).is_some()
}

/// The log's line behind the dash.
fn read_log(origin: &str, line: &str) -> Option<LogLine> {
    let blob: [u8; 68] = b64_read(line.strip_prefix(origin)?.strip_prefix(' ')?)?;
    let (key_id, signature) = blob.split_first_chunk()?;
    Some(LogLine { key_id: *key_id, signature: signature.try_into().ok()? })
}

/// A witness's line behind the dash.
fn read_cosignature(line: &str) -> Option<Cosignature> {
    let (name, blob) = line.split_once(' ').filter(|(name, _)| is_name(name))?;
    let blob: [u8; 76] = b64_read(blob)?;
    let (key_id, rest) = blob.split_first_chunk()?;
    let (at, signature) = rest.split_first_chunk()?;
    let at = Some(u64::from_be_bytes(*at)).filter(|at| *at <= NUMBER_MAX)?;
    Some(Cosignature { name: name.to_owned(), key_id: *key_id, at, signature: signature.try_into().ok()? })
}

#[cfg(test)]
mod tests;
