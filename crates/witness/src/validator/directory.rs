//! One event of the directory or of the log itself: it must be what the service's own function makes of that order.

use super::{Judged, Past, Validator, follows};
use crate::code::{Code, Refusal};
use handoff_domain::caller::{Actor, Caller, OrgKind};
use handoff_domain::command::Order;
use handoff_domain::event::directory::RegistryUpdated;
use handoff_domain::event::{Body, Event};
use handoff_domain::ids::{ClientId, IncidentId, LOG_STREAM};
use handoff_domain::{decide_order, next_registry};
use handoff_evidence::event::Chain;
use handoff_evidence::registry::Book;

impl Validator {
    pub(super) fn of_directory(
        &mut self,
        index: u64,
        judged: &Judged,
        past: impl FnOnce(IncidentId) -> Option<Past>,
    ) -> Result<(), Refusal> {
        let Judged { event, hash, registry, .. } = judged;
        let id = event.incident;
        let known = self.chains.get(&id).cloned();
        if known.is_none() && (self.cases.contains(&id) || past(id).is_some()) {
            return Err(illegal(index, event, "in the stream of a case"));
        }
        let chain = known.unwrap_or_else(|| Chain::new(id));
        follows(&chain, index, judged)?;
        let book = match &event.body {
            Body::RegistryUpdated(update) => Some(self.registry(index, event, update, registry)?),
            _ => {
                self.allowed(index, event)?;
                None
            }
        };
        let applied = self.directory.apply(event, Some(*hash));
        applied.map_err(|refusal| illegal(index, event, &refusal.reason.to_string()))?;
        if let (Some(book), Body::RegistryUpdated(update)) = (book, &event.body) {
            self.books.insert(update.org.clone(), book);
        }
        self.chains.insert(id, Chain::resume(id, event.seq, *hash));
        Ok(())
    }

    /// An update of a registry: in the policy's stream, signed by its registrars, over these entries.
    fn registry(
        &self,
        index: u64,
        event: &Event,
        update: &RegistryUpdated,
        entries: &[Vec<u8>],
    ) -> Result<Book, Refusal> {
        let refuse =
            |why: String| Err(Refusal::new(Code::Registry, index, format!("registry of {}: {why}", update.org)));
        let Some(registrars) = self.policy.registrars(&update.org) else {
            return refuse("the policy names no registrars".to_owned());
        };
        let next = next_registry(&self.directory, registrars.stream, update, event.at);
        let same = next.is_ok_and(|next| *event == Event { claimed_at: event.claimed_at, ..next });
        if !same {
            return refuse("another stream, version or actor than follows".to_owned());
        }
        let book = self.books.get(&update.org).cloned().unwrap_or_default();
        match book.next(update, entries, &self.policy, &self.origin) {
            Ok(next) => Ok(next),
            Err(error) => refuse(error.to_string()),
        }
    }

    fn allowed(&self, index: u64, event: &Event) -> Result<(), Refusal> {
        if matches!(event.body, Body::LogOpened(_) | Body::LogFenced(_)) {
            let own = event.incident == LOG_STREAM && event.actor == Actor::service();
            return if own { Ok(()) } else { Err(illegal(index, event, "is the service's own")) };
        }
        let Some(order) = order_of(&event.body) else { return Err(illegal(index, event, "is no order")) };
        let Some(client) = ClientId::new("witness") else { return Ok(()) };
        let Actor { org, station, officer, role, .. } = event.actor.clone();
        let caller = Caller { org, kind: OrgKind::Party, client, station, officer, roles: vec![role] };
        let decided = decide_order(&self.directory, &caller, &order, event.claimed_at, event.at);
        match decided {
            Ok(events) if events.as_slice() == std::slice::from_ref(event) => Ok(()),
            Ok(_) => Err(illegal(index, event, "is not what that order gives")),
            Err(refusal) => Err(illegal(index, event, refusal.reason.as_str())),
        }
    }
}

fn illegal(index: u64, event: &Event, why: &str) -> Refusal {
    let detail = format!("{} number {} of {}: {why}", event.body.type_name(), event.seq, event.incident);
    Refusal::new(Code::IllegalTransition, index, detail)
}

/// The order whose event this is.
fn order_of(body: &Body) -> Option<Order> {
    Some(match body {
        Body::StationSet(is) => Order::Station(is.clone()),
        Body::PostSet(is) => Order::Post(is.clone()),
        Body::UnitSet(is) => Order::Unit(is.clone()),
        Body::OfficerSet(is) => Order::Officer(is.clone()),
        Body::CatalogueSet(is) => Order::Catalogue(is.clone()),
        Body::AgreementProposed(is) => Order::ProposeAgreement(is.clone()),
        Body::AgreementRatified(is) => Order::RatifyAgreement(is.clone()),
        Body::MapPublished(is) => Order::PublishMap(is.clone()),
        Body::MapRatified(is) => Order::RatifyMap(is.clone()),
        Body::ShiftBegun(is) => Order::TakeShift(is.station.clone()),
        Body::DrillOpened(is) => Order::OpenDrill {
            drill: is.drill,
            number: is.number.clone(),
            with: is.b.station.clone(),
            from: is.from,
            until: is.until,
        },
        Body::DrillJoined(is) => Order::JoinDrill(is.drill),
        Body::DrillEnded(is) => Order::EndDrill(is.drill),
        _ => return None,
    })
}
