//! What was answered, incident by incident, and the figures that follow from it.

use super::drive::Outcome;
use super::plan::Plan;
use super::step::{Move, Step};
use handoff_domain::event::incident::UnitStatus;
use handoff_domain::time::Millis;
use serde::Serialize;
use std::collections::BTreeMap;

/// Times of one incident, as far as the service has acknowledged them.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    received: Option<Millis>,
    dispatched: Option<Millis>,
    on_scene: Option<Millis>,
    handled: Option<Millis>,
    offered: Option<Millis>,
    delivered: Option<Millis>,
    agreed: Option<Millis>,
    /// The second signature.
    signed: Option<Millis>,
    signatures: u8,
    taken_over: Option<Millis>,
    confirmed: Option<Millis>,
    support: bool,
    joint: bool,
    closed: Option<Millis>,
}

/// One distribution of durations, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// From where to where.
    pub name: &'static str,
    /// How many.
    pub count: usize,
    /// Half are shorter.
    pub median_ms: i64,
    /// Nine of ten are shorter.
    pub p90_ms: i64,
    /// The longest.
    pub max_ms: i64,
}

/// Commands by what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Commands {
    /// Recorded in this run.
    pub recorded: u64,
    /// Recorded by an earlier start of it.
    pub repeated: u64,
    /// Facts that were known already when they were told: nothing was left to record.
    pub known: u64,
    /// Refused.
    pub refused: u64,
}

/// Refusals of one move for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusals {
    /// The move.
    pub what: &'static str,
    /// The reason.
    pub reason: String,
    /// How often.
    pub count: u64,
    /// Lines of the table, the first few.
    pub lines: Vec<u64>,
}

/// Incidents and handoffs by how they went.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Courses {
    /// Incidents received.
    pub incidents: u64,
    /// Of those, closed.
    pub closed: u64,
    /// Handoffs offered.
    pub offered: u64,
    /// Of those, taken over.
    pub taken_over: u64,
    /// Of those, with a confirmed result.
    pub confirmed: u64,
    /// Incidents with units on loan.
    pub support: u64,
    /// Incidents handled jointly.
    pub joint: u64,
}

/// An incident that did not come to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Open {
    /// Line of the table.
    pub line: u64,
    /// Its id.
    pub incident: String,
}

/// Lines named beside a count, at most.
const LINES_NAMED_MAX: usize = 10;

