//! Development tokens.

use super::{DevCaError, kid_of, read_key, signature_of};
use crate::auth::clients::Thumbprint;
use crate::config::Organisation;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use handoff_domain::caller::Role;
use handoff_domain::ids::{ClientId, OfficerId, StationId};
use handoff_domain::time::{Millis, SECOND};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use std::path::Path;

/// What a token says of its bearer. Whether the service takes it is judged when it is shown.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// The officer's pseudonym, or the name of the dispatch system.
    pub subject: OfficerId,
    /// Roles; `adapter` alone for a dispatch system.
    pub roles: Vec<Role>,
    /// Station, where the organisation has stations.
    pub station: Option<StationId>,
    /// Client program; needed for a dispatch system.
    pub client: Option<ClientId>,
    /// Thumbprint of the certificate it is bound to, where the service asks for certificates.
    pub bound: Option<Thumbprint>,
    /// Life in seconds.
    pub life_s: u32,
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The organisation's issuer is not one of `dev-ca`.
    #[error("issuer {0} is not a development issuer; ask the organisation's own issuer for a token")]
    ForeignIssuer(String),
    /// The issuer's key cannot be read.
    #[error("key of the development issuer")]
    Key(#[from] DevCaError),
    /// The token could not be signed.
    #[error("cannot sign the token")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// The claims in the order they are written.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: &'a str,
    roles: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    station: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Bound>,
}

/// RFC 8705, 3.1.
#[derive(Serialize)]
struct Bound {
    #[serde(rename = "x5t#S256")]
    thumbprint: String,
}

/// Signs a token of `organisation` with the private key in `key_file`, as made by [`super::write`].
///
/// # Errors
/// The organisation has an issuer of its own, or its development key cannot be read.
pub fn token(
    organisation: &Organisation,
    key_file: &Path,
    request: &TokenRequest,
    now: Millis,
) -> Result<String, TokenError> {
    crate::tls::install_provider();
    if !super::is_development_issuer(&organisation.issuer) {
        return Err(TokenError::ForeignIssuer(organisation.issuer.clone()));
    }
    let key = read_key(key_file, signature_of(organisation.alg))?;
    let (algorithm, signing) = match organisation.alg {
        crate::config::Alg::EdDsa => (Algorithm::EdDSA, EncodingKey::from_ed_der(key.serialized_der())),
        crate::config::Alg::Es256 => (Algorithm::ES256, EncodingKey::from_ec_der(key.serialized_der())),
    };
    let mut header = Header::new(algorithm);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(kid_of(&key, organisation.alg));
    let mut id = [0_u8; 16];
    SystemRandom::new().fill(&mut id).map_err(|_| DevCaError::Random)?;
    let iat = now.0 / SECOND;
    let claims = Claims {
        iss: &organisation.issuer,
        aud: &organisation.audience,
        sub: request.subject.as_str(),
        roles: request.roles.iter().map(|role| role.as_str()).collect(),
        station: request.station.as_ref().map(StationId::as_str),
        client: request.client.as_ref().map(ClientId::as_str),
        iat,
        nbf: iat,
        exp: iat.saturating_add(request.life_s.into()),
        jti: handoff_domain::values::b64url(&id),
        cnf: request.bound.map(|bound| Bound { thumbprint: handoff_domain::values::b64url(&bound) }),
    };
    jsonwebtoken::encode(&header, &claims, &signing).map_err(TokenError::Sign)
}
