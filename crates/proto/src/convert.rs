//! From the wire to commands and orders: parse once, at the edge, and name every bad field.
//!
//! A request is refused only for what is malformed. What is merely unknown, a newer code, a datum nobody converts, a
//! place that is none, goes in as it is or is flagged; whether a move is right is for the rules to say.

mod directory;
mod fields;
mod form;
mod handoffs;
mod incidents;
mod place;
mod reader;
mod reads;
mod registry;
mod results;
mod text;
mod together;

pub use directory::{MAP_BYTES_MAX, MapUpload};
pub use place::GRID7_DEFAULT;
pub(crate) use place::degrees;
pub use reads::{
    ListQuery, StatementAction, StatementQuery, TerritoryQuery, catalogue, handoff, incident, list_directory,
    list_incidents, list_obligations, map, sealed_fields, statement, territory, trace,
};
pub use registry::RegistryUpload;
pub use text::{LINE_BYTES_MAX, PHONE_BYTES_MAX, TEXT_BYTES_MAX};

use handoff_domain::command::{Command, Order};
use handoff_domain::time::Millis;
use handoff_domain::values::Sealed;
use uuid::Uuid;

/// Seals personal values while a request is read. The service passes the engine's sealer, which keeps the values for
/// the side table; where the request is refused, what was sealed is thrown away.
///
/// `path` is the dotted path inside the body of the event that will hold the digest: `narrative`, `caller.phone`,
/// `place.point`, `form.items.0.note`. The text has passed the profile of the log (normal form C, no control
/// characters).
pub trait Seal {
    /// Seals a text.
    fn text(&mut self, path: &str, value: &str) -> Sealed;

    /// Seals a point: 1e-7 degrees from the south pole and from the antimeridian.
    fn point(&mut self, path: &str, lat7: u64, lon7: u64) -> Sealed;

    /// Grid of the point kept in clear, in 1e-7 degrees.
    fn grid7(&self) -> u64 {
        GRID7_DEFAULT
    }
}

/// A point as it came, for asking territory. It goes nowhere else: the log holds it rounded and sealed.
#[derive(Clone, PartialEq, Eq)]
pub struct QueryPoint {
    /// 1e-7 degrees from the south pole.
    pub lat7: u64,
    /// 1e-7 degrees from the antimeridian.
    pub lon7: u64,
    /// The datum as the caller's system calls it; empty when it did not say.
    pub datum: String,
    /// How far off it may be, in metres.
    pub precision_m: Option<u64>,
}

impl std::fmt::Debug for QueryPoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueryPoint").field("datum", &self.datum).finish_non_exhaustive()
    }
}

/// A request about an incident, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The caller's own id of the request.
    pub request_id: Uuid,
    /// What it asks for.
    pub command: Command,
    /// The point it names, where it names one.
    pub point: Option<QueryPoint>,
}

/// A request about the directory, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodedOrder {
    /// The caller's own id of the request.
    pub request_id: Uuid,
    /// The caller's own time.
    pub claimed_at: Option<Millis>,
    /// What it asks for.
    pub order: Order,
}

/// A request that becomes a command.
pub trait IntoCommand: crate::Requested {
    /// Reads the request, sealing what is personal.
    ///
    /// # Errors
    /// Every bad field, not only the first.
    fn into_command(self, seal: &mut dyn Seal) -> Result<Decoded, Violations>;
}

/// A request that becomes a change of the directory.
pub trait IntoOrder: crate::Requested {
    /// Reads the request.
    ///
    /// # Errors
    /// Every bad field, not only the first.
    fn into_order(self) -> Result<DecodedOrder, Violations>;
}

/// One bad field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Dotted path in the request, list items by number; empty for the request as a whole.
    pub path: String,
    /// What is wrong, a published code.
    pub code: &'static str,
    /// Values of the code's text.
    pub params: Vec<(&'static str, String)>,
}

/// Every bad field of a request. Holds no value of the request, so it may be logged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} bad fields in the request", .0.len())]
pub struct Violations(pub Vec<Violation>);

