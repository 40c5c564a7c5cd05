//! Random values of everything an event can hold, for tests. Every record lists its fields here, so a field added to
//! the schema does not compile until it is sampled.

pub(crate) mod log;
mod records;
pub(crate) mod story;
pub(crate) mod world;

use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{ClientId, Digest, IncidentId, OfficerId, OrgId, StationId, UnitId};
use handoff_domain::node::{INT_MAX, Node};
use handoff_domain::time::{MILLIS_MAX, Millis};
use handoff_domain::timers::{Duty, TIMER_MAX_MS, TIMER_MIN_MS, Timers};
use handoff_domain::values::{Code, LABEL_BYTES_MAX, Label, Salt, Sealed};
use std::borrow::Cow;
use uuid::Uuid;

pub(crate) use records::bodies;

/// Draws by SplitMix64: the same seed, the same values.
pub(crate) struct Draw {
    state: u64,
    /// How often an optional value is there and a list has another item, of 256.
    density: u64,
    /// The longest of every text and the largest of every number.
    largest: bool,
}

impl Draw {
    pub(crate) fn new(seed: u64) -> Self {
        let mut draw = Self { state: seed, density: 0, largest: false };
        draw.density = draw.below(257);
        draw
    }

    /// Everything there, everything at its largest.
    pub(crate) fn largest() -> Self {
        Self { state: 1, density: 256, largest: true }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    fn is_there(&mut self) -> bool {
        self.below(256) < self.density
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.bits().to_le_bytes()[0])
    }

    /// 1 to `max` bytes drawn from `letters`.
    fn name(&mut self, letters: &[char], max: usize) -> String {
        let room = if self.largest { max } else { 1 + usize::try_from(self.below(max as u64)).unwrap() };
        let mut text = String::from(if self.largest { letters[0] } else { self.pick(&letters[..2]) });
        while !self.largest || text.len() < max {
            let next = if self.largest { letters[0] } else { self.pick(letters) };
            if text.len() + next.len_utf8() > room {
                break;
            }
            text.push(next);
        }
        text
    }

    /// Any text of the profile, up to `max` bytes.
    pub(crate) fn text(&mut self, max: usize) -> String {
        let letters = [
            'a', 'Z', '0', ' ', '"', '\\', '\n', '/', '<', '&', '\'', 'é', 'ß', '兵', '团', '\u{2028}', '\u{feff}',
            '🚓',
        ];
        self.name(&letters, max)
    }

    pub(crate) fn int(&mut self) -> u64 {
        if self.largest {
            return INT_MAX;
        }
        let edges = [0, 1, 9, 10, 1_800_000_000, INT_MAX - 1, INT_MAX];
        if self.below(2) == 0 { self.pick(&edges) } else { self.bits() >> (11 + self.below(53)) }
    }

