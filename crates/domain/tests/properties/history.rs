//! One history: a clock, commands that mostly fit, a scheduler, and the invariants after every event.

use crate::book::{Book, Chapter};
use crate::ideas::{Dice, Group, Idea, Thinking, as_auditor, intake, territory};
use crate::invariants::{Check, ON_EVENTS, Step, holds};
use crate::tally::Tally;
use crate::world::{self, Fnv, START, person, seat, service, superior, supervisor};
use handoff_domain::access::sees_until;
use handoff_domain::caller::{Caller, Role};
use handoff_domain::command::{Act, Command, Expected, LookedAt, Order};
use handoff_domain::directory::{Directory, stream_of};
use handoff_domain::event::directory::{LogFenced, LogOpened, RegistryUpdated};
use handoff_domain::event::handoff::Ruling;
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{DeploymentId, DrillId, IncidentId, LOG_STREAM, OrgId, StationRef, UnitId};
use handoff_domain::moves;
use handoff_domain::refusal::Reason;
use handoff_domain::time::{HOUR, MINUTE, Millis, SECOND};
use handoff_domain::values::{Salt, Territory};
use handoff_domain::{Case, Cases, Context, Decided, Fresh, Refusal, apply, decide};
use std::collections::BTreeMap;
use uuid::Uuid;

/// What a history is made from; everything else follows from it, so a failing one shrinks.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) theme: usize,
    pub(crate) turns: Vec<(u8, u64)>,
}

/// What a history is about: where its calls come in, how slow its people are, which moves they like.
struct Theme {
    first: &'static str,
    second: &'static str,
    slow: bool,
    likes: &'static [Group],
}

use Group::{Against, Alert, Dispute, End, Fact, Forward, Merge, Result as Results, Together, Unit};

/// Themes by number.
const THEMES: [Theme; 10] = [
    Theme { first: "A-01", second: "B-01", slow: false, likes: &[] },
    Theme { first: "A-01", second: "B-01", slow: false, likes: &[Forward, Results] },
    Theme { first: "A-01", second: "B-01", slow: true, likes: &[Against, Dispute] },
    Theme { first: "A-02", second: "B-02", slow: true, likes: &[Forward, Against, Dispute] },
    Theme { first: "A-01", second: "B-01", slow: false, likes: &[Alert, Unit, End] },
    Theme { first: "B-01", second: "A-01", slow: true, likes: &[Together, Dispute] },
    Theme { first: "A-01", second: "A-01", slow: false, likes: &[Merge, Alert, Against] },
    Theme { first: "A-01", second: "A-02", slow: false, likes: &[Forward, Results, End] },
    Theme { first: "B-01", second: "A-01", slow: true, likes: &[Forward, Results, Dispute] },
    Theme { first: "A-01", second: "B-01", slow: false, likes: &[Fact, Unit, Against] },
];

/// Number of themes.
pub(crate) const THEMES_COUNT: usize = THEMES.len();

/// Most incidents of one history.
const CASES_MAX: usize = 6;

/// Most rungs the scheduler climbs at once; an obligation has three above the first.
const CLIMBS_MAX: usize = 200;

/// A history being played.
pub(crate) struct History {
    theme: &'static Theme,
    directory: Directory,
    log: Vec<Event>,
    pub(crate) cases: BTreeMap<IncidentId, Case>,
    book: Book,
    now: Millis,
    drawn: u128,
    /// Aliases as they were before their merge.
    pub(crate) merged: BTreeMap<IncidentId, Case>,
    /// Moves thought of earlier, to be made too late.
    drawer: Vec<Idea>,
    drill: Option<DrillId>,
    pub(crate) tally: Tally,
}

/// Plays a history and says which invariant it broke.
pub(crate) fn play(script: &Script) -> Result<Tally, String> {
    let mut history = History::begin(script.theme);
    for (wait, pick) in &script.turns {
        let mut dice = Dice(*pick);
        history.time_passes(*wait)?;
        history.turn(&mut dice)?;
    }
    history.replays()?;
    history.tally.histories = 1;
    history.tally.fewest_commands = history.tally.commands;
    Ok(history.tally)
}

