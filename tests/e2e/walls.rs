//! The walls between the crates.
//!
//! The tables here are the authority for who may use whom; the tables in the pages are copied from
//! them. Each test prints every fault it finds, not the first.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Which of our crates each of our crates may use, in normal and in build dependencies.
const MAY_USE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("territory", &[]),
    ("evidence", &["domain"]),
    ("proto", &["domain"]),
    ("cluster", &[]),
    ("fuzz", &[]),
    ("store", &["domain"]),
    ("engine", &["domain", "territory", "evidence", "store"]),
    ("client", &["domain", "evidence", "proto"]),
    ("witness", &["domain", "evidence", "client"]),
    ("server", &["domain", "territory", "evidence", "proto", "store", "engine"]),
    ("cli", &["domain", "territory", "evidence", "engine", "client", "server", "witness"]),
    ("bench", &["domain", "territory", "evidence", "proto", "store", "engine", "client", "server", "cluster"]),
    (
        "tests",
        &["domain", "territory", "evidence", "proto", "store", "engine", "client", "server", "cluster", "witness"],
    ),
];

/// Crates of others that only the named crates of ours may depend on, in any kind of dependency.
const OWNED_BY: &[(&str, &[&str])] = &[
    ("anyhow", &["cli", "bench", "tests"]),
    ("axum", &["server"]),
    ("jsonwebtoken", &["server", "tests"]),
    ("libsqlite3-sys", &["store"]),
    ("miette", &["cli"]),
    ("rusqlite", &["bench"]),
    ("sqlx", &["store", "witness"]),
    ("tonic", &["proto", "client", "server", "bench", "tests"]),
];

/// What a pure crate may not use outside its own tests: async, the network, storage, clocks, randomness.
const NOT_IN_PURE: &[&str] = &[
    "futures-util",
    "getrandom",
    "hyper",
    "metrics",
    "rand",
    "reqwest",
    "time",
    "tokio",
    "tokio-stream",
    "tower",
    "tracing",
];
const PURE: &[&str] = &["domain", "territory", "evidence"];
const NOT_IN_DOMAIN: &[&str] = &["serde", "serde_json"];

/// Paths whose use in code is kept to some places. A place is a prefix of the file's path.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("sqlx::", &["crates/store/", "crates/witness/src/mirror"]),
    ("axum::", &["crates/server/", "tests/"]),
    ("jsonwebtoken::", &["crates/server/", "tests/"]),
    (
        "SystemTime::now",
        &["crates/engine/src/clock.rs", "crates/server/src/dev_ca/tests.rs", "crates/bench/", "tests/"],
    ),
    (
        "Instant::now",
        &[
            "crates/engine/src/clock.rs",
            "crates/territory/tests/",
            "crates/bench/",
            "crates/cluster/",
            "crates/fuzz/",
            "tests/",
        ],
    ),
    ("OffsetDateTime::now", &["crates/engine/src/clock.rs", "crates/bench/", "tests/"]),
    ("UtcDateTime::now", &["crates/engine/src/clock.rs", "crates/bench/", "tests/"]),
];

/// Where `tonic::Status` may be named. The traits that the protocol's compiler writes are not in the tree.
const STATUS_IN: &[&str] = &["crates/server/", "crates/client/", "crates/bench/", "tests/"];

const FILE_LINES_MAX: usize = 600;
const FILE_KINDS_MEASURED: &[&str] = &["rs", "proto", "sql"];

