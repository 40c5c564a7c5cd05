//! Backup and raw checks: read-only, beside a running service or without one.

use super::transfer::NewFile;
use super::{connect, failed, reader_options, schema, sql};
use crate::contract::Finding;
use crate::error::StoreError;
use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Row};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) async fn backup(path: &Path, to: &Path) -> Result<(), StoreError> {
    // Created first, for its mode; SQLite fills an empty file.
    let file = NewFile::create(to)?;
    // A connection that may only query may not write the copy either; the database itself is opened read-only.
    let mut conn = open(path).await?;
    sqlx::query(sql::read::MAY_COPY).execute(&mut conn).await.map_err(failed("prepare the copy"))?;
    let part = file.part().to_string_lossy().into_owned();
    if let Err(error) = sqlx::query(sql::read::BACKUP).bind(part).execute(&mut conn).await {
        file.remove()?;
        return Err(failed("copy the database")(error));
    }
    conn.close().await.map_err(failed("close the database"))?;
    let protected = std::fs::set_permissions(file.part(), PermissionsExt::from_mode(0o600));
    let part = file.part().to_owned();
    protected.map_err(|source| StoreError::File { action: "protect", path: part, source })?;
    file.keep()
}

pub(crate) async fn integrity(path: &Path) -> Result<Vec<Finding>, StoreError> {
    let mut conn = open(path).await?;
    let findings = file_findings(&mut conn).await?;
    conn.close().await.map_err(failed("close the database"))?;
    Ok(findings)
}

pub(crate) async fn check(path: &Path) -> Result<Vec<Finding>, StoreError> {
    let mut conn = open(path).await?;
    let mut findings = file_findings(&mut conn).await?;
    // All checks look at one snapshot: the service beside writes on.
    sqlx::query("BEGIN").execute(&mut conn).await.map_err(failed("begin to read"))?;
    for row in sqlx::query(sql::read::FOREIGN_KEYS).fetch_all(&mut conn).await.map_err(failed("check references"))? {
        let table = row.try_get::<String, _>(0).map_err(failed("check references"))?;
        let parent = row.try_get::<String, _>(2).map_err(failed("check references"))?;
        findings.push(Finding { check: "references", detail: format!("a row of {table} has no row in {parent}") });
    }
    for (check, statement) in sql::read::CHECKS {
        let rows = sqlx::query(*statement).fetch_all(&mut conn).await.map_err(failed("check the database"))?;
        for row in rows {
            findings.push(Finding { check, detail: row.try_get(0).map_err(failed("check the database"))? });
        }
    }
    conn.close().await.map_err(failed("close the database"))?;
    Ok(findings)
}

async fn open(path: &Path) -> Result<SqliteConnection, StoreError> {
    if !path.exists() {
        return Err(StoreError::NoSchema);
    }
    let mut conn = connect(reader_options(path)).await?;
    schema::assert_current(&mut conn).await?;
    Ok(conn)
}

async fn file_findings(conn: &mut SqliteConnection) -> Result<Vec<Finding>, StoreError> {
    let action = "check the file";
    let rows = sqlx::query(sql::read::INTEGRITY).fetch_all(conn).await.map_err(failed(action))?;
    let mut findings = Vec::new();
    for row in rows {
        let detail: String = row.try_get(0).map_err(failed(action))?;
        if detail != "ok" {
            findings.push(Finding { check: "integrity", detail });
        }
    }
    Ok(findings)
}
