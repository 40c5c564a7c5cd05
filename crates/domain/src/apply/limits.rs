//! What a full incident still takes.

use crate::event::Body;

/// Whether an event begins something or only adds to the record. A full incident refuses these and no others: what
/// answers, ends or is vital goes on, so that it can be brought to its end.
pub(super) fn begins_something(body: &Body) -> bool {
    // The answer to an objection is a note, and ends what is open.
    let answers = |code: &crate::values::Code| code.is(crate::codes::OBJECTION_ANSWERED);
    if matches!(body, Body::Noted(note) if note.code.as_ref().is_some_and(answers)) {
        return false;
    }
    matches!(
        body,
        Body::CallAdded(_)
            | Body::Noted(_)
            | Body::ToldByPhone(_)
            | Body::PlaceAdded(_)
            | Body::DetailsChanged(_)
            | Body::LabelAdded(_)
            | Body::Alerted(_)
            | Body::CallerOpened(_)
            | Body::SupportRequested(_)
            | Body::JointDeclared(_)
            | Body::LeadAsked(_)
            | Body::MergeProposed(_)
            | Body::SplitOff(_)
            | Body::Linked(_)
            | Body::Claimed(_)
            | Body::Offered(_)
            | Body::Revised(_)
            | Body::StoodBy(_)
            | Body::FeedbackGiven(_)
    )
}
