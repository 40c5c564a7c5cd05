//! The grids as text: reading them strictly, playing every cell, and comparing.

use crate::moves::act;
use crate::states::stands;
use crate::world::{PART, Play, Side, Who};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One cell: state, move, side, role.
pub(crate) type Cell = (String, String, &'static str, &'static str);

/// What a grid covers.
pub(crate) struct Grid {
    pub(crate) states: &'static [&'static str],
    pub(crate) build: fn(&str) -> Play,
    pub(crate) moves: Vec<&'static str>,
}

/// What happens in a cell: `same` (recorded, no state changes), `nothing` (nothing to record), the state it leads to,
/// or the reason why not.
fn outcome(play: &Play, who: Who, name: &str) -> String {
    let decided = match play.attempt(who, act(name, play, who)) {
        Ok(decided) => decided,
        Err(refusal) => return refusal.reason.to_string(),
    };
    if decided.events.is_empty() {
        return "nothing".to_owned();
    }
    let after = decided.cases.iter().find(|case| case.id == play.case().id).expect("the incident is among them");
    let mut changed = Vec::new();
    if after.alias_of != play.case().alias_of {
        changed.push(if after.alias_of.is_some() { "ALIAS".to_owned() } else { "ITSELF".to_owned() });
    }
    let (was, is) = (stands(play.case()), stands(after));
    changed.extend((was.0 != is.0).then_some(is.0));
    changed.extend((was.1 != is.1).then_some(is.1).flatten());
    changed.extend((after.custodian != play.case().custodian).then(|| "CUSTODY".to_owned()));
    changed.extend(decided.cases.iter().any(|case| case.id == PART).then(|| "PART".to_owned()));
    if changed.is_empty() { "same".to_owned() } else { changed.join(" + ") }
}

/// Every cell as the rules have it.
pub(crate) fn played(grid: &Grid) -> BTreeMap<Cell, String> {
    let mut cells = BTreeMap::new();
    for state in grid.states {
        let play = (grid.build)(state);
        for name in &grid.moves {
            for (side, role) in Side::ALL.iter().flat_map(|side| side.roles().iter().map(move |role| (*side, *role))) {
                let is = outcome(&play, Who(side, role), name);
                cells.insert(((*state).to_owned(), (*name).to_owned(), side.name(), role.as_str()), is);
            }
        }
    }
    cells
}

fn known(list: &[&'static str], word: &str, line: usize) -> &'static str {
    list.iter().copied().find(|known| *known == word).unwrap_or_else(|| panic!("line {line}: {word:?} is not known"))
}

/// A group of names, separated by commas; `@name` stands for a list the page itself spells out.
fn group(text: &str, lists: &BTreeMap<String, Vec<String>>, line: usize) -> Vec<String> {
    let names = text.split(',').map(str::trim).flat_map(|name| match name.strip_prefix('@') {
        Some(list) => lists.get(list).unwrap_or_else(|| panic!("line {line}: no list {name}")).clone(),
        None => vec![name.to_owned()],
    });
    names.collect()
}

/// Reads a page: `state | move | side | role → outcome`, `#` begins a comment, `@list = a, b` spells a list out, and a
/// line that begins with a blank goes on with the one before.
pub(crate) fn read(grid: &Grid, page: &str) -> BTreeMap<Cell, String> {
    let mut lists = BTreeMap::new();
    let mut cells = BTreeMap::new();
    for (line, text) in whole_lines(page) {
        if let Some((list, names)) = text.strip_prefix('@').and_then(|rest| rest.split_once('=')) {
            let names = group(names, &lists, line);
            assert!(lists.insert(list.trim().to_owned(), names).is_none(), "line {line}: a second list @{list}");
            continue;
        }
        let (cell, is) = text.split_once('→').unwrap_or_else(|| panic!("line {line}: no outcome"));
        let columns: Vec<_> = cell.split('|').map(str::trim).collect();
        let [states, moves, sides, roles] = columns[..] else { panic!("line {line}: not four columns") };
        let row = Row {
            states: group(states, &lists, line),
            moves: group(moves, &lists, line),
            sides: group(sides, &lists, line),
            roles: group(roles, &lists, line),
        };
        for cell in row.cells(grid, line) {
            let again = cells.insert(cell.clone(), is.trim().to_owned());
            assert!(again.is_none(), "line {line}: {cell:?} stands there twice");
        }
    }
    cells
}

/// One line of a page.
struct Row {
    states: Vec<String>,
    moves: Vec<String>,
    sides: Vec<String>,
    roles: Vec<String>,
}

impl Row {
    fn cells(&self, grid: &Grid, line: usize) -> Vec<Cell> {
        let mut cells = Vec::new();
        for side in &self.sides {
            let side = Side::ALL.into_iter().find(|known| known.name() == side);
            let side = side.unwrap_or_else(|| panic!("line {line}: no side of that name"));
            let of_side: Vec<_> = side.roles().iter().map(|role| role.as_str()).collect();
            for name in &self.moves {
                let name = known(&grid.moves, name, line);
                for state in &self.states {
                    let state = known(grid.states, state, line);
                    let roles = self.roles.iter().map(|role| known(&of_side, role, line));
                    cells.extend(roles.map(|role| (state.to_owned(), name.to_owned(), side.name(), role)));
                }
            }
        }
        cells
    }
}

fn whole_lines(page: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, text) in page.lines().enumerate().filter(|(_, text)| !text.trim().is_empty() && !text.starts_with('#'))
    {
        match lines.last_mut() {
            Some((_, before)) if text.starts_with(' ') => write!(before, " {}", text.trim()).expect("a text"),
            Some(_) | None => lines.push((number + 1, text.to_owned())),
        }
    }
    lines
}

/// Compares a page with what the rules do: no cell missing, none too many, none different.
pub(crate) fn compare(grid: &Grid, page: &str) -> usize {
    let (written, played) = (read(grid, page), played(grid));
    let mut wrong = String::new();
    for (cell, is) in &played {
        let (state, name, side, role) = cell;
        match written.get(cell) {
            Some(text) if text == is => {}
            Some(text) => {
                writeln!(wrong, "{state} | {name} | {side} | {role}: the page says {text}, the rules say {is}")
                    .expect("a text");
            }
            None => writeln!(wrong, "{state} | {name} | {side} | {role}: missing; the rules say {is}").expect("a text"),
        }
    }
    let count = wrong.lines().count();
    let first: Vec<_> = wrong.lines().take(60).collect();
    assert!(wrong.is_empty(), "{count} cells differ:\n{}", first.join("\n"));
    played.len()
}