/// Codes of [`Violation`]; the server has their texts.
pub mod codes {
    /// The field is missing.
    pub const REQUIRED: &str = "REQUIRED";
    /// Not a lower-case UUID, or one of the kind the service mints itself.
    pub const NOT_A_UUID: &str = "NOT_A_UUID";
    /// Longer than `max` bytes.
    pub const TOO_LONG: &str = "TOO_LONG";
    /// More than `max` items.
    pub const TOO_MANY: &str = "TOO_MANY";
    /// Not a code.
    pub const NOT_A_CODE: &str = "NOT_A_CODE";
    /// Not a code name.
    pub const NOT_A_NAME: &str = "NOT_A_NAME";
    /// Not a time from 1970 to 9999.
    pub const NOT_A_TIME: &str = "NOT_A_TIME";
    /// Not a duration.
    pub const NOT_A_DURATION: &str = "NOT_A_DURATION";
    /// Outside `min` to `max`.
    pub const OUT_OF_RANGE: &str = "OUT_OF_RANGE";
    /// None of `words`.
    pub const UNKNOWN_WORD: &str = "UNKNOWN_WORD";
    /// Not in Unicode normal form C.
    pub const NOT_NFC: &str = "NOT_NFC";
    /// A control character, or a code point that is no character.
    pub const CONTROL_CHARACTER: &str = "CONTROL_CHARACTER";
    /// A character that turns the direction of writing.
    pub const BIDI_CONTROL: &str = "BIDI_CONTROL";
    /// Not `sha256:` and 64 lower-case hexadecimal digits.
    pub const NOT_A_DIGEST: &str = "NOT_A_DIGEST";
    /// Not 64 lower-case hexadecimal digits.
    pub const NOT_A_KEY: &str = "NOT_A_KEY";
    /// Nothing is set where something must be.
    pub const EMPTY_MESSAGE: &str = "EMPTY_MESSAGE";

    /// All of them.
    pub const ALL: [&str; 16] = [
        REQUIRED,
        NOT_A_UUID,
        TOO_LONG,
        TOO_MANY,
        NOT_A_CODE,
        NOT_A_NAME,
        NOT_A_TIME,
        NOT_A_DURATION,
        OUT_OF_RANGE,
        UNKNOWN_WORD,
        NOT_NFC,
        CONTROL_CHARACTER,
        BIDI_CONTROL,
        NOT_A_DIGEST,
        NOT_A_KEY,
        EMPTY_MESSAGE,
    ];
}

/// Whether a field says nothing.
fn is_empty<T: Default + PartialEq>(field: &T) -> bool {
    *field == T::default()
}

/// What several fields make, if each of them was read.
fn all<T>(make: impl FnOnce() -> Option<T>) -> Option<T> {
    make()
}

/// Declares how a request is read: its fields with the reader's method for each, and what they become. All fields are
/// read before the first missing one ends it, so that every violation is found.
macro_rules! command {
    (
        $request:ident, $kind:ident, ($( $field:ident: $method:ident ),* $(,)?) => $make:expr
        $(, any($( $any:ident ),*))?
    ) => {
        impl crate::Requested for crate::v1::$request {
            fn request_id(&self) -> &str {
                &self.request_id
            }
        }

        impl crate::IntoCommand for crate::v1::$request {
            fn into_command(self, seal: &mut dyn crate::Seal) -> Result<crate::Decoded, crate::Violations> {
                let mut reader = crate::convert::reader::Reader::sealing(seal);
                let head = reader.head(&self.request_id, &self.incident, &self.claimed_time, &self.acting_for);
                let expected = crate::convert::command!(@expected $kind, reader, self);
                $( let $field = reader.$method(stringify!($field), &self.$field); )*
                // At least one of these has to say something.
                $( if [$( crate::convert::is_empty(&self.$any) ),*].into_iter().all(|is_empty| is_empty) {
                    reader.nothing_set();
                } )?
                let act = crate::convert::all(|| { $( let $field = $field?; )* Some($make) });
                reader.command(head, expected, act)
            }
        }
    };
    (@expected fact, $reader:ident, $request:ident) => {
        Some(handoff_domain::command::Expected::default())
    };
    (@expected decision, $reader:ident, $request:ident) => { $reader.expected(&$request.expected, false) };
    (@expected on_handoff, $reader:ident, $request:ident) => { $reader.expected(&$request.expected, true) };
    (@expected maybe_on_handoff, $reader:ident, $request:ident) => {
        $reader.expected(&$request.expected, !$request.handoff.is_empty())
    };
}
use command;
