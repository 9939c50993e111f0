//! A service in; the lines of the probe of its own address out: over HTTP, or over gRPC where its own probe asks so. Pure.

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use url::Url;

use super::draft::label;
use super::exported::{Asks, Exported, Health};
use super::probes::NOWHERE;
use super::yaml::{Line, Node, fields, say, text};

/// Longest URL, as its schema has it.
const LONGEST_URL: usize = 2048;
/// Longest name of a gRPC service, as its schema has it.
const LONGEST_SERVICE: usize = 253;
/// What can't stand in the path of a URL as it is.
const NO_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'|')
    .add(b'\\')
    .add(b'^')
    .add(b'@');

/// The probe of the service's own address. `needed`: the probes of what it depends on.
pub fn endpoint(service: &Exported, name: String, needed: Vec<String>) -> Vec<Line> {
    let mut lines = vec![text("name", name)];
    let (base, mut asked) = base(service);
    asked.extend(elsewhere(service));
    lines.push(match service.health.as_ref().map(|health| &health.asks) {
        Some(Asks::Grpc(of)) => fields("grpc", [asked, grpc(&base, of), callers(service)].concat()),
        Some(Asks::Path(path)) => fields("http", [asked, http(&base, Some(path)), callers(service)].concat()),
        None => fields("http", [asked, http(&base, None), callers(service)].concat()),
    });
    if !needed.is_empty() {
        lines.push(say("While what it depends on is away, a failing endpoint is a symptom."));
        lines.push(Line::Field("dependsOn", Node::Names(needed)));
    }
    lines
}

/// Cloud Run's own probes may ask a port that takes no requests from outside.
fn elsewhere(service: &Exported) -> Option<Line> {
    let Health { asks: _, port } = service.health.as_ref()?;
    let (asked, taken) = (port.as_ref()?, service.port.as_ref()?);
    (asked != taken).then(|| {
        say(format!(
            "fill in: the service's own probe asks port {asked}, and requests come in by {taken}. Does what it asks for answer there?"
        ))
    })
}

/// Where to ask for a path.
fn http(base: &Base, path: Option<&str>) -> Vec<Line> {
    let mut lines = Vec::new();
    let base = &base.origin;
    let (path, query) = match path {
        Some(path) => path.split_once(['?', '#']).map_or((path, false), |(path, _)| (path, true)),
        None => {
            lines.push(say(
                "fill in: a path that says whether the service is healthy. The export names none, so this is the root.",
            ));
            ("", false)
        }
    };
    if query {
        lines.push(say("fill in: what stands behind the path in the service's own probe; it is not copied, since it may hold a secret."));
    }
    let path = utf8_percent_encode(path.trim_start_matches('/'), NO_PATH).to_string();
    let url = format!("{base}/{path}");
    if url.chars().count() > LONGEST_URL {
        lines.push(say("fill in: the path of the service's own probe, which is too long for a check."));
        lines.push(text("url", format!("{base}/")));
    } else {
        lines.push(text("url", url));
    }
    lines
}

/// Where to ask for the health of a gRPC service.
fn grpc(base: &Base, of: &str) -> Vec<Line> {
    let mut lines = vec![text("host", &base.host), Line::Field("port", Node::Number(base.port.into()))];
    if of.chars().count() > LONGEST_SERVICE {
        lines.push(say("fill in: the service that its own probe asks for, whose name is too long for a check."));
    } else if !of.is_empty() {
        lines.push(text("service", of));
    }
    if base.plaintext {
        lines.push(Line::Field("plaintext", Node::Yes));
    }
    lines
}

/// Who may call.
fn callers(service: &Exported) -> Vec<Line> {
    let mut lines = Vec::new();
    if service.internal {
        lines.push(say("The service takes requests from inside Google Cloud alone: probe it from there."));
    }
    if service.open {
        lines.push(say("Callers need no token: the check of the invoker is switched off."));
    } else {
        lines.push(say("fill in: whether callers need a token can't be seen in the export. If they do, runready's account needs roles/run.invoker, and this line:"));
        lines.push(Line::Copy("auth: {googleIdToken: {}}".to_owned()));
    }
    lines
}

/// Where the service answers.
struct Base {
    /// Scheme, host and port, as a URL has them.
    origin: String,
    /// The host without brackets.
    host: String,
    port: u16,
    plaintext: bool,
}

impl Base {
    /// A host that answers over HTTPS.
    fn secure(host: &str) -> Base {
        Base { origin: format!("https://{host}"), host: host.to_owned(), port: 443, plaintext: false }
    }

    fn of(url: &Url) -> Option<Base> {
        let plaintext = match url.scheme() {
            "http" => true,
            "https" => false,
            _ => return None,
        };
        let host = url.host_str()?.trim_start_matches('[').trim_end_matches(']').to_owned();
        let origin = url.origin().ascii_serialization();
        Some(Base { origin, host, port: url.port_or_known_default()?, plaintext })
    }
}

/// Where the service answers, and what is said of it if the export does not show it.
fn base(service: &Exported) -> (Base, Vec<Line>) {
    let shown = service.url.as_deref().and_then(|url| Url::parse(url).ok());
    match (shown.and_then(|url| Base::of(&url)), made(service)) {
        (Some(base), _) => (base, Vec::new()),
        (None, Some(host)) => {
            let why = "The address that Cloud Run makes of name, project number and region; the export shows none.";
            (Base::secure(&host), vec![say(why)])
        }
        (None, None) => {
            (Base::secure(NOWHERE), vec![say("fill in: the service's address. The export does not show it.")])
        }
    }
}

/// The host that Cloud Run makes of a service's name, where the export tells enough.
fn made(service: &Exported) -> Option<String> {
    let number = service
        .project
        .as_deref()
        .filter(|project| !project.is_empty() && project.chars().all(|c| c.is_ascii_digit()))?;
    let region = service.region.as_deref().filter(|region| label(region, 63).as_deref() == Some(*region))?;
    let sound = label(&service.name, 49).as_deref() == Some(service.name.as_str());
    (sound && number.len() <= 20 && service.default_url).then(|| format!("{}-{number}.{region}.run.app", service.name))
}
