//! An officer's signature, made in the officer's own program under a statement that the service derived.
//!
//! The service is not believed: the digest signed is that of the text itself, and a text that says something else than
//! what was asked for is refused. What a program cannot know is for the officer to read in [`Said`]: that these are the
//! right two stations, and that the case is the right one.

use crate::api;
use handoff_domain::ids::{Digest, HandoffId, IncidentId, StationRef};
use handoff_domain::node::{FromNode as _, Malformed};
use handoff_domain::time::Millis;
use handoff_domain::values::{Code, KeySignature, Label, Salt, Sealed, b64url_read};
use handoff_evidence::event::hash;
use handoff_evidence::json::{self, ReadError};
use handoff_evidence::signoff::DeviceKey;
use handoff_evidence::statement::{By, STATEMENT};

handoff_domain::words! {
    /// What is signed for (evidence, 8).
    pub enum Action {
        /// The transfer of the case, by both officers.
        Transfer = "transfer",
        /// The final result.
        Report = "report",
        /// That the result is confirmed.
        Confirm = "confirm",
        /// A superior's ruling.
        Rule = "rule",
    }
}

handoff_domain::record! {
    /// What a statement says: every member that one of the four kinds has.
    pub struct Said {
        /// What is signed for.
        pub action: Action,
        /// Who signs; absent in a transfer, which both sides sign.
        pub by: Option<By>,
        /// Of a report: number of the case it went on as.
        pub case_number: Option<Label>,
        /// Of a report: the result as a code.
        pub code: Option<Code>,
        /// Of a transfer: until when it may be signed.
        pub exp: Option<Millis>,
        /// Of a transfer: digest of the form.
        pub form: Option<Digest>,
        /// Of a transfer: who hands over.
        pub from: Option<StationRef>,
        /// Of a ruling: the handoff it is about.
        pub handoff: Option<HandoffId>,
        /// Hash of the event before, and with it of the whole case so far.
        pub head: Digest,
        /// The incident.
        pub incident: IncidentId,
        /// Of a ruling: joint handling goes with it.
        pub joint: bool,
        /// Of a transfer: makes it unique.
        pub nonce: Option<Salt>,
        /// Of a ruling: its reasons, sealed.
        pub reasons: Option<Sealed>,
        /// Of a report and a confirmation: number of the report.
        pub report: Option<u64>,
        /// Of a report: the result, sealed.
        pub result: Option<Sealed>,
        /// Of a ruling: its word.
        pub ruling: Option<Code>,
        /// Of a ruling: the side it is about.
        pub side: Option<StationRef>,
        /// Of a transfer: who receives.
        pub to: Option<StationRef>,
        /// Of a ruling: both supervisors together.
        pub together: bool,
        /// Version of the statement's form.
        pub v: String,
    }
}

