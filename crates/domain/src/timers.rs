//! How long each move may take: the rule set's defaults and what an agreement changes (product, *Obligations and
//! timers*). Times are milliseconds.

use crate::node::{FromNode, Malformed, Node, ToNode};
use crate::time::{HOUR, MINUTE, SECOND};
use std::borrow::Cow;
use std::collections::BTreeMap;

crate::words! {
    /// What somebody can owe. The word is the name of the obligation and of its timer.
    pub enum Duty {
        /// Send a unit.
        Dispatch = "dispatch",
        /// Get a unit to the scene.
        OnScene = "on_scene",
        /// Declare the incident handled, or say a word about it.
        Handled = "handled",
        /// See the alert.
        AlertSeen = "alert_seen",
        /// The receiver's system takes the offer in.
        OfferDelivered = "offer_delivered",
        /// The receiving duty officer looks at the offer.
        OfferSeen = "offer_seen",
        /// The receiving duty officer decides on the offer.
        Decide = "decide",
        /// The offerer answers a counter.
        AnswerCounter = "answer_counter",
        /// The offerer answers a decline.
        AnswerDecline = "answer_decline",
        /// The custodian answers a claim.
        AnswerClaim = "answer_claim",
        /// The claimant answers a refusal of its claim.
        AnswerRefusal = "answer_refusal",
        /// One side's signer signs.
        Sign = "sign",
        /// The receiving duty officer takes over.
        TakeOver = "take_over",
        /// The receiver acknowledges a recall.
        RecallReceipt = "recall_receipt",
        /// The custodian's first word to the confirmer.
        FirstFeedback = "first_feedback",
        /// The custodian's final result.
        FinalFeedback = "final_feedback",
        /// The confirmer confirms or contests.
        Confirm = "confirm",
        /// The asked station answers a request for support.
        SupportAnswer = "support_answer",
        /// The other side answers a proposal about the lead.
        LeadAnswer = "lead_answer",
        /// The other side answers joint handling or a proposal to end it.
        JointAnswer = "joint_answer",
        /// One side states its position in a dispute.
        Position = "position",
        /// The superior rules.
        Ruling = "ruling",
        /// The custodian answers an objection of the side whose ground it is.
        AnswerObjection = "answer_objection",
        /// The other custodian answers a proposal to merge.
        MergeAnswer = "merge_answer",
        /// The custodian's duty officer closes.
        Close = "close",
    }
}

impl Duty {
    /// Default time in milliseconds, urgent and normal.
    #[must_use]
    pub const fn default_ms(self) -> (i64, i64) {
        match self {
            Self::Dispatch | Self::AlertSeen | Self::OfferSeen => (60 * SECOND, 5 * MINUTE),
            Self::OnScene => (10 * MINUTE, 30 * MINUTE),
            Self::Handled => (2 * HOUR, 2 * HOUR),
            Self::OfferDelivered => (10 * SECOND, 10 * SECOND),
            Self::Decide | Self::SupportAnswer => (3 * MINUTE, 15 * MINUTE),
            Self::AnswerCounter | Self::AnswerDecline | Self::AnswerClaim | Self::AnswerRefusal | Self::MergeAnswer => {
                (5 * MINUTE, 5 * MINUTE)
            }
            Self::Sign => (30 * MINUTE, 30 * MINUTE),
            Self::TakeOver => (2 * MINUTE, 2 * MINUTE),
            Self::RecallReceipt | Self::LeadAnswer | Self::JointAnswer => (60 * SECOND, 60 * SECOND),
            Self::FirstFeedback => (60 * MINUTE, 60 * MINUTE),
            Self::FinalFeedback | Self::Confirm | Self::Close | Self::AnswerObjection => (24 * HOUR, 24 * HOUR),
            Self::Position => (15 * MINUTE, 15 * MINUTE),
            Self::Ruling => (2 * HOUR, 2 * HOUR),
        }
    }
}

impl Duty {
    /// Whether its last rung asks the common superior. An offer no system takes in climbs within a minute to "phone
    /// them", which is nobody's ruling and opens no case to the superior: the silence that follows does, as *decide*.
    #[must_use]
    pub const fn goes_to_superior(self) -> bool {
        !matches!(self, Self::OfferDelivered)
    }
}

crate::words! {
    /// How far an overdue obligation has gone up.
    pub enum Rung {
        /// With the role that owes it.
        Duty = "duty",
        /// With that station's supervisor.
        Supervisor = "supervisor",
        /// With the supervisors of both sides.
        BothSupervisors = "both_supervisors",
        /// With the common superior; the last rung.
        Superior = "superior",
    }
}

impl Rung {
    /// The next one up; the superior's has none.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self {
            Self::Duty => Some(Self::Supervisor),
            Self::Supervisor => Some(Self::BothSupervisors),
            Self::BothSupervisors => Some(Self::Superior),
            Self::Superior => None,
        }
    }
}

/// How long each rung has before the next hears of it: urgent and normal. The practice names no figure; these are
/// the rule set's, and an agreement may set its own.
pub const RUNG_MS: (i64, i64) = (3 * MINUTE, 15 * MINUTE);

/// An offer nobody's system takes in climbs by its own clock: resend at 10 s, the offerer hears at 30 s, "phone
/// them" with the printed form at 60 s (product, *Obligations and timers*). Milliseconds after the rung before.
pub const DELIVERY_RUNGS_MS: [i64; 2] = [20 * SECOND, 30 * SECOND];

