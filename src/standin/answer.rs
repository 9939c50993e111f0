//! What each method answers: the state and a request in, the answer's JSON or an error out. Changes the state where the method
//! does. No I/O; the time is an argument.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::filter::Filter;
use super::knative;
use super::methods::{Call, Method};
use super::page::page;
use super::refusal::Refusal;
use super::state::State;
use super::{figures, trial};

/// A request for a method.
pub struct Request {
    /// The method and its object.
    pub call: Call,
    /// The query's parameters.
    pub query: BTreeMap<String, String>,
    /// The body; null if there is none.
    pub body: Value,
    /// When it came.
    pub now: Timestamp,
}

impl Request {
    /// A parameter of the query; none if it is empty.
    pub fn asked(&self, parameter: &str) -> Option<&str> {
        self.query.get(parameter).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// That the request makes no sense.
    pub fn invalid(&self, message: impl AsRef<str>) -> Refusal {
        Refusal::invalid(self.call.method, message.as_ref())
    }

    /// That there is no such object.
    pub fn missing(&self, name: &str) -> Refusal {
        Refusal::not_found(self.call.method, name)
    }

    /// The filter that is asked for.
    fn filter(&self) -> Result<Filter, Refusal> {
        Filter::parse(self.asked("filter").unwrap_or_default()).map_err(|error| self.invalid(error))
    }
}

/// The names that a list method gives its page.
struct List {
    /// The items.
    items: &'static str,
    /// The parameter for the page's size.
    size: &'static str,
    /// The most items of a page.
    most: usize,
    /// `kind` of the older APIs.
    kind: Option<&'static str>,
}

const fn list(items: &'static str, size: &'static str, most: usize, kind: Option<&'static str>) -> List {
    List { items, size, most, kind }
}

/// The answer to a request.
///
/// # Errors
/// The error that Google would answer with.
pub fn answer(state: &mut State, request: &Request) -> Result<Value, Refusal> {
    let name = request.call.name.as_str();
    match request.call.method {
        Method::ConnectorsGet
        | Method::ServicesGet
        | Method::RevisionsGet
        | Method::InstancesGet
        | Method::NetworksGet
        | Method::SubnetworksGet
        | Method::TestsGet => state.object(name).cloned().ok_or_else(|| request.missing(name)),
        Method::KnativeServicesGet => knative_service(state, request),
        Method::ConnectorsList => in_pages(state, request, &list("connectors", "pageSize", 1000, None)),
        Method::RevisionsList => {
            let service = name.trim_end_matches("/revisions");
            state.object(service).ok_or_else(|| request.missing(service))?;
            in_pages(state, request, &list("revisions", "pageSize", 100, None))
        }
        Method::InstancesList => {
            in_pages(state, request, &list("items", "maxResults", 1000, Some("sql#instancesList")))
        }
        Method::OperationsList => operations(state, request),
        Method::UsersList => {
            let instance = name.trim_end_matches("/users");
            state.object(instance).ok_or_else(|| request.missing(instance))?;
            in_pages(state, request, &list("items", "maxResults", 1000, Some("sql#usersList")))
        }
        Method::EffectiveFirewallsGet => effective_firewalls(state, request),
        Method::PeeringRoutesList => peering_routes(state, request),
        Method::SubnetworksList => {
            in_pages(state, request, &list("items", "maxResults", 500, Some("compute#subnetworkList")))
        }
        Method::GlobalAddressesList => {
            in_pages(state, request, &list("items", "maxResults", 500, Some("compute#addressList")))
        }
        Method::RoutesList => in_pages(state, request, &list("items", "maxResults", 500, Some("compute#routeList"))),
        Method::FirewallsList => {
            in_pages(state, request, &list("items", "maxResults", 500, Some("compute#firewallList")))
        }
        Method::ZonesList => {
            let kind = Some("dns#managedZonesListResponse");
            in_pages(state, request, &list("managedZones", "maxResults", 100, kind))
        }
        Method::TestsCreate => trial::create(state, request),
        Method::TestsRerun => trial::rerun(state, request),
        Method::TestsDelete => trial::delete(state, request),
        Method::TestOperationsGet => trial::operation(state, request),
        Method::EventsList => in_pages(state, request, &list("events", "pageSize", 100, None)),
        Method::EntriesList => figures::entries(state, request),
        Method::TimeSeriesList => figures::series(state, request),
        Method::PolicyGet => policy(state, request),
    }
}

/// The objects of the collection that the path names, filtered, in pages.
fn in_pages(state: &State, request: &Request, list: &List) -> Result<Value, Refusal> {
    let filter = request.filter()?;
    let suffix = request.asked("dnsName");
    let objects = state.below(&request.call.name).filter(|object| filter.holds(object));
    let objects = objects.filter(|object| suffix.is_none_or(|suffix| object["dnsName"] == suffix));
    paged(request, list, objects.cloned().collect())
}

fn paged(request: &Request, list: &List, items: Vec<Value>) -> Result<Value, Refusal> {
    let asked = format!("{} {:?}", request.call.name, request.asked("filter"));
    let page = page(items, &asked, request.asked(list.size), list.most, request.asked("pageToken"))
        .map_err(|error| request.invalid(error))?;
    let mut answer = json!({});
    if let Some(kind) = list.kind {
        answer["kind"] = json!(kind);
    }
    // An empty list is left out, as Google leaves it out.
    if !page.items.is_empty() {
        answer[list.items] = Value::Array(page.items);
    }
    if let Some(next) = page.next {
        answer["nextPageToken"] = json!(next);
    }
    Ok(answer)
}

/// What was done to the project's instances, or to one, the latest first.
fn operations(state: &State, request: &Request) -> Result<Value, Refusal> {
    let filter = request.filter()?;
    let instance = request.asked("instance");
    let of = |operation: &&Value| instance.is_none_or(|instance| operation["targetId"] == instance);
    let mut found: Vec<Value> =
        state.below(&request.call.name).filter(of).filter(|operation| filter.holds(operation)).cloned().collect();
    found.sort_by_key(|operation| std::cmp::Reverse(operation["insertTime"].as_str().map(str::to_owned)));
    paged(request, &list("items", "maxResults", 100, Some("sql#operationsList")), found)
}

/// The network's own rules, and those of the policies over it, which stand in the state under the method's name.
fn effective_firewalls(state: &State, request: &Request) -> Result<Value, Refusal> {
    let network = request.call.name.trim_end_matches("/getEffectiveFirewalls");
    state.object(network).ok_or_else(|| request.missing(network))?;
    let project = request.call.parameter("project");
    let of = |rule: &&Value| rule["network"].as_str().is_some_and(|of| of.ends_with(network));
    let rules: Vec<Value> = state.below(&format!("projects/{project}/global/firewalls")).filter(of).cloned().collect();
    let mut answer = state.object(&request.call.name).cloned().unwrap_or_else(|| json!({}));
    if !rules.is_empty() {
        answer["firewalls"] = Value::Array(rules);
    }
    Ok(answer)
}

/// The routes of a peering: they stand in the state below the method's name, by the peering's, as INCOMING and
/// OUTGOING.
fn peering_routes(state: &State, request: &Request) -> Result<Value, Refusal> {
    let network = request.call.name.trim_end_matches("/listPeeringRoutes");
    let object = state.object(network).ok_or_else(|| request.missing(network))?;
    let peering =
        request.asked("peeringName").ok_or_else(|| request.invalid("Required field 'peeringName' not specified"))?;
    let known = object["peerings"].as_array().is_some_and(|all| all.iter().any(|one| one["name"] == peering));
    if !known {
        return Err(request.invalid(format!("There is no peering '{peering}' on the network.")));
    }
    let direction = request.asked("direction").unwrap_or_default();
    if !matches!(direction, "INCOMING" | "OUTGOING") {
        return Err(request.invalid(format!("Invalid value for field 'direction': '{direction}'")));
    }
    let routes = state.object(&format!("{}/{peering}", request.call.name));
    let found = routes.and_then(|routes| routes[direction].as_array()).cloned().unwrap_or_default();
    paged(request, &list("items", "maxResults", 500, Some("compute#exchangedPeeringRoutesList")), found)
}

/// A project whose policy is not there is one that may not be read: Google does not tell whether it exists.
fn policy(state: &State, request: &Request) -> Result<Value, Refusal> {
    let project = &request.call.name;
    let policy = state.object(&format!("{project}/iamPolicy"));
    policy.cloned().ok_or_else(|| Refusal::permission(request.call.method, project))
}

/// The service of that name in any region: Knative's path has none.
fn knative_service(state: &State, request: &Request) -> Result<Value, Refusal> {
    let (project, service) = (request.call.parameter("project"), request.call.parameter("service"));
    let (prefix, suffix) = (format!("projects/{project}/locations/"), format!("/services/{service}"));
    let mut found = state.objects().filter(|(name, _)| name.starts_with(&prefix) && name.ends_with(&suffix));
    let (name, object) = found.next().ok_or_else(|| request.missing(service))?;
    Ok(knative::service(name, object))
}
