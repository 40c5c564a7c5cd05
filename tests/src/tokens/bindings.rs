//! Every attack with a token over a certificate, or with a certificate alone (security, 4), as one list. The verifier's
//! own tests and those of the running service both read it; see [`vectors`](super::vectors).
//!
//! Machines are `cad-a` and `desk-a` of A, `cad-b` of B. `cad-a` and `cad-b` speak for their stations, `desk-a` for
//! nobody.

/// What a token says of the certificate it holds over.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// The thumbprint of that machine's certificate.
    To(&'static str),
    /// This claim.
    As(&'static str),
    /// Nothing.
    ToNothing,
}

/// A token over a certificate.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// What is wrong with it.
    pub name: &'static str,
    /// The side whose duty officer's token it is, `A` or `B`.
    pub of: &'static str,
    /// What it is bound to.
    pub bound: Bound,
    /// A client it names besides.
    pub client: Option<&'static str>,
    /// The machine it comes over; none where no certificate is shown.
    pub over: Option<&'static str>,
    /// The coded reason in the log.
    pub denied: &'static str,
}

const fn binding(
    name: &'static str,
    of: &'static str,
    bound: Bound,
    over: Option<&'static str>,
    denied: &'static str,
) -> Binding {
    Binding { name, of, bound, client: None, over, denied }
}

/// All of them.
pub const BINDINGS: &[Binding] = &[
    binding("stolen, over another machine of its side", "A", Bound::To("cad-a"), Some("desk-a"), "unbound"),
    binding("stolen, over the other side's", "A", Bound::To("cad-a"), Some("cad-b"), "other_side"),
    binding("stolen, over none", "A", Bound::To("cad-a"), None, "no_certificate"),
    binding("unbound", "A", Bound::ToNothing, Some("cad-a"), "unbound"),
    binding("B's token bound to A's certificate", "B", Bound::To("cad-a"), Some("cad-a"), "other_side"),
    binding("A's token bound to B's certificate", "A", Bound::To("cad-b"), Some("cad-b"), "other_side"),
    binding("bound by another member", "A", Bound::As(r#"{"jkt":"AA"}"#), Some("cad-a"), "signature"),
    binding("bound to two things", "A", Bound::As(r#"{"x5t#S256":"AA","jkt":"AA"}"#), Some("cad-a"), "signature"),
    binding("bound to no member", "A", Bound::As("{}"), Some("cad-a"), "signature"),
    binding("bound to null", "A", Bound::As("null"), Some("cad-a"), "signature"),
    binding("bound to a short thumbprint", "A", Bound::As(r#"{"x5t#S256":"AA"}"#), Some("cad-a"), "signature"),
    Binding {
        client: Some("desk-a"),
        ..binding("under another machine's name", "A", Bound::To("cad-a"), Some("cad-a"), "client")
    },
];

/// A certificate without a token.
#[derive(Clone, Copy, Debug)]
pub struct Alone {
    /// What is wrong with it.
    pub name: &'static str,
    /// The side whose authority issues it, `A` or `B`; none for an authority nobody knows.
    pub by: Option<&'static str>,
    /// The names in it.
    pub names: &'static [&'static str],
    /// It is one for servers.
    pub of_a_server: bool,
    /// From when it is valid, in hours from now.
    pub from_h: i64,
    /// Until when.
    pub until_h: i64,
    /// The handshake alone turns it away.
    pub at_the_handshake: bool,
    /// The coded reason in the log where it is judged.
    pub denied: &'static str,
}

const A: Option<&str> = Some("A");
const CAD_A: &str = "handoff://A/machine/cad-a";
const CAD_B: &str = "handoff://B/machine/cad-b";
const DESK_A: &str = "handoff://A/machine/desk-a";

const fn alone(name: &'static str, by: Option<&'static str>, names: &'static [&'static str]) -> Alone {
    let (of_a_server, from_h, until_h, at_the_handshake) = (false, -1, 24, false);
    Alone { name, by, names, of_a_server, from_h, until_h, at_the_handshake, denied: "machine_unknown" }
}

/// Certificates that lead nowhere.
pub const ALONE: &[Alone] = &[
    Alone { denied: "certificate_unknown", ..alone("A's authority names B's machine", A, &[CAD_B]) },
    Alone { denied: "certificate_unknown", ..alone("B's authority names A's machine", Some("B"), &[CAD_A]) },
    Alone { denied: "missing", ..alone("a machine that speaks for nobody", A, &[DESK_A]) },
    alone("a name of nobody", A, &["handoff://C/machine/cad-a"]),
    alone("a machine nobody registered", A, &["handoff://A/machine/cad-x"]),
    alone("a name that only begins like one", A, &["handoff://A/machine/cad-a/x"]),
    alone("no name at all", A, &[]),
    alone("two names", A, &[CAD_A, DESK_A]),
    alone("two names, one of each side", A, &[CAD_A, CAD_B]),
    Alone { at_the_handshake: true, denied: "certificate_unknown", ..alone("nobody's authority", None, &[CAD_A]) },
    Alone {
        at_the_handshake: true,
        of_a_server: true,
        denied: "certificate_unknown",
        ..alone("a server's certificate", A, &[CAD_A])
    },
    Alone { at_the_handshake: true, from_h: -3, until_h: -1, denied: "certificate_time", ..alone("over", A, &[CAD_A]) },
    Alone { at_the_handshake: true, from_h: 1, denied: "certificate_time", ..alone("not valid yet", A, &[CAD_A]) },
];
