//! Certificates, keys and tokens for development: what `handoff dev-ca` and `handoff token` do.
//!
//! Everything issued here is marked (certificates by [`CERT_MARK`], issuers by [`ISSUER_HOST`], key ids by
//! [`KID_PREFIX`]) and refused where `profile = "production"`. The three exceptions are 32 random bytes each: the
//! resume key, the sealing key and the log key's seed are as good as any.
//!
//! The time is an argument, as everywhere. Nothing that exists is overwritten unless asked, the log key and
//! the sealing key never: a new log key is a new log, and without its sealing key nobody reads a text again.

mod clients;
mod files;
#[cfg(test)]
mod tests;
mod token;

pub use clients::{client_ca_file, machine_cert_file, machine_key_file};
pub use token::{TokenError, TokenRequest, token};

use crate::auth::jwks;
use crate::config::Alg;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use handoff_domain::ids::{ClientId, OrgId};
use handoff_domain::time::{DAY, HOUR, Millis, SECOND};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use std::path::{Path, PathBuf};
use time::OffsetDateTime;

/// Stands in the subject of the development authority, and so in every certificate it issues.
pub const CERT_MARK: &str = "handoff development only";
/// Host of every development issuer. The name can never be registered (RFC 2606).
pub const ISSUER_HOST: &str = "issuer.dev.invalid";
/// Beginning of every key id made here.
pub const KID_PREFIX: &str = "dev-";
/// The audience of development tokens.
pub const AUDIENCE: &str = "handoff";
/// Names the server certificate is good for.
pub const SERVER_NAMES: [&str; 5] = ["localhost", "a.localhost", "b.localhost", "127.0.0.1", "::1"];

/// Life of the development authority, in milliseconds.
const CA_LIFE_MS: i64 = 3_650 * DAY;
/// Life of the development server certificate, in milliseconds.
const SERVER_LIFE_MS: i64 = 365 * DAY;

/// Why something was not made.
#[derive(Debug, thiserror::Error)]
pub enum DevCaError {
    /// Others could read what would be written.
    #[error("folder {} is open to others (mode {mode:03o}); run `chmod 700` on it or name a new one", folder.display())]
    FolderOpen {
        /// The folder.
        folder: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot {verb} {}", path.display())]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// An existing key is not what it should be.
    #[error("{} is not a key this made; remove it, or ask for new keys", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: rcgen::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[source] rcgen::Error),
    /// The system gave no random bytes.
    #[error("the system gives no random bytes")]
    Random,
}

/// What to make.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The folder everything is written to; made with mode 700 if it is not there.
    pub folder: PathBuf,
    /// Organisations with the algorithm of their token keys.
    pub organisations: Vec<(OrgId, Alg)>,
    /// Machines to make client certificates for, each with its organisation.
    pub machines: Vec<(OrgId, ClientId)>,
    /// Whether existing certificates, token keys and the resume key are made anew. The log key never is.
    pub replace: bool,
}

/// A file of the folder, and whether it was made just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The file.
    pub file: PathBuf,
    /// False where it was there already and was kept.
    pub new: bool,
}

/// The issuer `dev-ca` gives an organisation.
#[must_use]
pub fn issuer_of(org: &OrgId) -> String {
    format!("https://{ISSUER_HOST}/{org}")
}

/// Whether an issuer is one that `dev-ca` gives: its host is `dev.invalid` or under it.
#[must_use]
pub fn is_development_issuer(issuer: &str) -> bool {
    let rest = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    host == "dev.invalid" || host.ends_with(".dev.invalid")
}

/// Private key file of an organisation's issuer.
#[must_use]
pub fn issuer_key_file(folder: &Path, org: &OrgId) -> PathBuf {
    folder.join(format!("{org}.issuer.key"))
}

/// JWK set file of an organisation's issuer.
#[must_use]
pub fn jwks_file(folder: &Path, org: &OrgId) -> PathBuf {
    folder.join(format!("{org}.jwks.json"))
}

/// Makes what is missing in the folder: authority, server certificate, one issuer key, JWK set and authority of client
/// certificates per organisation, the machines' certificates, resume key, sealing key, log key. Files have mode 600.
///
/// # Errors
/// The folder is open to others, a file cannot be read or written, or an existing key is not one of these.
pub fn write(plan: &Plan, now: Millis) -> Result<Vec<Made>, DevCaError> {
    crate::tls::install_provider();
    files::make_folder(&plan.folder)?;
    let mut made = Vec::new();
    write_certificates(plan, now, &mut made)?;
    for (org, alg) in &plan.organisations {
        let (key, new) =
            keep_or_make(&issuer_key_file(&plan.folder, org), signature_of(*alg), plan.replace, &mut made)?;
        let jwks = jwks_file(&plan.folder, org);
        // The public half follows the private one, so a lost or older set is written again.
        put(&jwks, jwk_set(&key, *alg).as_bytes(), plan.replace || new, &mut made)?;
        clients::write(plan, org, now, &mut made)?;
    }
    write_random(&plan.folder.join("resume.key"), plan.replace, &mut made)?;
    write_random(&plan.folder.join("sealing.key"), false, &mut made)?;
    write_random(&plan.folder.join("log.key"), false, &mut made)?;
    Ok(made)
}

