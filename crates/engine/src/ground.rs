//! Boundary maps in use: read once from the store, kept prepared, asked for every place of an incident.

use handoff_domain::directory::Directory;
use handoff_domain::ids::{MapRef, StationId, StationRef};
use handoff_domain::values::{Code, Ground, Territory};
use handoff_store::{Reader, StoreError};
use handoff_territory::{BoundaryMap, Datum, Index, MapError, ParseOptions, Position, Repair, Standing, together};
use std::collections::HashMap;
use std::sync::{Arc, RwLock};

/// Maps kept prepared. One more empties the cache; it fills again from the store.
pub const MAPS_CACHED_MAX: usize = 64;

/// A place as it was given, in clear: it lives only until territory has answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryPoint {
    /// Latitude from the south pole in 1e-7 degrees.
    pub lat7: u64,
    /// Longitude from the antimeridian in 1e-7 degrees.
    pub lon7: u64,
    /// Datum as named.
    pub datum: String,
    /// Precision in metres.
    pub precision_m: u64,
}

impl QueryPoint {
    /// Degrees east and north.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "1e-7 degrees up to 3.6e9 are exact in a double")]
    pub fn position(&self) -> Position {
        Position::new(self.lon7 as f64 / 1e7 - 180.0, self.lat7 as f64 / 1e7 - 90.0)
    }
}

/// Prepared maps.
#[derive(Default)]
pub struct Maps {
    ready: RwLock<HashMap<(uuid::Uuid, u64), Arc<Index>>>,
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Maps").finish_non_exhaustive()
    }
}

/// Reads a boundary file for publication: the prepared map and what was repaired.
///
/// # Errors
/// [`MapError`] names area and ring and what to do.
pub fn read_map(bytes: &[u8]) -> Result<(Index, Vec<Repair>), MapError> {
    let (map, repairs) = BoundaryMap::parse(bytes, &ParseOptions::default())?;
    Ok((Index::new(map), repairs))
}

impl Maps {
    /// Every map in force for a station, prepared. One that cannot be read is left out and told to the operator: intake
    /// never waits for a map.
    pub async fn of(
        &self,
        reader: &dyn Reader,
        directory: &Directory,
        station: &StationRef,
    ) -> Vec<(MapRef, Arc<Index>)> {
        let mut maps = Vec::new();
        for map in directory.maps_of(station) {
            match self.get(reader, map).await {
                Ok(Some(index)) => maps.push((map.clone(), index)),
                Ok(None) => {}
                Err(error) => tracing::error!(error = %error, "the boundary map could not be read"),
            }
        }
        maps
    }

    /// The prepared map, read from the store at first use. `None`: no such map, or bytes that no longer read.
    ///
    /// # Errors
    /// [`StoreError`] when the store does not answer.
    pub async fn get(&self, reader: &dyn Reader, map: &MapRef) -> Result<Option<Arc<Index>>, StoreError> {
        let key = (map.id.0, map.version);
        if let Some(ready) = self.ready.read().unwrap_or_else(std::sync::PoisonError::into_inner).get(&key) {
            return Ok(Some(ready.clone()));
        }
        let Some(row) = reader.map(map.clone()).await? else { return Ok(None) };
        let Ok((index, _)) = read_map(&row.bytes) else {
            tracing::error!(map.id = %map.id.0, map.version, "a stored boundary map no longer reads");
            return Ok(None);
        };
        let index = Arc::new(index);
        let mut ready = self.ready.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        if ready.len() >= MAPS_CACHED_MAX {
            ready.clear();
        }
        ready.insert(key, index.clone());
        Ok(Some(index))
    }
}

/// What the maps say of a place together, as the fact that goes into the event. `None` without a map.
#[must_use]
pub fn territory(maps: &[(MapRef, Arc<Index>)], directory: &Directory, point: &QueryPoint) -> Option<Territory> {
    #[expect(clippy::cast_precision_loss, reason = "metres")]
    let precision = point.precision_m as f64;
    let (position, datum) = (point.position(), Datum::from_name(&point.datum));
    let answers: Vec<_> = maps.iter().map(|(_, index)| index.owners(position, datum, precision)).collect();
    let (decided, owners) = together(&answers)?;
    let ground = match owners.standing {
        Standing::Owned => Ground::Claimed,
        Standing::Shared => Ground::Shared,
        Standing::Outside => Ground::Outside,
        Standing::Untrusted => Ground::Untrusted,
    };
    let claimants = owners.claimants.iter().filter_map(|name| StationId::new(name));
    let claimants: Vec<StationRef> =
        claimants.filter_map(|station| directory.seat(&station)).take(CLAIMANTS_MAX).collect();
    Some(Territory {
        ground,
        claimants,
        border_m: owners.distance_to_border_m.map(metres),
        why: owners.reason.and_then(|reason| Code::new(reason.as_str())),
        map: maps.get(decided).map(|(map, _)| map.clone()),
    })
}

/// Most claimants of one place that an event names; the map's own overlap report shows more.
pub const CLAIMANTS_MAX: usize = 8;

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to whole metres on earth")]
fn metres(distance: f64) -> u64 {
    distance.clamp(0.0, 4e7).round() as u64
}
