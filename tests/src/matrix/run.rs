//! Tries every cell and says what differs, all of it.
//!
//! First everything that is to be refused, and everything that only reads: on incidents that stay as they are, so the
//! log's end has to stay where it is. Then each permitted move, on an incident of its own. The directory comes last,
//! because it changes what the incidents stand on.

use super::calls::request;
use super::cast::{Caller, World};
use super::errand::errand;
use super::grid::Grid;
use super::line::Answer;
use super::methods::{Method, method};
use super::scene::Scene;
use super::states::{NO_STATE, State};
use super::words::{Identity, Outcome, Side};
use crate::play::id;
use anyhow::Context;
use futures_util::stream::{self, StreamExt};
use handoff_client::Status;
use std::collections::{BTreeMap, HashMap};
use tonic_types::StatusExt;

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 64;
/// Refusals the service counts as denied attempts.
const DENIALS: &[&str] = &[
    "TOKEN_INVALID",
    "ROLE_NOT_ALLOWED",
    "WRONG_SIDE",
    "OTHER_ORGANISATION",
    "DECIDES_AND_SIGNS",
    "NOT_THE_SIGNER",
    "INCIDENT_NOT_FOUND",
];
/// What a refusal may say beside its reason to whoever knows of the case, and to anybody.
const TOLD_TO_READERS: &[&str] = &["fields", "state", "legal_moves"];
const TOLD_TO_ANYBODY: &[&str] = &["fields"];
/// Personal content of every scene.
const PERSONAL: &[&str] = &["two cars collided", "+7 555 0100", "crossroads at the canal bridge"];

/// One cell and who stands in it.
#[derive(Clone, Copy, Debug)]
struct Cell {
    method: &'static Method,
    state: &'static State,
    side: Side,
    caller: Caller,
    expected: Outcome,
}

impl Cell {
    fn name(&self) -> String {
        let (method, state, side) = (self.method.name, self.state.name, self.side.as_str());
        format!("{method},{state},{side},{}", self.caller.identity.as_str())
    }

    fn path(&self) -> String {
        format!("{}/{}", self.method.service, self.method.name)
    }

    /// Whether it can be tried without changing anything.
    fn stays(&self) -> bool {
        self.method.reads || self.expected != Outcome::Ok
    }
}

/// What came of the cells tried so far.
#[derive(Debug, Default)]
pub struct Found {
    /// What differs from the file, or breaks a promise of every refusal.
    pub faults: Vec<String>,
    /// Cells tried.
    pub tried: usize,
    /// Refusals that count as denied attempts, by reason.
    denied: HashMap<String, u64>,
}

impl Found {
    fn add(&mut self, other: Self) {
        self.faults.extend(other.faults);
        self.tried += other.tried;
        for (reason, count) in other.denied {
            *self.denied.entry(reason).or_default() += count;
        }
    }

    fn count(&mut self, answer: &Answer) {
        let reason = answer.reason();
        if DENIALS.contains(&reason.as_str()) {
            *self.denied.entry(reason).or_default() += 1;
        }
    }
}

/// Tries every cell of the grid.
///
/// # Errors
/// A state cannot be reached, or the service is gone.
pub async fn run(world: &World, grid: &Grid) -> anyhow::Result<Found> {
    let cells = cells(grid)?;
    let mut found = refuse_and_read(world, &cells).await?;
    let moves = |cell: &&Cell| !cell.stays();
    let about_cases: Vec<Cell> =
        cells.iter().filter(moves).filter(|cell| cell.state.name != NO_STATE.name).copied().collect();
    let mut tried = stream::iter(about_cases).map(|cell| permitted(world, cell)).buffer_unordered(CALLS_AT_ONCE);
    while let Some(one) = tried.next().await {
        found.add(one?);
    }
    for cell in cells.iter().filter(moves).filter(|cell| cell.state.name == NO_STATE.name) {
        found.add(permitted(world, *cell).await?);
    }
    found.faults.sort();
    Ok(found)
}

fn cells(grid: &Grid) -> anyhow::Result<Vec<Cell>> {
    let mut cells = Vec::with_capacity(grid.count());
    for ((name, state, side), outcomes) in grid.rows() {
        let method = method(name).with_context(|| format!("no method {name}"))?;
        let state = State::parse(state).with_context(|| format!("no state {state}"))?;
        let seat = state.seat(*side).with_context(|| format!("nobody is {} in {}", side.as_str(), state.name))?;
        for (identity, expected) in Identity::ALL.iter().zip(outcomes) {
            let caller = Caller::new(seat, *identity);
            cells.push(Cell { method, state, side: *side, caller, expected: *expected });
        }
    }
    Ok(cells)
}

/// An incident in the cell's state, or what the call is about else.
async fn scene_for(world: &World, cell: &Cell) -> anyhow::Result<Scene> {
    if cell.state.name == NO_STATE.name {
        return errand(world, cell.method, cell.caller).await;
    }
    Scene::set(world, cell.state.name).await
}

/// A permitted move, on a case of its own.
async fn permitted(world: &World, cell: Cell) -> anyhow::Result<Found> {
    let mut found = Found { tried: 1, ..Found::default() };
    let scene = match scene_for(world, &cell).await {
        Ok(scene) => scene,
        Err(error) => {
            found.faults.push(format!("{}: {error:#}", cell.name()));
            return Ok(found);
        }
    };
    let bytes = request(cell.method, &scene, cell.caller)?;
    let answer = world.call(cell.caller, &cell.path(), bytes).await;
    found.faults.extend(difference(&cell, &answer));
    Ok(found)
}

