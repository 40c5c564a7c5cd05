//! The wire protocol: generated code, and conversions between wire and domain.
//!
//! Reading order:
//!
//! 1. `proto/handoff/v1/*.proto`: the published API; [`v1`] is generated from it.
//! 2. [`convert`]: requests become commands and orders, with every bad field named at once.
//! 3. [`request`]: the bytes by which two requests are the same.
//! 4. [`allow`]: which facts of an event which reader may see.
//! 5. [`view`]: cases and events become what a reader is shown.
//!
//! Nothing here decides: it converts and refuses.

pub mod allow;
pub mod convert;
pub mod request;
pub mod view;

#[cfg(test)]
mod tests;

pub use convert::{Decoded, DecodedOrder, IntoCommand, IntoOrder, QueryPoint, Seal, Violation, Violations};
pub use request::{Requested, comparable};

/// Generated from `proto/handoff/v1`.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    unused_qualifications,
    reason = "generated code"
)]
pub mod v1 {
    include!(concat!(env!("OUT_DIR"), "/handoff.v1.rs"));
    include!(concat!(env!("OUT_DIR"), "/handoff.debug.rs"));
}

/// The protocol's descriptor with its comments, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/handoff.binpb"));

/// Every method of the API as `Service/Method`, read from the descriptor.
#[must_use]
pub fn methods() -> Vec<String> {
    use prost::Message;
    let files = prost_types::FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap_or_default().file;
    let services = files.into_iter().filter(|file| file.package() == "handoff.v1").flat_map(|file| file.service);
    services
        .flat_map(|service| {
            let name = service.name().to_owned();
            service.method.into_iter().map(move |method| format!("{name}/{}", method.name()))
        })
        .collect()
}
