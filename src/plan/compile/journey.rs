//! Compiles a `journey` probe: each step as a probe of its own kind, with places for what earlier steps capture. Pure but for the
//! CA certificates of the system.

use std::time::Duration;

use hyper::header::HeaderName;
use secrecy::SecretString;

use super::grpc::BINARY;
use super::{Compiler, http, invalid, rules};
use crate::api::Cause;
use crate::api::probes::{
    Capture, GrpcProbe, HttpHeader, HttpProbe, JourneyProbe, JourneyStep as Spec, WebsocketProbe,
};
use crate::api::spec::KindSpec;
use crate::plan::kinds::{Action, CapturePlan, Filling, JourneyAction, JourneyStep, Source};
use crate::plan::template::{Form, Template, is_name};
use crate::plan::{Fault, Kind, ProbePlan, Scrub};

/// What stands in the place of a value while a URL is parsed.
const SAMPLE: &str = "value";
const ONE_KIND: &str =
    "exactly one kind per step: set one of http, websocket, grpc, postgres, mysql, sqlserver or redis";

impl Compiler<'_> {
    pub(super) fn journey(&self, spec: &JourneyProbe) -> Result<Action, Fault> {
        let mut known: Vec<&str> = Vec::new();
        let mut secrets = Vec::with_capacity(spec.secrets.len());
        for (index, secret) in spec.secrets.iter().enumerate() {
            let path = format!("journey.secrets[{index}]");
            self.new_name(&path, &secret.name, &mut known)?;
            let field = self.at(&format!("{path}.secretRef"));
            let value = self.secrets.text(&field, &secret.secret_ref.name, &secret.secret_ref.key)?;
            secrets.push((secret.name.as_str().into(), SecretString::from(value)));
        }
        if spec.steps.is_empty() {
            return Err(invalid(self.at("journey.steps"), "at least one step is needed"));
        }
        let mut steps: Vec<JourneyStep> = Vec::with_capacity(spec.steps.len());
        for (index, step) in spec.steps.iter().enumerate() {
            let field = self.at(&format!("journey.steps[{index}]"));
            if steps.iter().any(|earlier| *earlier.probe.name == *step.name) {
                return Err(invalid(format!("{field}.name"), format!("{:?} is taken by an earlier step", step.name)));
            }
            // What the service grants itself to come up is no matter of its users.
            let compiler =
                Compiler { field, secrets: self.secrets, startup_budget: None, time_zone: None, earlier: &[] };
            steps.push(compiler.journey_step(step, &mut known)?);
        }
        Ok(Action::Journey(Box::new(JourneyAction {
            budget: spec.budget.map(Duration::from),
            secrets: secrets.into(),
            steps: steps.into(),
        })))
    }

    /// Compiles a step; this compiler's field is the step. What it captures is known from then on.
    fn journey_step<'s>(&self, spec: &'s Spec, known: &mut Vec<&'s str>) -> Result<JourneyStep, Fault> {
        let mut kinds = spec.kinds();
        let (Some(only), None) = (kinds.next(), kinds.next()) else { return Err(invalid(&self.field, ONE_KIND)) };
        let mut fillings = Vec::new();
        let broken;
        let (kind, target, action) = match only {
            KindSpec::Http(http) => {
                let sample = self.http_sample(http, known, &mut fillings)?;
                let (kind, _, action) = self.kind(KindSpec::Http(&sample));
                broken = rules::broken(kind, &HttpProbe { url: sample.url, ..http.clone() });
                (kind, shown(&http.url), action)
            }
            KindSpec::Websocket(websocket) => {
                let sample = self.websocket_sample(websocket, known, &mut fillings)?;
                let (kind, _, action) = self.kind(KindSpec::Websocket(&sample));
                broken = rules::broken(kind, &WebsocketProbe { url: sample.url, ..websocket.clone() });
                (kind, shown(&websocket.url), action)
            }
            KindSpec::Postgres(postgres) => {
                self.no_values_in_statements(Kind::Postgres, postgres.query.as_ref(), &postgres.init_queries, known)?;
                broken = rules::broken(Kind::Postgres, postgres);
                self.kind(only)
            }
            KindSpec::Mysql(mysql) => {
                self.no_values_in_statements(Kind::Mysql, mysql.query.as_ref(), &mysql.init_queries, known)?;
                broken = rules::broken(Kind::Mysql, mysql);
                self.kind(only)
            }
            KindSpec::Sqlserver(sqlserver) => {
                self.no_values_in_statements(
                    Kind::Sqlserver,
                    sqlserver.query.as_ref(),
                    &sqlserver.init_queries,
                    known,
                )?;
                broken = rules::broken(Kind::Sqlserver, sqlserver);
                self.kind(only)
            }
            KindSpec::Redis(redis) => {
                self.no_values_in_statements(Kind::Redis, None, &redis.init_queries, known)?;
                broken = rules::broken(Kind::Redis, redis);
                self.kind(only)
            }
            KindSpec::Grpc(grpc) => {
                let sample = self.grpc_sample(grpc, known, &mut fillings)?;
                broken = rules::broken(Kind::Grpc, grpc);
                self.kind(KindSpec::Grpc(&sample))
            }
            KindSpec::Dns(_) | KindSpec::Tcp(_) | KindSpec::Tls(_) | KindSpec::Journey(_) | KindSpec::Load(_) => {
                return Err(invalid(&self.field, ONE_KIND));
            }
        };
        // A rule is told before what only this cluster lacks, such as a Secret.
        let action = match (action, broken) {
            (Err(fault), _) if fault.cause == Cause::InvalidSpec => return Err(fault),
            (_, Some(rules::Broken { field, message })) => return Err(invalid(self.at(&field), message)),
            (action, None) => action?,
        };
        let rules = self.assertions("assert", &spec.assert, kind)?;
        let mut captures = Vec::with_capacity(spec.capture.len());
        for (index, capture) in spec.capture.iter().enumerate() {
            let path = format!("capture[{index}]");
            self.new_name(&path, &capture.name, known)?;
            captures
                .push(CapturePlan { name: capture.name.as_str().into(), source: self.source(&path, capture, kind)? });
        }
        Ok(JourneyStep {
            probe: ProbePlan {
                name: spec.name.as_str().into(),
                kind,
                target: target.into(),
                action: Ok(action.into()),
                timeout: Duration::MAX,
                stage_limits: Box::default(),
                assertions: None,
                hidden: Scrub::default(),
                repeated: false,
                max_latency: None,
                required: true,
                depends_on: Box::default(),
            },
            fillings: fillings.into(),
            captures: captures.into(),
            rules: rules.map(|rules| rules.rules.clone()).unwrap_or_default(),
            timeout: spec.timeout.map(Duration::from),
            always: spec.always,
        })
    }

    /// Takes in the name of a value.
    fn new_name<'s>(&self, path: &str, name: &'s str, known: &mut Vec<&'s str>) -> Result<(), Fault> {
        let field = || self.at(&format!("{path}.name"));
        if !is_name(name) {
            return Err(invalid(field(), format!("{name:?} is no name: write letters, digits and _")));
        }
        if known.contains(&name) {
            return Err(invalid(field(), format!("{name:?} is the name of an earlier value: give this one another")));
        }
        known.push(name);
        Ok(())
    }

    /// The template of a text, if it is one, whose values are all known.
    fn template(&self, path: &str, text: &str, known: &[&str]) -> Result<Option<Template>, Fault> {
        if !text.contains("${") {
            return Ok(None);
        }
        let template = Template::parse(text).map_err(|why| invalid(self.at(path), why))?;
        if let Some(name) = template.names().find(|name| !known.contains(name)) {
            let message = format!(
                "no earlier step captures ${{{name}}}, and secrets has no such name; write $${{ for the text ${{"
            );
            return Err(invalid(self.at(path), message));
        }
        Ok(Some(template))
    }

    /// A URL that can be parsed, with its template among the fillings.
    fn url_sample(&self, path: &str, url: &str, known: &[&str], fillings: &mut Vec<Filling>) -> Result<String, Fault> {
        let Some(template) = self.template(path, url, known)? else { return Ok(url.to_owned()) };
        let authority = url.find("://").map_or(0, |at| at + 3);
        let end = url[authority..].find(['/', '?', '#', '\\']).map_or(url.len(), |at| authority + at);
        if url[..end].contains("${") {
            let message = "a value can stand after the host alone: where a journey goes is said by its manifest, not by what a peer answers";
            return Err(invalid(self.at(path), message));
        }
        let sample = template.fill(Form::Url, |_| SAMPLE);
        fillings.push(Filling::Url(template));
        Ok(sample)
    }

    /// The headers that hold no values; the others are among the fillings.
    fn plain_headers(
        &self,
        kind: &str,
        headers: &[HttpHeader],
        known: &[&str],
        fillings: &mut Vec<Filling>,
    ) -> Result<Vec<HttpHeader>, Fault> {
        let mut plain = Vec::with_capacity(headers.len());
        for (index, header) in headers.iter().enumerate() {
            let path = format!("{kind}.headers[{index}]");
            match self.template(&format!("{path}.value"), &header.value, known)? {
                Some(template) => fillings.push(Filling::Header(self.sent_header(&path, &header.name)?, template)),
                None => plain.push(header.clone()),
            }
        }
        Ok(plain)
    }

    fn http_sample(&self, spec: &HttpProbe, known: &[&str], fillings: &mut Vec<Filling>) -> Result<HttpProbe, Fault> {
        let mut sample = spec.clone();
        sample.url = self.url_sample("http.url", &spec.url, known, fillings)?;
        sample.headers = self.plain_headers("http", &spec.headers, known, fillings)?;
        if let Some(body) = &spec.body
            && let Some(template) = self.template("http.body", body, known)?
        {
            fillings.push(Filling::Body(template, form_of(body, &spec.headers)));
            sample.body = None;
        }
        Ok(sample)
    }

    fn websocket_sample(
        &self,
        spec: &WebsocketProbe,
        known: &[&str],
        fillings: &mut Vec<Filling>,
    ) -> Result<WebsocketProbe, Fault> {
        // Those with values in them are not among the sample's.
        self.no_own_headers(spec.headers.iter().map(|header| header.name.as_str()))?;
        let mut sample = spec.clone();
        sample.url = self.url_sample("websocket.url", &spec.url, known, fillings)?;
        sample.headers = self.plain_headers("websocket", &spec.headers, known, fillings)?;
        for (index, step) in sample.steps.iter_mut().enumerate() {
            let Some(text) = &mut step.send else { continue };
            if let Some(template) = self.template(&format!("websocket.steps[{index}].send"), text, known)? {
                fillings.push(Filling::Send(index, template, form_of(text, &[])));
                text.clear();
            }
        }
        Ok(sample)
    }

    fn grpc_sample(&self, spec: &GrpcProbe, known: &[&str], fillings: &mut Vec<Filling>) -> Result<GrpcProbe, Fault> {
        let mut sample = spec.clone();
        sample.metadata.clear();
        for (index, metadata) in spec.metadata.iter().enumerate() {
            let path = format!("grpc.metadata[{index}]");
            match self.template(&format!("{path}.value"), &metadata.value, known)? {
                Some(_) if metadata.name.ends_with(BINARY) => {
                    let message = "a value is text, and a name that ends in -bin stands for bytes";
                    return Err(invalid(self.at(&format!("{path}.value")), message));
                }
                Some(template) => fillings.push(Filling::Header(self.metadata_name(&path, &metadata.name)?, template)),
                None => sample.metadata.push(metadata.clone()),
            }
        }
        Ok(sample)
    }

    /// No value gets into a statement: what a peer answers must not become SQL.
    fn no_values_in_statements(
        &self,
        kind: Kind,
        query: Option<&String>,
        init_queries: &[String],
        known: &[&str],
    ) -> Result<(), Fault> {
        let statements = query.into_iter().map(|text| ("query", text));
        for (path, text) in statements.chain(init_queries.iter().map(|text| ("initQueries", text))) {
            let used = known.iter().find(|name| text.contains(&format!("${{{name}}}")));
            if let Some(name) = used {
                let message =
                    format!("${{{name}}} is not replaced in a statement: what a peer answers must not become one");
                return Err(invalid(self.at(&format!("{}.{path}", kind.as_str())), message));
            }
        }
        Ok(())
    }

    /// Where a capture finds its value, in the answer of that kind.
    fn source(&self, path: &str, spec: &Capture, kind: Kind) -> Result<Source, Fault> {
        let field = |name: &str| self.at(&format!("{path}.{name}"));
        let of = |name: &str, kinds: &[Kind]| {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
            let message = format!("is there for {} alone, and this is {}", names.join(" and "), kind.as_str());
            if kinds.contains(&kind) { Ok(()) } else { Err(invalid(field(name), message)) }
        };
        match spec {
            Capture { name: _, json_path: Some(written), header: None, cookie: None, regex: None, message: None } => {
                let query = self.plain_path(&format!("{path}.jsonPath"), written)?;
                Ok(Source::JsonPath(written.as_str().into(), Box::new(query)))
            }
            Capture { name: _, json_path: None, header: Some(name), cookie: None, regex: None, message: None } => {
                of("header", &[Kind::Http])?;
                let name = HeaderName::from_bytes(name.as_bytes());
                name.map(Source::Header).map_err(|_| invalid(field("header"), "is not the name of a header"))
            }
            Capture { name: _, json_path: None, header: None, cookie: Some(name), regex: None, message: None } => {
                of("cookie", &[Kind::Http])?;
                Ok(Source::Cookie(name.as_str().into()))
            }
            Capture { name: _, json_path: None, header: None, cookie: None, regex: Some(pattern), message: None } => {
                of("regex", &[Kind::Http, Kind::Websocket])?;
                let regex = regex::RegexBuilder::new(pattern).size_limit(1 << 20).build();
                let regex = regex.map_err(|error| {
                    invalid(field("regex"), format!("{pattern:?} is not a regular expression (RE2 syntax): {error}"))
                })?;
                match regex.captures_len() {
                    2 => Ok(Source::Regex(Box::new(regex))),
                    _ => Err(invalid(
                        field("regex"),
                        format!("{pattern:?} must have exactly one group, in parentheses: it is what is taken"),
                    )),
                }
            }
            Capture { name: _, json_path: None, header: None, cookie: None, regex: None, message: Some(true) } => {
                of("message", &[Kind::Websocket])?;
                Ok(Source::Message)
            }
            _ => Err(invalid(self.at(path), "exactly one of jsonPath, header, cookie, regex and message: true")),
        }
    }
}

/// How values are written in a body or a message, unless it says so itself: as its content asks for.
fn form_of(text: &str, headers: &[HttpHeader]) -> Form {
    let content_type = headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-type"));
    let content_type = content_type.map(|header| header.value.to_ascii_lowercase()).unwrap_or_default();
    if content_type.contains("x-www-form-urlencoded") {
        Form::Url
    } else if content_type.contains("json") || text.trim_start().starts_with(['{', '[', '"']) {
        Form::Json
    } else {
        Form::Raw
    }
}

/// A step's URL, as it may be shown: with the names of its values, and without its query.
fn shown(url: &str) -> String {
    if url.contains("${") { url.split(['?', '#']).next().unwrap_or_default().to_owned() } else { http::shown(url) }
}

/// What is observed, as it may be shown.
pub(super) fn way(spec: &JourneyProbe) -> String {
    let names: Vec<&str> = spec.steps.iter().map(|step| step.name.as_str()).collect();
    format!("journey://{}", names.join("/"))
}
