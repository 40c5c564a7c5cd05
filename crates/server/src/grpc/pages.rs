//! Pages: a token names the last item of the page before it, bound to caller, method and filter. A list goes on after
//! that item, so what comes or goes in between makes no gap and nothing comes twice.

use super::Gate;
use crate::cursors::CursorKey;
use crate::error::status;
use handoff_domain::caller::Caller;
use handoff_domain::ids::OrgId;
use handoff_domain::refusal::{Reason, Refusal};
use tonic::Status;

/// Separates the parts a token is bound to; no name holds it.
const UNIT: &str = "\u{1f}";

/// Tokens of one list, for one caller and one filter.
pub(super) struct Pages<'a> {
    cursors: &'a CursorKey,
    org: &'a OrgId,
    purpose: String,
}

pub(super) fn invalid() -> Status {
    status(&Refusal::new(Reason::CursorInvalid).field("page_token"))
}

impl Pages<'_> {
    /// What the last page ended with; none for the first page.
    pub(super) fn after(&self, token: &str) -> Result<Option<Vec<u8>>, Status> {
        if token.is_empty() {
            return Ok(None);
        }
        self.cursors.open(&self.purpose, self.org, token).map(Some).map_err(|_| invalid())
    }

    /// The token of the page after this item.
    pub(super) fn token(&self, last: &[u8]) -> String {
        self.cursors.seal(&self.purpose, self.org, last)
    }

    /// One page of items sorted by key, and the token of the next.
    pub(super) fn cut<T>(&self, items: Vec<(String, T)>, size: u32, token: &str) -> Result<(Vec<T>, String), Status> {
        let after = self.after(token)?;
        let rest = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key.as_bytes() > &after[..]));
        let mut page: Vec<(String, T)> = rest.take(size as usize + 1).collect();
        let more = page.len() > size as usize;
        page.truncate(size as usize);
        let next = page.last().filter(|_| more).map(|(key, _)| self.token(key.as_bytes())).unwrap_or_default();
        Ok((page.into_iter().map(|(_, item)| item).collect(), next))
    }
}

impl Gate {
    /// Tokens of a list; `filter` says which items it shows.
    pub(super) fn pages<'a>(&'a self, method: &str, caller: &'a Caller, filter: &str) -> Pages<'a> {
        let officer = caller.officer.as_ref().map(ToString::to_string).unwrap_or_default();
        let station = caller.station.as_ref().map(ToString::to_string).unwrap_or_default();
        let purpose = [method, caller.client.as_str(), &officer, &station, filter].join(UNIT);
        Pages { cursors: self.cursors(), org: &caller.org, purpose }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_go_on_after_the_last_item_whatever_comes_or_goes_in_between() {
        let (key, org) = (CursorKey::new(&[7; 32]), OrgId::new("A").expect("a name"));
        let pages = Pages { cursors: &key, org: &org, purpose: "list".to_owned() };
        let items = |names: &str| names.chars().map(|name| (name.to_string(), name)).collect::<Vec<_>>();
        let (page, token) = pages.cut(items("bdfh"), 2, "").expect("a page");
        assert_eq!(page, ['b', 'd']);
        let (page, next) = pages.cut(items("abcefh"), 2, &token).expect("a page");
        assert_eq!(page, ['e', 'f'], "a and c came before the place, d is gone");
        let (page, end) = pages.cut(items("abcefh"), 2, &next).expect("a page");
        assert_eq!((page, end.as_str()), (vec!['h'], ""));
        let (page, end) = pages.cut(items("bd"), 2, "").expect("a page");
        assert_eq!((page.len(), end.as_str()), (2, ""), "a full last page has no next one");
        let other = Pages { cursors: &key, org: &org, purpose: "another list".to_owned() };
        assert!(other.cut(items("bdfh"), 2, &token).is_err());
    }
}
