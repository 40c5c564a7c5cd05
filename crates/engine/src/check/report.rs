//! What the check found, by invariant: how often each was looked at, and where it does not hold.

use handoff_domain::ids::IncidentId;
use std::fmt::{Display, Formatter};

/// Violations of one invariant that a report shows; more are only counted.
pub const VIOLATIONS_SHOWN_MAX: usize = 100;

/// A text in both languages: English, Chinese.
pub(super) type Text = (&'static str, &'static str);

/// The ten invariants of the design page *product*, under their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    OneCustodian = 1,
    DispatchNeverWaits = 2,
    FourFacts = 3,
    TimersMoveNothing = 4,
    BothSigned = 5,
    AppendOnly = 6,
    Requests = 7,
    SomebodyOwes = 8,
    OwnSideOnly = 9,
    Replay = 10,
}

const NAMES: [Text; 10] = [
    ("exactly one custodian at every instant", "任何时刻有且只有一个责任单位"),
    ("dispatch never waits for a handoff", "派警从不等待移交"),
    ("delivered, seen, agreed, taken over are four facts", "送达、阅知、同意、接管是四个独立事实"),
    ("timers never move custody", "计时器从不改变责任"),
    ("a takeover needs agreement and both signatures", "接管须有同意和双方签名"),
    ("former custodians only add; merges are reversible", "原责任单位只能追加；合并可逆"),
    ("one answer for each request", "每个请求只有一个答复"),
    ("somebody always owes the next move", "下一步总有人负责"),
    ("nobody acts for the other side", "无人代替对方行事"),
    ("replaying the log gives exactly what is stored", "重放日志与存储完全一致"),
];

/// One place where an invariant does not hold. No names of persons, no contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Number of the invariant, 1 to 10.
    pub invariant: u8,
    /// The incident it was found in.
    pub incident: Option<IncidentId>,
    /// Position of the event it was found at; none where a stored row is meant.
    pub position: Option<u64>,
    /// What is wrong, in English.
    pub text_en: String,
    /// What is wrong, in Chinese.
    pub text_zh: String,
}

impl Violation {
    fn write(&self, f: &mut Formatter<'_>, chinese: bool) -> std::fmt::Result {
        let place = match (self.position, chinese) {
            (Some(position), false) => format!("position {position}, "),
            (Some(position), true) => format!("位置 {position}，"),
            (None, _) => String::new(),
        };
        let incident = match (self.incident, chinese) {
            (Some(incident), false) => format!("incident {incident}: "),
            (Some(incident), true) => format!("警情 {incident}："),
            (None, _) => String::new(),
        };
        write!(f, "{place}{incident}{}", if chinese { &self.text_zh } else { &self.text_en })
    }
}

impl Display for Violation {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "invariant {}: ", self.invariant)?;
        self.write(f, false)
    }
}

/// One invariant and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invariant {
    /// Its number on the design page *product*.
    pub number: u8,
    /// Its short sentence in English.
    pub name_en: &'static str,
    /// Its short sentence in Chinese.
    pub name_zh: &'static str,
    /// How many single checks were made.
    pub checks: u64,
    /// Where it does not hold; at most [`VIOLATIONS_SHOWN_MAX`].
    pub violations: Vec<Violation>,
    /// Violations beyond those shown.
    pub further: u64,
}

impl Invariant {
    /// Every violation, shown or not.
    #[must_use]
    pub fn violated(&self) -> u64 {
        self.violations.len() as u64 + self.further
    }
}

/// What the check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Events in the log when the check began.
    pub events: u64,
    /// Incidents among them.
    pub incidents: u64,
    /// The invariants in the order of their numbers.
    pub invariants: Vec<Invariant>,
}

