//! The only table from a refusal to a gRPC status.
//!
//! Every status made here carries exactly one `ErrorInfo` (domain [`DOMAIN`], the published reason, every value of the
//! text in its metadata, with `state` and `legal_moves` where there are some), and the message twice: in English,
//! which is also the status' own text, and in Chinese. Bad fields, what has to be true first, and when to come back
//! stand in the standard details. `docs/errors.md` has one section per reason; a test compares the two.

#[cfg(test)]
mod tests;
mod text;

use handoff_domain::refusal::{Reason, Refusal};
use prost::Message;
use prost_types::Any;
use std::collections::BTreeMap;
use std::time::Duration;
use tonic::{Code, Status};
use tonic_types::pb::{self, bad_request, precondition_failure};

/// Domain of every `ErrorInfo`: a reason means something within it only.
pub const DOMAIN: &str = "handoff.v1";
/// Field violations one status carries; details travel in a header, and clients take 8 KiB of those.
pub const VIOLATIONS_MAX: usize = 16;
/// Longest value in metadata or text, in characters; what is beyond is cut off with `…`.
pub const VALUE_CHARS_MAX: usize = 200;
/// The two languages of every message.
const LANGUAGES: [&str; 2] = ["en", "zh-CN"];

/// Whether a client may send the same again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// No: the same again gets the same answer.
    No,
    /// Yes, after the time in `RetryInfo`, with the same request id.
    Later,
    /// Not the same: read the current state, then decide anew, with a new request id.
    Reread,
}

impl Retry {
    /// As `docs/errors.md` says it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Later => "later",
            Self::Reread => "reread",
        }
    }
}

/// The gRPC code of a reason. What the caller may not know exists is NOT_FOUND; what it may know but not touch is
/// PERMISSION_DENIED; a stale version is ABORTED; an illegal move is FAILED_PRECONDITION.
#[must_use]
pub const fn code(reason: Reason) -> Code {
    match reason {
        Reason::RoleNotAllowed
        | Reason::WrongSide
        | Reason::OtherOrganisation
        | Reason::DecidesAndSigns
        | Reason::NotTheSigner
        | Reason::EntryNotOwn
        | Reason::AccessEnded => Code::PermissionDenied,
        Reason::IncidentNotFound | Reason::HandoffNotFound | Reason::StationNotFound | Reason::ObjectNotFound => {
            Code::NotFound
        }
        Reason::IncidentExists => Code::AlreadyExists,
        Reason::StaleVersion => Code::Aborted,
        Reason::MoveNotLegal
        | Reason::FormIncomplete
        | Reason::HandoffOpen
        | Reason::NoUnitAssigned
        | Reason::SameStation
        | Reason::AgreementExpired
        | Reason::StatementMismatch
        | Reason::LevelTooWeak
        | Reason::KeyNotEnrolled
        | Reason::AlreadySigned
        | Reason::ObligationsLeft
        | Reason::NotOverdue
        | Reason::NotAtSuperior
        | Reason::StandByNotAllowed
        | Reason::EntryNotStrikable
        | Reason::DrillMismatch
        | Reason::DrillNotOpen
        | Reason::NoAgreement
        | Reason::MergeNotPossible
        | Reason::IncidentIsAlias
        | Reason::LimitExceeded => Code::FailedPrecondition,
        Reason::CodeNotAllowed
        | Reason::InvalidField
        | Reason::RequestIdReused
        | Reason::CursorInvalid
        | Reason::SignatureInvalid
        | Reason::RegistryInvalid
        | Reason::MapInvalid => Code::InvalidArgument,
        Reason::NotImplemented => Code::Unimplemented,
        Reason::QueueFull | Reason::RateLimited | Reason::MessageTooLarge | Reason::SubscriberTooSlow => {
            Code::ResourceExhausted
        }
        Reason::NotAccepted | Reason::OutcomeUnknown | Reason::StreamEnded | Reason::EvidenceNotReady => {
            Code::Unavailable
        }
        Reason::TokenInvalid => Code::Unauthenticated,
        Reason::DataLoss => Code::DataLoss,
    }
}

