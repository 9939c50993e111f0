//! The arguments that say how Google's APIs are asked. Arguments in, a connector out; no I/O.

use crate::probe::Connector;
use crate::probe::cloudsql::{Access, AdminEndpoint, Credentials};

/// How Google's APIs are asked, where a check needs them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Google's APIs (docs/probes/cloud-sql.md)")]
pub struct GoogleArgs {
    /// Where the Cloud SQL Admin API is, such as a Private Service Connect endpoint [default: sqladmin.googleapis.com]
    #[arg(long, value_name = "URL", env = "RUNREADY_CLOUD_SQL_ENDPOINT")]
    pub cloud_sql_endpoint: Option<AdminEndpoint>,
    /// Where all of Google's APIs are, such as a stand-in [default: each at its own host]
    #[arg(long, value_name = "URL", env = "RUNREADY_GOOGLE_ENDPOINT")]
    pub google_endpoint: Option<AdminEndpoint>,
    /// As whom it is asked
    #[arg(long, value_enum, default_value_t, env = "RUNREADY_GOOGLE_CREDENTIALS")]
    pub google_credentials: As,
}

/// As whom Google's APIs are asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum As {
    /// Application Default Credentials: GOOGLE_APPLICATION_CREDENTIALS, gcloud's own, or the metadata server.
    #[default]
    Default,
    /// Nobody: for a stand-in that asks for no token.
    Anonymous,
}

impl GoogleArgs {
    /// What reaches Cloud SQL instances in that way. Nothing is asked before a probe needs it.
    pub fn connector(&self) -> Connector {
        let endpoint = self.cloud_sql_endpoint.clone().or_else(|| self.google_endpoint.clone());
        Connector::new(Access { endpoint, credentials: self.credentials() })
    }

    /// How the other APIs are asked.
    pub fn api(&self) -> Access {
        Access { endpoint: self.google_endpoint.clone(), credentials: self.credentials() }
    }

    fn credentials(&self) -> Credentials {
        match self.google_credentials {
            As::Default => Credentials::Default,
            As::Anonymous => Credentials::Anonymous,
        }
    }
}
