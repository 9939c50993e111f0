//! What a test asks of an API server: a client, kubectl, a namespace of its own, less powerful credentials, and how
//! many requests of which kind it has served.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::apiserver::ApiServer;
use super::checks::condition;
use super::process::{run_with_input, tool};
use super::wait::until;

/// Requests served, by verb, resource and subresource.
pub type RequestCounts = BTreeMap<(String, String, String), u64>;

/// A client with the credentials of a kubeconfig. It belongs to the runtime it is made in: each test makes its own.
pub async fn client_from(kubeconfig: &Path) -> kube::Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("our own kubeconfig");
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    kube::Client::try_from(config.expect("our own kubeconfig")).expect("a client")
}

impl ApiServer {
    /// A client with all rights.
    pub async fn client(&self) -> kube::Client {
        client_from(&self.kubeconfig()).await
    }

    /// Runs kubectl as the administrator; its standard output, or all that it said.
    pub fn kubectl(&self, args: &[&str]) -> Result<String, String> {
        self.kubectl_as(&self.kubeconfig(), args, "")
    }

    /// Runs kubectl with a kubeconfig and something on its standard input.
    pub fn kubectl_as(&self, kubeconfig: &Path, args: &[&str], input: &str) -> Result<String, String> {
        let mut command = Command::new(tool("kubectl")?);
        // Its caches go where no other test, and no person, has theirs.
        command.arg("--cache-dir").arg(self.dir().join("kube-cache")).args(args);
        run_with_input(command.env("KUBECONFIG", kubeconfig), input)
    }

    /// `kubectl apply` of a text with one or more manifests.
    pub fn apply(&self, yaml: &str) -> Result<String, String> {
        self.kubectl_as(&self.kubeconfig(), &["apply", "-f", "-"], yaml)
    }

    /// Applies CustomResourceDefinitions and returns when they serve: just after it is established a resource's
    /// storage is still being made, and requests are answered with 429.
    pub fn install_crds(&self, yaml: &str) {
        let applied = self.apply(yaml).expect("definitions that the API server takes");
        for line in applied.lines() {
            let name = line.split_whitespace().next().expect("kubectl names what it applied");
            // `kubectl wait` gives up at once on a definition that has no conditions yet.
            until(Duration::from_secs(30), "the definition to be established", || self.established(name));
            let resource = name.split_once('/').map_or(name, |(_, resource)| resource);
            until(Duration::from_secs(30), "the new resource to be served", || {
                self.kubectl(&["get", resource, "--all-namespaces"])
            });
        }
    }

    /// Whether a definition is established; what it says of itself otherwise.
    fn established(&self, name: &str) -> Result<(), String> {
        let text = self.kubectl(&["get", name, "-o", "json"])?;
        let definition: serde_json::Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        match condition(&definition, "Established") {
            Some((status, _)) if status == "True" => Ok(()),
            Some(_) | None => Err(definition["status"].to_string()),
        }
    }

    /// Makes a namespace with a name that no other test has.
    pub fn namespace(&self, hint: &str) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("{hint}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.kubectl(&["create", "namespace", &name]).expect("a new namespace");
        name
    }

    /// A kubeconfig with a fresh token of a service account.
    pub fn token_kubeconfig(&self, namespace: &str, account: &str) -> PathBuf {
        let token = self.kubectl(&["create", "token", account, "--namespace", namespace]).expect("a token");
        self.write_kubeconfig(&format!("{namespace}-{account}"), &serde_json::json!({"token": token.trim()}))
    }

    /// What the API server has served so far, from its own metrics.
    pub fn request_counts(&self) -> RequestCounts {
        parse_request_counts(&self.kubectl(&["get", "--raw", "/metrics"]).expect("the metrics"))
    }
}

fn parse_request_counts(metrics: &str) -> RequestCounts {
    let mut counts = RequestCounts::new();
    for line in metrics.lines() {
        let Some(rest) = line.strip_prefix("apiserver_request_total{") else {
            continue;
        };
        let (labels, value) = rest.rsplit_once("} ").expect("a sample");
        let label = |name: &str| {
            let found =
                labels.split(',').find_map(|pair| pair.strip_prefix(name)?.strip_prefix("=\"")?.strip_suffix('"'));
            found.unwrap_or_default().to_owned()
        };
        let key = (label("verb"), label("resource"), label("subresource"));
        *counts.entry(key).or_default() += value.parse::<f64>().expect("a number") as u64;
    }
    counts
}
