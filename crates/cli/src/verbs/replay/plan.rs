//! From recorded calls to timed commands of both sides, before the first of them is sent.

mod nearest;
mod shadow;
mod two;

use super::call::{Call, Reading, RefusedRow, Spot};
use super::ground::Ground;
use super::mapping::{Mapping, Story};
use super::setup::Station;
use super::step::{Desk, Ids, Move, Party, Step};
use handoff_domain::ids::{
    DeploymentId, HandoffId, IncidentId, JointId, OfficerId, OrgId, StationId, StationRef, SupportId,
};
use handoff_domain::time::{Millis, SECOND};
use handoff_domain::values::{Category, Code, Ground as Answer, Label};
use serde::Serialize;
use shadow::Shadow;
use std::collections::BTreeMap;

/// Why no plan can be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The story needs something that was not given.
    #[error("{0}")]
    Missing(&'static str),
}

/// How a call is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Course {
    /// The first receiver handles and closes it.
    Own,
    /// It is handed over, taken over, reported and confirmed.
    HandedOver,
    /// The other side lends units.
    Support,
    /// Both sides handle it together.
    Joint,
}

/// One incident of the plan.
#[derive(Clone, Debug)]
pub struct Case {
    /// Line of the table.
    pub line: u64,
    /// Its id.
    pub incident: IncidentId,
    /// How it is to go.
    pub course: Course,
}

/// How many calls resolve to whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Resolutions {
    /// One station's ground.
    pub claimed: u64,
    /// Of those: the ground of the organisation that is handed what is theirs.
    pub owner: u64,
    /// Near a border, in an embedded zone, or claimed by several.
    pub shared: u64,
    /// On no area of the map.
    pub outside: u64,
    /// A place that is not to be trusted.
    pub untrusted: u64,
    /// Without a readable point.
    pub no_point: u64,
}

/// Everything a run does.
#[derive(Debug, Default)]
pub struct Plan {
    /// Stations with their units.
    pub stations: Vec<Station>,
    /// Pairs of stations with an agreement.
    pub pairs: Vec<(StationRef, StationRef)>,
    /// Incidents.
    pub cases: Vec<Case>,
    /// Commands in the order of their times; those of one incident in its own order.
    pub steps: Vec<Step>,
    /// Rows the story has no party for.
    pub refused: Vec<RefusedRow>,
    /// Whose ground the calls are on, where there is a map.
    pub resolutions: Option<Resolutions>,
}

/// Makes the plan of a reading.
///
/// # Errors
/// [`PlanError`] when the story lacks a boundary file or a station.
pub fn make(mapping: &Mapping, ids: &Ids, reading: &Reading, ground: Option<&Ground>) -> Result<Plan, PlanError> {
    let mut plan = match &mapping.story {
        Story::NearestReceiver { receivers, owner } => {
            let ground = ground.ok_or(PlanError::Missing("this story needs a boundary file; give --boundaries"))?;
            let parties = nearest::Parties { receivers: org(receivers)?, owner: org(owner)? };
            nearest::plan(mapping, ids, reading, ground, &parties)
        }
        Story::TwoOrganisations { .. } => two::plan(mapping, ids, reading)?,
    };
    plan.steps.sort_by_key(|step| step.at);
    Ok(plan)
}

fn org(name: &str) -> Result<OrgId, PlanError> {
    OrgId::new(name).ok_or(PlanError::Missing("the story names an organisation without a legal code name"))
}

/// The incident of one call while its commands are drawn up.
struct Draft<'a> {
    ids: &'a Ids,
    call: &'a Call,
    case: usize,
    incident: IncidentId,
    steps: Vec<Step>,
}

impl<'a> Draft<'a> {
    fn new(ids: &'a Ids, call: &'a Call, case: usize) -> Self {
        Self { ids, call, case, incident: ids.incident(&call.key), steps: Vec::new() }
    }

    fn handoff(&self) -> HandoffId {
        HandoffId(self.ids.of(&self.call.key, "handoff"))
    }

