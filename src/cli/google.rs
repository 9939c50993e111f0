//! The arguments that say how Google's APIs are asked. Arguments in, a connector and an inspector out; no I/O.

use crate::inspect::Inspector;
use crate::probe::Connector;
use crate::probe::cloudsql::{Access, AdminEndpoint, Credentials};

/// How Google's APIs are asked, where a check needs them.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Google's APIs (docs/control-plane.md, docs/probes/cloud-sql.md)")]
pub struct GoogleArgs {
    /// Whether what Google Cloud itself says is read for checks that name a service
    #[arg(long, value_enum, default_value_t, env = "RUNREADY_INSPECT")]
    pub inspect: Inspect,
    /// One base for all of Google's APIs, such as a Private Service Connect endpoint [default: each API's own]
    #[arg(long, value_name = "URL", env = "RUNREADY_GOOGLE_ENDPOINT")]
    pub google_endpoint: Option<AdminEndpoint>,
    /// Where the Cloud SQL Admin API is for probes with cloudSql; goes before --google-endpoint [default: sqladmin.googleapis.com]
    #[arg(long, value_name = "URL", env = "RUNREADY_CLOUD_SQL_ENDPOINT")]
    pub cloud_sql_endpoint: Option<AdminEndpoint>,
    /// As whom they are asked
    #[arg(long, value_enum, default_value_t, env = "RUNREADY_GOOGLE_CREDENTIALS")]
    pub google_credentials: As,
}

/// Whether Google's APIs are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Inspect {
    /// For every check that names a service.
    #[default]
    On,
    /// For none.
    Off,
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
        Connector::new(self.access(self.cloud_sql_endpoint.as_ref().or(self.google_endpoint.as_ref())))
    }

    /// What reads Google Cloud's own view in that way. None where that is switched off; nothing is asked before a check needs it.
    pub fn inspector(&self) -> Option<Inspector> {
        match self.inspect {
            Inspect::On => Some(Inspector::new(self.api())),
            Inspect::Off => None,
        }
    }

    fn access(&self, endpoint: Option<&AdminEndpoint>) -> Access {
        let credentials = match self.google_credentials {
            As::Default => Credentials::Default,
            As::Anonymous => Credentials::Anonymous,
        };
        Access { endpoint: endpoint.cloned(), credentials, token_life: None }
    }

    /// How the other APIs are asked.
    pub fn api(&self) -> Access {
        self.access(self.google_endpoint.as_ref())
    }
}
