//! One round of reading for one check: what is read, in which order, and what it is read from. Does network I/O through the shelves.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::{join, join_all};

use super::discover::{self, Place, Sought};
use super::metrics::{self, Engine};
use super::question::Question;
use super::shelf::{Shelf, Terms};
use super::test::{Goal, Way};
use super::{Shared, access, audit, connector, convert, health, instance, logs, network, service, test, zones};
use crate::cloud::access::Access;
use crate::cloud::reading::Found;
use crate::cloud::service::Template;
use crate::cloud::{
    Absent, Change, ConnectivityTest, Connector, HealthEvent, Inspection, Instance, LogSignature, Metrics, Network,
    Picture, Reading, Revision, Service, Unread, Zones,
};
use crate::plan::{InspectionPlan, Occasion};

/// How old a reading may be while a probe fails, and one that was made for a probe that has turned, for others that do.
const FAILING_AGE: Duration = Duration::from_secs(10);
/// Longest that a round waits for readings; past it, older ones serve.
const LIMIT: Duration = Duration::from_secs(18);
/// Longest that it waits for a connectivity test.
const TEST_LIMIT: Duration = Duration::from_secs(55);
/// Health events, policies and audit logs change by the minute, as do figures: they are not read more often.
const SLOW: Duration = Duration::from_secs(60);
/// How old figures may be while all is well. They take most of the calls, and arrive minutes late in any case.
const FIGURES_AGE: Duration = Duration::from_secs(5 * 60);
/// A test costs: the same one is not made more often.
const TEST_AGE: Duration = Duration::from_secs(10 * 60);

/// One round.
pub struct Round<'a> {
    shared: &'a Arc<Shared>,
    plan: &'a InspectionPlan,
    occasion: &'a Occasion,
    begun: Instant,
}

/// What an inspection reads.
struct Object<'a> {
    inspection: Inspection,
    name: &'a Arc<str>,
    project: &'a str,
    what: &'static str,
    /// How old a reading of it may be at least.
    at_least: Duration,
}

impl<'a> Object<'a> {
    fn new(inspection: Inspection, name: &'a Arc<str>, what: &'static str) -> Self {
        Object { inspection, name, project: convert::project(name), what, at_least: Duration::ZERO }
    }

    fn at_least(self, at_least: Duration) -> Self {
        Object { at_least, ..self }
    }
}

impl<'a> Round<'a> {
    /// A round that begins now.
    pub fn new(shared: &'a Arc<Shared>, plan: &'a InspectionPlan, occasion: &'a Occasion) -> Self {
        Round { shared, plan, occasion, begun: Instant::now() }
    }

    /// Reads everything.
    pub async fn picture(&self) -> Picture {
        let name = discover::service(self.plan);
        let logs = join(self.logs(&name), self.audit_log());
        let ((service_health, (logs, audit_log)), path) = join(join(self.health(), logs), self.path(&name)).await;
        Picture { service_health, logs, audit_log, ..path }
    }

    /// Reads what stands on the path, hop by hop: each tells what the next one is.
    async fn path(&self, name: &Arc<str>) -> Picture {
        let service = self.service(name).await;
        let (ready_revision, created_revision) = self.revisions(name, &service).await;
        let templates: Vec<&Template> = [
            service.object().map(|service| &service.template),
            created_revision.object().map(|revision| &revision.template),
            ready_revision.object().map(|revision| &revision.template),
        ]
        .into_iter()
        .flatten()
        .collect();
        let ((connector, connector_name), (instance, instance_name)) =
            join(self.connector(&templates), self.instance(&templates)).await;
        let access = self.access(&templates, &instance, instance_name.as_deref());
        let network = self.network(&templates, &connector, &instance);
        let ((network, dns_zones), access) = join(network, access).await;
        let figures = self.metrics((&connector, connector_name.as_ref()), (&instance, instance_name.as_deref()));
        let revision = ready_revision.object().or(created_revision.object()).map(|revision| &*revision.name);
        let test = self.connectivity_test(revision, &instance, instance_name.as_deref());
        let (metrics, connectivity_test) = join(figures, test).await;
        Picture {
            service,
            ready_revision,
            created_revision,
            connector,
            instance,
            network,
            dns_zones,
            connectivity_test,
            metrics,
            access,
            ..Picture::default()
        }
    }

