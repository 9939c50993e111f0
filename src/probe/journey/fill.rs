//! A step's action with the values of earlier steps in it. No I/O. What it says never holds a value.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{Values, value};
use crate::api::Cause;
use crate::evidence::Failure;
use crate::plan::Action;
use crate::plan::kinds::{Destination, Filling, JourneyStep, WebsocketStep};
use crate::plan::template::{Form, Template};

/// What a step does, with the values in their places.
pub fn filled<'s>(step: &'s JourneyStep, values: &Values) -> Result<Cow<'s, Action>, Failure> {
    let action = step.probe.action.as_deref().map_err(Clone::clone)?;
    if step.fillings.is_empty() {
        return Ok(Cow::Borrowed(action));
    }
    let mut action = action.clone();
    for filling in &step.fillings {
        match (&mut action, filling) {
            (Action::Http(http), Filling::Url(template)) => {
                http.to = destination(&http.to, template, values)?;
            }
            (Action::Http(http), Filling::Header(name, template)) => header(&mut http.headers, name, template, values)?,
            (Action::Http(http), Filling::Body(template, form)) => {
                http.body = Bytes::from(template.fill(*form, |name| value(values, name)));
                http.body_is_private = template.names().next().is_some();
            }
            (Action::Websocket(websocket), Filling::Url(template)) => {
                websocket.to = destination(&websocket.to, template, values)?;
            }
            (Action::Websocket(websocket), Filling::Header(name, template)) => {
                header(&mut websocket.headers, name, template, values)?;
            }
            (Action::Websocket(websocket), Filling::Send(index, template, form)) => {
                let text = template.fill(*form, |name| value(values, name));
                let place = websocket.steps.get_mut(*index);
                place.into_iter().for_each(|step| *step = WebsocketStep::Send(text.as_str().into()));
            }
            (Action::Grpc(grpc), Filling::Header(name, template)) => {
                header(&mut grpc.metadata, name, template, values)?;
            }
            (_, Filling::Url(_) | Filling::Header(..) | Filling::Body(..) | Filling::Send(..)) => {
                return Err(Failure::before_start(
                    Cause::ProberError,
                    "the step has no place for a value: a defect of runready",
                ));
            }
        }
    }
    Ok(Cow::Owned(action))
}

fn unfit(name: &str, what: &str) -> Failure {
    Failure::before_start(Cause::CaptureMissing, format!("the value of ${{{name}}} {what}"))
}

/// Where the URL with the values in it leads.
fn destination(sample: &Destination, template: &Template, values: &Values) -> Result<Arc<Destination>, Failure> {
    sample.leading_to(url(&sample.url, template, values)?).map_err(|problem| {
        let message = format!("the step's URL {problem} with the values in it");
        Failure::before_start(Cause::CaptureMissing, message)
    })
}

/// The URL, which leads where its sample leads. A segment of dots would climb in the path, however it is escaped.
fn url(sample: &Url, template: &Template, values: &Values) -> Result<Url, Failure> {
    if let Some(name) = template.names().find(|name| matches!(value(values, name), "." | "..")) {
        return Err(unfit(name, "is made of dots, which no path can hold"));
    }
    let filled = template.fill(Form::Url, |name| value(values, name));
    match Url::parse(&filled) {
        Ok(url) if url.origin() == sample.origin() => Ok(url),
        Ok(_) | Err(_) => Err(unfit(template.names().next().unwrap_or_default(), "makes no URL of this host")),
    }
}

fn header(headers: &mut HeaderMap, name: &HeaderName, template: &Template, values: &Values) -> Result<(), Failure> {
    let text = template.fill(Form::Raw, |name| value(values, name));
    let mut filled = HeaderValue::from_bytes(text.as_bytes()).map_err(|_| {
        unfit(
            template.names().next().unwrap_or_default(),
            &format!("holds characters that the header {name} can't carry"),
        )
    })?;
    filled.set_sensitive(true);
    headers.append(name.clone(), filled);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::probes::HttpVersion;

    fn values(value: &str) -> Values {
        vec![("v".into(), value.to_owned().into())]
    }

    fn template(text: &str) -> Template {
        Template::parse(text).expect("a template")
    }

    #[test]
    fn a_url_leads_where_its_sample_leads_or_nowhere() {
        let sample = Url::parse("https://backend.example/x/items").expect("a URL");
        let led = |text: &str, value: &str| url(&sample, &template(text), &values(value)).map(String::from).ok();
        let place = "https://backend.example/x/${v}?q=${v}";
        assert_eq!(led(place, "a/../b?").as_deref(), Some("https://backend.example/x/a%2F..%2Fb%3F?q=a%2F..%2Fb%3F"));
        for (text, value) in [
            (place, ".."),
            (place, "."),
            ("https://${v|raw}/x", "evil.example"),
            ("https://backend.example${v|raw}/x", ":8443"),
            ("${v|raw}://backend.example/", "http"),
        ] {
            assert_eq!(led(text, value), None, "{text} with {value}");
        }
    }

    #[test]
    fn a_url_that_no_request_can_hold_is_the_value_s_fault() {
        let sample = Url::parse("wss://backend.example/x").expect("a URL");
        let sample = Destination::of(sample, HttpVersion::Http1, false).expect("a destination");
        let led = |value: &str| destination(&sample, &template("wss://backend.example/${v}"), &values(value));
        assert_eq!(led("y z").expect("a destination").target, "/y%20z");
        let failure = led(&"x".repeat(70_000)).expect_err("too long");
        assert_eq!((failure.cause, failure.stage), (Cause::CaptureMissing, None));
        assert!(failure.message.contains("can't be requested"), "{}", failure.message);
    }

    #[test]
    fn a_header_is_added_to_those_of_its_name_and_kept_from_sight() {
        let name = HeaderName::from_static("x-id");
        let mut headers = HeaderMap::new();
        header(&mut headers, &name, &template("1"), &values("")).expect("a header");
        header(&mut headers, &name, &template("=${v}"), &values("2")).expect("a header");
        assert_eq!(headers.get_all(&name).iter().collect::<Vec<_>>(), ["1", "=2"]);
        assert!(headers.values().all(HeaderValue::is_sensitive));
        assert!(header(&mut headers, &name, &template("${v}"), &values("a\r\nx-admin: yes")).is_err());
    }
}
