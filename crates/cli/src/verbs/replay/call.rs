//! A recorded call, as the table tells it.

use handoff_domain::time::Millis;
use serde::Serialize;

/// A place in clear, on the grid of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spot {
    /// Latitude from the south pole in 1e-7 degrees, and longitude from the antimeridian; absent where the table's
    /// point cannot be read.
    pub point: Option<(u64, u64)>,
    /// The datum.
    pub datum: String,
    /// The street.
    pub address: Option<String>,
}

/// What a unit did, as far as it was recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Told to go.
    pub dispatched: Option<Millis>,
    /// On its way.
    pub en_route: Option<Millis>,
    /// There.
    pub on_scene: Option<Millis>,
    /// Left with a patient.
    pub transport: Option<Millis>,
    /// At the hospital.
    pub hospital: Option<Millis>,
    /// Free again.
    pub available: Option<Millis>,
}

/// One unit of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// Line of the table.
    pub line: u64,
    /// The unit.
    pub unit: String,
    /// Its type.
    pub unit_type: String,
    /// Its times.
    pub times: Times,
}

/// One call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Names the call within its table, for ever the same.
    pub key: String,
    /// Its first line.
    pub line: u64,
    /// When it was received.
    pub received: Millis,
    /// An earlier time at which it was reported.
    pub reported: Option<Millis>,
    /// Where.
    pub spot: Spot,
    /// The district the dispatcher wrote down.
    pub district: Option<String>,
    /// What it is about.
    pub title: String,
    /// How urgent, in the table's words.
    pub severity: Option<String>,
    /// The station's own number.
    pub number: Option<String>,
    /// How it ended.
    pub disposition: Option<String>,
    /// Its units, where the table names them.
    pub units: Vec<UnitRow>,
}

/// A row that was not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedRow {
    /// Its line.
    pub line: u64,
    /// Why.
    #[serde(flatten)]
    pub why: Why,
}

/// A reason in English and Chinese.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Why {
    /// In English.
    #[serde(rename = "why")]
    pub en: String,
    /// In Chinese.
    #[serde(rename = "why_zh")]
    pub zh: String,
}

impl Why {
    /// A reason in both languages.
    pub fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }
}

/// Something about a row that was taken all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Flagged {
    /// Its line.
    pub line: u64,
    /// `INVERTED`, `MISSING`, `LATE`, `BAD_TIME`, `BAD_POINT`, `NO_POINT`.
    pub flag: &'static str,
    /// Where.
    pub what: String,
}

/// A table as read.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Rows seen, the header not counted.
    pub rows: u64,
    /// Calls, in time order.
    pub calls: Vec<Call>,
    /// Rows not taken.
    pub refused: Vec<RefusedRow>,
    /// What was noticed about rows taken.
    pub flagged: Vec<Flagged>,
}
