//! What a run reached, to be printed and asserted: a property of moves nobody made proves nothing.

use handoff_domain::case::Case;
use handoff_domain::case::handoff::HandoffName;
use handoff_domain::case::phase::Phase;
use handoff_domain::event::Body;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts of one run.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) histories: u64,
    pub(crate) commands: u64,
    pub(crate) accepted: u64,
    pub(crate) fewest_commands: u64,
    /// Commands of the scheduler, which are not counted above.
    pub(crate) scheduled: u64,
    pub(crate) events: BTreeMap<&'static str, u64>,
    pub(crate) states: BTreeMap<String, u64>,
    pub(crate) refusals: BTreeMap<&'static str, u64>,
    /// Moves that were legal and not among the legal moves a stale one was told (invariant 7).
    pub(crate) unlisted: BTreeMap<&'static str, u64>,
    /// How often something was looked at, by name of the check.
    pub(crate) checks: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn check(&mut self, name: &'static str) {
        *self.checks.entry(name).or_default() += 1;
    }

    /// Counts the states one event led into.
    pub(crate) fn states(&mut self, before: Option<&Case>, after: &Case) {
        let mut reached = |name: String| *self.states.entry(name).or_default() += 1;
        if before.map(Case::phase) != Some(after.phase()) {
            reached(format!("incident {}", after.phase()));
        }
        if after.alias_of.is_some() && before.is_some_and(|before| before.alias_of.is_none()) {
            reached("incident alias".to_owned());
        }
        for handoff in &after.handoffs {
            let was = before.and_then(|before| before.handoff(handoff.id)).map(|was| was.state.name());
            if was != Some(handoff.state.name()) {
                reached(format!("handoff {}", handoff.state.name()));
            }
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.fewest_commands = match self.histories {
            0 => other.fewest_commands,
            _ => self.fewest_commands.min(other.fewest_commands),
        };
        self.histories += other.histories;
        self.commands += other.commands;
        self.accepted += other.accepted;
        self.scheduled += other.scheduled;
        let add = |into: &mut BTreeMap<&'static str, u64>, from: &BTreeMap<&'static str, u64>| {
            for (name, count) in from {
                *into.entry(name).or_default() += count;
            }
        };
        add(&mut self.events, &other.events);
        add(&mut self.refusals, &other.refusals);
        add(&mut self.unlisted, &other.unlisted);
        add(&mut self.checks, &other.checks);
        for (name, count) in &other.states {
            *self.states.entry(name.clone()).or_default() += count;
        }
    }

    /// Everything that was to be reached and was reached less often than `least`.
    pub(crate) fn rarer_than(&self, least: u64) -> Vec<String> {
        let phases = Phase::ALL.iter().map(|phase| format!("incident {phase}"));
        let handoffs = HandoffName::ALL.iter().map(|name| format!("handoff {name}"));
        let states = phases.chain(handoffs).chain(["incident alias".to_owned()]);
        let few = |count: Option<&u64>| count.copied().unwrap_or(0) < least;
        let states = states.filter(|name| few(self.states.get(name)));
        let events = Body::TYPES.iter().filter(|name| few(self.events.get(*name))).map(|name| format!("event {name}"));
        states.chain(events).collect()
    }

    /// The table printed at the end.
    pub(crate) fn table(&self) -> String {
        let share = 100 * self.accepted / self.commands.max(1);
        let mut text = format!(
            "histories {}, commands {} (fewest in one {}), accepted {} ({share} %), by the scheduler {} more\n",
            self.histories, self.commands, self.fewest_commands, self.accepted, self.scheduled
        );
        let mut list = |title: &str, counts: Vec<(&str, u64)>| {
            let sum: u64 = counts.iter().map(|(_, count)| count).sum();
            let _ = writeln!(text, "{title}: {sum}");
            for row in counts.chunks(4) {
                let cells: Vec<_> = row.iter().map(|(name, count)| format!("{name:<26}{count:>8}")).collect();
                let _ = writeln!(text, "  {}", cells.join("  "));
            }
        };
        let counted = |counts: &BTreeMap<&'static str, u64>| counts.iter().map(|(name, n)| (*name, *n)).collect();
        let events = Body::TYPES.iter().map(|name| (*name, self.events.get(name).copied().unwrap_or(0))).collect();
        list("events", events);
        list("states entered", self.states.iter().map(|(name, count)| (name.as_str(), *count)).collect());
        list("refusals", counted(&self.refusals));
        list("legal and not listed", counted(&self.unlisted));
        list("invariants looked at", counted(&self.checks));
        text
    }
}
