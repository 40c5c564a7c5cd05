//! One call by bytes, and its answer: every method the same way, with a token or without.

use crate::app::TestApp;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};

/// Largest message taken in, in bytes.
const MESSAGE_BYTES_MAX: usize = 9 * 1024 * 1024;

/// Bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

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
        let ca = std::fs::read_to_string(app.path("ca.pem"))?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let endpoint = Endpoint::from_shared(format!("https://{}", app.address()))?.tls_config(tls)?;
        Ok(Self { channel: endpoint.tcp_nodelay(true).connect_lazy() })
    }

    /// Calls `Service/Method` with these bytes. Of a stream the first message counts.
    pub async fn call(&self, path: &str, token: Option<&str>, bytes: Vec<u8>) -> Answer {
        match self.first_message(path, token, bytes).await {
            Ok(message) => Answer { code: Code::Ok, status: None, message: message.unwrap_or_default() },
            Err(status) => Answer { code: status.code(), status: Some(status), message: Bytes::new() },
        }
    }

    async fn first_message(&self, path: &str, token: Option<&str>, bytes: Vec<u8>) -> Result<Option<Bytes>, Status> {
        let mut request = Request::new(bytes);
        if let Some(token) = token {
            let value = MetadataValue::try_from(format!("Bearer {token}"));
            request.metadata_mut().insert("authorization", value.map_err(|error| Status::unknown(error.to_string()))?);
        }
        let path = PathAndQuery::try_from(format!("/handoff.v1.{path}"));
        let path = path.map_err(|error| Status::unknown(error.to_string()))?;
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        // A unary answer is a stream of one message on the wire.
        grpc.server_streaming(request, path, Raw).await?.into_inner().message().await
    }
}
