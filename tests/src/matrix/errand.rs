//! What has to be there before a call about no incident: a proposal to ratify, an exercise to join, a token to commit.

use super::calls::{directory::terms, request};
use super::cast::{Caller, World};
use super::methods::{Method, method};
use super::scene::Scene;
use super::states::Seat;
use super::words::Identity;
use crate::play::{BORDER, id};
use crate::refusal::told;
use anyhow::{Context, ensure};
use handoff_client::api;
use prost::Message;

const A_ADMIN: Caller = Caller::new(Seat::A, Identity::Admin);
const B_ADMIN: Caller = Caller::new(Seat::B, Identity::Admin);
const B_DUTY: Caller = Caller::new(Seat::B, Identity::DutyOfficer);

/// Prepares what a call of this method by this caller is about.
///
/// # Errors
/// Something was refused that leads there.
pub async fn errand(world: &World, method: &Method, caller: Caller) -> anyhow::Result<Scene> {
    let mut scene = Scene::new("-");
    match method.name {
        "RatifyAgreement" => {
            let (request_id, agreement) = (id(), Some(terms(scene.other.clone())));
            let propose = api::ProposeAgreementRequest { request_id, agreement, ..Default::default() };
            told(world.client(B_ADMIN)?.directory().propose_agreement(propose).await)?;
        }
        "RatifyMap" => {
            let map = Some(api::MapRef { id: scene.other.clone(), version: 1 });
            let geojson = BORDER.as_bytes().to_vec();
            let publish = api::PublishMapRequest { request_id: id(), map, geojson, ..Default::default() };
            told(world.client(B_ADMIN)?.directory().publish_map(publish).await)?;
        }
        "GetMap" | "DownloadMap" => scene.other = world.map.clone().context("there is a map")?.id,
        "GetCatalogue" => {
            let entries = vec![api::CatalogueEntry { code: "FIRE".into(), ..Default::default() }];
            let (station, table, version) = ("A-01".into(), "kinds".into(), scene.other.clone());
            let catalogue = Some(api::Catalogue { station, table, version, entries, ..Default::default() });
            let set = api::SetCatalogueRequest { request_id: id(), catalogue, ..Default::default() };
            told(world.client(A_ADMIN)?.directory().set_catalogue(set).await)?;
        }
        "JoinDrill" | "EndDrill" => scene.other = drill(world).await?,
        "Commit" => scene.statement = token(world, caller).await?,
        "UpdateRegistry" => scene.statement = crate::officers::log(&world.app)?,
        _ => {}
    }
    Ok(scene)
}

/// An exercise B opened with A.
async fn drill(world: &World) -> anyhow::Result<String> {
    let open = method("OpenDrill").context("the protocol opens exercises")?;
    let bytes = request(open, &Scene::new("-"), B_DUTY)?;
    let drill = api::OpenDrillRequest::decode(bytes.as_slice())?.drill;
    let answer = world.call(B_DUTY, "DirectoryService/OpenDrill", bytes).await;
    ensure!(answer.status.is_none(), "{}", answer.words());
    Ok(drill)
}

/// A token of the caller's own feed; of A's where the caller has none.
async fn token(world: &World, caller: Caller) -> anyhow::Result<String> {
    let has_none = matches!(caller.identity, Identity::Admin | Identity::NoRole | Identity::Anonymous);
    let reader = if has_none { Caller::new(caller.seat, Identity::Adapter) } else { caller };
    let answer = world.call(reader, "FeedService/Watch", Vec::new()).await;
    ensure!(answer.status.is_none(), "{}", answer.words());
    let message = api::WatchResponse::decode(answer.message)?.message.context("the feed says something")?;
    Ok(match message {
        api::watch_response::Message::Batch(batch) => batch.resume_token,
        api::watch_response::Message::Heartbeat(beat) => beat.resume_token,
        api::watch_response::Message::End(end) => end.resume_token,
    })
}