/// Whether a client may send the same again after this reason.
#[must_use]
pub const fn retry(reason: Reason) -> Retry {
    match (wait(reason), code(reason), reason) {
        (Some(_), ..) => Retry::Later,
        // Time and other people's moves change neither of these.
        (None, _, Reason::LimitExceeded | Reason::SameStation | Reason::AlreadySigned) => Retry::No,
        (None, Code::Aborted | Code::FailedPrecondition, _) => Retry::Reread,
        (None, ..) => Retry::No,
    }
}

/// How long a client waits before it sends the same again; none where it should not.
const fn wait(reason: Reason) -> Option<Duration> {
    match reason {
        Reason::QueueFull => Some(Duration::from_millis(200)),
        Reason::RateLimited => Some(Duration::from_millis(500)),
        Reason::NotAccepted | Reason::SubscriberTooSlow | Reason::EvidenceNotReady => Some(Duration::from_secs(1)),
        Reason::OutcomeUnknown | Reason::StreamEnded => Some(Duration::from_millis(100)),
        _ => None,
    }
}

/// A field that is missing or malformed, told in both languages. Made from what the conversions of `proto` find: the
/// dotted path, a code, and the code's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Dotted path of the field.
    pub path: String,
    /// What is wrong, as a code of `docs/errors.md`.
    pub code: String,
    /// What is wrong, in English.
    pub problem_en: String,
    /// What is wrong, in Chinese.
    pub problem_zh: String,
}

impl FieldViolation {
    /// The violation with its texts. A code without texts gets a general one, so that no caller is left without.
    #[must_use]
    pub fn of(path: &str, code: &str, params: &[(&str, String)]) -> Self {
        let text = text::violation(code).unwrap_or(text::ANY_VIOLATION);
        let value = |name: &str| params.iter().find(|(known, _)| *known == name).map(|(_, value)| clip(value));
        Self {
            path: path.to_owned(),
            code: code.to_owned(),
            problem_en: text::fill(text.en, value),
            problem_zh: text::fill(text.zh, value),
        }
    }
}

/// The status of a refusal.
#[must_use]
pub fn status(refusal: &Refusal) -> Status {
    let violations: Vec<_> = refusal.fields.iter().map(|path| plain_violation(refusal, path)).collect();
    build(refusal, &violations)
}

/// The status of a request whose fields are missing or malformed; all of them, not only the first.
#[must_use]
pub fn invalid_fields(violations: &[FieldViolation]) -> Status {
    let refusal = Refusal::new(Reason::InvalidField);
    build(&violations.iter().fold(refusal, |refusal, violation| refusal.field(&violation.path)), violations)
}

