//! How names and words of the domain, which knows no serde, stand in TOML.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A code name of an organisation.
pub(super) mod org_id {
    use super::*;
    use handoff_domain::ids::OrgId;

    pub(crate) fn serialize<S: Serializer>(id: &OrgId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(id.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OrgId, D::Error> {
        let text = String::deserialize(from)?;
        OrgId::new(&text).ok_or_else(|| {
            D::Error::custom("expected 1 to 64 letters, digits and - _ . :, beginning with a letter or digit")
        })
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
