//! `runready run`: the controller, against a cluster or on a folder. Does I/O through its parts.

mod descriptors;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::ValueHint;
use kube::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::google::GoogleArgs;
use super::limits::{LoadArgs, NamespaceArgs};
use super::safety::TargetArgs;
use super::{output, place};
use crate::controller::{Common, Controller};
use crate::engine::Inspects;
use crate::manifest::DEFAULT_NAMESPACE;
use crate::metrics::Metrics;
use crate::plan::Limits;
use crate::probe::{Resolver, Vantage};
use crate::serve::{self, Phase};
use crate::source::Term;
use crate::source::cluster::lease::{Elector, Timing};
use crate::source::cluster::{self, rights};
use crate::source::folder::{self, Folder, FolderBackend};
use crate::telemetry::{DEFAULT_FILTER, LogFormat, Traces, start_logging};

/// Where it listens unless told otherwise.
const DEFAULT_PORT: u16 = 8080;
/// Longest wait for the last traces to be exported at the end.
const LAST_TRACES: Duration = Duration::from_secs(2);

/// Run the controller: probe every ConnectivityCheck of a cluster, or of a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  runready run                        every namespace of the cluster
  runready run --namespace staging    one namespace; needs only a Role there
  runready run --folder checks/       no cluster: statuses in checks/.runready/
  runready get --folder checks/       ... and are shown by this

Logs go to standard error; RUST_LOG=debug shows every observation. Traces are exported when OTEL_EXPORTER_OTLP_ENDPOINT is set.

Exit code: 0 after SIGTERM or Ctrl-C; 2 it can't start, or a part of it has ended by a defect, and why is said.")]
pub struct Args {
    /// Namespace to watch; repeatable. Default: all.
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "folder")]
    pub namespace: Vec<String>,

    /// Folder of manifests to watch instead of a cluster.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub folder: Option<PathBuf>,

    /// Where the folder's Secrets may stand as files: NAMESPACE/NAME/KEY or NAME/KEY.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, requires = "folder")]
    pub secrets_dir: Option<PathBuf>,

    /// How logs are written.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,

    /// Where /healthz, /readyz and /metrics are served. Default: 0.0.0.0:8080, and with --folder 127.0.0.1:8080. Port 0: any
    /// that is free; the first line of the log says which.
    #[arg(long, value_name = "ADDRESS:PORT", env = "RUNREADY_LISTEN")]
    pub listen: Option<SocketAddr>,

    /// Name of the place that probes are carried out from. Default: pod/NAMESPACE/NAME in a cluster, else host/NAME.
    #[arg(long, value_name = "NAME", env = "RUNREADY_VANTAGE")]
    pub vantage: Option<String>,

    /// Probe only while holding a Lease: for several replicas. A single replica that goes without it keeps probing while the
    /// API server is away.
    #[arg(long, conflicts_with = "folder")]
    pub leader_elect: bool,

    /// Name of the Lease.
    #[arg(long, value_name = "NAME", default_value = "runready")]
    pub lease_name: String,

    /// Namespace of the Lease. Default: the operator's own.
    #[arg(long, value_name = "NAMESPACE", env = "POD_NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// A status whose meaning does not change is written no more often than this.
    #[arg(long, value_name = "DURATION", default_value = "5m")]
    pub heartbeat: kube::core::Duration,

    /// What checks may reach, whatever they say.
    #[command(flatten)]
    pub targets: TargetArgs,

    /// How Google's APIs are asked.
    #[command(flatten)]
    pub google: GoogleArgs,
    /// How much checks may ask for, whatever they say.
    #[command(flatten)]
    pub loads: LoadArgs,

    /// How much the checks of one namespace may ask for together.
    #[command(flatten)]
    pub quotas: NamespaceArgs,
}