/// The status of a fault of ours: the chain of causes goes to the log, once, here; the caller learns that the outcome
/// is unknown and that the same request id may be sent again.
#[must_use]
pub fn fault(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Status {
    let mut causes = Vec::new();
    let mut cause = Some(error);
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    tracing::error!(error = causes.join(": "), "{what}");
    status(&Refusal::new(Reason::OutcomeUnknown))
}

/// A field of a refusal that came without a code: the reason's own text says what is wrong with it.
fn plain_violation(refusal: &Refusal, path: &str) -> FieldViolation {
    let text = text::reason(refusal.reason);
    let value = |name: &str| if name == "fields" { Some(path.to_owned()) } else { value(refusal, name) };
    FieldViolation {
        path: path.to_owned(),
        code: refusal.reason.as_str().to_owned(),
        problem_en: text::fill(text.en, value),
        problem_zh: text::fill(text.zh, value),
    }
}

fn build(refusal: &Refusal, violations: &[FieldViolation]) -> Status {
    let code = code(refusal.reason);
    let text = text::reason(refusal.reason);
    let messages = [text.en, text.zh].map(|text| text::fill(text, |name| value(refusal, name)));
    let mut details = vec![any("ErrorInfo", &error_info(refusal))];
    let violations = &violations[..violations.len().min(VIOLATIONS_MAX)];
    match code {
        Code::InvalidArgument if !violations.is_empty() => details.push(any("BadRequest", &bad_request(violations))),
        Code::FailedPrecondition => {
            details.push(any("PreconditionFailure", &precondition(refusal, &messages[0], violations)));
        }
        _ => {}
    }
    if let Some(wait) = wait(refusal.reason) {
        let retry_delay = prost_types::Duration::try_from(wait).ok();
        details.push(any("RetryInfo", &pb::RetryInfo { retry_delay }));
    }
    for (locale, message) in LANGUAGES.iter().zip(&messages) {
        let localized = pb::LocalizedMessage { locale: (*locale).to_owned(), message: message.clone() };
        details.push(any("LocalizedMessage", &localized));
    }
    let [message, _] = messages;
    let bytes = pb::Status { code: code.into(), message: message.clone(), details }.encode_to_vec();
    Status::with_details(code, message, bytes.into())
}

/// `google.rpc.ErrorInfo`. The generated one keeps its metadata in a hash map, whose bytes differ from call to call; a
/// repeated request is owed the same bytes.
#[derive(Clone, PartialEq, Message)]
struct ErrorInfo {
    #[prost(string, tag = "1")]
    reason: String,
    #[prost(string, tag = "2")]
    domain: String,
    #[prost(btree_map = "string, string", tag = "3")]
    metadata: BTreeMap<String, String>,
}

fn error_info(refusal: &Refusal) -> ErrorInfo {
    let mut metadata: BTreeMap<_, _> =
        refusal.params.iter().map(|(name, value)| ((*name).to_owned(), clip(value))).collect();
    for name in ["state", "legal_moves", "fields"] {
        if let Some(value) = value(refusal, name) {
            metadata.insert(name.to_owned(), value);
        }
    }
    ErrorInfo { reason: refusal.reason.as_str().to_owned(), domain: DOMAIN.to_owned(), metadata }
}

fn bad_request(violations: &[FieldViolation]) -> pb::BadRequest {
    let one = |violation: &FieldViolation| bad_request::FieldViolation {
        field: violation.path.clone(),
        description: violation.problem_en.clone(),
        reason: violation.code.clone(),
        localized_message: Some(pb::LocalizedMessage {
            locale: LANGUAGES[1].to_owned(),
            message: violation.problem_zh.clone(),
        }),
    };
    pb::BadRequest { field_violations: violations.iter().map(one).collect() }
}

/// What has to be true first: one line per field the refusal names, or one for the whole.
fn precondition(refusal: &Refusal, message: &str, violations: &[FieldViolation]) -> pb::PreconditionFailure {
    let one = |subject: &str, description: &str| precondition_failure::Violation {
        r#type: refusal.reason.as_str().to_owned(),
        subject: subject.to_owned(),
        description: description.to_owned(),
    };
    let violations = if violations.is_empty() {
        vec![one(refusal.state.unwrap_or_default(), message)]
    } else {
        violations.iter().map(|violation| one(&violation.path, &violation.problem_en)).collect()
    };
    pb::PreconditionFailure { violations }
}

/// A value of the refusal by its name in texts and metadata.
fn value(refusal: &Refusal, name: &str) -> Option<String> {
    let list = |words: Vec<&str>| (!words.is_empty()).then(|| words.join(", "));
    match name {
        "state" => refusal.state.map(str::to_owned),
        "legal_moves" => list(refusal.legal.clone()),
        "fields" => list(refusal.fields.iter().take(VIOLATIONS_MAX).map(String::as_str).collect()),
        _ => refusal.params.iter().find(|(known, _)| *known == name).map(|(_, value)| clip(value)),
    }
}

fn clip(value: &str) -> String {
    match value.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}

fn any(name: &str, message: &impl Message) -> Any {
    Any { type_url: format!("type.googleapis.com/google.rpc.{name}"), value: message.encode_to_vec() }
}
