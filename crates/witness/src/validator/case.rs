//! One event of a case: chain, rules, and what is signed off with it.

use super::{Judged, Validator, follows};
use crate::code::{Code, Refusal};
use handoff_domain::event::Event;
use handoff_domain::ids::IncidentId;
use handoff_domain::refusal::Reason;
use handoff_domain::values::Level;
use handoff_domain::{Case, Violation, apply};
use handoff_evidence::bundle::{Papers, SignedOff};
use handoff_evidence::event::{Chain, ChainError};
use handoff_evidence::registry::{Status, has_role};
use handoff_evidence::signoff::verify_claim;

/// A case as its events so far tell it.
#[derive(Clone, Debug)]
pub struct Past {
    chain: Chain,
    case: Case,
    papers: Papers,
}

/// Why stored events are no case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    /// They are no chain.
    #[error("stored events are no chain")]
    Chain(#[from] ChainError),
    /// They break a rule.
    #[error("stored events break a rule")]
    Rule(#[from] Violation),
}

impl Past {
    /// The case of stored events, from the first on; none without events.
    ///
    /// # Errors
    /// [`PastError`]: what was stored was judged before, so the mirror was changed.
    pub fn of<'a>(incident: IncidentId, events: impl IntoIterator<Item = &'a [u8]>) -> Result<Option<Self>, PastError> {
        let (mut chain, mut case, mut papers) = (Chain::new(incident), None, Papers::default());
        for bytes in events {
            let prev = chain.head();
            let event = chain.accept(bytes)?;
            case = Some(apply(case, &event)?);
            papers.take(&event, chain.head(), prev);
        }
        Ok(case.map(|case| Self { chain, case, papers }))
    }
}

impl Validator {
    pub(super) fn of_case(
        &mut self,
        index: u64,
        judged: &Judged,
        past: impl FnOnce(IncidentId) -> Option<Past>,
    ) -> Result<(), Refusal> {
        let Judged { event, hash, prev, .. } = judged;
        let id = event.incident;
        if self.chains.contains_key(&id) {
            let detail = format!("{} in a stream of the directory", event.body.type_name());
            return Err(Refusal::new(Code::IllegalTransition, index, detail));
        }
        let known = self.cases.pop(&id).or_else(|| past(id));
        let (chain, case, mut papers) = match known {
            Some(Past { chain, case, papers }) => (chain, Some(case), papers),
            None => (Chain::new(id), None, Papers::default()),
        };
        follows(&chain, index, judged)?;
        let case = apply(case, event).map_err(|violation| illegal(index, &violation))?;
        let taken = papers.take(event, *hash, *prev);
        if taken.other_form {
            return Err(Refusal::new(Code::Statement, index, "fixes another form than the one on the table"));
        }
        match taken.signed {
            Some(signed) => self.signed_off(index, event, &signed)?,
            None if event.actor.reg.is_some() => {
                return Err(Refusal::new(Code::StaleReg, index, "checked against a registry, and signed with no key"));
            }
            None => {}
        }
        let chain = Chain::resume(id, event.seq, *hash);
        self.cases.put(id, Past { chain, case, papers });
        Ok(())
    }

    /// The statement is the one the log gives, and what claims a key is by one: its officer's own, in force, with no other role.
    /// Whether the level is strong enough the rules have said.
    fn signed_off(&self, index: u64, event: &Event, signed: &SignedOff) -> Result<(), Refusal> {
        let action = signed.action;
        let same = signed.statement.as_ref().is_some_and(|statement| statement.digest() == signed.recorded);
        if !same {
            let detail = format!("the sign-off ({action}) is over another statement than the log gives");
            return Err(Refusal::new(Code::Statement, index, detail));
        }
        let unsigned = |detail: String| Err(Refusal::new(Code::Signature, index, detail));
        if signed.level == Level::Attested {
            let claims = !signed.claim.is_empty() || event.actor.reg.is_some();
            return if claims {
                unsigned(format!("the sign-off ({action}) is attested and claims a key"))
            } else {
                Ok(())
            };
        }
        let book = self.books.get(&event.actor.org);
        let key = event.actor.reg.and(signed.claim.key.as_ref()).and_then(|key| book?.entry(key.as_str()));
        let entry = key.filter(|entry| entry.status == Status::Active && !has_role(&self.policy, entry));
        let entry =
            entry.filter(|entry| entry.enrolled().may_sign_as(&event.actor, signed.level, signed.is_substitute));
        let Some(entry) = entry else {
            return unsigned(format!(
                "the sign-off ({action}) names no key that is enrolled for its officer, role and level"
            ));
        };
        match verify_claim(entry, signed.level, &signed.recorded, &signed.claim) {
            Ok(()) => Ok(()),
            Err(error) => unsigned(format!("the sign-off ({action}): {error}")),
        }
    }
}

fn illegal(index: u64, violation: &Violation) -> Refusal {
    let code = match violation.refusal.reason {
        Reason::LevelTooWeak => Code::Level,
        _ => Code::IllegalTransition,
    };
    Refusal::new(code, index, violation.to_string())
}
