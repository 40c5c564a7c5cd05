//! The configuration as an operator meets it: what is accepted, and what each refusal says.

use super::*;
use crate::dev_ca::{self, Plan};
use handoff_domain::time::Millis;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use tempfile::TempDir;

const NOW: Millis = Millis(1_795_435_200_000);
const EXAMPLE: &str = include_str!("../../../../deploy/handoff.example.toml");

/// A folder with the example and everything `dev-ca` makes for it.
struct Desk {
    folder: TempDir,
}

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let org = |id: &str, alg| (OrgId::new(id).unwrap(), alg);
        let plan = Plan {
            folder: folder.path().join("pki"),
            organisations: vec![
                org("A", Alg::EdDsa),
                org("B", Alg::EdDsa),
                org("SUP", Alg::EdDsa),
                org("AUD", Alg::EdDsa),
                org("OP", Alg::EdDsa),
            ],
            machines: Vec::new(),
            replace: false,
        };
        dev_ca::write(&plan, NOW).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the example with these replacements and loads it.
    fn load(&self, changes: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let mut text = EXAMPLE.to_owned();
        for (from, to) in changes {
            assert!(text.contains(from), "the example has no `{from}`");
            text = text.replacen(from, to, 1);
        }
        fs::write(self.path("handoff.toml"), text).unwrap();
        Config::load(&self.path("handoff.toml"))
    }

    /// The problems of the example with these replacements, without the folder's name.
    fn problems(&self, changes: &[(&str, &str)]) -> Vec<String> {
        let problems = match self.load(changes) {
            Ok(config) => config.check(),
            Err(ConfigError::Refused(problems)) => problems,
            Err(error @ ConfigError::Unreadable { .. }) => panic!("{error}"),
        };
        let folder = format!("{}/", self.folder.path().display());
        problems.iter().map(|problem| problem.to_string().replace(&folder, "")).collect()
    }
}

fn line_of(text: &str) -> usize {
    1 + EXAMPLE.lines().position(|line| line.starts_with(text)).unwrap()
}

#[test]
fn the_example_is_accepted_with_what_dev_ca_makes() {
    let desk = Desk::new();
    assert_eq!(desk.problems(&[]), Vec::<String>::new());
    let config = desk.load(&[]).unwrap();
    assert_eq!(config.organisations.len(), 5);
    assert_eq!(config.server.limits, Limits::default(), "the example shows the defaults");
    assert_eq!(config.server.tls_key_file, desk.path("pki/server.key"));
    assert_eq!(config.database.url, format!("sqlite:{}", desk.path("handoff.db").display()));
    assert!(Config::load_checked(config.file()).is_ok());
}

#[test]
fn the_example_names_every_key() {
    let desk = Desk::new();
    let table: toml::Table = desk.load(&[]).unwrap().show().parse().unwrap();
    let mut names = Vec::new();
    collect_names(&toml::Value::Table(table), &mut names);
    names.extend(["password_file", "jwks_url", "jwks_ca_file", "mark_file", "policy_file"].map(str::to_owned));
    for name in names {
        let there = EXAMPLE.lines().any(|line| line.trim_start_matches("# ").starts_with(&format!("{name} = ")));
        assert!(there, "the example does not name `{name}`");
    }
}

fn collect_names(value: &toml::Value, names: &mut Vec<String>) {
    match value {
        toml::Value::Table(table) => {
            for (name, value) in table {
                if !value.is_table() && !value.as_array().is_some_and(|list| list.iter().any(toml::Value::is_table)) {
                    names.push(name.clone());
                }
                collect_names(value, names);
            }
        }
        toml::Value::Array(values) => values.iter().for_each(|value| collect_names(value, names)),
        _ => {}
    }
}

