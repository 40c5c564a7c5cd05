//! Checkpoints, proofs, the witnesses' stream and signatures, and bundles of cases.

use super::feed::{NO_PROGRESS_MS, STREAM_MS_MAX};
use super::{Gate, store_away, unreadable, violations};
use crate::auth::{Session, Shown};
use crate::error::{FieldViolation, fault, invalid_fields, status};
use handoff_domain::access;
use handoff_domain::caller::Caller;
use handoff_domain::event::Body;
use handoff_domain::ids::IncidentId;
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::SECOND;
use handoff_engine::memory::LoadError;
use handoff_engine::tree::{CosignError, Disclosures, ExportError, ProofError, Refused, Tree, Witnesses, export};
use handoff_evidence::event::decode;
use handoff_evidence::note::{Checkpoint, Head, is_name};
use handoff_proto::convert;
use handoff_proto::v1;
use handoff_proto::v1::evidence_service_server::EvidenceService;
use handoff_store::batch::NUMBER_MAX;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

/// Name of the stream in the audit rows.
const STREAM: &str = "EvidenceService/stream_entries";
/// Entries read and sent at once.
const PAGE_ENTRIES: u32 = 256;
/// Bytes of entries after which a message is sent early, well below the largest message the service sends.
const PAGE_BYTES: usize = 256 * 1024;
/// Longest name of a witness, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// Bytes of one part of a bundle.
const PART_BYTES: usize = 256 * 1024;
/// How long an export waits for a checkpoint that covers its case, in milliseconds.
const COVERED_WAIT_MS: i64 = 3 * SECOND;
/// Messages that wait for a slow reader.
const BUFFER_MESSAGES: usize = 4;

