//! The rules under a hostile network, searched breadth first: requests are lost, doubled and overtaken, the service
//! dies before and after the commit. The model drives `decide` and `apply` themselves.
//!
//! Bounds: two incidents; the requests of `slots`, each under one request id; at most [`FLIGHT_MAX`] under way; one
//! fault, which is a doubled delivery, a crash, or a crash between the commit and the answer; two times, early and
//! late; one rung climbed by the scheduler. Within these the search is exhaustive. A client sends what would be
//! accepted from what it sees; what arrives meets whatever is true by then.

mod shelf;
mod slots;
#[expect(dead_code, reason = "supervisors and dispatch systems have no part in the model")]
#[path = "../support/world.rs"]
mod world;

use handoff_domain::Reason;
use handoff_domain::case::phase::Phase;
use shelf::{INCIDENTS, Outcome, Print, Seeded, Shelf};
use slots::{Message, SLOTS, Slot};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Most requests under way at once.
const FLIGHT_MAX: usize = 2;
/// States the search has to come to.
const STATES_MIN: usize = 500_000;
/// Mark of the scheduler in a log; it has no request id.
const SCHEDULER: u8 = 254;

/// The service, its disk, and the network.
#[derive(Clone, Debug)]
struct World {
    /// The logs on disk. Two orders of the same facts are one state, so they do not count; `heads` does.
    logs: [Print; 2],
    /// The cases the logs lead to.
    heads: [Print; 2],
    /// Which property a log breaks: a sound log does not hide an unsound one with the same head.
    flaws: u8,
    /// Requests answered, on disk in the same transaction.
    answered: u32,
    /// The cases in memory; none after a crash.
    memory: Option<[Print; 2]>,
    /// Requests under way, in no order.
    flight: Vec<Message>,
    late: bool,
    /// Crashes and doubled deliveries still to come.
    faults_left: u8,
    /// Rungs the scheduler still climbs, on X.
    climbs_left: u8,
}

type Identity<'a> = ([Print; 2], u32, Option<[Print; 2]>, &'a [Message], (u8, bool, u8, u8));

impl World {
    fn identity(&self) -> Identity<'_> {
        let left = (self.flaws, self.late, self.faults_left, self.climbs_left);
        (self.heads, self.answered, self.memory, &self.flight, left)
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for World {}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// What can happen next.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Step {
    Send(u8),
    /// Arrives; a copy may still be under way.
    Deliver {
        at: usize,
        copied: bool,
    },
    /// Arrives, is committed, and the service dies before it answers: the client will ask again.
    DeliverAndCrash {
        at: usize,
    },
    Lose {
        at: usize,
    },
    Crash,
    Restart,
    TimePasses,
    Climb,
}

struct Service {
    shelf: Arc<Shelf>,
}

impl Service {
    /// One request taken in: the request table first, the rules next, log and table in one transaction.
    fn take(&self, world: &mut World, message: &Message) {
        let Some(memory) = world.memory else { return };
        let bit = 1 << message.slot;
        if world.answered & bit != 0 && self.shelf.seeded != Seeded::ForgottenRequests {
            return;
        }
        world.answered |= bit;
        if let Outcome::Done(events, after) = self.shelf.outcome(memory, message, world.late) {
            self.commit(world, message.slot, &events, after);
        }
    }

    fn commit(&self, world: &mut World, request: u8, events: &[handoff_domain::event::Event], after: [Print; 2]) {
        for (at, incident) in INCIDENTS.iter().enumerate() {
            let own: Vec<_> = events.iter().filter(|event| event.incident == *incident).cloned().collect();
            if !own.is_empty() {
                world.logs[at] = self.shelf.append(Some(world.logs[at]), request, &own);
            }
        }
        (world.heads, world.memory) = (after, Some(after));
        let properties = [one_custodian, both_signed, applied_once, replays];
        world.flaws = properties.iter().fold(0, |flaws, holds| flaws << 1 | u8::from(!holds(self, world)));
    }

