//! The request of each method: well formed, about the incident of the scene, as an officer would make it who saw the
//! case as it is. Whether the caller may make it is not asked here.

pub(crate) mod directory;
mod facts;
mod handoffs;
mod moves;

use super::cast::Caller;
use super::methods::Method;
use super::scene::Scene;
use anyhow::Context;
use handoff_client::api;
use handoff_domain::time::{MINUTE, Millis};
use handoff_engine::clock::{Clock, SystemClock};
use prost::Message;

/// The bytes of a request, with a request id of its own.
///
/// # Errors
/// Nobody wrote the request of this method.
pub fn request(method: &Method, scene: &Scene, caller: Caller) -> anyhow::Result<Vec<u8>> {
    let name = method.name;
    let found = facts::request(name, scene, caller)
        .or_else(|| moves::request(name, scene, caller))
        .or_else(|| handoffs::request(name, scene, caller))
        .or_else(|| directory::request(name, scene, caller));
    found.with_context(|| format!("nobody wrote a request of {name}"))
}

/// A message as it goes over the wire.
fn wire(message: &impl Message) -> Option<Vec<u8>> {
    Some(message.encode_to_vec())
}

/// What the officer saw of the incident.
fn of_incident(scene: &Scene) -> Option<api::Expected> {
    Some(api::Expected { state: scene.state.into(), form_version: None, tenure: Some(scene.tenure) })
}

/// What the officer saw of the handoff.
fn of_form(scene: &Scene) -> Option<api::Expected> {
    let (state, form_version) = (scene.form_state.into(), Some(scene.version));
    Some(api::Expected { state, form_version, tenure: Some(scene.tenure) })
}

/// What the officer saw of the result; of the incident where none is owed.
fn of_result(scene: &Scene) -> Option<api::Expected> {
    let state = scene.result.unwrap_or(scene.state).into();
    Some(api::Expected { state, form_version: None, tenure: Some(scene.tenure) })
}

/// A moment some minutes from now.
fn in_minutes(minutes: i64) -> Option<api::Timestamp> {
    let Millis(at) = SystemClock.now().plus(minutes * MINUTE);
    Some(api::Timestamp { seconds: at / 1_000, nanos: 0 })
}
