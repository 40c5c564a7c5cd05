//! The service: gRPC, authentication, the error table, configuration and telemetry.
//!
//! Reading order:
//!
//! 1. [`config`]: what an operator writes down, and everything that is checked before the service starts.
//! 2. [`auth`]: from a bearer token to a [`Caller`](handoff_domain::caller::Caller).
//! 3. [`error`]: the only table from a refusal to a gRPC status, with its texts in both languages.
//! 4. [`tls`]: the certificate, the crypto provider and the accepting side of a connection.
//! 5. [`outbound`]: the few requests the service makes by itself, and the addresses it never connects to.
//! 6. [`connections`] and [`edge`]: what stands before every method: limits, counting, a reason for every refusal;
//!    [`rates`]: how often somebody may call; `shares`: how those who want the same places share them.
//! 7. [`grpc`]: each method decodes, calls one use case, encodes; [`serve`] puts everything together.
//! 8. [`database`]: made, copied, checked.
//! 9. [`telemetry`] and [`metrics`]: what operators see.
//! 10. [`keyring`]: the keys and certificates a configuration names, as an operator has to know them.
//! 11. [`dev_ca`]: certificates, keys and tokens for development, refused in production.

pub mod auth;
pub mod config;
pub mod connections;
pub mod cursors;
pub mod database;
pub mod dev_ca;
pub mod edge;
pub mod error;
#[cfg(test)]
mod fuzz;
pub mod gauges;
pub mod grpc;
pub mod keyring;
mod lanes;
pub mod metrics;
pub mod outbound;
pub mod rates;
pub mod serve;
mod shares;
pub mod tasks;
pub mod telemetry;
pub mod tls;
