//! How verbs reach a service.

use crate::output;
use handoff_client::{Client, Machine, Token};
use std::path::PathBuf;
use tonic_status::explain;

/// Where the service is, and who calls.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Connect {
    /// Address of the service.
    #[arg(long, default_value = "https://127.0.0.1:7443")]
    server: String,
    /// File with the authority of the server's certificate.
    #[arg(long)]
    ca: PathBuf,
    /// File with the token. Without one a machine speaks for itself, by its certificate.
    #[arg(long, required_unless_present = "client_cert")]
    token_file: Option<PathBuf>,
    /// File with this machine's certificate, where the service asks for certificates.
    #[arg(long, requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// File with its private key.
    #[arg(long, requires = "client_cert")]
    client_key: Option<PathBuf>,
}

impl Connect {
    /// Prepares the connection.
    pub(crate) fn client(&self) -> anyhow::Result<Client> {
        let text = |file: &PathBuf| -> anyhow::Result<String> {
            Ok(String::from_utf8_lossy(&output::read(file)?).into_owned())
        };
        let ca = text(&self.ca)?;
        let token = self.token_file.as_ref().map(text).transpose()?.unwrap_or_default();
        let token = Token::new(token.trim().to_owned());
        let client = match (&self.client_cert, &self.client_key) {
            (Some(cert), Some(key)) => {
                let machine = Machine { cert_pem: text(cert)?, key_pem: text(key)? };
                Client::connect_as(&machine, &self.server, &ca, token)
            }
            _ => Client::connect(&self.server, &ca, token),
        };
        client.map_err(|error| output::Usage(format!("{error}: {} with {}", self.server, self.ca.display())).into())
    }
}

/// What a refusal looks like on a terminal.
mod tonic_status {
    use crate::output::Refused;
    use handoff_client::explain as told;

    /// A status as an error of the command line: refusals end with their own exit code.
    pub(crate) fn explain(status: &handoff_client::Status) -> anyhow::Error {
        let mut text = told(status);
        // A refusal has none; a connection that failed says here that it was a certificate, a name, a closed port.
        let mut cause = std::error::Error::source(status);
        while let Some(error) = cause {
            text.push_str(&format!("\n  because: {error}"));
            cause = error.source();
        }
        match handoff_client::definite(status) {
            handoff_client::Attempt::Definite => anyhow::Error::new(Refused(text)),
            handoff_client::Attempt::AskAgain => anyhow::anyhow!(text),
        }
    }
}

/// Turns a service's answer into this program's.
pub(crate) fn told<T>(answer: Result<handoff_client::Response<T>, handoff_client::Status>) -> anyhow::Result<T> {
    answer.map(handoff_client::Response::into_inner).map_err(|status| explain(&status))
}
