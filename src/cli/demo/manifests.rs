//! The folder that the controller works on: a check and the Secret it refers to. Writes files.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::cache::PING;
use super::database::{DATABASE, USER};
use super::scenery::Scenery;
use crate::standin::world::{CONNECTOR, PROJECT, REGION};

/// Namespace of the check.
pub const NAMESPACE: &str = "staging";
/// Name of the check.
pub const NAME: &str = "backend";

/// A folder, and what becomes of it at the end.
pub enum Place {
    /// It is removed.
    Temporary(TempDir),
    /// It stays.
    Kept(PathBuf),
}

impl Place {
    /// The folder that was asked for, which must be empty or not there yet; a temporary one if none was.
    ///
    /// # Errors
    /// When there is something in it, or it can't be made.
    pub fn new(keep: Option<PathBuf>) -> anyhow::Result<Self> {
        let Some(keep) = keep else {
            use std::os::unix::fs::PermissionsExt;
            let only_ours = fs::Permissions::from_mode(0o700);
            let made = tempfile::Builder::new().prefix("runready-demo-").permissions(only_ours).tempdir();
            return Ok(Place::Temporary(made.context("no temporary folder can be made; name one with --keep")?));
        };
        let shown = keep.display();
        fs::create_dir_all(&keep).with_context(|| format!("the folder {shown} can't be made; name another one"))?;
        let mut entries = fs::read_dir(&keep).with_context(|| format!("the folder {shown} can't be read"))?;
        ensure!(
            entries.next().is_none(),
            "the folder {shown} is not empty, and the demo leaves what is yours alone: name a new one with --keep"
        );
        Ok(Place::Kept(keep))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Place::Temporary(directory) => directory.path(),
            Place::Kept(path) => path,
        }
    }
}

/// Writes the manifests.
///
/// # Errors
/// When a file can't be written.
pub fn write(folder: &Path, scenery: &Scenery) -> anyhow::Result<()> {
    let put = |name: &str, mode: u32, text: &str| -> anyhow::Result<()> {
        let path = folder.join(name);
        let written = || -> io::Result<()> {
            OpenOptions::new().write(true).create_new(true).mode(mode).open(&path)?.write_all(text.as_bytes())
        };
        written().with_context(|| format!("{} can't be written", path.display()))
    };
    // The Secret comes first: a check whose Secret is not there yet would be reported as Stalled.
    put("secret.yaml", 0o600, &secret(scenery.password.expose_secret()))?;
    put("backend.yaml", 0o644, &check(scenery))
}

fn secret(password: &str) -> String {
    format!(
        "# The password of the stand-in database: made up for this one run.
apiVersion: v1
kind: Secret
metadata:
  name: staging-db
  namespace: {NAMESPACE}
stringData:
  password: {password}
"
    )
}

fn check(Scenery { database, cache, front, .. }: &Scenery) -> String {
    format!(
        "# A Cloud Run service, its database and cache behind a VPC connector, and the endpoint that its users see.
apiVersion: runready.dev/v1alpha1
kind: ConnectivityCheck
metadata:
  name: {NAME}
  namespace: {NAMESPACE}
spec:
  service: {{project: {PROJECT}, region: {REGION}, name: backend}}
  interval: 1s          # 30s would do outside of a demo
  timeout: 800ms        # within it, each stage keeps its own clock
  failureThreshold: 2   # one lost packet is no outage
  successThreshold: 3   # one answer is no recovery
  inspect: {{interval: 10s}}   # what Google's APIs say; 1m would do outside of a demo
  baseline:             # what is known to work
    objects:
    - inspection: Connector
      name: {CONNECTOR}
      fields:
        network: staging-vpc
        ipCidrRange: 10.8.0.0/28
        machineType: e2-micro
        minInstances: '2'
        maxInstances: '10'
  probes:
  - name: database
    postgres:
      host: {}
      port: {}
      database: {DATABASE}
      user: {USER}
      passwordSecretRef: {{name: staging-db, key: password}}
      tls: {{mode: Disable}}   # the stand-in has no certificate
  - name: cache
    tcp: {{host: {}, port: {}, send: {PING:?}, expect: '^\\+PONG'}}
  - name: endpoint
    http: {{url: 'http://{front}/healthz'}}
",
        database.ip(),
        database.port(),
        cache.ip(),
        cache.port(),
    )
}
