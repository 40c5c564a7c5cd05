//! The registry of officers' keys: bringing its next state, and reading it.

use crate::error::fault;
use crate::grpc::{Gate, store_away, violations};
use handoff_domain::access;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_engine::Beside;
use handoff_engine::registry::RegistryError;
use handoff_evidence::registry::Entry;
use handoff_proto::comparable;
use handoff_proto::convert::RegistryUpload;
use handoff_proto::v1;
use tonic::{Request, Response, Status};

impl Gate {
    pub(super) async fn update(
        &self,
        request: Request<v1::UpdateRegistryRequest>,
    ) -> Result<Response<v1::MoveReply>, Status> {
        let method = "DirectoryService/update_registry";
        let session = self.session(&request, method).await?;
        let under_way = crate::edge::under_way(request.extensions());
        let message = request.into_inner();
        let content = comparable(method, &message);
        let upload = RegistryUpload::read(message).map_err(violations)?;
        let found = self.engine().registry_update(&session.caller, &upload.update, &upload.entries).await;
        let found = found.map_err(|error| unread(&error))?;
        let (stream, looked_at) = found.map_err(|refusal| self.denied(&session.caller, method, &refusal))?;
        let order = upload.order(stream, looked_at);
        // What cannot be read was refused above, or was not looked at, and then nothing of it is written.
        let entries = upload.entries.into_iter().filter_map(|bytes| Some((Entry::read(&bytes).ok()?.kid, bytes)));
        let beside = Some(Beside::Registry(entries.collect()));
        self.ordered(&session, method, under_way, content, order, beside).await
    }

    pub(super) async fn registry(
        &self,
        request: Request<v1::GetRegistryRequest>,
    ) -> Result<Response<v1::Registry>, Status> {
        let method = "DirectoryService/get_registry";
        let session = self.session(&request, method).await?;
        // Who has a key is as much the organisation's own business as who serves there.
        if !access::may_list_officers(&session.caller) {
            return Err(self.denied(&session.caller, method, &Refusal::new(Reason::RoleNotAllowed)));
        }
        self.see_all().await?;
        let org = &session.caller.org;
        let book = self.engine().registry(org).await.map_err(|error| unread(&error))?;
        let entries = book.entries().filter_map(|entry| entry.write().ok()).collect();
        let log = self.engine().tree().recorders().log().origin();
        Ok(Response::new(v1::Registry { organisation: org.to_string(), version: book.version(), entries, log }))
    }
}

fn unread(error: &RegistryError) -> Status {
    match error {
        RegistryError::Store(error) => store_away(error),
        RegistryError::Changed(..) => fault("a registry of keys", error),
    }
}
