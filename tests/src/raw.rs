//! Calls by bytes: what a client sends that does not hold to the protocol.

use crate::app::TestApp;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Response, Status};

/// Bytes as they are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Raw;

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

/// Where a running service is, and whose certificate it shows.
pub(crate) fn endpoint(app: &TestApp) -> anyhow::Result<Endpoint> {
    let ca = std::fs::read_to_string(app.path("ca.pem"))?;
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    Ok(Endpoint::from_shared(format!("https://{}", app.address()))?.tls_config(tls)?)
}

/// These bytes as the one message of `Service/Method`, with a token or without.
pub(crate) fn request(
    method: &str,
    token: Option<&str>,
    bytes: Vec<u8>,
) -> Result<(Request<Vec<u8>>, PathAndQuery), Status> {
    let unknown = |error: &dyn std::fmt::Display| Status::unknown(error.to_string());
    let mut request = Request::new(bytes);
    if let Some(token) = token {
        let value = MetadataValue::try_from(format!("Bearer {token}")).map_err(|error| unknown(&error))?;
        request.metadata_mut().insert("authorization", value);
    }
    let path = PathAndQuery::try_from(format!("/handoff.v1.{method}")).map_err(|error| unknown(&error))?;
    Ok((request, path))
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
        Ok(Self { channel: endpoint(app)?.connect_lazy(), token })
    }

    /// Somebody else over the same connection.
    #[must_use]
    pub fn beside(&self, token: String) -> Self {
        Self { channel: self.channel.clone(), token }
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
    ) -> Result<Response<Bytes>, Status> {
        let (mut request, path) = request(method, Some(&self.token), bytes)?;
        for (name, value) in headers {
            request.metadata_mut().insert(*name, MetadataValue::from_static(value));
        }
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        grpc.unary(request, path, Raw).await
    }
}