impl History {
    fn begin(theme: usize) -> Self {
        let first = LogOpened { origin: "test".to_owned(), salt: Salt::default(), policy: None, predecessor: None };
        let opened = Event {
            incident: LOG_STREAM,
            seq: 1,
            at: START,
            claimed_at: None,
            actor: handoff_domain::caller::Actor::service(),
            body: first.into(),
        };
        let (mut directory, events) = world::directory();
        directory.apply(&opened, None).expect("the log opens");
        // Now and then the log has been through a failover before anything happens in it.
        let mut log = vec![opened];
        if theme.is_multiple_of(2) {
            let body = LogFenced { epoch: 2, timeline: 2 }.into();
            let fenced = Event { seq: 2, body, ..log[0].clone() };
            directory.apply(&fenced, None).expect("the log is fenced");
            log.push(fenced);
        }
        log.extend(events);
        let mut tally = Tally::default();
        for event in &log {
            *tally.events.entry(event.body.type_name()).or_default() += 1;
        }
        Self {
            theme: &THEMES[theme % THEMES_COUNT],
            directory,
            log,
            cases: BTreeMap::new(),
            book: Book::default(),
            now: START,
            drawn: 0,
            merged: BTreeMap::new(),
            drawer: Vec::new(),
            drill: None,
            tally,
        }
    }

    fn draw(&mut self) -> Uuid {
        self.drawn += 1;
        Uuid::from_u128(self.drawn)
    }

    fn time_passes(&mut self, wait: u8) -> Check {
        let steps: [i64; 8] = if self.theme.slow {
            [0, 2 * SECOND, 40 * SECOND, 4 * MINUTE, 4 * MINUTE, 16 * MINUTE, 70 * MINUTE, 25 * HOUR]
        } else {
            [0, 0, 1, SECOND, 5 * SECOND, 20 * SECOND, 2 * MINUTE, 20 * MINUTE]
        };
        // A clock that is set back is a clock too; recorded times must not follow it.
        let step = if wait == 255 { -2 * SECOND } else { steps[usize::from(wait) % 8] };
        self.now = self.now.plus(step);
        self.schedule()
    }

    /// The scheduler: whatever is overdue goes up one rung.
    fn schedule(&mut self) -> Check {
        for _ in 0..CLIMBS_MAX {
            let overdue = self.cases.values().find_map(|case| {
                let late = |owed: &handoff_domain::obligations::Owed| owed.climbs && owed.due < self.now;
                let (key, owed) = case.ledger.iter().find(|(_, owed)| late(owed))?;
                let act = Act::Escalate { duty: key.duty, by: key.by.clone(), scope: key.scope, due: owed.due };
                Some((case.id, act))
            });
            let Some((incident, act)) = overdue else { return Ok(()) };
            let command = plain(incident, act);
            let decided =
                self.decide(&command, &service(), None).map_err(|refusal| format!("not escalated: {refusal:?}"))?;
            holds!(!decided.events.is_empty(), "an overdue obligation did not climb");
            self.tally.scheduled += 1;
            self.commit(&decided)?;
        }
        Err("the scheduler never rests".to_owned())
    }

    fn decide(&self, command: &Command, caller: &Caller, ground: Option<Territory>) -> Result<Decided, Refusal> {
        let main = self.cases.get(&command.incident);
        let other = Cases::second(main, &command.act);
        let cases =
            Cases { main, other: other.filter(|id| *id != command.incident).and_then(|id| self.cases.get(&id)) };
        let ctx = Context { directory: &self.directory, digests: &Fnv };
        let salt = Salt(self.drawn.to_be_bytes());
        let fresh =
            Fresh { salt, part_salt: salt, nonce: salt, territory: ground, signed_by: None, is_rehearsal: false };
        decide(cases, &ctx, caller, command, &fresh, self.now)
    }

    fn turn(&mut self, dice: &mut Dice) -> Check {
        if self.cases.len() < 2 || self.cases.len() < CASES_MAX && dice.one_in(40) {
            return self.receive(dice);
        }
        if dice.one_in(25) {
            self.order(dice);
            return Ok(());
        }
        let ids: Vec<_> = self.cases.keys().copied().collect();
        // The first two incidents are where things happen.
        let at = if dice.one_in(3) { dice.below(ids.len()) } else { dice.below(2) };
        let Some(idea) = self.think(ids[at], dice) else { return Ok(()) };
        match dice.below(20) {
            0 | 1 => self.stale(&idea),
            2 => self.stranger(&idea, dice),
            3 | 4 => self.too_late(idea, dice),
            _ => {
                if self.drawer.len() < 48 {
                    self.drawer.push(idea.clone());
                }
                self.make(&idea).map(|_| ())
            }
        }
    }

