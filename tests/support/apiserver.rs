//! Starts a real etcd and kube-apiserver (TLS, RBAC, service account tokens), and a kube-controller-manager when asked.
//! One is shared by the tests of a process; a test that stops its API server launches its own. What a test asks of it
//! is in `cluster`.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use tempfile::TempDir;

use super::cert::{self, Authority, Issued};
use super::process::{Process, Signal, free_port, tool};
use super::scratch;
use super::wait::until;

const READY: Duration = Duration::from_secs(90);

/// A running API server, with its data and its credentials in a directory of its own.
pub struct ApiServer {
    dir: TempDir,
    port: u16,
    etcd_port: u16,
    authority: Authority,
    running: Mutex<Vec<Process>>,
}

impl ApiServer {
    /// The one that all tests of this process share.
    pub fn shared() -> Result<&'static ApiServer, String> {
        static SHARED: OnceLock<Result<ApiServer, String>> = OnceLock::new();
        SHARED.get_or_init(ApiServer::launch).as_ref().map_err(String::clone)
    }

    /// A new one, ready.
    pub fn launch() -> Result<ApiServer, String> {
        for name in ["etcd", "kube-apiserver", "kubectl"] {
            tool(name)?;
        }
        // kube and others use this process-wide choice; the second to make it finds it made.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let api = ApiServer {
            dir: scratch::dir("api"),
            port: free_port(),
            etcd_port: free_port(),
            authority: Authority::new("test cluster"),
            running: Mutex::new(Vec::new()),
        };
        api.write_credentials();
        api.start();
        Ok(api)
    }

    /// Starts etcd and the API server again, at the same address and with the data as they were.
    pub fn start(&self) {
        let mut running = self.running.lock().expect("one user at a time");
        assert!(running.is_empty(), "the API server is running already");
        running.push(self.start_etcd());
        let mut apiserver = self.start_apiserver();
        until(READY, "the API server to be ready", || {
            assert!(apiserver.ended().is_none(), "the API server ended: {}", apiserver.log_tail());
            self.kubectl(&["get", "--raw", "/readyz"]).map_err(|e| format!("{e}\n{}", apiserver.log_tail()))
        });
        running.push(apiserver);
    }

    /// Ends the API server (and whatever uses it), then etcd: connections to it are refused from here on.
    pub fn stop(&self) {
        let mut running = self.running.lock().expect("one user at a time");
        while let Some(process) = running.pop() {
            process.stop(Signal::Kill);
        }
    }

    /// Starts a kube-controller-manager, which ends with the API server. setup-envtest brings none: hence the `Err`.
    pub fn start_controller_manager(&self) -> Result<(), String> {
        tool("kube-controller-manager")?;
        let kubeconfig = self.kubeconfig().display().to_string();
        let path = |name| self.path(name).display().to_string();
        let process = self.spawn(
            "kube-controller-manager",
            &[
                format!("--kubeconfig={kubeconfig}"),
                format!("--service-account-private-key-file={}", path("accounts.key")),
                format!("--root-ca-file={}", path("ca.crt")),
                "--use-service-account-credentials=true".to_owned(),
                "--leader-elect=false".to_owned(),
                "--secure-port=0".to_owned(),
            ],
        );
        self.running.lock().expect("one user at a time").push(process);
        Ok(())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("admin.kubeconfig")
    }

    /// The directory of this API server: kubeconfigs and other files may be put here.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn spawn(&self, program: &str, flags: &[String]) -> Process {
        let program_path = tool(program).expect("seen before").display().to_string();
        let command: Vec<&str> =
            std::iter::once(program_path.as_str()).chain(flags.iter().map(String::as_str)).collect();
        let log = self.path(&format!("{program}.log"));
        Process::spawn(&[], Signal::Kill, &[], &command, &log).expect("a child process")
    }

    fn start_etcd(&self) -> Process {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        self.spawn(
            "etcd",
            &[
                format!("--data-dir={}", self.path("etcd").display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
                "--unsafe-no-fsync=true".to_owned(),
                "--log-level=error".to_owned(),
            ],
        )
    }

    fn start_apiserver(&self) -> Process {
        let path = |name| self.path(name).display().to_string();
        self.spawn(
            "kube-apiserver",
            &[
                format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
                "--bind-address=127.0.0.1".to_owned(),
                "--advertise-address=127.0.0.1".to_owned(),
                format!("--secure-port={}", self.port),
                format!("--tls-cert-file={}", path("server.crt")),
                format!("--tls-private-key-file={}", path("server.key")),
                format!("--client-ca-file={}", path("ca.crt")),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", path("accounts.pub")),
                format!("--service-account-signing-key-file={}", path("accounts.key")),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
                "--authorization-mode=RBAC".to_owned(),
                "--endpoint-reconciler-type=none".to_owned(),
            ],
        )
    }

    fn write_credentials(&self) {
        let server = self.authority.server(&["127.0.0.1", "localhost"]);
        self.write("ca.crt", &self.authority.pem());
        self.write("server.crt", &server.cert);
        self.write("server.key", &server.key);
        let (private, public) = cert::key_pair();
        self.write("accounts.key", &private);
        self.write("accounts.pub", &public);
        let admin = self.authority.client("admin", Some("system:masters"));
        self.write_kubeconfig("admin", &self.certificate_user(&admin));
    }

    /// Writes a kubeconfig for a user, given as the JSON object of its credentials.
    pub fn write_kubeconfig(&self, user: &str, credentials: &serde_json::Value) -> PathBuf {
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "bed", "cluster": {"server": self.url(), "certificate-authority": self.path("ca.crt")}}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "bed", "context": {"cluster": "bed", "user": user}}],
            "current-context": "bed",
        });
        self.write(&format!("{user}.kubeconfig"), &kubeconfig.to_string())
    }

    fn certificate_user(&self, issued: &Issued) -> serde_json::Value {
        serde_json::json!({
            "client-certificate": self.write("client.crt", &issued.cert),
            "client-key": self.write("client.key", &issued.key),
        })
    }

    fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file in our own directory");
        path
    }
}
