//! Each test harms a server of its own or uses the shared one.

use handoff_cluster::{Cluster, Error, Held, Mode, Proxy, Setup, wait_until};
use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// What psql says at this URL.
fn psql(cluster: &Cluster, url: &str, sql: &str) -> Output {
    cluster
        .program("psql")
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", url, "-c", sql])
        .output()
        .expect("psql starts")
}

fn address_of(cluster: &Cluster) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, cluster.port()).into()
}

#[test]
fn a_database_belongs_to_the_service_and_the_port_lets_no_superuser_in() {
    let cluster = Cluster::shared();
    let database = cluster.new_database().unwrap();
    let made = psql(cluster, &cluster.url(&database), "CREATE TABLE t (x int); INSERT INTO t VALUES (7)");
    assert!(made.status.success(), "{made:?}");
    let copy = cluster.copy_database(&database).unwrap();
    assert_eq!(cluster.psql(&copy, "SELECT x, x + 1 FROM t; SELECT 'two';").unwrap(), "7|8\ntwo");
    assert_eq!(psql(cluster, &cluster.admin_url(&copy), "SELECT current_user").stdout, b"postgres\n");
    let superuser = cluster.url(&copy).replace("handoff@", "postgres@");
    assert!(!psql(cluster, &superuser, "SELECT 1").status.success());
    let checks = "SELECT rolsuper, rolcreatedb, pg_has_role(oid, 'pg_monitor', 'member') FROM pg_roles \
                  WHERE rolname = 'handoff'; SHOW data_checksums; SHOW server_encoding;";
    assert_eq!(cluster.psql(&copy, checks).unwrap(), "f|t|t\non\nUTF8");
    let error = cluster.psql(&copy, "SELECT 1; SELECT nothing; SELECT 3;").unwrap_err();
    assert!(matches!(&error, Error::Program { said, .. } if said.contains("nothing")), "{error}");
}

#[test]
fn a_committed_row_outlives_an_immediate_stop_and_a_kill() {
    let cluster = Cluster::start(&Setup::default().with("work_mem", "8MB")).unwrap();
    let database = cluster.new_database().unwrap();
    cluster.psql(&database, "CREATE TABLE t (x int); INSERT INTO t VALUES (1);").unwrap();
    let port = cluster.port();
    cluster.restart(Mode::Immediate).unwrap();
    cluster.psql(&database, "INSERT INTO t VALUES (2);").unwrap();
    cluster.kill_postmaster().unwrap();
    assert!(cluster.psql(&database, "SELECT 1").is_err());
    cluster.start_again().unwrap();
    assert_eq!(cluster.port(), port);
    assert_eq!(cluster.psql(&database, "SELECT sum(x) FROM t; SHOW work_mem; SHOW fsync;").unwrap(), "3\n8MB\non");

    cluster.set("statement_timeout", "12s").unwrap();
    assert_eq!(cluster.psql(&database, "SHOW statement_timeout").unwrap(), "12s");
    cluster.reset("statement_timeout").unwrap();
    assert_eq!(cluster.psql(&database, "SHOW statement_timeout").unwrap(), "0");

    let folder = cluster.socket_dir().to_owned();
    cluster.kill_postmaster().unwrap();
    drop(cluster);
    assert!(!folder.exists());
}

#[test]
fn a_synchronous_standby_holds_commits_and_is_promoted() {
    let primary = Cluster::start(&Setup::without_fsync()).unwrap();
    let database = primary.new_database().unwrap();
    let standby = primary.standby("s1").unwrap();
    primary.make_synchronous("FIRST 1 (s1)").unwrap();
    primary.psql(&database, "CREATE TABLE t (x int); INSERT INTO t VALUES (1);").unwrap();
    standby.wait_for_replay(&primary.flush_lsn().unwrap()).unwrap();
    assert_eq!(standby.psql(&database, "SELECT x FROM t").unwrap(), "1");
    assert!(standby.psql(&database, "INSERT INTO t VALUES (9)").is_err());

    standby.stop(Mode::Fast).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| primary.psql(&database, "INSERT INTO t VALUES (2)"));
        let held = "SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        primary.wait_for("a commit that waits for the standby", held).unwrap();
        assert_eq!(primary.cancel("wait_event = 'SyncRep'").unwrap(), 1);
        waiting.join().unwrap().unwrap();
    });
    primary.kill_postmaster().unwrap();
    standby.start_again().unwrap();
    standby.promote().unwrap();
    standby.psql(&database, "INSERT INTO t VALUES (3)").unwrap();
    assert_eq!(standby.psql(&database, "SELECT string_agg(x::text, ',') FROM t").unwrap(), "1,3");
    assert!(standby.replay_lsn().unwrap().contains('/'));
}

