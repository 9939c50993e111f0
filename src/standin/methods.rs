//! The methods that the stand-in knows: a request's verb and path in, the method and what it is asked about out. Pure.

use std::collections::BTreeMap;

/// One of Google's APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Api {
    /// Serverless VPC Access.
    VpcAccess,
    /// Cloud Run, v2 and the Knative shape of v1.
    Run,
    /// Cloud SQL Admin.
    SqlAdmin,
    /// Compute Engine.
    Compute,
    /// Cloud DNS.
    Dns,
    /// Network Management.
    NetworkManagement,
    /// Personalized Service Health.
    ServiceHealth,
    /// Cloud Logging.
    Logging,
    /// Cloud Monitoring.
    Monitoring,
    /// Cloud Resource Manager.
    ResourceManager,
}

impl Api {
    /// Its service name, as `gcloud services enable` takes it.
    pub const fn service(self) -> &'static str {
        match self {
            Api::VpcAccess => "vpcaccess.googleapis.com",
            Api::Run => "run.googleapis.com",
            Api::SqlAdmin => "sqladmin.googleapis.com",
            Api::Compute => "compute.googleapis.com",
            Api::Dns => "dns.googleapis.com",
            Api::NetworkManagement => "networkmanagement.googleapis.com",
            Api::ServiceHealth => "servicehealth.googleapis.com",
            Api::Logging => "logging.googleapis.com",
            Api::Monitoring => "monitoring.googleapis.com",
            Api::ResourceManager => "cloudresourcemanager.googleapis.com",
        }
    }

    /// The title by which its errors call it.
    pub const fn title(self) -> &'static str {
        match self {
            Api::VpcAccess => "Serverless VPC Access API",
            Api::Run => "Cloud Run Admin API",
            Api::SqlAdmin => "Cloud SQL Admin API",
            Api::Compute => "Compute Engine API",
            Api::Dns => "Cloud DNS API",
            Api::NetworkManagement => "Network Management API",
            Api::ServiceHealth => "Service Health API",
            Api::Logging => "Cloud Logging API",
            Api::Monitoring => "Cloud Monitoring API",
            Api::ResourceManager => "Cloud Resource Manager API",
        }
    }
}

/// Defines the methods: id in the discovery document, API, verb, path, permission.
macro_rules! methods {
    ($($(#[doc = $says:literal])+ $variant:ident = $id:literal, $api:ident, $verb:literal $path:literal, $permission:literal;)+) => {
        /// A method of an API.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Method {
            $($(#[doc = $says])+ $variant,)+
        }

        impl Method {
            /// Every method.
            pub const ALL: &'static [Method] = &[$(Method::$variant),+];

            /// Its id in the API's discovery document.
            pub const fn id(self) -> &'static str {
                match self { $(Method::$variant => $id,)+ }
            }

            /// The API that it is of.
            pub const fn api(self) -> Api {
                match self { $(Method::$variant => Api::$api,)+ }
            }

            /// The HTTP method.
            pub const fn verb(self) -> &'static str {
                match self { $(Method::$variant => $verb,)+ }
            }

            /// The path, parameters in braces.
            pub const fn path(self) -> &'static str {
                match self { $(Method::$variant => $path,)+ }
            }

            /// The permission that it needs.
            pub const fn permission(self) -> &'static str {
                match self { $(Method::$variant => $permission,)+ }
            }
        }
    };
}

