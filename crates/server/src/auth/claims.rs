//! A token's parts, read strictly: every name once, every claim of the one type it may have.
//!
//! The library takes an issuer or audience in a list, rounds fractions of a second, and reads `2^63` as a time; the
//! types here do not.

use super::Denied;
use super::clients::Thumbprint;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use handoff_domain::time::{MILLIS_MAX, SECOND};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;

/// Roles one token may carry.
const ROLES_MAX: usize = 8;
/// Longest token id, in bytes.
const JTI_BYTES_MAX: usize = 128;

/// A JSON object in which every name stands once. A second one would leave open which of the two is meant.
#[derive(Debug)]
pub(super) struct Once(BTreeMap<String, Value>);

impl Once {
    /// The value of that name, if it is a string.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Whether the name is there, whatever its value, `null` included.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A time in whole seconds since 1970, within what the service can write down.
    fn seconds(&self, name: &str) -> Option<i64> {
        self.0.get(name)?.as_i64().filter(|seconds| (1..=MILLIS_MAX / SECOND).contains(seconds))
    }

    /// An optional string: absent, or a string; never anything else.
    fn optional(&self, name: &str) -> Result<Option<String>, ()> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(()),
        }
    }
}

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Once;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object with every name once")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Once, A::Error> {
                let mut map = BTreeMap::new();
                while let Some((name, value)) = from.next_entry::<String, Value>()? {
                    if map.insert(name, value).is_some() {
                        return Err(A::Error::custom("a name stands twice"));
                    }
                }
                Ok(Once(map))
            }
        }
        from.deserialize_map(Reader)
    }
}

/// Header and claims of a token in compact form, unverified.
pub(super) fn parts(token: &str) -> Result<(Once, Once), Denied> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Denied::Malformed);
    };
    if signature.is_empty() {
        return Err(Denied::Malformed);
    }
    let read = |part: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| Denied::Malformed)?;
        serde_json::from_slice::<Once>(&bytes).map_err(|_| Denied::Malformed)
    };
    Ok((read(header)?, read(claims)?))
}

/// The claims we know. Further ones are ignored.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Once")]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) aud: String,
    pub(super) sub: String,
    pub(super) exp: i64,
    pub(super) nbf: i64,
    pub(super) iat: i64,
    pub(super) roles: Vec<String>,
    pub(super) station: Option<String>,
    pub(super) client: Option<String>,
    pub(super) jti: String,
    /// Thumbprint of the certificate the token is bound to (RFC 8705, 3.1).
    pub(super) cnf: Option<Thumbprint>,
}

/// The claim that is missing or of another form. Goes no further than the library's error.
#[derive(Debug, thiserror::Error)]
#[error("claim `{0}` is missing or malformed")]
pub(super) struct ClaimError(&'static str);

impl TryFrom<Once> for Claims {
    type Error = ClaimError;

    fn try_from(object: Once) -> Result<Self, ClaimError> {
        let text = |name: &'static str| object.text(name).map(str::to_owned).ok_or(ClaimError(name));
        let seconds = |name: &'static str| object.seconds(name).ok_or(ClaimError(name));
        let optional = |name: &'static str| object.optional(name).map_err(|()| ClaimError(name));
        // Needed, so that every token can be taken back.
        let jti = text("jti")?;
        if !(1..=JTI_BYTES_MAX).contains(&jti.len()) {
            return Err(ClaimError("jti"));
        }
        Ok(Self {
            iss: text("iss")?,
            aud: text("aud")?,
            sub: text("sub")?,
            exp: seconds("exp")?,
            nbf: seconds("nbf")?,
            iat: seconds("iat")?,
            roles: roles(&object).ok_or(ClaimError("roles"))?,
            station: optional("station")?,
            client: optional("client")?,
            jti,
            cnf: cnf(&object).map_err(|()| ClaimError("cnf"))?,
        })
    }
}

/// One to eight strings.
fn roles(object: &Once) -> Option<Vec<String>> {
    let words = object.0.get("roles")?.as_array()?;
    let legal = (1..=ROLES_MAX).contains(&words.len());
    legal.then(|| words.iter().map(|word| word.as_str().map(str::to_owned)).collect())?
}

/// The certificate a token is bound to. A binding of another kind, or to more than a certificate, is nothing we can hold a
/// connection against, so such a token is refused instead of being taken as unbound.
fn cnf(object: &Once) -> Result<Option<Thumbprint>, ()> {
    let Some(value) = object.0.get("cnf") else { return Ok(None) };
    let members = value.as_object().ok_or(())?;
    let text = members.get("x5t#S256").filter(|_| members.len() == 1).and_then(Value::as_str).ok_or(())?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ())?;
    bytes.try_into().map(Some).map_err(|_| ())
}
