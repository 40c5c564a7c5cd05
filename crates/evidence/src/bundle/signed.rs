//! What each event signs off, rebuilt from the events before it and from nothing else (evidence, 8).

use crate::json::WriteError;
use crate::signoff::Claim;
use crate::statement::{self, By, Statement, Transfer};
use handoff_domain::event::handoff::{Agreed, Revised};
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{Digest, HandoffId, StationRef};
use handoff_domain::time::Millis;
use handoff_domain::values::{Level, Salt};
use std::collections::BTreeMap;

handoff_domain::words! {
    /// What is signed.
    pub enum Action {
        /// The transfer, by a signer of each side.
        Transfer = "transfer",
        /// The final result, by the custodian's duty officer.
        Report = "report",
        /// Its confirmation, by the confirmer's duty officer.
        Confirm = "confirm",
        /// A ruling, by the common superior or the supervisors.
        Rule = "rule",
    }
}

/// The sign-off of one event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedOff {
    /// What is signed.
    pub action: Action,
    /// The digest the event says was signed.
    pub recorded: Digest,
    /// The level it says.
    pub level: Level,
    /// What it says of a key.
    pub claim: Claim,
    /// A substitute signs, where the statement is that of a transfer.
    pub is_substitute: bool,
    /// The least level that was agreed on, where the statement is that of a transfer.
    pub least: Option<Level>,
    /// The statement all the same; none where nothing was agreed that could be signed.
    pub statement: Option<Statement>,
}

/// The version on the table that both sides sign.
#[derive(Clone, Debug)]
struct AgreedPaper {
    head: Digest,
    form: Digest,
    from: StationRef,
    to: StationRef,
    exp: Millis,
    nonce: Salt,
    level: Level,
}

#[derive(Clone, Debug, Default)]
struct Paper {
    /// Digest of the form last offered or revised.
    form: Option<Digest>,
    agreed: Option<AgreedPaper>,
}

/// The forms of one incident, as far as statements need them. Knows no rules: an event that could not have happened is
/// for the replay to find.
#[derive(Clone, Debug, Default)]
pub struct Papers(BTreeMap<HandoffId, Paper>);

/// What an event is to the forms.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Something is signed off with it.
    pub signed: Option<SignedOff>,
    /// It fixes another form than the one on the table.
    pub other_form: bool,
}

impl Papers {
    /// Takes the next event, whose bytes have the hash `hash`, and which follows the event with hash `prev`.
    pub fn take(&mut self, event: &Event, hash: Digest, prev: Digest) -> Taken {
        match &event.body {
            Body::Offered(body) => {
                let form = statement::form_digest(&body.form).ok();
                self.0.insert(body.handoff, Paper { form, agreed: None });
                Taken::default()
            }
            Body::Revised(body) => self.revised(body, hash),
            Body::Agreed(body) => self.agreed(body, hash),
            Body::Signed(_) | Body::Reported(_) | Body::Confirmed(_) | Body::Ruled(_) => {
                Taken { signed: self.signed(event, prev), other_form: false }
            }
            _ => Taken::default(),
        }
    }

    /// After a ruling a revision is what both sides sign; before, it voids what was agreed.
    fn revised(&mut self, body: &Revised, hash: Digest) -> Taken {
        let paper = self.0.entry(body.handoff).or_default();
        paper.form = statement::form_digest(&body.form).ok();
        let fixed = body.exp.zip(body.nonce).zip(body.form_digest);
        paper.agreed = paper.agreed.take().zip(fixed).map(|(agreed, ((exp, nonce), form))| AgreedPaper {
            head: hash,
            form,
            exp,
            nonce,
            ..agreed
        });
        Taken { signed: None, other_form: body.form_digest.is_some() && body.form_digest != paper.form }
    }

    fn agreed(&mut self, body: &Agreed, hash: Digest) -> Taken {
        let paper = self.0.entry(body.handoff).or_default();
        let other_form = paper.form != Some(body.form_digest);
        paper.agreed = Some(AgreedPaper {
            head: hash,
            form: body.form_digest,
            from: body.from.clone(),
            to: body.to.clone(),
            exp: body.exp,
            nonce: body.nonce,
            level: body.level,
        });
        Taken { signed: None, other_form }
    }

    fn transfer(&self, event: &Event, id: HandoffId) -> Option<(Statement, Level)> {
        let AgreedPaper { head, form, from, to, exp, nonce, level } = self.0.get(&id)?.agreed.as_ref()?;
        let transfer =
            Transfer { incident: event.incident, head: *head, form: *form, from, to, exp: *exp, nonce: *nonce };
        transfer.statement().ok().zip(Some(*level))
    }

    fn signed(&self, event: &Event, prev: Digest) -> Option<SignedOff> {
        let (by, incident) = (By::from(&event.actor), event.incident);
        let off = |action, sign_off: &handoff_domain::values::SignOff, made: Result<Statement, WriteError>| SignedOff {
            action,
            recorded: sign_off.statement,
            level: sign_off.level,
            claim: Claim::from(sign_off),
            is_substitute: false,
            least: None,
            statement: made.ok(),
        };
        match &event.body {
            Body::Signed(body) => {
                let (statement, least) = self.transfer(event, body.handoff).unzip();
                let (recorded, level) = (body.statement, body.level);
                let (claim, is_substitute) = (Claim::from(body), body.substitute.is_some());
                Some(SignedOff { action: Action::Transfer, recorded, level, claim, is_substitute, least, statement })
            }
            Body::Reported(body) => {
                Some(off(Action::Report, &body.sign_off, statement::report(incident, prev, &by, body)))
            }
            Body::Confirmed(body) => {
                Some(off(Action::Confirm, &body.sign_off, statement::confirm(incident, prev, &by, body.report)))
            }
            Body::Ruled(body) => Some(off(Action::Rule, &body.sign_off, statement::rule(incident, prev, &by, body))),
            _ => None,
        }
    }
}
