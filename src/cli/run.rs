//! `runready run`: the controller, against a cluster or on a folder. Does I/O through its parts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::ValueHint;
use kube::Client;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::output;
use crate::controller::{Common, Controller};
use crate::manifest::DEFAULT_NAMESPACE;
use crate::metrics::Metrics;
use crate::probe::{Resolver, Vantage};
use crate::serve::{self, Phase};
use crate::source::Term;
use crate::source::cluster::lease::{Elector, Timing};
use crate::source::cluster::{self, rights};
use crate::source::folder::{self, Folder, FolderBackend};
use crate::telemetry::{DEFAULT_FILTER, LogFormat, Traces, start_logging};

/// File descriptors that are left to everything but probes.
const RESERVED_DESCRIPTORS: u64 = 256;
/// Most probes in flight, however many descriptors there are.
const MOST_IN_FLIGHT: u64 = 16_384;

/// Run the controller: probe every ConnectivityCheck of a cluster, or of a folder.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  runready run                        every namespace of the cluster
  runready run --namespace staging    one namespace; needs only a Role there
  runready run --folder checks/       no cluster: statuses in checks/.runready/
  runready get --folder checks/       ... and are shown by this

Logs go to standard error; RUST_LOG=debug shows every observation. Traces are exported when OTEL_EXPORTER_OTLP_ENDPOINT is set.

Exit code: 0 after SIGTERM or Ctrl-C; 2 it can't start, and why is said.")]
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

    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:8080", env = "RUNREADY_LISTEN")]
    pub listen: SocketAddr,

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
}

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When it can't start: the address is taken, there is no kubeconfig, the folder can't be read.
pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let _ = start_logging(args.log_format, output::colours(&std::io::stderr()), DEFAULT_FILTER);
    let stop = stop_signal()?;
    let metrics = Arc::new(Metrics::new());
    let (phase, phases) = watch::channel(Phase::Starting);
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("could not listen on {}; choose another address with --listen", args.listen))?;
    let (hindrance, hindered) = watch::channel(None);
    tokio::spawn(serve::serve(listener, phases, hindered, metrics.clone()));
    let common = Common {
        vantage: Vantage { name: vantage_name(args.vantage.as_deref()).into(), resolver: Resolver::system() },
        metrics,
        traces: Traces::from_env().context("traces")?,
        most_in_flight: raise_descriptors(),
        heartbeat: args.heartbeat.into(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        vantage = &*common.vantage.name,
        listen = %args.listen,
        most_in_flight = common.most_in_flight,
        "runready starts"
    );
    match &args.folder {
        Some(directory) => on_folder(&args, directory, &common, &phase, stop).await?,
        None => on_cluster(&args, &common, &phase, hindrance, stop).await?,
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
    watch_over(controller, phase, stop, None).await;
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
    let instance = instance_name();
    let namespace = args.lease_namespace.as_deref().unwrap_or(&own_namespace);
    let lease = args.leader_elect.then_some((namespace, args.lease_name.as_str()));
    tokio::spawn(rights::review(client.clone(), rights::needed(&args.namespace, lease), hindrance));
    if !args.leader_elect {
        common.metrics.leading(true);
        probe_cluster(args, client, &instance, common, phase, stop, None).await?;
        return Ok(());
    }
    let identity =
        format!("{instance}_{:08x}", std::process::id() ^ jiff::Timestamp::now().subsec_nanosecond().unsigned_abs());
    let elector = Elector::start(client.clone(), namespace, &args.lease_name, &identity, Timing::default());
    let mut leading = elector.leading();
    loop {
        phase.send_replace(Phase::StandingBy);
        common.metrics.leading(false);
        tokio::select! {
            led = leading.wait_for(|leading| *leading) => { led.context("the elector has ended")?; }
            _ = stop.wait_for(|stop| *stop) => break,
        }
        phase.send_replace(Phase::Starting);
        common.metrics.leading(true);
        let lease = Some((leading.clone(), elector.term()));
        if probe_cluster(args, client.clone(), &instance, common, phase, stop.clone(), lease).await? == Ended::Stopped {
            break;
        }
    }
    elector.release().await;
    Ok(())
}

/// One session of probing a cluster, with fresh watches.
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
    let source = cluster::start(client, &args.namespace, instance);
    let _watches = source.watches;
    let controller =
        Controller::start_within(term, source.events, source.backend, common).context("the engine can't start")?;
    Ok(watch_over(controller, phase, stop, leading).await)
}

/// Why probing has ended.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Stopped,
    LostLease,
}

/// Lets a controller work until the process is asked to stop, or the lease is lost.
async fn watch_over(
    controller: Controller,
    phase: &watch::Sender<Phase>,
    mut stop: watch::Receiver<bool>,
    leading: Option<watch::Receiver<bool>>,
) -> Ended {
    let mut synced = controller.synced();
    let mut known = false;
    let lost = async {
        match leading {
            Some(mut leading) => _ = leading.wait_for(|leading| !*leading).await,
            None => std::future::pending().await,
        }
    };
    let mut lost = std::pin::pin!(lost);
    loop {
        tokio::select! {
            _ = synced.wait_for(|synced| *synced), if !known => {
                known = true;
                phase.send_replace(Phase::Probing(controller.inbox()));
            }
            () = &mut lost => {
                controller.abandon().await;
                return Ended::LostLease;
            }
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    phase.send_replace(Phase::Stopping);
    if !controller.stop().await {
        tracing::warn!("not every status could be written before the end; the next start writes them");
    }
    Ended::Stopped
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

/// Where this process probes from: the pod's name in a cluster, otherwise the host's.
fn vantage_name(given: Option<&str>) -> String {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match (given, set("POD_NAMESPACE"), set("POD_NAME")) {
        (Some(given), _, _) => given.to_owned(),
        (None, Some(namespace), Some(pod)) => format!("pod/{namespace}/{pod}"),
        (None, _, _) => format!("host/{}", host_name()),
    }
}

fn instance_name() -> String {
    std::env::var("POD_NAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(host_name)
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// Raises the soft limit of file descriptors to the hard one, and says how many probes fit below it.
fn raise_descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => limit.maximum,
        Err(error) => {
            tracing::warn!(%error, "the limit of file descriptors could not be raised");
            limit.current
        }
    };
    let room = current.unwrap_or(u64::MAX).saturating_sub(RESERVED_DESCRIPTORS).clamp(16, MOST_IN_FLIGHT);
    usize::try_from(room).unwrap_or(usize::MAX)
}
