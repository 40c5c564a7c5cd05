//! One command against the case as it is: events, or a refusal that says why and what is legal instead.
//!
//! `decide` finds out as whom the caller acts, whether what the officer saw is still so, and draws the events up;
//! whether they are legal is said by [`crate::apply()`], which it runs on a copy. So a rule stands in one place.

mod handoff;
mod incident;
mod orders;
mod run;
mod together;

use crate::access;
use crate::apply::{Violation, apply};
use crate::caller::{Actor, Caller, Role};
use crate::case::Case;
use crate::case::handoff::{Handoff, HandoffName};
use crate::command::{Act, Command, Expected, Sign};
use crate::directory::{Directory, terms_of};
use crate::event::handoff::{Reported, Ruled};
use crate::event::{Body, Event};
use crate::form::Form;
use crate::ids::{Digest, IncidentId, StationId, StationRef};
use crate::keys::SignedBy;
use crate::moves;
use crate::refusal::{Reason, Refusal};
use crate::time::Millis;
use crate::values::{KeySignature, Level, Salt, SignOff, Terms, Territory};
use std::collections::BTreeMap;

pub use orders::{decide_order, next_registry};

/// The incidents a command names: the one it is about, and the second one of a merge, split or link, or the survivor of
/// an alias.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cases<'a> {
    /// The incident.
    pub main: Option<&'a Case>,
    /// The other one.
    pub other: Option<&'a Case>,
}

impl<'a> Cases<'a> {
    /// Which second incident a command about `main` needs: the one it names, or the survivor of an alias.
    #[must_use]
    pub fn second(main: Option<&Case>, act: &Act) -> Option<IncidentId> {
        act.other_incident().or_else(|| main.and_then(|case| case.alias_of))
    }

    /// The survivor, where the incident is an alias and its survivor is at hand.
    fn survivor(&self) -> Option<&'a Case> {
        let alias_of = self.main.and_then(|case| case.alias_of);
        self.other.filter(|other| alias_of == Some(other.id))
    }

    /// Whether the caller may know of the incident: of an alias whoever may know of its survivor does.
    fn known_to(&self, caller: &Caller) -> bool {
        let through = |(alias, survivor): (&Case, &Case)| access::may_see_alias(survivor, alias.id, caller);
        self.main.is_some_and(|case| access::may_see(case, caller))
            || self.main.zip(self.survivor()).is_some_and(through)
    }

    /// Old ids resolve for ever: a fact that names an alias is one of its survivor, for whoever has a part there. What
    /// names an entry or a handoff of the alias, or touches a third incident, stays with it.
    fn resolved(&self, caller: &Caller, command: &Command) -> Option<Command> {
        let (alias, survivor) = self.main.zip(self.survivor())?;
        let act = &command.act;
        let its_own = act.decides()
            || act.handoff().is_some()
            || matches!(
                act,
                Act::Receive(_) | Act::Erase { .. } | Act::Escalate { .. } | Act::Strike(_) | Act::Link { .. }
            );
        if its_own || !access::may_see_alias(survivor, alias.id, caller) {
            return None;
        }
        let mut command = Command { incident: survivor.id, ..command.clone() };
        if let Act::OpenCaller(body) = &mut command.act {
            body.of = Some(alias.id);
        }
        Some(command)
    }
}

/// What a statement to be signed off is about (evidence, 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement<'a> {
    /// The transfer, over the agreed form.
    Transfer(&'a Handoff),
    /// The final result; its own sign-off is no part of the statement.
    Report(&'a Reported),
    /// Its confirmation.
    Confirm {
        /// Number of the report.
        report: u64,
    },
    /// A ruling; its own sign-off is no part of the statement.
    Rule(&'a Ruled),
}

/// Digests are made by `evidence`; rules only compare them.
pub trait Digests {
    /// SHA-256 of the form's canonical bytes.
    fn form(&self, form: &Form) -> Digest;
    /// SHA-256 of the statement's canonical bytes, for this case as it is and this signer.
    fn statement(&self, case: &Case, signer: &Actor, what: Statement<'_>) -> Digest;
}

/// Everything besides the case: the directory at the head of the log, and the maker of digests.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Stations, agreements, maps, drills.
    pub directory: &'a Directory,
    /// Digests.
    pub digests: &'a dyn Digests,
}

/// Drawn once for a command by `engine`, the same on a second try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Salt of the first event of an incident.
    pub salt: Salt,
    /// Salt of a part split off.
    pub part_salt: Salt,
    /// Nonce of a statement.
    pub nonce: Salt,
    /// What territory answered for the command's place.
    pub territory: Option<Territory>,
    /// What became of the key's signature the command carries; a refusal where it does not hold.
    pub signed_by: Option<Result<SignedBy, Refusal>>,
    /// Nothing is recorded: a signer asks what there would be to sign. No key has signed it yet.
    pub is_rehearsal: bool,
}

/// What a command leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    /// Events in order; empty when there is nothing to do.
    pub events: Vec<Event>,
    /// The cases after them.
    pub cases: Vec<Case>,
}

