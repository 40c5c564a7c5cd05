//! Changes of the directory.

use super::reader::{Reader, join};
use super::{DecodedOrder, IntoOrder, Violations, codes};
use crate::{Requested, v1};
use handoff_domain::caller::Role;
use handoff_domain::command::Order;
use handoff_domain::event::directory::{
    AgreementProposed, AgreementRatified, CatalogueEntry, CatalogueSet, MapPublished, MapRatified, OfficerSet, PostSet,
    Site, StationSet, UnitSet,
};
use handoff_domain::ids::{Digest, MapRef, OrgId};
use handoff_domain::time::Millis;
use handoff_domain::timers::{Duty, TIMER_AGREED_VALID, TIMER_MAX_MS, TIMER_MIN_MS, TIMER_RUNG, Timers};
use uuid::Uuid;

/// Largest boundary map: what is left of a message of 8 MiB. Beyond it: `TOO_LONG`.
pub const MAP_BYTES_MAX: usize = 8 * 1024 * 1024 - 4 * 1024;
/// Most entries of one version of a code table. Beyond it: `TOO_MANY`.
const CATALOGUE_ENTRIES_MAX: usize = 400;
/// Most bytes of all its entries together, so that they fit one event. Beyond it: `TOO_LONG`.
const CATALOGUE_BYTES_MAX: usize = 14_000;
/// What an entry costs beside its texts: keys, quotes, commas.
const CATALOGUE_ENTRY_BYTES: usize = 40;
/// Most roles of one officer. Beyond it: `TOO_MANY`.
const ROLES_MAX: usize = 10;
/// Coarsest grid of a point in clear: one degree.
const GRID7_MAX: u64 = 10_000_000;
/// Longest time until caller data is erased, in days.
const CALLER_DAYS_MAX: u64 = 3_650;
/// Longest time until texts and places are erased, in days.
const TEXT_DAYS_MAX: u64 = 36_500;

/// A boundary map as uploaded. What it says of areas and claimants is read by the service's map reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapUpload {
    /// The caller's own id of the request.
    pub request_id: Uuid,
    /// The caller's own time.
    pub claimed_at: Option<Millis>,
    /// The map and its next version.
    pub map: MapRef,
    /// The file.
    pub geojson: Vec<u8>,
}

impl MapUpload {
    /// Reads the request.
    ///
    /// # Errors
    /// Every bad field, not only the first.
    pub fn read(request: v1::PublishMapRequest) -> Result<Self, Violations> {
        let mut reader = Reader::plain();
        let request_id = reader.uuid("request_id", &request.request_id);
        let claimed_at = reader.maybe_time("claimed_time", &request.claimed_time);
        let map = reader.map_ref("map", &request.map);
        let size = match request.geojson.len() {
            0 => reader.wrong("geojson", codes::REQUIRED, Vec::new()),
            1..=MAP_BYTES_MAX => Some(()),
            _ => reader.too_long("geojson", MAP_BYTES_MAX),
        };
        let geojson = request.geojson;
        let read = (|| {
            let () = size?;
            Some(Self { request_id: request_id?, claimed_at: claimed_at?, map: map?, geojson })
        })();
        reader.end(read)
    }

    /// The order to publish it, with what the map reader found.
    #[must_use]
    pub fn order(&self, digest: Digest, areas: Digest, area_count: u64, parties: Vec<OrgId>) -> DecodedOrder {
        let published = MapPublished { map: self.map.clone(), digest, areas, area_count, parties };
        let (request_id, claimed_at) = (self.request_id, self.claimed_at);
        DecodedOrder { request_id, claimed_at, order: Order::PublishMap(published) }
    }
}

impl Requested for v1::PublishMapRequest {
    fn request_id(&self) -> &str {
        &self.request_id
    }
}

/// Declares how a request becomes an order; as `command!`.
macro_rules! order {
    ($request:ident, ($( $field:ident: $method:ident ),*) => $make:expr) => {
        impl Requested for v1::$request {
            fn request_id(&self) -> &str {
                &self.request_id
            }
        }

        impl IntoOrder for v1::$request {
            fn into_order(self) -> Result<DecodedOrder, Violations> {
                let mut reader = Reader::plain();
                let request_id = reader.uuid("request_id", &self.request_id);
                let claimed_at = reader.maybe_time("claimed_time", &self.claimed_time);
                $( let $field = reader.$method(stringify!($field), &self.$field); )*
                let order = (|| { $( let $field = $field?; )* Some($make) })();
                reader.order(request_id, claimed_at, order)
            }
        }
    };
}