#[tonic::async_trait]
impl EvidenceService for Gate {
    type StreamEntriesStream = ReceiverStream<Result<v1::StreamEntriesResponse, Status>>;
    type ExportBundleStream = ReceiverStream<Result<v1::ExportBundleResponse, Status>>;

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        self.session(&request, "EvidenceService/get_checkpoint").await?;
        let asked = request.into_inner();
        let (tree, reader) = (self.engine().tree(), self.engine().reader());
        let found = self.checkpoint(asked.size, asked.proven).await?.ok_or_else(not_ready)?;
        let (mut proven, mut witnesses) = (false, Vec::new());
        if let Some(known) = tree.witnesses() {
            proven = known.policy().judge(&found).is_ok();
            for standing in known.standings(reader).await.map_err(|error| store_away(&error))? {
                let (refused_index, refusal) =
                    standing.refused.map_or_else(Default::default, |refused| (refused.index, refused.code));
                let (name, signed_size) = (standing.name, standing.signed);
                witnesses.push(v1::WitnessState { name, signed_size, refused_index, refusal });
            }
        }
        let halted = tree.shown().halted.map_or("", |halt| halt.as_str()).to_owned();
        let (note, size) = (found.write(), found.head.size);
        Ok(Response::new(v1::GetCheckpointResponse { note, size, proven, halted, witnesses }))
    }

    async fn prove_consistency(
        &self,
        request: Request<v1::ProveConsistencyRequest>,
    ) -> Result<Response<v1::ProveConsistencyResponse>, Status> {
        self.session(&request, "EvidenceService/prove_consistency").await?;
        let v1::ProveConsistencyRequest { old_size, new_size } = request.into_inner();
        if old_size > new_size {
            let params = [("min", "0".to_owned()), ("max", new_size.to_string())];
            return Err(invalid_fields(&[FieldViolation::of("old_size", "OUT_OF_RANGE", &params)]));
        }
        let engine = self.engine();
        match engine.tree().consistency(engine.reader(), old_size, new_size).await {
            Ok(hashes) => {
                let hashes = hashes.iter().map(|hash| hash.to_vec()).collect();
                Ok(Response::new(v1::ProveConsistencyResponse { hashes }))
            }
            Err(ProofError::Larger(_)) => Err(not_ready()),
            Err(ProofError::Store(error)) => Err(store_away(&error)),
            Err(error @ ProofError::Tree(_)) => Err(fault("a consistency proof", &error)),
        }
    }

    async fn stream_entries(
        &self,
        request: Request<v1::StreamEntriesRequest>,
    ) -> Result<Response<Self::StreamEntriesStream>, Status> {
        let session = self.session(&request, STREAM).await?;
        self.allowed(&session.caller, STREAM, access::may_mirror)?;
        let shown = request.peer_certs();
        // A mirror is one open stream among the feeds of its organisation.
        let place = crate::edge::feed_place(request.extensions(), &session.caller.org)?;
        let next = request.into_inner().from_index;
        let (out, stream) = mpsc::channel(BUFFER_MESSAGES);
        let mirror = Mirror { gate: self.clone(), session, shown, next, out };
        self.tasks().spawn(async move {
            mirror.run().await;
            drop(place);
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn submit_cosignature(
        &self,
        request: Request<v1::SubmitCosignatureRequest>,
    ) -> Result<Response<v1::SubmitCosignatureResponse>, Status> {
        let method = "EvidenceService/submit_cosignature";
        let session = self.session(&request, method).await?;
        self.allowed(&session.caller, method, access::may_cosign)?;
        let note = request.into_inner().note;
        match self.witnesses()?.take(self.engine(), &session.caller.org, &note).await {
            Ok(()) => Ok(Response::new(v1::SubmitCosignatureResponse {})),
            Err(CosignError::Store(error)) => Err(store_away(&error)),
            Err(CosignError::NotKept(_)) => Err(status(&Refusal::new(Reason::OutcomeUnknown))),
            Err(
                error @ (CosignError::Note | CosignError::OtherTree | CosignError::Stranger | CosignError::Signature),
            ) => {
                tracing::warn!(organisation = %session.caller.org, %error, "a witness's signature is not taken in");
                Err(invalid_fields(&[FieldViolation::of("note", "NOT_A_COSIGNATURE", &[])]))
            }
        }
    }

    async fn submit_refusal(
        &self,
        request: Request<v1::SubmitRefusalRequest>,
    ) -> Result<Response<v1::SubmitRefusalResponse>, Status> {
        let method = "EvidenceService/submit_refusal";
        let session = self.session(&request, method).await?;
        self.allowed(&session.caller, method, access::may_cosign)?;
        let (name, refused) = refusal(request.into_inner())?;
        if self.witnesses()?.refuse(&name, &session.caller.org, refused) {
            Ok(Response::new(v1::SubmitRefusalResponse {}))
        } else {
            Err(invalid_fields(&[FieldViolation::of("witness", "NOT_A_NAME", &[])]))
        }
    }

    async fn export_bundle(
        &self,
        request: Request<v1::ExportBundleRequest>,
    ) -> Result<Response<Self::ExportBundleStream>, Status> {
        let method = "EvidenceService/export_bundle";
        let session = self.session(&request, method).await?;
        let v1::ExportBundleRequest { incident, disclose } = request.into_inner();
        let id = convert::incident(&incident).map_err(violations)?;
        let found = self.visible(&session.caller, method, id).await?;
        // The exact events tell more than either side is shown of the other.
        self.allowed(&session.caller, method, access::may_export)?;
        let disclosures = if disclose { self.disclosed(&session.caller, &found).await? } else { Disclosures::new() };
        let disclosed = disclosures.len();
        let bundle = self.bundle(found.case.id, found.case.version, disclosures).await?;
        tracing::info!(incident = %id, organisation = %session.caller.org, client = %session.caller.client, disclosed, "the bundle of a case is given out");
        let (out, stream) = mpsc::channel(BUFFER_MESSAGES);
        let (clock, stop) = (self.clock(), self.tasks().stopping());
        self.tasks().spawn(async move {
            for part in bundle.chunks(PART_BYTES) {
                let sent = out.send(Ok(v1::ExportBundleResponse { part: part.to_vec() }));
                tokio::select! {
                    sent = sent => if sent.is_err() { return },
                    () = stop.cancelled() => return,
                    () = clock.sleep_until(clock.now().plus(NO_PROGRESS_MS)) => return,
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

fn not_ready() -> Status {
    status(&Refusal::new(Reason::EvidenceNotReady))
}

fn unexported(error: &ExportError) -> Status {
    match error {
        ExportError::Store(error) => store_away(error),
        ExportError::NotYet => not_ready(),
        ExportError::Event(..)
        | ExportError::Proof(_)
        | ExportError::Registry(_)
        | ExportError::State(_)
        | ExportError::Bundle(_) => fault("a bundle", error),
    }
}

/// Whose refusal, and what it says.
fn refusal(asked: v1::SubmitRefusalRequest) -> Result<(String, Refused), Status> {
    let v1::SubmitRefusalRequest { witness, index, code } = asked;
    let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let mut wrong = Vec::new();
    if code.len() > 64 || !code.starts_with(|c: char| c.is_ascii_uppercase()) || !code.chars().all(legal) {
        wrong.push(FieldViolation::of("code", "NOT_A_CODE", &[]));
    }
    if witness.len() > NAME_BYTES_MAX || !is_name(&witness) {
        wrong.push(FieldViolation::of("witness", "NOT_A_NAME", &[]));
    }
    if index > NUMBER_MAX {
        let params = [("min", "0".to_owned()), ("max", NUMBER_MAX.to_string())];
        wrong.push(FieldViolation::of("index", "OUT_OF_RANGE", &params));
    }
    if wrong.is_empty() { Ok((witness, Refused { index, code })) } else { Err(invalid_fields(&wrong)) }
}

impl Gate {
    fn allowed(&self, caller: &Caller, method: &'static str, may: fn(&Caller) -> bool) -> Result<(), Status> {
        if may(caller) {
            return Ok(());
        }
        Err(self.denied(caller, method, &Refusal::new(Reason::RoleNotAllowed)))
    }

    fn witnesses(&self) -> Result<&Witnesses, Status> {
        self.engine().tree().witnesses().ok_or_else(not_ready)
    }

    /// The bundle of a case, once a signed checkpoint covers it.
    async fn bundle(&self, incident: IncidentId, version: u64, disclosures: Disclosures) -> Result<Vec<u8>, Status> {
        let (engine, witnesses) = (self.engine(), self.witnesses()?);
        let (tree, mut shown) = (engine.tree(), engine.tree().watch());
        let clock = self.clock();
        let mut limit = clock.sleep_until(clock.now().plus(COVERED_WAIT_MS));
        loop {
            shown.borrow_and_update();
            match export(tree, witnesses, engine.reader(), incident, version, disclosures.clone()).await {
                Ok(bundle) => return Ok(bundle),
                Err(ExportError::NotYet) => tree.hurry(),
                Err(error) => return Err(unexported(&error)),
            }
            tokio::select! {
                changed = shown.changed() => changed.map_err(|_| not_ready())?,
                () = &mut limit => return Err(not_ready()),
            }
        }
    }

    /// The checkpoint asked for, with the lines of witnesses.
    async fn checkpoint(&self, size: u64, proven: bool) -> Result<Option<Checkpoint>, Status> {
        let (tree, reader) = (self.engine().tree(), self.engine().reader());
        let away = |error: handoff_store::StoreError| store_away(&error);
        if proven {
            let Some(witnesses) = tree.witnesses() else { return Ok(None) };
            return if size == 0 {
                witnesses.last_up_to(tree, reader, NUMBER_MAX).await.map_err(away)
            } else {
                witnesses.first_from(tree, reader, size).await.map_err(away)
            };
        }
        let Some(signed) = tree.shown().signed else { return Ok(None) };
        let head = match size {
            0 => signed.head,
            size => match reader.tree_head_from(size).await.map_err(away)? {
                // What is noted and not shown yet may not outlive a failure.
                Some(head) if head.size <= signed.head.size => Head { size: head.size, root: head.root },
                Some(_) | None => return Ok(None),
            },
        };
        tree.checkpoint(reader, head, tree.witnesses()).await.map(Some).map_err(away)
    }
}

/// One mirror that is being served.
struct Mirror {
    gate: Gate,
    session: Arc<Session>,
    /// What its connection showed, to be judged again.
    shown: Shown,
    /// The next entry to send.
    next: u64,
    out: mpsc::Sender<Result<v1::StreamEntriesResponse, Status>>,
}

impl Mirror {
    async fn run(mut self) {
        let stop = self.gate.tasks().stopping();
        let clock = self.gate.clock();
        // A machine's certificate never expires here; a stream does, so that it is judged anew.
        let expires = clock.sleep_until(clock.now().plus(STREAM_MS_MAX).min(self.session.expires));
        let out = self.out.clone();
        let ended = tokio::select! {
            biased;
            () = stop.cancelled() => Err(status(&Refusal::new(Reason::StreamEnded))),
            () = expires => Err(status(&Refusal::new(Reason::StreamEnded))),
            () = out.closed() => return,
            told = self.heads() => told,
        };
        if let Err(ended) = ended {
            // Whoever has gone needs no word.
            let _ = out.try_send(Err(ended));
        }
    }

    /// Every signed head with the entries up to it.
    async fn heads(&mut self) -> Result<(), Status> {
        let engine = self.gate.engine().clone();
        let mut shown = engine.tree().watch();
        let mut told = 0;
        loop {
            let signed = shown.borrow_and_update().signed.clone();
            if let Some(signed) = signed.filter(|signed| signed.head.size > told && signed.head.size >= self.next) {
                self.entries(engine.tree(), signed.head.size).await?;
                let checkpoint = signed.write();
                self.send(v1::StreamEntriesResponse { entries: Vec::new(), checkpoint }).await?;
                told = signed.head.size;
            }
            if shown.changed().await.is_err() {
                return Err(status(&Refusal::new(Reason::StreamEnded)));
            }
        }
    }

    /// What an update of a registry changed: the event itself holds the root alone.
    async fn registry_entries(&self, body: &Body) -> Result<Vec<Vec<u8>>, Status> {
        let Body::RegistryUpdated(update) = body else { return Ok(Vec::new()) };
        let rows =
            self.gate.engine().reader().registry(update.org.clone()).await.map_err(|error| store_away(&error))?;
        Ok(rows.into_iter().filter(|row| row.version == update.version).map(|row| row.entry).collect())
    }

    async fn entries(&mut self, tree: &Tree, until: u64) -> Result<(), Status> {
        while self.next < until {
            let rows = self.gate.engine().reader().events_from(self.next, PAGE_ENTRIES).await;
            let rows = rows.map_err(|error| store_away(&error))?;
            let (mut entries, mut bytes) = (Vec::new(), 0);
            for row in rows.into_iter().filter(|row| row.position < until) {
                let (event, _) = decode(&row.bytes)
                    .map_err(|error| unreadable(&LoadError::Decode(row.position, Box::new(error))))?;
                let leaf = tree.recorders().stored(&event.actor.org, row.hash, row.leaf).bytes().to_vec();
                bytes += row.bytes.len() + leaf.len();
                self.next = row.position + 1;
                let registry_entries = self.registry_entries(&event.body).await?;
                bytes += registry_entries.iter().map(Vec::len).sum::<usize>();
                entries.push(v1::LogEntry { index: row.position, leaf, event: row.bytes.to_vec(), registry_entries });
                if bytes > PAGE_BYTES {
                    break;
                }
            }
            if entries.is_empty() {
                return Err(status(&Refusal::new(Reason::StreamEnded)));
            }
            self.send(v1::StreamEntriesResponse { entries, checkpoint: String::new() }).await?;
        }
        Ok(())
    }

    /// A mirror that takes nothing in is sent away, as a subscriber of the feed is.
    async fn send(&self, message: v1::StreamEntriesResponse) -> Result<(), Status> {
        self.gate.still(&self.session, &self.shown, STREAM)?;
        let clock = self.gate.clock();
        tokio::select! {
            sent = self.out.send(Ok(message)) => sent.map_err(|_| status(&Refusal::new(Reason::StreamEnded))),
            () = clock.sleep_until(clock.now().plus(NO_PROGRESS_MS)) => {
                Err(status(&Refusal::new(Reason::SubscriberTooSlow)))
            }
        }
    }
}