    async fn service(&self, name: &Arc<str>) -> Reading<Service> {
        let object = Object::new(Inspection::Service, name, "the service");
        let fetch = |shared: Arc<Shared>, question| async move { service::service(&shared.google, &question).await };
        self.read(&self.shared.services, object, fetch).await
    }

    async fn revisions(&self, name: &Arc<str>, service: &Reading<Service>) -> (Reading<Revision>, Reading<Revision>) {
        let Some(service) = service.object() else {
            let absent = self.absent(Inspection::Revisions, Absent::Undiscovered);
            return (Reading::Absent(absent), Reading::Absent(absent));
        };
        let (ready, created) = (&*service.latest_ready_revision, &*service.latest_created_revision);
        let ready_name = Some(ready).filter(|ready| !ready.is_empty());
        let created_name = Some(created).filter(|created| !created.is_empty() && *created != ready);
        join(self.revision(name, ready_name), self.revision(name, created_name)).await
    }

    async fn revision(&self, service: &str, revision: Option<&str>) -> Reading<Revision> {
        let Some(revision) = revision else {
            return Reading::Absent(self.absent(Inspection::Revisions, Absent::NotUsed));
        };
        let name = discover::revision(service, revision);
        let object = Object::new(Inspection::Revisions, &name, "the revision");
        let fetch = |shared: Arc<Shared>, question| async move { service::revision(&shared.google, &question).await };
        self.read(&self.shared.revisions, object, fetch).await
    }

    async fn connector(&self, templates: &[&Template]) -> (Reading<Connector>, Option<Arc<str>>) {
        let name = match discover::connector(self.plan, templates) {
            Sought::This(name) => name,
            Sought::None(absent) => return (Reading::Absent(self.absent(Inspection::Connector, absent)), None),
        };
        let object = Object::new(Inspection::Connector, &name, "the connector");
        let fetch = |shared: Arc<Shared>, question| async move { connector::read(&shared.google, &question).await };
        (self.read(&self.shared.connectors, object, fetch).await, Some(name))
    }

    /// The instance, and its connection name.
    async fn instance(&self, templates: &[&Template]) -> (Reading<Instance>, Option<Arc<str>>) {
        let sought = match discover::instance(self.plan, templates) {
            Sought::None(absent) => match self.instance_by_address(templates, absent).await {
                Ok(sought) => sought,
                Err(unread) => return (Reading::Unread(unread), None),
            },
            this @ Sought::This(_) => this,
        };
        let connection_name = match sought {
            Sought::This(name) => name,
            Sought::None(absent) => return (Reading::Absent(self.absent(Inspection::Instance, absent)), None),
        };
        let Some((project, id)) = discover::instance_parts(&connection_name) else {
            return (Reading::Absent(self.absent(Inspection::Instance, Absent::Undiscovered)), None);
        };
        let name: Arc<str> = instance_name(project, id).into();
        let object = Object::new(Inspection::Instance, &name, "the instance");
        let id = id.to_owned();
        let fetch = |shared: Arc<Shared>, question| async move { instance::read(&shared.google, &question, &id).await };
        let reading = self.read(&self.shared.instances, object, fetch).await;
        (reading, Some(connection_name))
    }

    async fn instance_by_address(&self, templates: &[&Template], absent: Absent) -> Result<Sought<Arc<str>>, Unread> {
        let addresses = discover::addresses(self.plan, templates);
        if addresses.is_empty() {
            return Ok(Sought::None(absent));
        }
        let name: Arc<str> = format!("projects/{}/instances", self.plan.service.project).into();
        let object = Object::new(Inspection::Instance, &name, "the list");
        let fetch = |shared: Arc<Shared>, question| async move { instance::list(&shared.google, &question).await };
        match self.read(&self.shared.listed, object, fetch).await {
            Reading::Read(found) => {
                let named = discover::by_address(&found.object, &addresses);
                Ok(named.map_or(Sought::None(absent), Sought::This))
            }
            Reading::Unread(unread) => Err(unread),
            Reading::Absent(absent) => Ok(Sought::None(absent)),
        }
    }

