//! Attacks with tokens and certificates, each against every method of the running service.
//!
//! 1. [`vectors`]: attacks with a token alone; one list with the verifier's own tests.
//! 2. [`bindings`]: attacks with a certificate, or a token over one; one list too.
//! 3. [`target`]: the service that is attacked, with a case in it that nobody may hear of.
//! 4. [`volley`]: every attack by every method, and what has to come of each.

pub mod bindings;
pub mod target;
pub mod vectors;
pub mod volley;
