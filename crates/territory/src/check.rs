//! What two sides should look at before they ratify a set of boundary maps.
//!
//! Reports every repair, every refused file, every overlap, every gap and every double claim. It
//! judges nothing: an overlap may be an agreed zone, a gap may be a third party's enclave.

mod slivers;
mod surfaces;

use std::collections::BTreeMap;

use crate::datum::Datum;
use crate::error::{MapError, Repair};
use crate::limits::FINDINGS_MAX;
use crate::map::{Area, BoundaryMap, ParseOptions};
use crate::position::Position;

/// A file to check.
#[derive(Debug, Clone, Copy)]
pub struct BoundaryFile<'a> {
    /// What to call it in findings.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

/// How to check.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckOptions {
    /// How the files are read.
    pub parse: ParseOptions,
    /// Widest strip between two areas that counts as a gap though it is open at an end, in metres.
    pub sliver_max_m: f64,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self { parse: ParseOptions::default(), sliver_max_m: 10.0 }
    }
}

/// An area and the file it is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AreaAt {
    /// The file's name.
    pub file: String,
    /// The area's id.
    pub area: String,
}

impl std::fmt::Display for AreaAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} ({})", self.area, self.file)
    }
}

/// What kind of ground two areas share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlapKind {
    /// Both areas are claimed by the same stations: harmless.
    SameStations,
    /// One of them is an embedded zone: meant so.
    Zone,
    /// Different stations claim the same ground.
    DoubleClaim,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For information.
    Note,
    /// Look at it before ratifying.
    Warning,
    /// Cannot be ratified like this, or will be answered with two claimants.
    Error,
}

/// One thing a check found.
#[derive(Debug)]
pub enum Finding {
    /// A file that cannot be used.
    Refused {
        /// The file.
        file: String,
        /// Why.
        error: MapError,
    },
    /// A ring that was repaired.
    Repaired {
        /// The file.
        file: String,
        /// Which ring, and how.
        repair: Repair,
    },
    /// The files are not in one datum; only files of the same datum are compared.
    MixedDatum {
        /// Each file with its datum.
        files: Vec<(String, Datum)>,
    },
    /// One area, claimed by different stations: in one entry, or in several with the same id.
    ClaimedTwice {
        /// The entries.
        areas: Vec<AreaAt>,
        /// All stations that claim it, sorted.
        claimants: Vec<String>,
    },
    /// The same id several times, by the same stations.
    Repeated {
        /// The entries.
        areas: Vec<AreaAt>,
    },
    /// Two areas cover the same ground.
    Overlap {
        /// One of them.
        first: AreaAt,
        /// The other.
        second: AreaAt,
        /// Of what kind.
        kind: OverlapKind,
        /// All stations that claim the ground, sorted.
        claimants: Vec<String>,
        /// How much ground, in square metres.
        surface_m2: f64,
        /// Near where, in the maps' datum.
        near: Position,
    },
    /// Ground that is enclosed by areas and covered by none.
    Gap {
        /// The areas around it.
        around: Vec<AreaAt>,
        /// How much ground, in square metres.
        surface_m2: f64,
        /// Near where, in the maps' datum.
        near: Position,
    },
    /// A strip between two areas that none covers, open at an end.
    Sliver {
        /// One of them.
        first: AreaAt,
        /// The other.
        second: AreaAt,
        /// Widest distance found across it, in metres.
        width_m: f64,
        /// About how long it is, in metres.
        length_m: f64,
        /// Where it is widest, in the maps' datum.
        near: Position,
    },
    /// The check stopped short.
    Incomplete {
        /// What was not examined, and why.
        what: &'static str,
    },
}

impl Finding {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::Refused { .. } | Self::ClaimedTwice { .. } | Self::Overlap { kind: OverlapKind::DoubleClaim, .. } => {
                Severity::Error
            }
            Self::MixedDatum { .. }
            | Self::Repeated { .. }
            | Self::Gap { .. }
            | Self::Sliver { .. }
            | Self::Incomplete { .. } => Severity::Warning,
            Self::Repaired { .. } | Self::Overlap { kind: OverlapKind::SameStations | OverlapKind::Zone, .. } => {
                Severity::Note
            }
        }
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |areas: &[AreaAt]| areas.iter().map(AreaAt::to_string).collect::<Vec<_>>().join(", ");
        match self {
            Self::Refused { file, error } => write!(f, "{file}: refused: {error}"),
            Self::Repaired { file, repair } => write!(f, "{file}: repaired: {repair}"),
            Self::MixedDatum { files } => {
                let files: Vec<String> = files.iter().map(|(file, datum)| format!("{file} in {datum}")).collect();
                write!(f, "different datums, compared only with their like: {}", files.join(", "))
            }
            Self::ClaimedTwice { areas, claimants } => {
                write!(f, "double claim: {} by {}", list(areas), claimants.join(", "))
            }
            Self::Repeated { areas } => write!(f, "same area again: {}", list(areas)),
            Self::Overlap { first, second, kind, claimants, surface_m2, near } => {
                let what = match kind {
                    OverlapKind::SameStations => "overlap of one claimant",
                    OverlapKind::Zone => "overlap with an embedded zone",
                    OverlapKind::DoubleClaim => "double claim",
                };
                let claimants = claimants.join(", ");
                write!(
                    f,
                    "{what}: {first} and {second} share {surface_m2:.0} m2 near {}, claimed by {claimants}",
                    At(*near)
                )
            }
            Self::Gap { around, surface_m2, near } => {
                write!(f, "gap: {surface_m2:.0} m2 near {} that no area covers, between {}", At(*near), list(around))
            }
            Self::Sliver { first, second, width_m, length_m, near } => {
                let near = At(*near);
                write!(
                    f,
                    "sliver: up to {width_m:.2} m wide, {length_m:.0} m long near {near} between {first} and {second}"
                )
            }
            Self::Incomplete { what } => write!(f, "not examined: {what}"),
        }
    }
}

