//! One call by bytes, and its answer: every method the same way, with a token or without.

use crate::app::TestApp;
use crate::raw::{self, Raw};
use handoff_client::Machine;
use prost::bytes::Bytes;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Status};

/// Largest message taken in, in bytes.
const MESSAGE_BYTES_MAX: usize = 9 * 1024 * 1024;

/// A refused call, whole.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The code; `Ok` for an answered call.
    pub code: Code,
    /// The status of a refused call.
    pub status: Option<Status>,
    /// The first message of an answered call.
    pub message: Bytes,
}

impl Answer {
    /// Code, published reason and text, for a report.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.status {
            None => "ok".to_owned(),
            Some(status) => {
                let reason = handoff_client::reason(status).unwrap_or_default();
                let fields = handoff_client::value(status, "fields").unwrap_or_default();
                format!("{:?} {reason} {fields}", status.code())
            }
        }
    }

    /// The published reason; empty where there is none.
    #[must_use]
    pub fn reason(&self) -> String {
        self.status.as_ref().and_then(handoff_client::reason).unwrap_or_default()
    }

    /// Whether two refusals are the same to the last byte.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let parts = |answer: &Self| {
            answer.status.as_ref().map(|status| (status.message().to_owned(), status.details().to_vec()))
        };
        self.code == other.code && parts(self) == parts(other)
    }
}

/// A connection that carries everybody's calls.
#[derive(Clone, Debug)]
pub struct Line {
    channel: Channel,
}

impl Line {
    /// A connection to a running service.
    ///
    /// # Errors
    /// The address or certificate cannot be used.
    pub fn to(app: &TestApp) -> anyhow::Result<Self> {
        Ok(Self { channel: raw::endpoint(app)?.tcp_nodelay(true).connect_lazy() })
    }

    /// A connection that shows a machine's certificate.
    ///
    /// # Errors
    /// The address or certificate cannot be used.
    pub fn of_machine(app: &TestApp, machine: &Machine) -> anyhow::Result<Self> {
        Ok(Self { channel: raw::endpoint_as(app, Some(machine))?.tcp_nodelay(true).connect_lazy() })
    }

    /// Calls `Service/Method` with these bytes. Of a stream the first message counts.
    pub async fn call(&self, path: &str, token: Option<&str>, bytes: Vec<u8>) -> Answer {
        let values: Vec<String> = token.iter().map(|token| format!("Bearer {token}")).collect();
        self.call_with(path, &values, bytes).await
    }

    /// The same with any number of `authorization` values.
    pub async fn call_with(&self, path: &str, values: &[String], bytes: Vec<u8>) -> Answer {
        match self.first_message(path, values, bytes).await {
            Ok(message) => Answer { code: Code::Ok, status: None, message: message.unwrap_or_default() },
            Err(status) => Answer { code: status.code(), status: Some(status), message: Bytes::new() },
        }
    }

    async fn first_message(&self, path: &str, values: &[String], bytes: Vec<u8>) -> Result<Option<Bytes>, Status> {
        let (request, path) = raw::request_with(path, values, bytes)?;
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        // A unary answer is a stream of one message on the wire.
        grpc.server_streaming(request, path, Raw).await?.into_inner().message().await
    }
}
