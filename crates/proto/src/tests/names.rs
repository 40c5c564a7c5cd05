//! Requests by the names of their messages.

/// Calls a function that is generic over the request with the request of that name.
macro_rules! by_name {
    ($read:ident, $name:expr, $arguments:tt; $( $request:ident )*) => {
        match $name { $( stringify!($request) => Some($read::<crate::v1::$request> $arguments), )* _ => None }
    };
}

/// The request of that name, if it becomes a command.
macro_rules! by_command {
    ($read:ident, $name:expr, $arguments:tt) => {
        $crate::tests::names::by_name! { $read, $name, $arguments;
            ReceiveRequest AddCallRequest NoteRequest TellByPhoneRequest AddPlaceRequest ChangeDetailsRequest
            AddLabelRequest AlertRequest DeliverAlertRequest SeeAlertRequest AnswerAlertRequest ReportUnitRequest
            DeclareHandledRequest StrikeRequest CloseRequest ObjectRequest ReopenRequest RequestSupportRequest
            AnswerSupportRequest RecallSupportRequest EndSupportRequest DeclareJointRequest AcknowledgeJointRequest
            AskLeadRequest AnswerLeadRequest ProposeJointEndRequest AnswerJointEndRequest ProposeMergeRequest
            AnswerMergeRequest UnmergeRequest SplitRequest LinkRequest AcknowledgeRequest OpenCallerDataRequest
            EraseRequest ClaimRequest RefuseClaimRequest DropClaimRequest OfferRequest ReviseRequest DeliverRequest
            SeeRequest StandByRequest CounterRequest DeclineRequest AgreeRequest SignRequest RefuseSignatureRequest
            NameSubstituteRequest WithdrawRequest RecallRequest ReceiveRecallRequest KeepRequest DisputeRequest
            StatePositionRequest ProposeSettlementRequest AgreeSettlementRequest WithdrawDisputeRequest RuleRequest
            TakeOverRequest GiveFeedbackRequest ReportRequest TakeBackReportRequest ContestRequest ConfirmRequest
        }
    };
}

/// The request of that name, if it changes the directory.
macro_rules! by_order {
    ($read:ident, $name:expr, $arguments:tt) => { $crate::tests::names::by_name! { $read, $name, $arguments;
        SetStationRequest SetPostRequest SetUnitRequest SetOfficerRequest ProposeAgreementRequest
        RatifyAgreementRequest SetCatalogueRequest RatifyMapRequest TakeShiftRequest OpenDrillRequest JoinDrillRequest
        EndDrillRequest
    } };
}

/// The request of that name, if it reads and records nothing, or brings a file.
macro_rules! by_reading {
    ($read:ident, $name:expr, $arguments:tt) => {
        $crate::tests::names::by_name! { $read, $name, $arguments;
            TraceRequest WhyOpenRequest OpenSealedRequest ListStationsRequest ListPostsRequest ListUnitsRequest
            ListOfficersRequest ListAgreementsRequest ListCataloguesRequest GetCatalogueRequest PublishMapRequest
            ListMapsRequest GetMapRequest DownloadMapRequest ListDrillsRequest ResolveTerritoryRequest WatchRequest
            CommitRequest GetPositionRequest GetHandoffRequest GetStatementRequest GetIncidentRequest
            ListIncidentsRequest ListObligationsRequest ExportBundleRequest GetCheckpointRequest
            ProveConsistencyRequest StreamEntriesRequest SubmitCosignatureRequest SubmitRefusalRequest
            UpdateRegistryRequest GetRegistryRequest
        }
    };
}

pub(super) use {by_command, by_name, by_order, by_reading};