/// Everything that leaves the log as it is.
async fn refuse_and_read(world: &World, cells: &[Cell]) -> anyhow::Result<Found> {
    let mut groups: BTreeMap<(&str, &str), Vec<Cell>> = BTreeMap::new();
    for cell in cells.iter().filter(|cell| cell.stays()) {
        groups.entry((cell.method.name, cell.state.name)).or_default().push(*cell);
    }
    let groups: Vec<Vec<Cell>> = groups.into_values().collect();
    // One case for each method and state: should a refused move happen after all, no other method's cells suffer.
    let scenes = stream::iter(groups).map(async |cells: Vec<Cell>| {
        let scene = scene_for(world, &cells[0]).await;
        (scene, cells)
    });
    let scenes: Vec<_> = scenes.buffer_unordered(CALLS_AT_ONCE).collect().await;
    let mut calls: Vec<(Scene, Cell)> = Vec::new();
    let mut found = Found::default();
    for (scene, cells) in scenes {
        let scene = match scene {
            Ok(scene) => scene,
            Err(error) => {
                found.faults.push(format!("{}: {error:#}", cells[0].name()));
                continue;
            }
        };
        calls.extend(cells.into_iter().map(|cell| (scene.clone(), cell)));
    }
    let (head, counted) = (world.app.events().await?, world.denials().await?);
    let mut tried =
        stream::iter(calls).map(|(scene, cell)| refused(world, scene, cell)).buffer_unordered(CALLS_AT_ONCE);
    while let Some(one) = tried.next().await {
        found.add(one?);
    }
    let now = world.app.events().await?;
    if now != head {
        found.faults.push(format!("the log went from {head} to {now} while everything was refused"));
    }
    for (reason, counted_now) in world.denials().await? {
        let more = counted_now - counted.get(&reason).copied().unwrap_or(0);
        let expected = found.denied.get(&reason).copied().unwrap_or(0);
        if more != expected {
            found.faults.push(format!("{expected} calls were denied with {reason}, the service counted {more}"));
        }
    }
    Ok(found)
}

async fn refused(world: &World, scene: Scene, cell: Cell) -> anyhow::Result<Found> {
    let bytes = request(cell.method, &scene, cell.caller)?;
    let answer = world.call(cell.caller, &cell.path(), bytes).await;
    let mut found = Found { tried: 1, ..Found::default() };
    found.count(&answer);
    if let Some(fault) = difference(&cell, &answer) {
        found.faults.push(fault);
        return Ok(found);
    }
    if let Some(status) = &answer.status {
        found.faults.extend(tells(&cell, &scene, status).map(|what| format!("{}: it tells {what}", cell.name())));
    }
    if cell.expected == Outcome::NotFound {
        found.add(absent(world, &scene, &cell, &answer).await?);
    }
    Ok(found)
}

/// How an answer differs from the cell.
fn difference(cell: &Cell, answer: &Answer) -> Option<String> {
    if Outcome::of(answer.code) == Some(cell.expected) {
        return None;
    }
    Some(format!("{}: {} expected, {} found", cell.name(), cell.expected.as_str(), answer.words()))
}

/// What a refusal tells that it should not.
fn tells(cell: &Cell, scene: &Scene, status: &Status) -> Option<String> {
    // What the caller named itself is no news; what the service adds is.
    let details = status.get_error_details();
    let values = details.error_info().map(|info| info.metadata.clone()).unwrap_or_default();
    let told = match cell.expected {
        Outcome::PermissionDenied | Outcome::FailedPrecondition => TOLD_TO_READERS,
        // `absent` sees to it that whoever hears this reads the case.
        Outcome::NotFound if handoff_client::reason(status).as_deref() == Some("OBJECT_NOT_FOUND") => TOLD_TO_READERS,
        Outcome::Ok | Outcome::NotFound | Outcome::Unauthenticated => TOLD_TO_ANYBODY,
    };
    // The right person at the wrong moment may be told what is wrong with the moment.
    if cell.expected != Outcome::FailedPrecondition
        && let Some(name) = values.keys().find(|name| !told.contains(&name.as_str()))
    {
        return Some(format!("`{name}`"));
    }
    let bytes = String::from_utf8_lossy(status.details()).into_owned();
    let ids = [&scene.handoff, &scene.support, &scene.joint, &scene.other].map(String::as_str);
    let found =
        PERSONAL.iter().copied().chain(ids).find(|text| bytes.contains(text) || status.message().contains(text));
    found.filter(|_| cell.expected != Outcome::FailedPrecondition).map(str::to_owned)
}

/// What does not exist for the caller is answered as what does not exist at all, to the last byte. Only whoever reads
/// the case hears that some part of it is not there.
async fn absent(world: &World, scene: &Scene, cell: &Cell, answer: &Answer) -> anyhow::Result<Found> {
    let mut found = Found::default();
    if answer.reason() != "INCIDENT_NOT_FOUND" {
        let read = method("GetIncident").context("the protocol reads incidents")?;
        let read = world.call(cell.caller, "IncidentService/GetIncident", request(read, scene, cell.caller)?).await;
        if read.status.is_some() {
            found.faults.push(format!("{}: it hears of the case: {}", cell.name(), answer.words()));
        }
        return Ok(found);
    }
    let nowhere = Scene { incident: id(), ..scene.clone() };
    let there = world.call(cell.caller, &cell.path(), request(cell.method, &nowhere, cell.caller)?).await;
    found.count(&there);
    if !answer.is_same_as(&there) {
        found.faults.push(format!("{}: not the bytes of an absent incident", cell.name()));
    }
    Ok(found)
}
