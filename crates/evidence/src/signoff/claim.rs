use super::{SignoffError, SpkiFault, verify_device, verify_passkey};
use crate::registry::Entry;
use handoff_domain::event::handoff::Signed;
use handoff_domain::ids::Digest;
use handoff_domain::values::{KeySignature, Label, Level, SignOff, b64url_read};

/// What a sign-off says of a key beside its level and statement, as far as it says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Algorithm.
    pub alg: Option<Label>,
    /// The key's id.
    pub key: Option<Label>,
    /// The signature in base64url.
    pub sig: Option<String>,
    /// Authenticator data in base64url.
    pub auth_data: Option<String>,
    /// Client data in base64url.
    pub client_data: Option<String>,
}

impl Claim {
    /// Nothing is claimed, as belongs to an attested sign-off.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&Signed> for Claim {
    fn from(body: &Signed) -> Self {
        let Signed { alg, key, sig, auth_data, client_data, .. } = body.clone();
        Self { alg, key, sig, auth_data, client_data }
    }
}

impl From<&SignOff> for Claim {
    fn from(sign_off: &SignOff) -> Self {
        let SignOff { alg, key, sig, auth_data, client_data, level: _, statement: _ } = sign_off.clone();
        Self { alg, key, sig, auth_data, client_data }
    }
}

impl From<&KeySignature> for Claim {
    fn from(signature: &KeySignature) -> Self {
        let KeySignature { alg, key, sig, auth_data, client_data } = signature.clone();
        Self { alg: Some(alg), key: Some(key), sig: Some(sig), auth_data, client_data }
    }
}

/// Why a claimed signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// Something that belongs to the level is missing, or is no base64url in its one spelling.
    #[error("a part of the signature is missing or misspelled")]
    Incomplete,
    /// Something stands there that nobody would look at.
    #[error("a part of the signature belongs to another level")]
    Surplus,
    /// Not the algorithm of the registered key.
    #[error("not the algorithm of the registered key")]
    Alg,
    /// The signature itself.
    #[error("the signature does not hold")]
    Signature(#[from] SignoffError),
}

/// Whether the key of `entry` signed the statement whose digest is `statement`, as a sign-off of that level claims. Whose
/// key it is and whether it was in force is for the registry to say.
///
/// # Errors
/// [`ClaimError`]; every sign-off without a key is incomplete here.
pub fn verify_claim(entry: &Entry, level: Level, statement: &Digest, claim: &Claim) -> Result<(), ClaimError> {
    let bytes = |text: &Option<String>| text.as_deref().and_then(b64url_read);
    let sig = bytes(&claim.sig).ok_or(ClaimError::Incomplete)?;
    if claim.alg.as_ref().map(Label::as_str) != Some(entry.alg.as_str()) {
        return Err(ClaimError::Alg);
    }
    match level {
        Level::Device if claim.auth_data.is_some() || claim.client_data.is_some() => Err(ClaimError::Surplus),
        Level::Device => {
            let der = entry.der().map_err(|_| SignoffError::Key(SpkiFault::Form))?;
            Ok(verify_device(entry.alg, &der, statement, &sig)?)
        }
        Level::Passkey => {
            let given = bytes(&claim.auth_data).zip(bytes(&claim.client_data));
            let (auth, client) = given.ok_or(ClaimError::Incomplete)?;
            Ok(verify_passkey(entry, statement, &auth, &client, &sig).map(drop)?)
        }
        Level::Attested => Err(ClaimError::Incomplete),
    }
}
