//! Names of things. A local number is a label and never stands here.

use crate::node::{FromNode, Malformed, Node, ToNode};
use uuid::Uuid;

/// Declares an id that is a UUID.
macro_rules! uuid_ids {
    ($( $(#[$meta:meta])* $name:ident ),* $(,)?) => { $(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{}", self.0.as_hyphenated()) }
        }

        impl ToNode for $name {
            fn to_node(&self) -> Option<Node> { Some(Node::Text(self.to_string())) }
        }

        impl FromNode for $name {
            fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
                let text = String::from_node(node, path)?;
                match Uuid::try_parse(&text) {
                    // Upper case, braces and the URN form name the same id in other bytes: refused.
                    Ok(id) if id.as_hyphenated().to_string() == text => Ok(Self(id)),
                    Ok(_) | Err(_) => Err(Malformed::new(path, "a lower-case UUID")),
                }
            }
        }
    )* };
}

uuid_ids! {
    /// One incident for both sides, for ever; minted by the first receiver's system (product, *Incident*).
    /// Streams of the directory and of the log itself share this type: each is a chain of its own.
    IncidentId,
    /// One handoff of one incident.
    HandoffId,
    /// One sending of one unit to one incident; the same unit sent again is another deployment.
    DeploymentId,
    /// One request for support.
    SupportId,
    /// One period of joint handling.
    JointId,
    /// One agreement between two stations.
    AgreementId,
    /// One boundary map, over all its versions.
    MapId,
    /// One exercise.
    DrillId,
    /// What an obligation belongs to inside its incident: a handoff, a support request, a joint period, or the
    /// other incident of a merge.
    Scope,
}

/// The log's own stream, whose first entry is `log_opened` at position 0 (evidence, 3).
pub const LOG_STREAM: IncidentId = IncidentId(Uuid::from_u128(0x0000_0000_0000_8000_8000_0000_0000_0000));

impl From<HandoffId> for Scope {
    fn from(id: HandoffId) -> Self {
        Self(id.0)
    }
}

impl From<SupportId> for Scope {
    fn from(id: SupportId) -> Self {
        Self(id.0)
    }
}

impl From<JointId> for Scope {
    fn from(id: JointId) -> Self {
        Self(id.0)
    }
}

impl From<IncidentId> for Scope {
    fn from(id: IncidentId) -> Self {
        Self(id.0)
    }
}

/// Longest code name of an organisation, station, unit, officer or client, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Declares an id that is a short code name.
macro_rules! name_ids {
    ($( $(#[$meta:meta])* $name:ident ),* $(,)?) => { $(
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name, if it is 1 to [`NAME_BYTES_MAX`] bytes of ASCII letters, digits and `- _ . :`,
            /// beginning with a letter or digit.
            #[must_use]
            pub fn new(text: &str) -> Option<Self> { is_name(text).then(|| Self(text.into())) }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str { &self.0 }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(&self.0) }
        }

        impl ToNode for $name {
            fn to_node(&self) -> Option<Node> { Some(Node::Text(self.0.to_string())) }
        }

        impl FromNode for $name {
            fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
                Self::new(&String::from_node(node, path)?)
                    .ok_or_else(|| Malformed::new(path, "a name of 1 to 64 letters, digits and - _ . :"))
            }
        }
    )* };
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=NAME_BYTES_MAX).contains(&bytes.len())
        && bytes[0].is_ascii_alphanumeric()
        && bytes.iter().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':'))
}

name_ids! {
    /// An organisation: a trust domain with its own issuer and keys.
    OrgId,
    /// A station of one organisation.
    StationId,
    /// A unit of one station.
    UnitId,
    /// An officer's pseudonym; never a name.
    OfficerId,
    /// A client program of one organisation, as its token or certificate names it.
    ClientId,
}

crate::record! {
    /// A station and the organisation it belongs to: rules about sides need both.
    pub struct StationRef {
        /// The organisation.
        pub org: OrgId,
        /// Its station.
        pub station: StationId,
    }

    /// Which version of which boundary map an answer was given under.
    pub struct MapRef {
        /// The map.
        pub id: MapId,
        /// Its version, from 1.
        pub version: u64,
    }
}

impl PartialOrd for StationRef {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for StationRef {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (&self.org, &self.station).cmp(&(&other.org, &other.station))
    }
}

impl std::hash::Hash for StationRef {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (&self.org, &self.station).hash(state);
    }
}

impl std::fmt::Display for StationRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.org, self.station)
    }
}

/// SHA-256 of something, made elsewhere: `domain` compares digests and never computes one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Digest {
    /// Reads `sha256:` and 64 lower-case hexadecimal digits; any other spelling is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix("sha256:")?.as_bytes();
        let nibble = |c: u8| match c {
            b'0'..=b'9' => Some(c - b'0'),
            b'a'..=b'f' => Some(c - b'a' + 10),
            _ => None,
        };
        if hex.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Some(Self(bytes))
    }
}

impl ToNode for Digest {
    fn to_node(&self) -> Option<Node> {
        Some(Node::Text(self.to_string()))
    }
}

impl FromNode for Digest {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        Self::parse(&String::from_node(node, path)?)
            .ok_or_else(|| Malformed::new(path, "sha256: and 64 lower-case hexadecimal digits"))
    }
}
