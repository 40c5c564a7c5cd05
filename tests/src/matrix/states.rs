//! The states of a case that are tried, and which station stands where in each.

use super::words::Side;

/// What a method is about; only states that have it are tried with the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// No incident: the directory, lists, the feed.
    Nothing,
    /// The incident itself.
    Incident,
    /// An alert.
    Alert,
    /// A handoff.
    Handoff,
    /// A request for support.
    Support,
    /// Joint handling.
    Joint,
    /// A second incident beside the first.
    Twin,
    /// Something that is owed.
    Obligation,
}

/// A station of the play and its organisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seat {
    /// Takes the call.
    A,
    /// Its neighbour.
    B,
    /// A station of a third organisation, which never hears of anything.
    C,
}

impl Seat {
    /// Code name of the organisation.
    #[must_use]
    pub const fn organisation(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
        }
    }

    /// Code name of the station.
    #[must_use]
    pub const fn station(self) -> &'static str {
        match self {
            Self::A => "A-01",
            Self::B => "B-07",
            Self::C => "C-03",
        }
    }

    /// The station the others of a case are asked about: B for everybody but B.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::A | Self::C => Self::B,
            Self::B => Self::A,
        }
    }
}

/// A state of a case. The header of the file says what happened in each; `scene` makes it happen.
#[derive(Clone, Copy, Debug)]
pub struct State {
    /// Its name in the file.
    pub name: &'static str,
    /// What there is in it to be asked about.
    pub subjects: &'static [Subject],
    /// Who stands where.
    pub seats: &'static [(Side, Seat)],
}

/// No incident: A's people call.
pub const NO_STATE: State = State { name: "-", subjects: &[Subject::Nothing], seats: &[(Side::None, Seat::A)] };

const ALONE: &[(Side, Seat)] = &[(Side::Custodian, Seat::A), (Side::Stranger, Seat::C)];
const BOTH: &[(Side, Seat)] = &[(Side::Custodian, Seat::A), (Side::Counterpart, Seat::B), (Side::Stranger, Seat::C)];
/// B had an offer and has it no more.
const LEFT: &[(Side, Seat)] = &[(Side::Custodian, Seat::A), (Side::Former, Seat::B), (Side::Stranger, Seat::C)];
/// Custody moved from A to B.
const MOVED: &[(Side, Seat)] = &[(Side::Custodian, Seat::B), (Side::Former, Seat::A), (Side::Stranger, Seat::C)];

const fn state(name: &'static str, subjects: &'static [Subject], seats: &'static [(Side, Seat)]) -> State {
    State { name, subjects, seats }
}

/// All states, in the order a case may run through them.
pub const STATES: &[State] = &[
    NO_STATE,
    state("received", &[Subject::Incident, Subject::Obligation], ALONE),
    state("alerted", &[Subject::Incident, Subject::Alert], BOTH),
    state("claimed", &[Subject::Handoff], BOTH),
    state("offered", &[Subject::Incident, Subject::Handoff, Subject::Obligation], BOTH),
    state("countered", &[Subject::Handoff], BOTH),
    state("declined", &[Subject::Incident, Subject::Handoff, Subject::Obligation], LEFT),
    state("recalled", &[Subject::Handoff], LEFT),
    state("agreed", &[Subject::Incident, Subject::Handoff], BOTH),
    state("signed", &[Subject::Handoff], BOTH),
    state("disputed", &[Subject::Incident, Subject::Handoff], BOTH),
    state("settling", &[Subject::Handoff], BOTH),
    state("taken_over", &[Subject::Incident, Subject::Handoff], MOVED),
    state("handled", &[Subject::Incident, Subject::Handoff], MOVED),
    state("reported", &[Subject::Incident, Subject::Handoff], MOVED),
    state("confirmed", &[Subject::Incident, Subject::Handoff], MOVED),
    state("closed", &[Subject::Incident, Subject::Handoff], MOVED),
    state("told", &[Subject::Incident, Subject::Alert], BOTH),
    state("support_asked", &[Subject::Support], BOTH),
    state("support_lent", &[Subject::Support], BOTH),
    state("joint", &[Subject::Joint], BOTH),
    state("joint_asked", &[Subject::Joint], BOTH),
    state("twin", &[Subject::Twin], BOTH),
    state("merge_proposed", &[Subject::Twin], BOTH),
    state("merged", &[Subject::Twin], BOTH),
];

impl State {
    /// A state by its name.
    #[must_use]
    pub fn parse(name: &str) -> Option<&'static Self> {
        STATES.iter().find(|state| state.name == name)
    }

    /// The station that stands on a side, where one does.
    #[must_use]
    pub fn seat(&self, side: Side) -> Option<Seat> {
        self.seats.iter().find(|(known, _)| *known == side).map(|(_, seat)| *seat)
    }
}