    async fn network(
        &self,
        templates: &[&Template],
        connector: &Reading<Connector>,
        instance: &Reading<Instance>,
    ) -> (Reading<Network>, Reading<Zones>) {
        let none = |absent| {
            let of = |inspection| self.absent(inspection, absent);
            (Reading::Absent(of(Inspection::Network)), Reading::Absent(of(Inspection::DnsZones)))
        };
        if [Inspection::Network, Inspection::DnsZones].iter().all(|inspection| self.plan.skip.contains(inspection)) {
            return none(Absent::SwitchedOff);
        }
        let by_connector = connector.found().map(|found| (&*found.name, &*found.object));
        let told = !templates.is_empty() && is_told(connector) && is_told(instance);
        let name = match discover::network(self.plan, templates, by_connector, instance.object(), told) {
            Sought::This(Place::Network(name)) => name,
            Sought::This(Place::Subnet(subnet)) => match self.network_of_subnet(&subnet).await {
                Reading::Read(found) => found.object.as_str().into(),
                Reading::Unread(unread) => return (Reading::Unread(unread.clone()), none(Absent::Undiscovered).1),
                Reading::Absent(absent) => return none(absent),
            },
            Sought::None(absent) => return none(absent),
        };
        let region = self.plan.service.region.clone();
        let object = Object::new(Inspection::Network, &name, "the network");
        let fetch =
            |shared: Arc<Shared>, question| async move { network::read(&shared.google, &question, &region).await };
        let key = self.in_region(&name);
        let network = self.read_as(&self.shared.networks, &key, object, fetch);
        let object = Object::new(Inspection::DnsZones, &name, "the private zones of");
        let fetch = |shared: Arc<Shared>, question| async move { zones::read(&shared.google, &question).await };
        join(network, self.read(&self.shared.zones, object, fetch)).await
    }

    async fn network_of_subnet(&self, subnet: &Arc<str>) -> Reading<String> {
        let region = discover::region(subnet).to_owned();
        let object = Object::new(Inspection::Network, subnet, "the network of the subnet");
        let fetch =
            |shared: Arc<Shared>, question| async move { network::of_subnet(&shared.google, &question, &region).await };
        self.read(&self.shared.subnets, object, fetch).await
    }

    async fn access(
        &self,
        templates: &[&Template],
        instance: &Reading<Instance>,
        connection_name: Option<&str>,
    ) -> Reading<Access> {
        let none = |absent| Reading::Absent(self.absent(Inspection::Access, absent));
        let project = match (connection_name.and_then(discover::instance_parts), instance) {
            (Some((project, _)), _) => project,
            (None, Reading::Absent(absent)) => return none(*absent),
            (None, Reading::Unread(_) | Reading::Read(_)) => &self.plan.service.project,
        };
        // A revision names the account that a service leaves to the default.
        let account = templates.iter().map(|template| &*template.service_account).find(|account| !account.is_empty());
        let Some(account) = account else {
            return none(Absent::Undiscovered);
        };
        let name: Arc<str> = format!("projects/{project}").into();
        let object = Object::new(Inspection::Access, &name, "the IAM policy of").at_least(SLOW);
        let fetch = |shared: Arc<Shared>, question| async move { access::read(&shared.google, &question).await };
        match self.read(&self.shared.policies, object, fetch).await {
            Reading::Read(Found { name, at, object }) => {
                Reading::Read(Found { name, at, object: Arc::new(object.access(account)) })
            }
            Reading::Unread(unread) => Reading::Unread(unread),
            Reading::Absent(absent) => Reading::Absent(absent),
        }
    }

    async fn health(&self) -> Reading<Vec<HealthEvent>> {
        let name: Arc<str> = format!("projects/{}/locations/global", self.plan.service.project).into();
        let object = Object::new(Inspection::ServiceHealth, &name, "the health events of").at_least(SLOW);
        let fetch = |shared: Arc<Shared>, question| async move { health::read(&shared.google, &question).await };
        self.read(&self.shared.health, object, fetch).await
    }

    async fn logs(&self, name: &Arc<str>) -> Reading<Vec<LogSignature>> {
        let (region, service) = (self.plan.service.region.clone(), self.plan.service.name.clone());
        let object = Object::new(Inspection::Logs, name, "the log of");
        let fetch = |shared: Arc<Shared>, question| async move {
            logs::read(&shared.google, &question, &region, &service).await
        };
        self.read(&self.shared.logs, object, fetch).await
    }

