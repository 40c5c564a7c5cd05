//! What is signed off, shown before it is signed, and the moves that sign it off.

use super::{Gate, Sealer, violations};
use crate::error::{FieldViolation, invalid_fields, status};
use handoff_domain::caller::{Actor, Caller, Role};
use handoff_domain::case::handoff::Handoff;
use handoff_domain::decide::Statement;
use handoff_domain::ids::{IncidentId, OrgId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::values::Salt;
use handoff_engine::memory::{Entry, Hashes};
use handoff_engine::rehearsal::statement_of;
use handoff_engine::sealing::Sealing;
use handoff_proto::convert::{self, StatementAction};
use handoff_proto::view::timestamp;
use handoff_proto::{IntoCommand, v1};
use tonic::{Request, Response, Status};

/// Purpose of the token that carries a salt from GetStatement to the move.
const SALT: &str = "statement salt";

/// A move that is signed off over a text.
pub(super) trait SignedOff: IntoCommand {
    /// The incident as sent.
    fn incident(&self) -> &str;
    /// The salt as sent.
    fn salt(&self) -> &str;
}

impl SignedOff for v1::ReportRequest {
    fn incident(&self) -> &str {
        &self.incident
    }

    fn salt(&self) -> &str {
        &self.salt
    }
}

impl SignedOff for v1::RuleRequest {
    fn incident(&self) -> &str {
        &self.incident
    }

    fn salt(&self) -> &str {
        &self.salt
    }
}

impl Gate {
    /// A report or a ruling: its text is sealed as in the statement the officer saw.
    pub(super) async fn signed_off<M: SignedOff>(
        &self,
        method: &'static str,
        request: Request<M>,
    ) -> Result<Response<v1::MoveReply>, Status> {
        let session = self.session(&request, method).await?;
        let sealing = match request.get_ref().salt() {
            "" => Sealing::new(),
            salt => Sealing::with_salt(self.salt_of(&session.caller.org, request.get_ref().incident(), salt)?),
        };
        let under_way = crate::edge::under_way(request.extensions());
        self.command_of(&session, method, under_way, request.into_inner(), sealing).await
    }

    fn salt_of(&self, org: &OrgId, incident: &str, token: &str) -> Result<Salt, Status> {
        let wrong = || invalid_fields(&[FieldViolation::of("salt", "NOT_A_SALT", &[])]);
        let body = self.cursors().open(SALT, org, token).map_err(|_| wrong())?;
        let (id, salt) = body.split_at_checked(16).ok_or_else(wrong)?;
        let same = convert::incident(incident).map_err(violations)?.0.as_bytes() == id;
        if same { salt.try_into().map(Salt).map_err(|_| wrong()) } else { Err(wrong()) }
    }

    fn salt_token(&self, org: &OrgId, incident: IncidentId, salt: Salt) -> String {
        self.cursors().seal(SALT, org, &[incident.0.as_bytes().as_slice(), &salt.0].concat())
    }

    /// The statement, canonical and with its digest. The one of a report, a confirmation or a ruling is found by
    /// rehearsing the move, so it is the one the move will bind, or its refusal.
    pub(super) async fn get_statement(
        &self,
        request: Request<v1::GetStatementRequest>,
    ) -> Result<Response<v1::GetStatementResponse>, Status> {
        let method = "HandoffService/get_statement";
        let session = self.session(&request, method).await?;
        let caller = &session.caller;
        let salt = handoff_engine::ids::salt();
        let mut sealer = Sealer(Sealing::with_salt(salt));
        let asked = convert::statement(&request.into_inner(), &mut sealer).map_err(violations)?;
        let sealed = sealer.0.finish().map_err(super::unsealable)?;
        let found = self.visible(caller, method, asked.incident).await?;
        let act = match asked.action {
            StatementAction::Transfer(id) => {
                let handoff = found.case.handoff(id);
                let missing = || status(&Refusal::new(Reason::HandoffNotFound).field("handoff"));
                return transfer(&found, caller, handoff.ok_or_else(missing)?);
            }
            StatementAction::Move(act) => *act,
        };
        let directory = self.engine().directory();
        let (statement, sign_off) = statement_of(&directory, &found, caller, asked.acting_for, act, self.now())
            .map_err(|refusal| status(&refusal))?;
        let salt = if sealed.is_empty() { String::new() } else { self.salt_token(&caller.org, asked.incident, salt) };
        Ok(Response::new(v1::GetStatementResponse {
            text: String::from_utf8_lossy(statement.bytes()).into_owned(),
            digest: statement.digest().to_string(),
            level: sign_off.level.to_string(),
            expire_time: None,
            salt,
        }))
    }
}

/// What both officers sign; it is the same whoever asks.
fn transfer(found: &Entry, caller: &Caller, handoff: &Handoff) -> Result<Response<v1::GetStatementResponse>, Status> {
    let hashes = Hashes { entry: Some(found) };
    let role = caller.roles.first().copied().unwrap_or(Role::Responder);
    let (org, station, officer) = (caller.org.clone(), caller.station.clone(), caller.officer.clone());
    let signer = Actor { org, station, officer, role, reg: None };
    let agreed = handoff.agreed();
    let text =
        agreed.and_then(|agreed| Some((agreed, hashes.text(&found.case, &signer, Statement::Transfer(handoff))?)));
    let Some((agreed, statement)) = text else {
        let mut refusal = Refusal::new(Reason::MoveNotLegal).field("handoff");
        refusal.state = Some(handoff.state.name().as_str());
        return Err(status(&refusal));
    };
    Ok(Response::new(v1::GetStatementResponse {
        text: String::from_utf8_lossy(statement.bytes()).into_owned(),
        digest: statement.digest().to_string(),
        level: agreed.level.to_string(),
        expire_time: Some(timestamp(agreed.exp)),
        salt: String::new(),
    }))
}