#[test]
fn a_malformed_file_is_refused_with_file_line_key_and_remedy() {
    let desk = Desk::new();
    let seen = "; deploy/handoff.example.toml shows every key";
    for (from, to, line, key, what) in [
        ("reflection = true", "reflektion = true", "reflection", "server.reflektion", "unknown field `reflektion`"),
        (
            "keepalive_timeout_s = 10",
            "keepalive_timeout = 10",
            "keepalive_timeout_s",
            "keepalive_timeout",
            "unknown field",
        ),
        (
            "kind = \"party\"",
            "kind = \"side\"",
            "kind",
            "organisation[0].kind",
            "expected one of party, superior, audit",
        ),
        ("id = \"A\"", "id = \"-A\"", "id", "organisation[0].id", "expected 1 to 64 letters"),
        ("alg = \"EdDSA\"", "alg = \"HS256\"", "alg", "organisation[0].alg", "unknown variant `HS256`"),
        (
            "[\"superior\"]",
            "[\"chief\"]",
            "grantable_roles = [\"superior\"]",
            "grantable_roles",
            "`chief`: expected one of",
        ),
        ("listen = \"127.0.0.1:8443\"", "listen = \"here\"", "listen", "server.listen", "invalid socket address"),
        ("health = true", "health = yes", "health", "server.health", ""),
        (
            "unary_deadline_ms = 5000",
            "unary_deadline_ms = -1",
            "unary_deadline_ms",
            "server.limits.unary_deadline_ms",
            "",
        ),
    ] {
        let problems = desk.problems(&[(from, to)]);
        let [problem] = problems.as_slice() else { panic!("{to}: {problems:?}") };
        assert!(problem.starts_with(&format!("handoff.toml:{}: ", line_of(line))), "{to}: {problem}");
        assert!(problem.contains(key) && problem.contains(what) && problem.ends_with(seen), "{to}: {problem}");
    }
    let missing = desk.problems(&[("resume_key_file = ", "# ")]);
    assert!(missing[0].contains("missing field `resume_key_file`") && missing[0].contains(": server: "), "{missing:?}");
    let absent = Config::load(&desk.path("absent.toml")).unwrap_err().to_string();
    assert!(absent.contains("absent.toml") && absent.contains("example"), "{absent}");
}

/// What is replaced by what, at the beginning of which line, and how the problem begins.
const PROBLEMS: [(&str, &str, &str, &str); 17] = [
    (
        "issuer = \"https://issuer.dev.invalid/B\"",
        "issuer = \"https://issuer.dev.invalid/a/\"",
        "issuer = \"https://issuer.dev.invalid/B",
        "organisation[1].issuer: is the issuer of another organisation too",
    ),
    (
        "jwks_file = \"pki/SUP.jwks.json\"",
        "jwks_file = \"./pki/../pki/AUD.jwks.json\"",
        "jwks_file = \"pki/AUD",
        "organisation[3].jwks_file: is the JWK set of another organisation too",
    ),
    ("id = \"B\"", "id = \"a\"", "id = \"B\"", "organisation[1].id: is the id of another organisation too"),
    (
        "[\"superior\"]",
        "[\"superior\", \"auditor\"]",
        "grantable_roles = [\"superior\"]",
        "organisation[2].grantable_roles: an organisation of kind `superior` can never grant `auditor`",
    ),
    ("[\"auditor\"]", "[]", "grantable_roles = [\"auditor\"]", "organisation[3].grantable_roles: is empty"),
    (
        "id = \"OP\"",
        "id = \"HQ\"",
        "id = \"OP\"",
        "organisation[4].id: the operator's organisation, and no other, is called OP",
    ),
    (
        "max_concurrent_streams = 128",
        "max_concurrent_streams = 0",
        "max_concurrent_streams",
        "server.limits.max_concurrent_streams: 0 is outside 1 to 1024",
    ),
    (
        "cors_origins = []",
        "cors_origins = [\"https://desk.example/\"]",
        "cors_origins",
        "server.cors_origins[0]: `https://desk.example/` is not a web origin",
    ),
    (
        "127.0.0.1:9464",
        "127.0.0.1:8443",
        "metrics_listen",
        "server.metrics_listen: is the address of the gRPC listener",
    ),
    ("sqlite:handoff.db", "mysql://db/handoff", "url", "database.url: names no known database"),
    (
        "sqlite:handoff.db",
        "postgres://handoff:hunter2@db/handoff",
        "url",
        "database.url: holds a password; put the password into a file",
    ),
    (
        "tls_key_file = \"pki/server.key\"",
        "tls_key_file = \"pki/ca.key\"",
        "tls_key_file",
        "server.tls_key_file: certificate and key do not fit together",
    ),
    (
        "pki/resume.key",
        "pki/absent.key",
        "resume_key_file",
        "server.resume_key_file: cannot read pki/absent.key: No such file",
    ),
    (
        "pki/log.key",
        "pki/server.key",
        "log_key_file",
        "evidence.log_key_file: pki/server.key does not hold exactly 32 bytes",
    ),
    (
        "jwks_file = \"pki/OP.jwks.json\"",
        "jwks_file = \"pki/no.json\"",
        "jwks_file = \"pki/OP",
        "organisation[4].jwks_file: cannot read pki/no.json",
    ),
    (
        "alg = \"EdDSA\"",
        "alg = \"ES256\"",
        "jwks_file = \"pki/A.",
        "organisation[0].jwks_file: key 0: is for another `alg`",
    ),
    (
        "token_life_max_s = 900",
        "token_life_max_s = 86401",
        "token_life_max_s",
        "organisation[0].token_life_max_s: is not 60 to 86400 seconds",
    ),
];

