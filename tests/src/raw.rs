//! Calls by bytes: what a client sends that does not hold to the protocol.

use crate::app::TestApp;
use prost::bytes::{Buf, BufMut};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

/// Bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
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
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining()).to_vec()))
    }
}

/// A connection that sends whatever it is told to.
#[derive(Clone, Debug)]
pub struct RawClient {
    channel: Channel,
    token: String,
}

impl RawClient {
    /// As one of the cast.
    ///
    /// # Errors
    /// The address or certificate cannot be used.
    pub fn of(app: &TestApp, name: &str) -> anyhow::Result<Self> {
        Self::with_token(app, app.token(&crate::app::who(name)?)?)
    }

    /// With whatever stands for a token.
    ///
    /// # Errors
    /// The address or certificate cannot be used.
    pub fn with_token(app: &TestApp, token: String) -> anyhow::Result<Self> {
        let ca = std::fs::read_to_string(app.path("ca.pem"))?;
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
        let channel = Endpoint::from_shared(format!("https://{}", app.address()))?.tls_config(tls)?.connect_lazy();
        Ok(Self { channel, token })
    }

    /// Sends these bytes as the one message of `Service/Method`, with these further headers.
    ///
    /// # Errors
    /// The refusal.
    pub async fn call(
        &self,
        method: &str,
        bytes: Vec<u8>,
        headers: &[(&'static str, &'static str)],
    ) -> Result<Response<Vec<u8>>, Status> {
        let mut request = Request::new(bytes);
        let token = MetadataValue::try_from(format!("Bearer {}", self.token));
        request.metadata_mut().insert("authorization", token.map_err(|error| Status::unknown(error.to_string()))?);
        for (name, value) in headers {
            request.metadata_mut().insert(*name, MetadataValue::from_static(value));
        }
        let path = PathAndQuery::try_from(format!("/handoff.v1.{method}"));
        let path = path.map_err(|error| Status::unknown(error.to_string()))?;
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        grpc.unary(request, path, Raw).await
    }
}