impl Args {
    /// Where to serve. A folder is one person's affair, a cluster's probes and scrapes come from elsewhere.
    fn address(&self) -> SocketAddr {
        let default = if self.folder.is_some() { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        self.listen.unwrap_or(SocketAddr::from((default, DEFAULT_PORT)))
    }

    /// The namespaces to watch, each once.
    fn namespaces(&self) -> Vec<String> {
        self.namespace.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect()
    }
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it can't start (the address is taken, there is no kubeconfig, the folder can't be read), or a part of it has ended.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _ = start_logging(args.log_format, output::colours(&std::io::stderr()), DEFAULT_FILTER);
    let stop = stop_signal()?;
    let (inspector, mut metrics) = (args.google.inspector(), Metrics::new());
    if let Some(inspector) = inspector.clone() {
        metrics.show_calls(move || inspector.calls());
    }
    let metrics = Arc::new(metrics);
    let (phase, phases) = watch::channel(Phase::Starting);
    let address = args.address();
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("could not listen on {address}; choose another address with --listen"))?;
    let address = listener.local_addr().unwrap_or(address);
    let (hindrance, hindered) = watch::channel(None);
    let server = serve::serve(listener, phases, hindered, metrics.clone());
    let common = Common {
        vantage: Vantage {
            name: place::vantage(args.vantage.as_deref()).into(),
            resolver: Resolver::system(),
            targets: args.targets.targets(),
            cloud_sql: args.google.connector(),
        },
        inspector: inspector.map(|inspector| Arc::new(inspector) as Arc<dyn Inspects>),
        metrics,
        traces: Traces::from_env().context("traces")?,
        most_in_flight: descriptors::raise(),
        heartbeat: args.heartbeat.into(),
        limits: Limits { quotas: args.quotas.quotas(args.folder.is_some()), ..args.loads.limits() },
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        vantage = &*common.vantage.name,
        listen = %address,
        most_in_flight = common.most_in_flight,
        "runready starts"
    );
    let work = async {
        match &args.folder {
            Some(directory) => on_folder(&args, directory, &common, &phase, stop).await,
            None => on_cluster(&args, &common, &phase, hindrance, stop).await,
        }
    };
    tokio::select! {
        done = work => done?,
        served = server => {
            served.context("/healthz, /readyz and /metrics can't be served any longer")?;
            bail!(Lost("the server of /healthz, /readyz and /metrics"));
        }
    }
    if let Some(traces) = &common.traces
        && !traces.flush(LAST_TRACES).await
    {
        tracing::warn!("the last traces could not be exported in time; they are dropped");
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

async fn on_folder(
    args: &Args,
    directory: &Path,
    common: &Common,
    phase: &watch::Sender<Phase>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let options = folder::Options {
        directory: directory.to_owned(),
        namespace: DEFAULT_NAMESPACE.to_owned(),
        secrets: args.secrets_dir.clone(),
    };
    let folder = Folder::open(options)?;
    let events = folder.watch();
    common.metrics.leading(true);
    let controller =
        Controller::start(events, Arc::new(FolderBackend(folder)), common).context("the engine can't start")?;
    watch_over(controller, JoinSet::new(), phase, stop, None).await?;
    Ok(())
}

async fn on_cluster(
    args: &Args,
    common: &Common,
    phase: &watch::Sender<Phase>,
    hindrance: watch::Sender<Option<String>>,
    mut stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    hindrance.send_replace(Some(rights::UNKNOWN.to_owned()));
    let config = kube::Config::infer()
        .await
        .context("no cluster: set KUBECONFIG, run inside a pod, or use --folder DIR to do without")?;
    let own_namespace = config.default_namespace.clone();
    let client = Client::try_from(config).context("the kubeconfig can't be used")?;
    let instance = place::instance();
    let namespace = args.lease_namespace.as_deref().unwrap_or(&own_namespace);
    let lease = args.leader_elect.then_some((namespace, args.lease_name.as_str()));
    tokio::spawn(rights::review(client.clone(), rights::needed(&args.namespaces(), lease), hindrance));
    if !args.leader_elect {
        common.metrics.leading(true);
        probe_cluster(args, client, &instance, common, phase, stop, None).await?;
        return Ok(());
    }
    let identity =
        format!("{instance}_{:08x}", std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs());
    let elector = Elector::start(client.clone(), namespace, &args.lease_name, &identity, Timing::default());
    let mut leading = elector.leading();
    let ended = loop {
        phase.send_replace(Phase::StandingBy);
        common.metrics.leading(false);
        tokio::select! {
            led = leading.wait_for(|leading| *leading) => {
                if led.is_err() {
                    break Err(Lost("the leader election").into());
                }
            }
            _ = stop.wait_for(|stop| *stop) => break Ok(()),
        }
        phase.send_replace(Phase::Starting);
        common.metrics.leading(true);
        let lease = Some((leading.clone(), elector.term()));
        match probe_cluster(args, client.clone(), &instance, common, phase, stop.clone(), lease).await {
            Ok(Ended::LostLease) => {}
            Ok(Ended::Stopped) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    elector.release().await;
    ended
}

/// One term of probing a cluster, with fresh watches.
async fn probe_cluster(
    args: &Args,
    client: Client,
    instance: &str,
    common: &Common,
    phase: &watch::Sender<Phase>,
    stop: watch::Receiver<bool>,
    lease: Option<(watch::Receiver<bool>, Term)>,
) -> anyhow::Result<Ended> {
    let (leading, term) = lease.map_or((None, Term::unlimited()), |(leading, term)| (Some(leading), term));
    let source = cluster::start(client, &args.namespaces(), instance);
    let controller =
        Controller::start_within(term, source.events, source.backend, common).context("the engine can't start")?;
    watch_over(controller, source.watches, phase, stop, leading).await
}

/// Why probing has ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Stopped,
    LostLease,
}

/// A part without which the others would go on as if all were well.
#[derive(Debug, thiserror::Error)]
#[error("{0} has ended, a defect of runready: its log says why. Start it again; in a cluster the Deployment does")]
struct Lost(&'static str);

/// Lets a controller work until the process is asked to stop, the lease is lost, or a part of it ends.
async fn watch_over(
    mut controller: Controller,
    mut watches: JoinSet<()>,
    phase: &watch::Sender<Phase>,
    mut stop: watch::Receiver<bool>,
    leading: Option<watch::Receiver<bool>>,
) -> anyhow::Result<Ended> {
    let mut synced = controller.synced();
    let mut known = false;
    let lost = async {
        match leading {
            Some(mut leading) => _ = leading.wait_for(|leading| !*leading).await,
            None => std::future::pending().await,
        }
    };
    let mut lost = std::pin::pin!(lost);
    let ended = loop {
        tokio::select! {
            // An error says that the planner is gone; that is noticed below.
            Ok(_) = synced.wait_for(|synced| *synced), if !known => {
                known = true;
                phase.send_replace(Phase::Probing(controller.inbox()));
            }
            () = &mut lost => {
                controller.abandon().await;
                return Ok(Ended::LostLease);
            }
            _ = stop.wait_for(|stop| *stop) => break Ok(Ended::Stopped),
            part = controller.ended() => break Err(Lost(part).into()),
            Some(_) = watches.join_next() => break Err(Lost("a watch of the API server").into()),
        }
    };
    phase.send_replace(Phase::Stopping);
    if !controller.stop().await {
        tracing::warn!("not every status could be written before the end; the next start writes them");
    }
    ended
}

/// Becomes true with the first SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<watch::Receiver<bool>> {
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM can't be handled")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT can't be handled")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is still to be written is written first");
        stop.send_replace(true);
    });
    Ok(stopped)
}

