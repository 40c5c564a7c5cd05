//! The service over PostgreSQL: several replicas, a database that is refused, one that goes and comes back, and a move
//! from one database to another.

use anyhow::{Context, ensure};
use handoff_client::{Watch, api};
use handoff_cluster::{Cluster, Mode, Setup};
use handoff_tests::app::{LIMIT, TestApp};
use handoff_tests::play::{case, id, intake, note, offered, position, receive, table, take_in, trace};
use handoff_tests::refusal::{refused, told};
use tonic::Code;

fn fresh_database() -> anyhow::Result<String> {
    Ok(Cluster::shared().new_database()?)
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_takes_a_command_and_every_one_shows_it() -> anyhow::Result<()> {
    let cluster = Cluster::shared();
    let mut one = TestApp::prepare_over(cluster.url(&fresh_database()?))?;
    let mut two = one.replica("second")?;
    one.start()?;
    two.start()?;
    handoff_tests::play::furnish(&one).await?;
    let mut watch = Watch::from_token(two.client("a-system")?, String::new());
    let (incident, handoff) = offered(&one).await?;
    // The feed of the other replica follows without being asked.
    let seen = async {
        loop {
            let batch = watch.next().await?;
            if batch.entries.iter().any(|entry| entry.incident == incident && entry.r#type == "offered") {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(LIMIT, seen).await.context("the other replica's feed did not follow")??;
    assert_eq!(table(&two, "b-duty", &incident, &handoff).await?.state, "OFFERED");
    // A repeat at the other replica gets the first answer.
    let asked = note(&incident, "seen at one");
    let first = told(one.client("a-system")?.incidents().note(asked.clone()).await)?;
    let again = told(two.client("a-system")?.incidents().note(asked).await)?;
    assert_eq!(again, api::MoveReply { replayed: true, ..first.clone() });
    // They take turns on one case.
    let mut version = first.version;
    for turn in 0..10 {
        let app = if turn % 2 == 0 { &two } else { &one };
        let reply = told(app.client("a-system")?.incidents().note(note(&incident, "turn")).await)?;
        assert_eq!(reply.version, version + 1);
        version = reply.version;
    }
    assert_eq!(case(&one, "a-system", &incident).await?.version, version);
    assert_eq!(case(&two, "a-system", &incident).await?.version, version);
    let (at_one, _) = take_in(&one, "a-system", "").await?;
    let (at_two, _) = take_in(&two, "a-system", "").await?;
    assert_eq!(at_one, at_two);
    // The directory follows too.
    let set = api::Unit { id: "A-01-U9".into(), station: "A-01".into(), ..Default::default() };
    let request = api::SetUnitRequest { request_id: id(), unit: Some(set), ..Default::default() };
    told(one.client("a-admin")?.directory().set_unit(request).await)?;
    told(one.client("a-system")?.incidents().note(note(&incident, "after the unit")).await)?;
    told(two.client("a-system")?.incidents().note(note(&incident, "after the unit")).await)?;
    one.stop().await?;
    two.stop().await?;
    one.check()?;
    Ok(())
}

/// Starts the service and gives what it said when it refused.
fn refused_start(app: &TestApp, url: &str) -> anyhow::Result<String> {
    let output = app.run(&["serve", "--config", &app.config_file(), "--database", url])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(!output.status.success(), "it started: {said}");
    Ok(said)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsafe_database_is_refused_at_start_with_what_to_change() -> anyhow::Result<()> {
    let cluster = Cluster::shared();
    let name = fresh_database()?;
    let url = cluster.url(&name);
    let app = TestApp::prepare_over(url.clone())?;
    let sql = |text: String| cluster.psql(&name, &format!("SET default_transaction_read_only = off; {text}"));
    for (setting, value, shown, remedy) in [
        ("synchronous_commit", "off", "synchronous_commit is off", "postgresql.conf"),
        ("synchronous_commit", "remote_write", "synchronous_commit is remote_write", "reset it"),
        ("default_transaction_read_only", "on", "transaction_read_only is on", "reset default_transaction_read_only"),
    ] {
        sql(format!("ALTER DATABASE {name} SET {setting} = '{value}'"))?;
        let said = refused_start(&app, &url)?;
        assert!(said.contains(shown) && said.contains(remedy), "{said}");
        sql(format!("ALTER DATABASE {name} RESET {setting}"))?;
    }
    let empty = fresh_database()?;
    let said = refused_start(&app, &cluster.url(&empty))?;
    assert!(said.contains("handoff db migrate"), "{said}");
    let said = refused_start(&app, &url.replace("handoff@", "nobody_known@"))?;
    assert!(said.contains("user or password"), "{said}");
    let said = refused_start(&app, &url.replace(&name, "not_there"))?;
    assert!(said.contains("create it"), "{said}");
    app.configure("[evidence]", "durability = \"replicated\"\n\n[evidence]")?;
    let said = refused_start(&app, &url)?;
    assert!(said.contains("synchronous_standby_names") && said.contains("durability"), "{said}");
    app.configure("durability = \"replicated\"\n", "")?;
    sql("INSERT INTO _sqlx_migrations VALUES (9999, 'newer', now(), true, '\\x00', 0)".to_owned())?;
    let said = refused_start(&app, &url)?;
    assert!(said.contains("use the version that wrote it"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_is_refused_at_start() -> anyhow::Result<()> {
    let primary = Cluster::start(&Setup::default())?;
    let standby = primary.standby("s1")?;
    let name = primary.new_database()?;
    let app = TestApp::prepare_over(primary.url(&name))?;
    standby.wait_for_replay(&primary.flush_lsn()?)?;
    let said = refused_start(&app, &standby.url(&name))?;
    assert!(said.contains("this is a standby") && said.contains("point the URL at the primary"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_database_makes_the_service_unready_and_it_comes_back_by_itself() -> anyhow::Result<()> {
    let cluster = Cluster::start(&Setup::default())?;
    let name = cluster.new_database()?;
    let mut app = TestApp::prepare_over(cluster.url(&name))?;
    app.start()?;
    handoff_tests::play::furnish(&app).await?;
    let incident = receive(&app, intake(44.1, 86.1)).await?;
    assert_eq!(app.readiness().await?, (200, "serving".to_owned()));
    let mut watch = Watch::from_token(app.client("a-system")?, String::new());
    let entries = watch.next().await?.entries;
    assert!(!entries.is_empty());

    cluster.stop(Mode::Immediate)?;
    let lost = note(&incident, "while it is away");
    let status = refused(app.client("a-system")?.incidents().note(lost.clone()).await)?;
    assert_eq!(status.code, Code::Unavailable, "{status:?}");
    app.until_ready(503).await?;
    let status = refused(app.client("a-system")?.incidents().note(note(&incident, "not taken")).await)?;
    assert_eq!((status.code, status.reason.as_str()), (Code::Unavailable, "NOT_ACCEPTED"));

    cluster.start_again()?;
    app.until_ready(200).await?;
    let reply = told(app.client("a-system")?.incidents().note(lost).await)?;
    assert_eq!(case(&app, "a-system", &incident).await?.version, reply.version);
    // The same stream, or the one it resumed, brings it.
    let seen = async {
        loop {
            let batch = watch.next().await?;
            if batch.entries.iter().any(|entry| entry.seq == reply.version && entry.incident == incident) {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(LIMIT, seen).await.context("the feed did not go on")??;
    app.stop().await?;
    app.check()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_moves_to_postgres_and_back_and_nobody_notices() -> anyhow::Result<()> {
    let cluster = Cluster::shared();
    let mut app = TestApp::furnished(true).await?;
    let (incident, handoff) = offered(&app).await?;
    let asked = note(&incident, "before the move");
    let first = told(app.client("a-system")?.incidents().note(asked.clone()).await)?;
    let (entries, token) = take_in(&app, "a-system", "").await?;
    let before = (trace(&app, &incident).await?, position(&app, "b-duty").await?);
    app.stop().await?;

    let file = app.path("back.db");
    let stops = [cluster.url(&fresh_database()?), format!("sqlite:{}", file.display())];
    for (number, to) in stops.into_iter().enumerate() {
        let from = app.database();
        let moved = app.done(&["db", "move", "--config", &app.config_file(), "--database", &from, "--to", &to])?;
        assert!(moved.contains("moved"), "{moved}");
        let twice = app.run(&["db", "move", "--config", &app.config_file(), "--database", &from, "--to", &to])?;
        assert!(!twice.status.success(), "a database that holds something is not written over");
        app.reach_database_by(to);
        app.start()?;
        let again = told(app.client("a-system")?.incidents().note(asked.clone()).await)?;
        assert_eq!(again, api::MoveReply { replayed: true, ..first.clone() });
        if number == 0 {
            assert_eq!((trace(&app, &incident).await?, position(&app, "b-duty").await?), before);
        }
        assert_eq!(take_in(&app, "a-system", "").await?.0[..entries.len()], entries);
        // A token from before the first move goes on without a gap.
        let reply = told(app.client("a-system")?.incidents().note(note(&incident, "after the move")).await)?;
        let (later, _) = take_in(&app, "a-system", &token).await?;
        assert_eq!(later.last().context("an entry")?.seq, reply.version);
        assert_eq!(later.first().context("an entry")?.number, entries.len() as u64 + 1);
        assert_eq!(table(&app, "b-duty", &incident, &handoff).await?.state, "OFFERED");
        app.stop().await?;
        app.done(&["db", "check", "--config", &app.config_file(), "--database", &app.database()])?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_postgres_under_load_is_checked_and_restored() -> anyhow::Result<()> {
    let cluster = Cluster::shared();
    let mut app = TestApp::prepare_over(cluster.url(&fresh_database()?))?;
    app.start()?;
    handoff_tests::play::furnish(&app).await?;
    let (incident, handoff) = offered(&app).await?;
    let client = app.client("a-system")?;
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let case_id = incident.clone();
    let load = tokio::spawn(async move {
        let mut last = None;
        while stopped.try_recv().is_err() {
            let reply = told(client.incidents().note(note(&case_id, "under load")).await)?;
            last = Some(reply.version);
        }
        anyhow::Ok(last)
    });
    let copy = app.path("copy/handoff.db").to_string_lossy().into_owned();
    app.done(&["db", "backup", "--config", &app.config_file(), "--to", &copy])?;
    let _ = stop.send(());
    let last = load.await??.context("there was load")?;
    let copy = format!("sqlite:{copy}");
    app.done(&["db", "check", "--config", &app.config_file(), "--database", &copy])?;
    app.stop().await?;
    let new = cluster.url(&fresh_database()?);
    app.done(&["db", "move", "--config", &app.config_file(), "--database", &copy, "--to", &new])?;
    app.reach_database_by(new);
    app.start()?;
    assert_eq!(table(&app, "b-duty", &incident, &handoff).await?.state, "OFFERED");
    assert!(case(&app, "a-system", &incident).await?.version <= last);
    let reply = told(app.client("a-system")?.incidents().note(note(&incident, "restored")).await)?;
    assert_eq!(case(&app, "a-system", &incident).await?.version, reply.version);
    Ok(())
}
