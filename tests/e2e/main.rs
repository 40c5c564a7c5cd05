//! End-to-end tests: one binary, one link. All but the walls run the built program.

mod authz;
mod canary;
mod certificates;
mod command_line;
mod crashes;
mod database;
mod failures;
mod feed;
mod intake;
mod limits;
mod lists;
mod merges;
mod part_ended;
mod postgres;
mod refusals;
mod replay;
mod shifts;
mod sides;
mod statements;
mod stopping;
mod storm;
mod theft;
mod tokens;
mod trace;
mod transport;
mod walls;
