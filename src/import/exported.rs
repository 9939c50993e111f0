//! A Cloud Run service as a file or the API describes it, whatever the shape. Data only.
//!
//! The environment may hold secrets: its values are kept behind `secrecy`, and nothing here prints one.

use secrecy::SecretString;

use crate::cloud::service::Template;

/// A service, as far as a check is made from it.
#[derive(Debug, Default)]
pub struct Exported {
    /// Its name.
    pub name: String,
    /// The project's id, or its number, which is what the Knative shape holds.
    pub project: Option<String>,
    /// Its region.
    pub region: Option<String>,
    /// Its address, if the description shows it.
    pub url: Option<String>,
    /// Whether it has the address that Cloud Run makes of its name.
    pub default_url: bool,
    /// Whether callers need no token: it is so where the check of the invoker is switched off; otherwise it can't be seen.
    pub open: bool,
    /// Whether it takes requests from inside Google Cloud alone.
    pub internal: bool,
    /// What a revision is made of: the way out, the instances that are mounted, the start-up probe.
    pub template: Template,
    /// What Cloud Run asks for the service's health.
    pub health: Option<Health>,
    /// The port that takes requests, if it is said.
    pub port: Option<u32>,
    /// Its containers: first the one that takes requests.
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Debug, Default)]
pub struct Container {
    /// Whether it is the one that takes requests.
    pub ingress: bool,
    /// Its environment.
    pub environment: Vec<Variable>,
    /// The instances that it leads to, where it is a Cloud SQL Auth Proxy.
    pub proxied: Vec<Proxied>,
    /// How its start is watched.
    pub startup: Option<crate::cloud::service::StartupProbe>,
    /// What is asked for its health.
    pub health: Option<Health>,
    /// The port that takes requests, if it is said.
    pub port: Option<u32>,
}

/// What a container's own probe asks for its health.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// What it asks for.
    pub asks: Asks,
    /// The port that it asks, if that is said.
    pub port: Option<u32>,
}

/// What a probe asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A path, over HTTP.
    Path(String),
    /// A service's health over gRPC (grpc.health.v1). Empty: the server as a whole.
    Grpc(String),
}

/// A variable of the environment.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Held,
}

/// Where a variable's value is.
#[derive(Clone, Debug)]
pub enum Held {
    /// In the description itself.
    Text(SecretString),
    /// In Secret Manager.
    Secret(SecretVersion),
}

/// A version of a secret of Secret Manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// Its project, if it is another one than the service's.
    pub project: Option<String>,
    /// Its name.
    pub secret: String,
    /// A number, or latest.
    pub version: String,
}

/// An instance that a Cloud SQL Auth Proxy beside the service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxied {
    /// PROJECT:REGION:INSTANCE.
    pub instance: String,
    /// The port that it listens on, if that is said.
    pub port: Option<u16>,
    /// The kind of address that it connects to.
    pub ip: ProxyIp,
}

/// The kind of address that an Auth Proxy connects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyIp {
    /// The one on the internet, which is the proxy's default.
    Public,
    /// The one in a VPC network.
    Private,
    /// Private Service Connect.
    Psc,
}

impl SecretVersion {
    /// A secret by its name, in full or not.
    pub fn named(secret: &str, version: Option<String>) -> Self {
        let version = version.filter(|version| !version.is_empty()).unwrap_or_else(|| "latest".to_owned());
        let parts: Vec<&str> = secret.split('/').collect();
        match parts[..] {
            ["projects", project, "secrets", name] | ["projects", project, "secrets", name, "versions", _] => {
                SecretVersion { project: Some(project.to_owned()), secret: name.to_owned(), version }
            }
            _ => SecretVersion { project: None, secret: secret.to_owned(), version },
        }
    }
}
