//! From a client certificate to the machine that shows it: whose it is, and what it may do by itself.
//!
//! The handshake proves only that some organisation's authority vouches for the certificate. Whose, is decided here:
//! the name in it lies under one organisation's prefix, and the chain is verified again against that organisation's
//! roots alone, with the service's own clock (security, 2). So an authority that issues a certificate in the other
//! side's name gains nothing. A verdict holds for [`VERDICT_MS`] and is then made again, also inside one connection:
//! connections outlive certificates.

use super::twin::twins;
use super::{Denied, Session};
use crate::config::{Organisation, files};
use aws_lc_rs::digest;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::ids::{ClientId, OrgId};
use handoff_domain::time::{MILLIS_MAX, Millis, SECOND};
use lru::LruCache;
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long a verdict over a certificate holds, in milliseconds.
pub const VERDICT_MS: i64 = 60 * SECOND;
/// Verdicts kept; beyond that the one not used for longest is made again.
const VERDICTS_MAX: NonZeroUsize = NonZeroUsize::new(4_096).expect("it is not zero");
/// Longest file of an organisation's authorities, in bytes.
pub const CA_BYTES_MAX: u64 = 64 * 1024;
/// Authorities one organisation may name.
pub const CAS_MAX: usize = 8;

/// SHA-256 of a certificate's bytes: the thumbprint of RFC 8705.
pub type Thumbprint = [u8; 32];

/// Thumbprint of a certificate.
#[must_use]
pub fn thumbprint(certificate: &[u8]) -> Thumbprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate).as_ref());
    bytes
}

/// Thumbprint of the first certificate in a PEM file; `None` where there is none.
///
/// # Errors
/// The file cannot be read, or is too long.
pub fn read_thumbprint(file: &Path) -> std::io::Result<Option<Thumbprint>> {
    let text = files::read_text(file, CA_BYTES_MAX)?;
    Ok(CertificateDer::pem_slice_iter(text.as_bytes()).find_map(Result::ok).map(|certificate| thumbprint(&certificate)))
}

/// Why an organisation's authorities cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ClientCaError {
    /// The file is not there, not readable or too long.
    #[error("cannot read {}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No certificate in PEM form, or more than [`CAS_MAX`].
    #[error("{} holds {found} certificates in PEM form, not 1 to {CAS_MAX}", file.display())]
    Count {
        /// The file.
        file: PathBuf,
        /// How many.
        found: usize,
    },
    /// A certificate that cannot be an authority.
    #[error("{} holds a certificate that cannot be an authority", file.display())]
    Unfit {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::Error,
    },
    /// rustls makes no verifier of them.
    #[error("the authorities of {} cannot be used", file.display())]
    Verifier {
        /// The file.
        file: PathBuf,
        /// Why.
        source: rustls::server::VerifierBuilderError,
    },
}

/// The certificates of an organisation's authorities.
///
/// # Errors
/// The file cannot be read, or holds none, too many or anything but authorities.
pub fn read_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, ClientCaError> {
    let name = || file.to_owned();
    let text =
        files::read_text(file, CA_BYTES_MAX).map_err(|source| ClientCaError::Unreadable { file: name(), source })?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes()).filter_map(Result::ok).collect();
    if !(1..=CAS_MAX).contains(&found.len()) {
        return Err(ClientCaError::Count { file: name(), found: found.len() });
    }
    let mut probe = RootCertStore::empty();
    for certificate in &found {
        probe.add(certificate.clone()).map_err(|source| ClientCaError::Unfit { file: name(), source })?;
    }
    Ok(found)
}

/// Verifies chains against these authorities and no others.
fn verifier(
    file: &Path,
    authorities: &[CertificateDer<'static>],
) -> Result<Arc<dyn ClientCertVerifier>, ClientCaError> {
    let name = || file.to_owned();
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).map_err(|source| ClientCaError::Unfit { file: name(), source })?;
    }
    let built = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    built.map_err(|source| ClientCaError::Verifier { file: name(), source })
}

/// One organisation's authorities and machines.
#[derive(Debug)]
struct Trust {
    organisation: Organisation,
    verifier: Arc<dyn ClientCertVerifier>,
    prefix: String,
}

/// A machine that showed its certificate.
#[derive(Debug)]
pub struct Machine {
    /// Whose it is.
    pub org: OrgId,
    /// Under which client program everything is recorded that comes in over it.
    pub client: ClientId,
    /// Thumbprint of its certificate: what a token must be bound to.
    pub thumbprint: Thumbprint,
    /// Thumbprints of the same certificate's other forms, by which it may have been taken back.
    pub(super) twins: Vec<Thumbprint>,
    /// What it is without anybody's token: the dispatch system of one station, or a witness. None where it only carries
    /// people's.
    pub session: Option<Arc<Session>>,
}

type Verdict = Result<Arc<Machine>, Denied>;

