//! What a refused command is told: a published reason, the state it met, the moves that are legal now.

use std::fmt::Display;

crate::words! {
    /// Published reasons (`docs/errors.md` has a section for each; a test compares the two). Never reused.
    pub enum Reason {
        /// The caller may know the object but not do this to it.
        RoleNotAllowed = "ROLE_NOT_ALLOWED",
        /// The caller's station has no such part in the case.
        WrongSide = "WRONG_SIDE",
        /// Nobody acts for the other side.
        OtherOrganisation = "OTHER_ORGANISATION",
        /// From offer to takeover nobody both decides and signs on one form.
        DecidesAndSigns = "DECIDES_AND_SIGNS",
        /// Only the named signer of that side may sign.
        NotTheSigner = "NOT_THE_SIGNER",
        /// No such incident, or the caller may not know of it.
        IncidentNotFound = "INCIDENT_NOT_FOUND",
        /// The incident has no such handoff.
        HandoffNotFound = "HANDOFF_NOT_FOUND",
        /// No such station in the directory.
        StationNotFound = "STATION_NOT_FOUND",
        /// No such object of the directory, entry, support request, joint period or drill.
        ObjectNotFound = "OBJECT_NOT_FOUND",
        /// The incident id exists already.
        IncidentExists = "INCIDENT_EXISTS",
        /// The move is not legal in the state the case is in.
        MoveNotLegal = "MOVE_NOT_LEGAL",
        /// The state, form version or tenure the officer saw is no longer the case's.
        StaleVersion = "STALE_VERSION",
        /// The form misses required fields.
        FormIncomplete = "FORM_INCOMPLETE",
        /// Another handoff of the incident is open.
        HandoffOpen = "HANDOFF_OPEN",
        /// No unit assigned, no decision that none is needed, no support request out (invariant 2).
        NoUnitAssigned = "NO_UNIT_ASSIGNED",
        /// An incident cannot be handed to its own custodian.
        SameStation = "SAME_STATION",
        /// The agreed form's validity is over; agree again.
        AgreementExpired = "AGREEMENT_EXPIRED",
        /// The signature is over another statement than the agreed one.
        StatementMismatch = "STATEMENT_MISMATCH",
        /// The agreement in force asks for a stronger signature.
        LevelTooWeak = "LEVEL_TOO_WEAK",
        /// The key is not in the newest registry of the signer's organisation, is revoked there, or is not this
        /// signer's, for this role, of this level.
        KeyNotEnrolled = "KEY_NOT_ENROLLED",
        /// The key's signature does not hold under the statement.
        SignatureInvalid = "SIGNATURE_INVALID",
        /// The update of a key registry does not follow from the entries, or the registrars' signatures do not hold.
        RegistryInvalid = "REGISTRY_INVALID",
        /// This side has signed.
        AlreadySigned = "ALREADY_SIGNED",
        /// The code may not be used for this.
        CodeNotAllowed = "CODE_NOT_ALLOWED",
        /// Something is still owed.
        ObligationsLeft = "OBLIGATIONS_LEFT",
        /// The other side's move is not overdue yet.
        NotOverdue = "NOT_OVERDUE",
        /// The matter has not reached the common superior.
        NotAtSuperior = "NOT_AT_SUPERIOR",
        /// The receiver already stood by on this handoff, or for longer than allowed.
        StandByNotAllowed = "STAND_BY_NOT_ALLOWED",
        /// The former custodian adds entries; it changes none.
        EntryNotOwn = "ENTRY_NOT_OWN",
        /// The entry cannot be struck, or is struck.
        EntryNotStrikable = "ENTRY_NOT_STRIKABLE",
        /// Drill and real are never mixed.
        DrillMismatch = "DRILL_MISMATCH",
        /// The drill is not open for both stations now.
        DrillNotOpen = "DRILL_NOT_OPEN",
        /// No agreement between the two stations is in force.
        NoAgreement = "NO_AGREEMENT",
        /// The two incidents cannot be one.
        MergeNotPossible = "MERGE_NOT_POSSIBLE",
        /// The incident is an alias; act on its survivor.
        IncidentIsAlias = "INCIDENT_IS_ALIAS",
        /// A list or the incident itself has reached its limit.
        LimitExceeded = "LIMIT_EXCEEDED",
        /// A field is missing or malformed.
        InvalidField = "INVALID_FIELD",
        /// The request id was used for another request.
        RequestIdReused = "REQUEST_ID_REUSED",
        /// The part of the service is not built yet.
        NotImplemented = "NOT_IMPLEMENTED",
        /// No signed checkpoint covers what is asked for, or no policy of witnesses is configured.
        EvidenceNotReady = "EVIDENCE_NOT_READY",
        /// Too many requests wait; nothing was accepted.
        QueueFull = "QUEUE_FULL",
        /// This caller, its organisation or its connection asks more often than it may; nothing was accepted.
        RateLimited = "RATE_LIMITED",
        /// The service stops or its store is away; nothing was accepted.
        NotAccepted = "NOT_ACCEPTED",
        /// It is not known whether the command took effect; ask again with the same request id.
        OutcomeUnknown = "OUTCOME_UNKNOWN",
        /// No token, or one that does not hold.
        TokenInvalid = "TOKEN_INVALID",
        /// What a stream was opened under holds no longer: the token or the certificate was taken back or is over.
        AccessEnded = "ACCESS_ENDED",
        /// The resume token does not match the log.
        DataLoss = "DATA_LOSS",
        /// The resume or page token is malformed, or another's.
        CursorInvalid = "CURSOR_INVALID",
        /// The message is larger than allowed.
        MessageTooLarge = "MESSAGE_TOO_LARGE",
        /// The boundary file cannot be used.
        MapInvalid = "MAP_INVALID",
        /// The subscriber did not keep up.
        SubscriberTooSlow = "SUBSCRIBER_TOO_SLOW",
        /// The stream ended by design; resume from its token.
        StreamEnded = "STREAM_ENDED",
    }
}

/// Why a command was refused. Nothing was recorded but the answer itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused: {reason}")]
pub struct Refusal {
    /// The published reason.
    pub reason: Reason,
    /// Dotted paths of the fields it is about.
    pub fields: Vec<String>,
    /// Values for the message and for programs, by name.
    pub params: Vec<(&'static str, String)>,
    /// The state the command met: of the handoff where it is about one, else of the incident.
    pub state: Option<&'static str>,
    /// Moves the caller's side may make now.
    pub legal: Vec<&'static str>,
}

impl Refusal {
    /// A refusal with nothing but its reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self { reason, fields: Vec::new(), params: Vec::new(), state: None, legal: Vec::new() }
    }

    /// Names a field.
    #[must_use]
    pub fn field(mut self, path: &str) -> Self {
        self.fields.push(path.to_owned());
        self
    }

    /// Adds a value.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.params.push((name, value.to_string()));
        self
    }
}