/// Events being drawn up on working copies of the cases.
struct Draft<'a> {
    ctx: &'a Context<'a>,
    caller: &'a Caller,
    command: &'a Command,
    fresh: &'a Fresh,
    now: Millis,
    cases: BTreeMap<IncidentId, Case>,
    events: Vec<Event>,
}

/// Decides one command.
///
/// # Errors
/// A [`Refusal`]; nothing has happened then.
pub fn decide(
    cases: Cases<'_>,
    ctx: &Context<'_>,
    caller: &Caller,
    command: &Command,
    fresh: &Fresh,
    now: Millis,
) -> Result<Decided, Refusal> {
    if !matches!(command.act, Act::Receive(_)) && !cases.known_to(caller) {
        return Err(Refusal::new(Reason::IncidentNotFound));
    }
    let resolved = cases.resolved(caller, command);
    let command = resolved.as_ref().unwrap_or(command);
    let mut draft = Draft { ctx, caller, command, fresh, now, cases: BTreeMap::new(), events: Vec::new() };
    for case in [cases.main, cases.other].into_iter().flatten() {
        draft.cases.insert(case.id, case.clone());
    }
    if command.act.decides() {
        draft.fresh_enough().map_err(|refusal| draft.explain(refusal))?;
    }
    draft.names_something().map_err(|refusal| draft.explain(refusal))?;
    draft.run().map_err(|refusal| draft.explain(refusal))?;
    Ok(Decided { events: draft.events, cases: draft.cases.into_values().collect() })
}

impl<'a> Draft<'a> {
    fn case(&self) -> Result<&Case, Refusal> {
        self.cases.get(&self.command.incident).ok_or_else(|| Refusal::new(Reason::IncidentNotFound))
    }

    /// A handoff, support request or joint period the command names must be one of this incident.
    fn names_something(&self) -> Result<(), Refusal> {
        let Some(case) = self.cases.get(&self.command.incident) else { return Ok(()) };
        let act = &self.command.act;
        if act.handoff().is_some_and(|id| case.handoff(id).is_none()) {
            return Err(Refusal::new(Reason::HandoffNotFound).field("handoff"));
        }
        if act.support().is_some_and(|id| !case.supports.contains_key(&id)) {
            return Err(Refusal::new(Reason::ObjectNotFound).field("support"));
        }
        if act.joint().is_some_and(|id| case.joint.as_ref().is_none_or(|joint| joint.id != id)) {
            return Err(Refusal::new(Reason::ObjectNotFound).field("joint"));
        }
        Ok(())
    }

    /// The state, form version and tenure the officer saw must be the case's own (invariant 7).
    fn fresh_enough(&self) -> Result<(), Refusal> {
        let case = self.case()?;
        let Expected { state, form_version, tenure } = &self.command.expected;
        let (Some(state), Some(tenure)) = (state, tenure) else {
            let missing = if state.is_none() { "expected.state" } else { "expected.tenure" };
            return Err(Refusal::new(Reason::InvalidField).field(missing));
        };
        let now = moves::state_seen(case, &self.command.act);
        let handoff = self.command.act.handoff().and_then(|id| case.handoff(id));
        let shut_out = access::sees_until(case, self.caller).is_some();
        let version_stale = match (handoff, form_version) {
            (Some(handoff), Some(version)) => handoff.version != *version,
            (Some(_), None) => {
                return Err(Refusal::new(Reason::InvalidField).field("expected.form_version"));
            }
            (None, _) => false,
        };
        let stale = *state != now || *tenure != case.tenure || version_stale;
        if stale && shut_out {
            // Whoever has no part any more hears nothing of what has become of the case.
            return Err(Refusal::new(Reason::WrongSide));
        }
        if stale {
            return Err(Refusal::new(Reason::StaleVersion)
                .with("state_now", now)
                .with("tenure_now", case.tenure)
                .with("form_version_now", handoff.map_or(0, |handoff| handoff.version)));
        }
        Ok(())
    }

