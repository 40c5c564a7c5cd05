//! The words of the report in both languages.

use super::{CheckId, Detail, Outcome, Place, Voice};
use crate::bundle::Action;
use handoff_domain::caller::Role;
use handoff_domain::event::handoff::Ruling;
use handoff_domain::values::Level;

/// A text in English and in Chinese.
pub(super) type Text = (&'static str, &'static str);

/// A language of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lang {
    /// English.
    #[default]
    En,
    /// Chinese.
    Zh,
}

impl Lang {
    /// The language of a word: `en` or `zh`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "en" => Some(Self::En),
            "zh" => Some(Self::Zh),
            _ => None,
        }
    }

    /// One side of a text.
    pub(super) const fn of(self, text: Text) -> &'static str {
        match self {
            Self::En => text.0,
            Self::Zh => text.1,
        }
    }
}

/// What a check is called.
pub(super) const fn check_name(id: CheckId) -> Text {
    match id {
        CheckId::C1 => ("bundle and policy", "证据包与策略"),
        CheckId::C2 => ("signatures of log and witnesses", "日志与见证方签名"),
        CheckId::C3 => ("every event in the witnessed log", "事件均在经见证的日志中"),
        CheckId::C4 => ("form of the events and who recorded them", "事件格式与记录单位"),
        CheckId::C5 => ("order and completeness", "次序与完整性"),
        CheckId::C6 => ("rules of the case, to its closing", "办理规则及办结"),
        CheckId::C7 => ("sign-offs", "签字"),
        CheckId::C8 => ("officers' keys", "民警密钥登记"),
        CheckId::C9 => ("sealed fields shown", "所出示的封存字段"),
        CheckId::C10 => ("times", "时间"),
    }
}

/// What it means when a check failed.
pub(super) const fn check_meaning(id: CheckId) -> Text {
    match id {
        CheckId::C1 => (
            "the bundle is not what its maker wrote, or rests on another policy than yours; ask for a new one",
            "证据包不是制作时的原样，或所依据的策略与您的不同；请重新索取",
        ),
        CheckId::C2 => (
            "it is not shown that the witnesses of both organisations held this log; nothing is proven against the \
             operator of the service",
            "不能证明双方见证方保存过该日志；对系统运营方没有证明力",
        ),
        CheckId::C3 => (
            "the named events may have been written, changed or added after the witnesses signed",
            "所列事件可能是在见证方签名之后写入、更改或添加的",
        ),
        CheckId::C4 => {
            ("the named events cannot be attributed to the organisation they name", "所列事件不能归于其所称的单位")
        }
        CheckId::C5 => (
            "events are missing, exchanged or of another case; the history is not complete",
            "事件有缺失、调换或来自其他案件；办理过程不完整",
        ),
        CheckId::C6 => (
            "the case did not go as the agreed rules demand, or was not closed; do not take it as closed",
            "办理过程不符合约定规则，或并未办结；不得视为已办结",
        ),
        CheckId::C7 => {
            ("a sign-off does not bind the officer it names to this case", "不能据此认定所称民警已就本案签字")
        }
        CheckId::C8 => (
            "it is not shown that the organisation had enrolled the key for its officer at that time",
            "不能证明该单位当时已为其民警登记该密钥",
        ),
        CheckId::C9 => (
            "a text shown beside the case is not the one that was recorded; do not rely on it",
            "所出示的内容不是当时记录的内容；不得采信",
        ),
        CheckId::C10 => (
            "an earlier checkpoint in the bundle does not hold; the times it bounds are not shown",
            "证据包中的先前检查点不成立；其所限定的时间不能认定",
        ),
    }
}

/// Why there is nothing to look at.
pub(super) const fn check_empty(id: CheckId) -> Text {
    match id {
        CheckId::C7 => ("nothing was signed off in this case", "本案没有签字"),
        CheckId::C8 => ("no registry of keys is part of this bundle", "证据包中没有密钥登记内容"),
        CheckId::C9 => ("the case has no sealed fields", "本案没有封存字段"),
        CheckId::C1 | CheckId::C2 | CheckId::C3 | CheckId::C4 | CheckId::C5 | CheckId::C6 | CheckId::C10 => {
            ("there was nothing to look at", "没有可核验的内容")
        }
    }
}

