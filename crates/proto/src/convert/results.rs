//! Disputes, rulings, the takeover and the result.

use super::command;
use handoff_domain::command::{Act, AgreeParts, Sign};
use handoff_domain::event::handoff::{
    Contested, DisputeWithdrawn, Disputed, FeedbackGiven, PositionStated, ReportTakenBack, SettlementProposed,
};

command!(DisputeRequest, on_handoff, (handoff: id, code: code, position: maybe_text) => {
    Act::Dispute(Disputed { handoff, code, position })
});

command!(StatePositionRequest, fact, (handoff: id, position: text) => {
    Act::StatePosition(PositionStated { handoff, position })
});

command!(ProposeSettlementRequest, on_handoff, (handoff: id, outcome: word, note: maybe_text) => {
    Act::ProposeSettlement(SettlementProposed { handoff, outcome, note })
});

command!(AgreeSettlementRequest, on_handoff, (
    handoff: id, outcome: word, number: maybe_label, category: maybe_category, signer: maybe_signer,
) => Act::AgreeSettlement { handoff, outcome, parts: AgreeParts { number, category, signer, paper: None } });

command!(WithdrawDisputeRequest, on_handoff, (handoff: id, code: code) => {
    Act::WithdrawDispute(DisputeWithdrawn { handoff, code })
});

command!(RuleRequest, maybe_on_handoff, (
    handoff: maybe_id, ruling: word, joint: yes, side: maybe_station, support: maybe_id, reasons: maybe_text,
    level: level, statement: maybe_digest, signature: maybe_signature,
) => Act::Rule { handoff, ruling, joint, side, support, reasons, sign: Sign { level, statement, signature } });

command!(TakeOverRequest, on_handoff, (handoff: id, version: version, paper: maybe_digest) => {
    Act::TakeOver { handoff, version, paper }
});

command!(GiveFeedbackRequest, fact, (code: code, text: maybe_text) => {
    Act::GiveFeedback(FeedbackGiven { code, text })
});

command!(ReportRequest, decision, (
    code: code, case_number: maybe_label, result: maybe_text, level: level, statement: maybe_digest,
    signature: maybe_signature,
) => Act::Report { code, case_number, result, sign: Sign { level, statement, signature } });

command!(TakeBackReportRequest, decision, (code: code) => Act::TakeBackReport(ReportTakenBack { code }));

command!(ContestRequest, decision, (report: version, code: code, note: maybe_text) => {
    Act::Contest(Contested { report, code, note })
});

command!(ConfirmRequest, decision, (
    report: version, level: level, statement: maybe_digest, signature: maybe_signature,
) => Act::Confirm { report, sign: Sign { level, statement, signature } });