    /// Any document of the profile that stays within `room` containers.
    pub(crate) fn node(&mut self, room: u64) -> Node {
        match self.below(if room == 0 { 3 } else { 5 }) {
            0 => Node::Text(self.text(24)),
            1 => Node::Int(self.int()),
            2 => Node::Flag(self.below(2) == 0),
            3 => Node::List((0..self.below(4)).map(|_| self.node(room - 1)).collect()),
            _ => {
                let mut fields = Vec::new();
                for _ in 0..self.below(5) {
                    let key = self.name(&['k', 'a', 'z', '_', '0', '9'], 5);
                    if fields.iter().all(|(known, _): &(Cow<'_, str>, Node)| *known != key) {
                        fields.push((Cow::Owned(key), self.node(room - 1)));
                    }
                }
                Node::Map(fields)
            }
        }
    }

    pub(crate) fn event(&mut self, body: Body) -> (Event, Digest) {
        let seq = 1 + self.below(1_000);
        let prev = if seq == 1 { crate::event::FIRST_PREV } else { Digest::sample(self) };
        let event = Event {
            incident: IncidentId::sample(self),
            seq,
            at: Sample::sample(self),
            claimed_at: Sample::sample(self),
            actor: Sample::sample(self),
            body,
        };
        (event, prev)
    }
}

pub(crate) trait Sample: Sized {
    fn sample(draw: &mut Draw) -> Self;
}

impl Sample for String {
    fn sample(draw: &mut Draw) -> Self {
        draw.text(80)
    }
}

impl Sample for u64 {
    fn sample(draw: &mut Draw) -> Self {
        draw.int()
    }
}

impl Sample for bool {
    fn sample(draw: &mut Draw) -> Self {
        draw.is_there()
    }
}

impl<T: Sample> Sample for Option<T> {
    fn sample(draw: &mut Draw) -> Self {
        draw.is_there().then(|| T::sample(draw))
    }
}

impl<T: Sample> Sample for Vec<T> {
    fn sample(draw: &mut Draw) -> Self {
        let length = if draw.is_there() { 1 + draw.below(3) } else { 0 };
        (0..length).map(|_| T::sample(draw)).collect()
    }
}

impl Sample for Millis {
    fn sample(draw: &mut Draw) -> Self {
        Self(i64::try_from(draw.bits() % (MILLIS_MAX as u64 + 1)).unwrap())
    }
}

impl Sample for Digest {
    fn sample(draw: &mut Draw) -> Self {
        Self(draw.bytes())
    }
}

impl Sample for Sealed {
    fn sample(draw: &mut Draw) -> Self {
        Self(draw.bytes())
    }
}

impl Sample for Salt {
    fn sample(draw: &mut Draw) -> Self {
        Self(draw.bytes())
    }
}

impl Sample for Code {
    fn sample(draw: &mut Draw) -> Self {
        Self::new(&draw.name(&['C', 'A', 'Z', '_', '7'], 64)).unwrap()
    }
}

impl Sample for Label {
    fn sample(draw: &mut Draw) -> Self {
        // Both take two bytes in JSON, the most a legal character of one byte can.
        Self::new(&draw.name(&['"', '\\', 'L', '团', '/', ' ', 'é'], LABEL_BYTES_MAX)).unwrap()
    }
}

impl Sample for Timers {
    fn sample(draw: &mut Draw) -> Self {
        let mut timers = Self::default();
        let names = Duty::ALL.iter().map(|duty| duty.as_str()).chain(["rung", "agreed_valid"]);
        for name in names {
            if timers.is_default() || draw.is_there() {
                assert!(timers.set(name, TIMER_MIN_MS, TIMER_MAX_MS));
            }
        }
        timers
    }
}

macro_rules! names {
    ($($name:ty),*) => { $(
        impl Sample for $name {
            fn sample(draw: &mut Draw) -> Self {
                Self::new(&draw.name(&['n', 'A', '0', '-', '_', '.', ':'], 64)).unwrap()
            }
        }
    )* };
}

names!(ClientId, OfficerId, OrgId, StationId, UnitId);

macro_rules! uuids {
    ($($name:ident),*) => { $(
        impl Sample for handoff_domain::ids::$name {
            fn sample(draw: &mut Draw) -> Self { Self(Uuid::from_bytes(draw.bytes())) }
        }
    )* };
}

uuids!(IncidentId, HandoffId, DeploymentId, SupportId, JointId, AgreementId, MapId, DrillId, Scope);

macro_rules! lists {
    ($($name:ty),*) => { $(
        impl Sample for $name {
            fn sample(draw: &mut Draw) -> Self {
                let all = Self::ALL;
                if draw.largest { all.iter().copied().max_by_key(|word| word.as_str().len()).unwrap() } else { draw.pick(all) }
            }
        }
    )* };
}

use handoff_domain::caller::Role;
use handoff_domain::event::handoff::{OfferBasis, Ruling, Settlement};
use handoff_domain::event::incident::{LinkKind, ReopenTo, SupportAnswer, UnitStatus};
use handoff_domain::timers::Rung;
use handoff_domain::values::{Ground, Level, Severity};

lists!(
    Role,
    OfferBasis,
    Ruling,
    Settlement,
    LinkKind,
    ReopenTo,
    SupportAnswer,
    UnitStatus,
    Duty,
    Rung,
    Ground,
    Level,
    Severity
);
