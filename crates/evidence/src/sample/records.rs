use super::{Draw, Sample};
use handoff_domain::caller::Actor;
use handoff_domain::event::Body;
use handoff_domain::event::directory::*;
use handoff_domain::event::handoff::*;
use handoff_domain::event::incident::*;
use handoff_domain::form::{Form, FormItem, FormPeople, FormTimes, FormUnit, Signer};
use handoff_domain::ids::{MapRef, StationRef};
use handoff_domain::values::{CallerData, Category, Place, SignOff, Terms, Territory};

macro_rules! samples {
    ($( $name:ident { $( $field:ident ),* } )*) => { $(
        impl Sample for $name {
            fn sample(draw: &mut Draw) -> Self { Self { $( $field: Sample::sample(draw) ),* } }
        }
    )* };
}

samples! {
    Category { code, label, table }
    Territory { ground, claimants, border_m, why, map }
    Place { crs, lat7, lon7, point, precision_m, address, territory }
    CallerData { phone, details }
    SignOff { level, statement, alg, key, sig, auth_data, client_data }
    Terms { agreement, version, hash, superior, level, timers, caller_days, text_days }

    StationRef { org, station }
    MapRef { id, version }

    Actor { org, station, officer, role, reg }

    FormTimes { occurred, reported, dispatched, arrived, handled, uncertainty_ms }
    FormItem { kind, count, digest, note }
    FormPeople { status, count }
    FormUnit { unit, of, stays }
    Signer { officer, substitute }
    Form {
        kind, severity, category, number, times, place, place_unknown, legal_ground, measures, risks, items,
        people, annex, units, callback
    }

    LogOpened { origin, salt, policy, predecessor }
    LogFenced { epoch, timeline }
    Site { lat7, lon7 }
    StationSet { station, name, dispatch_client, site, retired }
    PostSet { post, station, name, site, retired }
    UnitSet { unit, station, skills, site, retired }
    OfficerSet { officer, station, roles, retired }
    AgreementProposed { agreement, version, a, b, superior, level, timers, map, grid7, caller_days, text_days }
    AgreementRatified { agreement, version }
    CatalogueEntry { code, label, mapped }
    CatalogueSet { station, table, version, entries }
    MapPublished { map, digest, areas, area_count, parties }
    MapRatified { map }
    RegistrarSignature { key, sig }
    RegistryUpdated { count, log, org, root, sigs, version }
    ShiftBegun { station }
    DrillOpened { drill, number, a, b, from, until }
    DrillJoined { drill }
    DrillEnded { drill }

    Received {
        salt, channel, sent_on_by, kind, severity, category, number, place, caller, narrative, drill,
        split_from, flags, terms
    }
    CallAdded { channel, number, caller, narrative }
    Noted { text, code, handoff, flags }
    ToldByPhone { to, whom, text }
    PlaceAdded { place, flags }
    DetailsChanged { kind, severity, category, flags }
    LabelAdded { number }
    Alerted { to, cause, terms }
    AlertDelivered { to }
    AlertSeen { to }
    AlertAnswered { answer, ours, note }
    UnitReported { deployment, unit, of, status, crew, support, flags }
    Handled { code, referred_to, result }
    Struck { entry, code, note }
    Closed { code, case_number, told, object_until }
    Objected { code, note }
    Reopened { code, to, tenure, note }
    Escalated { duty, by, scope, due, rung, next_due }
    Acknowledged { duty, by, scope, rung }
    CallerOpened { code, of }
    ErasedField { seq, path }
    Erased { fields, basis }
    SupportRequested { support, to, skills, count, note, terms }
    SupportAnswered { support, answer, code, eta, note }
    SupportRecalled { support, unit, leaves_at, code }
    SupportEnded { support, code }
    JointDeclared { joint, with, lead, code, terms }
    JointAcknowledged { joint }
    LeadAsked { joint, lead }
    LeadAnswered { joint, yes }
    JointEndProposed { joint, code, note }
    JointEndAnswered { joint, yes, code, note }
    MergeProposed { other, survivor, by, to }
    MergeRefused { other, code }
    MovedUnit { deployment, unit, of, crew, support, status }
    MovedAlert { to, at, seen, receipt_by_ruling, terms }
    MovedSupport { support, from, to, at, answer, answered_at, terms }
    Moved { needs_unit, units, alerts, supports, confirmer, superior, ground }
    Merged { alias, survivor, readers, moved }
    UnitBack { deployment, status }
    Unmerged { alias, survivor, code, units }
    SplitOff { part, code }
    Linked { other, link }

    Claimed { handoff, number, from, to, code, note, terms }
    ClaimRefused { handoff, code, note }
    ClaimDropped { handoff, code }
    Offered { handoff, number, from, to, version, basis, form, signer, parent, map, terms, paper }
    Revised { handoff, version, form, signer, exp, nonce, form_digest }
    Delivered { handoff, version }
    Seen { handoff, version }
    StoodBy { handoff, version, until }
    Countered { handoff, version, code, fields, note }
    Declined { handoff, version, code, owner, map, duplicate_of, note }
    Agreed { handoff, version, form_digest, from, to, agreement, exp, nonce, level, number, category, signer, paper }
    Signed {
        handoff, form_version, side, level, statement, alg, key, sig, lang, template, substitute, auth_data, client_data,
        paper
    }
    SignatureRefused { handoff, form_version, side, code, note }
    SubstituteNamed { handoff, side, officer, code }
    Withdrawn { handoff, code, note }
    Recalled { handoff, code, note }
    RecallReceived { handoff }
    Kept { handoff, code, note }
    Disputed { handoff, code, position }
    PositionStated { handoff, position }
    SettlementProposed { handoff, outcome, note }
    Settled { handoff, outcome }
    DisputeWithdrawn { handoff, code }
    RulingProposed { handoff, ruling, joint, side, support, reasons }
    Ruled { handoff, ruling, joint, side, support, superior, together, reasons, sign_off }
    TakenOver { handoff, from, to, tenure, by_order, paper }
    FeedbackGiven { code, text }
    Reported { report, code, case_number, result, sign_off }
    ReportTakenBack { code }
    Contested { report, code, note }
    Confirmed { report, sign_off }
}

macro_rules! bodies {
    ($( $name:ident )*) => {
        /// One body of every type.
        pub(crate) fn bodies(draw: &mut Draw) -> Vec<Body> {
            vec![ $( Body::from($name::sample(draw)) ),* ]
        }
    };
}

bodies! {
    LogOpened LogFenced StationSet PostSet UnitSet OfficerSet AgreementProposed AgreementRatified CatalogueSet
    MapPublished MapRatified RegistryUpdated ShiftBegun DrillOpened DrillJoined DrillEnded Received CallAdded Noted ToldByPhone
    PlaceAdded DetailsChanged LabelAdded Alerted AlertDelivered AlertSeen AlertAnswered UnitReported Handled
    Struck Closed Objected Reopened Escalated Acknowledged CallerOpened Erased SupportRequested
    SupportAnswered SupportRecalled SupportEnded JointDeclared JointAcknowledged LeadAsked LeadAnswered
    JointEndProposed JointEndAnswered MergeProposed MergeRefused Merged Unmerged SplitOff Linked Claimed
    ClaimRefused ClaimDropped Offered Revised Delivered Seen StoodBy Countered Declined Agreed Signed
    SignatureRefused SubstituteNamed Withdrawn Recalled RecallReceived Kept Disputed PositionStated
    SettlementProposed Settled DisputeWithdrawn RulingProposed Ruled TakenOver FeedbackGiven Reported
    ReportTakenBack Contested Confirmed
}
