//! Boundary maps: publishing, downloading, and asking whose ground a point is.

use super::super::feed::NO_PROGRESS_MS;
use super::objects::map_ref;
use crate::error::status;
use crate::grpc::{Gate, store_away, violations};
use handoff_domain::caller::{Caller, OrgKind};
use handoff_domain::command::Order;
use handoff_domain::directory::Directory;
use handoff_domain::event::directory::{MapPublished, Site as SiteOf};
use handoff_domain::ids::{Digest, MapRef, OrgId, StationId, StationRef};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_engine::Beside;
use handoff_engine::ground::read_map;
use handoff_engine::sealing::sha256;
use handoff_proto::comparable;
use handoff_proto::convert::{self, DecodedOrder, MapUpload};
use handoff_proto::v1;
use handoff_proto::view::station_ref;
use handoff_territory::{Datum, Position, Site, SiteKind, Verdict, nearest, together};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Bytes of one message of a downloaded map.
const CHUNK_BYTES: usize = 64 * 1024;
/// Why nothing is said of a point where no map in force covers the asking station.
const NO_MAP: &str = "NO_MAP";

impl Gate {
    pub(super) async fn publish(
        &self,
        request: Request<v1::PublishMapRequest>,
    ) -> Result<Response<v1::MoveReply>, Status> {
        let method = "DirectoryService/publish_map";
        let session = self.session(&request, method).await?;
        let under_way = crate::edge::under_way(request.extensions());
        let message = request.into_inner();
        let content = comparable(method, &message);
        let MapUpload { request_id, claimed_at, map, geojson } = MapUpload::read(message).map_err(violations)?;
        let bytes: Arc<[u8]> = geojson.into();
        if bytes.len() > self.map_bytes_max() {
            let max = self.map_bytes_max();
            return Err(status(&Refusal::new(Reason::MessageTooLarge).field("geojson").with("max", max)));
        }
        let published = self.read(&map, &bytes)?;
        let digest = published.digest;
        let beside = Some(Beside::Map(map, digest, bytes));
        let order = DecodedOrder { request_id, claimed_at, order: Order::PublishMap(published) };
        self.ordered(&session, method, under_way, content, order, beside).await
    }

    /// Reads the file, names what is wrong with it, and sees that every claimant is a station of the directory.
    fn read(&self, map: &MapRef, bytes: &[u8]) -> Result<MapPublished, Status> {
        let (index, repairs) = read_map(bytes)
            .map_err(|error| status(&Refusal::new(Reason::MapInvalid).field("geojson").with("problem", error)))?;
        for repair in &repairs {
            tracing::info!(map.id = %map.id, repair = %repair, "a boundary map was repaired");
        }
        let directory = self.engine().directory();
        let mut parties: BTreeSet<OrgId> = BTreeSet::new();
        for name in index.map().stations() {
            let known = StationId::new(name).and_then(|station| directory.seat(&station));
            let Some(known) = known else {
                return Err(status(
                    &Refusal::new(Reason::MapInvalid)
                        .field("geojson")
                        .with("problem", format!("station {name} is not in the directory")),
                ));
            };
            parties.insert(known.org);
        }
        let areas: Vec<String> =
            index.map().areas().iter().map(|area| format!("{}={}", area.id(), area.claimants().join(","))).collect();
        Ok(MapPublished {
            map: map.clone(),
            digest: sha256(bytes),
            areas: areas_digest(&areas),
            area_count: areas.len() as u64,
            parties: parties.into_iter().collect(),
        })
    }

