//! Which datum a map is in. A map that does not say is refused.

use geojson::JsonObject;
use geojson::JsonValue;

use crate::datum::Datum;
use crate::error::MapError;

/// Longest piece of a coordinate system's name that goes into a message, in characters.
const SHOWN_CHARS_MAX: usize = 80;

/// The datum of a map from its members `datum` and `crs`.
pub(crate) fn read_datum(members: Option<&JsonObject>) -> Result<Datum, MapError> {
    let datum = match member(members, "datum") {
        None => None,
        Some(JsonValue::String(name)) => Some(named(name)?),
        Some(_) => return Err(bad("datum", "one of WGS84, CGCS2000, GCJ02")),
    };
    let crs = match member(members, "crs") {
        None => None,
        Some(value) => Some(named(crs_name(value).ok_or_else(|| bad("crs", "a named coordinate system"))?)?),
    };
    match (datum, crs) {
        (None, None) => Err(MapError::NoDatum),
        (Some(only), None) | (None, Some(only)) => Ok(only),
        (Some(datum), Some(crs)) if datum == crs => Ok(datum),
        (Some(datum), Some(crs)) => Err(MapError::DatumConflict { datum: datum.as_str(), crs: crs.as_str() }),
    }
}

/// A member that is there and not null.
fn member<'a>(members: Option<&'a JsonObject>, key: &str) -> Option<&'a JsonValue> {
    members?.get(key).filter(|value| !value.is_null())
}

/// The name in a `crs` member as GeoJSON 2008 had it, or the plain text some tools write.
fn crs_name(value: &JsonValue) -> Option<&str> {
    value.as_str().or_else(|| value.get("properties")?.get("name")?.as_str())
}

/// The datum behind a name: our own names, or a geographic coordinate system by OGC or EPSG code.
fn named(name: &str) -> Result<Datum, MapError> {
    match Datum::from_name(name) {
        Datum::Unknown => {}
        known @ (Datum::Wgs84 | Datum::Cgcs2000 | Datum::Gcj02) => return Ok(known),
    }
    let upper = name.to_ascii_uppercase();
    let code = upper.rsplit([':', '/']).next().unwrap_or_default().trim();
    let is_epsg = upper.contains("EPSG");
    let is_ogc = upper.contains("OGC") || upper == "CRS84";
    match code {
        "CRS84" if is_ogc => Ok(Datum::Wgs84),
        "4326" if is_epsg => Ok(Datum::Wgs84),
        "4490" if is_epsg => Ok(Datum::Cgcs2000),
        _ => Err(MapError::UnsupportedCrs { found: name.chars().take(SHOWN_CHARS_MAX).collect() }),
    }
}

fn bad(member: &str, expected: &'static str) -> MapError {
    MapError::BadMember { place: "boundary map".into(), member: member.into(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Datum, MapError> {
        let value: JsonValue = serde_json::from_str(json).unwrap();
        read_datum(value.as_object())
    }

    #[test]
    fn the_older_crs_member_is_read() {
        for name in [
            "urn:ogc:def:crs:OGC:1.3:CRS84",
            "urn:ogc:def:crs:OGC::CRS84",
            "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            "EPSG:4326",
            "urn:ogc:def:crs:EPSG::4326",
        ] {
            let json = format!(r#"{{"crs":{{"type":"name","properties":{{"name":"{name}"}}}}}}"#);
            assert_eq!(read(&json).unwrap(), Datum::Wgs84, "{name}");
        }
        assert_eq!(read(r#"{"crs":"EPSG:4490"}"#).unwrap(), Datum::Cgcs2000);
        assert_eq!(read(r#"{"datum":"GCJ-02","crs":null}"#).unwrap(), Datum::Gcj02);
    }

    #[test]
    fn a_map_that_does_not_say_is_refused() {
        assert!(matches!(read("{}"), Err(MapError::NoDatum)));
        assert!(matches!(read(r#"{"crs":null}"#), Err(MapError::NoDatum)));
        assert!(matches!(read(r#"{"datum":"UNKNOWN"}"#), Err(MapError::UnsupportedCrs { .. })));
        assert!(matches!(read(r#"{"datum":84}"#), Err(MapError::BadMember { .. })));
        assert!(matches!(read(r#"{"crs":{"type":"link"}}"#), Err(MapError::BadMember { .. })));
    }

    #[test]
    fn projected_systems_and_contradictions_are_refused() {
        assert!(matches!(read(r#"{"crs":"EPSG:32618"}"#), Err(MapError::UnsupportedCrs { .. })));
        assert!(matches!(read(r#"{"crs":"EPSG:3857"}"#), Err(MapError::UnsupportedCrs { .. })));
        assert!(matches!(read(r#"{"datum":"GCJ02","crs":"EPSG:4326"}"#), Err(MapError::DatumConflict { .. })));
    }
}