/// Why a statement is not signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// The service gave another digest than that of the text it gave.
    #[error("the digest is not that of the statement's text")]
    Digest,
    /// The text is not canonical JSON of the profile.
    #[error("the statement's text is not canonical")]
    Profile(#[from] ReadError),
    /// It has not the members of a statement.
    #[error("the text is no statement")]
    Shape(#[from] Malformed),
    /// It is of another version of the form than this program knows.
    #[error("the statement is of the form {0:?}, which this program does not know")]
    Version(String),
    /// A member that belongs to its action is missing, or one of another action is there.
    #[error("the statement has not the members of its action")]
    Members,
    /// It says something else than what was asked for.
    #[error("the statement says {found} as {member}, where {asked} was asked for")]
    Other {
        /// Name of the member.
        member: &'static str,
        /// What was asked for.
        asked: String,
        /// What the text says.
        found: String,
    },
    /// The key's own signature cannot be written; this does not happen.
    #[error("the signature cannot be written")]
    Signature,
}

impl Said {
    /// Reads what a service answered, once the digest has been found to be that of the text.
    ///
    /// # Errors
    /// [`SigningError`], all but `Other` and `Signature`.
    pub fn read(answer: &api::GetStatementResponse) -> Result<Self, SigningError> {
        let text = answer.text.as_bytes();
        if hash(text).to_string() != answer.digest {
            return Err(SigningError::Digest);
        }
        let said = Self::from_node(json::read(text)?, "")?;
        if said.v != STATEMENT {
            return Err(SigningError::Version(said.v));
        }
        if said.has_members_of_its_action() { Ok(said) } else { Err(SigningError::Members) }
    }

    /// The members of evidence's module `statement`: those an action always has are there, those of the others are not.
    fn has_members_of_its_action(&self) -> bool {
        let of_transfer =
            [self.exp.is_some(), self.form.is_some(), self.from.is_some(), self.nonce.is_some(), self.to.is_some()];
        let of_report = [self.code.is_some(), self.case_number.is_some(), self.result.is_some()];
        let of_rule = [
            self.ruling.is_some(),
            self.handoff.is_some(),
            self.joint,
            self.reasons.is_some(),
            self.side.is_some(),
            self.together,
        ];
        let (is_numbered, is_by) = (self.report.is_some(), self.by.is_some());
        let (transfer, report, rule) =
            (of_transfer.contains(&true), of_report.contains(&true), of_rule.contains(&true));
        match self.action {
            Action::Transfer => !of_transfer.contains(&false) && !report && !rule && !is_numbered && !is_by,
            Action::Report => is_by && is_numbered && self.code.is_some() && !transfer && !rule,
            Action::Confirm => is_by && is_numbered && !transfer && !report && !rule,
            Action::Rule => is_by && self.ruling.is_some() && !is_numbered && !transfer && !report,
        }
    }

    /// Whether this is what was asked for. Texts that are sealed are compared by being there at all: what they are
    /// sealed with is the service's.
    ///
    /// # Errors
    /// [`SigningError::Other`], the first member that differs.
    pub fn answers(&self, asked: &api::GetStatementRequest) -> Result<(), SigningError> {
        let text = |value: Option<String>| value.unwrap_or_default();
        same("action", &asked.action, self.action.as_str())?;
        same("incident", &asked.incident, &self.incident.to_string())?;
        match self.action {
            Action::Transfer => Ok(()),
            Action::Report => {
                same("code", &asked.code, &text(self.code.as_ref().map(ToString::to_string)))?;
                same("case_number", &asked.case_number, &text(self.case_number.as_ref().map(ToString::to_string)))?;
                same("result", is_there(!asked.result.is_empty()), is_there(self.result.is_some()))
            }
            Action::Confirm => same("report", &asked.report.to_string(), &text(self.report.map(|n| n.to_string()))),
            Action::Rule => {
                same("ruling", &asked.ruling, &text(self.ruling.as_ref().map(ToString::to_string)))?;
                same("handoff", &asked.handoff, &text(self.handoff.map(|handoff| handoff.to_string())))?;
                same("joint", is_there(asked.joint), is_there(self.joint))?;
                let side = asked.side.as_ref().map(|side| format!("{}/{}", side.organisation, side.station));
                same("side", &text(side), &text(self.side.as_ref().map(ToString::to_string)))?;
                same("reasons", is_there(!asked.reasons.is_empty()), is_there(self.reasons.is_some()))
            }
        }
    }
}

impl std::fmt::Display for Said {
    /// One sentence for the person who is to sign.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { action, incident, .. } = self;
        match (action, &self.from, &self.to, &self.exp) {
            (Action::Transfer, Some(from), Some(to), Some(exp)) => {
                write!(f, "transfer of incident {incident} from {from} to {to}, to be signed until {exp}")?;
            }
            _ => write!(f, "{action} in incident {incident}")?,
        }
        if let Some(by) = &self.by {
            write!(f, " by {}", by.org)?;
            by.station.iter().try_for_each(|station| write!(f, "/{station}"))?;
        }
        self.report.iter().try_for_each(|report| write!(f, ", report {report}"))?;
        self.code.iter().try_for_each(|code| write!(f, ", result {code}"))?;
        self.case_number.iter().try_for_each(|number| write!(f, ", case number {number}"))?;
        self.ruling.iter().try_for_each(|ruling| write!(f, ", ruling {ruling}"))?;
        self.side.iter().try_for_each(|side| write!(f, ", about {side}"))?;
        if self.joint {
            f.write_str(", with joint handling")?;
        }
        Ok(())
    }
}

fn is_there(is_there: bool) -> &'static str {
    if is_there { "something" } else { "nothing" }
}

/// An empty text on the wire is an absent one.
fn same(member: &'static str, asked: &str, found: &str) -> Result<(), SigningError> {
    let shown = |text: &str| if text.is_empty() { "nothing".to_owned() } else { text.to_owned() };
    if asked == found {
        return Ok(());
    }
    Err(SigningError::Other { member, asked: shown(asked), found: shown(found) })
}

/// Signs the answer to what was asked, if it says that and nothing else. The answer's digest goes into `statement` of
/// the command, the level is `device`.
///
/// # Errors
/// [`SigningError`]; nothing is signed then.
pub fn sign(
    asked: &api::GetStatementRequest,
    answer: &api::GetStatementResponse,
    key: &DeviceKey,
) -> Result<api::KeySignature, SigningError> {
    Said::read(answer)?.answers(asked)?;
    let KeySignature { alg, key, sig, .. } = key.sign(&hash(answer.text.as_bytes()));
    Ok(api::KeySignature {
        key: key.to_string(),
        algorithm: alg.to_string(),
        signature: b64url_read(&sig).ok_or(SigningError::Signature)?,
        ..Default::default()
    })
}

#[cfg(test)]
mod tests;
