//! Verified tokens, so that a signature is checked once per token and not once per call.
//!
//! The key is the digest of the whole token, so nothing but the very same bytes hits. Only tokens that held are kept:
//! a flood of bad ones pushes none out. What is kept holds no decision: roles and rules are judged on every call.
//!
//! A token counts for the keys it was verified with. When the issuer's keys change or run out, everything verified
//! with them is gone at once, a token that was being verified in that moment included; no sweep is needed for it.

use super::Session;
use super::keys::Keys;
use crate::metrics;
use aws_lc_rs::digest;
use handoff_domain::time::Millis;
use lru::LruCache;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Verified tokens kept; beyond that the one not used for longest goes and is verified again when it comes back.
pub(crate) const TOKENS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("it is not zero");

/// SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// A verified token, and what it was verified with.
#[derive(Debug)]
pub(super) struct Verified {
    /// Whose token it is, and until when.
    pub(super) session: Arc<Session>,
    /// The issuer's keys.
    pub(super) keys: Arc<Keys>,
    /// Which of its sets.
    pub(super) generation: u64,
}

impl Verified {
    fn holds(&self, now: Millis) -> bool {
        now < self.session.expires && self.keys.hold(self.generation, now)
    }
}

#[derive(Debug)]
pub(super) struct Cache(Mutex<LruCache<Digest, Verified>>);

impl Default for Cache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(TOKENS_MAX)))
    }
}

impl Cache {
    /// SHA-256 of the token's bytes.
    pub(super) fn digest(token: &str) -> Digest {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&digest::SHA256, token.as_bytes()).as_ref());
        bytes
    }

    /// The session of a token that was verified before and has not ended. The leeway does not count here: in its last
    /// 30 s a token is verified each time.
    pub(super) fn get(&self, digest: &Digest, now: Millis) -> Option<Arc<Session>> {
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = tokens.get(digest);
        let ended = kept.is_some_and(|kept| !kept.holds(now));
        let found = kept.filter(|_| !ended).map(|kept| Arc::clone(&kept.session));
        if ended {
            tokens.pop(digest);
        }
        drop(tokens);
        metrics::token_cache(found.is_some());
        found
    }

    /// Keeps a verified token until it ends.
    pub(super) fn put(&self, digest: Digest, verified: Verified, now: Millis) {
        if verified.holds(now) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).put(digest, verified);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
