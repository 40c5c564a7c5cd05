//! Every attack with a token (security, 4), as one list: the row of the design's table, a name, the `authorization`
//! values that are sent, and the coded reason in the log. Outside all are the same.
//!
//! The verifier's own tests read this file too, by its path, and hold each vector against the verifier and its clock;
//! the tests of the running service send each to every method. So nothing here may know which of the two asks: keys,
//! issuers and the time come from the [`Signer`]s. Times are hours away from now, because the running service has a clock
//! of its own; the seconds around the leeway are tried beside the verifier.

use handoff_domain::values::b64url;
use jsonwebtoken::{Algorithm, EncodingKey};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};

/// Longest `authorization` value the service reads, in bytes.
const AUTHORIZATION_BYTES_MAX: usize = 8 * 1024;
/// Longest key id, in bytes.
const KID_BYTES_MAX: usize = 128;
/// An hour, in seconds.
const HOUR_S: i64 = 3_600;
/// The token that organisation A has taken back.
pub const REVOKED_TOKEN: &str = "t-revoked";
/// The officer all of whose tokens organisation A has taken back.
pub const REVOKED_SUBJECT: &str = "o-gone";

/// A private key of one issuer, with the header and the claims its tokens have.
pub struct Signer {
    /// What signs.
    pub key: EncodingKey,
    /// By which algorithm.
    pub alg: Algorithm,
    /// The key pair, for its public half.
    pub public: KeyPair,
    /// Name of the issuer.
    pub issuer: String,
    /// Id of the key.
    pub kid: String,
    /// Header of a good token.
    pub header: String,
    /// Claims of a good token.
    pub claims: String,
    /// When they were written, in seconds.
    pub now_s: i64,
}

