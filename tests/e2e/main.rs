//! End-to-end tests: one binary, one link. All but the walls run the built program.

mod command_line;
mod crashes;
mod database;
mod feed;
mod intake;
mod refusals;
mod replay;
mod sides;
mod stopping;
mod walls;
