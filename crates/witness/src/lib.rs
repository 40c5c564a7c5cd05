//! A witness (evidence, 6): a mirror of the log on a host and under a key of its own. It validates every entry before it
//! cosigns the checkpoint over it, and keeps everything, so that it can give out the bundle of any case by itself.
//!
//! Reading order: [`code`] says why something is refused; [`Validator`] judges entries and checkpoints, pure; [`Mirror`]
//! keeps them; [`Witness`] puts both in the one order that is safe (stored, marked, signed, given out); [`run`] dials out
//! to the service and starts again after every loss.
//!
//! Nothing in handling an emergency waits for a witness.
#![warn(missing_docs)]

pub mod code;
mod export;
mod line;
mod mark;
mod mirror;
mod recheck;
mod run;
mod settings;
mod silence;
mod validator;
mod witness;

pub use code::{Code, Refusal};
pub use export::ExportError;
pub use line::{Grpc, Heard, Line, Stream};
pub use mark::{Mark, MarkError, MarkFile};
pub use mirror::{Alarm, Fault, Mirror, MirrorError, Row, State};
pub use recheck::{RecheckError, Rechecked, recheck};
pub use run::{Pace, run};
pub use settings::{AcceptFault, Settings, SettingsError, key_of_file};
pub use silence::{Silence, Turn};
pub use validator::{Entry, Past, PastError, Taken, Validator};
pub use witness::{Clock, Counts, OpenError, Point, Step, StepError, Witness};