    /// Adds the state met and the moves that are legal instead.
    fn explain(&self, mut refusal: Refusal) -> Refusal {
        let Ok(case) = self.case() else { return refusal };
        if refusal.reason == Reason::IncidentNotFound {
            return refusal;
        }
        if access::sees_until(case, self.caller).is_some() {
            return refusal;
        }
        let handoff = self.command.act.handoff().and_then(|id| case.handoff(id));
        refusal.state = Some(match handoff {
            Some(handoff) => handoff.state.name().as_str(),
            None => case.phase().as_str(),
        });
        let survivor = case.alias_of.and_then(|id| self.cases.get(&id));
        refusal.legal = moves::legal_of(case, survivor, handoff, self.caller, self.now);
        refusal
    }

    /// Chooses the actor for an event, draws it up and applies it to the working copy.
    fn push(&mut self, body: impl Into<Body>) -> Result<(), Refusal> {
        self.push_to(self.command.incident, body.into())
    }

    fn push_to(&mut self, incident: IncidentId, body: Body) -> Result<(), Refusal> {
        let case = self.cases.get(&incident).ok_or_else(|| Refusal::new(Reason::IncidentNotFound))?;
        let acting_for = self.command.acting_for.as_ref();
        let actor = access::choose(case, &body, self.caller, acting_for).map_err(Refusal::new)?;
        self.push_as(incident, actor, body)
    }

    fn push_as(&mut self, incident: IncidentId, actor: Actor, body: Body) -> Result<(), Refusal> {
        let case = self.cases.remove(&incident);
        let event = Event {
            incident,
            seq: case.as_ref().map_or(1, |case| case.version + 1),
            at: case.as_ref().map_or(self.now, |case| self.now.max(case.updated_at)),
            claimed_at: self.command.claimed_at,
            actor,
            body,
        };
        let before = case.clone();
        match apply(case, &event) {
            Ok(after) => {
                self.cases.insert(incident, after);
                self.events.push(event);
                Ok(())
            }
            Err(Violation { refusal, .. }) => {
                self.cases.extend(before.map(|case| (incident, case)));
                Err(*refusal)
            }
        }
    }

    /// As whom the caller would act for an event, without drawing it up.
    fn actor_for(&self, body: &Body) -> Result<Actor, Refusal> {
        access::choose(self.case()?, body, self.caller, self.command.acting_for.as_ref()).map_err(Refusal::new)
    }

    /// Whether the caller holds a role for the move at all. Asked first where a rule about the state is looked at before
    /// the event is drawn up: whoever may never do this is told so, whatever state the case is in.
    fn needs(&self, roles: &[Role]) -> Result<(), Refusal> {
        let has = roles.iter().any(|role| self.caller.has(*role));
        if has { Ok(()) } else { Err(Refusal::new(Reason::RoleNotAllowed)) }
    }

    /// The caller's own seat in this case: the named station, the token's, or the supervisor's side.
    fn seat(&self) -> Result<StationRef, Refusal> {
        let own = |station: &StationId| {
            let seat = self.ctx.directory.seat(station);
            seat.filter(|seat| seat.org == self.caller.org)
                .ok_or_else(|| Refusal::new(Reason::StationNotFound).with("station", station))
        };
        match (&self.command.acting_for, &self.caller.station) {
            (Some(station), token) => {
                let supervisor = self.caller.has(Role::Supervisor);
                if supervisor || token.as_ref() == Some(station) {
                    own(station)
                } else {
                    Err(Refusal::new(Reason::WrongSide).field("acting_for"))
                }
            }
            (None, Some(station)) => own(station),
            (None, None) if self.caller.has(Role::Supervisor) => {
                Err(Refusal::new(Reason::WrongSide).field("acting_for"))
            }
            (None, None) => Err(Refusal::new(Reason::RoleNotAllowed)),
        }
    }

