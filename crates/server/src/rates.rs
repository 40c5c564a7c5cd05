//! How often somebody may call: one bucket of tokens for every identity, one for every organisation, one for every
//! connection that sends calls without a valid token.
//!
//! A bucket is full at first and fills again with so many tokens a second; a call takes one, and none is left over for
//! a call that finds it empty. A caller's identity is its organisation, client and officer (security, 3), so one desk
//! does not take another one's tokens, and one organisation never another one's. Both are judged after authentication
//! and before anything is read or queued: nobody is charged for a call that somebody else signed with its name.

use crate::config::Limits;
use crate::metrics::RATE_LIMITED_TOTAL;
use handoff_domain::caller::Caller;
use handoff_domain::ids::{ClientId, OfficerId, OrgId};
use handoff_domain::refusal::{Reason, Refusal};
use handoff_domain::time::{Millis, SECOND};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

/// Buckets kept for the identities of one organisation. Beyond that the organisation's own bucket alone judges the
/// others, so that nobody's names push out another organisation's, and no honest officer is turned away for the number
/// of colleagues.
pub const IDENTITIES_PER_ORGANISATION_MAX: usize = 8_192;
/// Buckets kept for connections that sent calls without a valid token. Beyond that a new connection has none: its
/// handshake has cost it more than its first calls cost us.
pub const DENIED_CONNECTIONS_MAX: usize = 4_096;
/// A full table is looked through for buckets nobody needs at most once in this time, in milliseconds.
const SWEEP_MS: i64 = SECOND;
/// What a call takes, in thousandths of a token: a token a second is then one thousandth a millisecond.
const TOKEN: i64 = 1_000;

/// How often: kept up, and at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls a second that may be kept up.
    pub per_s: u32,
    /// Calls at once after a time of rest.
    pub burst: u32,
}

/// All rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Of one officer at one client.
    pub person: Rate,
    /// Of one dispatch system.
    pub adapter: Rate,
    /// Of all callers of one organisation.
    pub organisation: Rate,
    /// Of calls without a valid token on one connection.
    pub denied: Rate,
}

impl RateLimits {
    /// Those of the configuration.
    #[must_use]
    pub fn of(limits: &Limits) -> Self {
        let rate = |per_s, burst| Rate { per_s, burst };
        Self {
            person: rate(limits.person_calls_per_s, limits.person_calls_burst),
            adapter: rate(limits.adapter_calls_per_s, limits.adapter_calls_burst),
            organisation: rate(limits.organisation_calls_per_s, limits.organisation_calls_burst),
            denied: rate(limits.denied_calls_per_s, limits.denied_calls_burst),
        }
    }
}

/// Tokens of somebody.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    rate: Rate,
    thousandths: i64,
    at: Millis,
}

impl Bucket {
    fn full(rate: Rate, now: Millis) -> Self {
        Self { rate, thousandths: i64::from(rate.burst) * TOKEN, at: now }
    }

    /// Adds what has come since. A clock that was set back adds nothing and counts on from there; it must not leave
    /// somebody without tokens until it has caught up.
    fn fill(&mut self, now: Millis) {
        let new = now.since(self.at).max(0).saturating_mul(self.rate.per_s.into());
        self.thousandths = self.thousandths.saturating_add(new).min(i64::from(self.rate.burst) * TOKEN);
        self.at = now;
    }

    fn has_one(&self) -> bool {
        self.thousandths >= TOKEN
    }

    fn take_one(&mut self) {
        self.thousandths = (self.thousandths - TOKEN).max(0);
    }

    /// Nobody needs it: a new one would be the same.
    fn is_idle(mut self, now: Millis) -> bool {
        self.fill(now);
        self.thousandths >= i64::from(self.rate.burst) * TOKEN
    }
}

/// Buckets by name, in a bounded number.
#[derive(Debug)]
struct Table<K> {
    max: usize,
    buckets: HashMap<K, Bucket>,
    swept: Option<Millis>,
}

