//! The Rust client of `handoff`: one connection, all services, retries that keep the request id, a watch that resumes.
//!
//! A command whose outcome is unknown is asked again **only with the same request id** (design page *reliability*, 7);
//! that is always safe. After a definite no, a changed command takes a new request id.
#![warn(missing_docs)]

#[cfg(test)]
mod fuzz;
mod retry;
pub mod signing;
mod watch;

/// The messages of `handoff.v1`.
pub mod api {
    pub use handoff_proto::v1::*;
    pub use prost_types::{Duration, Timestamp};
}
pub use retry::{Attempt, RETRY_FOR_MAX, definite, retry};
pub use watch::{Watch, WatchError};

use api::audit_service_client::AuditServiceClient;
use api::directory_service_client::DirectoryServiceClient;
use api::evidence_service_client::EvidenceServiceClient;
use api::feed_service_client::FeedServiceClient;
use api::handoff_service_client::HandoffServiceClient;
use api::incident_service_client::IncidentServiceClient;
use api::obligation_service_client::ObligationServiceClient;
use prost::Message;
use std::sync::{Arc, RwLock};
use std::time::Duration;
use tonic::Request;
use tonic::metadata::MetadataValue;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic_types::{StatusExt, pb};

/// Largest message taken in, in bytes: what the service sends at most, and a boundary map.
pub const MESSAGE_BYTES_MAX: usize = 9 * 1024 * 1024;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address or the certificate cannot be used.
    #[error("the address or certificate cannot be used")]
    Transport(#[source] tonic::transport::Error),
}

/// What a machine shows of itself where the service asks for client certificates. `Debug` does not show the key.
#[derive(Clone)]
pub struct Machine {
    /// Its certificate and the chain behind it, PEM.
    pub cert_pem: String,
    /// Its private key, PEM.
    pub key_pem: String,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").finish_non_exhaustive()
    }
}

/// The bearer token; replaced when it runs out.
#[derive(Clone, Debug)]
pub struct Token(Arc<RwLock<String>>);

impl Token {
    /// A token.
    #[must_use]
    pub fn new(token: String) -> Self {
        Self(Arc::new(RwLock::new(token)))
    }

    /// No token: over a certificate the machine speaks for itself, as the dispatch system of its station.
    #[must_use]
    pub fn none() -> Self {
        Self::new(String::new())
    }

    /// Puts another one in its place, for every clone of the client.
    pub fn replace(&self, token: String) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = token;
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let token = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        if token.is_empty() {
            return Ok(request);
        }
        let value = format!("Bearer {token}");
        let value = MetadataValue::try_from(value).map_err(|_| Status::unauthenticated("the token is not ASCII"))?;
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

type Line = InterceptedService<Channel, Token>;

/// A connection of one client program or person.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    line: Line,
    token: Token,
}

impl Client {
    /// Prepares a connection to `https://host:port`; the first call opens it, and it opens itself again after a loss.
    /// `ca_pem` is the authority of the server's certificate.
    ///
    /// # Errors
    /// The address or certificate cannot be used.
    pub fn connect(address: &str, ca_pem: &str, token: Token) -> Result<Self, ConnectError> {
        Self::prepare(address, ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem)), token)
    }

    /// The same where the service asks for client certificates. A token must be bound to this machine's; with
    /// [`Token::none`] the machine speaks for itself.
    ///
    /// # Errors
    /// The address, a certificate or the key cannot be used.
    pub fn connect_as(machine: &Machine, address: &str, ca_pem: &str, token: Token) -> Result<Self, ConnectError> {
        let identity = Identity::from_pem(&machine.cert_pem, &machine.key_pem);
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca_pem)).identity(identity);
        Self::prepare(address, tls, token)
    }

    fn prepare(address: &str, tls: ClientTlsConfig, token: Token) -> Result<Self, ConnectError> {
        let endpoint = Endpoint::from_shared(address.to_owned())
            .and_then(|endpoint| endpoint.tls_config(tls))
            .map_err(ConnectError::Transport)?
            .connect_timeout(Duration::from_secs(5))
            .http2_keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(10))
            .tcp_nodelay(true);
        Ok(Self::over(endpoint.connect_lazy(), token))
    }

    fn over(channel: Channel, token: Token) -> Self {
        let line = InterceptedService::new(channel.clone(), token.clone());
        Self { channel, line, token }
    }

    /// Somebody else on the same connection: a station's system speaks for its officers, each with a token of theirs.
    #[must_use]
    pub fn with_token(&self, token: Token) -> Self {
        Self::over(self.channel.clone(), token)
    }

    /// The token in use.
    #[must_use]
    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Incidents.
    #[must_use]
    pub fn incidents(&self) -> IncidentServiceClient<Line> {
        IncidentServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Handoffs.
    #[must_use]
    pub fn handoffs(&self) -> HandoffServiceClient<Line> {
        HandoffServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The feed.
    #[must_use]
    pub fn feed(&self) -> FeedServiceClient<Line> {
        FeedServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> DirectoryServiceClient<Line> {
        DirectoryServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Obligations.
    #[must_use]
    pub fn obligations(&self) -> ObligationServiceClient<Line> {
        ObligationServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Audit.
    #[must_use]
    pub fn audit(&self) -> AuditServiceClient<Line> {
        AuditServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// Checkpoints, proofs, bundles.
    #[must_use]
    pub fn evidence(&self) -> EvidenceServiceClient<Line> {
        EvidenceServiceClient::new(self.line.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX)
    }
}

pub use tonic::{Code, Response, Status, Streaming};

/// Type of a message in a language, as details name it.
const LOCALIZED_MESSAGE: &str = "type.googleapis.com/google.rpc.LocalizedMessage";

/// A refusal in words: code, reason, both languages, fields, and what is legal instead.
///
/// Only the kinds of details shown are read: the ready reader of all kinds panics on a pause before retrying that is as
/// far below zero as it can be.
#[must_use]
pub fn explain(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(info) = status.get_details_error_info() {
        text.push_str(&format!("\n  reason: {}", info.reason));
        let mut metadata: Vec<_> = info.metadata.iter().collect();
        metadata.sort();
        for (name, value) in metadata {
            text.push_str(&format!("\n  {name}: {value}"));
        }
    }
    if let Some(request) = status.get_details_bad_request() {
        for violation in &request.field_violations {
            text.push_str(&format!("\n  field {}: {}", violation.field, violation.description));
        }
    }
    for message in localized(status) {
        text.push_str(&format!("\n  {}: {}", message.locale, message.message));
    }
    text
}

/// The refusal's words in every language it carries.
fn localized(status: &Status) -> Vec<pb::LocalizedMessage> {
    let details = pb::Status::decode(status.details()).unwrap_or_default().details;
    let messages = details.iter().filter(|detail| detail.type_url == LOCALIZED_MESSAGE);
    messages.filter_map(|detail| pb::LocalizedMessage::decode(detail.value.as_slice()).ok()).collect()
}

/// A value a refusal carries beside its reason, by name: `state`, `legal_moves`, `fields` and the like.
#[must_use]
pub fn value(status: &Status, name: &str) -> Option<String> {
    status.get_details_error_info().and_then(|info| info.metadata.get(name).cloned())
}

/// The fields a refusal finds wrong, each with its code: `incident: NOT_A_UUID`.
#[must_use]
pub fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|bad| bad.field_violations).unwrap_or_default();
    violations.iter().map(|field| format!("{}: {}", field.field, field.description)).collect()
}

/// The published reason of a refusal, if it carries one.
#[must_use]
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}