    fn think(&self, id: IncidentId, dice: &mut Dice) -> Option<Idea> {
        let case = self.cases.get(&id)?;
        let others = self.cases.values().filter(|other| other.id != id).collect();
        let thinking = Thinking { case, others, directory: &self.directory, now: self.now, dice, found: Vec::new() };
        let ideas = thinking.everything();
        let weigh = |idea: &Idea| idea.weight * if self.theme.likes.contains(&idea.group) { 6 } else { 1 };
        let sum: usize = ideas.iter().map(weigh).sum();
        let mut left = dice.below(sum);
        ideas.into_iter().find(|idea| {
            let weight = weigh(idea);
            let found = left < weight;
            left = left.saturating_sub(weight);
            found
        })
    }

    fn command(&self, idea: &Idea) -> Command {
        let expected = self.cases.get(&idea.incident).map(|case| as_seen(case, &idea.act)).unwrap_or_default();
        Command {
            incident: idea.incident,
            expected,
            claimed_at: idea.claimed_at,
            acting_for: idea.acting_for.clone(),
            act: idea.act.clone(),
        }
    }

    /// Makes a move and looks at every event it led to.
    fn make(&mut self, idea: &Idea) -> Result<Option<Reason>, String> {
        let command = self.command(idea);
        self.send(&command, &idea.caller, idea.territory.clone())
    }

    fn send(
        &mut self,
        command: &Command,
        caller: &Caller,
        ground: Option<Territory>,
    ) -> Result<Option<Reason>, String> {
        self.drawn += 1;
        self.tally.commands += 1;
        let decided = self.decide(command, caller, ground);
        self.never_stale_for_a_fact(command, &decided)?;
        match decided {
            Ok(decided) => {
                self.tally.accepted += 1;
                for event in &decided.events {
                    holds!(event.actor.org == caller.org, "9: {} wrote as {}", caller.org, event.actor.org);
                }
                self.commit(&decided)?;
                Ok(None)
            }
            Err(refusal) => {
                *self.tally.refusals.entry(refusal.reason.as_str()).or_default() += 1;
                Ok(Some(refusal.reason))
            }
        }
    }

    /// Invariant 7, the part about facts.
    fn never_stale_for_a_fact(&mut self, command: &Command, decided: &Result<Decided, Refusal>) -> Check {
        if command.act.decides() {
            return Ok(());
        }
        self.tally.check("7 facts never stale");
        let stale = matches!(decided, Err(refusal) if refusal.reason == Reason::StaleVersion);
        holds!(!stale, "7: the fact {} was refused as stale", command.act.name());
        Ok(())
    }

    /// A move on what is no longer so: STALE_VERSION, with the state and the moves that are legal now. A fact with
    /// the same wrong expectations is decided as if it had none.
    fn stale(&mut self, idea: &Idea) -> Check {
        let right = self.command(idea);
        let mut wrong = right.clone();
        let seen = &mut wrong.expected;
        match self.drawn % 3 {
            0 => seen.tenure = seen.tenure.map(|tenure| tenure + 1),
            1 if seen.form_version.is_some() => seen.form_version = seen.form_version.map(|version| version + 1),
            _ => seen.state = Some("NO_LONGER".to_owned()),
        }
        let would = self.decide(&right, &idea.caller, idea.territory.clone());
        if !idea.act.decides() {
            let same = self.decide(&wrong, &idea.caller, idea.territory.clone());
            holds!(same == would, "7: the fact {} depends on what was seen", idea.act.name());
            return self.send(&wrong, &idea.caller, idea.territory.clone()).map(|_| ());
        }
        let Some(case) = self.cases.get(&idea.incident) else { return Ok(()) };
        let state = moves::state_seen(case, &idea.act);
        let refused = self.decide(&wrong, &idea.caller, idea.territory.clone());
        let unknown = [Reason::IncidentNotFound, Reason::HandoffNotFound];
        if sees_until(case, &idea.caller).is_some() {
            // Whoever has no part any more is told nothing of the case as it is now.
            let told = |refusal: &Refusal| {
                refusal.state.is_some() || refusal.params.iter().any(|(name, _)| name.ends_with("_now"))
            };
            holds!(refused.as_ref().is_err_and(|refusal| !told(refusal)), "a former party is told of {}", case.phase());
        } else if let Err(refusal) = &refused
            && (would.is_ok() || !unknown.contains(&refusal.reason))
        {
            holds!(refusal.reason == Reason::StaleVersion, "7: stale {} got {}", idea.act.name(), refusal.reason);
            let told = refusal.params.iter().find(|(name, _)| *name == "state_now").map(|(_, value)| value.as_str());
            holds!(told == Some(state), "7: stale {} was told {told:?}, not {state}", idea.act.name());
            holds!(refusal.state.is_some(), "7: a stale move was not told the state");
            holds!(refusal.legal.iter().all(|name| Act::NAMES.contains(name)), "7: unknown legal move");
            // Whether supervisors order a takeover without a handoff depends on agreements, which the list does not know.
            let by_agreement = matches!(&idea.act, Act::Rule { ruling: Ruling::Takeover, handoff: None, .. })
                && !idea.caller.has(Role::Superior);
            if would.is_ok() && !by_agreement && !refusal.legal.contains(&idea.act.name()) {
                *self.tally.unlisted.entry(idea.act.name()).or_default() += 1;
            }
            self.tally.check("7 stale moves refused");
        }
        holds!(refused.is_err(), "7: a stale {} was accepted", idea.act.name());
        self.send(&wrong, &idea.caller, idea.territory.clone()).map(|_| ())
    }