order!(SetStationRequest, (station: station_set) => Order::Station(station));
order!(SetPostRequest, (post: post_set) => Order::Post(post));
order!(SetUnitRequest, (unit: unit_set) => Order::Unit(unit));
order!(SetOfficerRequest, (officer: officer_set) => Order::Officer(officer));
order!(ProposeAgreementRequest, (agreement: agreement) => Order::ProposeAgreement(agreement));
order!(RatifyAgreementRequest, (agreement: id, version: version) => {
    Order::RatifyAgreement(AgreementRatified { agreement, version })
});
order!(SetCatalogueRequest, (catalogue: catalogue) => Order::Catalogue(catalogue));
order!(RatifyMapRequest, (map: map_ref) => Order::RatifyMap(MapRatified { map }));
order!(TakeShiftRequest, (station: name) => Order::TakeShift(station));
order!(OpenDrillRequest, (drill: minted, number: label, with: name, start_time: time, end_time: time) => {
    Order::OpenDrill { drill, number, with, from: start_time, until: end_time }
});
order!(JoinDrillRequest, (drill: id) => Order::JoinDrill(drill));
order!(EndDrillRequest, (drill: id) => Order::EndDrill(drill));

impl Reader<'_> {
    fn there<'v, T>(&mut self, path: &str, value: &'v Option<T>) -> Option<&'v T> {
        value.as_ref().or_else(|| self.wrong(path, codes::REQUIRED, Vec::new()))
    }

    fn maybe_site(&mut self, path: &str, value: &Option<v1::GeoPoint>) -> Option<Option<Site>> {
        let Some(point) = value else { return Some(None) };
        let lat7 = self.steps(&join(path, "latitude"), point.latitude, 90);
        let lon7 = self.steps(&join(path, "longitude"), point.longitude, 180);
        Some(Some(Site { lat7: lat7?, lon7: lon7? }))
    }

    pub(super) fn steps(&mut self, path: &str, degrees: f64, limit: i32) -> Option<u64> {
        super::place::steps(degrees, limit.into()).or_else(|| self.out_of_range(path, &-limit, &limit))
    }

    fn station_set(&mut self, path: &str, value: &Option<v1::Station>) -> Option<StationSet> {
        let is = self.there(path, value)?;
        let station = self.name(&join(path, "id"), &is.id);
        let name = self.maybe_label(&join(path, "name"), &is.name);
        let dispatch_client = self.maybe_name(&join(path, "dispatch_client"), &is.dispatch_client);
        let site = self.maybe_site(&join(path, "site"), &is.site);
        let (station, name, dispatch_client, site) = (station?, name?, dispatch_client?, site?);
        Some(StationSet { station, name, dispatch_client, site, retired: is.retired })
    }

    fn post_set(&mut self, path: &str, value: &Option<v1::Post>) -> Option<PostSet> {
        let is = self.there(path, value)?;
        let post = self.name(&join(path, "id"), &is.id);
        let station = self.name(&join(path, "station"), &is.station);
        let name = self.maybe_label(&join(path, "name"), &is.name);
        let site = self.maybe_site(&join(path, "site"), &is.site);
        Some(PostSet { post: post?, station: station?, name: name?, site: site?, retired: is.retired })
    }

    fn unit_set(&mut self, path: &str, value: &Option<v1::Unit>) -> Option<UnitSet> {
        let is = self.there(path, value)?;
        let unit = self.name(&join(path, "id"), &is.id);
        let station = self.name(&join(path, "station"), &is.station);
        let skills = self.skills(&join(path, "skills"), &is.skills);
        let site = self.maybe_site(&join(path, "site"), &is.site);
        Some(UnitSet { unit: unit?, station: station?, skills: skills?, site: site?, retired: is.retired })
    }

    fn officer_set(&mut self, path: &str, value: &Option<v1::Officer>) -> Option<OfficerSet> {
        let is = self.there(path, value)?;
        let officer = self.name(&join(path, "id"), &is.id);
        let station = self.name(&join(path, "station"), &is.station);
        let roles =
            self.list(&join(path, "roles"), &is.roles, ROLES_MAX, |reader, path, role| reader.word::<Role>(path, role));
        Some(OfficerSet { officer: officer?, station: station?, roles: roles?, retired: is.retired })
    }

    fn agreement(&mut self, path: &str, value: &Option<v1::Agreement>) -> Option<AgreementProposed> {
        let is = self.there(path, value)?;
        let agreement = self.minted(&join(path, "id"), &is.id);
        let version = self.version(&join(path, "version"), &is.version);
        let a = self.station(&join(path, "a"), &is.a);
        let b = self.station(&join(path, "b"), &is.b);
        let superior = self.maybe_name(&join(path, "superior"), &is.superior);
        let level = self.word(&join(path, "level"), &is.level);
        let timers = self.timers(&join(path, "timers"), &is.timers);
        let map = self.maybe_map(&join(path, "map"), &is.map);
        let mut days = |name: &str, value: Option<u64>, max: u64| match value {
            Some(value) => self.number(&join(path, name), value, 1, max).map(Some),
            None => Some(None),
        };
        let grid7 = days("grid7", is.grid7, GRID7_MAX);
        let caller_days = days("caller_days", is.caller_days, CALLER_DAYS_MAX);
        let text_days = days("text_days", is.text_days, TEXT_DAYS_MAX);
        Some(AgreementProposed {
            agreement: agreement?,
            version: version?,
            a: a?,
            b: b?,
            superior: superior?,
            level: level?,
            timers: timers?,
            map: map?,
            grid7: grid7?,
            caller_days: caller_days?,
            text_days: text_days?,
        })
    }

    fn timers(&mut self, path: &str, value: &[v1::Timer]) -> Option<Option<Timers>> {
        let names: Vec<&str> =
            Duty::ALL.iter().map(|duty| duty.as_str()).chain([TIMER_RUNG, TIMER_AGREED_VALID]).collect();
        let mut timers = Timers::default();
        let read = self.list(path, value, names.len(), |reader, path, timer| {
            let at = join(path, "name");
            let name = match timer.name.as_str() {
                "" => reader.wrong(&at, codes::REQUIRED, Vec::new()),
                known if names.contains(&known) => Some(known),
                _ => reader.wrong(&at, codes::UNKNOWN_WORD, vec![("words", names.join(", "))]),
            };
            let urgent = reader.timer_ms(&join(path, "urgent"), &timer.urgent);
            let normal = reader.timer_ms(&join(path, "normal"), &timer.normal);
            timers.set(name?, urgent?, normal?).then_some(())
        });
        read?;
        Some(Some(timers).filter(|timers| !timers.is_default()))
    }

    fn timer_ms(&mut self, path: &str, value: &Option<prost_types::Duration>) -> Option<i64> {
        let ms = self.duration_ms(path, value)?;
        if (TIMER_MIN_MS..=TIMER_MAX_MS).contains(&ms) {
            return Some(ms);
        }
        self.out_of_range(path, &format_args!("{TIMER_MIN_MS} ms"), &format_args!("{TIMER_MAX_MS} ms"))
    }

    fn catalogue(&mut self, path: &str, value: &Option<v1::Catalogue>) -> Option<CatalogueSet> {
        let is = self.there(path, value)?;
        let station = self.name(&join(path, "station"), &is.station);
        let table = self.label(&join(path, "table"), &is.table);
        let version = self.label(&join(path, "version"), &is.version);
        let at = join(path, "entries");
        let entries = self.list(&at, &is.entries, CATALOGUE_ENTRIES_MAX, |reader, path, entry| {
            let code = reader.label(&join(path, "code"), &entry.code);
            let label = reader.maybe_label(&join(path, "label"), &entry.label);
            let mapped = reader.maybe_label(&join(path, "mapped"), &entry.mapped);
            Some(CatalogueEntry { code: code?, label: label?, mapped: mapped? })
        });
        let texts = is.entries.iter().map(|entry| entry.code.len() + entry.label.len() + entry.mapped.len());
        if texts.sum::<usize>() + is.entries.len() * CATALOGUE_ENTRY_BYTES > CATALOGUE_BYTES_MAX {
            return self.too_long(&at, CATALOGUE_BYTES_MAX);
        }
        Some(CatalogueSet { station: station?, table: table?, version: version?, entries: entries? })
    }
}
