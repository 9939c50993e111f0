//! What a `journey` probe does. Data only. No value shows in Debug output.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::HeaderName;
use jsonpath_rust::parser::model::JpQuery;
use secrecy::SecretString;

use super::Usage;
use crate::plan::template::{Form, Template};
use crate::plan::{ProbePlan, Rule};

/// Walk a user's way through a service.
#[derive(Clone, Debug)]
pub struct JourneyAction {
    /// Limit for all steps together. None: the probe's own.
    pub budget: Option<Duration>,
    /// Values that steps use, by name.
    pub secrets: Box<[(Box<str>, SecretString)]>,
    /// The steps; not empty.
    pub steps: Box<[JourneyStep]>,
}

impl JourneyAction {
    /// Of the steps that use a database, the one with the most connections: steps never run side by side.
    pub fn usage(&self) -> Option<&Usage> {
        let actions = self.steps.iter().filter_map(|step| step.probe.action.as_ref().ok());
        actions.filter_map(|action| action.usage()).max_by_key(|usage| usage.connections)
    }
}

/// One step.
#[derive(Clone, Debug)]
pub struct JourneyStep {
    /// What it does, but for what is filled in; its action is never blocked.
    pub probe: ProbePlan,
    /// What is filled in before it is carried out.
    pub fillings: Box<[Filling]>,
    /// What it takes from the answer.
    pub captures: Box<[CapturePlan]>,
    /// What must hold of the answer.
    pub rules: Box<[Rule]>,
    /// Its own limit.
    pub timeout: Option<Duration>,
    /// Whether it is carried out even after another has failed.
    pub always: bool,
}

/// A place of an action that holds values of earlier steps.
#[derive(Clone, Debug)]
pub enum Filling {
    /// The URL, after the host.
    Url(Template),
    /// A header.
    Header(HeaderName, Template),
    /// The body of an HTTP request, with the form of its values.
    Body(Template, Form),
    /// What the step of that index of a WebSocket conversation sends.
    Send(usize, Template, Form),
}

impl Filling {
    /// What is filled in.
    pub const fn template(&self) -> &Template {
        match self {
            Filling::Url(template)
            | Filling::Header(_, template)
            | Filling::Body(template, _)
            | Filling::Send(_, template, _) => template,
        }
    }
}

/// A value to take from an answer.
#[derive(Clone, Debug)]
pub struct CapturePlan {
    /// Its name.
    pub name: Arc<str>,
    /// Where it is.
    pub source: Source,
}

/// Where a value is in an answer.
#[derive(Clone, Debug)]
pub enum Source {
    /// In JSON: as it was written, and parsed.
    JsonPath(Box<str>, Box<JpQuery>),
    /// In a header.
    Header(HeaderName),
    /// In a cookie.
    Cookie(Box<str>),
    /// In the one group of an expression.
    Regex(Box<regex::Regex>),
    /// The whole of the last message.
    Message,
}
