//! The newest leaves of the log, for whoever grows the tree over them: older ones are made again from the store.

use handoff_domain::event::Body;
use handoff_evidence::merkle::Hash;
use std::collections::VecDeque;

/// Leaves kept; whoever is further behind reads the store.
pub const LEAVES_KEPT_MAX: usize = 65_536;

/// One published leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewLeaf {
    /// Its hash in the tree.
    pub hash: Hash,
    /// A head that covers it is signed at once, not within the second.
    pub urgent: bool,
}

/// What has to be provable as soon as it is there: signatures, the change of custody, the closing (evidence, 5).
#[must_use]
pub fn is_urgent(body: &Body) -> bool {
    matches!(body, Body::Signed(_) | Body::TakenOver(_) | Body::Closed(_))
}

/// The last leaves without a gap.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    /// Log index of the first one kept.
    first: u64,
    kept: VecDeque<NewLeaf>,
}

impl Leaves {
    pub(crate) fn at(position: u64) -> Self {
        Self { first: position, kept: VecDeque::new() }
    }

    /// Takes leaves in; those before them are forgotten where they do not follow on them.
    pub(crate) fn extend(&mut self, leaves: Vec<NewLeaf>, until: u64) {
        let from = until.saturating_sub(leaves.len() as u64);
        if self.first + self.kept.len() as u64 != from {
            *self = Self::at(from);
        }
        self.kept.extend(leaves);
        let over = self.kept.len().saturating_sub(LEAVES_KEPT_MAX);
        self.kept.drain(..over);
        self.first += over as u64;
    }

    /// Leaves from an index on; `None` where that one is no longer kept.
    pub(crate) fn from(&self, index: u64) -> Option<Vec<NewLeaf>> {
        let skip = usize::try_from(index.checked_sub(self.first)?).ok()?;
        (skip <= self.kept.len()).then(|| self.kept.iter().skip(skip).copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(numbers: std::ops::Range<u64>) -> Vec<NewLeaf> {
        numbers.map(|number| NewLeaf { hash: [u8::try_from(number % 251).unwrap(); 32], urgent: false }).collect()
    }

    #[test]
    fn what_is_kept_is_given_from_any_index_and_nothing_else() {
        let mut kept = Leaves::at(10);
        kept.extend(leaves(10..15), 15);
        assert_eq!(kept.from(10), Some(leaves(10..15)));
        assert_eq!(kept.from(13), Some(leaves(13..15)));
        assert_eq!(kept.from(15), Some(Vec::new()), "all taken");
        assert_eq!((kept.from(9), kept.from(16)), (None, None));
    }

    #[test]
    fn after_a_gap_what_came_before_is_forgotten() {
        let mut kept = Leaves::at(0);
        kept.extend(leaves(0..3), 3);
        kept.extend(leaves(7..9), 9);
        assert_eq!((kept.from(2), kept.from(7)), (None, Some(leaves(7..9))));
    }

    #[test]
    fn no_more_than_the_limit_is_kept() {
        let (mut kept, limit) = (Leaves::at(0), LEAVES_KEPT_MAX as u64);
        kept.extend(leaves(0..limit), limit);
        kept.extend(leaves(limit..limit + 2), limit + 2);
        assert_eq!(kept.from(1), None);
        assert_eq!(kept.from(2).map(|all| all.len()), Some(LEAVES_KEPT_MAX));
    }
}
