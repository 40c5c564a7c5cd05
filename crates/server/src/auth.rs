//! From a bearer token to a [`Caller`]: who asks, for which organisation, in which roles.
//!
//! The organisation comes from the verified issuer alone, never from a body, metadata or host name, and each issuer
//! is bound to one organisation (security, 1 and 2). The order of the steps in [`Authenticator::authenticate`] is
//! part of the contract: nothing of a token is believed before its signature holds, except its issuer's name, which
//! only chooses whose keys it is tried with.
//!
//! Where clients show certificates, a call needs one of a registered machine, and a token bound to that very
//! certificate, both of one organisation (RFC 8705; security, 1). Without a token the machine speaks for itself, as the
//! dispatch system of its station.
//!
//! What is not judged here: whether the token's station is in the directory (the engine knows).

mod cache;
mod claims;
pub mod clients;
mod denied;
mod holding;
pub mod jwks;
pub mod keys;
pub mod revoked;
#[cfg(test)]
mod tests;
mod twin;

pub use denied::Denied;

use crate::config::{Alg, ClientCertificates, Config, KeysFrom, Organisation, Profile, TOKEN_LIFE_PERSON_S_MAX};
use crate::dev_ca;
use crate::outbound::address::Network;
use crate::outbound::{OutboundError, Target};
use crate::tasks::Tasks;
use cache::{Cache, Verified};
use claims::{Claims, Once};
use clients::{Clients, Machine, Thumbprint};
use handoff_domain::caller::{Caller, OrgKind, Role};
use handoff_domain::ids::{ClientId, OfficerId, OrgId, StationId};
use handoff_domain::time::{Millis, SECOND};
use handoff_engine::clock::Clock;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Algorithm, Validation};
use keys::{FileSource, Keys, Owners, Source, Times};
use revoked::RevokedFile;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use std::collections::HashMap;
use std::sync::Arc;

/// Longest `authorization` value, in bytes.
pub const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;
/// Longest key id, in bytes.
pub const KID_BYTES_MAX: usize = 128;
/// How far clocks may be apart, in milliseconds: an expired token is taken for less than this, and one from the
/// future if it is not further away than this.
pub const LEEWAY_MS: i64 = 30 * SECOND;
/// Client under which a person's token without the claim `client` is recorded: the web console's.
pub const CONSOLE_CLIENT: &str = "console";

/// A verified token, or a machine without one: who calls, and until when that holds without asking again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who calls.
    pub caller: Caller,
    /// When the token ends. A stream opened under it ends then.
    pub expires: Millis,
    /// The token's id and subject, by which it may be taken back; none for a machine that speaks for itself.
    pub token: Option<TokenId>,
    /// Thumbprint of the certificate it holds over.
    pub bound: Option<Thumbprint>,
}

/// What a token is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenId {
    /// `jti`.
    pub id: String,
    /// `sub`.
    pub subject: String,
    /// RFC 7638 thumbprint of the key it is signed with.
    pub key: [u8; 32],
}

/// The chain a connection showed, the machine's own certificate first; empty where it showed none.
pub type Chain = [CertificateDer<'static>];
/// What the transport keeps of it; nothing where none was shown.
pub type Shown = Option<Arc<Vec<CertificateDer<'static>>>>;

/// The chain of what was shown.
#[must_use]
pub fn chain(shown: &Shown) -> &Chain {
    shown.as_deref().map(Vec::as_slice).unwrap_or_default()
}

/// Who calls, as far as that is known without verifying anything.
#[derive(Debug)]
pub enum Recalled<'a> {
    /// A machine without a token, or a token that was verified before.
    Known(Arc<Session>),
    /// A token nobody has verified yet.
    New(Unverified<'a>),
}

/// A token that has to be verified, and what it came over.
#[derive(Debug)]
pub struct Unverified<'a> {
    token: &'a str,
    digest: cache::Digest,
    machine: Option<Arc<Machine>>,
}

/// Why no tokens can be checked.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// An organisation's keys have no one source.
    #[error("organisation {org} does not have exactly one of a file and an address of its keys")]
    NoSource {
        /// The organisation.
        org: String,
    },
    /// The address of an organisation's keys is none.
    #[error("address of the keys of organisation {org}")]
    Address {
        /// The organisation.
        org: String,
        /// Why.
        source: OutboundError,
    },
    /// An organisation's authorities cannot be used.
    #[error("client certificates of organisation {org}")]
    Clients {
        /// The organisation.
        org: String,
        /// Why.
        source: clients::ClientCaError,
    },
    /// Two organisations name one issuer.
    #[error("issuer of organisation {org} is another organisation's too")]
    SharedIssuer {
        /// The second of the two.
        org: String,
    },
}