#[test]
fn every_problem_names_its_line_and_says_what_to_do() {
    let desk = Desk::new();
    for (from, to, line, expected) in PROBLEMS {
        let problems = desk.problems(&[(from, to)]);
        let start = format!("handoff.toml:{}: {expected}", line_of(line));
        assert!(problems.iter().any(|problem| problem.starts_with(&start)), "{start}\n{problems:#?}");
        assert!(problems.iter().all(|problem| problem.contains("; ")), "no remedy: {problems:#?}");
    }
}

#[test]
fn all_problems_are_collected() {
    let desk = Desk::new();
    let two = desk.problems(&[("[\"superior\"]", "[\"admin\"]"), ("id = \"OP\"", "id = \"HQ\"")]);
    assert_eq!(two.len(), 2, "{two:#?}");
}

#[test]
fn a_partys_issuer_never_grants_superior_or_auditor() {
    let desk = Desk::new();
    for role in ["superior", "auditor"] {
        let problems = desk.problems(&[("\"adapter\", ", &format!("\"{role}\", "))]);
        assert!(problems[0].contains(&format!("kind `party` can never grant `{role}`")), "{problems:#?}");
    }
    let service = desk.problems(&[("\"adapter\", ", "\"service\", ")]);
    assert!(service[0].contains("can never grant `service`"), "{service:#?}");
}

#[test]
fn one_key_under_two_organisations_is_refused() {
    let desk = Desk::new();
    fs::copy(desk.path("pki/A.jwks.json"), desk.path("pki/SUP.jwks.json")).unwrap();
    let problems = desk.problems(&[]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("organisation[2].jwks_file: key `dev-"), "{problems:#?}");
    assert!(problems[0].contains("is a key of organisation A too; give each organisation keys"), "{problems:#?}");
}

/// How the example's first organisation looks with an address in place of its file.
const BY_ADDRESS: [(&str, &str); 2] = [
    ("jwks_file = \"pki/A.jwks.json\"\n", "jwks_url = \"https://idp.corps.example/jwks\"\n"),
    ("# jwks_ca_file = \"pki/idp-ca.pem\"", "jwks_ca_file = \"pki/ca.pem\""),
];

