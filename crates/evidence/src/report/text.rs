//! The report for people. First a list of facts, the same for every language; then each fact in its words.

use super::event_names::event_name;
use super::words::{self, Lang, Text};
use super::{Check, EventLine, Finding, Outcome, Proven, Report, SignOffLine, Verdict};
use handoff_domain::ids::{OrgId, StationId};
use handoff_domain::values::Level;

/// Longest value of a bundle's own that is shown, in characters.
const VALUE_CHARACTERS_MAX: usize = 200;

/// Declares the sentences of the report: `{0}`, `{1}` … are the values of the fact.
macro_rules! phrases {
    ($( $name:ident: $en:literal, $zh:literal; )*) => {
        /// A sentence of the report.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Phrase { $( $name ),* }

        impl Phrase {
            #[cfg(test)]
            pub(super) const ALL: &'static [Self] = &[ $( Self::$name ),* ];

            pub(super) const fn text(self) -> Text {
                match self { $( Self::$name => ($en, $zh) ),* }
            }
        }
    };
}

phrases! {
    Proven: "PROVEN. Every check holds.", "已证明。各项核验均通过。";
    NotProven: "NOT PROVEN. These checks failed: {0}.", "未证明。以下核验未通过：{0}。";
    Unreadable: "UNREADABLE. Nothing could be checked.", "无法读取。未能进行核验。";
    Newer: "NOT CHECKED TO THE END. The bundle is newer than this verifier; take a newer one.",
        "未核验完毕。证据包版本高于本核验程序，请使用更新的核验程序。";
    Closed: "Incident {0} was closed at {1}.", "警情 {0} 于 {1} 办结。";
    ClosedByRuling: "Incident {0} was closed at {1}, by ruling.", "警情 {0} 于 {1} 依裁定办结。";
    SaidClosed: "By its events, which are not proven, incident {0} was closed at {1}.",
        "据未经证明的事件记录，警情 {0} 于 {1} 办结。";
    SaidClosedByRuling: "By its events, which are not proven, incident {0} was closed at {1}, by ruling.",
        "据未经证明的事件记录，警情 {0} 于 {1} 依裁定办结。";
    NotClosed: "Incident {0}: the events do not show that it was closed.", "警情 {0}：事件未能表明其已办结。";
    Between: "Proven by {0}: the closing lies between {1} and {2}.", "由 {0} 见证：办结发生于 {1} 至 {2} 之间。";
    Until: "Proven by {0}: the closing lies before {1}; the bundle shows no earlier witnessed log.",
        "由 {0} 见证：办结发生于 {1} 之前；证据包未附更早的经见证日志。";
    NoWitness: "No witness stands behind it.", "没有见证方予以见证。";
    Tree: "Log {0}, {1} entries, root {2}.", "日志 {0}，共 {1} 条，根 {2}。";
    Policy: "Policy {0}: compare it with the agreement on paper.", "策略 {0}：请与书面联动协议核对。";
    Bundle: "Bundle {0}.", "证据包 {0}。";
    SignOffs: "Sign-offs", "签字";
    NoSignOffs: "  none", "  无";
    SignOff: "  {0}  {1}: {2}, {3}, {4}", "  {0}  {1}：{2}，{3}，{4}";
    SignOffBad: "        does NOT hold, see C7", "        不成立，见 C7";
    Substitute: "        a substitute signed: {0}", "        由代签人签名：{0}";
    InPlaceOf: "        for {0}", "        对象：{0}";
    Stands: "        {0}", "        {0}";
    Key: "        key {0}", "        密钥 {0}";
    Doubted: "        the organisation doubts signatures of this key from {0} on", "        该单位自 {0} 起对此密钥的签名存疑";
    Fields: "Sealed fields: DISCLOSED {0}, WITHHELD {1}, ERASED {2}, BAD {3}",
        "封存字段：已出示 {0}，未出示 {1}，已删除 {2}，不符 {3}";
    Checks: "Checks", "核验";
    Check: "  {0} {1}: {2}", "  {0} {1}：{2}";
    CheckEmpty: "  {0} {1}: {2}, {3}", "  {0} {1}：{2}，{3}";
    Finding: "      - {0}: {1}", "      - {0}：{1}";
    FindingMore: "      - {0}: {1} ({2})", "      - {0}：{1}（{2}）";
    Further: "      - and {0} more", "      - 另有 {0} 处";
    Meaning: "      What it means: {0}.", "      含义：{0}。";
    Warning: "      note: {0}: {1}", "      注意：{0}：{1}";
    WarningMore: "      note: {0}: {1} ({2})", "      注意：{0}：{1}（{2}）";
    Events: "Events, by the service's clock", "事件（以系统时钟为准）";
    NoEvents: "  none that can be read", "  没有可读取的事件";
    Event: "  {0}  {1}  {2}  {3}  {4}  {5}", "  {0}  {1}  {2}  {3}  {4}  {5}";
    NotProvenHead: "What is not proven", "未证明的事项";
    NotReopened: "  - that the case was not reopened after entry {0} of the log: ask either witness",
        "  - 日志第 {0} 条之后警情未被重新开启：请向任一见证方查询";
    NotReopenedAtAll: "  - that the case was not reopened later: ask either witness",
        "  - 警情此后未被重新开启：请向任一见证方查询";
    NotTheOfficer: "  - that a step \"recorded by the service\" or \"attested only\" was made by the officer it names",
        "  - “系统记录”或“仅系统认证”的步骤确由所称民警本人作出";
    NotTrue: "  - that anything told at the scene, by phone or in a text is true",
        "  - 现场、电话或文字中所述内容属实";
}

