//! What officers sign (evidence, 8): a statement S that everyone derives from the log, and its digest D = SHA-256(S).
//!
//! S is canonical JSON, no line end. A key that does not apply is absent. `head` is the hash of an event, and with it
//! of the whole case up to it. Exact members, in the order of the bytes:
//!
//! ```text
//! transfer  action="transfer"  exp  form  from{org,station}  head  incident  nonce  to{org,station}  v
//!           head = the `agreed` event (after a ruling, the `revised` one) that fixes the version
//! report    action="report"    by{org,station}  case_number?  code  head  incident  report  result{sd}?  v
//! confirm   action="confirm"   by{org,station}  head  incident  report  v
//! rule      action="rule"      by{org,station?}  handoff?  head  incident  joint?=true  reasons{sd}?  ruling
//!           side{org,station}?  together?=true  v
//!           head = the event before the signed one, which is the signed event's own `prev`
//!
//! v = "handoff-statement/1" · form, head = "sha256:" and 64 lower-case hexadecimal digits · exp = 24 characters of
//! time · nonce = 22 characters of base64url · incident, handoff = lower-case UUIDs · report = a whole number from 1
//! ```

use crate::event::hash;
use crate::json::{self, WriteError};
use handoff_domain::caller::Actor;
use handoff_domain::event::handoff::{Agreed, Reported, Ruled};
use handoff_domain::form::Form;
use handoff_domain::ids::{Digest, IncidentId, OrgId, StationId, StationRef};
use handoff_domain::node::{Node, ToNode};
use handoff_domain::time::Millis;
use handoff_domain::values::Salt;
use std::borrow::Cow;

/// Version of the statement's form.
pub const STATEMENT: &str = "handoff-statement/1";

/// S and D of one statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    text: Vec<u8>,
    digest: Digest,
}

impl Statement {
    /// S, the exact bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.text
    }

    /// D. A device signs these 32 bytes; a passkey has them as its challenge.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    fn new(fields: Fields) -> Result<Self, WriteError> {
        let text = json::write(&Node::Map(fields.0))?;
        let digest = hash(&text);
        Ok(Self { text, digest })
    }
}

/// What the transfer statement says beside its action and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// The incident.
    pub incident: IncidentId,
    /// Hash of the event that fixes this version: `agreed`, or after a ruling `revised`.
    pub head: Digest,
    /// Digest of the form ([`form_digest`]).
    pub form: Digest,
    /// Who hands over.
    pub from: &'a StationRef,
    /// Who receives.
    pub to: &'a StationRef,
    /// Until when it may be signed.
    pub exp: Millis,
    /// Makes it unique.
    pub nonce: Salt,
}

impl<'a> Transfer<'a> {
    /// What both sides sign after this `agreed` event, whose hash is `head`.
    #[must_use]
    pub fn agreed(incident: IncidentId, head: Digest, agreed: &'a Agreed) -> Self {
        let Agreed { form_digest, from, to, exp, nonce, .. } = agreed;
        Self { incident, head, form: *form_digest, from, to, exp: *exp, nonce: *nonce }
    }

    /// The statement.
    ///
    /// # Errors
    /// [`WriteError`] when a value is outside the profile; none that came from an event is.
    pub fn statement(&self) -> Result<Statement, WriteError> {
        let fields = Fields::new("transfer", self.incident, self.head)
            .put("exp", &self.exp)
            .put("form", &self.form)
            .put("from", self.from)
            .put("nonce", &self.nonce)
            .put("to", self.to);
        Statement::new(fields)
    }
}

handoff_domain::record! {
    /// Who signs: a station's officer, or the common superior, which has no station.
    pub struct By {
        /// Organisation.
        pub org: OrgId,
        /// Its station.
        pub station: Option<StationId>,
    }
}

impl From<&Actor> for By {
    fn from(actor: &Actor) -> Self {
        Self { org: actor.org.clone(), station: actor.station.clone() }
    }
}

/// What the custodian's duty officer signs with the final result. `reported.sign_off` is not part of it.
///
/// # Errors
/// [`WriteError`] when a value is outside the profile.
pub fn report(incident: IncidentId, head: Digest, by: &By, reported: &Reported) -> Result<Statement, WriteError> {
    let fields = Fields::new("report", incident, head)
        .put("by", by)
        .put("case_number", &reported.case_number)
        .put("code", &reported.code)
        .put("report", &reported.report)
        .put("result", &reported.result);
    Statement::new(fields)
}

/// What the confirmer's duty officer signs; `report` is the number of the report confirmed.
///
/// # Errors
/// [`WriteError`] when a value is outside the profile.
pub fn confirm(incident: IncidentId, head: Digest, by: &By, report: u64) -> Result<Statement, WriteError> {
    Statement::new(Fields::new("confirm", incident, head).put("by", by).put("report", &report))
}

/// What the common superior signs with a ruling. `ruled.sign_off` is not part of it.
///
/// # Errors
/// [`WriteError`] when a value is outside the profile.
pub fn rule(incident: IncidentId, head: Digest, by: &By, ruled: &Ruled) -> Result<Statement, WriteError> {
    let fields = Fields::new("rule", incident, head)
        .put("by", by)
        .put("handoff", &ruled.handoff)
        .put("joint", &ruled.joint)
        .put("reasons", &ruled.reasons)
        .put("ruling", &ruled.ruling)
        .put("side", &ruled.side)
        .put("together", &ruled.together);
    Statement::new(fields)
}

/// SHA-256 of the form's canonical bytes, as it stands in `agreed`. Sealed fields count by their digests, so the
/// digest outlives their erasure.
///
/// # Errors
/// [`WriteError`] when the form is outside the profile.
pub fn form_digest(form: &Form) -> Result<Digest, WriteError> {
    let tree = form.to_node().unwrap_or(Node::Map(Vec::new()));
    Ok(hash(&json::write(&tree)?))
}

/// The members of a statement in any order; the writer sorts.
struct Fields(Vec<(Cow<'static, str>, Node)>);

impl Fields {
    fn new(action: &str, incident: IncidentId, head: Digest) -> Self {
        Self(Vec::with_capacity(12))
            .put("action", &action.to_owned())
            .put("head", &head)
            .put("incident", &incident)
            .put("v", &STATEMENT.to_owned())
    }

    fn put(mut self, key: &'static str, value: &impl ToNode) -> Self {
        self.0.extend(value.to_node().map(|node| (Cow::Borrowed(key), node)));
        self
    }
}

#[cfg(test)]
mod tests;
