//! Calls by bytes: what a client sends that does not hold to the protocol.

use crate::app::TestApp;
use crate::refusal::Refusal;
use handoff_client::Machine;
use prost::bytes::{Buf, BufMut, Bytes};
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Response, Status};

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
    endpoint_as(app, None)
}

/// The same, showing a certificate of one's own.
pub(crate) fn endpoint_as(app: &TestApp, machine: Option<&Machine>) -> anyhow::Result<Endpoint> {
    let ca = std::fs::read_to_string(app.path("ca.pem"))?;
    let mut tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(ca));
    if let Some(machine) = machine {
        tls = tls.identity(Identity::from_pem(&machine.cert_pem, &machine.key_pem));
    }
    Ok(Endpoint::from_shared(format!("https://{}", app.address()))?.tls_config(tls)?)
}

/// These bytes as the one message of `Service/Method`, with a token or without.
pub(crate) fn request(
    method: &str,
    token: Option<&str>,
    bytes: Vec<u8>,
) -> Result<(Request<Vec<u8>>, PathAndQuery), Status> {
    let values: Vec<String> = token.iter().map(|token| format!("Bearer {token}")).collect();
    request_with(method, &values, bytes)
}

/// The same with any number of `authorization` values. A method of another package than ours is named from `/` on.
pub(crate) fn request_with(
    method: &str,
    values: &[String],
    bytes: Vec<u8>,
) -> Result<(Request<Vec<u8>>, PathAndQuery), Status> {
    let unknown = |error: &dyn std::fmt::Display| Status::unknown(error.to_string());
    let mut request = Request::new(bytes);
    for value in values {
        let value = MetadataValue::try_from(value).map_err(|error| unknown(&error))?;
        request.metadata_mut().append("authorization", value);
    }
    let path = if method.starts_with('/') { method.to_owned() } else { format!("/handoff.v1.{method}") };
    Ok((request, PathAndQuery::try_from(path).map_err(|error| unknown(&error))?))
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

/// What came of a body that was sent as it is.
#[derive(Debug)]
pub struct Framed {
    /// The HTTP status.
    pub http: u16,
    /// The refusal; none where it was answered.
    pub refusal: Option<Refusal>,
}

/// Sends a body to `Service/Method` as it is, frames and all.
///
/// # Errors
/// The service cannot be reached.
pub async fn framed(
    app: &TestApp,
    method: &str,
    token: &str,
    body: String,
    headers: &[(&'static str, &'static str)],
) -> anyhow::Result<Framed> {
    let mut channel = endpoint(app)?.connect().await?;
    let mut request = tonic::codegen::http::Request::post(format!("https://{}/handoff.v1.{method}", app.address()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    std::future::poll_fn(|context| GrpcService::<Body>::poll_ready(&mut channel, context)).await?;
    let answer = GrpcService::<Body>::call(&mut channel, request.body(Body::new(body))?).await?;
    let refusal = Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok);
    Ok(Framed { http: answer.status().as_u16(), refusal: refusal.as_ref().map(Refusal::of) })
}
