use super::read::NONE;
use super::{Group, Needs, Parts, Range};
use crate::keys::{TYPE_COSIGNATURE, TYPE_NOTE, vkey};
use crate::lines::hex;

/// The file of these parts.
pub(super) fn c2sp(parts: &Parts) -> String {
    let mut out = String::new();
    for log in &parts.logs {
        let name = log.origin();
        line(&mut out, ["log", &vkey(&name, TYPE_NOTE, &log.key)], log.url.as_deref());
        if let Some(sizes) = &log.sizes {
            line(&mut out, ["# handoff log", &name, &range(sizes)], None);
        }
    }
    for witness in &parts.witnesses {
        let vkey = vkey(&witness.key_name, TYPE_COSIGNATURE, &witness.key);
        line(&mut out, ["witness", &witness.name, &vkey], witness.url.as_deref());
    }
    groups(&mut out, parts);
    for recorder in &parts.recorders {
        let (key, indices) = (hex(&recorder.key), range(&recorder.indices));
        line(&mut out, ["# handoff recorder", recorder.org.as_str(), &key, &indices], None);
    }
    for (org, registrars) in &parts.registrars {
        line(&mut out, ["# handoff registry", org.as_str(), &registrars.stream.to_string()], None);
        for key in &registrars.keys {
            line(&mut out, ["# handoff registrar", org.as_str(), &hex(key)], None);
        }
        line(&mut out, ["# handoff registrars", org.as_str(), &registrars.needed.to_string()], None);
    }
    out
}

/// The same for Sigsum's tools: bare keys in hexadecimal, and no lines of ours.
pub(super) fn sigsum(parts: &Parts) -> String {
    let mut out = String::new();
    for log in &parts.logs {
        line(&mut out, ["log", &hex(&log.key)], log.url.as_deref());
    }
    for witness in &parts.witnesses {
        line(&mut out, ["witness", &witness.name, &hex(&witness.key)], witness.url.as_deref());
    }
    groups(&mut out, parts);
    out
}

fn groups(out: &mut String, parts: &Parts) {
    for Group { name, needs, members } in &parts.groups {
        let needs = match needs {
            Needs::All => "all".to_owned(),
            Needs::Any => "any".to_owned(),
            Needs::Count(count) => count.to_string(),
        };
        line(out, ["group", name, &needs, &members.join(" ")], None);
    }
    line(out, ["quorum", parts.quorum.as_deref().unwrap_or(NONE)], None);
}

fn range(range: &Range) -> String {
    let until = range.until.map_or_else(String::new, |until| format!(" until {until}"));
    format!("from {}{until}", range.from)
}

fn line<const N: usize>(out: &mut String, items: [&str; N], last: Option<&str>) {
    out.push_str(&items.join(" "));
    if let Some(last) = last {
        out.push(' ');
        out.push_str(last);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests;
