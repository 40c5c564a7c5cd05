//! Officers' keys, as far as rules need them (evidence, 7 and 8): what a registry says of a key, and that a signature by
//! it was looked at. Rules never see a signature.

use crate::caller::{Actor, Role};
use crate::ids::{Digest, OfficerId, StationId};
use crate::values::{Label, Level};

/// What a registry says of an active key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolled {
    /// Whose it is.
    pub officer: OfficerId,
    /// The officer's station.
    pub station: StationId,
    /// As what its officer may sign.
    pub roles: Vec<Role>,
    /// `device` or `passkey`.
    pub level: Level,
}

impl Enrolled {
    /// Whether this actor signs with its own key, at the level the key has, in a role the registrars gave it. A
    /// substitute or a supervisor may sign for another station of its organisation; a superior has none.
    #[must_use]
    pub fn may_sign_as(&self, actor: &Actor, level: Level, is_substitute: bool) -> bool {
        let elsewhere = is_substitute || actor.role == Role::Supervisor || actor.station.is_none();
        actor.officer.as_ref() == Some(&self.officer)
            && (elsewhere || actor.station.as_ref() == Some(&self.station))
            && self.level == level
            && self.roles.contains(&actor.role)
    }
}

/// A signature by a key of the caller's organisation, which was verified before the command is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedBy {
    /// Hash of the registry event the key was found under.
    pub reg: Digest,
    /// The key's id.
    pub key: Label,
    /// What was signed.
    pub statement: Digest,
    /// What the registry says of the key.
    pub enrolled: Enrolled,
}