impl Signer {
    /// The signer of an issuer's key in PEM form. `station` is that of a party's duty officer; without one it is a
    /// superior.
    ///
    /// # Panics
    /// The text is no key.
    pub fn new(pem: &str, alg: Algorithm, issuer: &str, kid: &str, station: Option<&str>, now_s: i64) -> Self {
        let public = KeyPair::from_pem(pem).expect("a private key");
        let (name, key) = match alg {
            Algorithm::ES256 => ("ES256", EncodingKey::from_ec_der(public.serialized_der())),
            _ => ("EdDSA", EncodingKey::from_ed_der(public.serialized_der())),
        };
        let (role, seat) = match station {
            Some(station) => ("duty_officer", format!(r#""station":"{station}","#)),
            None => ("superior", String::new()),
        };
        let exp = now_s + 600;
        Self {
            key,
            alg,
            public,
            issuer: issuer.to_owned(),
            kid: kid.to_owned(),
            header: format!(r#"{{"alg":"{name}","typ":"at+jwt","kid":"{kid}"}}"#),
            claims: format!(
                r#"{{"iss":"{issuer}","aud":"handoff","sub":"o-17","roles":["{role}"],{seat}"iat":{now_s},"nbf":{now_s},"exp":{exp},"jti":"t-1"}}"#
            ),
            now_s,
        }
    }

    /// Signs any two texts as header and claims.
    ///
    /// # Panics
    /// The key does not sign.
    pub fn sign(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64url(header.as_bytes()), b64url(claims.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.alg).expect("a signature");
        format!("{message}.{signature}")
    }

    /// A good token with one part of its claims replaced.
    ///
    /// # Panics
    /// Its claims have no such part.
    pub fn with(&self, from: &str, to: &str) -> String {
        assert!(self.claims.contains(from), "the claims have no `{from}`");
        self.sign(&self.header, &self.claims.replacen(from, to, 1))
    }

    /// A good token with one part of its header replaced.
    ///
    /// # Panics
    /// Its header has no such part.
    pub fn headed(&self, from: &str, to: &str) -> String {
        assert!(self.header.contains(from), "the header has no `{from}`");
        self.sign(&self.header.replacen(from, to, 1), &self.claims)
    }

    /// A good token with these three times in seconds from now.
    pub fn timed(&self, iat: i64, nbf: i64, exp: i64) -> String {
        let now_s = self.now_s;
        let claims = self.claims.replace(&format!(r#""iat":{now_s}"#), &format!(r#""iat":{}"#, now_s + iat));
        let claims = claims.replace(&format!(r#""nbf":{now_s}"#), &format!(r#""nbf":{}"#, now_s + nbf));
        let claims = claims.replace(&format!(r#""exp":{}"#, now_s + 600), &format!(r#""exp":{}"#, now_s + exp));
        self.sign(&self.header, &claims)
    }

    /// A good token.
    pub fn good(&self) -> String {
        self.sign(&self.header, &self.claims)
    }

    /// A good token with one more member of its header.
    fn adding(&self, member: &str) -> String {
        self.headed("{", &format!("{{{member},"))
    }

    /// The same header and claims under a key that no issuer has.
    fn impostor(&self) -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("a key");
        let (header, claims) = (self.header.clone(), self.claims.clone());
        let fresh = Self::new(&key.serialize_pem(), Algorithm::EdDSA, &self.issuer, &self.kid, None, self.now_s);
        Self { header, claims, ..fresh }
    }
}

/// Whose tokens there are: A signs with EdDSA and has taken back [`REVOKED_TOKEN`] and [`REVOKED_SUBJECT`], B signs with
/// ES256, the superior with EdDSA.
pub struct Issuers {
    /// One side, whose people's tokens may live for 900 seconds.
    pub a: Signer,
    /// The other side.
    pub b: Signer,
    /// The superior.
    pub sup: Signer,
}

/// One attack.
#[derive(Clone, Debug)]
pub struct Vector {
    /// The row of the design's table.
    pub row: &'static str,
    /// What is wrong with it.
    pub name: String,
    /// The `authorization` values, in their order.
    pub values: Vec<String>,
    /// The coded reason in the log.
    pub denied: &'static str,
}

/// The rows, in the order of the design's table.
pub const ROWS: &[&str] =
    &["alg", "kid", "header", "iss", "side", "claims", "times", "roles", "bytes", "authorization"];

/// All vectors.
pub fn vectors(issuers: &Issuers) -> Vec<Vector> {
    let mut list = List(Vec::new());
    algorithms(issuers, &mut list);
    key_ids(&issuers.a, &mut list);
    headers(&issuers.a, &mut list);
    names(&issuers.a, &issuers.b, &mut list);
    sides(issuers, &mut list);
    claims(&issuers.a, &mut list);
    times(&issuers.a, &mut list);
    roles(issuers, &mut list);
    bytes(issuers, &mut list);
    authorization(&issuers.a, &mut list);
    list.0
}

/// Header members that are ignored: with each a good token is as good as without, whatever stands at the address.
pub fn ignored(a: &Signer, lure: &str) -> Vec<(&'static str, String)> {
    vec![
        ("jku", a.adding(&format!(r#""jku":"{lure}""#))),
        ("x5u", a.adding(&format!(r#""x5u":"{lure}""#))),
        ("x5c", a.adding(r#""x5c":["AA=="]"#)),
        (
            "jwk",
            a.adding(&format!(r#""jwk":{{"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, b64url(a.public.public_key_raw()))),
        ),
        ("typ with its prefix, RFC 7515, 4.1.9", a.headed("at+jwt", "application/at+JWT")),
    ]
}

/// Tokens that name or bring a key of the attacker's, and are signed with it.
pub fn brought(a: &Signer, lure: &str) -> Vec<Vector> {
    let mut list = List(Vec::new());
    let own = a.impostor();
    let x = b64url(own.public.public_key_raw());
    list.token("header", "signed by nobody's key", &own.good(), "signature");
    for (name, member) in [
        ("jku", format!(r#""jku":"{lure}""#)),
        ("x5u", format!(r#""x5u":"{lure}""#)),
        ("x5c", format!(r#""x5c":["{x}"]"#)),
        ("jwk", format!(r#""jwk":{{"kty":"OKP","crv":"Ed25519","x":"{x}","kid":"{}"}}"#, own.kid)),
    ] {
        list.token("header", &format!("{name} of the attacker's, the issuer's kid"), &own.adding(&member), "signature");
        let header = own.header.replacen('{', &format!("{{{member},"), 1).replacen(&own.kid, "mine", 1);
        let header = header.replacen(&own.kid, "mine", 1);
        list.token(
            "header",
            &format!("{name} of the attacker's, its own kid"),
            &own.sign(&header, &own.claims),
            "key_unknown",
        );
    }
    list.0
}

struct List(Vec<Vector>);

impl List {
    fn token(&mut self, row: &'static str, name: &str, token: &str, denied: &'static str) {
        self.values(row, name, vec![format!("Bearer {token}")], denied);
    }

    fn values(&mut self, row: &'static str, name: &str, values: Vec<String>, denied: &'static str) {
        self.0.push(Vector { row, name: name.to_owned(), values, denied });
    }

    fn tokens<const N: usize>(&mut self, row: &'static str, tokens: [(&str, String, &'static str); N]) {
        for (name, token, denied) in tokens {
            self.token(row, name, &token, denied);
        }
    }
}

/// A token signed with HMAC under `secret`.
fn hmac(signer: &Signer, secret: &[u8]) -> String {
    let header = signer.header.replace(r#""EdDSA""#, r#""HS256""#).replace(r#""ES256""#, r#""HS256""#);
    let message = format!("{}.{}", b64url(header.as_bytes()), b64url(signer.claims.as_bytes()));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).expect("a signature");
    format!("{message}.{signature}")
}

/// A token's first two parts with another third one.
fn signed_as(token: &str, signature: &[u8]) -> String {
    format!("{}.{}", token.rsplit_once('.').map_or(token, |(message, _)| message), b64url(signature))
}

fn algorithms(issuers: &Issuers, list: &mut List) {
    let (a, b) = (&issuers.a, &issuers.b);
    for alg in ["none", "None", "nOnE", "RS256", "PS256", "ES384", "ES256", "eddsa", "HS256", ""] {
        list.token("alg", &format!("alg `{alg}`"), &a.headed("EdDSA", alg), "algorithm");
    }
    list.tokens(
        "alg",
        [
            ("none without signature", signed_as(&a.headed("EdDSA", "none"), &[]), "malformed"),
            ("alg null", a.headed(r#""EdDSA""#, "null"), "algorithm"),
            ("alg list", a.headed(r#""EdDSA""#, r#"["EdDSA"]"#), "algorithm"),
            ("alg missing", a.headed(r#""alg":"EdDSA","#, ""), "algorithm"),
            ("alg twice", a.headed(r#""alg""#, r#""alg":"none","alg""#), "malformed"),
            ("EdDSA where ES256 is set", b.headed("ES256", "EdDSA"), "algorithm"),
        ],
    );
    for (whose, signer) in [("A's", a), ("B's", b)] {
        let raw = signer.public.public_key_raw();
        let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, b64url(raw));
        for (form, secret) in [
            ("raw", raw.to_vec()),
            ("as PEM", signer.public.public_key_pem().into_bytes()),
            ("as DER", signer.public.subject_public_key_info()),
            ("as base64", b64url(raw).into_bytes()),
            ("as JWK", jwk.into_bytes()),
        ] {
            list.token("alg", &format!("HS256 under {whose} public key {form}"), &hmac(signer, &secret), "algorithm");
        }
    }
}

fn key_ids(a: &Signer, list: &mut List) {
    let kid = format!(r#""kid":"{}""#, a.kid);
    let to = |value: &str| a.headed(&kid, &format!(r#""kid":{value}"#));
    let long = |bytes: usize| to(&format!(r#""{}""#, "k".repeat(bytes)));
    list.tokens(
        "kid",
        [
            ("kid a path", to(r#""../../A.issuer.key""#), "key_unknown"),
            ("kid an absolute path", to(r#""/dev/null""#), "key_unknown"),
            ("kid SQL", to(r#""' OR 1=1 --""#), "key_unknown"),
            ("kid unknown", to(r#""dev-unknown""#), "key_unknown"),
            ("kid of a key that is gone from the set", a.impostor().headed(&a.kid, "dev-gone"), "key_unknown"),
            ("kid empty", to(r#""""#), "key_id"),
            ("kid long", long(KID_BYTES_MAX + 1), "key_id"),
            ("kid of 64 KiB", long(65_536), "too_long"),
            ("kid null", to("null"), "key_id"),
            ("kid list", to(r#"["dev-1"]"#), "key_id"),
            ("kid number", to("1"), "key_id"),
            ("kid twice", a.headed(&kid, &format!(r#""kid":"x",{kid}"#)), "malformed"),
            ("kid missing", a.headed(&format!(",{kid}"), ""), "key_id"),
        ],
    );
}

fn headers(a: &Signer, list: &mut List) {
    list.tokens(
        "header",
        [
            ("crit", a.adding(r#""crit":["exp"]"#), "header"),
            ("crit empty", a.adding(r#""crit":[]"#), "header"),
            ("crit null", a.adding(r#""crit":null"#), "header"),
            ("b64", a.adding(r#""b64":false"#), "header"),
            ("zip", a.adding(r#""zip":"DEF""#), "header"),
            ("enc", a.adding(r#""enc":"A128GCM""#), "header"),
            ("nested", a.adding(r#""cty":"JWT""#), "header"),
            ("an ID token for an access token", a.headed("at+jwt", "JWT"), "type"),
            ("no type", a.headed(r#""typ":"at+jwt","#, ""), "type"),
            ("type list", a.headed(r#""at+jwt""#, r#"["at+jwt"]"#), "type"),
        ],
    );
}

fn names(a: &Signer, b: &Signer, list: &mut List) {
    let (own, other) = (&a.issuer, &b.issuer);
    let iss = format!(r#""iss":"{own}""#);
    let to = |value: &str| a.with(&iss, &format!(r#""iss":{value}"#));
    list.tokens(
        "iss",
        [
            ("iss list", to(&format!(r#"["{own}"]"#)), "issuer"),
            ("iss list with both", to(&format!(r#"["{own}","{other}"]"#)), "issuer"),
            ("iss number", to("1"), "issuer"),
            ("iss null", to("null"), "issuer"),
            ("iss object", to("{}"), "issuer"),
            ("iss missing", a.with(&format!("{iss},"), ""), "issuer"),
            ("iss without its slash", to(&format!(r#""{}""#, own.trim_end_matches('/'))), "issuer"),
            ("iss with a second slash", to(&format!(r#""{own}/""#)), "issuer"),
            ("iss in another case", to(&format!(r#""{}""#, own.to_uppercase())), "issuer"),
            ("iss with a space", to(&format!(r#""{own} ""#)), "issuer"),
            ("iss twice", a.with(&iss, &format!(r#""iss":"{other}",{iss}"#)), "malformed"),
            ("iss twice, once escaped", a.with(&iss, &format!(r#"{iss},"\u0069ss":"x""#)), "malformed"),
        ],
    );
}

/// The superior signs with A's algorithm, so that nothing but the key stands between the two.
fn sides(issuers: &Issuers, list: &mut List) {
    let Issuers { a, b, sup } = issuers;
    list.tokens(
        "side",
        [
            ("the other side's issuer, own key, own kid", a.with(&a.issuer, &b.issuer), "algorithm"),
            ("the other side's claims, own key and header", a.sign(&a.header, &b.claims), "algorithm"),
            ("the other side's whole text, own key", a.sign(&b.header, &b.claims), "signature"),
            ("own issuer, the other's key and header", b.sign(&b.header, &a.claims), "algorithm"),
            ("own issuer, the other's key, own header", b.sign(&a.header, &a.claims), "signature"),
            ("same algorithm, own kid, other issuer", sup.sign(&sup.header, &a.claims), "key_unknown"),
            ("same algorithm, other's kid, other issuer", sup.sign(&a.header, &a.claims), "signature"),
            ("a signature of nothing", signed_as(&a.good(), &[7; 64]), "signature"),
        ],
    );
}

fn claims(a: &Signer, list: &mut List) {
    let exp = format!(r#""exp":{}"#, a.now_s + 600);
    let exp_as = |value: &str| a.with(&exp, &format!(r#""exp":{value}"#));
    let nbf = format!(r#""nbf":{},"#, a.now_s);
    let iat = format!(r#""iat":{},"#, a.now_s);
    list.tokens(
        "claims",
        [
            ("exp missing", a.with(&format!("{exp},"), ""), "signature"),
            ("exp string", exp_as(&format!(r#""{}""#, a.now_s + 600)), "signature"),
            ("exp float", exp_as(&format!("{}.0", a.now_s + 600)), "signature"),
            ("exp exponent", exp_as("9.9e9"), "signature"),
            ("exp negative", exp_as("-1"), "signature"),
            ("exp 2^63", exp_as("9223372036854775808"), "signature"),
            ("exp 2^63-1", exp_as("9223372036854775807"), "signature"),
            ("exp 1e400", exp_as("1e400"), "malformed"),
            ("exp null", exp_as("null"), "signature"),
            ("exp twice", a.with(&exp, &format!("{exp},{exp}")), "malformed"),
            ("nbf missing", a.with(&nbf, ""), "signature"),
            ("nbf float", a.with(&nbf, r#""nbf":1.5,"#), "signature"),
            ("iat missing", a.with(&iat, ""), "signature"),
            ("jti missing", a.with(r#","jti":"t-1""#, ""), "signature"),
            ("jti empty", a.with("t-1", ""), "signature"),
            ("aud missing", a.with(r#""aud":"handoff","#, ""), "signature"),
            ("aud list", a.with(r#""handoff""#, r#"["handoff"]"#), "signature"),
            ("aud of another service", a.with(r#""handoff""#, r#""mail""#), "signature"),
            ("sub missing", a.with(r#""sub":"o-17","#, ""), "signature"),
            ("sub empty", a.with("o-17", ""), "subject"),
            ("sub long", a.with("o-17", &"o".repeat(65)), "subject"),
            ("sub a name", a.with("o-17", "Zhang San"), "subject"),
            ("sub number", a.with(r#""o-17""#, "17"), "signature"),
            ("client number", a.with(r#""jti""#, r#""client":1,"jti""#), "signature"),
            ("client malformed", a.with(r#""jti""#, r#""client":"a b","jti""#), "client"),
        ],
    );
    let station = &a.claims[a.claims.find(r#""station":"#).expect("a station")..];
    let station = station.split(',').next().expect("a claim").to_owned();
    list.tokens(
        "claims",
        [
            ("station list", a.with(&station, r#""station":["S1","S2"]"#), "signature"),
            ("station null", a.with(&station, r#""station":null"#), "signature"),
            ("station malformed", a.with(&station, r#""station":"S 1""#), "station"),
            ("station missing", a.with(&format!("{station},"), ""), "station"),
        ],
    );
}

fn times(a: &Signer, list: &mut List) {
    list.tokens(
        "times",
        [
            ("over for an hour", a.timed(-2 * HOUR_S, -2 * HOUR_S, -HOUR_S - 1_200), "expired"),
            ("valid in an hour", a.timed(0, HOUR_S, 900), "not_yet"),
            ("issued in an hour", a.timed(HOUR_S, 0, HOUR_S + 900), "not_yet"),
            ("lives a second too long", a.timed(0, 0, 901), "life"),
            ("lives a day", a.timed(0, 0, 24 * HOUR_S), "life"),
            ("taken back", a.with("t-1", REVOKED_TOKEN), "revoked"),
            ("its officer is gone", a.with("o-17", REVOKED_SUBJECT), "revoked"),
        ],
    );
}

fn roles(issuers: &Issuers, list: &mut List) {
    let a = &issuers.a;
    let role = |words: &str| a.with(r#"["duty_officer"]"#, words);
    for word in ["superior", "auditor", "service", "Duty_Officer", "root", ""] {
        list.token("roles", &format!("role `{word}`"), &role(&format!(r#"["{word}"]"#)), "role");
    }
    let nine = r#"["duty_officer","supervisor","admin","dispatcher","responder","call_taker","a","b","c"]"#;
    list.tokens(
        "roles",
        [
            ("roles missing", a.with(r#""roles":["duty_officer"],"#, ""), "signature"),
            ("roles string", role(r#""duty_officer""#), "signature"),
            ("roles empty", role("[]"), "signature"),
            ("roles with a number", role(r#"["duty_officer",1]"#), "signature"),
            ("a role twice", role(r#"["duty_officer","duty_officer"]"#), "role"),
            ("a good role and a bad one", role(r#"["duty_officer","superior"]"#), "role"),
            ("a party's role of a superior", issuers.sup.with(r#"["superior"]"#, r#"["duty_officer"]"#), "role"),
            ("nine roles", role(nine), "signature"),
            ("a dispatch system without a name", role(r#"["adapter"]"#), "client"),
            ("a dispatch system that decides", role(r#"["adapter","duty_officer"],"client":"cad""#), "role"),
        ],
    );
}

fn bytes(issuers: &Issuers, list: &mut List) {
    let (a, b) = (&issuers.a, &issuers.b);
    let good = a.good();
    let (head, tail) = good.split_once('.').expect("three parts");
    list.tokens(
        "bytes",
        [
            ("empty", String::new(), "malformed"),
            ("two parts", format!("{head}.{head}"), "malformed"),
            ("four parts", format!("{good}.{head}"), "malformed"),
            ("five parts, encrypted", format!("{good}.{head}.{head}"), "malformed"),
            ("padded base64", format!("{head}=.{tail}"), "malformed"),
            ("padded signature", format!("{good}=="), "signature"),
            ("a trailing letter", format!("{good}A"), "signature"),
            ("a trailing bracket", format!("{good}}}"), "signature"),
            ("trailing JSON", a.sign(&a.header, &format!("{}{{}}", a.claims)), "malformed"),
            ("claims a list", a.sign(&a.header, "[]"), "malformed"),
            ("header a list", a.sign("[]", &a.claims), "malformed"),
            ("deep claims", a.with(r#""jti""#, &format!(r#""x":{},"jti""#, "[".repeat(200))), "malformed"),
            ("signature cut", good[..good.len() - 4].to_owned(), "signature"),
            ("ES256 r = s = 0", signed_as(&b.good(), &[0; 64]), "signature"),
            ("ES256 in DER", signed_as(&b.good(), &[0x30, 6, 2, 1, 1, 2, 1, 1]), "signature"),
            ("more than 8 KiB", a.with("t-1", &"t".repeat(AUTHORIZATION_BYTES_MAX)), "too_long"),
        ],
    );
}

fn authorization(a: &Signer, list: &mut List) {
    let (token, bearer) = (a.good(), format!("Bearer {}", a.good()));
    let mut values = |name, values: &[&str], denied| {
        list.values("authorization", name, values.iter().map(|value| (*value).to_owned()).collect(), denied);
    };
    values("no value", &[], "missing");
    values("the same value twice", &[&bearer, &bearer], "doubled");
    values("a second value of another scheme", &[&bearer, "Basic eA=="], "doubled");
    values("another scheme", &[&format!("Basic {token}")], "not_bearer");
    values("no scheme", &[&token], "not_bearer");
    values("two spaces", &[&format!("Bearer  {token}")], "malformed");
    values("two tokens in one value", &[&format!("{bearer}, {bearer}")], "malformed");
}
