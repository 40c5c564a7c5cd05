//! The largest legal form fits in one event (`domain::form` relies on it).

use super::*;
use crate::json::BYTES_MAX;
use handoff_domain::event::handoff::{Offered, Revised};
use handoff_domain::form::{FORM_ITEMS_MAX, FORM_PEOPLE_MAX, FORM_UNITS_MAX, Form, FormUnit};
use handoff_domain::ids::StationRef;

/// Claimants of the largest form. `domain` names no limit; this is what has to fit.
const CLAIMANTS: usize = 8;

fn many<T: Sample>(draw: &mut Draw, count: usize) -> Vec<T> {
    (0..count).map(|_| T::sample(draw)).collect()
}

fn largest_form(draw: &mut Draw) -> Form {
    let mut form = Form::sample(draw);
    form.items = many(draw, FORM_ITEMS_MAX);
    form.people = many(draw, FORM_PEOPLE_MAX);
    form.units = many::<FormUnit>(draw, FORM_UNITS_MAX);
    let territory = form.place.as_mut().and_then(|place| place.territory.as_mut()).unwrap();
    territory.claimants = many::<StationRef>(draw, CLAIMANTS);
    form
}

/// Bytes of a tree, also of one too long to be written.
fn length(node: &Node) -> usize {
    match node {
        Node::Text(_) | Node::Int(_) | Node::Flag(_) => json::write(node).unwrap().len(),
        Node::List(items) => 1 + items.iter().map(|item| length(item) + 1).sum::<usize>().max(1),
        Node::Map(fields) => {
            1 + fields.iter().map(|(key, node)| key.len() + 3 + length(node) + 1).sum::<usize>().max(1)
        }
    }
}

fn event_length(draw: &mut Draw, body: Body) -> usize {
    let (event, _) = draw.event(body);
    length(&tree(&Event { seq: handoff_domain::node::INT_MAX, ..event }, &FIRST_PREV))
}

#[test]
fn the_largest_legal_form_fits_in_one_event() {
    let mut draw = Draw::largest();
    let form = largest_form(&mut draw);
    assert!(form.check().is_ok());
    let unit = length(&form.units[0].to_node().unwrap()) + 1;
    let offered = Offered { form: form.clone(), ..Sample::sample(&mut draw) };
    let revised = Revised { form, ..Sample::sample(&mut draw) };
    for body in [offered.into(), revised.into()] {
        let name = Body::type_name(&body);
        let taken = event_length(&mut draw, body);
        let units = (BYTES_MAX + FORM_UNITS_MAX * unit).saturating_sub(taken) / unit;
        assert!(taken <= BYTES_MAX, "{name} takes {taken} bytes; FORM_UNITS_MAX can be at most {units}");
    }
}
