//! Published codes the rules themselves know. Others, also those of a newer peer, pass through unchanged.

use crate::values::Code;

/// Kinds of incidents (product, *Words*). Others are stored and flagged.
pub const KINDS: &[&str] = &["emergency", "joint_case", "assistance", "dispute", "hazard"];
/// Datums the territory module converts. Others are stored and flagged.
pub const DATUMS: &[&str] = &["WGS84", "CGCS2000", "GCJ02"];

/// Codes under which an incident is handled without a unit on scene (product, *Incident*).
pub const HANDLED_WITHOUT_UNIT: &[&str] = &[
    "ADVICE_BY_PHONE",
    "FALSE_ALARM",
    "CANCELLED_BY_CALLER",
    "GONE_ON_ARRIVAL",
    "ATTENDED_BY_OTHER",
    "REFERRED_OUTSIDE",
];
/// Handled by handing the caller on to somebody outside the service; names who took it.
pub const REFERRED_OUTSIDE: &str = "REFERRED_OUTSIDE";

/// Declined: the ground is another's, who is named.
pub const NOT_OUR_TERRITORY: &str = "NOT_OUR_TERRITORY";
/// Declined: the declining station has the same incident already; is itself the proposal to merge.
pub const DUPLICATE_OF: &str = "DUPLICATE_OF";
/// Declined: too old at the first offer, which the rules check.
pub const TOO_OLD: &str = "TOO_OLD";
/// No reason to decline: it becomes a request for support.
pub const NO_CAPACITY: &str = "NO_CAPACITY";
/// Countered: fields are missing, which are named.
pub const INSUFFICIENT_DATA: &str = "INSUFFICIENT_DATA";
/// Countered: for a reason of its own, which is written down.
pub const OTHER: &str = "OTHER";

/// A note: the custodian still works on it.
pub const WORD: &str = "WORD";
/// A note: the custodian's duty officer has answered the objection to the closing.
pub const OBJECTION_ANSWERED: &str = "OBJECTION_ANSWERED";

/// Flag: nothing of the field could be mapped.
pub const UNMAPPED: Code = Code::of("UNMAPPED");
/// Flag: the place cannot be trusted.
pub const UNTRUSTED: Code = Code::of("UNTRUSTED");
/// Flag: the unit's time contradicts the order of its statuses.
pub const INVERTED_TIME: Code = Code::of("INVERTED_TIME");
/// Flag: entered more than five minutes after its claimed time.
pub const LATE_ENTRY: Code = Code::of("LATE_ENTRY");
