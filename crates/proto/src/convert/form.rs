//! The offerer's part of the form.

use super::codes;
use super::place::Strictness;
use super::reader::{Reader, join};
use crate::v1;
use handoff_domain::form::{
    FORM_ITEMS_MAX, FORM_PEOPLE_MAX, FORM_UNITS_MAX, Form, FormItem, FormPeople, FormTimes, FormUnit,
};
use handoff_domain::node::INT_MAX;

impl Reader<'_> {
    pub(super) fn form(&mut self, path: &str, value: &Option<v1::FormInput>) -> Option<Form> {
        let Some(form) = value else { return self.wrong(path, codes::REQUIRED, Vec::new()) };
        let at = |name: &str| join(path, name);
        let kind = self.maybe_label(&at("kind"), &form.kind);
        let severity = self.word(&at("severity"), &form.severity);
        let category = self.maybe_category(&at("category"), &form.category);
        let number = self.maybe_label(&at("number"), &form.number);
        let times = self.form_times(&at("times"), &form.times);
        let place = self.maybe_place(&at("place"), &form.place, Strictness::Refuse);
        let legal_ground = self.maybe_text(&at("legal_ground"), &form.legal_ground);
        let measures = self.maybe_text(&at("measures"), &form.measures);
        let risks = self.maybe_text(&at("risks"), &form.risks);
        let items = self.list(&at("items"), &form.items, FORM_ITEMS_MAX, Self::form_item);
        let people = self.list(&at("people"), &form.people, FORM_PEOPLE_MAX, Self::form_people);
        let annex = self.maybe_digest(&at("annex"), &form.annex);
        let units = self.list(&at("units"), &form.units, FORM_UNITS_MAX, Self::form_unit);
        let callback = self.maybe_phone(&at("callback"), &form.callback);
        Some(Form {
            kind: kind?,
            severity: severity?,
            category: category?,
            number: number?,
            times: times?,
            place: place?.0,
            place_unknown: form.place_unknown,
            legal_ground: legal_ground?,
            measures: measures?,
            risks: risks?,
            items: items?,
            people: people?,
            annex: annex?,
            units: units?,
            callback: callback?,
        })
    }

    fn form_times(&mut self, path: &str, value: &Option<v1::FormTimes>) -> Option<Option<FormTimes>> {
        let Some(times) = value.as_ref().filter(|times| **times != v1::FormTimes::default()) else { return Some(None) };
        let occurred = self.maybe_time(&join(path, "occurred_time"), &times.occurred_time);
        let reported = self.maybe_time(&join(path, "reported_time"), &times.reported_time);
        let dispatched = self.maybe_time(&join(path, "dispatched_time"), &times.dispatched_time);
        let arrived = self.maybe_time(&join(path, "arrived_time"), &times.arrived_time);
        let handled = self.maybe_time(&join(path, "handled_time"), &times.handled_time);
        let uncertainty_ms = match times.uncertainty_ms {
            Some(ms) => self.number(&join(path, "uncertainty_ms"), ms, 0, INT_MAX).map(Some),
            None => Some(None),
        };
        Some(Some(FormTimes {
            occurred: occurred?,
            reported: reported?,
            dispatched: dispatched?,
            arrived: arrived?,
            handled: handled?,
            uncertainty_ms: uncertainty_ms?,
        }))
    }

    fn form_item(&mut self, path: &str, item: &v1::FormItemInput) -> Option<FormItem> {
        let kind = self.code(&join(path, "kind"), &item.kind);
        let digest = self.maybe_digest(&join(path, "digest"), &item.digest);
        let note = self.maybe_line(&join(path, "note"), &item.note);
        Some(FormItem { kind: kind?, count: item.count.map(u64::from), digest: digest?, note: note? })
    }

    fn form_people(&mut self, path: &str, people: &v1::FormPeople) -> Option<FormPeople> {
        let status = self.code(&join(path, "status"), &people.status);
        Some(FormPeople { status: status?, count: people.count.into() })
    }

    fn form_unit(&mut self, path: &str, unit: &v1::FormUnit) -> Option<FormUnit> {
        let of = self.station(&join(path, "of"), &unit.of);
        let name = self.name(&join(path, "unit"), &unit.unit);
        Some(FormUnit { unit: name?, of: of?, stays: unit.stays })
    }
}
