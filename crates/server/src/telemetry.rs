//! Structured logs on stderr.
//!
//! A line holds what happened, coded reasons, organisations, methods and durations; never caller data, a place, a
//! token, a pseudonym or the content of an incident (security, 7). Two things guard that here: the libraries below
//! are held at `warn`, since at lower levels some of them print headers, and a panic is logged by its place alone.

use crate::config::{Log, LogFormat, LogLevel};
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// Beginning of every module of ours.
const OURS: &str = "handoff";

/// The log could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("another log is set up in this process")]
pub struct TelemetryError(#[source] TryInitError);

/// Sets up the log of the process, and what is logged of a panic. Called once, in `main`.
///
/// # Errors
/// A log is set up already.
pub fn init(log: Log) -> Result<(), TelemetryError> {
    tracing_subscriber::registry().with(layer(log, std::io::stderr)).try_init().map_err(TelemetryError)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic.place = place, "a task panicked; its message is not logged, it may hold content");
    }));
    Ok(())
}

/// One line per event, written by `writer`.
fn layer<S, W>(log: Log, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'a> fmt::MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(log.level);
    match log.format {
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(writer).with_filter(filter).boxed(),
        LogFormat::Text => {
            let colour = std::io::stderr().is_terminal();
            fmt::layer().with_ansi(colour).with_writer(writer).with_filter(filter).boxed()
        }
    }
}

/// Our own modules at the configured level, everything else at `warn` at most.
fn filter(level: LogLevel) -> Targets {
    let ours = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(ours.min(LevelFilter::WARN)).with_target(OURS, ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: Log, what: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::registry().with(layer(log, move || writer.clone()));
        tracing::subscriber::with_default(subscriber, what);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_is_one_object_with_a_sentence_and_fields() {
        let text = logged(Log::default(), || tracing::info!(target: "handoff_server", { org.id = "A" }, "ready"));
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!((&line["message"], &line["org.id"], &line["level"]), (&"ready".into(), &"A".into(), &"INFO".into()));
    }

    #[test]
    fn libraries_that_print_headers_are_silent_at_every_level() {
        for level in [LogLevel::Info, LogLevel::Debug, LogLevel::Trace] {
            for format in [LogFormat::Json, LogFormat::Text] {
                let text = logged(Log { level, format }, || {
                    tracing::debug!(target: "h2::codec", "authorization: Bearer ey");
                    tracing::info!(target: "hyper", "authorization: Bearer ey");
                    tracing::warn!(target: "rustls", "a library's warning");
                });
                assert!(!text.contains("Bearer") && text.contains("a library's warning"), "{level:?}: {text}");
            }
        }
    }

    #[test]
    fn the_level_holds_for_our_own_modules() {
        let log = Log { level: LogLevel::Error, format: LogFormat::Text };
        let text = logged(log, || {
            tracing::warn!(target: "handoff_engine", "below");
            tracing::error!(target: "handoff_engine", "above");
            tracing::warn!(target: "sqlx", "a library's");
        });
        assert!(text.contains("above") && !text.contains("below") && !text.contains("a library's"), "{text}");
    }
}
