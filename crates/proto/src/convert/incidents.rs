//! Intake, facts, alerts, units, and the incident's own end.

use super::codes;
use super::command;
use super::place::Strictness;
use super::reader::{Reader, join};
use crate::v1;
use handoff_domain::codes::UNMAPPED;
use handoff_domain::command::{Act, Receive};
use handoff_domain::event::incident::{
    AlertAnswered, CallAdded, CallerOpened, DetailsChanged, Handled, LabelAdded, Noted, Objected, Struck, ToldByPhone,
};
use handoff_domain::values::CallerData;

command!(ReceiveRequest, fact, (incident: fresh_incident, intake: intake) => {
    let () = incident;
    Act::Receive(intake)
});

command!(AddCallRequest, fact, (
    channel: maybe_label, number: maybe_label, caller: maybe_caller, narrative: maybe_text,
) => Act::AddCall(CallAdded { channel, number, caller, narrative }));

command!(NoteRequest, fact, (text: maybe_text, code: maybe_code, handoff: maybe_id) => {
    Act::Note(Noted { text, code, handoff, flags: Vec::new() })
}, any(text, code));

command!(TellByPhoneRequest, fact, (to: station, whom: maybe_line, text: maybe_text) => {
    Act::TellByPhone(ToldByPhone { to, whom, text })
});

command!(AddPlaceRequest, fact, (place: added_place) => {
    let (place, flags) = place;
    Act::AddPlace { place, flags }
});

command!(ChangeDetailsRequest, fact, (kind: maybe_label, severity: maybe_severity, category: maybe_category) => {
    let (severity, is_unmapped) = severity;
    let flags = if is_unmapped { vec![UNMAPPED] } else { Vec::new() };
    Act::ChangeDetails(DetailsChanged { kind, severity, category, flags })
}, any(kind, severity, category));

command!(AddLabelRequest, fact, (number: label) => Act::AddLabel(LabelAdded { number }));

command!(AlertRequest, fact, (to: name) => Act::Alert { to });

command!(DeliverAlertRequest, fact, (to: station) => Act::DeliverAlert { to });

command!(SeeAlertRequest, fact, () => Act::SeeAlert);

command!(AnswerAlertRequest, fact, (answer: code, ours: maybe_id, note: maybe_text) => {
    Act::AnswerAlert(AlertAnswered { answer, ours, note })
});

command!(ReportUnitRequest, fact, (
    deployment: id, unit: name, of: maybe_name, status: word, crew: crew, support: maybe_id,
) => Act::ReportUnit { deployment, unit, of, status, crew, support });

command!(DeclareHandledRequest, decision, (code: maybe_code, referred_to: maybe_line, result: maybe_text) => {
    Act::DeclareHandled(Handled { code, referred_to, result })
});

command!(StrikeRequest, fact, (entry: version, code: code, note: maybe_text) => {
    Act::Strike(Struck { entry, code, note })
});

command!(CloseRequest, decision, (code: code, case_number: maybe_label) => Act::Close { code, case_number });

command!(ObjectRequest, fact, (code: code, note: maybe_text) => Act::Object(Objected { code, note }));

command!(ReopenRequest, decision, (code: code, to: word, note: maybe_text) => Act::Reopen { code, to, note });

command!(AcknowledgeRequest, fact, (duty: word, by: maybe_station, scope: maybe_id) => {
    Act::Acknowledge { duty, by, scope }
});

command!(OpenCallerDataRequest, fact, (code: code) => Act::OpenCaller(CallerOpened { code, of: None }));

command!(EraseRequest, fact, (fields: field_refs, basis: code) => Act::Erase { fields, basis });

impl Reader<'_> {
    /// Whether a new incident may have this id; the head has read it already.
    fn fresh_incident(&mut self, path: &str, value: &str) -> Option<()> {
        if uuid::Uuid::try_parse(value).is_ok_and(|id| id.is_nil() || matches!(id.get_version_num(), 5 | 8)) {
            return self.wrong(path, codes::NOT_A_UUID, Vec::new());
        }
        Some(())
    }

    fn maybe_caller(&mut self, path: &str, value: &Option<v1::CallerInput>) -> Option<Option<CallerData>> {
        let Some(caller) = value.as_ref().filter(|caller| **caller != v1::CallerInput::default()) else {
            return Some(None);
        };
        let phone = self.maybe_phone(&join(path, "phone"), &caller.phone);
        let details = self.maybe_line(&join(path, "details"), &caller.details);
        Some(Some(CallerData { phone: phone?, details: details? }))
    }

    /// What is known of a new incident. Nothing of it is refused for being unknown.
    pub(super) fn intake(&mut self, _path: &str, value: &Option<v1::Intake>) -> Option<Receive> {
        let nothing = v1::Intake::default();
        let intake = value.as_ref().unwrap_or(&nothing);
        let channel = self.maybe_label("intake.channel", &intake.channel);
        let sent_on_by = self.maybe_name("intake.sent_on_by", &intake.sent_on_by);
        let kind = self.maybe_label("intake.kind", &intake.kind);
        let severity = self.maybe_severity("intake.severity", &intake.severity);
        let category = self.maybe_category("intake.category", &intake.category);
        let number = self.maybe_label("intake.number", &intake.number);
        let place = self.maybe_place("intake.place", &intake.place, Strictness::Flag);
        let caller = self.maybe_caller("intake.caller", &intake.caller);
        let narrative = self.maybe_text("intake.narrative", &intake.narrative);
        let drill = self.maybe_id("intake.drill", &intake.drill);
        let (severity, is_unmapped) = severity?;
        let (place, mut flags) = place?;
        flags.extend(is_unmapped.then_some(UNMAPPED));
        Some(Receive {
            channel: channel?,
            sent_on_by: sent_on_by?,
            kind: kind?,
            severity,
            category: category?,
            number: number?,
            place,
            caller: caller?,
            narrative: narrative?,
            drill: drill?,
            flags,
        })
    }
}