/// Verifies tokens. One per process; shared by all connections.
#[derive(Debug)]
pub struct Authenticator {
    issuers: HashMap<String, Issuer>,
    cache: Cache,
    /// None where no certificates are asked for.
    clients: Option<Clients>,
    revoked: HashMap<OrgId, RevokedFile>,
}

/// What holds for every organisation.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether clients show certificates.
    pub certificates: ClientCertificates,
    /// Whether keys made by `dev-ca` are taken.
    pub development: bool,
    /// Private networks in which keys may be fetched.
    pub private_networks_allowed: Vec<Network>,
}

impl Rules {
    /// Those of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            certificates: config.server.client_certificates,
            development: config.profile == Profile::Development,
            private_networks_allowed: config.server.private_networks_allowed.clone(),
        }
    }

    /// The keys of an organisation: read, where they are in a file that holds some, and still to be loaded where not.
    fn keys(&self, organisation: &Organisation, owners: &Arc<Owners>) -> Result<Keys, AuthError> {
        let org = || organisation.id.to_string();
        let of = |source: Box<dyn Source>, times| {
            let issuer = (organisation.id.clone(), organisation.alg);
            Keys::new(issuer, self.development, source, times, Arc::clone(owners))
        };
        match organisation.keys_from() {
            Some(KeysFrom::File(file)) => {
                let keys = of(Box::new(FileSource(file.to_owned())), Times::FILE);
                // One side's file never keeps the other from being served: its own tokens are refused until it is good.
                if let Err(error) = keys.read_now(file) {
                    let error = handoff_engine::causes::chain(&error);
                    tracing::error!(org.id = %organisation.id, error, "an issuer's keys cannot be used; it is closed");
                }
                Ok(keys)
            }
            Some(KeysFrom::Url { url, ca_file }) => {
                let target = Target::new(url, ca_file, &self.private_networks_allowed)
                    .map_err(|source| AuthError::Address { org: org(), source })?;
                Ok(of(Box::new(target), Times::URL))
            }
            None => Err(AuthError::NoSource { org: org() }),
        }
    }
}

/// What is known of one issuer, and the one organisation it speaks for.
#[derive(Debug)]
struct Issuer {
    organisation: Organisation,
    keys: Arc<Keys>,
    validation: Validation,
    development: bool,
}

impl Authenticator {
    /// Reads authorities and lists of all organisations, and the keys of those that have them in a file. Those with an
    /// address have none until [`Self::follow`] fetched them; those whose file or list is no good take nobody until it
    /// is, and it is looked at again and again.
    ///
    /// # Errors
    /// Authorities cannot be read; two organisations share an issuer.
    pub fn new(organisations: &[Organisation], rules: &Rules) -> Result<Self, AuthError> {
        crate::tls::install_provider();
        let owners = Arc::default();
        let mut issuers = HashMap::with_capacity(organisations.len());
        let mut revoked = HashMap::with_capacity(organisations.len());
        for organisation in organisations {
            revoked.insert(organisation.id.clone(), RevokedFile::new(organisation.revoked_file.as_deref()));
            let issuer = Issuer::new(organisation.clone(), Arc::new(rules.keys(organisation, &owners)?));
            if issuers.insert(organisation.issuer.clone(), issuer).is_some() {
                return Err(AuthError::SharedIssuer { org: organisation.id.to_string() });
            }
        }
        let clients = match rules.certificates {
            ClientCertificates::Off => None,
            ClientCertificates::Required => Some(
                Clients::new(organisations)
                    .map_err(|(org, source)| AuthError::Clients { org: org.to_string(), source })?,
            ),
        };
        let auth = Self { issuers, cache: Cache::default(), clients, revoked };
        auth.refresh();
        Ok(auth)
    }

    /// What the handshake asks of a client; nothing where no certificates are asked for.
    #[must_use]
    pub fn handshake(&self) -> Option<Arc<dyn ClientCertVerifier>> {
        self.clients.as_ref().and_then(Clients::handshake)
    }

    /// Renews the keys of every issuer, each by a task of its own, and looks at the lists of what was taken back, until the
    /// service stops.
    pub fn follow(self: &Arc<Self>, tasks: &Tasks, clock: &Arc<dyn Clock>) {
        for issuer in self.issuers.values() {
            tasks.spawn(Arc::clone(&issuer.keys).follow(Arc::clone(clock), tasks.stopping()));
        }
        tasks.spawn(Arc::clone(self).follow_lists(Arc::clone(clock), tasks.stopping()));
    }