impl<K: Eq + Hash> Table<K> {
    fn new(max: usize) -> Self {
        Self { max, buckets: HashMap::new(), swept: None }
    }

    /// Somebody's bucket, filled up to now; none where the table is full of buckets in use.
    fn bucket(&mut self, key: K, rate: Rate, now: Millis) -> Option<&mut Bucket> {
        if self.buckets.len() >= self.max && !self.buckets.contains_key(&key) {
            self.sweep(now);
            if self.buckets.len() >= self.max {
                return None;
            }
        }
        let bucket = self.buckets.entry(key).or_insert_with(|| Bucket::full(rate, now));
        bucket.fill(now);
        Some(bucket)
    }

    fn sweep(&mut self, now: Millis) {
        if self.swept.is_some_and(|swept| (0..SWEEP_MS).contains(&now.since(swept))) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| !bucket.is_idle(now));
    }
}

/// The buckets of one organisation.
#[derive(Debug)]
struct Organisation {
    bucket: Bucket,
    identities: Table<(ClientId, Option<OfficerId>)>,
}

/// All buckets of this process.
#[derive(Debug)]
pub struct Rates {
    limits: RateLimits,
    /// Only of verified callers, so there are no more than the configuration has organisations.
    organisations: Mutex<HashMap<OrgId, Organisation>>,
    denied: Mutex<Table<SocketAddr>>,
}

impl Rates {
    /// Full buckets for everybody.
    #[must_use]
    pub fn new(limits: RateLimits) -> Self {
        let denied = Mutex::new(Table::new(DENIED_CONNECTIONS_MAX));
        Self { limits, organisations: Mutex::default(), denied }
    }

    /// Takes a token of this caller and one of its organisation; a call that is refused takes neither.
    ///
    /// # Errors
    /// `RATE_LIMITED` where either has none.
    pub fn take(&self, caller: &Caller, now: Millis) -> Result<(), Refusal> {
        let person = caller.officer.is_some();
        let rate = if person { self.limits.person } else { self.limits.adapter };
        let mut organisations = self.organisations.lock().unwrap_or_else(PoisonError::into_inner);
        let organisation = organisations.entry(caller.org.clone()).or_insert_with(|| Organisation {
            bucket: Bucket::full(self.limits.organisation, now),
            identities: Table::new(IDENTITIES_PER_ORGANISATION_MAX),
        });
        organisation.bucket.fill(now);
        let mut own = organisation.identities.bucket((caller.client.clone(), caller.officer.clone()), rate, now);
        if own.as_ref().is_some_and(|own| !own.has_one()) {
            return Err(over(rate, if person { "person" } else { "adapter" }));
        }
        if !organisation.bucket.has_one() {
            return Err(over(self.limits.organisation, "organisation"));
        }
        organisation.bucket.take_one();
        if let Some(own) = &mut own {
            own.take_one();
        }
        Ok(())
    }

    /// Whether a connection may try a token: looked at before any is verified, so that guessing costs us little.
    ///
    /// # Errors
    /// `RATE_LIMITED` where it sent too many that do not hold.
    pub fn may_try(&self, connection: SocketAddr, now: Millis) -> Result<(), Refusal> {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = denied.buckets.get_mut(&connection) else { return Ok(()) };
        bucket.fill(now);
        if bucket.has_one() { Ok(()) } else { Err(over(self.limits.denied, "connection")) }
    }

    /// A call on this connection had no valid token.
    pub fn denied(&self, connection: SocketAddr, now: Millis) {
        let mut denied = self.denied.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = denied.bucket(connection, self.limits.denied, now) {
            bucket.take_one();
        }
    }
}

fn over(rate: Rate, scope: &'static str) -> Refusal {
    metrics::counter!(RATE_LIMITED_TOTAL, "code" => scope).increment(1);
    Refusal::new(Reason::RateLimited).with("max", rate.per_s).with("scope", scope)
}

#[cfg(test)]
mod tests;
