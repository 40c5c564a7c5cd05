//! Readers of this crate that need nothing around them: tokens of places and pages, the configuration, addresses.

use crate::config::{Config, ConfigError};
use crate::cursors::{CURSOR_BYTES_MAX, CursorKey, Resume};
use crate::outbound::Target;
use crate::outbound::address::{self, Network};
use handoff_domain::ids::{Digest, OrgId};
use handoff_fuzz::Fuzz;
use std::net::IpAddr;
use std::path::Path;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

/// Nothing opens but what this key made, for that organisation and purpose.
#[test]
fn a_place_or_page_opens_only_if_it_was_made_here() {
    let [a, b] = ["A", "B"].map(|name| OrgId::new(name).unwrap());
    let (key, former) = (CursorKey::new(&[7; 32]), CursorKey::new(&[8; 32]));
    let place = Resume { epoch: 1, number: 9, hash: Digest([3; 32]) };
    let page = "list\u{1f}console\u{1f}o-1\u{1f}S1\u{1f}";
    let made = [
        ("a place", "feed", &a, key.resume_token(&a, &place)),
        ("a page", page, &a, key.seal(page, &a, b"item 7")),
        ("an empty page", page, &a, key.seal(page, &a, b"")),
        ("a short place", "feed", &a, key.seal("feed", &a, b"too short")),
        ("a place of B", "feed", &b, key.resume_token(&b, &place)),
    ];
    let mut fuzz = Fuzz::new(FOLDER, "cursor").runs(30_000).bytes_max(2 * CURSOR_BYTES_MAX).tokens(["AAAA", "=", "-_"]);
    for (name, _, _, token) in &made {
        fuzz = fuzz.seed(*name, token.as_str());
    }
    fuzz = fuzz.seed("under another key", former.resume_token(&a, &place));
    fuzz.run(|bytes| {
        let Ok(token) = str::from_utf8(bytes) else { return "not text".to_owned() };
        let mut answer = String::new();
        for (purpose, org) in ["feed", page].into_iter().flat_map(|purpose| [(purpose, &a), (purpose, &b)]) {
            let opened = key.open(purpose, org, token);
            let own = |(_, by, of, own): &(_, &str, &OrgId, String)| *by == purpose && *of == org && own == token;
            assert_eq!(opened.is_ok(), made.iter().any(own), "a forged token opens, or one of ours does not");
            let is_place = opened.as_ref().is_ok_and(|body| body.len() == 48);
            answer.push(if opened.is_ok() { 'o' } else { 'x' });
            if purpose == "feed" {
                let read = key.read_resume(org, token);
                assert_eq!(read.is_ok(), is_place);
                assert!(read.is_err() || read == Ok(place.clone()), "another place is read than was made");
            }
        }
        answer
    });
}

/// A configuration is refused with a line that is in it, or shown, and what is shown is the same configuration.
#[test]
fn a_configuration_that_is_read_is_shown_as_it_is_and_without_its_password() {
    let example = include_str!("../../../deploy/handoff.example.toml");
    let secret = "postgres://handoff:GEHEIM@db.example/handoff";
    let with_password = example.replacen("sqlite:", &format!("{secret}#"), 1);
    assert!(with_password.contains(secret), "the example names a file");
    // Comments are two thirds of it, and a mutation there changes nothing.
    let bare = |text: &str| text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    let tokens =
        ["[server]\n", "[[organisation]]\n", "= \"\"", "= -1\n", "= 1e400\n", "= nan\n", "= 2026-11-23\n", "."];
    let fuzz = Fuzz::new(FOLDER, "config").tokens(tokens).seed("the example", bare(example));
    let file = Path::new("/etc/handoff/handoff.toml");
    fuzz.seed("a password", bare(&with_password)).runs(4_000).run(|bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return "not text".to_owned() };
        match Config::from_text(text, file) {
            Ok(config) => {
                let shown = config.show();
                assert!(!shown.contains("GEHEIM") || !config.database.url.contains(":GEHEIM@"), "a password is shown");
                let again = Config::from_text(&shown, file).unwrap_or_else(|error| panic!("{error}\n{shown}"));
                assert_eq!(again.show(), shown, "what is shown is the configuration in force");
                format!("{} organisations", config.organisations.len())
            }
            Err(ConfigError::Refused(problems)) => {
                let problem = problems.first().expect("it says what is wrong");
                let lines = text.lines().count() + 1;
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem}: no such line");
                assert!(!problem.to_string().contains('\n'), "one problem is one line");
                let words: Vec<&str> = problem.what.split([' ', '`']).take(3).collect();
                format!("{} {}", problem.key.chars().take(24).collect::<String>(), words.join(" "))
            }
            Err(error @ ConfigError::Unreadable { .. }) => panic!("nothing is read from a file: {error}"),
        }
    });
}

/// An address of keys is an https address of one host; a network is written in one way and holds its own addresses.
#[test]
fn addresses_and_networks_are_what_they_say() {
    let networks: Vec<Network> = vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let seeds = [
        "https://idp.example/keys.json",
        "https://[::1]:8443/keys",
        "https://10.1.2.3/",
        "https://user@idp.example/",
        "https://idp.example:99999/",
        "10.0.0.0/8",
        "fd00::/8",
        "0.0.0.0/0",
        "::ffff:10.0.0.0/104",
        "169.254.169.254",
        "64:ff9b::a00:1",
    ];
    let mut fuzz = Fuzz::new(FOLDER, "address").runs(60_000).bytes_max(512);
    for seed in seeds {
        fuzz = fuzz.seed(seed, seed);
    }
    fuzz.tokens(["https://", "http://", "@", "#", "[", "]", "%2f", "127.0.0.1", "::", "/0", "/129", "xn--"]).run(
        |bytes| {
            let Ok(text) = str::from_utf8(bytes) else { return "not text".to_owned() };
            let network = text.parse::<Network>();
            if let Ok(network) = &network {
                let written = network.to_string();
                assert_eq!(written.parse::<Network>().unwrap(), *network);
                let base: IpAddr = written.split_once('/').unwrap().0.parse().unwrap();
                let canonical = base.to_canonical() == base;
                assert!(network.contains(base) || !canonical, "a network holds its own first address");
            }
            let ip = text.parse::<IpAddr>().ok();
            if let Some(ip) = ip {
                assert_eq!(address::allowed(ip, &networks), address::allowed(ip.to_canonical(), &networks));
            }
            let target = Target::new(text, Path::new("/etc/handoff/ca.pem"), &networks);
            if let Ok(target) = &target {
                assert!(text.to_ascii_lowercase().starts_with("https://") && !text.contains(['#', ' ']), "{text}");
                let authority = text[8..].split(['/', '?']).next().unwrap_or_default();
                assert!(!authority.contains('@'), "a user was taken");
                // An address written out is judged by its numbers, however they are written.
                let host = authority.split(':').next().unwrap_or_default();
                if let Ok(ip) = host.parse::<IpAddr>() {
                    assert_eq!(target.may_be_reached(), address::allowed(ip, &networks));
                }
            }
            let reached = target.as_ref().ok().map(Target::may_be_reached);
            format!("{} {:?} {reached:?}", network.is_ok(), ip.map(address::is_public))
        },
    );
}
