//! One verb per file.

pub mod audit;
pub mod completions;
pub mod config;
pub mod connect;
pub mod db;
pub mod demo;
pub mod dev_ca;
pub mod handoff;
pub mod incident;
pub mod replay;
pub mod serve;
pub mod show;
pub mod territory;
pub mod token;
pub mod watch;