    fn sends(&self, world: &World, memory: [Print; 2], slot: u8) -> Option<Message> {
        let under_way = world.flight.iter().any(|message| message.slot == slot);
        let answered = |slot: u8| world.answered & (1 << slot) != 0;
        let Slot { after, incident, act, .. } = SLOTS[usize::from(slot)];
        if answered(slot) || under_way || after.is_some_and(|first| !answered(first)) {
            return None;
        }
        let message = Message::write(slot, act, Some(&*self.shelf.case(memory[incident])));
        let would = self.shelf.outcome(memory, &message, world.late);
        matches!(would, Outcome::Done(..)).then_some(message)
    }
}

impl Model for Service {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let logs = [self.shelf.begin(0), self.shelf.begin(1)];
        let heads = logs.map(|log| self.shelf.log(log).replayed);
        vec![World {
            logs,
            heads,
            flaws: 0,
            answered: 0,
            memory: Some(heads),
            flight: Vec::new(),
            late: false,
            faults_left: 1,
            climbs_left: 1,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend((0..world.flight.len()).map(|at| Step::Lose { at }));
        // Time passes over a quiet network: what is under way for an hour is lost.
        if !world.late && world.flight.is_empty() {
            steps.push(Step::TimePasses);
        }
        let Some(memory) = world.memory else {
            steps.push(Step::Restart);
            return;
        };
        if world.flight.len() < FLIGHT_MAX {
            let slots = (0..SLOTS.len()).filter_map(|slot| u8::try_from(slot).ok());
            steps.extend(slots.filter(|slot| self.sends(world, memory, *slot).is_some()).map(Step::Send));
        }
        for at in 0..world.flight.len() {
            steps.push(Step::Deliver { at, copied: false });
            if world.faults_left > 0 {
                steps.extend([Step::Deliver { at, copied: true }, Step::DeliverAndCrash { at }]);
            }
        }
        if world.faults_left > 0 {
            steps.push(Step::Crash);
        }
        if world.climbs_left > 0 {
            steps.push(Step::Climb);
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Send(slot) => {
                let message = self.sends(last, last.memory?, slot)?;
                world.flight.push(message);
                world.flight.sort_unstable();
            }
            Step::Deliver { at, copied } => {
                let message = if copied { world.flight[at].clone() } else { world.flight.remove(at) };
                world.faults_left -= u8::from(copied);
                self.take(&mut world, &message);
            }
            Step::DeliverAndCrash { at } => {
                let message = world.flight[at].clone();
                self.take(&mut world, &message);
                world.memory = None;
                world.faults_left -= 1;
            }
            Step::Lose { at } => {
                world.flight.remove(at);
            }
            Step::Crash => {
                world.memory = None;
                world.faults_left -= 1;
            }
            Step::Restart => world.memory = Some(world.logs.map(|log| self.shelf.log(log).replayed)),
            Step::TimePasses => world.late = true,
            Step::Climb => match self.shelf.escalate(last.memory?, last.late)? {
                Outcome::Done(events, after) if !events.is_empty() => {
                    world.climbs_left -= 1;
                    self.commit(&mut world, SCHEDULER, &events, after);
                }
                Outcome::Done(..) | Outcome::Refused(_) => return None,
            },
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ONE_CUSTODIAN, one_custodian),
            Property::always(BOTH_SIGNED, both_signed),
            Property::always(APPLIED_ONCE, applied_once),
            Property::always(REPLAY, replays),
            Property::always(SOMEBODY_OWES, somebody_owes),
            Property::sometimes("custody of both incidents moves on signatures", |model: &Self, world: &World| {
                world.logs.iter().all(|log| model.shelf.log(*log).takeovers.0 > 0)
            }),
            Property::sometimes("custody moves by order", |model: &Self, world: &World| {
                model.shelf.log(world.logs[0]).takeovers.1 > 0
            }),
            Property::sometimes("two incidents become one", |model: &Self, world: &World| {
                model.shelf.case(world.heads[0]).alias_of.is_some()
            }),
            Property::sometimes("the service comes back to a case taken over", |model: &Self, world: &World| {
                let taken = model.shelf.log(world.logs[0]).takeovers != (0, 0);
                world.faults_left == 0 && world.memory.is_some() && taken
            }),
        ]
    }
}

