//! Every key and certificate a configuration names, as an operator has to know them: whose, which, until when. And the
//! two that are made here: random keys, and a JWK set of public keys. Nothing secret ever leaves a file.

use crate::auth::clients::thumbprint;
use crate::auth::jwks;
use crate::config::{Alg, Config, KeysFrom, files};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use handoff_domain::ids::OrgId;
use handoff_domain::time::{Millis, SECOND};
use handoff_engine::causes::chain;
use handoff_engine::vault::Vault;
use handoff_evidence::log::LogKey;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The last second of the year 9999: certificates that end then have no end (RFC 5280, 4.1.2.5).
const END_OF_TIME_S: u64 = 253_402_300_799;
/// What stands before a P-256 point in its SubjectPublicKeyInfo (RFC 5480, 2).
const P256_HEAD: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// What stands before an Ed25519 key in its SubjectPublicKeyInfo (RFC 8410, 4).
const ED25519_HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// One key or certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The configuration key that names it.
    pub key: String,
    /// Whose it is; none for the service's own.
    pub org: Option<OrgId>,
    /// File or address.
    pub place: String,
    /// What it is called: a key id, or what tells it from others of its kind. Never anything secret.
    pub name: String,
    /// The last moment a certificate holds; none for keys, which have no end.
    pub until: Option<Millis>,
}

/// One that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The configuration key that names it.
    pub key: String,
    /// What is wrong.
    pub what: String,
}

/// Why public keys make no set.
#[derive(Debug, thiserror::Error)]
pub enum PublicError {
    /// Not there, not readable, too long.
    #[error("cannot read {}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No public key in it.
    #[error(
        "{} holds no public key of P-256 or Ed25519 in PEM form (BEGIN PUBLIC KEY, or BEGIN CERTIFICATE)", file.display()
    )]
    NoKey {
        /// The file.
        file: PathBuf,
    },
    /// Keys of two kinds: an issuer has one `alg`.
    #[error("{} is of another kind than the first key; an issuer has one alg", file.display())]
    Mixed {
        /// The file.
        file: PathBuf,
    },
    /// A set nobody would take.
    #[error("the keys make no set")]
    Set(#[source] jwks::JwksError),
}

/// Makes 32 random bytes in a new file that only its owner can read.
///
/// # Errors
/// Something is there already, the file cannot be written, or the system gives no random bytes.
pub fn new_key(file: &Path) -> std::io::Result<()> {
    let mut bytes = SecretBox::new(Box::new([0; files::KEY_BYTES]));
    SystemRandom::new().fill(bytes.expose_secret_mut()).map_err(|_| std::io::Error::other("no random bytes"))?;
    let mut opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    opened.write_all(bytes.expose_secret())?;
    opened.sync_all()
}

/// Everything the configuration names, in its order; what cannot be read is told beside it. An issuer's address is not
/// asked.
#[must_use]
pub fn inventory(config: &Config) -> Vec<Result<Item, Unreadable>> {
    let mut found = Vec::new();
    let server = &config.server;
    certificates(&mut found, "server.tls_cert_file", None, &server.tls_cert_file);
    secret(&mut found, "server.resume_key_file", &server.resume_key_file, |_| "32 random bytes".to_owned());
    secret(&mut found, "evidence.log_key_file", &config.evidence.log_key_file, |key| LogKey::from_seed(key).origin());
    let sealing = std::iter::once(("sealing.key_file".to_owned(), &config.sealing.key_file));
    let previous = config.sealing.previous_key_files.iter().enumerate();
    let previous = previous.map(|(at, file)| (format!("sealing.previous_key_files[{at}]"), file));
    for (key, file) in sealing.chain(previous) {
        secret(&mut found, &key, file, |key| Vault::new(key, &[]).current_name());
    }
    for (at, organisation) in config.organisations.iter().enumerate() {
        let key = |name: &str| format!("organisation[{at}].{name}");
        match organisation.keys_from() {
            Some(KeysFrom::File(file)) => {
                public_keys(&mut found, &key("jwks_file"), &organisation.id, file, organisation.alg);
            }
            Some(KeysFrom::Url { url, .. }) => found.push(Ok(Item {
                key: key("jwks_url"),
                org: Some(organisation.id.clone()),
                place: url.to_owned(),
                name: format!("whatever it gives, {}", organisation.alg),
                until: None,
            })),
            None => {}
        }
        if let Some(file) = &organisation.clients.ca_file {
            certificates(&mut found, &key("clients.ca_file"), Some(&organisation.id), file);
        }
    }
    found
}

