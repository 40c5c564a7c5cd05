//! Reads the file. A cell that is missing, doubled or misspelt is an error, and so is a method nobody wrote a row for.

use super::methods::{METHODS, described};
use super::states::{STATES, State};
use super::words::{Identity, Outcome, Side};
use std::collections::{BTreeMap, BTreeSet};

/// One row's key: method, state, side.
pub type Key = (&'static str, &'static str, Side);

/// What stands in one line for every identity, in the order of [`Identity::ALL`].
pub type Cells = Vec<Outcome>;

/// The whole file.
#[derive(Debug)]
pub struct Grid {
    rows: BTreeMap<Key, Cells>,
}

/// Begins a line that is for the reader alone.
const COMMENT: char = '#';
/// Between the states of one row.
const OR: char = '|';
/// Columns before the identities.
const KEY_COLUMNS: usize = 3;

impl Grid {
    /// The file of this project.
    ///
    /// # Errors
    /// It cannot be read, or is not whole.
    pub fn load() -> anyhow::Result<Self> {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("authz/matrix.csv");
        let text = std::fs::read_to_string(path)?;
        Self::parse(&text).map_err(|faults| anyhow::anyhow!("{} faults:\n  {}", faults.len(), faults.join("\n  ")))
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// Every fault, not the first.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut faults = undescribed();
        let mut rows = BTreeMap::new();
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let mut lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with(COMMENT));
        let head = lines.next().map(|(_, line)| line.to_owned()).unwrap_or_default();
        if head != header() {
            faults.push(format!("the first line is not `{}`", header()));
        }
        for (number, line) in lines {
            if let Err(fault) = read_line(line, &mut rows) {
                faults.push(format!("line {number}: {fault}"));
            }
        }
        let missing = universe().into_iter().filter(|key| !rows.contains_key(key));
        faults.extend(missing.map(|(method, state, side)| format!("no row for {method},{state},{}", side.as_str())));
        if faults.is_empty() { Ok(Self { rows }) } else { Err(faults) }
    }

    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Cells)> {
        self.rows.iter()
    }

    /// One cell.
    #[must_use]
    pub fn cell(&self, key: &Key, identity: Identity) -> Option<Outcome> {
        let at = Identity::ALL.iter().position(|known| *known == identity)?;
        self.rows.get(key).and_then(|cells| cells.get(at)).copied()
    }

    /// How many cells there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.rows.values().map(Vec::len).sum()
    }
}

/// The first line of the file.
#[must_use]
pub fn header() -> String {
    let identities = Identity::ALL.iter().map(|identity| identity.as_str());
    ["method", "state", "side"].into_iter().chain(identities).collect::<Vec<_>>().join(",")
}

/// Every key that needs a row: each method in each state that has what it is about, from each side there is.
#[must_use]
pub fn universe() -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for method in METHODS {
        for state in STATES.iter().filter(|state| state.subjects.contains(&method.subject)) {
            keys.extend(state.seats.iter().map(|(side, _)| (method.name, state.name, *side)));
        }
    }
    keys
}

/// Where the list of methods and the protocol differ.
fn undescribed() -> Vec<String> {
    let described = match described() {
        Ok(described) => described,
        Err(error) => return vec![format!("the protocol's descriptor: {error}")],
    };
    let known: BTreeSet<_> = METHODS.iter().map(|method| (method.service, method.name)).collect();
    let there: BTreeSet<_> = described.iter().map(|(service, name)| (service.as_str(), name.as_str())).collect();
    let absent = there.difference(&known).map(|(service, name)| format!("{service}/{name} is not in the matrix"));
    let gone = known.difference(&there).map(|(service, name)| format!("{service}/{name} is not in the protocol"));
    let mut faults: Vec<String> = absent.chain(gone).collect();
    let names: BTreeSet<_> = METHODS.iter().map(|method| method.name).collect();
    if names.len() != METHODS.len() {
        faults.push("two methods have one name".to_owned());
    }
    faults
}

fn read_line(line: &str, rows: &mut BTreeMap<Key, Cells>) -> Result<(), String> {
    let fields: Vec<&str> = line.split(',').collect();
    if fields.len() != KEY_COLUMNS + Identity::ALL.len() {
        return Err(format!("{} columns", fields.len()));
    }
    let method = METHODS.iter().find(|method| method.name == fields[0]);
    let method = method.ok_or_else(|| format!("no method is called `{}`", fields[0]))?;
    let side = Side::parse(fields[2]).ok_or_else(|| format!("no side is called `{}`", fields[2]))?;
    let cells: Cells = fields[KEY_COLUMNS..]
        .iter()
        .map(|word| Outcome::parse(word).ok_or_else(|| format!("no outcome is called `{word}`")))
        .collect::<Result<_, _>>()?;
    for name in fields[1].split(OR) {
        let state = State::parse(name).ok_or_else(|| format!("no state is called `{name}`"))?;
        let place = format!("{},{name},{}", method.name, side.as_str());
        if !state.subjects.contains(&method.subject) || state.seat(side).is_none() {
            return Err(format!("{place} is nothing that can be tried"));
        }
        if rows.insert((method.name, state.name, side), cells.clone()).is_some() {
            return Err(format!("a second row for {place}"));
        }
    }
    Ok(())
}