    fn support(&self) -> SupportId {
        SupportId(self.ids.of(&self.call.key, "support"))
    }

    fn joint(&self) -> JointId {
        JointId(self.ids.of(&self.call.key, "joint"))
    }

    fn deployment(&self, unit: &str) -> DeploymentId {
        DeploymentId(self.ids.of(&self.call.key, &format!("unit {unit}")))
    }

    /// A duration between half and twice the named one, the same in every run: so that medians differ from maxima
    /// and some obligations come due. `aspect` keeps the durations of one call apart.
    fn spread(&self, ms: i64, aspect: usize) -> i64 {
        let byte = i64::from(self.incident.0.as_bytes()[aspect % 16]);
        (ms * (255 + 3 * byte) / (2 * 255) / SECOND).max(1) * SECOND
    }

    /// Adds a command; its name and number make its request id.
    fn push(&mut self, at: Millis, claimed_at: Option<Millis>, party: Party, what: Move) {
        let request = self.ids.of(&self.call.key, &format!("{} {}", self.steps.len(), what.name()));
        self.steps.push(Step {
            case: self.case,
            line: self.call.line,
            at,
            claimed_at,
            party,
            request,
            incident: self.incident,
            saw: None,
            what,
        });
    }

    fn receive(&mut self, mapping: &Mapping, seat: &StationRef) {
        let call = self.call;
        let (kind, severity) = mapping.kind_of(&call.title, call.severity.as_deref());
        let what = Move::Receive {
            kind: kind.and_then(Label::new),
            severity,
            category: category(mapping, call),
            number: number(call),
            spot: call.spot.clone(),
            flags: Vec::new(),
        };
        self.push(call.received, call.reported, Party::at(seat, Desk::System), what);
    }

    /// In the order of their times, each deciding move with what its officer sees by then.
    fn finish(mut self) -> Vec<Step> {
        self.steps.sort_by_key(|step| step.at);
        let mut shadow = Shadow::default();
        for step in &mut self.steps {
            step.saw = shadow.saw(&step.what);
            shadow.follow(&step.what);
        }
        self.steps
    }
}

/// The title as the own category; what is too long or has control characters is cut.
fn category(mapping: &Mapping, call: &Call) -> Option<Category> {
    let title: String = call.title.chars().filter(|letter| !letter.is_control()).take(60).collect();
    let table = Label::new(&mapping.name);
    Label::new(title.trim()).map(|code| Category { code, label: None, table })
}

/// The kind of a call nobody mapped.
#[expect(clippy::expect_used, reason = "a constant, used by every test of a story")]
fn emergency() -> Label {
    Label::new("emergency").expect("a legal label")
}

fn number(call: &Call) -> Option<Label> {
    call.number.as_deref().and_then(Label::new)
}

/// Every responder of a station rides on its units.
fn crew(seat: &StationRef) -> Vec<OfficerId> {
    Party::at(seat, Desk::Responder).officer().into_iter().collect()
}

impl Resolutions {
    fn count(&mut self, ground: Option<&super::ground::Resolved>, owner: &OrgId) {
        match ground {
            None => self.no_point += 1,
            Some(resolved) => match resolved.ground {
                Answer::Claimed => {
                    self.claimed += 1;
                    self.owner += u64::from(resolved.claimants.iter().all(|seat| seat.org == *owner));
                }
                Answer::Shared => self.shared += 1,
                Answer::Outside => self.outside += 1,
                Answer::Untrusted => self.untrusted += 1,
            },
        }
    }
}

fn unit_ids(
    units: impl IntoIterator<Item = (String, Option<Code>)>,
) -> BTreeMap<handoff_domain::ids::UnitId, Option<Code>> {
    let legal =
        |(unit, skill): (String, Option<Code>)| handoff_domain::ids::UnitId::new(&unit).map(|unit| (unit, skill));
    units.into_iter().filter_map(legal).collect()
}

fn station_id(seat: &StationRef) -> StationId {
    seat.station.clone()
}

fn spot(call: &Call) -> Spot {
    call.spot.clone()
}
