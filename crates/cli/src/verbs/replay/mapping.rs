//! A city's files, named in a small TOML file: which column holds what, who the parties are, which story is played.
//! Another city needs another file of this kind and no code.

use handoff_domain::ids::{OrgId, StationId};
use handoff_domain::values::{Code, Severity};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// What makes a mapping unusable.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// The file cannot be read.
    #[error("reading {0}")]
    Read(String, #[source] std::io::Error),
    /// Not TOML, or a key this build does not know.
    #[error("{0} is not a mapping")]
    Toml(String, #[source] Box<toml::de::Error>),
    /// A value that cannot be used.
    #[error("{file}: {field}: {why}")]
    Value {
        /// The file.
        file: String,
        /// Which key.
        field: String,
        /// What is wrong with it.
        why: String,
    },
}

/// One mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Name of the data; part of every id of a run.
    pub name: String,
    /// How the table is written.
    pub source: Source,
    /// Which column holds what.
    pub columns: Columns,
    /// What a title means: the first prefix that fits.
    #[serde(default, rename = "kind")]
    pub kinds: Vec<KindRule>,
    /// What a value of the severity column means.
    #[serde(default)]
    pub severities: BTreeMap<String, String>,
    /// Who takes part.
    #[serde(rename = "organisation")]
    pub organisations: Vec<Organisation>,
    /// Code name of the common superior's organisation.
    pub superior: Option<String>,
    /// How the boundary file is to be read; without it no map is published.
    pub boundaries: Option<Boundaries>,
    /// What is played.
    pub story: Story,
    /// The file it was read from.
    #[serde(skip)]
    pub file: String,
}

/// How the table is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The first line names the columns.
    pub header: bool,
    /// How many columns a whole line has; needed where there is no header.
    pub width: Option<usize>,
    /// What stands between columns.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// How times are written, as the `time` crate describes it.
    pub time_format: String,
    /// Offset of those times from UTC, `-05:00`. One for the whole file: where clocks change in between, the times
    /// of the other half of the year are an hour off, and their order is kept.
    pub utc_offset: String,
    /// Datum of the points.
    #[serde(default = "wgs84")]
    pub datum: String,
}

fn comma() -> char {
    ','
}

fn wgs84() -> String {
    "WGS84".to_owned()
}

/// A column by its name, or by its number from 1.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Column {
    /// By the header's name.
    Name(String),
    /// By number, the first is 1.
    Number(usize),
}

/// A time that stands somewhere inside a column, in a format of its own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeInside {
    /// The column.
    pub column: Column,
    /// How the time is written; every time has the same length.
    pub format: String,
}

/// Which column holds what. Only the time of receipt is needed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// When the station's system received it: the clock of a simulated run follows this.
    pub received: Column,
    /// Rows of one call carry the same value; without this column each row is a call.
    pub call: Option<Column>,
    /// The station's own number for it.
    pub number: Option<Column>,
    /// Latitude.
    pub lat: Option<Column>,
    /// Longitude.
    pub lon: Option<Column>,
    /// Both, as `(latitude, longitude)`.
    pub point: Option<Column>,
    /// Street.
    pub address: Option<Column>,
    /// What the dispatcher wrote down as district; used where the point is not to be trusted.
    pub district: Option<Column>,
    /// What it is about.
    pub title: Option<Column>,
    /// How urgent.
    pub severity: Option<Column>,
    /// An earlier time at which it was reported, inside another column; goes along as the claimed time.
    pub reported: Option<TimeInside>,
    /// When it was entered, where that is later than received; only looked at.
    pub entered: Option<Column>,
    /// How the call ended.
    pub disposition: Option<Column>,
    /// The unit of the row.
    pub unit: Option<Column>,
    /// Its type.
    pub unit_type: Option<Column>,
    /// When it was assigned.
    pub dispatched: Option<Column>,
    /// When it went.
    pub en_route: Option<Column>,
    /// When it arrived.
    pub on_scene: Option<Column>,
    /// When it left with a patient.
    pub transport: Option<Column>,
    /// When it was at the hospital.
    pub hospital: Option<Column>,
    /// When it was free again.
    pub available: Option<Column>,
}

/// What titles beginning with a prefix mean.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindRule {
    /// The prefix; empty fits every title.
    pub prefix: String,
    /// Kind of incident.
    pub kind: String,
    /// How urgent, unless the severity column says.
    pub severity: Option<String>,
}

/// An organisation of the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// Code name.
    pub id: String,
    /// Its one station, where stations do not come from the boundary file.
    pub station: Option<String>,
    /// That station's name.
    pub name: Option<String>,
}

/// How the boundary file is to be read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Boundaries {
    /// Version of the map.
    pub version: String,
    /// Its datum, where the file does not say.
    pub datum: Option<String>,
    /// Half the width of the contested strip around borders, in metres.
    pub band_m: f64,
    /// Points `[longitude, latitude]` the geocoder returns for what it cannot place.
    #[serde(default)]
    pub fallback_points: Vec<[f64; 2]>,
    /// Property with an area's name.
    pub name_key: String,
    /// Property with an area's number; the name stands in where it is empty.
    pub number_key: Option<String>,
    /// Whose an area is unless a rule says otherwise.
    pub organisation: String,
    /// Areas that are otherwise.
    #[serde(default, rename = "area")]
    pub areas: Vec<AreaRule>,
}

