//! C9: sealed fields that are shown are the recorded ones.

use super::desk::Desk;
use super::tally::Tally;
use crate::bundle::layout::Slot;
use crate::disclosure::{self, Value, sealed_paths};
use crate::json;
use crate::report::{CheckId, Detail, Fields, Place, Problem};
use handoff_domain::event::Body;
use handoff_domain::values::{Sealed, b64url};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn check(desk: &Desk<'_>, tally: &mut Tally) -> Fields {
    let (mut sealed, mut erased) = (BTreeMap::new(), BTreeSet::new());
    for exhibit in &desk.events {
        let Some(event) = exhibit.event() else { continue };
        let fields = sealed_paths(&event.body).into_iter();
        sealed.extend(fields.map(|(path, digest)| ((exhibit.seq, path), digest)));
        if let Body::Erased(body) = &event.body {
            for field in &body.fields {
                let place = (field.seq, field.path.clone());
                if !sealed.contains_key(&place) {
                    let detail = (Detail::Field, field.path.clone());
                    tally.warn(CheckId::C9, Place::Event(exhibit.seq), Problem::ErasedNothing, [detail]);
                }
                erased.insert(place);
            }
        }
    }
    let mut fields = Fields::default();
    for (at, digest) in &sealed {
        tally.look(CheckId::C9);
        match desk.get(&Slot::Disclosure(at.0, at.1.clone())) {
            Some(shown) if is_recorded(shown, &at.1, *digest, at.0, tally) => fields.disclosed += 1,
            Some(_) => fields.bad += 1,
            None if erased.contains(at) => fields.erased += 1,
            None => fields.withheld += 1,
        }
    }
    for slot in desk.slots.keys() {
        if let Slot::Disclosure(seq, path) = slot
            && !sealed.contains_key(&(*seq, path.clone()))
        {
            tally.look(CheckId::C9);
            if desk.has_newer {
                tally.newer(CheckId::C9, Place::File(slot.to_string()), Problem::EventNewer, []);
                continue;
            }
            fields.bad += 1;
            tally.fail(CheckId::C9, Place::File(slot.to_string()), Problem::NoSuchField);
        }
    }
    fields
}

fn is_recorded(shown: &[u8], path: &str, digest: Sealed, seq: u64, tally: &mut Tally) -> bool {
    let place = || Place::File(Slot::Disclosure(seq, path.to_owned()).to_string());
    match disclosure::verify(&b64url(shown), path, digest) {
        Ok(opened) => {
            if let Value::Text(text) = &opened.value
                && json::check_text(text).is_err()
            {
                tally.warn(CheckId::C9, place(), Problem::NotNfc, []);
            }
            true
        }
        Err(_) => {
            tally.fail(CheckId::C9, place(), Problem::DisclosureOther);
            false
        }
    }
}
