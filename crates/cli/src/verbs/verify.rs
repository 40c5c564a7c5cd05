//! `handoff verify`: whether a bundle proves what it says. Needs the file and the policy, no service and no network.

use crate::output::{self, Exit, Output, Usage};
use handoff_evidence::report::Lang;
use handoff_evidence::verify::{Options, verify};
use std::path::PathBuf;

/// What to verify, and under which policy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The bundle, an `.evidence.zip`.
    file: PathBuf,
    /// The policy both organisations agreed on. Its fingerprint stands in their agreement; the copy inside a bundle is never
    /// trusted.
    #[arg(long)]
    policy: PathBuf,
    /// Language of the report: en or zh.
    #[arg(long, default_value = "en", value_parser = lang)]
    lang: Lang,
    /// Fail where a sign-off is attested by the service alone.
    #[arg(long)]
    require_signed: bool,
}

fn lang(word: &str) -> Result<Lang, String> {
    Lang::parse(word).ok_or_else(|| "write en or zh".to_owned())
}

/// Verifies. Exit code 0: every check holds; 1: one failed; 2: the file is no bundle; 3: it is newer than this program.
pub(crate) fn run(args: &Args, output: Output) -> anyhow::Result<Exit> {
    let bundle = output::read(&args.file)?;
    let policy = String::from_utf8(output::read(&args.policy)?)
        .map_err(|_| Usage(format!("{} is no text", args.policy.display())))?;
    let report = verify(&bundle, &policy, Options { require_signed: args.require_signed });
    let text = match output {
        Output::Text => report.text(args.lang),
        Output::Json => report.json(),
    };
    output::line(text.trim_end());
    Ok(match report.exit_code() {
        0 => Exit::Done,
        1 => Exit::Refused,
        2 => Exit::Usage,
        _ => Exit::Unreachable,
    })
}