#[test]
fn sessions_are_ended_by_a_condition() {
    let cluster = Cluster::shared();
    let database = cluster.new_database().unwrap();
    let url = cluster.url(&database);
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| psql(cluster, &url, "SELECT pg_sleep(60)"));
        let condition = format!("datname = '{database}' AND query LIKE '%pg_sleep%'");
        let mut told = 0;
        wait_until("a session to end", LIMIT, || {
            told = cluster.terminate(&condition)?;
            Ok(told > 0)
        })
        .unwrap();
        assert_eq!(told, 1);
        assert!(!sleeper.join().unwrap().status.success());
    });
}

#[test]
fn a_lost_answer_of_a_commit_leaves_the_row() {
    let cluster = Cluster::shared();
    let database = cluster.new_database().unwrap();
    cluster.psql(&database, "CREATE TABLE t (x int); GRANT ALL ON t TO handoff;").unwrap();
    let proxy = Proxy::start(address_of(cluster)).unwrap();
    let url = proxy.url(&database);
    proxy.cut_after_client_sends(b"COMMIT", 2);
    assert!(psql(cluster, &url, "BEGIN; INSERT INTO t VALUES (1); COMMIT").status.success());
    assert!(!proxy.trap_has_gone_off());
    assert!(!psql(cluster, &url, "BEGIN; INSERT INTO t VALUES (2); COMMIT").status.success());
    assert!(proxy.trap_has_gone_off());
    assert_eq!(proxy.cuts(), 1);
    assert!(psql(cluster, &url, "BEGIN; INSERT INTO t VALUES (3); COMMIT").status.success(), "the trap works once");
    wait_until("the rows", LIMIT, || Ok(cluster.psql(&database, "SELECT sum(x) FROM t")? == "6")).unwrap();
}

#[test]
fn a_proxy_switches_delays_cuts_and_refuses() {
    let (first, second) = (answering(b'1'), answering(b'2'));
    let proxy = Proxy::start(first).unwrap();
    let mut open = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(ask(&mut open), Some(b'1'));
    proxy.point_to(second);
    assert_eq!(ask(&mut open), Some(b'1'), "an open connection stays where it is");
    assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap()), Some(b'2'));
    wait_until("the end of the second client to reach its server", LIMIT, || Ok(proxy.open_connections() == 1))
        .unwrap();

    proxy.delay(Duration::from_millis(40));
    let start = Instant::now();
    assert_eq!(ask(&mut open), Some(b'1'));
    assert!(start.elapsed() >= Duration::from_millis(80));
    proxy.delay(Duration::ZERO);

    proxy.cut();
    assert_eq!(ask(&mut open), None);
    proxy.refuse(true);
    assert_eq!(ask(&mut TcpStream::connect(proxy.address()).unwrap()), None);
    proxy.refuse(false);
    let mut last = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(ask(&mut last), Some(b'2'));
    drop(proxy);
    assert_eq!(ask(&mut last), None);
}

