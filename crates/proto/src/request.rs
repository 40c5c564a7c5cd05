//! When two requests are the same (reliability, 7).

use prost::Message;

/// A command's request. Its id is field 1 of the message; a test holds every command to that.
pub trait Requested: Message {
    /// The caller's own id of this request, as sent.
    fn request_id(&self) -> &str;
}

/// The bytes by which equality of two requests is judged: the method's name and the decoded message without its
/// request id, encoded again. Fields this build does not know are not part of it, and no message holds a map, so equal
/// messages give equal bytes.
#[must_use]
pub fn comparable<M: Requested>(method: &str, message: &M) -> Vec<u8> {
    let encoded = message.encode_to_vec();
    // Fields are encoded in the order of their numbers, so the id, where there is one, stands first: tag, length, text.
    let id = match message.request_id().len() {
        0 => 0,
        length => 1 + prost::length_delimiter_len(length) + length,
    };
    let mut bytes = Vec::with_capacity(method.len() + 1 + encoded.len() - id);
    bytes.extend_from_slice(method.as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&encoded[id..]);
    bytes
}
