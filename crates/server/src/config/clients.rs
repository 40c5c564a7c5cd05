//! Client certificates: who issues them for an organisation, and which machines it has.

use super::words;
use handoff_domain::ids::{ClientId, StationId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Whether clients show certificates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCertificates {
    /// Every connection; each token is bound to the certificate it comes over (RFC 8705).
    #[default]
    Required,
    /// None is asked for. Development only: a stolen token can be used from anywhere.
    Off,
}

/// One organisation's client certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Clients {
    /// The authorities that issue its client certificates, PEM. They speak for it and for no other organisation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// What the name (URI) in each of its certificates begins with; `handoff://ID/machine/` unless named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Its machines. A certificate of one that is not registered here is nobody's.
    #[serde(rename = "machine", skip_serializing_if = "Vec::is_empty")]
    pub machines: Vec<Machine>,
}

/// A machine that may connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// What follows the prefix in its certificate's name, and the client program under which everything is recorded
    /// that comes in over it.
    #[serde(with = "words::client_id")]
    pub name: ClientId,
    /// The station whose dispatch system it is: without anybody's token it may then do what a system adapter may.
    /// Without one it only carries the tokens of its officers.
    #[serde(default, with = "words::station", skip_serializing_if = "Option::is_none")]
    pub station: Option<StationId>,
    /// It is the organisation's witness: without anybody's token it mirrors the log and signs checkpoints, and does nothing
    /// else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub witness: bool,
}