pub(super) const fn outcome(outcome: Outcome) -> Text {
    match outcome {
        Outcome::Held => ("held", "通过"),
        Outcome::Failed => ("FAILED", "未通过"),
        Outcome::NotApplicable => ("not applicable", "不适用"),
        Outcome::Newer => ("newer than this verifier", "版本高于本核验程序"),
    }
}

pub(super) const fn detail(detail: Detail) -> Text {
    match detail {
        Detail::Line => ("line", "行"),
        Detail::Byte => ("byte", "字节"),
        Detail::Field => ("field", "字段"),
        Detail::Reason => ("reason", "原因"),
        Detail::Witness => ("witness", "见证方"),
        Detail::Organisation => ("organisation", "单位"),
        Detail::Index => ("log index", "日志序号"),
        Detail::Digest => ("digest", "摘要"),
        Detail::Version => ("version", "版本"),
        Detail::Incident => ("incident", "警情"),
        Detail::Time => ("time", "时间"),
        Detail::Key => ("key", "密钥"),
    }
}

/// A place, with what its name stands for.
pub(super) fn place(place: &Place) -> (Text, String) {
    match place {
        Place::Bundle => (("the bundle", "证据包"), String::new()),
        Place::Policy => (("the policy given", "所提供的策略"), String::new()),
        Place::File(name) => (("{0}", "{0}"), name.clone()),
        Place::Event(seq) => (("event {0}", "事件 {0}"), format!("{seq:04}")),
    }
}

pub(super) const fn role(role: Role) -> Text {
    match role {
        Role::Adapter => ("dispatch system", "接处警系统"),
        Role::CallTaker => ("call taker", "接警员"),
        Role::Dispatcher => ("dispatcher", "调度员"),
        Role::Responder => ("responding officer", "处警民警"),
        Role::DutyOfficer => ("duty officer", "值班领导"),
        Role::Supervisor => ("supervisor", "主管领导"),
        Role::Superior => ("common superior", "共同上级"),
        Role::Auditor => ("auditor", "审计员"),
        Role::Admin => ("administrator", "管理员"),
        Role::Witness => ("witness", "见证程序"),
        Role::Service => ("the service itself", "系统自动"),
    }
}

pub(super) const fn action(action: Action) -> Text {
    match action {
        Action::Transfer => ("transfer", "移交"),
        Action::Report => ("result", "结果反馈"),
        Action::Confirm => ("confirmation of the result", "结果确认"),
        Action::Rule => ("ruling", "裁定"),
    }
}

/// How a sign-off was given.
pub(super) const fn level(level: Level) -> Text {
    match level {
        Level::Attested => ("attested only: rests on the service's word", "仅系统认证：没有密钥签名，以系统记载为准"),
        Level::Device => ("signed with a device key", "设备密钥签名"),
        Level::Passkey => ("signed with a passkey, the officer verified by the device", "通行密钥签名，设备已验证本人"),
    }
}

pub(super) const fn voice(voice: Voice) -> Text {
    match voice {
        Voice::Officer => ("signed by officer", "民警签名"),
        Voice::Attested => ("attested only", "仅系统认证"),
        Voice::Service => ("recorded by the service", "系统记录"),
    }
}

/// What a ruling stands in for.
pub(super) const fn ruling(ruling: Ruling) -> Text {
    match ruling {
        Ruling::Agreed => ("in place of the receiver's agreement", "代替接收方同意"),
        Ruling::Kept => ("the custodian keeps the case", "由责任单位继续办理"),
        Ruling::Signature => ("in place of a missing signature", "代替缺少的签名"),
        Ruling::Takeover => ("orders the takeover", "责令接管"),
        Ruling::Receipt => ("in place of a receipt", "代替签收"),
        Ruling::Lead => ("in place of the consent to a change of lead", "代替对变更牵头方的同意"),
        Ruling::LeadStays => ("the lead stays", "牵头方不变"),
        Ruling::JointEnd => ("in place of the consent to end joint handling", "代替对结束联合处置的同意"),
        Ruling::JointStays => ("joint handling goes on", "联合处置继续"),
        Ruling::Support => ("in place of the answer to a request for support: yes", "代替对增援请求的答复：同意"),
        Ruling::SupportNot => ("in place of the answer to a request for support: no", "代替对增援请求的答复：不同意"),
        Ruling::Confirmed => ("in place of the confirmation of the result", "代替结果确认"),
        Ruling::ReportAgain => ("the result has to be reported anew", "须重新反馈结果"),
        Ruling::Objection => ("in place of the answer to an objection", "代替对异议的答复"),
    }
}