const ONE_CUSTODIAN: &str = "exactly one custodian, whoever took over last";
const BOTH_SIGNED: &str = "custody moves on both signatures or a ruling";
const APPLIED_ONCE: &str = "a request is applied at most once";
const REPLAY: &str = "replaying the log gives the state";
const SOMEBODY_OWES: &str = "somebody always owes the next move";

fn one_custodian(model: &Service, world: &World) -> bool {
    let told = |at: usize| model.shelf.log(world.logs[at]).custodian.clone();
    (0..2).all(|at| model.shelf.case(world.heads[at]).custodian == told(at))
}

fn both_signed(model: &Service, world: &World) -> bool {
    world.logs.iter().all(|log| model.shelf.log(*log).custody_stands)
}

fn applied_once(model: &Service, world: &World) -> bool {
    world.logs.iter().all(|log| {
        let requests = &model.shelf.log(*log).requests;
        requests.iter().enumerate().all(|(at, request)| *request >= SCHEDULER || !requests[..at].contains(request))
    })
}

fn replays(model: &Service, world: &World) -> bool {
    let replayed = world.logs.map(|log| model.shelf.log(log).replayed);
    replayed == world.heads && world.memory.is_none_or(|memory| memory == replayed)
}

fn somebody_owes(model: &Service, world: &World) -> bool {
    world.heads.iter().all(|head| {
        let case = model.shelf.case(*head);
        case.ledger.is_empty() == (case.phase() == Phase::Closed || case.alias_of.is_some())
    })
}

#[test]
fn the_rules_hold_whatever_the_network_and_the_service_do() {
    let shelf = Arc::new(Shelf::new(Seeded::Nothing));
    let service = Service { shelf: Arc::clone(&shelf) };
    let checked = service.checker().threads(2).spawn_bfs().join();
    let (cases, logs, outcomes) = shelf.sizes();
    println!(
        "{} unique states, {} generated, depth {}; {cases} cases, {logs} logs, {outcomes} requests decided, {} stale",
        checked.unique_state_count(),
        checked.state_count(),
        checked.max_depth(),
        shelf.refused(Reason::StaleVersion),
    );
    checked.assert_properties();
    assert!(checked.unique_state_count() >= STATES_MIN, "only {} states", checked.unique_state_count());
    assert!(shelf.refused(Reason::StaleVersion) > 0, "nothing ever arrived too late");
}

/// Runs the same search with one rule removed and hands back what the property found: after how many states, and the
/// requests applied to X and to Y.
fn found(seeded: Seeded, property: &'static str) -> (usize, [Vec<&'static str>; 2]) {
    let shelf = Arc::new(Shelf::new(seeded));
    let service = Service { shelf: Arc::clone(&shelf) };
    let finish = HasDiscoveries::AnyFailures;
    let checked = service.checker().finish_when(finish).spawn_bfs().join();
    let Some(path) = checked.discovery(property) else { panic!("{seeded:?} was not found") };
    (checked.unique_state_count(), path.last_state().logs.map(|log| slots::told(&shelf, log)))
}

#[test]
fn a_takeover_without_both_signatures_would_be_found() {
    let (states, told) = found(Seeded::UnsignedTakeover, BOTH_SIGNED);
    println!("found after {states} states: {told:?}");
    assert!(told.iter().flatten().any(|request| request.ends_with("over")), "{told:?}");
}

#[test]
fn a_forgotten_request_id_would_be_found() {
    let (states, told) = found(Seeded::ForgottenRequests, APPLIED_ONCE);
    println!("found after {states} states: {told:?}");
    let notes = told[1].iter().filter(|request| **request == "A notes something on Y");
    assert_eq!(notes.count(), 2, "{told:?}");
}