fn secret(
    found: &mut Vec<Result<Item, Unreadable>>,
    key: &str,
    file: &Path,
    name: impl Fn(&[u8; files::KEY_BYTES]) -> String,
) {
    found.push(match files::read_key(file) {
        Ok(bytes) => Ok(Item {
            key: key.to_owned(),
            org: None,
            place: file.display().to_string(),
            name: name(bytes.expose_secret()),
            until: None,
        }),
        Err(error) => Err(Unreadable { key: key.to_owned(), what: chain(&error) }),
    });
}

fn public_keys(found: &mut Vec<Result<Item, Unreadable>>, key: &str, org: &OrgId, file: &Path, alg: Alg) {
    match jwks::read(file, alg) {
        Ok(set) => found.extend(set.thumbprints().map(|(kid, thumbprint)| {
            Ok(Item {
                key: key.to_owned(),
                org: Some(org.clone()),
                place: file.display().to_string(),
                name: format!("{kid} ({alg}, {})", URL_SAFE_NO_PAD.encode(thumbprint)),
                until: None,
            })
        })),
        Err(error) => found.push(Err(Unreadable { key: key.to_owned(), what: chain(&error) })),
    }
}

fn certificates(found: &mut Vec<Result<Item, Unreadable>>, key: &str, org: Option<&OrgId>, file: &Path) {
    match read_certificates(file) {
        Ok(certificates) => found.extend(certificates.iter().map(|certificate| {
            Ok(Item {
                key: key.to_owned(),
                org: org.cloned(),
                place: file.display().to_string(),
                name: hex(&thumbprint(certificate)),
                until: ends(certificate),
            })
        })),
        Err(error) => found.push(Err(Unreadable { key: key.to_owned(), what: chain(&error) })),
    }
}

/// Certificates of a PEM file, the first first.
///
/// # Errors
/// The file cannot be read, or holds none.
pub fn read_certificates(file: &Path) -> std::io::Result<Vec<CertificateDer<'static>>> {
    let text = files::read_text(file, crate::tls::CERT_BYTES_MAX)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let none = || std::io::Error::new(std::io::ErrorKind::InvalidData, "it holds no certificate in PEM form");
    found.ok().filter(|found| !found.is_empty()).ok_or_else(none)
}

/// The last moment a certificate holds; none where it has no end, or is no certificate.
#[must_use]
pub fn ends(certificate: &CertificateDer<'_>) -> Option<Millis> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    // Its times are judged before anything else, and whoever is told that it is over is told since when.
    let at = UnixTime::since_unix_epoch(Duration::from_secs(END_OF_TIME_S));
    match certificate.verify_for_usage(&[], &[], &[], at, webpki::KeyUsage::client_auth(), None, None).err()? {
        webpki::Error::CertExpired { not_after, .. } => {
            Some(Millis(i64::try_from(not_after.as_secs()).ok()?.checked_mul(SECOND)?))
        }
        _ => None,
    }
}

/// Lower-case hexadecimal digits, as the lists of what was taken back have them.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The public keys of these PEM files as the JWK set an organisation's `jwks_file` names. A key's id is its RFC 7638
/// thumbprint.
///
/// # Errors
/// [`PublicError`].
pub fn jwk_set(files: &[PathBuf]) -> Result<String, PublicError> {
    let mut keys = Vec::with_capacity(files.len());
    let mut first = None;
    for file in files {
        let text = files::read_text(file, jwks::JWKS_BYTES_MAX)
            .map_err(|source| PublicError::File { file: file.clone(), source })?;
        let (alg, members) = public_key(text.as_bytes()).ok_or_else(|| PublicError::NoKey { file: file.clone() })?;
        if *first.get_or_insert(alg) != alg {
            return Err(PublicError::Mixed { file: file.clone() });
        }
        let kid = URL_SAFE_NO_PAD.encode(jwks::sha256(&members));
        let members = members.trim_start_matches('{').trim_end_matches('}');
        keys.push(format!("{{{members},\"kid\":\"{kid}\",\"use\":\"sig\",\"alg\":\"{alg}\"}}"));
    }
    let set = format!("{{\"keys\":[{}]}}", keys.join(","));
    jwks::parse(&set, first.unwrap_or(Alg::Es256)).map_err(PublicError::Set)?;
    Ok(set)
}

