//! Incidents and handoffs: one line per move.

use super::Gate;
use handoff_proto::v1;
use handoff_proto::v1::handoff_service_server::HandoffService;
use handoff_proto::v1::incident_service_server::IncidentService;
use tonic::{Request, Response, Status};

/// Implements a service whose moves all do the same, beside its reads.
macro_rules! service {
    ($service:ident { moves: $( $method:ident $request:ident ),* $(,)? ; signed_off: $( $signed:ident $signing:ident ),* $(,)? ; reads: $( $read:ident $asked:ident -> $told:ident ),* $(,)? }) => {
        #[tonic::async_trait]
        impl $service for Gate {
            $( async fn $method(&self, request: Request<v1::$request>) -> Result<Response<v1::MoveReply>, Status> {
                self.command(concat!(stringify!($service), "/", stringify!($method)), request).await
            } )*
            $( async fn $signed(&self, request: Request<v1::$signing>) -> Result<Response<v1::MoveReply>, Status> {
                self.signed_off(concat!(stringify!($service), "/", stringify!($signed)), request).await
            } )*
            $( async fn $read(&self, request: Request<v1::$asked>) -> Result<Response<v1::$told>, Status> {
                Gate::$read(self, request).await
            } )*
        }
    };
}

service! { IncidentService {
    moves:
        receive ReceiveRequest,
        add_call AddCallRequest,
        note NoteRequest,
        tell_by_phone TellByPhoneRequest,
        add_place AddPlaceRequest,
        change_details ChangeDetailsRequest,
        add_label AddLabelRequest,
        alert AlertRequest,
        deliver_alert DeliverAlertRequest,
        see_alert SeeAlertRequest,
        answer_alert AnswerAlertRequest,
        report_unit ReportUnitRequest,
        declare_handled DeclareHandledRequest,
        strike StrikeRequest,
        close CloseRequest,
        object ObjectRequest,
        reopen ReopenRequest,
        request_support RequestSupportRequest,
        answer_support AnswerSupportRequest,
        recall_support RecallSupportRequest,
        end_support EndSupportRequest,
        declare_joint DeclareJointRequest,
        acknowledge_joint AcknowledgeJointRequest,
        ask_lead AskLeadRequest,
        answer_lead AnswerLeadRequest,
        propose_joint_end ProposeJointEndRequest,
        answer_joint_end AnswerJointEndRequest,
        propose_merge ProposeMergeRequest,
        answer_merge AnswerMergeRequest,
        unmerge UnmergeRequest,
        split SplitRequest,
        link LinkRequest;
    signed_off: ;
    reads:
        get_incident GetIncidentRequest -> Incident,
        list_incidents ListIncidentsRequest -> ListIncidentsResponse,
} }

service! { HandoffService {
    moves:
        claim ClaimRequest,
        refuse_claim RefuseClaimRequest,
        drop_claim DropClaimRequest,
        offer OfferRequest,
        revise ReviseRequest,
        deliver DeliverRequest,
        see SeeRequest,
        stand_by StandByRequest,
        counter CounterRequest,
        decline DeclineRequest,
        agree AgreeRequest,
        sign SignRequest,
        refuse_signature RefuseSignatureRequest,
        name_substitute NameSubstituteRequest,
        withdraw WithdrawRequest,
        recall RecallRequest,
        receive_recall ReceiveRecallRequest,
        keep KeepRequest,
        dispute DisputeRequest,
        state_position StatePositionRequest,
        propose_settlement ProposeSettlementRequest,
        agree_settlement AgreeSettlementRequest,
        withdraw_dispute WithdrawDisputeRequest,
        take_over TakeOverRequest,
        give_feedback GiveFeedbackRequest,
        take_back_report TakeBackReportRequest,
        contest ContestRequest,
        confirm ConfirmRequest;
    signed_off:
        report ReportRequest,
        rule RuleRequest;
    reads:
        get_handoff GetHandoffRequest -> Handoff,
        get_statement GetStatementRequest -> GetStatementResponse,
} }
