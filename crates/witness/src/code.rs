//! Why a witness does not sign. The words are stable: the service shows them, alarms keep them, operators look them up.

handoff_domain::words! {
    /// A refusal's code.
    pub enum Code {
        /// The entry's index does not follow on the one before.
        Index = "INDEX",
        /// The leaf is not 128 bytes.
        LeafForm = "LEAF_FORM",
        /// The leaf is that of another event, or its signature does not verify.
        LeafSignature = "LEAF_SIGNATURE",
        /// The leaf is not signed by the recorder key the policy gives the event's organisation at that index, or the
        /// policy gives it none.
        WrongSubmitter = "WRONG_SUBMITTER",
        /// The bytes are not canonical JSON of the profile (evidence, 3).
        Profile = "PROFILE",
        /// Another schema version than this witness knows: upgrade witnesses first.
        UnknownVersion = "UNKNOWN_VERSION",
        /// An event type this version does not have.
        UnknownType = "UNKNOWN_TYPE",
        /// A key of envelope or body is missing, one too many, or of another shape.
        Schema = "SCHEMA",
        /// `seq` or `prev` does not follow on the stream's last event.
        Chain = "CHAIN",
        /// The lifecycle rules do not allow the event.
        IllegalTransition = "ILLEGAL_TRANSITION",
        /// A sign-off is over another statement than the log gives, or an agreement fixes another form than the one on
        /// the table.
        Statement = "STATEMENT",
        /// A sign-off is weaker than the agreement asks.
        Level = "LEVEL",
        /// An event claims an officer's signature that cannot be verified.
        Signature = "SIGNATURE",
        /// The actor was not checked against the newest registry of its organisation.
        StaleReg = "STALE_REG",
        /// An update of a registry of keys does not follow: its registrars did not sign it, its entries do not give the
        /// root, or it stands in another stream than the policy's.
        Registry = "REGISTRY",
        /// The recorded time is before that of an earlier entry.
        TimeRunsBack = "TIME_RUNS_BACK",
        /// Entry 0 does not open the log of this policy, another entry opens one, or the checkpoint is another log's.
        NotTheLog = "NOT_THE_LOG",
        /// The checkpoint is no signed note in its one spelling.
        CheckpointForm = "CHECKPOINT_FORM",
        /// The log's signature under the checkpoint does not verify.
        CheckpointSignature = "CHECKPOINT_SIGNATURE",
        /// The policy does not rule this size of the log.
        PolicyRange = "POLICY_RANGE",
        /// The checkpoint covers more or fewer entries than were sent.
        SizeDiffers = "SIZE_DIFFERS",
        /// The checkpoint's root is not that of the entries.
        RootDiffers = "ROOT_DIFFERS",
        /// A checkpoint contradicts an earlier one that the log signed too: proof of two histories.
        Fork = "FORK",
        /// The checkpoint is older than one this witness stands by.
        Rollback = "ROLLBACK",
        /// Nothing has been heard of the log for a minute. Never told to the service.
        Silent = "SILENT",
    }
}

/// A refusal with what it is about. What proves it is kept beside it in the mirror's alarms.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} at entry {index}: {detail}")]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// The first entry that is refused.
    pub index: u64,
    /// In words, for whoever looks after the witness.
    pub detail: String,
}

impl Refusal {
    /// A refusal.
    pub(crate) fn new(code: Code, index: u64, detail: impl Into<String>) -> Self {
        Self { code, index, detail: detail.into() }
    }
}
