//! Raw checks: read-only, in one snapshot, beside running services or without one.

use super::connect::{self, Purpose, Target};
use super::{failed, schema, sql};
use crate::contract::Finding;
use crate::error::StoreError;
use sqlx::{Connection, Row};

/// The server checks its own pages by their sums whenever it reads them; there is no file of ours to look at.
pub(crate) async fn integrity(_: &Target) -> Result<Vec<Finding>, StoreError> {
    Ok(Vec::new())
}

pub(crate) async fn check(target: &Target) -> Result<Vec<Finding>, StoreError> {
    let mut conn = connect::open(target, Purpose::Check).await?;
    schema::assert_current(&mut conn).await?;
    let action = "check the database";
    sqlx::query(sql::read::SNAPSHOT).execute(&mut conn).await.map_err(failed("begin to read"))?;
    let mut findings = Vec::new();
    for (check, statement) in sql::read::CHECKS {
        for row in sqlx::query(*statement).fetch_all(&mut conn).await.map_err(failed(action))? {
            findings.push(Finding { check, detail: row.try_get(0).map_err(failed(action))? });
        }
    }
    conn.close().await.map_err(failed("close the database"))?;
    Ok(findings)
}
