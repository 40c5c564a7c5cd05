//! What each method of the protocol is about, held against the protocol's own descriptor.

use super::states::Subject;
use prost::Message;

/// A method and what the matrix has to know of it.
#[derive(Clone, Copy, Debug)]
pub struct Method {
    /// Its name; no two services have one of the same name.
    pub name: &'static str,
    /// Its service.
    pub service: &'static str,
    /// What it is about.
    pub subject: Subject,
    /// It changes nothing, whoever calls.
    pub reads: bool,
}

const fn moves(service: &'static str, name: &'static str, subject: Subject) -> Method {
    Method { name, service, subject, reads: false }
}

const fn reads(service: &'static str, name: &'static str, subject: Subject) -> Method {
    Method { name, service, subject, reads: true }
}

const INCIDENT: &str = "IncidentService";
const HANDOFF: &str = "HandoffService";
const AUDIT: &str = "AuditService";
const OBLIGATION: &str = "ObligationService";
const EVIDENCE: &str = "EvidenceService";
const FEED: &str = "FeedService";
const DIRECTORY: &str = "DirectoryService";

/// Every method, in the order of the protocol's files.
pub const METHODS: &[Method] = &[
    moves(INCIDENT, "Receive", Subject::Nothing),
    moves(INCIDENT, "AddCall", Subject::Incident),
    moves(INCIDENT, "Note", Subject::Incident),
    moves(INCIDENT, "TellByPhone", Subject::Incident),
    moves(INCIDENT, "AddPlace", Subject::Incident),
    moves(INCIDENT, "ChangeDetails", Subject::Incident),
    moves(INCIDENT, "AddLabel", Subject::Incident),
    moves(INCIDENT, "Alert", Subject::Incident),
    moves(INCIDENT, "DeliverAlert", Subject::Alert),
    moves(INCIDENT, "SeeAlert", Subject::Alert),
    moves(INCIDENT, "AnswerAlert", Subject::Alert),
    moves(INCIDENT, "ReportUnit", Subject::Incident),
    moves(INCIDENT, "DeclareHandled", Subject::Incident),
    moves(INCIDENT, "Strike", Subject::Incident),
    moves(INCIDENT, "Close", Subject::Incident),
    moves(INCIDENT, "Object", Subject::Incident),
    moves(INCIDENT, "Reopen", Subject::Incident),
    moves(INCIDENT, "RequestSupport", Subject::Incident),
    moves(INCIDENT, "AnswerSupport", Subject::Support),
    moves(INCIDENT, "RecallSupport", Subject::Support),
    moves(INCIDENT, "EndSupport", Subject::Support),
    moves(INCIDENT, "DeclareJoint", Subject::Incident),
    moves(INCIDENT, "AcknowledgeJoint", Subject::Joint),
    moves(INCIDENT, "AskLead", Subject::Joint),
    moves(INCIDENT, "AnswerLead", Subject::Joint),
    moves(INCIDENT, "ProposeJointEnd", Subject::Joint),
    moves(INCIDENT, "AnswerJointEnd", Subject::Joint),
    moves(INCIDENT, "ProposeMerge", Subject::Twin),
    moves(INCIDENT, "AnswerMerge", Subject::Twin),
    moves(INCIDENT, "Unmerge", Subject::Twin),
    moves(INCIDENT, "Split", Subject::Incident),
    moves(INCIDENT, "Link", Subject::Twin),
    reads(INCIDENT, "GetIncident", Subject::Incident),
    reads(INCIDENT, "ListIncidents", Subject::Nothing),
    moves(HANDOFF, "Claim", Subject::Incident),
    moves(HANDOFF, "RefuseClaim", Subject::Handoff),
    moves(HANDOFF, "DropClaim", Subject::Handoff),
    moves(HANDOFF, "Offer", Subject::Incident),
    moves(HANDOFF, "Revise", Subject::Handoff),
    moves(HANDOFF, "Deliver", Subject::Handoff),
    moves(HANDOFF, "See", Subject::Handoff),
    moves(HANDOFF, "StandBy", Subject::Handoff),
    moves(HANDOFF, "Counter", Subject::Handoff),
    moves(HANDOFF, "Decline", Subject::Handoff),
    moves(HANDOFF, "Agree", Subject::Handoff),
    moves(HANDOFF, "Sign", Subject::Handoff),
    moves(HANDOFF, "RefuseSignature", Subject::Handoff),
    moves(HANDOFF, "NameSubstitute", Subject::Handoff),
    moves(HANDOFF, "Withdraw", Subject::Handoff),
    moves(HANDOFF, "Recall", Subject::Handoff),
    moves(HANDOFF, "ReceiveRecall", Subject::Handoff),
    moves(HANDOFF, "Keep", Subject::Handoff),
    moves(HANDOFF, "Dispute", Subject::Handoff),
    moves(HANDOFF, "StatePosition", Subject::Handoff),
    moves(HANDOFF, "ProposeSettlement", Subject::Handoff),
    moves(HANDOFF, "AgreeSettlement", Subject::Handoff),
    moves(HANDOFF, "WithdrawDispute", Subject::Handoff),
    moves(HANDOFF, "Rule", Subject::Handoff),
    moves(HANDOFF, "TakeOver", Subject::Handoff),
    moves(HANDOFF, "GiveFeedback", Subject::Incident),
    moves(HANDOFF, "Report", Subject::Incident),
    moves(HANDOFF, "TakeBackReport", Subject::Incident),
    moves(HANDOFF, "Contest", Subject::Incident),
    moves(HANDOFF, "Confirm", Subject::Incident),
    reads(HANDOFF, "GetHandoff", Subject::Handoff),
    reads(HANDOFF, "GetStatement", Subject::Handoff),
    reads(AUDIT, "Trace", Subject::Incident),
    reads(AUDIT, "WhyOpen", Subject::Incident),
    moves(AUDIT, "OpenCallerData", Subject::Incident),
    reads(AUDIT, "OpenSealed", Subject::Incident),
    moves(AUDIT, "Erase", Subject::Incident),
    reads(OBLIGATION, "ListObligations", Subject::Nothing),
    moves(OBLIGATION, "Acknowledge", Subject::Obligation),
    moves(OBLIGATION, "TakeShift", Subject::Nothing),
    reads(EVIDENCE, "GetCheckpoint", Subject::Nothing),
    reads(EVIDENCE, "ProveConsistency", Subject::Nothing),
    reads(EVIDENCE, "StreamEntries", Subject::Nothing),
    reads(EVIDENCE, "SubmitCosignature", Subject::Nothing),
    reads(EVIDENCE, "SubmitRefusal", Subject::Nothing),
    reads(EVIDENCE, "ExportBundle", Subject::Incident),
    reads(FEED, "Watch", Subject::Nothing),
    moves(FEED, "Commit", Subject::Nothing),
    reads(FEED, "GetPosition", Subject::Nothing),
    moves(DIRECTORY, "SetStation", Subject::Nothing),
    reads(DIRECTORY, "ListStations", Subject::Nothing),
    moves(DIRECTORY, "SetPost", Subject::Nothing),
    reads(DIRECTORY, "ListPosts", Subject::Nothing),
    moves(DIRECTORY, "SetUnit", Subject::Nothing),
    reads(DIRECTORY, "ListUnits", Subject::Nothing),
    moves(DIRECTORY, "SetOfficer", Subject::Nothing),
    reads(DIRECTORY, "ListOfficers", Subject::Nothing),
    moves(DIRECTORY, "UpdateRegistry", Subject::Nothing),
    reads(DIRECTORY, "GetRegistry", Subject::Nothing),
    moves(DIRECTORY, "ProposeAgreement", Subject::Nothing),
    moves(DIRECTORY, "RatifyAgreement", Subject::Nothing),
    reads(DIRECTORY, "ListAgreements", Subject::Nothing),
    moves(DIRECTORY, "SetCatalogue", Subject::Nothing),
    reads(DIRECTORY, "ListCatalogues", Subject::Nothing),
    reads(DIRECTORY, "GetCatalogue", Subject::Nothing),
    moves(DIRECTORY, "PublishMap", Subject::Nothing),
    moves(DIRECTORY, "RatifyMap", Subject::Nothing),
    reads(DIRECTORY, "ListMaps", Subject::Nothing),
    reads(DIRECTORY, "GetMap", Subject::Nothing),
    reads(DIRECTORY, "DownloadMap", Subject::Nothing),
    moves(DIRECTORY, "OpenDrill", Subject::Nothing),
    moves(DIRECTORY, "JoinDrill", Subject::Nothing),
    moves(DIRECTORY, "EndDrill", Subject::Nothing),
    reads(DIRECTORY, "ListDrills", Subject::Nothing),
    reads(DIRECTORY, "ResolveTerritory", Subject::Nothing),
];

/// A method by its name.
#[must_use]
pub fn method(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

/// The part of a `FileDescriptorSet` that names methods.
#[derive(Clone, PartialEq, Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Named>,
}

#[derive(Clone, PartialEq, Message)]
struct Named {
    #[prost(string, tag = "1")]
    name: String,
}

/// Service and name of every method the protocol has.
///
/// # Errors
/// The descriptor cannot be read.
pub fn described() -> anyhow::Result<Vec<(String, String)>> {
    let set = Files::decode(handoff_proto::FILE_DESCRIPTOR_SET)?;
    let services = set.files.into_iter().flat_map(|file| file.services);
    let named = |service: Service| {
        let name = service.name;
        service.methods.into_iter().map(move |method| (name.clone(), method.name))
    };
    Ok(services.flat_map(named).collect())
}