fn write_certificates(plan: &Plan, now: Millis, made: &mut Vec<Made>) -> Result<(), DevCaError> {
    let curve = &rcgen::PKCS_ECDSA_P256_SHA256;
    let ca = ca_params(CERT_MARK, now);
    let (ca_key, ca_new) = keep_or_make(&plan.folder.join("ca.key"), curve, plan.replace, made)?;
    let ca_pem = ca.self_signed(&ca_key).map_err(DevCaError::Certificate)?.pem();
    let ca_new = put(&plan.folder.join("ca.pem"), ca_pem.as_bytes(), plan.replace || ca_new, made)? || ca_new;
    let (key, new) = keep_or_make(&plan.folder.join("server.key"), curve, plan.replace, made)?;
    let issuer = Issuer::from_params(&ca, &ca_key);
    let pem =
        server_params(now).and_then(|params| params.signed_by(&key, &issuer)).map_err(DevCaError::Certificate)?.pem();
    put(&plan.folder.join("server.pem"), pem.as_bytes(), plan.replace || ca_new || new, made)?;
    Ok(())
}

/// The same subject every time, so that an authority kept on disk issues further certificates.
fn ca_params(name: &str, now: Millis) -> CertificateParams {
    let mut params = CertificateParams::default();
    named(&mut params, name);
    valid(&mut params, now, CA_LIFE_MS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server_params(now: Millis) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(SERVER_NAMES.map(str::to_owned).to_vec())?;
    named(&mut params, "localhost");
    valid(&mut params, now, SERVER_LIFE_MS);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn named(params: &mut CertificateParams, name: &str) {
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
}

/// From an hour ago, for clocks that are behind.
fn valid(params: &mut CertificateParams, now: Millis, life_ms: i64) {
    let at =
        |instant: Millis| OffsetDateTime::from_unix_timestamp(instant.0 / SECOND).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    params.not_before = at(now.plus(-HOUR));
    params.not_after = at(now.plus(life_ms));
}

fn signature_of(alg: Alg) -> &'static rcgen::SignatureAlgorithm {
    match alg {
        Alg::EdDsa => &rcgen::PKCS_ED25519,
        Alg::Es256 => &rcgen::PKCS_ECDSA_P256_SHA256,
    }
}

/// The key of that file, or a new one written to it; and whether it is new.
fn keep_or_make(
    path: &Path,
    alg: &'static rcgen::SignatureAlgorithm,
    replace: bool,
    made: &mut Vec<Made>,
) -> Result<(KeyPair, bool), DevCaError> {
    if path.exists() && !replace {
        let key = read_key(path, alg)?;
        made.push(Made { file: path.to_owned(), new: false });
        return Ok((key, false));
    }
    let key = KeyPair::generate_for(alg).map_err(DevCaError::Certificate)?;
    put(path, key.serialize_pem().as_bytes(), replace, made)?;
    Ok((key, true))
}

fn read_key(path: &Path, alg: &'static rcgen::SignatureAlgorithm) -> Result<KeyPair, DevCaError> {
    let pem = files::read(path)?;
    KeyPair::from_pkcs8_pem_and_sign_algo(&pem, alg).map_err(|source| DevCaError::Key { path: path.to_owned(), source })
}

/// Writes the file, unless it is there and need not be replaced; tells whether it wrote.
fn put(path: &Path, bytes: &[u8], replace: bool, made: &mut Vec<Made>) -> Result<bool, DevCaError> {
    let new = replace || !path.exists();
    if new {
        files::write_private(path, bytes)?;
    }
    made.push(Made { file: path.to_owned(), new });
    Ok(new)
}

fn write_random(path: &Path, replace: bool, made: &mut Vec<Made>) -> Result<(), DevCaError> {
    let mut bytes = [0; crate::config::files::KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| DevCaError::Random)?;
    put(path, &bytes, replace, made).map(drop)
}

/// Key id of a key made here: the mark and the beginning of the key's thumbprint.
fn kid_of(key: &KeyPair, alg: Alg) -> String {
    let thumbprint = jwks::sha256(&members(key, alg));
    format!("{KID_PREFIX}{}", URL_SAFE_NO_PAD.encode(&thumbprint[..12]))
}

fn jwk_set(key: &KeyPair, alg: Alg) -> String {
    let kid = kid_of(key, alg);
    let members = members(key, alg);
    let members = members.trim_start_matches('{').trim_end_matches('}');
    format!("{{\"keys\":[{{{members},\"kid\":\"{kid}\",\"use\":\"sig\",\"alg\":\"{alg}\"}}]}}\n")
}

/// The public members in the order of RFC 7638.
fn members(key: &KeyPair, alg: Alg) -> String {
    let raw = key.public_key_raw();
    match alg {
        Alg::EdDsa => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(raw)),
        Alg::Es256 => {
            // Uncompressed: one byte 4, then both coordinates.
            let (x, y) = raw[1..].split_at(32);
            let [x, y] = [x, y].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
        }
    }
}
