//! The rule by which those who want the same places share them, and whom a connection is counted for.
//!
//! **The rule**: somebody may take one more place while it holds fewer than [`PER_FREE`] times the places that are
//! free. Alone, one gets three quarters of all places; two that both want all get three sevenths each; n get 3 of
//! 3n + 1 parts each, and one part stays free for whoever comes next. Nothing has to be known of who is active, and who
//! asks for little is never refused for what the others do.

use handoff_domain::ids::OrgId;
use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

/// See the module.
pub(crate) const PER_FREE: usize = 3;
/// Bits of an IPv6 address that name a peer: a site is given at least so many, and chooses the others as it likes.
const IPV6_PEER_BITS: u32 = 64;

/// Whom something is counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Holder {
    /// The organisation of a registered machine whose certificate holds.
    Organisation(OrgId),
    /// An address nobody is known behind.
    Address(IpAddr),
}

impl Holder {
    /// The organisation where one is known, else the address.
    pub(crate) fn of(known: Option<OrgId>, address: IpAddr) -> Self {
        known.map_or_else(|| Self::Address(peer(address)), Self::Organisation)
    }
}

/// Which addresses are counted together.
pub(crate) fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let bits = address.to_bits() & (u128::MAX << (128 - IPV6_PEER_BITS));
            IpAddr::V6(bits.into())
        }
    }
}

/// Places somebody holds, by name. Only who holds one is kept, so there are never more names than places.
#[derive(Debug)]
pub(crate) struct Shares<K> {
    taken: usize,
    held: HashMap<K, usize>,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// All free.
    pub(crate) fn new() -> Self {
        Self { taken: 0, held: HashMap::new() }
    }

    /// How many are taken.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// How many somebody holds.
    pub(crate) fn held(&self, key: &K) -> usize {
        self.held.get(key).copied().unwrap_or(0)
    }

    /// How many hold one.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        self.held.len()
    }

    /// Takes a place of the first `max`, if the rule allows it.
    pub(crate) fn enter(&mut self, key: &K, max: usize) -> bool {
        let free = max.saturating_sub(self.taken);
        if self.held(key) >= PER_FREE * free {
            return false;
        }
        self.taken += 1;
        *self.held.entry(key.clone()).or_insert(0) += 1;
        true
    }

    /// Gives one back.
    pub(crate) fn leave(&mut self, key: &K) {
        self.taken -= 1;
        if let Some(held) = self.held.get_mut(key) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_site_is_one_peer_however_its_addresses_are_written() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (one, other, same) in [
            ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true),
            ("2001:db8:1:2::1", "2001:db8:1:3::1", false),
            ("::ffff:10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
        ] {
            assert_eq!(peer(ip(one)) == peer(ip(other)), same, "{one} {other}");
        }
    }

    proptest! {
        /// Whatever the others do: no place is taken twice, nobody holds more than three quarters, and whoever holds
        /// none finds a place as long as one is free.
        #[test]
        fn nobody_is_shut_out(moves in prop::collection::vec((0_u8..4, prop::bool::weighted(0.7)), 1..300)) {
            const MAX: usize = 40;
            let mut shares = Shares::new();
            for (who, enters) in moves {
                let held = shares.held(&who);
                if enters {
                    let free = MAX - shares.taken();
                    let entered = shares.enter(&who, MAX);
                    prop_assert!(entered || held > 0 || free == 0);
                    prop_assert!(!entered || held < MAX * 3 / 4);
                } else if held > 0 {
                    shares.leave(&who);
                }
                prop_assert_eq!(shares.held.values().sum::<usize>(), shares.taken());
                prop_assert!(shares.taken() <= MAX);
            }
        }
    }
}
