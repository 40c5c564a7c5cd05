//! Every field of every answer, from the protocol's own descriptor.

use protox::prost_reflect::{DescriptorPool, Kind, MessageDescriptor};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// The package of our messages; those of others are values to us.
const OURS: &str = "handoff.v1";

/// The protocol.
///
/// # Panics
/// The descriptor built into the program is none.
pub fn pool() -> &'static DescriptorPool {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    POOL.get_or_init(|| DescriptorPool::decode(handoff_proto::FILE_DESCRIPTOR_SET).expect("our own descriptor"))
}

/// The answer of `Service/Method`.
#[must_use]
pub fn answer_of(path: &str) -> Option<MessageDescriptor> {
    let (service, method) = path.split_once('/')?;
    let service = pool().get_service_by_name(&format!("{OURS}.{service}"))?;
    service.methods().find(|known| known.name() == method).map(|method| method.output())
}

/// Whether a message is one of ours.
#[must_use]
pub fn is_ours(message: &MessageDescriptor) -> bool {
    message.package_name() == OURS
}

/// `Message.field` of every message that any answer is made of.
#[must_use]
pub fn of_answers() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut left: Vec<MessageDescriptor> = pool()
        .services()
        .filter(|service| service.parent_file().package_name() == OURS)
        .flat_map(|service| service.methods().map(|method| method.output()).collect::<Vec<_>>())
        .collect();
    while let Some(message) = left.pop() {
        if !is_ours(&message) || !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        for field in message.fields() {
            names.insert(format!("{}.{}", message.name(), field.name()));
            if let Kind::Message(inner) = field.kind() {
                left.push(inner);
            }
        }
    }
    names
}
