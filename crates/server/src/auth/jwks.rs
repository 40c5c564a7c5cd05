//! An issuer's public keys: a JWK set from a file, refused as a whole if one key of it is not what it should be.

use super::KID_BYTES_MAX;
use super::claims::Once;
use crate::config::{Alg, files};
use crate::dev_ca;
use aws_lc_rs::digest;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Longest JWK set, in bytes.
pub const JWKS_BYTES_MAX: u64 = 64 * 1024;
/// Keys one set may hold.
pub const JWKS_KEYS_MAX: usize = 16;

/// Members that only a private or a shared key has.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why a JWK set is not used.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// The file is not there, not readable or too long.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Not a JWK set.
    #[error("not a JWK set: {0}")]
    Malformed(String),
    /// No key, or more than [`JWKS_KEYS_MAX`].
    #[error("holds {0} keys, not 1 to {JWKS_KEYS_MAX}")]
    Count(usize),
    /// One key is not what it should be.
    #[error("key {at}: {what}")]
    Key {
        /// Which, from 0.
        at: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl JwksError {
    /// What the operator does about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "name the issuer's JWK set; `handoff dev-ca` makes one for development",
            Self::Malformed(_) | Self::Count(_) => "fetch the issuer's JWK set again",
            Self::Key { .. } => "keep only the issuer's public signature keys of the configured `alg`",
        }
    }
}

/// Public keys of one issuer, by key id.
#[derive(Debug)]
pub struct KeySet(BTreeMap<String, (DecodingKey, [u8; 32])>);

impl KeySet {
    /// The key of that id, and its thumbprint. The id is looked up and nothing else is done with it.
    #[must_use]
    pub fn get(&self, kid: &str) -> Option<(&DecodingKey, [u8; 32])> {
        self.0.get(kid).map(|(key, thumbprint)| (key, *thumbprint))
    }

    /// Whether one of the keys was made by `handoff dev-ca`.
    #[must_use]
    pub fn has_development_key(&self) -> bool {
        self.0.keys().any(|kid| kid.starts_with(dev_ca::KID_PREFIX))
    }

    /// Key ids with their RFC 7638 thumbprints.
    pub fn thumbprints(&self) -> impl Iterator<Item = (&str, [u8; 32])> {
        self.0.iter().map(|(kid, (_, thumbprint))| (kid.as_str(), *thumbprint))
    }
}

/// Reads a JWK set of keys for that algorithm.
///
/// # Errors
/// The file cannot be read; or the set holds a shared or private key, a key without or with a doubled id, a key for
/// another algorithm or use, or one that is no point of its curve.
pub fn read(file: &Path, alg: Alg) -> Result<KeySet, JwksError> {
    let text = files::read_text(file, JWKS_BYTES_MAX)
        .map_err(|source| JwksError::Unreadable { file: file.to_owned(), source })?;
    parse(&text, alg)
}

/// Reads a JWK set's text.
///
/// # Errors
/// As [`read`].
pub fn parse(text: &str, alg: Alg) -> Result<KeySet, JwksError> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<Once>,
    }
    let set: Set = serde_json::from_str(text).map_err(|error| JwksError::Malformed(error.to_string()))?;
    if !(1..=JWKS_KEYS_MAX).contains(&set.keys.len()) {
        return Err(JwksError::Count(set.keys.len()));
    }
    let mut keys = BTreeMap::new();
    for (at, jwk) in set.keys.iter().enumerate() {
        let refused = |what| JwksError::Key { at, what };
        let kid = jwk.text("kid").filter(|kid| (1..=KID_BYTES_MAX).contains(&kid.len()));
        let kid = kid.ok_or(refused("has no `kid`, or a long one"))?;
        let key = read_key(jwk, alg).map_err(refused)?;
        if keys.insert(kid.to_owned(), key).is_some() {
            return Err(refused("has the `kid` of another key"));
        }
    }
    Ok(KeySet(keys))
}

fn read_key(jwk: &Once, alg: Alg) -> Result<(DecodingKey, [u8; 32]), &'static str> {
    if PRIVATE.iter().any(|name| jwk.has(name)) {
        return Err("is private or shared; only public keys belong here");
    }
    if jwk.has("alg") && jwk.text("alg") != Some(alg.as_str()) {
        return Err("is for another `alg`");
    }
    if jwk.has("use") && jwk.text("use") != Some("sig") {
        return Err("is not for signatures");
    }
    let (kty, crv) = match alg {
        Alg::EdDsa => ("OKP", "Ed25519"),
        Alg::Es256 => ("EC", "P-256"),
    };
    if jwk.text("kty") != Some(kty) || jwk.text("crv") != Some(crv) {
        return Err("is of another type than the configured `alg` needs");
    }
    let member = |name| jwk.text(name).filter(|text| coordinate(text).is_some()).ok_or("is not 32 bytes of base64url");
    let x = member("x")?;
    match alg {
        Alg::EdDsa => {
            let bytes = coordinate(x).unwrap_or_default();
            UnparsedPublicKey::new(&ED25519, bytes).parse().map_err(|_| "is not a point of its curve")?;
            let key = DecodingKey::from_ed_components(x).map_err(|_| "cannot be read")?;
            Ok((key, sha256(&format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#))))
        }
        Alg::Es256 => {
            let y = member("y")?;
            let point = [&[4][..], &coordinate(x).unwrap_or_default(), &coordinate(y).unwrap_or_default()].concat();
            let parsed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).parse();
            parsed.map_err(|_| "is not a point of its curve")?;
            let key = DecodingKey::from_ec_components(x, y).map_err(|_| "cannot be read")?;
            Ok((key, sha256(&format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#))))
        }
    }
}

/// 32 bytes in base64url without padding.
fn coordinate(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// SHA-256 of a text: with the members in RFC 7638's order, the key's thumbprint.
pub(crate) fn sha256(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    bytes
}