#[test]
fn a_silent_proxy_keeps_connections_open_and_delivers_late() {
    let proxy = Proxy::start(answering(b'1')).unwrap();
    let mut open = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(ask(&mut open), Some(b'1'));
    for held in [Held::Answers, Held::Everything] {
        proxy.hold(held);
        open.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        let silent = ask_again_within(&mut open);
        assert!(silent.is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{held:?}: open, and silent");
        let mut new = TcpStream::connect(proxy.address()).unwrap();
        new.write_all(b"?").unwrap();
        open.set_read_timeout(Some(LIMIT)).unwrap();
        proxy.hold(Held::Nothing);
        for late in [&mut open, &mut new] {
            let mut answer = [0];
            late.read_exact(&mut answer).unwrap();
            assert_eq!(&answer, b"1", "{held:?}: what was held back arrives");
        }
    }
    // What is held back does not hold up a cut, nor the end of the proxy.
    proxy.hold(Held::Everything);
    open.write_all(b"?").unwrap();
    proxy.cut();
    assert_eq!(open.read(&mut [0]).unwrap_or(0), 0);
    let mut last = TcpStream::connect(proxy.address()).unwrap();
    last.write_all(b"?").unwrap();
    drop(proxy);
    assert_eq!(last.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_commit_whose_answer_is_held_back_is_done() {
    let cluster = Cluster::shared();
    let database = cluster.new_database().unwrap();
    cluster.psql(&database, "CREATE TABLE t (x int); GRANT ALL ON t TO handoff;").unwrap();
    let proxy = Proxy::start(address_of(cluster)).unwrap();
    let url = proxy.url(&database);
    proxy.hold_answers_after_client_sends(b"INSERT", 1);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| psql(cluster, &url, "INSERT INTO t VALUES (1)"));
        wait_until("the row", LIMIT, || Ok(cluster.psql(&database, "SELECT count(*) FROM t")? == "1")).unwrap();
        assert!(proxy.trap_has_gone_off() && !waiting.is_finished());
        proxy.hold(Held::Nothing);
        assert!(waiting.join().unwrap().status.success());
    });
    assert_eq!(proxy.cuts(), 0);
}

/// A server that answers every byte with this one.
fn answering(answer: u8) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let address = listener.local_addr().expect("it has a port");
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a client is taken");
            thread::spawn(
                move || while client.read(&mut [0]).is_ok_and(|n| n > 0) && client.write_all(&[answer]).is_ok() {},
            );
        }
    });
    address
}

/// Asks and waits no longer than the connection is set to.
fn ask_again_within(connection: &mut TcpStream) -> std::io::Result<usize> {
    connection.write_all(b"?")?;
    connection.read(&mut [0])
}

/// The answer to one byte, or nothing where the connection has ended.
fn ask(connection: &mut TcpStream) -> Option<u8> {
    let mut answer = [0];
    connection.write_all(b"?").ok()?;
    connection.read_exact(&mut answer).ok()?;
    Some(answer[0])
}

#[test]
fn nothing_is_left_after_a_sigkill() {
    let base = tempfile::tempdir().unwrap();
    // Root's tests run the server as somebody else, who must be able to pass.
    fs::set_permissions(base.path(), fs::Permissions::from_mode(0o755)).unwrap();
    // Made by initdb, by the start of the server, by the server once it takes connections.
    for (file, text) in [("data/PG_VERSION", ""), ("log", ""), ("data/postmaster.pid", "ready")] {
        let mut victim = Command::new(env!("CARGO_BIN_EXE_handoff-cluster"))
            .env("TMPDIR", base.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        wait_until(file, LIMIT, || {
            let mut folders = fs::read_dir(base.path()).unwrap().map(|entry| entry.unwrap().path());
            Ok(folders.any(|folder| fs::read_to_string(folder.join(file)).is_ok_and(|found| found.contains(text))))
        })
        .unwrap();
        assert!(has_processes_in(base.path()));
        // SIGKILL, after which nothing of the victim's own runs.
        victim.kill().unwrap();
        victim.wait().unwrap();
        let is_gone = || Ok(fs::read_dir(base.path()).unwrap().next().is_none() && !has_processes_in(base.path()));
        wait_until("the folder and its processes to go", LIMIT, is_gone).unwrap();
    }
}

fn has_processes_in(folder: &Path) -> bool {
    let processes = fs::read_dir("/proc").expect("/proc is readable").flatten();
    processes
        .into_iter()
        .any(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder)))
}