/// Counts answers.
#[derive(Debug)]
pub struct Tally {
    marks: Vec<Marks>,
    commands: Commands,
    refusals: BTreeMap<(&'static str, String), (u64, Vec<u64>)>,
}

impl Tally {
    /// Nothing answered yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            marks: vec![Marks::default(); plan.cases.len()],
            commands: Commands::default(),
            refusals: BTreeMap::new(),
        }
    }

    /// Takes one answer in.
    pub fn hear(&mut self, step: &Step, outcome: &Outcome) {
        match outcome {
            Outcome::Done(_) => self.commands.recorded += 1,
            Outcome::Repeated(_) => self.commands.repeated += 1,
            Outcome::Refused { reason, .. } if is_known_fact(&step.what, reason) => self.commands.known += 1,
            Outcome::Refused { reason, .. } => {
                self.commands.refused += 1;
                let (count, lines) = self.refusals.entry((step.what.name(), reason.clone())).or_default();
                *count += 1;
                if lines.len() < LINES_NAMED_MAX {
                    lines.push(step.line);
                }
                return;
            }
        }
        if let Some(marks) = self.marks.get_mut(step.case) {
            marks.take(step.at, &step.what);
        }
    }

    /// Commands by what became of them.
    #[must_use]
    pub fn commands(&self) -> Commands {
        self.commands.clone()
    }

    /// Refusals, the most frequent first.
    #[must_use]
    pub fn refusals(&self) -> Vec<Refusals> {
        let mut all: Vec<Refusals> = self
            .refusals
            .iter()
            .map(|((what, reason), (count, lines))| Refusals {
                what,
                reason: reason.clone(),
                count: *count,
                lines: lines.clone(),
            })
            .collect();
        all.sort_by_key(|refusals| std::cmp::Reverse(refusals.count));
        all
    }

    /// How the incidents went.
    #[must_use]
    pub fn courses(&self) -> Courses {
        let count = |is: fn(&Marks) -> bool| self.marks.iter().filter(|marks| is(marks)).count() as u64;
        Courses {
            incidents: count(|marks| marks.received.is_some()),
            closed: count(|marks| marks.closed.is_some()),
            offered: count(|marks| marks.offered.is_some()),
            taken_over: count(|marks| marks.taken_over.is_some()),
            confirmed: count(|marks| marks.taken_over.is_some() && marks.confirmed.is_some()),
            support: count(|marks| marks.support),
            joint: count(|marks| marks.joint),
        }
    }

    /// Incidents of the plan that are not closed: never received, or stuck on their way.
    #[must_use]
    pub fn open(&self, plan: &Plan) -> Vec<Open> {
        let left = plan.cases.iter().zip(&self.marks).filter(|(_, marks)| marks.closed.is_none());
        left.map(|(case, _)| Open { line: case.line, incident: case.incident.to_string() }).collect()
    }

    /// Durations over all incidents. Times are the plan's, which is the service's own clock in a simulated run and
    /// the recorded time otherwise.
    #[must_use]
    pub fn spreads(&self) -> Vec<Spread> {
        type At = fn(&Marks) -> Option<Millis>;
        const NAMES: [(&str, At, At); 8] = [
            ("received → dispatched", |m| m.received, |m| m.dispatched),
            ("received → on scene", |m| m.received, |m| m.on_scene),
            ("received → handled", |m| m.received, |m| m.handled),
            ("offer → delivered", |m| m.offered, |m| m.delivered),
            ("offer → agreed", |m| m.offered, |m| m.agreed),
            ("offer → signed", |m| m.offered, |m| m.signed),
            ("offer → taken over", |m| m.offered, |m| m.taken_over),
            ("offer → confirmed", |m| m.offered, |m| m.confirmed),
        ];
        let of = |(name, from, to): (&'static str, At, At)| {
            let between = |marks: &Marks| from(marks).zip(to(marks)).map(|(from, to)| to.since(from));
            spread(name, self.marks.iter().filter_map(between).collect())
        };
        NAMES.into_iter().map(of).filter(|spread| spread.count > 0).collect()
    }
}

/// A later act of a station implies that it has the case and has seen it; told afterwards that is no news, which the
/// service answers as a move that is not legal.
fn is_known_fact(what: &Move, reason: &str) -> bool {
    let fact = matches!(what, Move::DeliverAlert { .. } | Move::SeeAlert | Move::Deliver { .. } | Move::See { .. });
    fact && reason == "MOVE_NOT_LEGAL"
}

fn spread(name: &'static str, mut all: Vec<i64>) -> Spread {
    all.sort_unstable();
    // The nearest rank: the smallest duration that is not below so many of a hundred.
    let rank = |percent: usize| all.get((all.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or(0);
    Spread { name, count: all.len(), median_ms: rank(50), p90_ms: rank(90), max_ms: rank(100) }
}

impl Marks {
    fn take(&mut self, at: Millis, what: &Move) {
        match what {
            Move::Receive { .. } => self.received = Some(at),
            Move::Unit { status: UnitStatus::Assigned, .. } => _ = self.dispatched.get_or_insert(at),
            Move::Unit { status: UnitStatus::OnScene, .. } => _ = self.on_scene.get_or_insert(at),
            Move::DeclareHandled { .. } => self.handled = Some(at),
            Move::Offer { .. } => self.offered = Some(at),
            Move::Deliver { .. } => self.delivered = Some(at),
            Move::Agree { .. } => self.agreed = Some(at),
            Move::Sign { .. } => {
                self.signatures += 1;
                self.signed = (self.signatures == 2).then_some(at);
            }
            Move::TakeOver { .. } => self.taken_over = Some(at),
            Move::Confirm => self.confirmed = Some(at),
            Move::RequestSupport { .. } => self.support = true,
            Move::DeclareJoint { .. } => self.joint = true,
            Move::Close { .. } => self.closed = Some(at),
            Move::Unit { .. }
            | Move::Alert { .. }
            | Move::DeliverAlert { .. }
            | Move::SeeAlert
            | Move::AnswerAlert { .. }
            | Move::Note { .. }
            | Move::See { .. }
            | Move::Word { .. }
            | Move::Report { .. }
            | Move::AnswerSupport { .. }
            | Move::EndSupport { .. }
            | Move::AcknowledgeJoint { .. }
            | Move::ProposeJointEnd { .. }
            | Move::AgreeJointEnd { .. } => {}
        }
    }
}