#[cfg(test)]
mod tests {
    use futures::future::BoxFuture;
    use tokio::sync::mpsc;

    use super::*;
    use crate::plan::CheckId;
    use crate::plan::secrets::Lookup;
    use crate::probe::{Connector, Targets};
    use crate::source::{Backend, Declared, Notice, SourceEvent, StatusUpdate, WriteError};

    /// Defective, each way round.
    struct Broken;

    impl Backend for Broken {
        fn secret<'a>(&'a self, _: &'a str, _: &'a str) -> BoxFuture<'a, Lookup> {
            panic!("no Secret can be read")
        }
        fn write_status<'a>(&'a self, _: &'a StatusUpdate) -> BoxFuture<'a, Result<(), WriteError>> {
            panic!("no status can be written")
        }
        fn publish<'a>(&'a self, _: &'a Notice) -> BoxFuture<'a, Result<(), WriteError>> {
            panic!("nobody can be told")
        }
    }

    fn declared(probe: &str) -> SourceEvent {
        let spec = serde_yaml::from_str(&format!("{{probes: [{{name: backend, {probe}}}]}}")).expect("a spec");
        SourceEvent::Applied(Box::new(Declared {
            id: CheckId::new("staging", "backend"),
            uid: "uid-1".into(),
            created: None,
            generation: 1,
            spec: Ok(spec),
            status: None,
        }))
    }

    /// What comes of a controller that is told these events, by a source that then ends or not.
    async fn outcome(told: Vec<SourceEvent>, source_goes_on: bool) -> (String, Phase) {
        let (events, receiver) = mpsc::channel(8);
        let common = Common {
            vantage: Vantage {
                name: "host/test".into(),
                resolver: Resolver::system(),
                targets: Targets::default(),
                cloud_sql: Connector::default(),
            },
            inspector: None,
            metrics: Arc::new(Metrics::new()),
            traces: None,
            most_in_flight: 16,
            heartbeat: Duration::from_secs(300),
            limits: Limits::default(),
        };
        let controller = Controller::start(receiver, Arc::new(Broken), &common).expect("it starts");
        let (phase, phases) = watch::channel(Phase::Starting);
        let (_stop, stopped) = watch::channel(false);
        for event in told {
            events.send(event).await.expect("someone listens");
        }
        let _kept = source_goes_on.then_some(events);
        let watched = watch_over(controller, JoinSet::new(), &phase, stopped, None);
        let patience = Duration::from_secs(30);
        let ended = tokio::time::timeout(patience, watched).await.expect("it ends by itself");
        let error = ended.expect_err("an error").to_string();
        let phase = phases.borrow().clone();
        (error, phase)
    }

    #[tokio::test]
    async fn a_part_that_ends_ends_the_process_with_an_error() {
        let (error, phase) = outcome(vec![declared(PASSWORD), SourceEvent::Synced], true).await;
        assert!(error.starts_with("the planner has ended"), "{error}");
        assert!(matches!(phase, Phase::Stopping), "never ready: {phase:?}");
        let (error, _) = outcome(vec![declared("tcp: {host: 127.0.0.1, port: 1}"), SourceEvent::Synced], true).await;
        assert!(error.starts_with("the writer of statuses has ended"), "{error}");
        let (error, _) = outcome(vec![SourceEvent::Synced], false).await;
        assert!(error.starts_with("the source of checks has ended"), "{error}");
    }

    fn args(line: &[&str]) -> Args {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            args: Args,
        }
        Line::parse_from([&["run"], line].concat()).args
    }

    #[test]
    fn a_namespace_that_is_named_twice_is_watched_once() {
        let args = args(&["--namespace", "b", "--namespace", "a", "--namespace", "b"]);
        assert_eq!(args.namespaces(), ["a", "b"]);
    }

    #[test]
    fn a_folder_is_served_to_its_own_machine_alone_unless_told_otherwise() {
        let address = |line: &[&str]| args(line).address().to_string();
        assert_eq!(address(&[]), "0.0.0.0:8080");
        assert_eq!(address(&["--folder", "checks"]), "127.0.0.1:8080");
        assert_eq!(address(&["--folder", "checks", "--listen", "0.0.0.0:80"]), "0.0.0.0:80");
    }

    const PASSWORD: &str =
        "postgres: {host: 127.0.0.1, database: app, user: app, passwordSecretRef: {name: db, key: password}}";
}
