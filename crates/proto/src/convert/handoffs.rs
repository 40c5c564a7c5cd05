//! The dialogue of a handoff, and signing.

use super::command;
use handoff_domain::command::{Act, AgreeParts, SignParts};
use handoff_domain::event::handoff::{
    ClaimDropped, ClaimRefused, Countered, Declined, Delivered, Kept, RecallReceived, Recalled, Seen, SignatureRefused,
    StoodBy, SubstituteNamed, Withdrawn,
};

command!(ClaimRequest, decision, (handoff: id, code: code, note: maybe_text) => Act::Claim { handoff, code, note });

command!(RefuseClaimRequest, on_handoff, (handoff: id, code: code, note: maybe_text) => {
    Act::RefuseClaim(ClaimRefused { handoff, code, note })
});

command!(DropClaimRequest, on_handoff, (handoff: id, code: maybe_code) => {
    Act::DropClaim(ClaimDropped { handoff, code })
});

command!(OfferRequest, decision, (
    handoff: id, to: name, basis: basis, form: form, signer: maybe_signer, parent: maybe_id,
    paper: maybe_digest,
) => Act::Offer { handoff, to, basis, form, signer, parent, paper });

command!(ReviseRequest, on_handoff, (handoff: id, form: form, signer: maybe_signer) => {
    Act::Revise { handoff, form, signer }
});

command!(DeliverRequest, fact, (handoff: id, version: version) => Act::Deliver(Delivered { handoff, version }));

command!(SeeRequest, fact, (handoff: id, version: version) => Act::See(Seen { handoff, version }));

command!(StandByRequest, on_handoff, (handoff: id, version: version, until_time: time) => {
    Act::StandBy(StoodBy { handoff, version, until: until_time })
});

command!(CounterRequest, on_handoff, (
    handoff: id, version: version, code: code, fields: form_fields, note: maybe_text,
) => Act::Counter(Countered { handoff, version, code, fields, note }));

command!(DeclineRequest, on_handoff, (
    handoff: id, version: version, code: code, owner: maybe_station, map: maybe_map, duplicate_of: maybe_id,
    note: maybe_text,
) => Act::Decline(Declined { handoff, version, code, owner, map, duplicate_of, note }));

command!(AgreeRequest, on_handoff, (
    handoff: id, version: version, number: maybe_label, category: maybe_category, signer: maybe_signer,
    paper: maybe_digest,
) => Act::Agree { handoff, version, parts: AgreeParts { number, category, signer, paper } });

command!(SignRequest, on_handoff, (
    handoff: id, version: version, level: level, statement: digest, language: maybe_label, template: maybe_label,
    paper: maybe_digest, signature: maybe_signature,
) => Act::Sign { handoff, version, parts: SignParts { level, statement, signature, lang: language, template, paper } });

command!(RefuseSignatureRequest, fact, (
    handoff: id, version: version, side: station, code: code, note: maybe_text,
) => Act::RefuseSignature(SignatureRefused { handoff, form_version: version, side, code, note }));

command!(NameSubstituteRequest, on_handoff, (handoff: id, side: station, officer: name, code: code) => {
    Act::NameSubstitute(SubstituteNamed { handoff, side, officer, code })
});

command!(WithdrawRequest, on_handoff, (handoff: id, code: code, note: maybe_text) => {
    Act::Withdraw(Withdrawn { handoff, code, note })
});

command!(RecallRequest, on_handoff, (handoff: id, code: code, note: maybe_text) => {
    Act::Recall(Recalled { handoff, code, note })
});

command!(ReceiveRecallRequest, fact, (handoff: id) => Act::ReceiveRecall(RecallReceived { handoff }));

command!(KeepRequest, on_handoff, (handoff: id, code: code, note: maybe_text) => {
    Act::Keep(Kept { handoff, code, note })
});
