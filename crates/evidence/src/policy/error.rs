use crate::keys::{KeyFault, VkeyFault};

/// Why a text is no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct PolicyError {
    /// Number of the line, from 1; 0 where no line of a file is meant.
    pub line: usize,
    /// What is wrong there, and what to do about it.
    pub problem: Problem,
}

/// What is wrong with a line, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// More than [`BYTES_MAX`](super::BYTES_MAX).
    #[error("the file is longer than 65536 bytes; take out comments")]
    TooLong,
    /// The last line is not ended.
    #[error("the line has no end; end every line, the last one too, with LF")]
    NoLineEnd,
    /// A character that may not stand even in a comment: control characters, carriage return and tab among them, and
    /// those that change the direction of writing.
    #[error("the character U+{:04X} may not stand here; remove it (LF alone ends a line, a space separates)", u32::from(*.0))]
    Character(char),
    /// A letter outside ASCII in a line that is no plain comment.
    #[error("the letter {0:?} outside ASCII may stand in comments only; write the name in ASCII")]
    NotAscii(char),
    /// Spaces elsewhere than one between two items.
    #[error("spaces before, after, or two in a row; put exactly one between items")]
    Spacing,
    /// `#` inside a line.
    #[error("a # inside a line, which Sigsum's tools take for a comment; put comments on lines of their own")]
    InnerComment,
    /// The line begins with no known word.
    #[error("no such line; begin it with log, witness, group or quorum, or with # for a comment")]
    Unknown,
    /// A `# handoff` line that is none, or nearly one.
    #[error(
        "no such handoff line; write \"# handoff\" and log, recorder, registry, registrar or registrars, or begin a \
         plain comment with another word"
    )]
    UnknownHandoff,
    /// Too few or too many items.
    #[error("items missing or left over; write {0}")]
    Items(&'static str),
    /// No verifier key of the right type.
    #[error("{0}; take the verifier key again from whoever holds it")]
    Vkey(VkeyFault),
    /// Not 64 lower-case hexadecimal digits.
    #[error("not a key; write 64 lower-case hexadecimal digits")]
    KeyForm,
    /// No key one may trust.
    #[error("{0}; ask whoever holds it for a new one")]
    Key(KeyFault),
    /// One key, one role, one name.
    #[error("the key stands on line {0} already; make a key of its own for each role and name")]
    KeyTwice(usize),
    /// Two verifier keys of one name.
    #[error("the key's name stands on line {0} already; give each key a name of its own")]
    KeyNameTwice(usize),
    /// The log's name does not follow from its key.
    #[error("the log's name does not follow from its key; it must be {0}")]
    Origin(String),
    /// `none` as the name of a witness, group or member.
    #[error("\"none\" is the name of no quorum; choose another name")]
    Reserved,
    /// Two witnesses or groups of one name.
    #[error("the name stands on line {0} already; choose another")]
    NameTwice(usize),
    /// A member or quorum that no earlier line names.
    #[error("no earlier line names {0:?}; name witnesses and groups before they are used")]
    NameUnknown(String),
    /// A member of two groups, or twice of one: it would count twice.
    #[error("{0:?} is a member of a group already; each counts in one group only")]
    MemberTwice(String),
    /// Not 1 to the number of members.
    #[error("not all, any, or a whole number from 1 to {0}, the number of members")]
    Needs(usize),
    /// A second quorum.
    #[error("the quorum stands on line {0} already; keep one of the two")]
    QuorumTwice(usize),
    /// None at all.
    #[error("no quorum; add a line \"quorum NAME\", or \"quorum none\" to ask for no witness")]
    QuorumMissing,
    /// No organisation's name, or not its one spelling.
    #[error("not an organisation; write its code name, 1 to 64 letters, digits and - _ . :")]
    Org,
    /// The operator where an organisation with officers belongs.
    #[error("OP is the service itself and has no officers; only a recorder may be OP's")]
    Operator,
    /// No whole number.
    #[error("not a whole number; write it without sign and needless zeros, at most 9223372036854775807")]
    Number,
    /// Nothing lies between from and until.
    #[error("the range is empty; until is the first that no longer counts and must be larger than from")]
    RangeEmpty,
    /// Two recorders of one organisation for one index.
    #[error("the range overlaps that of line {0}; end the earlier key with \"until\" where this one begins")]
    Overlap(usize),
    /// A range of a log no earlier line lists.
    #[error("no earlier line lists this log; put its log line before")]
    LogUnknown,
    /// Two ranges of one log.
    #[error("the log has a range already; keep one of the two")]
    LogRangeTwice,
    /// No lower-case UUID.
    #[error("not the id of a stream; write a UUID in lower case with hyphens")]
    Stream,
    /// The stream of the log itself.
    #[error("this is the log's own stream; give the registry a UUID of its own")]
    LogStream,
    /// Two registries in one stream.
    #[error("the stream is that of line {0} already; give each organisation's registry a UUID of its own")]
    StreamTwice(usize),
    /// Two registries or two numbers for one organisation.
    #[error("the organisation has such a line already, line {0}; keep one of the two")]
    OrgTwice(usize),
    /// An organisation lacks a line that its others need.
    #[error(
        "the organisation {org} has no line \"# handoff {missing}\"; registry, registrars and registrar keys go together"
    )]
    Incomplete {
        /// The organisation.
        org: String,
        /// The word of the line it lacks.
        missing: &'static str,
    },
    /// Fewer than two signatures, or more than there are keys.
    #[error("{needed} of {keys} registrar keys; at least 2 must sign, and no more than there are")]
    RegistrarsNeeded {
        /// How many must sign.
        needed: u64,
        /// How many there are.
        keys: usize,
    },
    /// Parts that cannot be written: a name that reads back as something else.
    #[error("a name in these parts would be read back as something else; use names without spaces and line ends")]
    OtherParts,
}
