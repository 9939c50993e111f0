//! A database in; the lines of a probe for it, with what has to be filled in, out. Pure.
//!
//! What can't be known has a placeholder, so that the manifest is valid and the probe fails until somebody has looked at it.

use super::address::{Engine, Tls, Way, named};
use super::environment::{Database, Password};
use super::exported::{ProxyIp, SecretVersion};
use super::yaml::{Line, Node, fields, say, text};

/// A host that leads nowhere (RFC 2606).
pub const NOWHERE: &str = "fill-in.invalid";
/// What stands where a name has to be filled in.
pub const FILL_IN: &str = "fill-in";

/// What a probe has to know of the service.
pub struct Service<'a> {
    /// Its name, as part of other names.
    pub label: &'a str,
    /// Its project, for commands.
    pub project: Option<&'a str>,
    /// The namespace that the check goes to, for commands.
    pub namespace: Option<&'a str>,
    /// Whether it has a way into a VPC network.
    pub in_vpc: bool,
}

/// The lines of the probe, but for those that depend on other probes.
pub fn probe(database: &Database, name: &str, service: &Service<'_>) -> Vec<Line> {
    let mut lines = Vec::new();
    if !database.variables.is_empty() {
        lines.push(say(format!("Found in {}.", database.variables.join(", "))));
    }
    lines.extend(database.unclear.iter().map(|what| say(format!("fill in: {what}."))));
    lines.push(text("name", name));
    let way = database.ways.first();
    match (database.engine, way) {
        (_, Some(Way::Srv(host))) => {
            lines.push(say("The servers are known by this record alone."));
            lines.push(fields("dns", vec![text("name", host), text("recordType", "SRV")]));
        }
        (Some(Engine::Other(what, port)), _) => {
            lines
                .push(say(format!("{what}: no kind of probe speaks it, so it is the connection alone that is tried.")));
            lines.push(fields("tcp", host(way, port)));
        }
        (Some(Engine::Redis), _) => lines.push(fields("redis", redis(database, name, service))),
        (Some(Engine::Postgres), _) => lines.push(fields("postgres", sql(database, name, service, 63, 63))),
        (Some(Engine::Mysql), _) => lines.push(fields("mysql", sql(database, name, service, 64, 128))),
        (Some(Engine::SqlServer), _) => lines.push(fields("sqlserver", sql(database, name, service, 128, 128))),
        (None, _) => {
            lines.push(say("fill in: nothing tells what kind of database this is. For MySQL write mysql instead of postgres, for SQL Server sqlserver."));
            lines.push(fields("postgres", sql(database, name, service, 63, 63)));
        }
    }
    lines
}

fn host(way: Option<&Way>, usual: u16) -> Vec<Line> {
    match way {
        Some(Way::Host(host, port)) => {
            let port = port.filter(|port| *port > 0).unwrap_or(usual);
            vec![text("host", host), Line::Field("port", Node::Number(u64::from(port)))]
        }
        Some(Way::Hidden) => {
            vec![
                say("fill in: the host. What the environment holds is no host name with a dot and no address."),
                text("host", NOWHERE),
                Line::Field("port", Node::Number(u64::from(usual))),
            ]
        }
        Some(Way::Instance(_) | Way::Loopback(_) | Way::Socket | Way::Srv(_)) | None => {
            vec![
                say("fill in: the host. The environment does not say it."),
                text("host", NOWHERE),
                Line::Field("port", Node::Number(u64::from(usual))),
            ]
        }
    }
}

/// A probe of one of the three that Cloud SQL has.
fn sql(
    database: &Database,
    name: &str,
    service: &Service<'_>,
    longest_database: usize,
    longest_user: usize,
) -> Vec<Line> {
    let engine = database.engine.unwrap_or(Engine::Postgres);
    let way = database.ways.first();
    let token = database.iam && engine != Engine::SqlServer && matches!(way, Some(Way::Instance(_)));
    let mut lines = match way {
        Some(Way::Instance(instance)) => cloud_sql(instance, database.ip, token, service),
        _ => host(way, engine.port()),
    };
    let fits = |text: &Option<String>, most| text.as_deref().and_then(|text| named(text, most));
    match (fits(&database.database, longest_database), engine) {
        (Some(known), _) => lines.push(text("database", known)),
        (None, Engine::Postgres) => {
            lines.push(say("fill in: the database."));
            lines.push(text("database", FILL_IN));
        }
        (None, _) => {
            lines.push(say("The environment names no database, so none is opened: add database where there is one."))
        }
    }
    match (fits(&database.user, longest_user), token) {
        (_, true) => {
            lines.push(say("fill in: the database user of runready's own account, which logs in by a token (docs/probes/cloud-sql.md). The service does so by its own account."));
            lines.push(text("user", FILL_IN));
        }
        (Some(known), false) => lines.push(text("user", known)),
        (None, false) => {
            lines.push(say("fill in: the user."));
            lines.push(text("user", FILL_IN));
        }
    }
    if !token {
        lines.extend(password(database, name, service, engine == Engine::SqlServer));
    }
    if let (Some(tls), Some(Way::Host(..))) = (database.tls, way) {
        lines.push(fields("tls", vec![text("mode", mode(tls))]));
    }
    lines
}

const fn mode(tls: Tls) -> &'static str {
    match tls {
        Tls::Disable => "Disable",
        Tls::Require => "Require",
        Tls::VerifyCa => "VerifyCa",
        Tls::VerifyFull => "VerifyFull",
    }
}

