//! The one place where randomness is drawn.

use handoff_domain::Fresh;
use handoff_domain::values::Salt;
use uuid::Uuid;

/// Fills a buffer with random bytes of the operating system.
///
/// # Panics
/// When the operating system gives none: a service that cannot draw salts must not seal anything.
#[must_use]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no salt is safe; crash-only")]
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A salt or nonce of 128 bits.
#[must_use]
pub fn salt() -> Salt {
    Salt(random())
}

/// A time-ordered id (version 7) for things the service names itself.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place where ids are drawn")]
pub fn uuid() -> Uuid {
    Uuid::now_v7()
}

/// What a command may need, drawn once: the same on a second try.
#[must_use]
pub fn fresh() -> Fresh {
    Fresh { salt: salt(), part_salt: salt(), nonce: salt(), territory: None, signed_by: None, is_rehearsal: false }
}

/// Namespace of request ids the service makes itself.
const SERVICE_NAMESPACE: Uuid = Uuid::from_u128(0x6861_6e64_6f66_8f66_8001_7365_7276_6963);

/// A request id that follows from what is asked, so that replicas and restarts ask the same thing once.
#[must_use]
pub fn derived(parts: &[&str]) -> Uuid {
    Uuid::new_v5(&SERVICE_NAMESPACE, parts.join("\u{1f}").as_bytes())
}