    pub(super) async fn download(
        &self,
        request: Request<v1::DownloadMapRequest>,
    ) -> Result<Response<ReceiverStream<Result<v1::DownloadMapResponse, Status>>>, Status> {
        let method = "DirectoryService/download_map";
        let session = self.session(&request, method).await?;
        let shown = request.peer_certs();
        let map = convert::map(&request.into_inner().map, false).map_err(violations)?;
        let row = self.engine().reader().map(map).await.map_err(|error| store_away(&error))?;
        let row = row.ok_or_else(|| status(&Refusal::new(Reason::ObjectNotFound).field("map")))?;
        let (out, stream) = mpsc::channel(4);
        let (stop, clock, gate) = (self.tasks().stopping(), self.engine().clock(), self.clone());
        self.tasks().spawn(async move {
            for chunk in row.bytes.chunks(CHUNK_BYTES) {
                if let Err(ended) = gate.still(&session, &shown, method) {
                    let _ = out.try_send(Err(ended));
                    return;
                }
                let chunk = chunk.to_vec();
                tokio::select! {
                    biased;
                    // A reader that takes nothing in holds up no stop.
                    () = stop.cancelled() => {
                        let _ = out.try_send(Err(status(&Refusal::new(Reason::StreamEnded))));
                        return;
                    }
                    sent = out.send(Ok(v1::DownloadMapResponse { chunk })) => if sent.is_err() { return },
                    () = clock.sleep_until(clock.now().plus(NO_PROGRESS_MS)) => {
                        let _ = out.try_send(Err(status(&Refusal::new(Reason::SubscriberTooSlow))));
                        return;
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    pub(super) async fn resolve(
        &self,
        request: Request<v1::ResolveTerritoryRequest>,
    ) -> Result<Response<v1::ResolveTerritoryResponse>, Status> {
        let method = "DirectoryService/resolve_territory";
        let session = self.session(&request, method).await?;
        let asked = convert::territory(&request.into_inner()).map_err(violations)?;
        let directory = self.engine().directory();
        let station = asking(&directory, &session.caller, asked.acting_for);
        let station = station.map_err(|refusal| self.denied(&session.caller, method, &refusal))?;
        let position = Position::new(asked.longitude, asked.latitude);
        let datum = Datum::from_name(&asked.datum);
        let precision = f64::from(asked.precision_m);
        let mut answer = v1::ResolveTerritoryResponse::default();
        self.ask(&directory, &station, position, datum, precision, &mut answer).await?;
        near(&directory, &station, position, datum, asked.nearest_count as usize, &mut answer);
        Ok(Response::new(answer))
    }

    async fn ask(
        &self,
        directory: &Directory,
        station: &StationRef,
        point: Position,
        datum: Datum,
        precision_m: f64,
        told: &mut v1::ResolveTerritoryResponse,
    ) -> Result<(), Status> {
        let maps = self.engine().maps().of(self.engine().reader(), directory, station).await;
        let answers: Vec<_> = maps.iter().map(|(_, index)| index.owners(point, datum, precision_m)).collect();
        let Some((decided, answer)) = together(&answers) else {
            (told.answer, told.why) = (Verdict::Untrusted.as_str().to_owned(), NO_MAP.to_owned());
            return Ok(());
        };
        told.answer = answer.seen_by(station.station.as_str()).as_str().to_owned();
        told.why = answer.reason.map(|reason| reason.as_str().to_owned()).unwrap_or_default();
        let claimants = answer.claimants.iter().filter_map(|name| directory.seat(&StationId::new(name)?));
        told.claimants = claimants.map(|claimant| station_ref(&claimant)).collect();
        told.areas = answer.areas;
        told.border_m = answer.distance_to_border_m;
        told.reach_m = answer.reach_m;
        told.map = maps.get(decided).map(|(map, _)| map_ref(map));
        Ok(())
    }
}

/// The station that asks: the token's, or another of the own organisation.
fn asking(directory: &Directory, caller: &Caller, named: Option<StationId>) -> Result<StationRef, Refusal> {
    let refused = |reason| Refusal::new(reason).field("acting_for");
    if caller.kind != OrgKind::Party {
        return Err(Refusal::new(Reason::RoleNotAllowed));
    }
    let station = named.or_else(|| caller.station.clone());
    let station = station.ok_or_else(|| refused(Reason::StationNotFound))?;
    let seat = directory.seat(&station);
    let seat = seat.ok_or_else(|| refused(Reason::StationNotFound).with("station", &station))?;
    if seat.org == caller.org { Ok(seat) } else { Err(refused(Reason::OtherOrganisation)) }
}

fn areas_digest(areas: &[String]) -> Digest {
    sha256(areas.join("\n").as_bytes())
}

#[expect(clippy::cast_precision_loss, reason = "1e-7 degrees are exact in a double")]
fn place(site: &SiteOf) -> Position {
    Position::new(site.lon7 as f64 / 1e7 - 180.0, site.lat7 as f64 / 1e7 - 90.0)
}

/// Nearest posts and units of the asking station and of every station it has an agreement with.
fn near(
    directory: &Directory,
    station: &StationRef,
    point: Position,
    datum: Datum,
    count: usize,
    told: &mut v1::ResolveTerritoryResponse,
) {
    let known = |other: &StationId| {
        *other == station.station
            || directory.seat(other).is_some_and(|other| directory.agreement(station, &other).is_some())
    };
    let site = |id: String, of: &StationId, kind, at: &SiteOf| Site {
        id,
        station: of.to_string(),
        kind,
        point: place(at),
        datum: Datum::Wgs84,
    };
    let posts = directory.posts.values().filter(|owned| !owned.is.retired && known(&owned.is.station));
    let posts = posts.filter_map(|owned| {
        Some(site(owned.is.post.to_string(), &owned.is.station, SiteKind::Post, owned.is.site.as_ref()?))
    });
    let units = directory.units.values().filter(|owned| !owned.is.retired && known(&owned.is.station));
    let units = units.filter_map(|owned| {
        Some(site(owned.is.unit.to_string(), &owned.is.station, SiteKind::Unit, owned.is.site.as_ref()?))
    });
    let sites: Vec<Site> = posts.chain(units).collect();
    let found = nearest(point, datum, &sites, count);
    let list = |found: &[handoff_territory::Found]| -> Vec<v1::NearbySite> {
        found.iter().map(|one| v1::NearbySite { id: one.id.clone(), distance_m: one.distance_m }).collect()
    };
    told.unplaced.clone_from(&found.unplaced);
    told.approximate = found.is_approximate;
    told.nearby = found
        .sides
        .iter()
        .map(|side| v1::NearbyStation {
            station: StationId::new(&side.station).and_then(|name| directory.seat(&name)).map(|one| station_ref(&one)),
            posts: list(&side.posts),
            units: list(&side.units),
        })
        .collect();
}