#[test]
fn keys_come_from_a_file_or_from_an_address_with_its_authority() {
    let desk = Desk::new();
    let [by_url, by_ca] = BY_ADDRESS;
    let config = desk.load(&BY_ADDRESS).unwrap();
    assert_eq!(config.check(), []);
    let ca_file = desk.path("pki/ca.pem");
    let expected = KeysFrom::Url { url: "https://idp.corps.example/jwks", ca_file: &ca_file };
    assert_eq!(config.organisations[0].keys_from(), Some(expected));
    assert!(config.show().contains("jwks_url = \"https://idp.corps.example/jwks\""), "{}", config.show());
    let both = ("# jwks_url = ", "jwks_url = ");
    let cases: [(&[(&str, &str)], &str); 7] = [
        (&[both], "jwks_url: stands beside `jwks_file`; keep one of the two"),
        (&[by_ca], "jwks_ca_file: stands beside `jwks_file`; leave it out"),
        (&[by_url], "jwks_ca_file: is missing beside `jwks_url`; add the certificate authority"),
        (&[(by_url.0, "")], "jwks_file: is missing, and there is no `jwks_url`; name the issuer's JWK set"),
        (
            &[by_url, by_ca, ("https://idp.corps", "http://idp.corps")],
            "jwks_url: `http://idp.corps.example/jwks` is not",
        ),
        (&[by_url, by_ca, ("pki/ca.pem", "pki/no.pem")], "jwks_ca_file: cannot read pki/no.pem: No such file"),
        (&[by_url, by_ca, ("pki/ca.pem", "pki/A.jwks.json")], "jwks_ca_file: pki/A.jwks.json holds no usable"),
    ];
    for (changes, expected) in cases {
        let problems = desk.problems(changes);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(&format!(": organisation[0].{expected}")), "{expected}\n{problems:#?}");
    }
}

#[test]
fn an_address_inside_needs_its_network_named() {
    let desk = Desk::new();
    let [by_url, by_ca] = BY_ADDRESS;
    let inside = ("https://idp.corps.example/jwks", "https://10.20.0.7:8443/jwks");
    let problems = desk.problems(&[by_url, by_ca, inside]);
    assert!(problems[0].contains("organisation[0].jwks_url: `https://10.20.0.7:8443/jwks` leads into a network"));
    assert!(problems[0].ends_with("in server.private_networks_allowed, if the issuer is inside"), "{problems:#?}");
    let named = ("private_networks_allowed = []", "private_networks_allowed = [\"10.20.0.0/16\", \"fd00::/8\"]");
    assert_eq!(desk.problems(&[by_url, by_ca, inside, named]), Vec::<String>::new());
    assert!(desk.load(&[named]).unwrap().show().contains("\"10.20.0.0/16\", \"fd00::/8\""));
    let wrong = desk.problems(&[("private_networks_allowed = []", "private_networks_allowed = [\"10.20.0.7/16\"]")]);
    assert!(
        wrong[0].contains("server.private_networks_allowed") && wrong[0].contains("is not a network"),
        "{wrong:#?}"
    );
}

#[test]
fn two_organisations_never_share_an_address_of_keys() {
    let desk = Desk::new();
    let b = (
        "jwks_file = \"pki/B.jwks.json\"",
        "jwks_url = \"https://IDP.corps.example/jwks/\"\njwks_ca_file = \"pki/ca.pem\"",
    );
    let problems = desk.problems(&[BY_ADDRESS[0], BY_ADDRESS[1], b]);
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(problems[0].contains("organisation[1].jwks_url: is the JWK set of another organisation too"));
}

