//! An officer's device key: the one place that makes a signature under a statement (evidence, 8, level `device`).
//!
//! A key file is one PEM block (RFC 7468) around the PKCS#8 that OpenSSL writes (RFC 8410, RFC 5958 with RFC 5915):
//!
//! ```text
//! Ed25519   30 2e 02 01 00 · OID 1.3.101.112 · 04 22 04 20 · seed[32]
//! ES256     30 81 87 02 01 00 · OIDs of a key on P-256 · 04 6d 30 6b 02 01 01 04 20 · scalar[32] · a1 44 03 42 00 04 ·
//!           x[32] · y[32]
//! ```

use super::{PublicKey, SpkiFault};
use crate::registry::{Alg, Entry};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handoff_domain::ids::Digest;
use handoff_domain::values::{KeySignature, Label, b64url};
use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::zeroize::Zeroizing;

/// Longest key file, in bytes: four times what the longer of the two forms takes.
pub const KEY_FILE_BYTES_MAX: usize = 1_024;

/// Letters on one line of a PEM block (RFC 7468, 2).
const LINE: usize = 64;
const PRIVATE: &str = "PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// PKCS#8 of an Ed25519 key up to its seed (RFC 8410, 7).
const ED25519: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
/// PKCS#8 of a key on the named curve P-256 up to its scalar.
const P256: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08,
    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20,
];
/// What stands between the scalar and the two coordinates of its public key.
const P256_PUBLIC: [u8; 6] = [0xa1, 0x44, 0x03, 0x42, 0x00, 0x04];
/// SPKI of an Ed25519 key up to its 32 bytes (RFC 8410, 4).
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// SPKI of a key on P-256 up to its uncompressed point (RFC 5480, 2).
const P256_SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// An officer's private key, used for sign-offs and for nothing else. Wiped when dropped; `Debug` shows its id alone.
pub struct DeviceKey {
    secret: Secret,
    public: PublicKey,
    alg: Label,
    kid: Label,
}

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    Es256(p256::ecdsa::SigningKey),
}

/// Why something is no officer's key. Says nothing of its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceKeyError {
    /// Zero, or not below the order of the curve.
    #[error("the number is no private key of P-256")]
    Scalar,
    /// Not the public key of an algorithm we take.
    #[error(transparent)]
    Public(#[from] SpkiFault),
    /// Longer than [`KEY_FILE_BYTES_MAX`], not one block from BEGIN to END, or not base64.
    #[error("not one PEM block")]
    Pem,
    /// Its passphrase would have to be asked for.
    #[error("the key is encrypted: decrypt it with `openssl pkey`, on a medium that only its officer can read")]
    Encrypted,
    /// The older form, in which the algorithm stands outside the key.
    #[error("an EC PRIVATE KEY: write it anew with `openssl pkcs8 -topk8 -nocrypt`")]
    Sec1,
    /// Something else: a certificate, parameters.
    #[error("neither a PRIVATE KEY nor a PUBLIC KEY")]
    Label,
    /// A public key where one has to sign.
    #[error("a public key, where the private one is needed")]
    NotPrivate,
    /// Another algorithm or curve, attributes, no public key beside the scalar.
    #[error("not a PKCS#8 key of Ed25519 or P-256 as OpenSSL writes it")]
    Form,
    /// Two keys in one file.
    #[error("the public key in the file is not that of its private key")]
    Mismatch,
}

impl std::fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeviceKey").field("kid", &self.kid.as_str()).finish_non_exhaustive()
    }
}

impl DeviceKey {
    /// The Ed25519 key of a 32-byte seed (RFC 8032), drawn elsewhere.
    ///
    /// # Errors
    /// [`DeviceKeyError::Public`]; no seed is known to give it.
    pub fn ed25519(seed: &[u8; 32]) -> Result<Self, DeviceKeyError> {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let spki = [&ED25519_SPKI[..], &key.verifying_key().to_bytes()].concat();
        Self::new(Secret::Ed25519(key), &spki)
    }

    /// The P-256 key of a 32-byte scalar, big-endian, drawn elsewhere.
    ///
    /// # Errors
    /// [`DeviceKeyError::Scalar`]: about one drawing in 2^32 has to be repeated.
    pub fn es256(scalar: &[u8; 32]) -> Result<Self, DeviceKeyError> {
        let key = p256::ecdsa::SigningKey::from_slice(scalar).map_err(|_| DeviceKeyError::Scalar)?;
        let spki = [&P256_SPKI[..], key.verifying_key().to_sec1_point(false).as_bytes()].concat();
        Self::new(Secret::Es256(key), &spki)
    }

    /// The key of a drawn 32-byte number.
    ///
    /// # Errors
    /// As [`Self::ed25519`] and [`Self::es256`].
    pub fn of(alg: Alg, secret: &[u8; 32]) -> Result<Self, DeviceKeyError> {
        match alg {
            Alg::Ed25519 => Self::ed25519(secret),
            Alg::Es256 => Self::es256(secret),
        }
    }

    fn new(secret: Secret, spki: &[u8]) -> Result<Self, DeviceKeyError> {
        let public = PublicKey::from_spki(spki)?;
        let (alg, _, kid) = Entry::names_of(&public);
        let label = |text: &str| Label::new(text).ok_or(DeviceKeyError::Public(SpkiFault::Form));
        Ok(Self { secret, alg: label(alg.as_str())?, kid: label(&kid)?, public })
    }

