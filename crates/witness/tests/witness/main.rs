//! The witness against logs of a real engine: honest ones are signed, each broken rule is refused by its code, and
//! whatever dies or is brought back from a backup, no size is signed with two roots.

mod crashes;
mod desk;
mod refusals;
mod registries;
mod running;
mod stories;

#[path = "../../../engine/tests/check/play.rs"]
mod play;
#[expect(dead_code, reason = "the engine's own tests use more of it")]
#[path = "../../../engine/tests/check/world.rs"]
mod world;
