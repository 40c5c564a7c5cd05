//! One verb per file.

pub(crate) mod audit;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod db;
pub(crate) mod demo;
pub(crate) mod dev_ca;
pub(crate) mod dev_config;
pub(crate) mod erase;
pub(crate) mod handoff;
pub(crate) mod incident;
pub(crate) mod keys;
pub(crate) mod policy;
pub(crate) mod registry;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod territory;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod watch;
pub(crate) mod witness;
