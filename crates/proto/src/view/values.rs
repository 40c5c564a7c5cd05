//! Values that several views share.

use super::{Disclosed, Opening, Recipient};
use crate::convert::degrees;
use crate::v1;
use handoff_domain::caller::Actor;
use handoff_domain::form::Signer;
use handoff_domain::ids::{MapRef, StationRef};
use handoff_domain::retention::is_caller_data;
use handoff_domain::time::Millis;
use handoff_domain::values::{Category, Place, Sealed, Terms, Territory, b64url};
use prost_types::{Duration, Timestamp};

const DISCLOSED: &str = "DISCLOSED";
const WITHHELD: &str = "WITHHELD";
const ERASED: &str = "ERASED";

/// An instant.
#[must_use]
pub fn timestamp(at: Millis) -> Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    Timestamp { seconds: at.0.div_euclid(1_000), nanos }
}

/// A duration in milliseconds.
pub(super) fn duration(ms: i64) -> Duration {
    let nanos = i32::try_from(ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0);
    Duration { seconds: ms.div_euclid(1_000), nanos }
}

/// A text, or nothing.
pub(super) fn text<T: ToString>(value: Option<&T>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}

/// A station.
#[must_use]
pub fn station_ref(station: &StationRef) -> v1::StationRef {
    v1::StationRef { organisation: station.org.to_string(), station: station.station.to_string() }
}

pub(super) fn map_ref(map: &MapRef) -> v1::MapRef {
    v1::MapRef { id: map.id.to_string(), version: map.version }
}

pub(super) fn category(category: &Category) -> v1::Category {
    v1::Category {
        code: category.code.to_string(),
        label: text(category.label.as_ref()),
        table: text(category.table.as_ref()),
    }
}

/// A signer; shown to both sides.
pub(super) fn signer(signer: &Signer) -> v1::Signer {
    v1::Signer { officer: signer.officer.to_string(), substitute: text(signer.substitute.as_ref()) }
}

/// Who did something; the pseudonym for the own organisation, auditors, and on signatures.
#[must_use]
pub fn actor(actor: &Actor, recipient: &Recipient, is_signature: bool) -> v1::Actor {
    let officer = actor.officer.as_ref().filter(|_| is_signature || recipient.is_own(&actor.org));
    v1::Actor {
        organisation: actor.org.to_string(),
        station: text(actor.station.as_ref()),
        officer: text(officer),
        role: actor.role.to_string(),
    }
}

/// A sealed text as this reader sees it.
#[must_use]
pub fn sealed_text(sealed: &Sealed, disclosed: &dyn Disclosed) -> v1::SealedText {
    let (state, value) = match disclosed.open(sealed) {
        Opening::Text(value) => (DISCLOSED, value),
        Opening::Erased => (ERASED, String::new()),
        // A point where a text belongs is nothing a reader could use.
        Opening::Withheld | Opening::Point { .. } => (WITHHELD, String::new()),
    };
    v1::SealedText { state: state.to_owned(), value, digest: b64url(&sealed.0) }
}

/// A sealed text of the caller's: never opened in a view, only said to be there or gone.
pub(super) fn caller_text(sealed: &Sealed, disclosed: &dyn Disclosed) -> v1::SealedText {
    let state = if disclosed.open(sealed) == Opening::Erased { ERASED } else { WITHHELD };
    v1::SealedText { state: state.to_owned(), value: String::new(), digest: b64url(&sealed.0) }
}

/// A sealed point as this reader sees it.
#[must_use]
pub fn sealed_point(sealed: &Sealed, disclosed: &dyn Disclosed) -> v1::SealedPoint {
    let (state, value) = match disclosed.open(sealed) {
        Opening::Point { lat7, lon7 } => (DISCLOSED, Some(geo_point(lat7, lon7))),
        Opening::Erased => (ERASED, None),
        Opening::Withheld | Opening::Text(_) => (WITHHELD, None),
    };
    v1::SealedPoint { state: state.to_owned(), value, digest: b64url(&sealed.0) }
}

/// One sealed field of an entry, as this reader sees it.
#[must_use]
pub fn opened_field(seq: u64, path: &str, sealed: &Sealed, disclosed: &dyn Disclosed) -> v1::OpenedField {
    use v1::opened_field::Content;
    let content = if is_caller_data(path) {
        Content::Text(caller_text(sealed, disclosed))
    } else if is_point(path) {
        Content::Point(sealed_point(sealed, disclosed))
    } else {
        Content::Text(sealed_text(sealed, disclosed))
    };
    v1::OpenedField { seq, path: path.to_owned(), content: Some(content) }
}

/// Whether the sealed field at this path is a point.
pub(super) fn is_point(path: &str) -> bool {
    path.rsplit('.').next() == Some("point")
}

pub(super) fn geo_point(lat7: u64, lon7: u64) -> v1::GeoPoint {
    v1::GeoPoint { latitude: degrees(lat7, 90.0), longitude: degrees(lon7, 180.0) }
}

pub(super) fn place(entry: u64, place: &Place, disclosed: &dyn Disclosed) -> v1::Place {
    v1::Place {
        entry,
        datum: text(place.crs.as_ref()),
        point: place.point.as_ref().map(|point| sealed_point(point, disclosed)),
        rounded_point: place.lat7.zip(place.lon7).map(|(lat7, lon7)| geo_point(lat7, lon7)),
        precision_m: place.precision_m,
        address: place.address.as_ref().map(|address| sealed_text(address, disclosed)),
        territory: place.territory.as_ref().map(territory),
    }
}

fn territory(territory: &Territory) -> v1::Territory {
    v1::Territory {
        ground: territory.ground.to_string(),
        claimants: territory.claimants.iter().map(station_ref).collect(),
        border_m: territory.border_m,
        why: text(territory.why.as_ref()),
        map: territory.map.as_ref().map(map_ref),
    }
}

/// Terms in force, as everybody with a part in the case reads them: not how their timers are set.
#[must_use]
pub fn terms(terms: &Terms) -> v1::Terms {
    v1::Terms {
        agreement: text(terms.agreement.as_ref()),
        version: terms.version,
        superior: text(terms.superior.as_ref()),
        level: text(terms.level.as_ref()),
        caller_days: terms.caller_days,
        text_days: terms.text_days,
    }
}

pub(super) fn timer((name, urgent, normal): (&str, i64, i64)) -> v1::Timer {
    v1::Timer { name: name.to_owned(), urgent: Some(duration(urgent)), normal: Some(duration(normal)) }
}