fn cloud_sql(instance: &str, ip: Option<ProxyIp>, token: bool, service: &Service<'_>) -> Vec<Line> {
    let (ip, why) = match ip {
        Some(ProxyIp::Private) => ("Private", "The Auth Proxy beside the service goes to the private address."),
        Some(ProxyIp::Public) => ("Public", "The Auth Proxy beside the service goes to the public address."),
        Some(ProxyIp::Psc) => ("Psc", "The Auth Proxy beside the service goes by Private Service Connect."),
        None if service.in_vpc => {
            ("Private", "The service is attached to a VPC network. If the instance has no private address: Public.")
        }
        None => (
            "Public",
            "The service is attached to no VPC network. If the instance has no public address: Private or Psc.",
        ),
    };
    let mut lines = vec![text("instance", instance), say(why), text("ipType", ip)];
    if token {
        lines.push(Line::Field("iamLogin", Node::Yes));
    }
    vec![fields("cloudSql", lines)]
}

fn redis(database: &Database, name: &str, service: &Service<'_>) -> Vec<Line> {
    let mut lines = host(database.ways.first(), Engine::Redis.port());
    match database.tls {
        Some(Tls::Disable) | None => {}
        Some(tls @ (Tls::Require | Tls::VerifyCa | Tls::VerifyFull)) => {
            lines.push(say(
                "A Memorystore instance has a CA of its own: name it in caSecretRef (docs/probes/redis.md).",
            ));
            lines.push(fields("tls", vec![text("mode", mode(tls))]));
        }
    }
    let secret = password(database, name, service, false);
    let referred = secret.iter().any(|line| matches!(line, Line::Field(..)));
    if let (Some(user), true) = (database.user.as_deref().and_then(|user| named(user, 253)), referred) {
        lines.push(text("user", user));
    }
    lines.extend(secret);
    let number = database.database.as_deref().and_then(|number| number.parse::<u16>().ok());
    lines.extend(number.map(|number| Line::Field("database", Node::Number(u64::from(number)))));
    lines
}

/// Where the password is, as a reference to a Secret that has to be made.
fn password(database: &Database, name: &str, service: &Service<'_>, needed: bool) -> Vec<Line> {
    let secret = format!("{}-{name}", service.label);
    let namespace = service.namespace.map(|namespace| format!(" -n {namespace}")).unwrap_or_default();
    let make = |from: &str| {
        Line::Copy(format!("kubectl create secret generic {secret}{namespace} --from-file=password={from}"))
    };
    let mut lines = match &database.password {
        Password::Secret(variable, version) => {
            let mut lines = vec![say(format!(
                "The password comes from Secret Manager: secret {}, version {} (variable {variable}). Make a Kubernetes Secret of it:",
                version.secret, version.version
            ))];
            lines.push(match access(version, service.project) {
                Some(access) => Line::Copy(format!(
                    "{access} | kubectl create secret generic {secret}{namespace} --from-file=password=/dev/stdin"
                )),
                None => make("FILE"),
            });
            lines
        }
        Password::WithinSecret(variable, version) => {
            let mut lines = vec![say(format!(
                "The password is a part of what secret {} of Secret Manager holds, version {} (variable {variable}). Look at it, put the password alone into a file, and make a Kubernetes Secret of that:",
                version.secret, version.version
            ))];
            lines.extend(access(version, service.project).map(Line::Copy));
            lines.push(make("FILE"));
            lines
        }
        Password::Plain(variable) => vec![
            say(format!(
                "The password stands in the clear in the service's environment, in {variable}. It is not copied: put it into a file, and make a Kubernetes Secret of that. The service should take it from Secret Manager, too."
            )),
            make("FILE"),
        ],
        Password::Within(variable) => vec![
            say(format!(
                "The password stands in the clear in the service's environment, as a part of {variable}. It is not copied: put it into a file, and make a Kubernetes Secret of that. The service should take it from Secret Manager, too."
            )),
            make("FILE"),
        ],
        Password::File(variable) => vec![
            say(format!("The password is in the file that {variable} names. Make a Kubernetes Secret of it:")),
            make("FILE"),
        ],
        Password::Unsaid if needed => {
            vec![say("fill in: where the password is. The environment does not say it."), make("FILE")]
        }
        Password::Unsaid => {
            return vec![
                say(
                    "fill in: the environment does not say where a password is. If one is needed, make a Kubernetes Secret, and add:",
                ),
                make("FILE"),
                Line::Copy(format!("passwordSecretRef: {{name: {secret}, key: password}}")),
            ];
        }
    };
    lines.push(fields("passwordSecretRef", vec![text("name", secret), text("key", "password")]));
    lines
}

/// The command that shows a secret. None where a name is of characters that a shell might take for something else.
fn access(version: &SecretVersion, project: Option<&str>) -> Option<String> {
    let project = version.project.as_deref().or(project).unwrap_or("PROJECT");
    let plain = |text: &str| {
        !text.is_empty()
            && text.len() <= 255
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.:".contains(c))
            && !text.starts_with('-')
    };
    let sound = [&version.secret, &version.version, project].iter().all(|text| plain(text));
    sound.then(|| {
        format!("gcloud secrets versions access {} --secret={} --project={project}", version.version, version.secret)
    })
}
