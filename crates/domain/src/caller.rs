//! Who asks: what a verified token or certificate says, and what stands in an event as its actor.

use crate::ids::{ClientId, Digest, OfficerId, OrgId, StationId, StationRef};

crate::words! {
    /// What a caller may be (design page *security*, 2).
    pub enum Role {
        /// A dispatch system: intake, alerts, units and their times, delivered; never a decision.
        Adapter = "adapter",
        /// Takes calls; the role under which a dispatcher's intake is recorded.
        CallTaker = "call_taker",
        /// Records, alerts, dispatches, drafts.
        Dispatcher = "dispatcher",
        /// Facts on scene; signs the own side's form.
        Responder = "responder",
        /// Decides on transfers for the own station.
        DutyOfficer = "duty_officer",
        /// The duty officer's powers for every station of the own organisation.
        Supervisor = "supervisor",
        /// Common to both stations; rules on what has reached it.
        Superior = "superior",
        /// Reads everything but caller data; reopens with a cause.
        Auditor = "auditor",
        /// Directory and configuration; nothing inside an incident.
        Admin = "admin",
        /// An organisation's witness: mirrors, checks and cosigns the log; nothing inside an incident (evidence, 6).
        Witness = "witness",
        /// The service itself: timers.
        Service = "service",
    }

    /// What an organisation is.
    pub enum OrgKind {
        /// Has stations.
        Party = "party",
        /// Common superior of parties.
        Superior = "superior",
        /// Checks cases.
        Audit = "audit",
        /// Runs the service.
        Operator = "operator",
    }
}

/// The operator's organisation under which the service records its own events (evidence, 3).
pub const OPERATOR: &str = "OP";

/// A verified caller. Built only by `server::auth` from a token, or by `engine` for the service itself; never
/// from a request body (security, 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The organisation the issuer is bound to.
    pub org: OrgId,
    /// What that organisation is.
    pub kind: OrgKind,
    /// The client program; with the organisation the scope of request ids.
    pub client: ClientId,
    /// The station named by the token; superiors, auditors and the service have none.
    pub station: Option<StationId>,
    /// The officer's pseudonym; a dispatch system has none.
    pub officer: Option<OfficerId>,
    /// Roles granted by the issuer and allowed to that organisation.
    pub roles: Vec<Role>,
}

impl Caller {
    /// Whether the issuer granted this role.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }
}

crate::record! {
    /// Who did it, as it stands in the event (evidence, 3). A key that does not apply is absent.
    pub struct Actor {
        /// Organisation.
        pub org: OrgId,
        /// Station acted for.
        pub station: Option<StationId>,
        /// The officer's pseudonym.
        pub officer: Option<OfficerId>,
        /// The role acted in.
        pub role: Role,
        /// Hash of the registry event the actor was checked against; absent until the registry exists.
        pub reg: Option<Digest>,
    }
}

impl Actor {
    /// The service itself.
    ///
    /// # Panics
    /// Never: the operator's code name is a legal name, checked by a test.
    #[must_use]
    pub fn service() -> Self {
        #[expect(clippy::expect_used, reason = "a constant, checked by a test")]
        let org = OrgId::new(OPERATOR).expect("the operator's code name is legal");
        Self { org, station: None, officer: None, role: Role::Service, reg: None }
    }

    /// The station acted for, with its organisation.
    #[must_use]
    pub fn seat(&self) -> Option<StationRef> {
        self.station.clone().map(|station| StationRef { org: self.org.clone(), station })
    }

    /// Whether this is a person, not a machine or the service.
    #[must_use]
    pub fn is_person(&self) -> bool {
        self.officer.is_some() && !matches!(self.role, Role::Adapter | Role::Service)
    }

    /// Whether this actor acts for that station.
    #[must_use]
    pub fn is_at(&self, seat: &StationRef) -> bool {
        self.org == seat.org && self.station.as_ref() == Some(&seat.station)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_service_has_an_actor() {
        assert_eq!(super::Actor::service().org.as_str(), super::OPERATOR);
    }
}