/// Algorithm and JWK members, in the order of RFC 7638, of a public key or of a certificate's.
fn public_key(pem: &[u8]) -> Option<(Alg, String)> {
    let der = match SubjectPublicKeyInfoDer::from_pem_slice(pem) {
        Ok(der) => der.as_ref().to_vec(),
        Err(_) => {
            let certificate = CertificateDer::from_pem_slice(pem).ok()?;
            webpki::EndEntityCert::try_from(&certificate).ok()?.subject_public_key_info().as_ref().to_vec()
        }
    };
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    if let Some(x) = der.strip_prefix(&ED25519_HEAD).filter(|x| x.len() == 32) {
        return Some((Alg::EdDsa, format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, encode(x))));
    }
    // Uncompressed: one byte 4, then both coordinates.
    let point = der.strip_prefix(&P256_HEAD)?.strip_prefix(&[4])?;
    let (x, y) = point.split_at_checked(32).filter(|(_, y)| y.len() == 32)?;
    Some((Alg::Es256, format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, encode(x), encode(y))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::clients::read_authorities;
    use crate::dev_ca::{self, Plan};
    use handoff_domain::ids::ClientId;
    use handoff_domain::time::DAY;

    const NOW: Millis = Millis(1_795_435_200_000);

    #[test]
    fn a_certificate_says_when_it_ends_whatever_it_is_for() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("pki");
        let (org, name) = (OrgId::new("A").unwrap(), ClientId::new("cad-a").unwrap());
        let plan = Plan {
            folder: folder.clone(),
            organisations: vec![(org.clone(), Alg::Es256)],
            machines: vec![(org.clone(), name.clone())],
            replace: false,
        };
        dev_ca::write(&plan, NOW).unwrap();
        let days = |file: &Path| {
            let end = ends(&read_certificates(file).unwrap()[0]).unwrap();
            end.since(NOW) / DAY
        };
        assert_eq!(days(&folder.join("ca.pem")), 3_650, "an authority");
        assert_eq!(days(&folder.join("server.pem")), 365, "a server");
        assert!(days(&dev_ca::machine_cert_file(&folder, &org, &name)) > 0, "a machine");
        assert_eq!(read_authorities(&dev_ca::client_ca_file(&folder, &org)).unwrap().len(), 1);
    }

    #[test]
    fn a_new_key_is_read_by_its_owner_alone_and_overwrites_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sealing.key");
        new_key(&file).unwrap();
        let first = *files::read_key(&file).expect("mode 600 and 32 bytes").expose_secret();
        assert_eq!(new_key(&file).unwrap_err().kind(), std::io::ErrorKind::AlreadyExists);
        assert_eq!(*files::read_key(&file).unwrap().expose_secret(), first);
        let other = folder.path().join("other.key");
        new_key(&other).unwrap();
        assert_ne!(*files::read_key(&other).unwrap().expose_secret(), first);
    }

    #[test]
    fn public_keys_become_a_set_the_service_takes() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (at, alg) in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519]
            .into_iter()
            .enumerate()
        {
            let key = rcgen::KeyPair::generate_for(alg).unwrap();
            let file = folder.path().join(format!("{at}.pem"));
            std::fs::write(&file, key.public_key_pem()).unwrap();
            files.push(file);
        }
        let set = jwk_set(&files[..2]).unwrap();
        assert_eq!(jwks::parse(&set, Alg::Es256).unwrap().thumbprints().count(), 2);
        let one = jwk_set(&files[2..]).unwrap();
        let kept = jwks::parse(&one, Alg::EdDsa).unwrap();
        let (kid, thumbprint) = kept.thumbprints().next().unwrap();
        assert_eq!(kid, URL_SAFE_NO_PAD.encode(thumbprint), "its id is its thumbprint");
        assert!(matches!(jwk_set(&files), Err(PublicError::Mixed { .. })));
        let private = folder.path().join("private.pem");
        std::fs::write(&private, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
        assert!(matches!(jwk_set(&[private]), Err(PublicError::NoKey { .. })), "a private key is none");
        assert!(matches!(jwk_set(&[]), Err(PublicError::Set(_))));
    }
}
