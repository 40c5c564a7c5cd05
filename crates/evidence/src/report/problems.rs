//! Everything that can be wrong with a bundle, in both languages.

/// Declares the problems: the name, the word programs get, the sentence in English and in Chinese.
macro_rules! problems {
    ($( $(#[$meta:meta])* $name:ident = $word:literal: $en:literal, $zh:literal; )*) => {
        /// What is not as it must be.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Problem { $( $(#[$meta])* $name ),* }

        impl Problem {
            /// Every one of them.
            pub const ALL: &'static [Self] = &[ $( Self::$name ),* ];

            /// The word programs get.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$name => $word ),* }
            }

            /// The sentence in English and in Chinese.
            pub(super) const fn texts(self) -> (&'static str, &'static str) {
                match self { $( Self::$name => ($en, $zh) ),* }
            }
        }
    };
}

problems! {
    /// Not the one archive of its files.
    Archive = "archive": "this is not the archive of a bundle, or not in its one spelling", "不是证据包文件，或其字节与规定的唯一写法不一致";
    /// A file no bundle has.
    UnknownFile = "unknown_file": "no bundle has such a file", "证据包中不应有此文件";
    /// A file that must be there.
    MissingFile = "missing_file": "the file is missing", "缺少此文件";
    /// What the manifest says is not so.
    ManifestOther = "manifest_other": "the manifest does not say what the bundle holds", "清单内容与证据包实际内容不符";
    /// The instructions are other ones.
    InstructionsOther = "instructions_other": "these are not the instructions for this bundle", "核验说明与本证据包不符";
    /// A key file holds other keys.
    KeyOther = "key_other": "these are not the keys the policy names", "所列密钥不是策略文件规定的密钥";
    /// The copy of the policy for Sigsum's tools is another one.
    SigsumPolicyOther = "sigsum_policy_other": "this is not the policy in the form for Sigsum's tools", "与策略文件的 Sigsum 格式副本不符";
    /// The bundle was made under another version of its form.
    BundleNewer = "bundle_newer": "the bundle has a newer form than this verifier knows; take a newer verifier", "证据包格式版本高于本核验程序，请使用更新的核验程序";
    /// The given policy cannot be read.
    PolicyUnreadable = "policy_unreadable": "the policy you gave cannot be read", "所提供的策略文件无法读取";
    /// The bundle rests on another policy than the given one.
    PolicyOther = "policy_other": "the bundle carries another policy than the one you gave; the one you gave is used", "证据包所附策略与您提供的策略不同；核验以您提供的为准";
    /// A later policy does not follow.
    PolicyChain = "policy_chain": "this policy does not follow from the one before it: the registrars of both sides did not sign the change", "此策略与前一策略不衔接：未见双方登记员对变更的签名";
    /// No checkpoint.
    CheckpointUnreadable = "checkpoint_unreadable": "the checkpoint is missing or cannot be read", "检查点缺失或无法读取";
    /// No policy rules this log and size.
    LogUnknown = "log_unknown": "the policy names no such log for a tree of this size", "策略未对该规模的此日志作出规定";
    /// The log did not sign it.
    LogSignature = "log_signature": "the log did not sign this checkpoint", "日志对检查点的签名无效";
    /// A line of a stranger.
    WitnessUnknown = "witness_unknown": "a cosignature is by nobody the policy names", "见证签名者不在策略之列";
    /// A witness did not sign it.
    WitnessSignature = "witness_signature": "a witness did not sign this checkpoint", "见证方对检查点的签名无效";
    /// Too few witnesses.
    Quorum = "quorum": "too few witnesses signed this checkpoint", "对检查点签名的见证方不足";
    /// The policy asks for no witness.
    NoWitnesses = "no_witnesses": "the policy you gave asks for no witness: nothing here shows that anybody but the service held this log", "您提供的策略不要求任何见证方：无法表明除本系统以外有人保存过该日志";
    /// No proof, or none that reads.
    ProofUnreadable = "proof_unreadable": "the proof is missing or cannot be read", "证明缺失或无法读取";
    /// A proof under another tree.
    ProofOtherTree = "proof_other_tree": "the proof is about another tree than the checkpoint", "证明所指的树与检查点不同";
    /// The event is not in the tree.
    NotIncluded = "not_included": "the event is not in the witnessed tree at this index", "事件不在经见证的日志树的该位置上";
    /// The proof is not the one that follows.
    ProofOther = "proof_other": "the proof is not the one that follows from the event and the checkpoint", "证明与由事件和检查点推出的证明不一致";
    /// An event that cannot be read.
    EventUnreadable = "event_unreadable": "the event does not have the one form an event has", "事件不符合规定的唯一格式";
    /// A newer event.
    EventNewer = "event_newer": "the event is of a newer version than this verifier knows; take a newer verifier", "事件版本高于本核验程序，请使用更新的核验程序";
    /// Nobody may record for this organisation.
    RecorderUnknown = "recorder_unknown": "the policy names no key that records for this organisation here; an earlier policy may", "策略未规定该单位在此位置的记录密钥；较早的策略可能有规定";
    /// Recorded by another key.
    LeafKey = "leaf_key": "the event was recorded with a key of somebody else than the organisation it names", "事件并非以其所称单位的密钥记录";
    /// The leaf's signature does not verify.
    LeafSignature = "leaf_signature": "the signature under the event's log entry does not verify", "事件日志条目的签名无效";
    /// Not in normal form C.
    NotNfc = "not_nfc": "a text is in another Unicode form than is taken in today; it may have been right when it was recorded", "文本的 Unicode 形式与目前接收的不同，记录时可能符合要求";
    /// A gap.
    EventMissing = "event_missing": "the event is missing", "缺少此事件";
    /// Another incident's event.
    OtherIncident = "other_incident": "the event belongs to another incident", "事件属于另一警情";
    /// Another number.
    NumberOther = "number_other": "the event has another number than its place in the case", "事件编号与其在案件中的次序不符";
    /// It follows another event.
    PrevOther = "prev_other": "the event does not follow the one before it", "事件与前一事件不衔接";
    /// Not after the one before in the log.
    IndexOther = "index_other": "the event does not stand after the one before it in the log", "事件在日志中的位置不在前一事件之后";
    /// No events.
    NoEvents = "no_events": "there are no events", "没有任何事件";
    /// Not legal.
    Illegal = "illegal": "by the rules this event could not happen here", "按规则此处不应发生该事件";
    /// The replay stops.
    ReplayStopped = "replay_stopped": "the case cannot be followed beyond this event, which cannot be read", "事件无法读取，案件自此无法继续推演";
    /// Not closed.
    NotClosed = "not_closed": "the case does not end closed", "案件最终状态不是已办结";
    /// Signed with nothing to sign.
    NothingAgreed = "nothing_agreed": "a signature stands under a form nobody had agreed to", "签名对应的移交单未经同意";
    /// Another statement was signed.
    StatementOther = "statement_other": "what was signed is not what follows from the case", "所签内容与由案件推出的内容不一致";
    /// The file of the statement is another one.
    StatementFileOther = "statement_file_other": "the statement shown is not the one that follows from the case", "所附声明与由案件推出的声明不一致";
    /// The agreed form is not the one on the table.
    FormOther = "form_other": "agreed was another form than the one that was offered", "所同意的移交单不是所提出的移交单";
    /// Weaker than agreed.
    LevelTooWeak = "level_too_weak": "the sign-off is weaker than the two sides agreed to take", "签名级别低于双方约定";
    /// Attested, where signatures were asked for.
    AttestedOnly = "attested_only": "attested only: it rests on the service's word, and you asked for signatures", "仅系统认证：以本系统陈述为准，而您要求必须有签名";
    /// A signature is claimed, and none is there.
    NoSignature = "no_signature": "a key is said to have signed, but there is no signature to check", "称已用密钥签名，但没有可核验的签名";
    /// A signature beside a sign-off without a key.
    SignatureUnchecked = "signature_unchecked": "a signature stands beside a sign-off that claims none", "未声明密钥签名的签字却附有签名数据";
    /// The signature does not verify.
    SignatureWrong = "signature_wrong": "the officer's signature does not verify", "民警签名无效";
    /// The key is not in the registry.
    KeyUnknown = "key_unknown": "the key that signed is not shown to be in the registry the event was checked against", "未能证明签名密钥已列入事件所依据的登记";
    /// The key does not count.
    KeyNotActive = "key_not_active": "the key was not in force when it signed", "签名时该密钥无效";
    /// Another officer's key.
    KeyOfOther = "key_of_other": "the key belongs to another officer, station or level", "密钥属于其他民警、单位或级别";
    /// A key of the policy signed for an officer.
    KeyHasRole = "key_has_role": "the key has another role under the policy", "该密钥在策略中另有用途";
    /// One hand on both sides.
    SameSigner = "same_signer": "one officer or one key signed for both sides", "同一民警或同一密钥代表双方签名";
    /// A registry file that cannot be read.
    RegistryUnreadable = "registry_unreadable": "the registry's file is missing or cannot be read", "登记文件缺失或无法读取";
    /// A registry's change is not signed.
    RegistryUnsigned = "registry_unsigned": "the registrars of the organisation did not sign this change of its registry", "该单位登记员未对此登记变更签名";
    /// Updates out of order.
    RegistryOrder = "registry_order": "the changes of the registry are not in order", "登记变更次序不符";
    /// An entry is not in the registry.
    EntryNotIncluded = "entry_not_included": "the entry is not proven to be in the registry", "未能证明该条目在登记之中";
    /// The event was not checked against the newest registry.
    RegistryStale = "registry_stale": "the event was not checked against the newest registry before it", "事件所依据的不是其之前最新的登记";
    /// Nobody uses it.
    RegistryUnused = "registry_unused": "nothing in this case needs this part of the registry", "本案不需要此部分登记内容";
    /// No such sealed field.
    NoSuchField = "no_such_field": "the event has no such sealed field", "事件中没有此封存字段";
    /// Another value.
    DisclosureOther = "disclosure_other": "what is shown is not what was recorded", "所示内容与记录不符";
    /// An erasure of nothing.
    ErasedNothing = "erased_nothing": "an erasure names a field that never was", "删除记录所指字段不存在";
    /// A bound about an event that has none.
    BoundOfOther = "bound_of_other": "an earlier checkpoint belongs to an opening, a transfer or a closing, and this event is none", "先前检查点只适用于接警、接管或办结，而此事件不是";
    /// The bound holds the event.
    BoundContains = "bound_contains": "the earlier checkpoint is not earlier: its tree already holds the event", "先前检查点的日志树已包含该事件";
    /// Two trees of one size.
    Fork = "fork": "the log signed two different trees of one size: it was forked", "日志对同一规模签署了两棵不同的树：日志已分叉";
    /// Back-dated.
    TooEarly = "too_early": "the recorded time lies before a time at which witnesses held a log without this event", "记录时间早于见证方所存日志尚无此事件的时刻";
    /// Forward-dated.
    TooLate = "too_late": "the recorded time lies after the time at which witnesses held this event", "记录时间晚于见证方已存有此事件的时刻";
}
