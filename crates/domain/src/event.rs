//! Every fact the log can hold. Names and fields here are the event schema `handoff-event/1`; they are meant to
//! last. A field that does not apply is absent; a personal value is only its digest.

pub mod directory;
pub mod handoff;
pub mod incident;

use crate::caller::Actor;
use crate::ids::IncidentId;
use crate::node::{FromNode, Malformed, Node, ToNode};
use crate::time::Millis;
use directory::*;
use handoff::*;
use incident::*;

/// Schema version and rule set of every event this build writes.
pub const SCHEMA: &str = "handoff-event/1";

/// Declares the closed list of event types.
macro_rules! bodies {
    ($( $text:literal => $variant:ident ),* $(,)?) => {
        /// What happened, with its facts.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[expect(clippy::large_enum_variant, reason = "an offer holds the whole form; few events live at a time")]
        pub enum Body { $(
            #[doc = concat!("`", $text, "`")]
            $variant($variant)
        ),* }

        impl Body {
            /// Every type name, in the order of this list.
            pub const TYPES: &'static [&'static str] = &[ $( $text ),* ];

            /// The type's name in event bytes.
            #[must_use]
            pub const fn type_name(&self) -> &'static str {
                match self { $( Self::$variant(_) => $text ),* }
            }

            /// The facts as a tree.
            #[must_use]
            pub fn to_node(&self) -> Node {
                match self { $( Self::$variant(body) => body.to_node() ),* }.unwrap_or(Node::Map(Vec::new()))
            }

            /// Reads the facts of a type.
            ///
            /// # Errors
            /// [`Malformed`] when the type is unknown or a field has another shape.
            pub fn from_node(type_name: &str, node: Node) -> Result<Self, Malformed> {
                match type_name {
                    $( $text => $variant::from_node(node, "").map(Self::$variant), )*
                    _ => Err(Malformed::new("type", "an event type of this version")),
                }
            }
        }

        $( impl From<$variant> for Body {
            fn from(body: $variant) -> Self { Self::$variant(body) }
        } )*
    };
}

bodies! {
    "log_opened" => LogOpened,
    "log_fenced" => LogFenced,
    "station_set" => StationSet,
    "post_set" => PostSet,
    "unit_set" => UnitSet,
    "officer_set" => OfficerSet,
    "agreement_proposed" => AgreementProposed,
    "agreement_ratified" => AgreementRatified,
    "catalogue_set" => CatalogueSet,
    "map_published" => MapPublished,
    "map_ratified" => MapRatified,
    "registry_updated" => RegistryUpdated,
    "shift_begun" => ShiftBegun,
    "drill_opened" => DrillOpened,
    "drill_joined" => DrillJoined,
    "drill_ended" => DrillEnded,

    "received" => Received,
    "call_added" => CallAdded,
    "noted" => Noted,
    "told_by_phone" => ToldByPhone,
    "place_added" => PlaceAdded,
    "details_changed" => DetailsChanged,
    "label_added" => LabelAdded,
    "alerted" => Alerted,
    "alert_delivered" => AlertDelivered,
    "alert_seen" => AlertSeen,
    "alert_answered" => AlertAnswered,
    "unit_reported" => UnitReported,
    "handled" => Handled,
    "struck" => Struck,
    "closed" => Closed,
    "objected" => Objected,
    "reopened" => Reopened,
    "escalated" => Escalated,
    "acknowledged" => Acknowledged,
    "caller_opened" => CallerOpened,
    "erased" => Erased,
    "support_requested" => SupportRequested,
    "support_answered" => SupportAnswered,
    "support_recalled" => SupportRecalled,
    "support_ended" => SupportEnded,
    "joint_declared" => JointDeclared,
    "joint_acknowledged" => JointAcknowledged,
    "lead_asked" => LeadAsked,
    "lead_answered" => LeadAnswered,
    "joint_end_proposed" => JointEndProposed,
    "joint_end_answered" => JointEndAnswered,
    "merge_proposed" => MergeProposed,
    "merge_refused" => MergeRefused,
    "merged" => Merged,
    "unmerged" => Unmerged,
    "split_off" => SplitOff,
    "linked" => Linked,

    "claimed" => Claimed,
    "claim_refused" => ClaimRefused,
    "claim_dropped" => ClaimDropped,
    "offered" => Offered,
    "revised" => Revised,
    "delivered" => Delivered,
    "seen" => Seen,
    "stood_by" => StoodBy,
    "countered" => Countered,
    "declined" => Declined,
    "agreed" => Agreed,
    "signed" => Signed,
    "signature_refused" => SignatureRefused,
    "substitute_named" => SubstituteNamed,
    "withdrawn" => Withdrawn,
    "recalled" => Recalled,
    "recall_received" => RecallReceived,
    "kept" => Kept,
    "disputed" => Disputed,
    "position_stated" => PositionStated,
    "settlement_proposed" => SettlementProposed,
    "settled" => Settled,
    "dispute_withdrawn" => DisputeWithdrawn,
    "ruling_proposed" => RulingProposed,
    "ruled" => Ruled,
    "taken_over" => TakenOver,
    "feedback_given" => FeedbackGiven,
    "reported" => Reported,
    "report_taken_back" => ReportTakenBack,
    "contested" => Contested,
    "confirmed" => Confirmed,
}

/// One fact of one stream, as recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The incident, or the stream of the directory or the log.
    pub incident: IncidentId,
    /// 1, 2, 3 … within the stream; equals the incident's version after the event.
    pub seq: u64,
    /// Recorded time, by the service's clock.
    pub at: Millis,
    /// The caller's time, shown beside; never orders anything.
    pub claimed_at: Option<Millis>,
    /// Who.
    pub actor: Actor,
    /// What.
    pub body: Body,
}