    /// The same move by somebody else: of the other side, of a third organisation, without the role.
    fn stranger(&mut self, idea: &Idea, dice: &mut Dice) -> Check {
        let (_, name) = world::STATIONS[dice.below(5)];
        let at = seat(name);
        let caller = match dice.below(7) {
            0 => person(&at, "D1", &[Role::DutyOfficer]),
            1 => person(&at, "P1", &[Role::Dispatcher]),
            2 => world::system(&at),
            3 => supervisor(&at.org),
            4 => superior(),
            5 => as_auditor(),
            _ => world::admin(at.org.as_str()),
        };
        let stranger = Idea { caller, ..idea.clone() };
        self.make(&stranger).map(|_| ())
    }

    /// A move thought of earlier, made now.
    fn too_late(&mut self, idea: Idea, dice: &mut Dice) -> Check {
        if self.drawer.is_empty() {
            return self.make(&idea).map(|_| ());
        }
        let at = dice.below(self.drawer.len());
        let late = std::mem::replace(&mut self.drawer[at], idea);
        self.make(&late).map(|_| ())
    }

    fn receive(&mut self, dice: &mut Dice) -> Check {
        let name = if self.cases.is_empty() { self.theme.first } else { self.theme.second };
        let open = self.drill.filter(|_| dice.one_in(2));
        let caller = match dice.below(3) {
            0 => person(&seat(name), "P1", &[Role::Dispatcher]),
            1 => world::system(&seat(name)),
            _ => person(&seat(name), "D1", &[Role::DutyOfficer]),
        };
        let id = if dice.one_in(30) && !self.cases.is_empty() { Uuid::from_u128(1) } else { self.draw() };
        let act = Act::Receive(intake(dice, open));
        self.send(&plain(IncidentId(id), act), &caller, territory(dice)).map(|_| ())
    }

    /// Something of the directory changes: an exercise, a station's entry.
    fn order(&mut self, dice: &mut Dice) {
        let at = seat(if dice.one_in(4) { "B-01" } else { "A-01" });
        let duty = person(&at, "D1", &[Role::DutyOfficer]);
        let (a, b) =
            (person(&seat("A-01"), "D1", &[Role::DutyOfficer]), person(&seat("B-01"), "D1", &[Role::DutyOfficer]));
        let drill = DrillId(self.draw());
        let (from, until) = (self.now, self.now.plus(HOUR));
        let open = Order::OpenDrill { drill, number: world::label("D-7"), with: world::station("B-01"), from, until };
        let running = self.drill;
        let joined = running.and_then(|id| self.directory.drills.get(&id)).is_some_and(|drill| drill.joined);
        let (caller, order) = match (running, dice.below(5)) {
            (_, 3) => (duty, Order::TakeShift(at.station)),
            (_, 4) => (world::admin(at.org.as_str()), self.registry(&at.org)),
            (None, _) => (a, open),
            (Some(id), 0 | 1) if !joined => (b, Order::JoinDrill(id)),
            (Some(id), 2) => (duty, Order::EndDrill(id)),
            (Some(_), _) => (world::admin("C"), open),
        };
        self.tally.commands += 1;
        let Some(events) = world::order(&mut self.directory, &caller, &order, self.now) else { return };
        self.tally.accepted += 1;
        for event in events {
            *self.tally.events.entry(event.body.type_name()).or_default() += 1;
            match &event.body {
                Body::DrillOpened(body) => self.drill = Some(body.drill),
                Body::DrillEnded(_) => self.drill = None,
                _ => {}
            }
            self.log.push(event);
        }
    }

    /// The next version of an organisation's keys, looked at against the one before.
    fn registry(&self, org: &OrgId) -> Order {
        let head = self.directory.registries.get(org);
        let looked_at = head.and_then(|head| head.event).map_or(LookedAt::Empty, LookedAt::On);
        let version = head.map_or(0, |head| head.version) + 1;
        let root = world::digest_of(&version);
        let update =
            RegistryUpdated { count: 1, log: "the log".to_owned(), org: org.clone(), root, sigs: Vec::new(), version };
        Order::UpdateRegistry { stream: stream_of("registry", org.as_str()), update, looked_at }
    }

