//! How names and words of the domain, which knows no serde, stand in TOML.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How a code name stands in TOML, by its type.
macro_rules! code_name {
    ($( $(#[$meta:meta])* $name:ident: $kind:ident ),* $(,)?) => { $(
        $(#[$meta])*
        pub(super) mod $name {
            use super::*;
            use handoff_domain::ids::$kind;

            pub(crate) fn serialize<S: Serializer>(id: &$kind, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(id.as_str())
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$kind, D::Error> {
                let text = String::deserialize(from)?;
                $kind::new(&text).ok_or_else(|| {
                    D::Error::custom("expected 1 to 64 letters, digits and - _ . :, beginning with a letter or digit")
                })
            }
        }
    )* };
}

code_name! {
    /// An organisation.
    org_id: OrgId,
    /// A client program.
    client_id: ClientId,
}

/// A station, where one is named.
pub(super) mod station {
    use super::*;
    use handoff_domain::ids::StationId;

    pub(crate) fn serialize<S: Serializer>(id: &Option<StationId>, to: S) -> Result<S::Ok, S::Error> {
        id.as_ref().map(StationId::as_str).serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<StationId>, D::Error> {
        let text = String::deserialize(from)?;
        StationId::new(&text).map(Some).ok_or_else(|| D::Error::custom("expected the code name of a station"))
    }
}

/// What an organisation is.
pub(super) mod org_kind {
    use super::*;
    use handoff_domain::caller::OrgKind;

    pub(crate) fn serialize<S: Serializer>(kind: &OrgKind, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(kind.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OrgKind, D::Error> {
        let text = String::deserialize(from)?;
        let known = OrgKind::ALL.iter().map(|kind| kind.as_str());
        OrgKind::parse(&text).ok_or_else(|| D::Error::custom(one_of(known)))
    }
}

/// A list of roles.
pub(super) mod roles {
    use super::*;
    use handoff_domain::caller::Role;

    pub(crate) fn serialize<S: Serializer>(roles: &[Role], to: S) -> Result<S::Ok, S::Error> {
        roles.iter().map(|role| role.as_str()).collect::<Vec<_>>().serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Role>, D::Error> {
        let read = |text: String| {
            let known = Role::ALL.iter().filter(|role| **role != Role::Service).map(|role| role.as_str());
            Role::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}`: {}", one_of(known))))
        };
        Vec::<String>::deserialize(from)?.into_iter().map(read).collect()
    }
}

fn one_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    format!("expected one of {}", words.collect::<Vec<_>>().join(", "))
}