    /// The public key, as the registrars enrol it.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    /// Its id: SHA-256 of its SPKI DER, 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.kid.as_str()
    }

    /// Signs a statement by its digest D: Ed25519 over the 32 bytes of D, or ECDSA with SHA-256 over them, in DER and
    /// without randomness (RFC 6979). Look at the statement first: the digest has to be your own (`client::signing`).
    #[must_use]
    pub fn sign(&self, statement: &Digest) -> KeySignature {
        let sig = match &self.secret {
            Secret::Ed25519(key) => b64url(&key.sign(&statement.0).to_bytes()),
            Secret::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(&statement.0);
                b64url(signature.to_der().as_bytes())
            }
        };
        KeySignature { alg: self.alg.clone(), key: self.kid.clone(), sig, auth_data: None, client_data: None }
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// [`DeviceKeyError`]. It takes what [`Self::to_pem`] and OpenSSL write, and no other form of the same key.
    pub fn from_pem(text: &str) -> Result<Self, DeviceKeyError> {
        match block(text)? {
            Block::Private(key) => Ok(*key),
            Block::Public(_) => Err(DeviceKeyError::NotPrivate),
        }
    }

    /// The key file. Wiped when dropped.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        let der = match &self.secret {
            Secret::Ed25519(key) => {
                let seed = Zeroizing::new(key.to_bytes());
                Zeroizing::new([&ED25519[..], &seed[..]].concat())
            }
            Secret::Es256(key) => {
                let scalar: Zeroizing<[u8; 32]> = Zeroizing::new(key.to_bytes().into());
                let point = key.verifying_key().to_sec1_point(false);
                // Its first byte marks an uncompressed point, and P256_PUBLIC ends with that byte.
                let coordinates = point.as_bytes().get(1..).unwrap_or_default();
                Zeroizing::new([&P256[..], &scalar[..], &P256_PUBLIC, coordinates].concat())
            }
        };
        armour(PRIVATE, &der)
    }
}

impl PublicKey {
    /// Reads the public key of a PEM file, be it the public or the private one.
    ///
    /// # Errors
    /// [`DeviceKeyError`].
    pub fn from_pem(text: &str) -> Result<Self, DeviceKeyError> {
        match block(text)? {
            Block::Private(key) => Ok(key.public),
            Block::Public(key) => Ok(key),
        }
    }

    /// The public key's own PEM file.
    #[must_use]
    pub fn to_pem(&self) -> String {
        armour(PUBLIC, &self.to_spki()).to_string()
    }
}

enum Block {
    Private(Box<DeviceKey>),
    Public(PublicKey),
}

/// What stands in the one PEM block of a file.
fn block(text: &str) -> Result<Block, DeviceKeyError> {
    if text.len() > KEY_FILE_BYTES_MAX {
        return Err(DeviceKeyError::Pem);
    }
    let mut lines = text.trim_ascii().lines().map(str::trim_ascii_end);
    let label = lines.next().and_then(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"));
    let label = label.ok_or(DeviceKeyError::Pem)?;
    let mut body = Zeroizing::new(String::with_capacity(text.len()));
    let end = format!("-----END {label}-----");
    loop {
        match lines.next() {
            Some(line) if line == end => break,
            Some(line) => body.push_str(line),
            None => return Err(DeviceKeyError::Pem),
        }
    }
    if lines.next().is_some() {
        return Err(DeviceKeyError::Pem);
    }
    match label {
        PRIVATE => Ok(Block::Private(Box::new(private(&decoded(&body)?)?))),
        PUBLIC => Ok(Block::Public(PublicKey::from_spki(&decoded(&body)?)?)),
        "ENCRYPTED PRIVATE KEY" => Err(DeviceKeyError::Encrypted),
        "EC PRIVATE KEY" => Err(DeviceKeyError::Sec1),
        _ => Err(DeviceKeyError::Label),
    }
}

fn decoded(body: &str) -> Result<Zeroizing<Vec<u8>>, DeviceKeyError> {
    STANDARD.decode(body).map(Zeroizing::new).map_err(|_| DeviceKeyError::Pem)
}

fn private(der: &[u8]) -> Result<DeviceKey, DeviceKeyError> {
    // Everything around the numbers is constant, so a comparison is the strictest parser.
    if let Some(seed) = der.strip_prefix(&ED25519).and_then(|seed| seed.try_into().ok()) {
        return DeviceKey::ed25519(seed);
    }
    let (scalar, rest) = der.strip_prefix(&P256).and_then(<[u8]>::split_first_chunk).ok_or(DeviceKeyError::Form)?;
    let coordinates = rest.strip_prefix(&P256_PUBLIC).filter(|rest| rest.len() == 64).ok_or(DeviceKeyError::Form)?;
    let key = DeviceKey::es256(scalar)?;
    if key.public.to_spki().ends_with(coordinates) { Ok(key) } else { Err(DeviceKeyError::Mismatch) }
}

fn armour(label: &str, der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Room for all of it, so that no half of a secret is left behind where the text grew.
    let mut text = Zeroizing::new(String::with_capacity(KEY_FILE_BYTES_MAX));
    text.push_str(&format!("-----BEGIN {label}-----\n"));
    for (at, letter) in body.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            text.push('\n');
        }
        text.push(letter);
    }
    text.push_str(&format!("\n-----END {label}-----\n"));
    text
}

#[cfg(test)]
mod tests;