    /// Takes the events of one command in, one by one, each under every invariant.
    fn commit(&mut self, decided: &Decided) -> Check {
        for event in &decided.events {
            let before = self.cases.get(&event.incident).cloned();
            let after = apply(before.clone(), event).map_err(|violation| format!("10: {violation}"))?;
            let told = self.book.chapters.get(&event.incident).cloned().unwrap_or_default();
            self.book.write(event);
            self.look(before.as_ref(), event, &after, &told)?;
            *self.tally.events.entry(event.body.type_name()).or_default() += 1;
            self.tally.states(before.as_ref(), &after);
            self.merging(before.as_ref(), event, &after)?;
            self.survivor_still_owes(before.as_ref(), event, &after)?;
            self.log.push(event.clone());
            self.cases.insert(event.incident, after);
        }
        self.nothing_is_lost(decided)?;
        for case in &decided.cases {
            holds!(self.cases.get(&case.id) == Some(case), "10: decide and apply disagree on {}", case.id);
        }
        let touched: Vec<_> = decided.events.last().map(|event| event.incident).into_iter().collect();
        touched.into_iter().try_for_each(|id| self.dispatch_never_waits(id))
    }

    fn look(&mut self, before: Option<&Case>, event: &Event, after: &Case, told: &Chapter) -> Check {
        let Some(tells) = self.book.chapters.get(&event.incident) else { return Ok(()) };
        let step = Step { before, event, after, told, tells, directory: &self.directory };
        for (name, holds) in ON_EVENTS {
            holds(&step).map_err(|broken| {
                format!("invariant {name}, after {} number {}: {broken}", event.body.type_name(), event.seq)
            })?;
            self.tally.check(name);
        }
        Ok(())
    }

    /// Invariant 2, the part about units: whatever the handoff does, every party may send one now.
    fn dispatch_never_waits(&mut self, id: IncidentId) -> Check {
        let Some(case) = self.cases.get(&id) else { return Ok(()) };
        // A unit that names an alias is recorded in its survivor.
        let at = case.alias_of.unwrap_or(id);
        let active = case.parties.iter().filter(|(_, party)| party.until.is_none());
        let parties: Vec<StationRef> = active.map(|(seat, _)| seat.clone()).collect();
        for party in parties {
            let act = Act::ReportUnit {
                deployment: DeploymentId(Uuid::max()),
                unit: UnitId::new("U-9").expect("a legal name"),
                of: None,
                status: UnitStatus::Assigned,
                crew: Vec::new(),
                support: None,
            };
            let sent = self.decide(&plain(id, act), &person(&party, "P1", &[Role::Dispatcher]), None);
            let counts = sent.as_ref().is_ok_and(|sent| sent.events.iter().all(|event| event.incident == at));
            holds!(counts, "2: {party} may not send a unit: {:?}", sent.err());
            self.tally.check("2 dispatch never waits");
        }
        Ok(())
    }

    /// Invariant 10: the log alone gives exactly the stored state.
    fn replays(&mut self) -> Check {
        let (mut cases, mut directory) = (BTreeMap::<IncidentId, Case>::new(), Directory::default());
        for event in &self.log {
            if handoff_domain::directory::is_directory(&event.body) {
                let hash = matches!(event.body, Body::LogOpened(_) | Body::LogFenced(_))
                    .then_some(())
                    .map_or_else(|| Some(world::digest_of(&event.body)), |()| None);
                directory.apply(event, hash).map_err(|refusal| format!("10: {refusal}"))?;
                continue;
            }
            let before = cases.remove(&event.incident);
            let after = apply(before, event).map_err(|violation| format!("10: {violation}"))?;
            cases.insert(event.incident, after);
        }
        holds!(cases == self.cases, "10: replay gives other cases");
        holds!(directory == self.directory, "10: replay gives another directory");
        self.tally.check("10 replay gives the state");
        Ok(())
    }
}

fn plain(incident: IncidentId, act: Act) -> Command {
    Command { incident, expected: Expected::default(), claimed_at: None, acting_for: None, act }
}

/// What an officer who looks at the case now sees.
fn as_seen(case: &Case, act: &Act) -> Expected {
    let version = act.handoff().and_then(|id| case.handoff(id)).map(|handoff| handoff.version);
    Expected { state: Some(moves::state_seen(case, act).to_owned()), form_version: version, tenure: Some(case.tenure) }
}