    /// One reading for each object of which it is asked who changed it.
    async fn audit_log(&self) -> Vec<Reading<Vec<Change>>> {
        if self.plan.skip.contains(&Inspection::AuditLog) {
            return vec![Reading::Absent(Absent::SwitchedOff)];
        }
        let changes = self.occasion.changed.iter().map(|subject| async move {
            let object = Object::new(Inspection::AuditLog, &subject.object, "the changes of").at_least(SLOW);
            // Two inspections may go by one name: a network, and its private zones.
            let (key, of) = (format!("{} {}", subject.inspection, subject.object).into(), subject.inspection);
            let fetch = |shared: Arc<Shared>, question| async move { audit::read(&shared.google, &question, of).await };
            self.read_as(&self.shared.changes, &key, object, fetch).await
        });
        join_all(changes).await
    }

    async fn metrics(
        &self,
        (connector, connector_name): (&Reading<Connector>, Option<&Arc<str>>),
        (instance, connection_name): (&Reading<Instance>, Option<&str>),
    ) -> Reading<Metrics> {
        let of_connector = async {
            let Some(name) = connector_name else {
                return Reading::Absent(self.absent(Inspection::Metrics, absent(connector)));
            };
            let region = discover::region(name).to_owned();
            let object = Object::new(Inspection::Metrics, name, "the figures of").at_least(self.figures_age());
            let fetch = |shared: Arc<Shared>, question| async move {
                metrics::connector(&shared.google, &question, &region).await
            };
            self.read(&self.shared.connector_figures, object, fetch).await
        };
        let of_instance = async {
            let Some((project, id)) = connection_name.and_then(discover::instance_parts) else {
                return Reading::Absent(self.absent(Inspection::Metrics, absent(instance)));
            };
            let engine = Engine {
                postgres: instance.object().is_some_and(|instance| instance.database_version.starts_with("POSTGRES")),
                replica: instance.object().is_some_and(|instance| instance.instance_type == "READ_REPLICA_INSTANCE"),
            };
            let name: Arc<str> = instance_name(project, id).into();
            let database = format!("{project}:{id}");
            let object = Object::new(Inspection::Metrics, &name, "the figures of").at_least(self.figures_age());
            let fetch = |shared: Arc<Shared>, question| async move {
                metrics::instance(&shared.google, &question, &database, &engine).await
            };
            self.read(&self.shared.instance_figures, object, fetch).await
        };
        let (connector, instance) = join(of_connector, of_instance).await;
        both(connector, instance)
    }

    const fn figures_age(&self) -> Duration {
        if self.occasion.failing { SLOW } else { FIGURES_AGE }
    }

    async fn connectivity_test(
        &self,
        revision: Option<&str>,
        instance: &Reading<Instance>,
        connection_name: Option<&str>,
    ) -> Reading<ConnectivityTest> {
        let none = |absent| Reading::Absent(self.absent(Inspection::ConnectivityTest, absent));
        if !self.plan.connectivity_test {
            return none(Absent::SwitchedOff);
        }
        if !self.occasion.failing {
            return none(Absent::NotYet);
        }
        let (Some(revision), Some((to, port))) = (revision, self.goal(instance, connection_name)) else {
            return none(Absent::Undiscovered);
        };
        let service = &self.plan.service;
        let revision = format!("projects/{}/locations/{}/revisions/{revision}", service.project, service.region);
        let way = Way { revision, to, port };
        let name: Arc<str> =
            format!("projects/{}/locations/global/connectivityTests/{}", service.project, way.id()).into();
        let object = Object::new(Inspection::ConnectivityTest, &name, "the connectivity test").at_least(TEST_AGE);
        let fetch = |shared: Arc<Shared>, question| async move { test::read(&shared.google, &question, &way).await };
        self.read(&self.shared.tests, object, fetch).await
    }

