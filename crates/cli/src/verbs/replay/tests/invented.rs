//! Small invented tables with every kind of wrong row.

use crate::verbs::replay::Args;
use std::path::PathBuf;
use tempfile::TempDir;

/// Two forces and the owner's ground around them.
pub(super) const NEAREST: &str = r#"
name = "invented"
superior = "S"

[source]
header = true
time_format = "[year]-[month]-[day] [hour]:[minute]:[second]"
utc_offset = "+08:00"

[columns]
received = "received"
lat = "lat"
lon = "lon"
title = "title"
district = "district"
address = "address"

[[kind]]
prefix = ""
kind = "emergency"
severity = "URGENT"

[[organisation]]
id = "A"
[[organisation]]
id = "B"

[boundaries]
version = "1"
datum = "WGS84"
band_m = 10
fallback_points = [[87.55, 44.05]]
name_key = "name"
organisation = "A"

[[boundaries.area]]
name = "Wide"
organisation = "B"

[story]
play = "nearest_receiver"
receivers = "A"
owner = "B"
"#;

/// Four good calls: one in each force's area, one on the owner's ground, one that the geocoder could not place; the
/// last one twice told, its place wrong in one way and missing in the other.
pub(super) const CALLS: &str = "\
received,lat,lon,title,district,address
2026-11-23 08:00:00,44.05,87.05,Fire: smoke,East,1st & A
2026-11-23 08:03:00,44.05,87.35,EMS: fall,Wide,2nd & B
2026-11-23 08:04:00,44.05,87.05
yesterday,44.05,87.05,Fire: smoke,East,1st & A
 , , , , , 
2026-11-23 08:05:00,north,87.05,Fire: smoke,Nowhere,1st & A
2026-11-23 08:06:00,44.05,87.55,EMS: fall,West,9th & Z
2026-11-23 08:07:00,,,EMS: fall,West,9th & Z
";

pub(super) const BOUNDARIES: &str = r#"{
  "type": "FeatureCollection",
  "features": [
    {"type": "Feature", "properties": {"name": "East"}, "geometry":
      {"type": "Polygon", "coordinates": [[[87.0,44.0],[87.1,44.0],[87.1,44.1],[87.0,44.1],[87.0,44.0]]]}},
    {"type": "Feature", "properties": {"name": "Wide"}, "geometry":
      {"type": "Polygon", "coordinates": [[[87.1,44.0],[87.5,44.0],[87.5,44.1],[87.1,44.1],[87.1,44.0]]]}},
    {"type": "Feature", "properties": {"name": "West"}, "geometry":
      {"type": "Polygon", "coordinates": [[[87.5,44.0],[87.6,44.0],[87.6,44.1],[87.5,44.1],[87.5,44.0]]]}}
  ]
}"#;

pub(super) const DISTRICTS: &str = "district,area\nEast,East\nWest,West\n";

/// Two organisations with units.
pub(super) const TWO: &str = r#"
name = "invented-units"

[source]
header = true
time_format = "[hour]:[minute]:[second] [day].[month].[year]"
utc_offset = "+00:00"

[columns]
call = "call"
received = "received"
entered = "entered"
unit = "unit"
unit_type = "type"
dispatched = "sent"
en_route = "went"
on_scene = "there"
transport = "left"
hospital = "hospital"
available = "free"

[[kind]]
prefix = ""
kind = "emergency"

[[organisation]]
id = "F"
station = "F-01"
[[organisation]]
id = "P"
station = "P-01"

[story]
play = "two_organisations"
first = "F"
second = "P"
second_unit_types = ["PRIVATE"]
joint_units_min = 3
no_unit_code = "ATTENDED_BY_OTHER"
"#;

/// A call the private unit takes over, one with a unit on loan that never arrived, one of the first side alone whose
/// unit was free before it arrived.
pub(super) const UNITS: &str = "\
call,received,entered,unit,type,sent,went,there,left,hospital,free
1,08:00:00 23.11.2026,08:00:10 23.11.2026,E1,ENGINE,08:01:00 23.11.2026,08:01:30 23.11.2026,08:06:00 23.11.2026,,,08:40:00 23.11.2026
1,08:00:00 23.11.2026,08:00:10 23.11.2026,K1,PRIVATE,08:02:00 23.11.2026,08:02:30 23.11.2026,08:09:00 23.11.2026,08:30:00 23.11.2026,08:45:00 23.11.2026,09:10:00 23.11.2026
2,09:00:00 23.11.2026,09:07:00 23.11.2026,E2,ENGINE,09:08:00 23.11.2026,soon,09:15:00 23.11.2026,,,09:40:00 23.11.2026
2,09:00:00 23.11.2026,09:07:00 23.11.2026,K2,PRIVATE,09:08:00 23.11.2026,09:09:00 23.11.2026,,,,09:09:30 23.11.2026
3,10:00:00 23.11.2026,10:00:00 23.11.2026,E1,ENGINE,10:01:00 23.11.2026,10:02:00 23.11.2026,10:10:00 23.11.2026,,,10:08:00 23.11.2026
";

/// Files of one run in a folder that is gone at the end.
pub(super) struct Files(TempDir);

/// Writes a mapping and a table, with the boundary file beside them.
pub(super) fn files(mapping: &str, calls: &str) -> Files {
    let files = Files(super::folder());
    let all = [("mapping.toml", mapping), ("calls.csv", calls), ("map.json", BOUNDARIES), ("districts.csv", DISTRICTS)];
    for (name, text) in all {
        std::fs::write(files.path(name), text).expect("a file of the run");
    }
    files
}

impl Files {
    /// A file of the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Arguments for these files.
    pub(super) fn args(&self) -> Args {
        let mut args = super::args(self.path("mapping.toml"), self.path("calls.csv"));
        args.boundaries = Some(self.path("map.json"));
        args.districts = Some(self.path("districts.csv"));
        args
    }
}
