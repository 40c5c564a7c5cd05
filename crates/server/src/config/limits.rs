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
    /// Frames a second that carry next to nothing (PING, SETTINGS, DATA by single bytes) which one connection may send;
    /// more closes it. The busiest dispatch system sends about one for each of its calls.
    small_frames_per_s = 10_000 in 1_000..=1_000_000,
    /// Streams a second one connection may reset, which is how a call under way is given up; more closes it.
    stream_resets_per_s = 200 in 10..=1_000_000,
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
    /// Milliseconds a TLS handshake may take, and after it the whole preface of HTTP/2; then the connection is closed.
    tls_handshake_ms = 5_000 in 100..=60_000,
    /// TLS handshakes under way at once; a further connection is closed at once, three quarters of them from one address.
    tls_handshakes_max = 512 in 1..=4_096,
    /// Connections open at once after their handshake; a further one is closed at once. One organisation gets three
    /// quarters of them and no more.
    connections_max = 512 in 1..=65_536,
    /// Of these and of the handshakes, of one machine, or from one address where no machine is known (of IPv6 the first 64
    /// bits); a further one is closed at once.
    connections_per_peer_max = 32 in 1..=65_536,
    /// Seconds after which a connection is told to go away; what is under way on it comes to its end.
    connection_age_max_s = 2_700 in 60..=86_400,
    /// Seconds without traffic after which the operating system asks whether the peer is still there.
    tcp_keepalive_s = 60 in 1..=7_200,
    /// Unary calls that are not authenticated yet, their message still on its way; further ones are `QUEUE_FULL`.
    unary_arriving_max = 512 in 1..=65_536,
    /// Facts, and decisions, of one organisation that may be with the writer at once; its further ones wait for a turn, so
    /// that no command of another's waits behind all of them.
    organisation_commands_at_once = 12 in 1..=4_096,
    /// Feeds open at once; a further one is `QUEUE_FULL`. One organisation gets three quarters of them and no more.
    feeds_max = 4_096 in 1..=65_536,
    /// Calls a second one officer at one client may keep up; more is `RATE_LIMITED`, as for all rates here.
    person_calls_per_s = 20 in 1..=1_000_000,
    /// Calls one officer may make at once after a time of rest.
    person_calls_burst = 40 in 1..=1_000_000,
    /// Calls a second one dispatch system may keep up.
    adapter_calls_per_s = 1_000 in 1..=1_000_000,
    /// Calls one dispatch system may make at once after a time of rest.
    adapter_calls_burst = 2_000 in 1..=1_000_000,
    /// Calls a second all callers of one organisation may keep up: a quarter of what the smallest machine measured does, and
    /// many times what a region's calls come to.
    organisation_calls_per_s = 2_000 in 1..=1_000_000,
    /// Calls one organisation may make at once after a time of rest.
    organisation_calls_burst = 4_000 in 1..=1_000_000,
    /// Calls without a valid token a second that one connection may keep up; then none of its tokens is looked at.
    denied_calls_per_s = 10 in 1..=1_000_000,
    /// Calls without a valid token one connection may make at once.
    denied_calls_burst = 50 in 1..=1_000_000,
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

    /// [`Self::connection_age_max_s`] as a duration.
    #[must_use]
    pub fn connection_age(&self) -> Duration {
        Duration::from_secs(self.connection_age_max_s.into())
    }

    /// [`Self::tcp_keepalive_s`] as a duration.
    #[must_use]
    pub fn tcp_keepalive(&self) -> Duration {
        Duration::from_secs(self.tcp_keepalive_s.into())
    }
}