    /// Where a test's packets are to go: the instance, else the first target that is an address.
    fn goal(&self, instance: &Reading<Instance>, connection_name: Option<&str>) -> Option<(Goal, u16)> {
        let aimed = || self.plan.targets.iter().filter(|(host, _)| host.parse::<std::net::IpAddr>().is_ok());
        let Some((project, id)) = connection_name.and_then(discover::instance_parts) else {
            return aimed().next().map(|(host, port)| (Goal::Address(host.to_string()), *port));
        };
        let object = instance.object();
        let own = |host: &str| object.is_some_and(|own| own.ip_addresses.iter().any(|own| own.ip_address == host));
        let port = aimed().find(|(host, _)| own(host)).map(|(_, port)| *port);
        let port = port.unwrap_or_else(|| match object.map(|object| object.database_version.split('_').next()) {
            Some(Some("MYSQL")) => 3306,
            Some(Some("SQLSERVER")) => 1433,
            _ => 5432,
        });
        Some((Goal::Instance(instance_name(project, id)), port))
    }

    /// Reads an object, unless its inspection is switched off.
    async fn read<T, F>(
        &self,
        shelf: &Shelf<T>,
        object: Object<'_>,
        fetch: impl FnOnce(Arc<Shared>, Question) -> F,
    ) -> Reading<T>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Unread>> + Send + 'static,
    {
        let name = object.name.clone();
        self.read_as(shelf, &name, object, fetch).await
    }

    /// The same, remembered under another name.
    async fn read_as<T, F>(
        &self,
        shelf: &Shelf<T>,
        key: &Arc<str>,
        object: Object<'_>,
        fetch: impl FnOnce(Arc<Shared>, Question) -> F,
    ) -> Reading<T>
    where
        T: Send + Sync + 'static,
        F: Future<Output = Result<T, Unread>> + Send + 'static,
    {
        if self.plan.skip.contains(&object.inspection) {
            return Reading::Absent(Absent::SwitchedOff);
        }
        let hurries = self.occasion.failing || self.occasion.turned.is_some();
        let age = if hurries { self.plan.interval.min(FAILING_AGE) } else { self.plan.interval };
        let limit = if object.inspection == Inspection::ConnectivityTest { TEST_LIMIT } else { LIMIT };
        let terms = Terms {
            age: age.max(object.at_least),
            turned: self.occasion.turned.filter(|_| object.at_least.is_zero()),
            period: self.plan.interval.max(object.at_least),
            until: self.begun + limit,
        };
        let question = Question {
            inspection: object.inspection,
            name: object.name.clone(),
            project: object.project.into(),
            what: object.what,
            part: false,
        };
        shelf.read(key, object.name, terms, || fetch(self.shared.clone(), question)).await
    }

    /// The network's subnets are those of a region: two regions are two readings.
    fn in_region(&self, network: &str) -> Arc<str> {
        format!("{network} in {}", self.plan.service.region).into()
    }

    fn absent(&self, inspection: Inspection, absent: Absent) -> Absent {
        if self.plan.skip.contains(&inspection) { Absent::SwitchedOff } else { absent }
    }
}

/// Full name of an instance.
fn instance_name(project: &str, id: &str) -> String {
    format!("projects/{project}/instances/{id}")
}

/// Whether a reading tells what comes after: it was read, or there is nothing of the sort.
fn is_told<T>(reading: &Reading<T>) -> bool {
    matches!(reading, Reading::Read(_) | Reading::Absent(Absent::NotUsed))
}

/// Why figures of an object without name are absent.
fn absent<T>(reading: &Reading<T>) -> Absent {
    match reading {
        Reading::Absent(absent) => *absent,
        Reading::Unread(_) | Reading::Read(_) => Absent::Undiscovered,
    }
}

/// The figures of both, as one reading: as old as the older, and unread if either is.
fn both(connector: Reading<Metrics>, instance: Reading<Metrics>) -> Reading<Metrics> {
    match (connector, instance) {
        (Reading::Unread(unread), _) | (_, Reading::Unread(unread)) => Reading::Unread(unread),
        (Reading::Read(connector), Reading::Read(instance)) => Reading::Read(Found {
            name: instance.name,
            at: connector.at.min(instance.at),
            object: Arc::new(metrics::joined(&connector.object, &instance.object)),
        }),
        (read @ Reading::Read(_), Reading::Absent(_)) | (Reading::Absent(_), read @ Reading::Read(_)) => read,
        (Reading::Absent(Absent::Undiscovered), _) | (_, Reading::Absent(Absent::Undiscovered)) => {
            Reading::Absent(Absent::Undiscovered)
        }
        (Reading::Absent(absent), Reading::Absent(_)) => Reading::Absent(absent),
    }
}