/// A value of a fact: the same in every language, a word of the report, or several of both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Plain(String),
    Word(Text),
    /// A word with one value in it.
    Filled(Text, String),
    /// Names, one after the other.
    Names(Vec<String>),
    /// Words and values side by side.
    Pairs(Vec<(Text, String)>),
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fact(pub(super) Phrase, pub(super) Vec<Value>);

pub(super) fn write(report: &Report, lang: Lang) -> String {
    let mut text = String::new();
    for Fact(phrase, values) in facts(report) {
        text.push_str(&fill(lang.of(phrase.text()), &values, lang));
        text.push('\n');
    }
    text
}

fn fill(template: &str, values: &[Value], lang: Lang) -> String {
    let mut filled = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let (number, after) = after.split_once('}').unwrap_or((after, ""));
        let value = number.parse::<usize>().ok().and_then(|at| values.get(at));
        filled.push_str(&value.map(|value| shown(value, lang)).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn shown(value: &Value, lang: Lang) -> String {
    match value {
        Value::Plain(text) => text.clone(),
        Value::Word(text) => lang.of(*text).to_owned(),
        Value::Filled(text, value) => fill(lang.of(*text), &[Value::Plain(value.clone())], lang),
        Value::Names(names) => match (names.split_last(), lang) {
            (Some((last, before)), Lang::En) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
            (_, Lang::En | Lang::Zh) => names.join("、"),
        },
        Value::Pairs(pairs) => {
            let pair = |(name, value): &(Text, String)| format!("{} {value}", lang.of(*name));
            pairs.iter().map(pair).collect::<Vec<_>>().join(lang.of((", ", "，")))
        }
    }
}

/// A text that came with the bundle, cut short and on one line: a reader's screen is not the bundle's to draw on.
fn tame(text: &str) -> String {
    let letter = |c: char| if c.is_control() { ' ' } else { c };
    let mut tame: String = text.chars().take(VALUE_CHARACTERS_MAX).map(letter).collect();
    if text.chars().nth(VALUE_CHARACTERS_MAX).is_some() {
        tame.push('…');
    }
    tame
}

fn plain(value: &(impl ToString + ?Sized)) -> Value {
    Value::Plain(tame(&value.to_string()))
}

/// Every fact of a report, in its order.
pub(super) fn facts(report: &Report) -> Vec<Fact> {
    let mut facts = Vec::new();
    verdict(report, &mut facts);
    sign_offs(report, &mut facts);
    let fields = report.fields;
    let counts = [fields.disclosed, fields.withheld, fields.erased, fields.bad];
    facts.push(Fact(Phrase::Fields, counts.iter().map(plain).collect()));
    facts.push(Fact(Phrase::Checks, Vec::new()));
    report.checks.iter().for_each(|check| of_check(check, &mut facts));
    facts.push(Fact(Phrase::Events, Vec::new()));
    if report.events.is_empty() {
        facts.push(Fact(Phrase::NoEvents, Vec::new()));
    }
    facts.extend(report.events.iter().map(event));
    facts.push(Fact(Phrase::NotProvenHead, Vec::new()));
    facts.push(match &report.proven {
        Some(proven) => Fact(Phrase::NotReopened, vec![plain(&proven.size)]),
        None => Fact(Phrase::NotReopenedAtAll, Vec::new()),
    });
    facts.extend([Fact(Phrase::NotTheOfficer, Vec::new()), Fact(Phrase::NotTrue, Vec::new())]);
    facts
}

fn verdict(report: &Report, facts: &mut Vec<Fact>) {
    let failed = report.checks.iter().filter(|check| check.outcome == Outcome::Failed);
    let failed = failed.map(|check| check.id.as_str().to_owned()).collect();
    facts.push(match report.verdict {
        Verdict::Proven => Fact(Phrase::Proven, Vec::new()),
        Verdict::NotProven => Fact(Phrase::NotProven, vec![Value::Names(failed)]),
        Verdict::Unreadable => Fact(Phrase::Unreadable, Vec::new()),
        Verdict::Newer => Fact(Phrase::Newer, Vec::new()),
    });
    // What is not proven is not told as if it had happened.
    let (closed, by_ruling) = match report.verdict {
        Verdict::Proven => (Phrase::Closed, Phrase::ClosedByRuling),
        Verdict::NotProven | Verdict::Unreadable | Verdict::Newer => (Phrase::SaidClosed, Phrase::SaidClosedByRuling),
    };
    facts.extend(report.incident.map(|incident| match report.closed_at {
        Some(at) => Fact(if report.by_ruling { by_ruling } else { closed }, vec![plain(&incident), plain(&at)]),
        None => Fact(Phrase::NotClosed, vec![plain(&incident)]),
    }));
    // "Proven by" is said of what is proven and of nothing else.
    if let (Some(proven), Verdict::Proven) = (&report.proven, report.verdict) {
        witnessed(proven, facts);
    }
    facts.push(Fact(Phrase::Policy, vec![plain(&report.policy)]));
    facts.push(Fact(Phrase::Bundle, vec![plain(&report.bundle)]));
}

fn witnessed(proven: &Proven, facts: &mut Vec<Fact>) {
    let names = || Value::Names(proven.witnesses.iter().map(|name| tame(name)).collect());
    facts.push(match (proven.not_before, proven.witnessed) {
        (Some(from), Some((_, until))) => Fact(Phrase::Between, vec![names(), plain(&from), plain(&until)]),
        (None, Some((_, until))) => Fact(Phrase::Until, vec![names(), plain(&until)]),
        (_, None) => Fact(Phrase::NoWitness, Vec::new()),
    });
    facts.push(Fact(Phrase::Tree, vec![plain(&proven.log), plain(&proven.size), plain(&proven.root)]));
}

fn seat(org: &OrgId, station: Option<&StationId>) -> String {
    station.map_or_else(|| org.to_string(), |station| format!("{org}/{station}"))
}

fn sign_offs(report: &Report, facts: &mut Vec<Fact>) {
    facts.push(Fact(Phrase::SignOffs, Vec::new()));
    if report.sign_offs.is_empty() {
        facts.push(Fact(Phrase::NoSignOffs, Vec::new()));
    }
    report.sign_offs.iter().for_each(|line| sign_off(line, facts));
}

fn sign_off(line: &SignOffLine, facts: &mut Vec<Fact>) {
    let officer = line.officer.as_ref().map_or("-", |officer| officer.as_str());
    facts.push(Fact(
        Phrase::SignOff,
        vec![
            plain(&format!("{:04}", line.seq)),
            Value::Word(words::action(line.action)),
            plain(&seat(&line.org, line.station.as_ref())),
            plain(&officer),
            Value::Word(words::level(line.level)),
        ],
    ));
    if !line.holds {
        facts.push(Fact(Phrase::SignOffBad, Vec::new()));
    }
    let mut put = |phrase: Phrase, value: Option<Value>| {
        facts.extend(value.map(|value| Fact(phrase, vec![value])));
    };
    put(Phrase::Substitute, line.substitute.as_ref().map(|value| plain(&value)));
    put(Phrase::Stands, line.ruling.map(|ruling| Value::Word(words::ruling(ruling))));
    put(Phrase::InPlaceOf, line.in_place_of.as_ref().map(|value| plain(&value)));
    // A key that did not sign is not shown as if it had.
    let signed = line.holds && line.level != Level::Attested;
    put(Phrase::Key, line.key.as_ref().filter(|_| signed).map(|value| plain(&value)));
    put(Phrase::Doubted, line.compromised_since.map(|value| plain(&value)));
}

fn of_check(check: &Check, facts: &mut Vec<Fact>) {
    let mut values =
        vec![plain(&check.id), Value::Word(words::check_name(check.id)), Value::Word(words::outcome(check.outcome))];
    if check.outcome == Outcome::NotApplicable {
        values.push(Value::Word(words::check_empty(check.id)));
        facts.push(Fact(Phrase::CheckEmpty, values));
    } else {
        facts.push(Fact(Phrase::Check, values));
    }
    facts.extend(check.findings.iter().map(|one| finding(one, Phrase::Finding, Phrase::FindingMore)));
    if check.further > 0 {
        facts.push(Fact(Phrase::Further, vec![plain(&check.further)]));
    }
    if check.outcome == Outcome::Failed {
        facts.push(Fact(Phrase::Meaning, vec![Value::Word(words::check_meaning(check.id))]));
    }
    facts.extend(check.warnings.iter().map(|one| finding(one, Phrase::Warning, Phrase::WarningMore)));
}

fn finding(finding: &Finding, short: Phrase, long: Phrase) -> Fact {
    let (place, name) = words::place(&finding.place);
    let mut values = vec![Value::Filled(place, tame(&name)), Value::Word(finding.problem.texts())];
    if finding.details.is_empty() {
        return Fact(short, values);
    }
    let pairs = finding.details.iter().map(|(detail, value)| (words::detail(*detail), tame(value)));
    values.push(Value::Pairs(pairs.collect()));
    Fact(long, values)
}

fn event(line: &EventLine) -> Fact {
    let values = vec![
        plain(&format!("{:04}", line.seq)),
        plain(&line.at),
        Value::Word(event_name(line.type_name)),
        plain(&seat(&line.org, line.station.as_ref())),
        Value::Word(words::role(line.role)),
        Value::Word(words::voice(line.voice)),
    ];
    Fact(Phrase::Event, values)
}
