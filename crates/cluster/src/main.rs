//! `cargo run -p handoff-cluster`: a PostgreSQL server of your own until the end of standard input or of this program.

use handoff_cluster::{Cluster, Error, Setup};
use std::io::{self, Read, Write};

fn main() -> Result<(), Error> {
    let cluster = Cluster::start(&Setup::default())?;
    let database = cluster.new_database()?;
    let text = format!("service    {}\nsuperuser  {}\n", cluster.url(&database), cluster.admin_url(&database));
    let hold = || -> io::Result<()> {
        io::stdout().write_all(text.as_bytes())?;
        io::stdin().read_to_end(&mut Vec::new()).map(drop)
    };
    hold().map_err(|source| Error::Io { what: "hold the server".to_owned(), source })
}
