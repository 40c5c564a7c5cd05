//! Verified tokens, so that a signature is checked once per token and not once per call.
//!
//! The key is the digest of the whole token, so nothing but the very same bytes hits. Only tokens that held are kept:
//! a flood of bad ones pushes none out. What is kept holds no decision: roles and rules are judged on every call.

use super::Session;
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

#[derive(Debug)]
pub(super) struct Cache(Mutex<LruCache<Digest, Arc<Session>>>);

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
        let found = tokens.get(digest).cloned();
        if found.as_ref().is_some_and(|session| session.expires <= now) {
            tokens.pop(digest);
        }
        drop(tokens);
        let found = found.filter(|session| now < session.expires);
        metrics::token_cache(found.is_some());
        found
    }

    /// Keeps a verified token until it ends.
    pub(super) fn put(&self, digest: Digest, session: Arc<Session>, now: Millis) {
        if now < session.expires {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).put(digest, session);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
