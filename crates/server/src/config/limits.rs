//! Limits of the gRPC listener. tonic's defaults switch several of hyper's guards off, so each is set here.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Declares the limits once: field, default, allowed range.
macro_rules! limits {
    ($( $(#[$meta:meta])* $name:ident = $default:literal in $range:expr ),* $(,)?) => {
        /// Named limits with their units; what happens at each stands beside it.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct Limits { $( $(#[$meta])* pub $name: u32 ),* }

        impl Default for Limits {
            fn default() -> Self { Self { $( $name: $default ),* } }
        }

        impl Limits {
            /// Every limit by name, with its value and the range it may lie in.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, u32, RangeInclusive<u32>)> {
                vec![ $( (stringify!($name), self.$name, $range) ),* ]
            }
        }
    };
}

limits! {
    /// HTTP/2 streams one connection may have open; further ones are refused by the protocol.
    max_concurrent_streams = 128 in 1..=1_024,
    /// Streams one connection may have reset by its own protocol errors (MadeYouReset) before it is closed.
    local_error_reset_streams_max = 256 in 1..=1_024,
    /// Streams reset before they were accepted (rapid reset) before the connection is closed.
    pending_accept_reset_streams_max = 20 in 1..=1_024,
    /// Bytes of one request's headers; more is refused. A token alone may take 8 KiB.
    header_list_bytes_max = 16_384 in 12_288..=65_536,
    /// Bytes of one message received; more is `MESSAGE_TOO_LARGE`.
    message_decode_bytes_max = 65_536 in 32_768..=1_048_576,
    /// Bytes of one uploaded boundary map, on its own method.
    map_decode_bytes_max = 8_388_608 in 65_536..=8_388_608,
    /// Bytes of one message sent; a page that would be larger ends earlier.
    message_encode_bytes_max = 1_048_576 in 65_536..=8_388_608,
    /// Seconds without traffic after which a connection is asked whether it lives.
    keepalive_interval_s = 20 in 1..=600,
    /// Seconds it has for the answer, then it is closed.
    keepalive_timeout_s = 10 in 1..=600,
    /// Milliseconds a unary call may take; then its outcome is unknown to the caller.
    unary_deadline_ms = 5_000 in 100..=5_000,
    /// Unary calls under way at once; further ones are shed with `QUEUE_FULL`, facts last.
    unary_in_flight_max = 512 in 1..=65_536,
    /// Milliseconds a TLS handshake may take; then the connection is closed.
    tls_handshake_ms = 5_000 in 100..=60_000,
    /// TLS handshakes under way at once; further connections wait in the listener's backlog.
    tls_handshakes_max = 512 in 1..=4_096,
}

impl Limits {
    /// [`Self::keepalive_interval_s`] as a duration.
    #[must_use]
    pub fn keepalive_interval(&self) -> Duration {
        Duration::from_secs(self.keepalive_interval_s.into())
    }

    /// [`Self::keepalive_timeout_s`] as a duration.
    #[must_use]
    pub fn keepalive_timeout(&self) -> Duration {
        Duration::from_secs(self.keepalive_timeout_s.into())
    }

    /// [`Self::unary_deadline_ms`] as a duration.
    #[must_use]
    pub fn unary_deadline(&self) -> Duration {
        Duration::from_millis(self.unary_deadline_ms.into())
    }

    /// [`Self::tls_handshake_ms`] as a duration.
    #[must_use]
    pub fn tls_handshake(&self) -> Duration {
        Duration::from_millis(self.tls_handshake_ms.into())
    }
}
