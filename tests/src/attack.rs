//! Attacks on the listener, by frames of our own: what no client library can be brought to send.
//!
//! 1. [`wire`]: frames and header blocks as bytes (RFC 9113, RFC 7541), valid or not.
//! 2. [`line`](mod@line): a connection that sends whatever it is given and keeps count of what comes back.
//! 3. [`streams`]: scripts that open, reset and overfill streams.
//! 4. [`frames`]: scripts that send frames which cost the sender next to nothing.
//! 5. [`sockets`]: scripts that open connections and then do little or nothing with them.
//!
//! A script goes on until the service answers with GOAWAY or closes, or until it has sent as much as it is told to. It
//! judges nothing: what the answer has to be stands in the test.

pub mod frames;
pub mod line;
pub mod sockets;
pub mod streams;
pub mod wire;
