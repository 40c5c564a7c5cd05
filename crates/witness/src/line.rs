//! The line to the service, as much of it as a witness needs.

use handoff_client::api::{
    GetCheckpointRequest, GetCheckpointResponse, StreamEntriesRequest, StreamEntriesResponse, SubmitCosignatureRequest,
    SubmitRefusalRequest,
};
use handoff_client::{Client, Code, ConnectError, Machine, Status, Streaming, Token};
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

/// How long one call may take.
const CALL_MAX: Duration = Duration::from_secs(15);

/// Messages of the log as they come.
pub trait Stream: Send {
    /// The next one; none where the service ended the stream.
    ///
    /// # Errors
    /// The connection broke, or access ended.
    fn next(&mut self) -> impl Future<Output = Result<Option<StreamEntriesResponse>, Status>> + Send;
}

/// A checkpoint the service gave, and how far it says this witness is.
pub type Heard = GetCheckpointResponse;

/// What a witness asks of the service. Nothing here is retried: whoever dials again begins anew.
pub trait Line: Send {
    /// Its stream.
    type Entries: Stream;

    /// Begins a connection.
    ///
    /// # Errors
    /// It cannot be made.
    fn dial(&mut self) -> impl Future<Output = Result<(), Status>> + Send;
    /// A checkpoint: of at least `size` entries, or the newest; with a quorum or not. None where there is none.
    ///
    /// # Errors
    /// No answer.
    fn checkpoint(&mut self, size: u64, proven: bool) -> impl Future<Output = Result<Option<Heard>, Status>> + Send;
    /// Entries from an index on.
    ///
    /// # Errors
    /// No answer.
    fn entries(&mut self, from: u64) -> impl Future<Output = Result<Self::Entries, Status>> + Send;
    /// Gives a signature in.
    ///
    /// # Errors
    /// No answer, or it is not taken.
    fn cosign(&mut self, note: &str) -> impl Future<Output = Result<(), Status>> + Send;
    /// Tells of a refusal.
    ///
    /// # Errors
    /// No answer, or it is not taken.
    fn refuse(&mut self, witness: &str, index: u64, code: &str) -> impl Future<Output = Result<(), Status>> + Send;
}

/// The line to a running service.
#[derive(Debug)]
pub struct Grpc {
    address: String,
    ca_pem: String,
    machine: Option<Machine>,
    token_file: Option<PathBuf>,
    client: Option<Client>,
}

impl Grpc {
    /// Where the service is, its authority, and what this machine shows of itself. The token is read again for every
    /// connection.
    #[must_use]
    pub fn new(address: String, ca_pem: String, machine: Option<Machine>, token_file: Option<PathBuf>) -> Self {
        Self { address, ca_pem, machine, token_file, client: None }
    }

    /// The line of a client that is there already; it is kept over all connections.
    #[must_use]
    pub fn over(client: Client) -> Self {
        let (address, ca_pem) = (String::new(), String::new());
        Self { address, ca_pem, machine: None, token_file: None, client: Some(client) }
    }

    fn token(&self) -> Result<String, Status> {
        let Some(file) = &self.token_file else { return Ok(String::new()) };
        let read = std::fs::read_to_string(file);
        let read = read.map_err(|error| Status::unauthenticated(format!("{}: {error}", file.display())))?;
        Ok(read.trim().to_owned())
    }

    fn connect(&self, token: Token) -> Result<Client, ConnectError> {
        match &self.machine {
            Some(machine) => Client::connect_as(machine, &self.address, &self.ca_pem, token),
            None => Client::connect(&self.address, &self.ca_pem, token),
        }
    }

    fn client(&self) -> Result<&Client, Status> {
        self.client.as_ref().ok_or_else(|| Status::unavailable("not connected"))
    }
}

/// One call, within its time.
async fn within<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    tokio::time::timeout(CALL_MAX, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer in time")))
}

impl Stream for Streaming<StreamEntriesResponse> {
    async fn next(&mut self) -> Result<Option<StreamEntriesResponse>, Status> {
        self.message().await
    }
}

impl Line for Grpc {
    type Entries = Streaming<StreamEntriesResponse>;

    async fn dial(&mut self) -> Result<(), Status> {
        if let Some(client) = &self.client {
            if self.token_file.is_some() {
                client.token().replace(self.token()?);
            }
            return Ok(());
        }
        let token = Token::new(self.token()?);
        let client = self.connect(token).map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            Status::invalid_argument(format!("{error}{cause}"))
        })?;
        self.client = Some(client);
        Ok(())
    }

    async fn checkpoint(&mut self, size: u64, proven: bool) -> Result<Option<Heard>, Status> {
        let mut service = self.client()?.evidence();
        let answer = within(service.get_checkpoint(GetCheckpointRequest { size, proven })).await;
        match answer {
            Ok(found) => Ok(Some(found.into_inner())),
            Err(status) if handoff_client::reason(&status).as_deref() == Some("EVIDENCE_NOT_READY") => Ok(None),
            Err(status) => Err(status),
        }
    }

    async fn entries(&mut self, from: u64) -> Result<Self::Entries, Status> {
        let mut service = self.client()?.evidence();
        let request = StreamEntriesRequest { from_index: from };
        within(service.stream_entries(request)).await.map(handoff_client::Response::into_inner)
    }

    async fn cosign(&mut self, note: &str) -> Result<(), Status> {
        let mut service = self.client()?.evidence();
        let request = SubmitCosignatureRequest { note: note.to_owned() };
        within(service.submit_cosignature(request)).await.map(drop)
    }

    async fn refuse(&mut self, witness: &str, index: u64, code: &str) -> Result<(), Status> {
        let mut service = self.client()?.evidence();
        let request = SubmitRefusalRequest { witness: witness.to_owned(), index, code: code.to_owned() };
        within(service.submit_refusal(request)).await.map(drop)
    }
}

/// Whether asking again with the same means may help: a wrong certificate or a missing role does not mend itself, and is
/// told louder.
pub(crate) fn is_lasting(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::PermissionDenied | Code::Unauthenticated | Code::InvalidArgument | Code::Unimplemented
    )
}
