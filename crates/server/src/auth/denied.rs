//! Why a token or certificate does not hold. For the log and the counter; the caller is told nothing of it.

use crate::{error, metrics};
use handoff_domain::refusal::{Reason, Refusal};

/// Declares the causes with their coded reasons.
macro_rules! denied {
    ($( $(#[$meta:meta])* $name:ident = $code:literal ),* $(,)?) => {
        /// Why nobody could be recognised. Never shown outside: see [`Self::report`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        pub enum Denied { $( $(#[$meta])* #[error($code)] $name ),* }

        impl Denied {
            /// Every cause.
            pub const ALL: &'static [Self] = &[ $( Self::$name ),* ];

            /// The coded reason, for the log and as a label.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $( Self::$name => $code ),* }
            }
        }
    };
}

denied! {
    /// No `authorization` value.
    Missing = "missing",
    /// More than one `authorization` value.
    Doubled = "doubled",
    /// The value is longer than 8 KiB.
    TooLong = "too_long",
    /// The value is not `Bearer` and a token.
    NotBearer = "not_bearer",
    /// Not three parts of base64url with JSON objects in the first two, each name once.
    Malformed = "malformed",
    /// The header asks for something we do not do: `crit`, `b64`, `zip`, encryption, a nested token.
    Header = "header",
    /// Another type than `at+jwt`.
    Type = "type",
    /// Another algorithm than the organisation's.
    Algorithm = "algorithm",
    /// No key id, or not a short string.
    KeyId = "key_id",
    /// No issuer that is bound to an organisation.
    Issuer = "issuer",
    /// No key of that id among this issuer's.
    KeyUnknown = "key_unknown",
    /// The issuer has no keys that may be used: never fetched, or not for too long.
    KeysAway = "keys_away",
    /// The signature does not hold, or issuer, audience or a required claim is missing or of another type.
    Signature = "signature",
    /// Over.
    Expired = "expired",
    /// Not valid yet, or issued in the future.
    NotYet = "not_yet",
    /// Lives longer than allowed, or ends before it begins.
    Life = "life",
    /// The subject is not a pseudonym of 1 to 64 characters.
    Subject = "subject",
    /// No role, an unknown one, one its issuer cannot grant, or an adapter with a second role.
    Role = "role",
    /// A station where there is none, or none where there must be one.
    Station = "station",
    /// An adapter without a client name, a malformed one, or another than that of the machine it comes over.
    Client = "client",
    /// The token, or every token of its subject, was taken back.
    Revoked = "revoked",
    /// The organisation's list of what was taken back could not be read since the start.
    ListAway = "list_away",
    /// The connection shows no certificate.
    NoCertificate = "no_certificate",
    /// The authorities of the organisation its name points at do not vouch for the certificate.
    CertificateUnknown = "certificate_unknown",
    /// The certificate is over, or not valid yet.
    CertificateTime = "certificate_time",
    /// The certificate was taken back.
    CertificateRevoked = "certificate_revoked",
    /// The certificate does not name one machine that is registered.
    MachineUnknown = "machine_unknown",
    /// The token is bound to no certificate, or to another than the connection's.
    Unbound = "unbound",
    /// The token is one organisation's, the certificate another's.
    OtherSide = "other_side",
}

impl Denied {
    /// Logs and counts the coded reason; the answer says `TOKEN_INVALID` and nothing about why.
    #[must_use]
    pub fn report(self) -> tonic::Status {
        self.told("a call without a valid token was refused", Reason::TokenInvalid)
    }

    /// The same for a stream that was opened under what holds no longer.
    #[must_use]
    pub fn report_ended(self) -> tonic::Status {
        self.told("a stream was ended: its login or certificate holds no longer", Reason::AccessEnded)
    }

    fn told(self, what: &'static str, reason: Reason) -> tonic::Status {
        tracing::info!(auth.denied = self.code(), "{what}");
        metrics::auth_denied(self.code());
        error::status(&Refusal::new(reason))
    }
}