impl Report {
    /// Whether every invariant holds.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.invariants.iter().all(|invariant| invariant.violated() == 0)
    }

    /// One invariant by its number.
    #[must_use]
    pub fn invariant(&self, number: u8) -> Option<&Invariant> {
        self.invariants.iter().find(|invariant| invariant.number == number)
    }

    /// The same table in Chinese.
    #[must_use]
    pub fn chinese(&self) -> impl Display + '_ {
        Chinese(self)
    }

    fn write(&self, f: &mut Formatter<'_>, chinese: bool) -> std::fmt::Result {
        let heads = if chinese { ["不变式", "检查次数", "结果"] } else { ["invariant", "checks", "result"] };
        let name = |invariant: &Invariant| if chinese { invariant.name_zh } else { invariant.name_en };
        let widest = self.invariants.iter().map(|invariant| width(name(invariant))).max().unwrap_or(0);
        writeln!(
            f,
            " #  {}{}  {}",
            heads[0],
            spaces(widest + 12 - width(heads[0]) - width(heads[1])) + heads[1],
            heads[2]
        )?;
        for invariant in &self.invariants {
            let (name, checks) = (name(invariant), invariant.checks.to_string());
            let gap = spaces(widest + 12 - width(name) - checks.len());
            let result = match (invariant.violated(), chinese) {
                (0, _) if invariant.checks == 0 => if chinese { "无可检查" } else { "nothing to check" }.to_owned(),
                (0, _) => if chinese { "成立" } else { "holds" }.to_owned(),
                (1, false) => "1 VIOLATION".to_owned(),
                (number, false) => format!("{number} VIOLATIONS"),
                (number, true) => format!("违反 {number} 处"),
            };
            writeln!(f, "{:>2}  {name}{gap}{checks}  {result}", invariant.number)?;
            for violation in &invariant.violations {
                write!(f, "      ")?;
                violation.write(f, chinese)?;
                writeln!(f)?;
            }
        }
        if chinese {
            write!(f, "事件 {}，警情 {}", self.events, self.incidents)
        } else {
            write!(f, "{} events, {} incidents", self.events, self.incidents)
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.write(f, false)
    }
}

struct Chinese<'a>(&'a Report);

impl Display for Chinese<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        self.0.write(f, true)
    }
}

/// Columns of a terminal: a Chinese character takes two.
fn width(text: &str) -> usize {
    text.chars().map(|letter| if letter >= '\u{2e80}' { 2 } else { 1 }).sum()
}

fn spaces(number: usize) -> String {
    " ".repeat(number)
}

/// Where a check is made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spot {
    pub(super) incident: Option<IncidentId>,
    pub(super) position: Option<u64>,
}

impl Spot {
    pub(super) fn event(incident: IncidentId, position: u64) -> Self {
        Self { incident: Some(incident), position: Some(position) }
    }

    pub(super) fn rows_of(incident: IncidentId) -> Self {
        Self { incident: Some(incident), position: None }
    }

    pub(super) fn position(position: u64) -> Self {
        Self { incident: None, position: Some(position) }
    }
}

/// Counts checks and keeps violations.
#[derive(Debug)]
pub(super) struct Tally(Vec<Invariant>);

impl Tally {
    pub(super) fn new() -> Self {
        let numbered = NAMES.iter().zip(1..);
        let empty = |((name_en, name_zh), number): (&Text, u8)| Invariant {
            number,
            name_en,
            name_zh,
            checks: 0,
            violations: Vec::new(),
            further: 0,
        };
        Self(numbered.map(empty).collect())
    }

    /// One check. Gives back whether it holds.
    pub(super) fn holds(&mut self, rule: Rule, at: Spot, holds: bool, wrong: Text) -> bool {
        self.holds_or(rule, at, holds, wrong, String::new)
    }

    /// One check whose violation has something more to say: a column, a type, a number; no contents.
    pub(super) fn holds_or(
        &mut self,
        rule: Rule,
        at: Spot,
        holds: bool,
        (en, zh): Text,
        detail: impl FnOnce() -> String,
    ) -> bool {
        let Some(of) = self.0.get_mut(rule as usize - 1) else { return holds };
        of.checks += 1;
        if holds {
            return true;
        }
        if of.violations.len() >= VIOLATIONS_SHOWN_MAX {
            of.further += 1;
            return false;
        }
        let detail = detail();
        let (text_en, text_zh) = if detail.is_empty() {
            (en.to_owned(), zh.to_owned())
        } else {
            (format!("{en}: {detail}"), format!("{zh}：{detail}"))
        };
        let Spot { incident, position } = at;
        of.violations.push(Violation { invariant: of.number, incident, position, text_en, text_zh });
        false
    }

    pub(super) fn into_report(self, events: u64, incidents: u64) -> Report {
        Report { events, incidents, invariants: self.0 }
    }
}
