//! What people read: every reason and every field code in English and Chinese, written for a duty officer at night:
//! what happened, then what to do.
//!
//! `{name}` is a value of the refusal. A part in `[ ]` is left out where one of its values is not there, so no text
//! ever shows an empty hole; a test holds every `{name}` inside such a part and both languages to the same names.

use handoff_domain::refusal::Reason;

/// One message in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// English.
    pub(crate) en: &'static str,
    /// Chinese.
    pub(crate) zh: &'static str,
}

/// Fills a text with values.
pub(super) fn fill(text: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let mut filled = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some(open) = rest.find('[') {
        let (before, part) = rest.split_at(open);
        let (part, after) = part[1..].split_once(']').unwrap_or((&part[1..], ""));
        filled.push_str(before);
        filled.push_str(&fill_part(part, &value).unwrap_or_default());
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// A part with its values; none where one of them is missing.
fn fill_part(part: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = part;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    filled.push_str(rest);
    Some(filled)
}

/// The text of a reason. Exhaustive: a new reason does not compile without its texts in both languages.
macro_rules! reasons {
    ($( $name:ident: $en:literal, $zh:literal; )*) => {
        /// What a reason says to people.
        #[must_use]
        pub(super) const fn reason(reason: Reason) -> Text {
            match reason { $( Reason::$name => Text { en: $en, zh: $zh } ),* }
        }
    };
}

reasons! {
    RoleNotAllowed: "Your role may not do this[; it needs {needs}]. Ask somebody at your station who may.",
        "您的角色无权执行此操作[，需要的角色：{needs}]。请由本单位有权限的人员办理。";
    WrongSide: "Your station has no such part in this case[; this is for the {needs}]. Look at who owes the next move.",
        "贵所在本警情中没有此项职责[，应由{needs}办理]。请查看当前待办责任方。";
    OtherOrganisation: "This belongs to the other organisation; nobody acts for the other side. Ask them to do it.",
        "此项属于对方单位，任何一方不得代替对方操作。请联系对方办理。";
    DecidesAndSigns: "You already decided or signed on this form; from offer to takeover nobody does both. \
        Let another officer of your side do the other.",
        "您已在本移交单上作出决定或签名；自提出移交至接管，同一人不得既决定又签名。请由本方另一名民警办理。";
    NotTheSigner: "Only the signer named for your side may sign. Sign as that officer, or let your duty officer name \
        a substitute.",
        "只有本方指定的签名民警可以签名。请由该民警签名，或由值班领导指定代签人。";
    IncidentNotFound: "There is no such incident, or it is not known to your station. Check the id.",
        "没有此警情，或此警情未向贵所公开。请核对警情编号。";
    HandoffNotFound: "This incident has no such handoff. Open the incident and look at its handoffs.",
        "此警情没有该移交。请打开警情查看移交记录。";
    StationNotFound: "There is no such station in the directory[: {station}]. Check the code name, or ask your admin \
        to enter it.",
        "单位名录中没有该派出所[：{station}]。请核对代号，或请管理员录入。";
    ObjectNotFound: "There is no such entry, unit, request or record. Read the case again and check the id.",
        "没有该条目、警力单元、请求或记录。请重新读取警情并核对编号。";
    IncidentExists: "An incident with this id exists already. If it is yours, go on with it; for a new call use a new \
        id.",
        "该编号的警情已存在。如为本单位警情请继续办理；新接警请使用新编号。";
    MoveNotLegal: "This is not possible now[; the case is in state {state}][. Possible now: {legal_moves}].",
        "当前不能执行此操作[，案件状态为{state}][。当前可执行：{legal_moves}]。";
    StaleVersion: "The case has changed since you last saw it[; it is now in state {state_now}]. Read it again, then \
        decide[. Possible now: {legal_moves}].",
        "案件自您上次查看后已有变化[，当前状态为{state_now}]。请重新查看后再作决定[。当前可执行：{legal_moves}]。";
    FormIncomplete: "The transfer form is not complete[; missing: {fields}]. Fill these in, or mark them \"not known \
        yet\" where that is allowed.",
        "移交单不完整[，缺少：{fields}]。请补填；允许时可注明“暂不详”。";
    HandoffOpen: "Another handoff of this incident is still open[, in state {state}]. Finish, keep or recall that one \
        first.",
        "此警情已有一项未结束的移交[，状态为{state}]。请先办结、自行办理或撤回该移交。";
    NoUnitAssigned: "No unit is assigned yet. Send a unit, or let the duty officer record NO_RESPONSE_NEEDED, or ask \
        for support and record NO_UNIT_FREE; then offer.",
        "尚未派出警力。请先派警，或由值班领导记录“无需出警”（NO_RESPONSE_NEEDED），或提出增援请求并记录\
        “无警力可派”（NO_UNIT_FREE），然后再提出移交。";
    SameStation: "The case is already with that station; it cannot be handed to its own custodian. Choose another \
        station.",
        "该派出所已是本警情的责任单位，不能移交给自己。请选择其他派出所。";
    AgreementExpired: "The agreement to this form has run out[, at {expired_at}]; its signatures no longer count. \
        The receiver agrees again, then both sides sign again.",
        "对本移交单的同意已过期[（{expired_at}）]，原签名失效。请接收方重新同意，双方重新签名。";
    StatementMismatch: "The signature is over another text than the form agreed on. Load the form again, read it and \
        sign that one.",
        "签名所对应的内容与双方同意的移交单不一致。请重新载入移交单，核对后签名。";
    LevelTooWeak: "The two stations ask for a stronger signature[: at least {least}]. Sign with a registered device key or \
        passkey.",
        "联动协议要求更高级别的签名[，至少为{least}]。请使用已登记的设备密钥或通行密钥签名。";
    KeyNotEnrolled: "This key is not enrolled for you, in this role, in your organisation's newest registry of keys, or it is \
        revoked there. Sign with a key that is, or have your registrars enrol this one.",
        "所用密钥未在本单位最新的密钥登记册中为您以此身份登记，或已被吊销。请使用已登记的密钥，或请登记员为此密钥登记。";
    SignatureInvalid: "The signature does not hold under this statement with this key. Load the statement again, read it and \
        sign it with your key.",
        "该密钥对此签署声明的签名无效。请重新载入签署声明，核对后用您的密钥签名。";
    RegistryInvalid: "This is not the next state of the registry of keys[: {why}]. Draft it anew from the registry as it is \
        and have the registrars sign that.",
        "这不是密钥登记册的有效更新[：{why}]。请依据当前登记册重新起草，并由登记员签名。";
    AlreadySigned: "Your side has signed this version of the form. Nothing is left to sign.",
        "本方已签署此版本的移交单，无需再签。";
    CodeNotAllowed: "This code cannot be used here[: {code}][. Allowed: {allowed}]. Choose one of the published list.",
        "此处不能使用该代码[：{code}][。可用代码：{allowed}]。请从公布的代码表中选择。";
    ObligationsLeft: "The incident cannot be closed; something is still owed[: {owed}]. Settle each item first.",
        "警情不能办结，仍有待办责任[：{owed}]。请逐项办理后再办结。";
    NotOverdue: "The other side's time is not over yet[; it ends at {due_at}]. Wait until then, or phone them.",
        "对方的办理时限尚未到期[，到期时间：{due_at}]。请等待，或电话联系对方。";
    NotAtSuperior: "This has not reached the common superior, who therefore cannot rule on it yet. Raise a dispute, or \
        wait until it escalates.",
        "此事项尚未报至共同上级，目前不能裁定。请先提出争议，或等待逐级上报。";
    StandByNotAllowed: "Standing by is possible once per handoff and not for longer than allowed[: {max}]. Agree, \
        decline or counter.",
        "每次移交只能暂缓一次，且不得超过允许时长[：{max}]。请同意、退回或提出补充要求。";
    EntryNotOwn: "After the takeover the former custodian adds entries and changes none. Add a new entry with the \
        correction.",
        "接管后原责任单位只能追加，不能更改。请以新条目作出更正。";
    EntryNotStrikable: "This entry cannot be struck, or is struck already. Enter the correct fact as a new entry.",
        "该条目不能撤销，或已被撤销。请以新条目录入正确内容。";
    DrillMismatch: "Drill and real cases are never mixed. Record a real event met in a drill as a new incident.",
        "演练与真实警情不得混合。演练中遇到的真实事件请作为新警情登记。";
    DrillNotOpen: "The drill is not open for both stations now. Check its number and time window; a duty officer of \
        each station opens it.",
        "该演练当前未对双方开放。请核对演练编号和时段；演练须由双方值班领导开启。";
    NoAgreement: "No agreement between the two stations is in force[: {one}, {other}]. Phone the other station; ask both admins to \
        ratify one.",
        "两所之间没有生效的联动协议[：{one}，{other}]。请电话联系对方，并请双方管理员签订协议。";
    MergeNotPossible: "These two incidents cannot be one[: {problem}]. Link them as RELATED instead.",
        "这两起警情不能合并[：{problem}]。可改为建立关联（RELATED）。";
    IncidentIsAlias: "This incident was merged into another one[: {survivor}]. Open that one and act there.",
        "此警情已并入另一警情[：{survivor}]。请在该警情中办理。";
    LimitExceeded: "A limit is reached[ at {fields}][: at most {max}]. Send less, or split the case.",
        "已达上限[，位置：{fields}][，最多{max}]。请减少内容，或拆分警情。";
    InvalidField: "A field is missing or malformed[: {fields}]. Correct it and send again.",
        "字段缺失或格式有误[：{fields}]。请更正后重新提交。";
    RequestIdReused: "This request id was used for another request. Send this one with a new id.",
        "该请求编号已用于另一请求。请使用新的请求编号。";
    NotImplemented: "This part of the service is not built yet[: {part}]. Use the phone and the printed form.",
        "此功能尚未提供[：{part}]。请使用电话和纸质移交单办理。";
    EvidenceNotReady: "No signed checkpoint covers this yet, or this service has no policy of witnesses. Ask again in a \
        second; if this lasts, have somebody look at the witnesses and at evidence.policy_file.",
        "尚无签名检查点涵盖此内容，或本服务未配置见证策略。请稍后重试；如持续出现，请检查见证程序和 evidence.policy_file 配置。";
    QueueFull: "Too many requests wait; this one was not accepted. It will be sent again; if this lasts, use the \
        phone.",
        "等待处理的请求过多，本请求未被接收，将自动重发。如持续出现，请改用电话。";
    RateLimited: "Too many requests at once[: at most {max} a second]; this one was not accepted. It will be sent \
        again; if this lasts, have somebody look for a program that calls in a loop.",
        "请求过于频繁[：每秒最多{max}次]，本请求未被接收，将自动重发。如持续出现，请检查是否有程序在循环调用。";
    NotAccepted: "The service is stopping or its store is away; nothing was recorded. It will be sent again; if this \
        lasts, use the phone and the printed form.",
        "服务正在停止或存储不可用，内容未被记录，将自动重发。如持续出现，请使用电话和纸质移交单。";
    OutcomeUnknown: "It is not known whether this was recorded. It will be asked again with the same request id; do \
        not enter it a second time.",
        "无法确认本操作是否已记录，将以同一请求编号自动查询。请勿重复录入。";
    TokenInvalid: "You are not signed in, or no longer. Sign in again.",
        "您尚未登录或登录已失效。请重新登录。";
    AccessEnded: "Your login or this computer's certificate no longer holds. Sign in again; if that fails, ask your \
        administrator.",
        "您的登录或本机证书已失效。请重新登录；如仍失败，请联系管理员。";
    DataLoss: "The resume token does not match the log; entries you have seen may be gone[. The log ends at {head}]. \
        Stop, tell the operator, then read the cases anew.",
        "续传凭据与日志不符，已读取的条目可能丢失[。日志当前末位：{head}]。请停止并通知运维人员，然后重新读取警情。";
    CursorInvalid: "The resume or page token is not one of this list. Start the list again from its beginning.",
        "续传或分页凭据不属于此列表。请从头重新读取列表。";
    MessageTooLarge: "The message is too large[; at most {max} bytes]. Send less at once.",
        "消息过大[，最多{max}字节]。请减少单次提交的内容。";
    MapInvalid: "The boundary file cannot be used[: {problem}]. Correct it and check it with `handoff territory check`.",
        "边界文件不能使用[：{problem}]。请更正，并用 `handoff territory check` 检查。";
    SubscriberTooSlow: "The subscriber did not keep up and was disconnected. Resume from the last token; nothing is \
        lost.",
        "订阅端处理过慢，已断开。请从上次的续传凭据继续，内容不会丢失。";
    StreamEnded: "The stream ended as planned. Resume from its last token; nothing is lost.",
        "数据流按计划结束。请从最后的续传凭据继续，内容不会丢失。";
}

/// What is wrong with a field, by code. Published in `docs/errors.md`; a test compares.
pub(super) const VIOLATIONS: [(&str, Text); 20] = [
    ("REQUIRED", Text { en: "is missing; fill it in", zh: "缺失，请填写" }),
    (
        "NOT_A_UUID",
        Text {
            en: "is not a UUID; write 8-4-4-4-12 lower-case hexadecimal digits",
            zh: "不是UUID，请按8-4-4-4-12位小写十六进制填写",
        },
    ),
    ("TOO_LONG", Text { en: "is too long[; at most {max} bytes]", zh: "过长[，最多{max}字节]" }),
    ("TOO_MANY", Text { en: "has too many items[; at most {max}]", zh: "项数过多[，最多{max}项]" }),
    (
        "NOT_A_CODE",
        Text {
            en: "is not a code; write 1 to 64 capital letters, digits and underscores, beginning with a letter",
            zh: "不是代码，请填写1至64个大写字母、数字或下划线，并以字母开头",
        },
    ),
    (
        "NOT_A_NAME",
        Text {
            en: "is not a code name; write 1 to 64 letters, digits and - _ . :, beginning with a letter or digit",
            zh: "不是代号，请填写1至64个字母、数字或 - _ . :，并以字母或数字开头",
        },
    ),
    ("NOT_A_TIME", Text { en: "is not a time between 1970 and 9999", zh: "不是1970年至9999年间的时间" }),
    ("NOT_A_DURATION", Text { en: "is not a duration", zh: "不是有效时长" }),
    ("OUT_OF_RANGE", Text { en: "is out of range[; from {min} to {max}]", zh: "超出范围[，应在{min}至{max}之间]" }),
    ("UNKNOWN_WORD", Text { en: "is not a known word[; one of {words}]", zh: "不是已知用语[，应为：{words}]" }),
    ("NOT_NFC", Text { en: "is not in Unicode form NFC; normalise it", zh: "不是Unicode NFC形式，请先规范化" }),
    (
        "CONTROL_CHARACTER",
        Text {
            en: "holds a control character; only line breaks are allowed", zh: "含有控制字符，仅允许换行"
        },
    ),
    (
        "BIDI_CONTROL",
        Text {
            en: "holds a character that turns the direction of writing; remove it",
            zh: "含有改变书写方向的字符，请删除",
        },
    ),
    (
        "NOT_A_DIGEST",
        Text {
            en: "is not a digest; write sha256: and 64 lower-case hexadecimal digits",
            zh: "不是摘要，请填写 sha256: 及64位小写十六进制数字",
        },
    ),
    (
        "NOT_A_KEY",
        Text {
            en: "is not the id of a key or a public key; write 64 lower-case hexadecimal digits",
            zh: "不是密钥标识或公钥，请填写64位小写十六进制数字",
        },
    ),
    (
        "NOT_A_COSIGNATURE",
        Text {
            en: "is not a checkpoint of this log with one valid line of a witness that its policy names",
            zh: "不是本日志的检查点，或没有策略所列见证人的一行有效签名",
        },
    ),
    (
        "NOT_A_SALT",
        Text {
            en: "is not the salt of a statement of this incident; take it from GetStatement",
            zh: "不是本警情签署声明的盐值，请使用GetStatement返回的值",
        },
    ),
    (
        "NOT_A_MESSAGE",
        Text {
            en: "is not what the published protocol says; send the message of this method",
            zh: "与公布的协议不符，请按此方法的消息格式发送",
        },
    ),
    (
        "NOT_A_TIMEOUT",
        Text {
            en: "is not a time; write 1 to 8 digits and one of H, M, S, m, u, n, as 5S or 500m",
            zh: "不是有效时限，请写1至8位数字加单位H、M、S、m、u、n之一，如5S或500m",
        },
    ),
    ("EMPTY_MESSAGE", Text { en: "is empty; fill in at least one of its fields", zh: "内容为空，请至少填写一项" }),
];

/// For a code of which this build knows no text.
pub(super) const ANY_VIOLATION: Text = Text { en: "is malformed", zh: "格式有误" };

/// The text of a field code.
pub(super) fn violation(code: &str) -> Option<Text> {
    VIOLATIONS.iter().find(|(known, _)| *known == code).map(|(_, text)| *text)
}