    /// Who sends these headers (of a request, or tonic's metadata by its `as_ref`) over a connection that showed this
    /// chain. `now` is the service's clock.
    ///
    /// # Errors
    /// Anything but one token that holds, over the certificate it is bound to. Outside it is always
    /// [`TOKEN_INVALID`](Denied::report) and nothing else.
    pub async fn authenticate(&self, headers: &HeaderMap, chain: &Chain, now: Millis) -> Result<Arc<Session>, Denied> {
        match self.recall(headers, chain, now)? {
            Recalled::Known(session) => Ok(session),
            Recalled::New(unverified) => self.verify(unverified, now).await,
        }
    }

    /// A token over no machine, whether it was verified before or not.
    #[cfg(test)]
    pub(crate) async fn token(&self, token: &str, now: Millis) -> Result<Arc<Session>, Denied> {
        match self.remember(token, None, now)? {
            Recalled::Known(session) => Ok(session),
            Recalled::New(unverified) => self.verify(unverified, now).await,
        }
    }

    /// Verifies one token over the machine that brought it. It waits for something only where its key id is unknown and
    /// its issuer's keys are fetched once more.
    ///
    /// # Errors
    /// The token does not hold.
    pub async fn verify(&self, unverified: Unverified<'_>, now: Millis) -> Result<Arc<Session>, Denied> {
        let Unverified { token, digest, machine } = unverified;
        let machine = machine.as_deref();
        let (header, claims) = claims::parts(token)?;
        let (alg, kid) = read_header(&header)?;
        // The issuer's name is read before the signature holds, to choose whose keys to try; nothing else is.
        let issuer = claims.text("iss").and_then(|name| self.issuers.get(name)).ok_or(Denied::Issuer)?;
        // Before anything is done for it: a machine of one side starts no fetch of the other's keys.
        if machine.is_some_and(|machine| machine.org != issuer.organisation.id) {
            return Err(Denied::OtherSide);
        }
        if alg != issuer.organisation.alg.as_str() {
            return Err(Denied::Algorithm);
        }
        let loaded = issuer.keys.find(kid, now).await?;
        let (key, thumbprint) = loaded.key(kid).ok_or(Denied::KeyUnknown)?;
        let claims: Claims =
            jsonwebtoken::decode(token, key, &issuer.validation).map_err(|_| Denied::Signature)?.claims;
        let session = Arc::new(issuer.judge(claims, thumbprint, machine, now)?);
        self.holds(&session, machine)?;
        let verified =
            Verified { session: Arc::clone(&session), keys: Arc::clone(&issuer.keys), generation: loaded.generation() };
        self.cache.put(digest, verified, now);
        Ok(session)
    }
}

/// The library's share of the checks: one algorithm, exact issuer and audience, five claims that must be there. The
/// library's own clock is not asked (it reads the system's and knows no leeway but whole seconds).
fn validation(organisation: &Organisation) -> Validation {
    let mut validation = Validation::new(match organisation.alg {
        Alg::EdDsa => Algorithm::EdDSA,
        Alg::Es256 => Algorithm::ES256,
    });
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.set_issuer(&[&organisation.issuer]);
    validation.set_audience(&[&organisation.audience]);
    validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
    validation
}

/// The token of exactly one `authorization` value.
fn bearer(headers: &HeaderMap) -> Result<&str, Denied> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next().ok_or(Denied::Missing)?;
    if values.next().is_some() {
        return Err(Denied::Doubled);
    }
    if value.len() > AUTHORIZATION_BYTES_MAX {
        return Err(Denied::TooLong);
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Denied::NotBearer)?;
    if scheme.eq_ignore_ascii_case("bearer") { Ok(token) } else { Err(Denied::NotBearer) }
}

/// Algorithm and key id of a header that asks for nothing we do not do.
fn read_header(header: &Once) -> Result<(&str, &str), Denied> {
    let alg = header.text("alg").ok_or(Denied::Algorithm)?;
    // `crit` and `b64` change what is signed, `zip` and `enc` what is meant, `cty` nests another token.
    if ["crit", "b64", "zip", "enc", "cty"].iter().any(|name| header.has(name)) {
        return Err(Denied::Header);
    }
    // RFC 7515, 4.1.9: the prefix `application/` may stand or be left out, case does not count.
    let typ = header.text("typ").ok_or(Denied::Type)?.to_ascii_lowercase();
    if typ != "at+jwt" && typ != "application/at+jwt" {
        return Err(Denied::Type);
    }
    let kid = header.text("kid").filter(|kid| (1..=KID_BYTES_MAX).contains(&kid.len())).ok_or(Denied::KeyId)?;
    Ok((alg, kid))
}