#[test]
fn our_crates_use_only_what_the_table_allows() {
    let mut faults = Vec::new();
    let mut members = BTreeSet::new();
    for package in our_packages() {
        members.insert(package.name.clone());
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == package.name) else {
            faults.push(format!("crate `{}` has no row in MAY_USE", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let Some(target) = dependency.name.strip_prefix("handoff-") else { continue };
            let outside_the_table = !dependency.is_dev && !allowed.contains(&target);
            if outside_the_table || target == "tests" || target == "bench" {
                faults.push(format!("`{}` must not use `{target}`", package.name));
            }
        }
    }
    for (name, _) in MAY_USE {
        if !members.contains(*name) {
            faults.push(format!("MAY_USE has a row for `{name}`, which is no crate of the workspace"));
        }
    }
    assert_no_faults(&faults);
}

#[test]
fn crates_of_others_are_used_by_their_owner_only() {
    let mut faults = Vec::new();
    for package in our_packages() {
        for dependency in &package.dependencies {
            let owners = OWNED_BY.iter().find(|(name, _)| *name == dependency.name).map(|(_, owners)| *owners);
            if owners.is_some_and(|owners| !owners.contains(&package.name.as_str())) {
                faults.push(format!("`{}` must not use `{}`", package.name, dependency.name));
            }
            let impure = PURE.contains(&package.name.as_str()) && NOT_IN_PURE.contains(&dependency.name.as_str());
            let serde_in_domain = package.name == "domain" && NOT_IN_DOMAIN.contains(&dependency.name.as_str());
            if !dependency.is_dev && (impure || serde_in_domain) {
                faults.push(format!("`{}` is pure and must not use `{}`", package.name, dependency.name));
            }
        }
    }
    assert_no_faults(&faults);
}

#[test]
fn paths_are_named_only_where_they_belong() {
    let mut faults = Vec::new();
    for file in our_files(&["rs"]) {
        if file.name == "tests/e2e/walls.rs" {
            continue;
        }
        let code = code_of(&file.text);
        for (path, places) in KEPT_TO {
            if names(&code, path) && !is_in(&file.name, places) {
                faults.push(format!("{} names `{path}`, kept to {places:?}", file.name));
            }
        }
        if names_status(&code) && !is_in(&file.name, STATUS_IN) {
            faults.push(format!("{} names `tonic::Status`, kept to {STATUS_IN:?}", file.name));
        }
    }
    assert_no_faults(&faults);
}

#[test]
fn no_file_is_too_long_to_read() {
    let faults: Vec<String> = our_files(FILE_KINDS_MEASURED)
        .iter()
        .map(|file| (&file.name, file.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES_MAX)
        .map(|(name, lines)| format!("{name} has {lines} lines, at most {FILE_LINES_MAX} are read with pleasure"))
        .collect();
    assert_no_faults(&faults);
}

/// Words a column could have that names somebody.
const PERSONS: &[&str] =
    &["officer", "officers", "subject", "person", "caller", "name", "phone", "pseudonym", "signer"];

/// The product, *Out of scope, for good*: nothing in a database is found by a person. What columns there are that name
/// one is told too: the pseudonym in the record of denied attempts, which is read in the order it was written.
#[test]
fn no_key_and_no_index_of_the_database_is_over_a_person() {
    let (mut faults, mut named, mut looked_at) = (Vec::new(), Vec::new(), 0);
    for file in our_files(&["sql"]) {
        let code: Vec<&str> = file.text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        for statement in code.join("\n").split(';') {
            let words: Vec<&str> = statement.split(|c: char| !is_word(c)).filter(|word| !word.is_empty()).collect();
            let person = |word: &&str| PERSONS.contains(word);
            let is_index = words.first() == Some(&"CREATE") && words.iter().take(3).any(|word| *word == "INDEX");
            looked_at += usize::from(is_index);
            if is_index && words.iter().any(&person) {
                faults.push(format!("{}: an index over a person: {statement}", file.name));
            }
            for key in ["PRIMARY KEY (", "UNIQUE ("] {
                for part in statement.split(key).skip(1) {
                    let columns = part.split(')').next().unwrap_or_default();
                    looked_at += 1;
                    if columns.split(|c: char| !is_word(c)).any(|word| person(&word)) {
                        faults.push(format!("{}: a key over a person: {key}{columns})", file.name));
                    }
                }
            }
            if words.starts_with(&["CREATE", "TABLE"]) {
                let columns = statement.lines().filter_map(|line| line.split_whitespace().next());
                named.extend(columns.filter(person).map(|column| format!("{}.{column}", words[2])));
            }
        }
    }
    assert_no_faults(&faults);
    assert!(looked_at >= 30, "only {looked_at} keys and indexes were found");
    // A witness is a program: its name is in the policy and in its signatures.
    named.retain(|column| column != "cosignatures.name");
    assert_eq!(named, ["audit.officer"; 2], "one for each backend");
}

#[test]
fn the_search_sees_code_and_not_prose() {
    let code =
        code_of("use sqlx::Row; // axum::Router\n//! jsonwebtoken::decode\nlet url = \"http://a\"; sqlx::query(x);");
    assert!(names(&code, "sqlx::"));
    assert!(!names(&code, "axum::"));
    assert!(!names(&code, "jsonwebtoken::"));
    assert!(names("let t = std::time::Instant::now();", "Instant::now"));
    assert!(!names("let t = MyInstant::now();", "Instant::now"));
    assert!(names_status("use tonic::{\n    Request,\n    Status,\n};"));
    assert!(names_status("fn f() -> tonic::Status {"));
    assert!(!names_status("use tonic::{Request, Response};\nenum Status { On }"));
    assert!(!names_status("use tonic::{Request};\nuse crate::StatusLine;"));
}

struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    is_dev: bool,
}

/// The workspace's packages as cargo sees them, their names without the project's prefix.
fn our_packages() -> Vec<Package> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON");
    let packages = metadata["packages"].as_array().expect("metadata lists packages");
    assert!(!packages.is_empty(), "metadata lists no package");
    packages.iter().map(package).collect()
}