/// Shows a position in a finding.
struct At(Position);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "({:.6}, {:.6})", self.0.lon_deg, self.0.lat_deg)
    }
}

/// What a check found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// The findings: refusals and repairs in the order of the files, then what concerns several
    /// areas.
    pub findings: Vec<Finding>,
    /// The maps that could be read, by file name.
    pub maps: Vec<(String, BoundaryMap)>,
}

impl CheckReport {
    /// The gravest severity found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(Finding::severity).max()
    }
}

/// Reads and checks a set of files. Never fails: a file that cannot be used is a finding.
#[must_use]
pub fn check(files: &[BoundaryFile<'_>], options: &CheckOptions) -> CheckReport {
    let mut report = CheckReport::default();
    for file in files {
        match BoundaryMap::parse(file.bytes, &options.parse) {
            Err(error) => report.findings.push(Finding::Refused { file: file.name.to_owned(), error }),
            Ok((map, repairs)) => {
                let repairs = repairs.into_iter();
                report.findings.extend(repairs.map(|repair| Finding::Repaired { file: file.name.to_owned(), repair }));
                report.maps.push((file.name.to_owned(), map));
            }
        }
    }
    let maps: Vec<(&str, &BoundaryMap)> = report.maps.iter().map(|(name, map)| (name.as_str(), map)).collect();
    let found = check_maps(&maps, options);
    report.findings.extend(found);
    report
}

/// An area with its name for findings.
#[derive(Clone, Copy)]
struct Entry<'a> {
    file: &'a str,
    area: &'a Area,
}

impl Entry<'_> {
    fn named(&self) -> AreaAt {
        AreaAt { file: self.file.to_owned(), area: self.area.id.clone() }
    }
}

/// Checks maps that were read already: double claims, overlaps, gaps. Repairs are known from
/// reading them. At most [`FINDINGS_MAX`] findings.
#[must_use]
pub fn check_maps(maps: &[(&str, &BoundaryMap)], options: &CheckOptions) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut groups: BTreeMap<bool, Vec<Entry<'_>>> = BTreeMap::new();
    for &(file, map) in maps {
        let group = groups.entry(map.datum == Datum::Gcj02).or_default();
        group.extend(map.areas.iter().map(|area| Entry { file, area }));
    }
    if groups.len() > 1 {
        let files = maps.iter().map(|(file, map)| ((*file).to_owned(), map.datum)).collect();
        findings.push(Finding::MixedDatum { files });
    }
    claims(groups.values().flatten().copied(), &mut findings);
    for entries in groups.values() {
        if surfaces::is_too_tangled(entries) {
            findings.push(Finding::Incomplete { what: "overlaps and gaps: too many sides lie over one another" });
            continue;
        }
        surfaces::find_overlaps(entries, &mut findings);
        let gaps = surfaces::find_gaps(entries, &mut findings);
        slivers::find_slivers(entries, &gaps, options.sliver_max_m, &mut findings);
    }
    if findings.len() > FINDINGS_MAX {
        findings.truncate(FINDINGS_MAX);
        findings.push(Finding::Incomplete { what: "more findings than are listed" });
    }
    findings
}

/// The stations of some areas, sorted, each once.
fn claimants<'a>(areas: impl Iterator<Item = &'a Area>) -> Vec<String> {
    let mut claimants: Vec<String> = areas.flat_map(|area| area.claimants.iter().cloned()).collect();
    claimants.sort_unstable();
    claimants.dedup();
    claimants
}

/// Reports areas that are claimed twice or listed twice.
fn claims<'a>(entries: impl Iterator<Item = Entry<'a>>, findings: &mut Vec<Finding>) {
    let mut by_id: BTreeMap<&str, Vec<Entry<'_>>> = BTreeMap::new();
    for entry in entries {
        by_id.entry(&entry.area.id).or_default().push(entry);
    }
    for same in by_id.values() {
        let claimants = claimants(same.iter().map(|entry| entry.area));
        let areas: Vec<AreaAt> = same.iter().map(Entry::named).collect();
        let is_agreed_zone = same.iter().all(|entry| entry.area.is_shared);
        let is_one_claim = same.iter().all(|entry| entry.area.claimants.len() == claimants.len());
        if claimants.len() > 1 && !is_agreed_zone {
            findings.push(Finding::ClaimedTwice { areas, claimants });
        } else if same.len() > 1 && is_one_claim {
            findings.push(Finding::Repeated { areas });
        } else if same.len() > 1 {
            findings.push(Finding::ClaimedTwice { areas, claimants });
        }
    }
}

#[cfg(test)]
mod tests;