impl Issuer {
    fn new(organisation: Organisation, keys: Arc<Keys>) -> Self {
        Self {
            keys,
            validation: validation(&organisation),
            development: dev_ca::is_development_issuer(&organisation.issuer),
            organisation,
        }
    }

    /// Judges claims whose signature holds under that key. Over a machine a person's token without a client is that machine's.
    fn judge(&self, claims: Claims, key: [u8; 32], machine: Option<&Machine>, now: Millis) -> Result<Session, Denied> {
        let organisation = &self.organisation;
        if claims.iss != organisation.issuer || claims.aud != organisation.audience {
            return Err(Denied::Issuer);
        }
        let roles = self.roles(&claims.roles)?;
        let adapter = roles.contains(&Role::Adapter);
        // A program and nobody's hands: no person stands behind what it does, and nobody logs it in every quarter of an hour.
        let program = adapter || roles.contains(&Role::Witness);
        let expires = self.times(&claims, program, now)?;
        let subject = OfficerId::new(&claims.sub).ok_or(Denied::Subject)?;
        let client = match (&claims.client, machine, adapter) {
            (Some(client), _, _) => ClientId::new(client).ok_or(Denied::Client)?,
            (None, Some(machine), _) => machine.client.clone(),
            (None, None, true) => return Err(Denied::Client),
            (None, None, false) => ClientId::new(CONSOLE_CLIENT).ok_or(Denied::Client)?,
        };
        let caller = Caller {
            org: organisation.id.clone(),
            kind: organisation.kind,
            client,
            station: self.station(claims.station.as_deref(), &roles)?,
            officer: (!program).then_some(subject),
            roles,
        };
        let token = Some(TokenId { id: claims.jti, subject: claims.sub, key });
        Ok(Session { caller, expires, token, bound: claims.cnf })
    }

    /// Times by our own clock: an end that lies ahead, a beginning that does not, and no longer a life than allowed.
    fn times(&self, claims: &Claims, program: bool, now: Millis) -> Result<Millis, Denied> {
        let [exp, nbf, iat] = [claims.exp, claims.nbf, claims.iat].map(|seconds| Millis(seconds * SECOND));
        if now >= exp.plus(LEEWAY_MS) {
            return Err(Denied::Expired);
        }
        if now.plus(LEEWAY_MS) < nbf || now.plus(LEEWAY_MS) < iat {
            return Err(Denied::NotYet);
        }
        let life_max_s = if program || self.development {
            self.organisation.token_life_max_s
        } else {
            self.organisation.token_life_max_s.min(TOKEN_LIFE_PERSON_S_MAX)
        };
        if exp <= iat || exp.since(iat) > i64::from(life_max_s) * SECOND {
            return Err(Denied::Life);
        }
        Ok(exp)
    }

    /// Known roles this issuer may grant, none twice. A dispatch system is a dispatch system and nothing else, and so
    /// is a witness: no decision may ever come in under a machine's token.
    fn roles(&self, words: &[String]) -> Result<Vec<Role>, Denied> {
        let mut roles = Vec::with_capacity(words.len());
        for word in words {
            let role = Role::parse(word).ok_or(Denied::Role)?;
            if roles.contains(&role) || !self.grants(role) {
                return Err(Denied::Role);
            }
            roles.push(role);
        }
        let mixed = roles.len() > 1 && [Role::Adapter, Role::Witness].iter().any(|alone| roles.contains(alone));
        if roles.is_empty() || mixed { Err(Denied::Role) } else { Ok(roles) }
    }

    /// The configuration may grant less than the kind of organisation allows, never more.
    fn grants(&self, role: Role) -> bool {
        self.organisation.grantable_roles.contains(&role)
            && crate::config::roles_of(self.organisation.kind).contains(&role)
    }

    /// The station of the token. A party's callers have one; only its admin and its witness may go without. Others never
    /// have one.
    fn station(&self, name: Option<&str>, roles: &[Role]) -> Result<Option<StationId>, Denied> {
        match (self.organisation.kind, name) {
            (OrgKind::Party, Some(name)) => StationId::new(name).map(Some).ok_or(Denied::Station),
            (OrgKind::Party, None) if roles == [Role::Admin] || roles == [Role::Witness] => Ok(None),
            (OrgKind::Superior | OrgKind::Audit | OrgKind::Operator, None) => Ok(None),
            (OrgKind::Party, None) | (OrgKind::Superior | OrgKind::Audit | OrgKind::Operator, Some(_)) => {
                Err(Denied::Station)
            }
        }
    }
}