/// One area that differs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaRule {
    /// Its name in the boundary file.
    pub name: String,
    /// Whose it is.
    pub organisation: Option<String>,
    /// An embedded zone: this area's station answers for it too.
    pub shared_with: Option<String>,
    /// Whether its station takes calls first.
    #[serde(default = "yes")]
    pub receives: bool,
}

fn yes() -> bool {
    true
}

/// What is played with the calls.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "play", rename_all = "snake_case", deny_unknown_fields)]
pub enum Story {
    /// Each call is first received by the force of one organisation whose area is nearest; what turns out to be the
    /// other organisation's is handed over.
    NearestReceiver {
        /// Whose forces take calls.
        receivers: String,
        /// To whom is handed over what is theirs.
        owner: String,
    },
    /// Units of two organisations on one call, with their own times.
    TwoOrganisations {
        /// Who receives a call both work on.
        first: String,
        /// The other side.
        second: String,
        /// Unit types of the other side.
        second_unit_types: Vec<String>,
        /// From how many units on a call without takeover is handled jointly; fewer are support.
        joint_units_min: usize,
        /// What to declare when no unit arrived, by the call's disposition.
        #[serde(default)]
        no_unit_codes: BTreeMap<String, String>,
        /// What to declare otherwise.
        no_unit_code: String,
    },
}

impl Mapping {
    /// Reads and checks a mapping file.
    ///
    /// # Errors
    /// [`MappingError`] names the file and the key.
    pub fn load(file: &Path) -> Result<Self, MappingError> {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).map_err(|error| MappingError::Read(name.clone(), error))?;
        Self::parse(&name, &text)
    }

    /// Reads and checks the text of a mapping file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(file: &str, text: &str) -> Result<Self, MappingError> {
        let mut mapping: Self =
            toml::from_str(text).map_err(|error| MappingError::Toml(file.to_owned(), Box::new(error)))?;
        mapping.check(file)?;
        file.clone_into(&mut mapping.file);
        Ok(mapping)
    }

    fn check(&self, file: &str) -> Result<(), MappingError> {
        let bad =
            |field: &str, why: String| Err(MappingError::Value { file: file.to_owned(), field: field.to_owned(), why });
        for org in &self.organisations {
            let station = org.station.as_deref();
            if OrgId::new(&org.id).is_none() || station.is_some_and(|id| StationId::new(id).is_none()) {
                return bad("organisation", format!("{:?} or its station is no legal code name", org.id));
            }
        }
        for org in self.named_organisations() {
            if !self.organisations.iter().any(|known| known.id == org) {
                return bad("story", format!("no organisation {org:?} is defined"));
            }
        }
        let severities = self.kinds.iter().filter_map(|rule| rule.severity.as_ref()).chain(self.severities.values());
        for severity in severities {
            if Severity::parse(severity).is_none() {
                return bad("severities", format!("{severity:?} is not URGENT, NORMAL or UNKNOWN"));
            }
        }
        if let Story::TwoOrganisations { no_unit_codes, no_unit_code, .. } = &self.story {
            let wrong = no_unit_codes.values().chain([no_unit_code]).find(|code| Code::new(code).is_none());
            if let Some(code) = wrong {
                return bad("story.no_unit_codes", format!("{code:?} is no code"));
            }
        }
        if self.superior.as_ref().is_some_and(|org| OrgId::new(org).is_none()) {
            return bad("superior", "no legal code name".to_owned());
        }
        if !self.source.header && self.source.width.is_none() {
            return bad("source.width", "needed where there is no header".to_owned());
        }
        Ok(())
    }

    /// Every organisation of the run: the parties, then their common superior.
    pub fn organisation_names(&self) -> impl Iterator<Item = &str> {
        self.organisations.iter().map(|org| org.id.as_str()).chain(self.superior.as_deref())
    }

    /// The organisation that is handed what is on its ground, where the story has one.
    #[must_use]
    pub fn owner(&self) -> Option<OrgId> {
        match &self.story {
            Story::NearestReceiver { owner, .. } => OrgId::new(owner),
            Story::TwoOrganisations { .. } => None,
        }
    }

    fn named_organisations(&self) -> Vec<&str> {
        let mut named: Vec<&str> = match &self.story {
            Story::NearestReceiver { receivers, owner } => vec![receivers, owner],
            Story::TwoOrganisations { first, second, .. } => vec![first, second],
        };
        if let Some(boundaries) = &self.boundaries {
            named.push(&boundaries.organisation);
            named.extend(boundaries.areas.iter().filter_map(|rule| rule.organisation.as_deref()));
        }
        named
    }

    /// What a title and a severity value mean.
    #[must_use]
    pub fn kind_of(&self, title: &str, severity: Option<&str>) -> (Option<&str>, Option<Severity>) {
        let rule = self.kinds.iter().find(|rule| title.starts_with(&rule.prefix));
        let named = severity.and_then(|value| self.severities.get(value));
        let named = named.or_else(|| rule.and_then(|rule| rule.severity.as_ref()));
        (rule.map(|rule| rule.kind.as_str()), named.and_then(|word| Severity::parse(word)))
    }
}