#[test]
fn a_secret_open_to_group_or_world_is_refused() {
    let desk = Desk::new();
    for (file, key, mode) in [
        ("pki/server.key", "server.tls_key_file", 0o640),
        ("pki/resume.key", "server.resume_key_file", 0o604),
        ("pki/log.key", "evidence.log_key_file", 0o620),
        ("pki/sealing.key", "sealing.key_file", 0o644),
    ] {
        fs::set_permissions(desk.path(file), Permissions::from_mode(mode)).unwrap();
        let problems = desk.problems(&[]);
        assert_eq!(problems.len(), 1, "{problems:#?}");
        assert!(problems[0].contains(key) && problems[0].contains("is open to others"), "{problems:#?}");
        assert!(problems[0].ends_with(&format!("run `chmod 600 {file}`")), "{problems:#?}");
        fs::set_permissions(desk.path(file), Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(desk.path("handoff.db"), b"").unwrap();
    fs::set_permissions(desk.path("handoff.db"), Permissions::from_mode(0o644)).unwrap();
    assert!(desk.problems(&[])[0].contains("database.url: handoff.db is open to others (mode 644)"));
}

#[test]
fn client_certificates_that_let_in_the_other_side_or_nobody_are_refused() {
    let desk = Desk::new();
    fs::write(desk.path("broken.toml"), "token = []").unwrap();
    for (from, to, problem) in [
        (
            "\"pki/B.client-ca.pem\"",
            "\"pki/A.client-ca.pem\"",
            "organisation[1].clients.ca_file: holds an authority of organisation A too; give",
        ),
        (
            "\"pki/B.client-ca.pem\"",
            "\"pki/absent.pem\"",
            "organisation[1].clients.ca_file: cannot read pki/absent.pem",
        ),
        (
            "\"pki/B.client-ca.pem\"",
            "\"pki/B.jwks.json\"",
            "organisation[1].clients.ca_file: pki/B.jwks.json holds 0 certificates in PEM form",
        ),
        (
            "ca_file = \"pki/B.client-ca.pem\"",
            "prefix = \"handoff://B/\"",
            "organisation[1].clients.ca_file: is missing, so that nobody of it could connect",
        ),
        (
            "ca_file = \"pki/B.client-ca.pem\"",
            "ca_file = \"pki/B.client-ca.pem\"\nprefix = \"handoff://A/machine/cad-a/\"",
            "organisation[1].clients.prefix: overlaps the prefix of organisation A; give",
        ),
        (
            "ca_file = \"pki/B.client-ca.pem\"",
            "ca_file = \"pki/B.client-ca.pem\"\nprefix = \"B\"",
            "organisation[1].clients.prefix: `B` is no beginning of a name; write",
        ),
        (
            "name = \"cad-b\"",
            "name = \"cad-b\"\n\n[[organisation.clients.machine]]\nname = \"cad-b\"",
            "organisation[1].clients.machine[1].name: is the name of another machine too",
        ),
        (
            "name = \"desk-sup\"",
            "name = \"desk-sup\"\nstation = \"S\"",
            "organisation[2].clients.machine[0].station: only a party has stations; leave it out",
        ),
        (
            "kind = \"party\"",
            "kind = \"party\"\nrevoked_file = \"broken.toml\"",
            "organisation[0].revoked_file: broken.toml is not a list of what was taken back: unknown field",
        ),
    ] {
        let problems = desk.problems(&[(from, to)]);
        assert!(problems.len() == 1 && problems[0].contains(problem), "{to}: {problems:#?}");
    }
    let off = ("client_certificates = \"required\"", "client_certificates = \"off\"");
    assert!(desk.problems(&[off]).is_empty(), "development may go without");
    let production = desk.problems(&[off, ("profile = \"development\"", "profile = \"production\"")]);
    assert!(
        production.iter().any(|problem| problem.contains("server.client_certificates: is `off`")),
        "{production:#?}"
    );
}

#[test]
fn production_refuses_everything_dev_ca_makes() {
    let desk = Desk::new();
    let problems = desk.problems(&[("profile = \"development\"", "profile = \"production\"")]);
    let of = |text: &str| problems.iter().filter(|problem| problem.contains(text)).count();
    assert_eq!(of("is the development issuer"), 5, "{problems:#?}");
    assert_eq!(of("holds a key of `handoff dev-ca`"), 5, "{problems:#?}");
    assert_eq!(of("the certificate is one of `handoff dev-ca`"), 1, "{problems:#?}");
    assert_eq!(of("holds an authority of `handoff dev-ca`"), 5, "{problems:#?}");
    assert_eq!(problems.len(), 16, "{problems:#?}");
    let silent = desk.problems(&[("profile = \"development\"", "")]);
    assert_eq!(silent.len(), 16, "the profile is production unless the file says otherwise");
}

#[test]
fn show_masks_secrets_and_resolves_paths() {
    let desk = Desk::new();
    let config = desk.load(&[("sqlite:handoff.db", "postgres://handoff:hunter2@db.example/handoff?x=1")]).unwrap();
    let shown = config.show();
    assert!(!shown.contains("hunter2") && shown.contains("postgres://handoff:***@db.example/handoff?x=1"), "{shown}");
    assert!(shown.contains(&desk.path("pki/A.jwks.json").display().to_string()), "{shown}");
    assert!(shown.parse::<toml::Table>().is_ok());
}

#[test]
fn a_password_comes_from_its_file() {
    use secrecy::ExposeSecret;
    let desk = Desk::new();
    let url = ("sqlite:handoff.db", "postgres://handoff@db.example/handoff");
    let file = ("# password_file = \"secrets/database\"", "password_file = \"pki/database\"");
    assert!(desk.problems(&[url, file])[0].contains("database.password_file: cannot read pki/database"));
    fs::write(desk.path("pki/database"), "hunter2\n").unwrap();
    fs::set_permissions(desk.path("pki/database"), Permissions::from_mode(0o600)).unwrap();
    let config = desk.load(&[url, file]).unwrap();
    assert_eq!(config.check(), []);
    assert_eq!(config.database.password().unwrap().unwrap().expose_secret(), "hunter2");
    assert!(!format!("{config:?}{}", config.show()).contains("hunter2"));
    fs::write(desk.path("pki/database"), "two\nlines\n").unwrap();
    assert!(desk.problems(&[url, file])[0].contains("does not hold one line of text"));
}

fn desk_database() -> Database {
    Desk::new().load(&[]).unwrap().database
}

#[test]
fn a_password_goes_into_the_address_and_nowhere_else() {
    let desk = Desk::new();
    fs::write(desk.path("pki/database"), "p@ss: /%\n").unwrap();
    fs::set_permissions(desk.path("pki/database"), PermissionsExt::from_mode(0o600)).unwrap();
    let url = ("sqlite:handoff.db", "postgres://handoff@db.example:5433/handoff?sslmode=require");
    let file = ("# password_file = \"secrets/database\"", "password_file = \"pki/database\"");
    let config = desk.load(&[url, file]).unwrap();
    let address = config.database.address().unwrap();
    let wanted = "postgres://handoff:p%40ss%3A%20%2F%25@db.example:5433/handoff?sslmode=require";
    assert_eq!(address.expose_secret(), wanted);
    assert!(!config.show().contains("p%40ss"));
    let file = desk_database();
    assert_eq!(file.address().unwrap().expose_secret(), file.url);
}

#[test]
fn replicated_durability_needs_standbys() {
    let desk = Desk::new();
    let replicated = ("# durability = \"local\"", "durability = \"replicated\"");
    assert!(desk.problems(&[replicated])[0].contains("database.durability: SQLite has no standbys"));
    let url = ("sqlite:handoff.db", "postgres://handoff@db.example/handoff");
    assert_eq!(desk.problems(&[replicated, url]), Vec::<String>::new());
    assert!(desk.problems(&[replicated, url, ("# standbys = 1", "standbys = 0")])[0].contains("database.standbys"));
}

#[test]
fn database_addresses_are_taken_apart() {
    for (url, file) in [
        ("sqlite:a.db", Some("a.db")),
        ("sqlite://a.db?mode=rwc", Some("a.db")),
        ("sqlite:///var/a.db", Some("/var/a.db")),
        ("sqlite::memory:", None),
        ("postgres://u@h/d", None),
    ] {
        let database = Database { url: url.to_owned(), ..desk_database() };
        assert_eq!(database.sqlite_file().map(|(file, _)| file), file.map(PathBuf::from), "{url}");
    }
    assert_eq!(split_password("postgres://u:p:q@h/d"), Some(("postgres://u", "p:q", "h/d")));
    assert_eq!(split_password("postgres://u@h:5432/d?x=a:b@c"), None);
}
