//! A service in the Knative shape (run v1, what `gcloud run services describe` prints) in; the same without shape out. Pure.

use std::collections::BTreeMap;

use secrecy::SecretString;

use super::ImportError;
use super::exported::{Asks, Container, Exported, Health, Held, SecretVersion, Variable};
use super::field::Field;
use super::proxy;
use crate::cloud::service::{NetworkInterface, StartupProbe, Template, VpcAccess, VpcEgress};

/// Whether a description has this shape.
pub fn is_it(whole: &Field<'_>) -> Result<bool, ImportError> {
    let version = whole.get("apiVersion").text()?.unwrap_or_default();
    let kind = whole.get("kind").text()?.unwrap_or_default();
    Ok(version.starts_with("serving.knative.dev/") && kind == "Service")
}

/// Reads a service.
pub fn read(whole: &Field<'_>) -> Result<Exported, ImportError> {
    let metadata = whole.get("metadata");
    let annotation = |name: &str| metadata.at(&["annotations", name]).text();
    let template = whole.at(&["spec", "template"]);
    let aliases = aliases(&template)?;
    let containers = template.at(&["spec", "containers"]).items()?;
    let mut containers = containers.iter().map(|field| container(field, &aliases)).collect::<Result<Vec<_>, _>>()?;
    super::ingress_first(&mut containers);
    let url = match whole.at(&["status", "url"]).text()? {
        Some(url) => Some(url),
        None => first_url(annotation("run.googleapis.com/urls")?),
    };
    Ok(Exported {
        name: metadata.get("name").text()?.unwrap_or_default(),
        project: metadata.get("namespace").text()?,
        region: metadata.at(&["labels", "cloud.googleapis.com/location"]).text()?,
        url,
        default_url: annotation("run.googleapis.com/default-url-disabled")?.as_deref() != Some("true"),
        open: annotation("run.googleapis.com/invoker-iam-disabled")?.as_deref() == Some("true"),
        internal: annotation("run.googleapis.com/ingress")?.is_some_and(|ingress| ingress != "all"),
        template: path(&template)?,
        health: None,
        port: None,
        containers,
    })
}

/// The way out, and the instances that are mounted.
fn path(template: &Field<'_>) -> Result<Template, ImportError> {
    let annotation = |name: &str| template.at(&["metadata", "annotations", name]).text();
    let connector = annotation("run.googleapis.com/vpc-access-connector")?.filter(|name| !name.is_empty());
    let network_interfaces = interfaces(annotation("run.googleapis.com/network-interfaces")?);
    let egress = match annotation("run.googleapis.com/vpc-access-egress")?.as_deref() {
        Some("all" | "all-traffic") => VpcEgress::AllTraffic,
        Some("private-ranges-only") => VpcEgress::PrivateRangesOnly,
        Some(_) | None => VpcEgress::Unspecified,
    };
    let out = connector.is_some() || !network_interfaces.is_empty();
    let instances = annotation("run.googleapis.com/cloudsql-instances")?.unwrap_or_default();
    let instances = instances.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
    Ok(Template {
        vpc_access: out.then_some(VpcAccess { connector, egress, network_interfaces }),
        cloud_sql_instances: instances.collect(),
        ..Template::default()
    })
}

/// The annotation holds JSON: a list of interfaces. One that can't be read still says that there is a way out.
fn interfaces(annotation: Option<String>) -> Vec<NetworkInterface> {
    let Some(text) = annotation.filter(|text| !text.trim().is_empty()) else { return Vec::new() };
    let none = || NetworkInterface { network: String::new(), subnetwork: String::new(), tags: Vec::new() };
    serde_json::from_str(&text).unwrap_or_else(|_| vec![none()])
}

fn first_url(annotation: Option<String>) -> Option<String> {
    serde_json::from_str::<Vec<String>>(&annotation?).ok()?.into_iter().next()
}

/// The annotation that gives secrets of other projects a name: `ALIAS:projects/PROJECT/secrets/SECRET, ...`.
fn aliases(template: &Field<'_>) -> Result<BTreeMap<String, String>, ImportError> {
    let text = template.at(&["metadata", "annotations", "run.googleapis.com/secrets"]).text()?.unwrap_or_default();
    let pairs = text.split(',').filter_map(|pair| pair.trim().split_once(':'));
    Ok(pairs.map(|(alias, secret)| (alias.to_owned(), secret.to_owned())).collect())
}

fn container(field: &Field<'_>, aliases: &BTreeMap<String, String>) -> Result<Container, ImportError> {
    let variables = field.get("env").items()?;
    let startup = field.get("startupProbe");
    Ok(Container {
        ingress: !field.get("ports").items()?.is_empty(),
        environment: variables.iter().map(|field| variable(field, aliases)).collect::<Result<_, _>>()?,
        proxied: proxy::instances(field)?,
        startup: if startup.is_there() { Some(watched(&startup)?) } else { None },
        health: health(field, None)?,
        port: port(field)?,
    })
}

/// The port that takes requests.
pub fn port(container: &Field<'_>) -> Result<Option<u32>, ImportError> {
    container.get("ports").items()?.first().map_or(Ok(None), |port| port.get("containerPort").count())
}

/// What the first of a container's probes that says so asks for its health. `root`: the path of one that names none; without it,
/// such a probe tells nothing.
pub fn health(container: &Field<'_>, root: Option<&str>) -> Result<Option<Health>, ImportError> {
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        let (http, grpc) = (container.at(&[probe, "httpGet"]), container.at(&[probe, "grpc"]));
        let path = http.get("path").text()?.or_else(|| root.filter(|_| http.is_there()).map(str::to_owned));
        if let Some(path) = path {
            return Ok(Some(Health { asks: Asks::Path(path), port: http.get("port").count()? }));
        }
        if grpc.is_there() {
            let service = grpc.get("service").text()?.unwrap_or_default();
            return Ok(Some(Health { asks: Asks::Grpc(service), port: grpc.get("port").count()? }));
        }
    }
    Ok(None)
}

/// A start-up probe. What is left out has the value that Cloud Run gives it; both shapes have the same fields.
pub fn watched(probe: &Field<'_>) -> Result<StartupProbe, ImportError> {
    let count = |name: &str, default: u32| {
        Ok::<_, ImportError>(probe.get(name).count()?.filter(|count| *count > 0).unwrap_or(default))
    };
    Ok(StartupProbe {
        initial_delay_seconds: count("initialDelaySeconds", 0)?,
        timeout_seconds: count("timeoutSeconds", 1)?,
        period_seconds: count("periodSeconds", 10)?,
        failure_threshold: count("failureThreshold", 3)?,
        what: ["httpGet", "tcpSocket", "grpc"]
            .iter()
            .find(|kind| probe.get(kind).is_there())
            .copied()
            .unwrap_or_default()
            .to_owned(),
    })
}

fn variable(field: &Field<'_>, aliases: &BTreeMap<String, String>) -> Result<Variable, ImportError> {
    let name = field.get("name").text()?.unwrap_or_default();
    let reference = field.at(&["valueFrom", "secretKeyRef"]);
    let value = match reference.get("name").text()? {
        Some(secret) => {
            let secret = aliases.get(&secret).unwrap_or(&secret);
            Held::Secret(SecretVersion::named(secret, reference.get("key").text()?))
        }
        None => Held::Text(SecretString::from(field.get("value").text()?.unwrap_or_default())),
    };
    Ok(Variable { name, value })
}