methods! {
    /// One connector.
    ConnectorsGet = "vpcaccess.projects.locations.connectors.get", VpcAccess,
        "GET" "/v1/projects/{project}/locations/{location}/connectors/{connector}", "vpcaccess.connectors.get";
    /// The connectors of a region.
    ConnectorsList = "vpcaccess.projects.locations.connectors.list", VpcAccess,
        "GET" "/v1/projects/{project}/locations/{location}/connectors", "vpcaccess.connectors.list";
    /// One service.
    ServicesGet = "run.projects.locations.services.get", Run,
        "GET" "/v2/projects/{project}/locations/{location}/services/{service}", "run.services.get";
    /// One revision.
    RevisionsGet = "run.projects.locations.services.revisions.get", Run,
        "GET" "/v2/projects/{project}/locations/{location}/services/{service}/revisions/{revision}", "run.revisions.get";
    /// The revisions of a service.
    RevisionsList = "run.projects.locations.services.revisions.list", Run,
        "GET" "/v2/projects/{project}/locations/{location}/services/{service}/revisions", "run.revisions.list";
    /// One service in Knative's shape, as `gcloud run` reads it.
    KnativeServicesGet = "run.namespaces.services.get", Run,
        "GET" "/apis/serving.knative.dev/v1/namespaces/{project}/services/{service}", "run.services.get";
    /// One instance.
    InstancesGet = "sql.instances.get", SqlAdmin,
        "GET" "/v1/projects/{project}/instances/{instance}", "cloudsql.instances.get";
    /// The instances of a project.
    InstancesList = "sql.instances.list", SqlAdmin,
        "GET" "/v1/projects/{project}/instances", "cloudsql.instances.list";
    /// What was done to the instances of a project.
    OperationsList = "sql.operations.list", SqlAdmin,
        "GET" "/v1/projects/{project}/operations", "cloudsql.instances.get";
    /// The users of an instance.
    UsersList = "sql.users.list", SqlAdmin,
        "GET" "/v1/projects/{project}/instances/{instance}/users", "cloudsql.users.list";
    /// One network.
    NetworksGet = "compute.networks.get", Compute,
        "GET" "/compute/v1/projects/{project}/global/networks/{network}", "compute.networks.get";
    /// The firewall rules in force for a network.
    EffectiveFirewallsGet = "compute.networks.getEffectiveFirewalls", Compute,
        "GET" "/compute/v1/projects/{project}/global/networks/{network}/getEffectiveFirewalls", "compute.networks.getEffectiveFirewalls";
    /// The routes that a peering exchanges.
    PeeringRoutesList = "compute.networks.listPeeringRoutes", Compute,
        "GET" "/compute/v1/projects/{project}/global/networks/{network}/listPeeringRoutes", "compute.networks.listPeeringRoutes";
    /// One subnet.
    SubnetworksGet = "compute.subnetworks.get", Compute,
        "GET" "/compute/v1/projects/{project}/regions/{region}/subnetworks/{subnetwork}", "compute.subnetworks.get";
    /// The subnets of a region.
    SubnetworksList = "compute.subnetworks.list", Compute,
        "GET" "/compute/v1/projects/{project}/regions/{region}/subnetworks", "compute.subnetworks.list";
    /// The global addresses of a project, among them the ranges that are allocated to private services access.
    GlobalAddressesList = "compute.globalAddresses.list", Compute,
        "GET" "/compute/v1/projects/{project}/global/addresses", "compute.globalAddresses.list";
    /// The routes of a project.
    RoutesList = "compute.routes.list", Compute,
        "GET" "/compute/v1/projects/{project}/global/routes", "compute.routes.list";
    /// The firewall rules of a project.
    FirewallsList = "compute.firewalls.list", Compute,
        "GET" "/compute/v1/projects/{project}/global/firewalls", "compute.firewalls.list";
    /// The zones of a project.
    ZonesList = "dns.managedZones.list", Dns,
        "GET" "/dns/v1/projects/{project}/managedZones", "dns.managedZones.list";
    /// Makes a connectivity test, and runs it.
    TestsCreate = "networkmanagement.projects.locations.global.connectivityTests.create", NetworkManagement,
        "POST" "/v1/projects/{project}/locations/global/connectivityTests", "networkmanagement.connectivitytests.create";
    /// One connectivity test.
    TestsGet = "networkmanagement.projects.locations.global.connectivityTests.get", NetworkManagement,
        "GET" "/v1/projects/{project}/locations/global/connectivityTests/{test}", "networkmanagement.connectivitytests.get";
    /// Runs a connectivity test once more.
    TestsRerun = "networkmanagement.projects.locations.global.connectivityTests.rerun", NetworkManagement,
        "POST" "/v1/projects/{project}/locations/global/connectivityTests/{test}:rerun", "networkmanagement.connectivitytests.rerun";
    /// Deletes a connectivity test.
    TestsDelete = "networkmanagement.projects.locations.global.connectivityTests.delete", NetworkManagement,
        "DELETE" "/v1/projects/{project}/locations/global/connectivityTests/{test}", "networkmanagement.connectivitytests.delete";
    /// How the making, running or deleting of a connectivity test goes.
    TestOperationsGet = "networkmanagement.projects.locations.global.operations.get", NetworkManagement,
        "GET" "/v1/projects/{project}/locations/global/operations/{operation}", "networkmanagement.operations.get";
    /// What Google says about its own health.
    EventsList = "servicehealth.projects.locations.events.list", ServiceHealth,
        "GET" "/v1/projects/{project}/locations/{location}/events", "servicehealth.events.list";
    /// Log entries.
    EntriesList = "logging.entries.list", Logging,
        "POST" "/v2/entries:list", "logging.logEntries.list";
    /// Figures.
    TimeSeriesList = "monitoring.projects.timeSeries.list", Monitoring,
        "GET" "/v3/projects/{project}/timeSeries", "monitoring.timeSeries.list";
    /// Who may do what in a project.
    PolicyGet = "cloudresourcemanager.projects.getIamPolicy", ResourceManager,
        "POST" "/v3/projects/{project}:getIamPolicy", "resourcemanager.projects.getIamPolicy";
}

/// Prefixes that stand for another: `gcloud sql` asks v1beta4, whose reading methods answer as those of v1 do.
const SAME: [(&str, &str); 2] = [("/sql/v1beta4/", "/v1/"), ("/sql/v1/", "/v1/")];

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path without version and action, which is the name of the object or the collection:
    /// projects/netra-staging/locations/us-central1/connectors/staging.
    pub name: String,
    /// The path's parameters.
    pub parameters: BTreeMap<&'static str, String>,
}

impl Call {
    /// What a request asks for. None: no method that is known here.
    pub fn parse(verb: &str, path: &str) -> Option<Call> {
        let same = SAME.iter().find_map(|(prefix, other)| Some(format!("{other}{}", path.strip_prefix(prefix)?)));
        let path = same.as_deref().unwrap_or(path);
        let of = |method: &Method| method.verb() == verb;
        Method::ALL.iter().copied().filter(of).find_map(|method| {
            let parameters = parameters(method.path(), path)?;
            Some(Call { method, name: name(path), parameters })
        })
    }

    /// A parameter of the path; empty if there is none of that name.
    pub fn parameter(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

/// The parameters of a path of that template.
fn parameters(template: &'static str, path: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut found = BTreeMap::new();
    let mut segments = path.split('/');
    for wanted in template.split('/') {
        let segment = segments.next()?;
        match wanted.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
            None if wanted == segment => {}
            None => return None,
            Some((name, action)) => {
                let value = segment.strip_suffix(action)?;
                if value.is_empty() || (action.is_empty() && value.contains(':')) {
                    return None;
                }
                let value = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
                found.insert(name, value.into_owned());
            }
        }
    }
    segments.next().is_none().then_some(found)
}

/// The path from its first `projects` on, without action.
fn name(path: &str) -> String {
    let from = path.find("projects/").unwrap_or(1);
    let name = path[from..].split(':').next().unwrap_or_default();
    percent_encoding::percent_decode_str(name).decode_utf8_lossy().into_owned()
}