fn package(value: &Value) -> Package {
    let name = value["name"].as_str().expect("a package has a name");
    let dependencies = value["dependencies"].as_array().expect("a package lists its dependencies");
    Package {
        name: name.strip_prefix("handoff-").expect("our packages start with `handoff-`").to_owned(),
        dependencies: dependencies
            .iter()
            .map(|dependency| Dependency {
                name: dependency["name"].as_str().expect("a dependency has a name").to_owned(),
                is_dev: dependency["kind"] == "dev",
            })
            .collect(),
    }
}

struct File {
    /// Path from the root of the workspace, with `/`.
    name: String,
    text: String,
}

fn our_files(extensions: &[&str]) -> Vec<File> {
    let mut files = Vec::new();
    for folder in ["crates", "migrations", "proto", "tests"] {
        collect(&root().join(folder), extensions, &mut files);
    }
    assert!(!files.is_empty(), "no file of ours was found under {}", root().display());
    files
}

fn collect(folder: &Path, extensions: &[&str], files: &mut Vec<File>) {
    if !folder.exists() {
        return;
    }
    for entry in fs::read_dir(folder).expect("a folder of ours is readable") {
        let path = entry.expect("a folder entry is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && name != "node_modules" && name != "target" {
                collect(&path, extensions, files);
            }
        } else if path.extension().is_some_and(|kind| extensions.iter().any(|wanted| kind == *wanted)) {
            let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{} is text: {e}", path.display()));
            let name = path.strip_prefix(root()).expect("a file of ours lies under the root");
            files.push(File { name: name.to_string_lossy().into_owned(), text });
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

fn is_in(name: &str, places: &[&str]) -> bool {
    places.iter().any(|place| name.starts_with(place))
}

/// The text without line comments. A `//` inside a string is cut too, which can only hide a fault
/// behind an address on the same line.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let end = line.match_indices("//").map(|(at, _)| at).find(|&at| !line[..at].ends_with(':'));
        code.push_str(&line[..end.unwrap_or(line.len())]);
        code.push('\n');
    }
    code
}

/// Whether the code names the path, not merely a longer word that ends with it.
fn names(code: &str, path: &str) -> bool {
    code.match_indices(path).any(|(at, _)| !code[..at].ends_with(is_word))
}

/// Whether `Status` stands in a path or a use-group that starts with `tonic::`.
fn names_status(code: &str) -> bool {
    code.match_indices("tonic::").filter(|(at, _)| !code[..*at].ends_with(is_word)).any(|(at, found)| {
        let rest = &code[at + found.len()..];
        let end = if rest.starts_with('{') { rest.find(';') } else { rest.find(|c: char| !is_word(c)) };
        rest[..end.unwrap_or(rest.len())].split(|c: char| !is_word(c)).any(|word| word == "Status")
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn assert_no_faults(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n  {}", faults.len(), faults.join("\n  "));
}