    /// A station in use that the command names; nothing new goes to a retired one.
    fn station(&self, field: &str, station: &StationId) -> Result<StationRef, Refusal> {
        let seat = self.ctx.directory.seat(station).filter(|_| self.is_in_use(station));
        seat.ok_or_else(|| Refusal::new(Reason::StationNotFound).field(field).with("station", station))
    }

    fn is_in_use(&self, station: &StationId) -> bool {
        self.ctx.directory.stations.get(station).is_some_and(|owned| !owned.is.retired)
    }

    /// Terms between two stations; between organisations an agreement in force is needed.
    fn terms(&self, one: &StationRef, other: &StationRef) -> Result<Option<Terms>, Refusal> {
        match self.ctx.directory.agreement(one, other) {
            Some(agreement) => Ok(Some(terms_of(agreement))),
            None if one.org == other.org => Ok(None),
            None => Err(Refusal::new(Reason::NoAgreement).with("one", one).with("other", other)),
        }
    }

    /// A decision's sign-off at the level given, over the statement of this case, and who signs.
    fn sign_off(&self, body: &Body, sign: &Sign, what: Statement<'_>) -> Result<(Actor, SignOff), Refusal> {
        let Sign { level, statement: shown, signature } = sign.clone();
        let mut signer = self.actor_for(body)?;
        let statement = self.ctx.digests.statement(self.case()?, &signer, what);
        if shown.is_some_and(|shown| shown != statement) {
            return Err(Refusal::new(Reason::StatementMismatch).field("statement"));
        }
        self.keyed(&mut signer, level, statement, signature.as_ref(), false)?;
        Ok((signer, SignOff::new(level, statement, signature)))
    }

    /// A key signs for nobody but its officer, as the newest registry of the officer's organisation has it. Names that
    /// registry in the actor (evidence, 7). The authenticated click alone names none: nothing was looked up.
    fn keyed(
        &self,
        signer: &mut Actor,
        level: Level,
        statement: Digest,
        signature: Option<&KeySignature>,
        is_substitute: bool,
    ) -> Result<(), Refusal> {
        let signature = match (level, signature) {
            (Level::Attested, None) => return Ok(()),
            (Level::Device | Level::Passkey, None) if self.fresh.is_rehearsal => return Ok(()),
            (Level::Attested, Some(_)) | (Level::Device | Level::Passkey, None) => {
                return Err(Refusal::new(Reason::InvalidField).field("signature").with("level", level));
            }
            (Level::Device | Level::Passkey, Some(signature)) => signature,
        };
        let not_enrolled = || Refusal::new(Reason::KeyNotEnrolled).field("signature.key");
        let found = match &self.fresh.signed_by {
            Some(Ok(found)) => found,
            Some(Err(refusal)) => return Err(refusal.clone()),
            None => return Err(not_enrolled()),
        };
        if found.statement != statement || found.key != signature.key {
            return Err(Refusal::new(Reason::StatementMismatch).field("statement"));
        }
        // The registry may have changed since the signature was looked at, the key may be revoked in it.
        let newest = self.ctx.directory.registries.get(&signer.org).and_then(|registry| registry.event);
        if newest != Some(found.reg) {
            return Err(Refusal::new(Reason::StaleVersion).field("signature.key"));
        }
        if !found.enrolled.may_sign_as(signer, level, is_substitute) {
            return Err(not_enrolled());
        }
        signer.reg = newest;
        Ok(())
    }
}

/// The state name of the handoff a result loop belongs to, or its word without a handoff.
pub(crate) fn result_name(case: &Case) -> Option<HandoffName> {
    use crate::case::handoff::ResultLoop;
    case.result().map(|result| match result {
        ResultLoop::Owed { .. } => HandoffName::TakenOver,
        ResultLoop::Reported { .. } => HandoffName::Reported,
        ResultLoop::Confirmed { .. } => HandoffName::Confirmed,
    })
}