/// From what age at the first offer an incident is too old to be handed over, urgent and normal. The practice names no
/// figure; this is the rule set's, and an agreement may set its own.
pub const TOO_OLD_MS: (i64, i64) = (72 * HOUR, 72 * HOUR);
/// How long an agreed form stays valid unless the agreement says otherwise (product, *Handoff*).
pub const AGREED_VALID_MS: i64 = 2 * HOUR;
/// Longest stand-by, urgent and normal.
pub const STAND_BY_MAX_MS: (i64, i64) = (15 * MINUTE, 2 * HOUR);
/// A final result not given is owed again after this.
pub const FINAL_FEEDBACK_AGAIN_MS: i64 = 72 * HOUR;
/// How long the side whose ground it is may object to a closing without handoff.
pub const OBJECT_WITHIN_MS: i64 = 24 * HOUR;

/// Timers that differ from the defaults: name of the duty (or `rung`, `agreed_valid`, `too_old`) to (urgent, normal).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Timers(BTreeMap<String, (i64, i64)>);

/// Name of the timer of one rung.
pub const TIMER_RUNG: &str = "rung";
/// Name of the timer of an agreed form's validity.
pub const TIMER_AGREED_VALID: &str = "agreed_valid";
/// Name of the timer of the age at which an incident is too old for a first offer.
pub const TIMER_TOO_OLD: &str = "too_old";
/// Shortest timer an agreement may set.
pub const TIMER_MIN_MS: i64 = SECOND;
/// Longest timer an agreement may set.
pub const TIMER_MAX_MS: i64 = 60 * crate::time::DAY;

impl Timers {
    /// Sets one timer. `false` when the name is unknown or a time outside [`TIMER_MIN_MS`] to [`TIMER_MAX_MS`].
    pub fn set(&mut self, name: &str, urgent_ms: i64, normal_ms: i64) -> bool {
        let known = [TIMER_RUNG, TIMER_AGREED_VALID, TIMER_TOO_OLD].contains(&name) || Duty::parse(name).is_some();
        let legal = [urgent_ms, normal_ms].iter().all(|ms| (TIMER_MIN_MS..=TIMER_MAX_MS).contains(ms));
        if known && legal {
            self.0.insert(name.to_owned(), (urgent_ms, normal_ms));
        }
        known && legal
    }

    /// Whether every timer is the default.
    #[must_use]
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// The changed timers: name, urgent and normal milliseconds.
    pub fn changes(&self) -> impl Iterator<Item = (&str, i64, i64)> {
        self.0.iter().map(|(name, (urgent, normal))| (name.as_str(), *urgent, *normal))
    }

    fn pick(&self, name: &str, default: (i64, i64), urgent: bool) -> i64 {
        let (if_urgent, if_normal) = self.0.get(name).copied().unwrap_or(default);
        if urgent { if_urgent } else { if_normal }
    }

    /// Time for one duty.
    #[must_use]
    pub fn ms(&self, duty: Duty, urgent: bool) -> i64 {
        self.pick(duty.as_str(), duty.default_ms(), urgent)
    }

    /// Time an obligation stays on `rung` after becoming overdue there.
    #[must_use]
    pub fn rung_ms(&self, duty: Duty, rung: Rung, urgent: bool) -> i64 {
        match (duty, rung) {
            (Duty::OfferDelivered, Rung::Duty) => DELIVERY_RUNGS_MS[0],
            (Duty::OfferDelivered, Rung::Supervisor) => DELIVERY_RUNGS_MS[1],
            (_, Rung::Duty | Rung::Supervisor | Rung::BothSupervisors | Rung::Superior) => {
                self.pick(TIMER_RUNG, RUNG_MS, urgent)
            }
        }
    }

    /// From what age an incident is too old to be offered for the first time.
    #[must_use]
    pub fn too_old_ms(&self, urgent: bool) -> i64 {
        self.pick(TIMER_TOO_OLD, TOO_OLD_MS, urgent)
    }

    /// How long an agreed form stays valid.
    #[must_use]
    pub fn agreed_valid_ms(&self, urgent: bool) -> i64 {
        self.pick(TIMER_AGREED_VALID, (AGREED_VALID_MS, AGREED_VALID_MS), urgent)
    }
}

impl ToNode for Timers {
    fn to_node(&self) -> Option<Node> {
        let int = |ms: i64| Node::Int(u64::try_from(ms).unwrap_or(0));
        let pairs = self
            .0
            .iter()
            .map(|(name, (urgent, normal))| (Cow::Owned(name.clone()), Node::List(vec![int(*urgent), int(*normal)])));
        (!self.0.is_empty()).then(|| Node::Map(pairs.collect()))
    }
}

impl FromNode for Timers {
    fn from_node(node: Node, path: &str) -> Result<Self, Malformed> {
        let wrong = || Malformed::new(path, "timers by name, each [urgent, normal] in milliseconds");
        let Node::Map(pairs) = node else { return Err(wrong()) };
        let mut timers = Self::default();
        for (name, value) in pairs {
            let both: Vec<u64> = FromNode::from_node(value, path)?;
            let [urgent, normal] = both[..] else { return Err(wrong()) };
            let ms = |value: u64| i64::try_from(value).map_err(|_| wrong());
            if !timers.set(&name, ms(urgent)?, ms(normal)?) {
                return Err(wrong());
            }
        }
        if timers.is_default() { Err(wrong()) } else { Ok(timers) }
    }
}