/// Judges client certificates. One per process.
#[derive(Debug)]
pub struct Clients {
    trusts: Vec<Trust>,
    /// What the handshake asks: a certificate of any organisation's authority. None where no organisation has one.
    handshake: Option<Arc<dyn ClientCertVerifier>>,
    verdicts: Mutex<LruCache<Thumbprint, (Millis, Verdict)>>,
}

impl Clients {
    /// Reads the authorities of all organisations that have some.
    ///
    /// # Errors
    /// The first that cannot be used.
    pub fn new(organisations: &[Organisation]) -> Result<Self, (OrgId, ClientCaError)> {
        let (mut trusts, mut all, mut handshake) = (Vec::new(), Vec::new(), None);
        for organisation in organisations {
            let Some(file) = organisation.clients.ca_file.as_deref() else { continue };
            let of = |error| (organisation.id.clone(), error);
            let authorities = read_authorities(file).map_err(of)?;
            let own = verifier(file, &authorities).map_err(of)?;
            all.extend(authorities);
            handshake = Some(verifier(file, &all).map_err(of)?);
            let prefix = organisation.machine_prefix();
            trusts.push(Trust { organisation: organisation.clone(), verifier: own, prefix });
        }
        Ok(Self { trusts, handshake, verdicts: Mutex::new(LruCache::new(VERDICTS_MAX)) })
    }

    /// What the handshake asks.
    #[must_use]
    pub fn handshake(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.handshake.clone()
    }

    /// Who shows this chain, the machine's own certificate first.
    ///
    /// # Errors
    /// Nobody that is known: no certificate, one its organisation does not vouch for, or a machine nobody registered.
    pub fn machine(&self, chain: &[CertificateDer<'static>], now: Millis) -> Verdict {
        let (leaf, rest) = chain.split_first().ok_or(Denied::NoCertificate)?;
        let key = thumbprint(leaf);
        if let Some((made, verdict)) = self.verdicts().get(&key) {
            // A clock set back makes the verdict anew as well.
            if (0..VERDICT_MS).contains(&now.since(*made)) {
                return verdict.clone();
            }
        }
        let verdict = self.judge(leaf, rest, key, now).map(Arc::new);
        self.verdicts().put(key, (now, verdict.clone()));
        verdict
    }

    fn verdicts(&self) -> std::sync::MutexGuard<'_, LruCache<Thumbprint, (Millis, Verdict)>> {
        self.verdicts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        thumbprint: Thumbprint,
        now: Millis,
    ) -> Result<Machine, Denied> {
        let at = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)));
        // The name only chooses whose roots the chain is held against; no prefix begins with another one. So nothing an
        // organisation puts among its own authorities matters to another's machines.
        let name = name_of(leaf)?;
        let named = self.trusts.iter().find_map(|trust| Some((trust, name.strip_prefix(&trust.prefix)?)));
        let (trust, name) = named.ok_or(Denied::MachineUnknown)?;
        trust
            .verifier
            .verify_client_cert(leaf, rest, at)
            .map_err(|error| if is_time(&error) { Denied::CertificateTime } else { Denied::CertificateUnknown })?;
        Ok(Machine { twins: twins(leaf), ..trust.machine(name, thumbprint)? })
    }
}

/// Whether it is the certificate's time that is wrong and nothing else.
fn is_time(error: &rustls::Error) -> bool {
    use rustls::CertificateError as Error;
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            Error::Expired | Error::ExpiredContext { .. } | Error::NotValidYet | Error::NotValidYetContext { .. }
        )
    )
}

/// The one URI among a certificate's names. With two of them it would be open which one is meant.
fn name_of(leaf: &CertificateDer<'_>) -> Result<String, Denied> {
    let certificate = webpki::EndEntityCert::try_from(leaf).map_err(|_| Denied::CertificateUnknown)?;
    let mut names = certificate.valid_uri_names();
    match (names.next(), names.next()) {
        (Some(name), None) => Ok(name.to_owned()),
        _ => Err(Denied::MachineUnknown),
    }
}

impl Trust {
    /// The registered machine of that name, which follows the prefix.
    fn machine(&self, name: &str, thumbprint: Thumbprint) -> Result<Machine, Denied> {
        let organisation = &self.organisation;
        let mut machines = organisation.clients.machines.iter();
        let machine = machines.find(|machine| machine.name.as_str() == name).ok_or(Denied::MachineUnknown)?;
        let speaks_as = match (&machine.station, machine.witness) {
            (Some(_), _) => Some(Role::Adapter),
            (None, true) => Some(Role::Witness),
            (None, false) => None,
        };
        let session = speaks_as.map(|role| {
            let caller = Caller {
                org: organisation.id.clone(),
                kind: organisation.kind,
                client: machine.name.clone(),
                station: machine.station.clone(),
                officer: None,
                roles: vec![role],
            };
            Arc::new(Session { caller, expires: Millis(MILLIS_MAX), token: None, bound: Some(thumbprint) })
        });
        let (org, client) = (organisation.id.clone(), machine.name.clone());
        Ok(Machine { org, client, thumbprint, twins: Vec::new(), session })
    }
}
