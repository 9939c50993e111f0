//! The incident's world as ready-made states: healthy, and on the morning itself. The time in, a state out. Pure.
//!
//! A Cloud Run service reaches a Cloud SQL instance by a connector, over private services access.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::incident;
use super::state::State;

/// The project.
pub const PROJECT: &str = "netra-staging";
/// The region.
pub const REGION: &str = "us-central1";
/// The Cloud Run service.
pub const SERVICE: &str = "projects/netra-staging/locations/us-central1/services/backend";
/// The revision that serves.
pub const READY_REVISION: &str =
    "projects/netra-staging/locations/us-central1/services/backend/revisions/backend-00041-fol";
/// The revision that is deployed in the incident.
pub const FAILED_REVISION: &str =
    "projects/netra-staging/locations/us-central1/services/backend/revisions/backend-00042-kex";
/// The connector.
pub const CONNECTOR: &str = "projects/netra-staging/locations/us-central1/connectors/staging";
/// The instance.
pub const INSTANCE: &str = "projects/netra-staging/instances/staging-shared-postgres";
/// The instance's connection name.
pub const CONNECTION_NAME: &str = "netra-staging:us-central1:staging-shared-postgres";
/// The instance's address.
pub const INSTANCE_ADDRESS: &str = "10.20.0.3";
/// The VPC network.
pub const NETWORK: &str = "projects/netra-staging/global/networks/staging-vpc";
/// The network's subnet.
pub const SUBNETWORK: &str = "projects/netra-staging/regions/us-central1/subnetworks/staging-us-central1";
/// The peering of private services access.
pub const PEERING: &str = "servicenetworking-googleapis-com";
/// The routes that it exchanges.
pub const PEERING_ROUTES: &str =
    "projects/netra-staging/global/networks/staging-vpc/listPeeringRoutes/servicenetworking-googleapis-com";
/// The range that is allocated to private services access.
pub const ALLOCATED_RANGE: &str = "projects/netra-staging/global/addresses/staging-services";
/// The route that it brings.
pub const PEERING_ROUTE: &str = "projects/netra-staging/global/routes/peering-route-5d1f0c2a9b7e4386";
/// The policies of the firewall over the network.
pub const FIREWALL_POLICIES: &str = "projects/netra-staging/global/networks/staging-vpc/getEffectiveFirewalls";
/// The private zone.
pub const ZONE: &str = "projects/netra-staging/managedZones/staging-internal";
/// Who may do what in the project.
pub const POLICY: &str = "projects/netra-staging/iamPolicy";
/// An event of Google's own health that has nothing to do with the project.
pub const EVENT: &str = "projects/netra-staging/locations/global/events/old-event";
/// The service's account.
pub const ACCOUNT: &str = "backend@netra-staging.iam.gserviceaccount.com";
/// Who has made the connector anew in the incident, by the audit log.
pub const CULPRIT: &str = "terraform@netra-staging.iam.gserviceaccount.com";
/// The value of a variable of the service's environment that nobody may keep, print or log.
pub const SECRET: &str = "hunter2-in-a-plain-variable";

const COMPUTE: &str = "https://www.googleapis.com/compute/v1";

impl State {
    /// Everything works.
    pub fn healthy(now: Timestamp) -> State {
        let mut state = State::default();
        state.test_polls = 1;
        state.test_result = reachable(now);
        run(&mut state, now);
        state.set(CONNECTOR, connector());
        database(&mut state, now);
        network(&mut state);
        default_network(&mut state);
        state.set(ZONE, zone());
        state.set(POLICY, policy());
        state.set(EVENT, event(now));
        state.entries = incident::quiet(now);
        state.series = incident::series(now, 0.14);
        state
    }

    /// The connector has been recreated on another network and is in a bad state: no start of the service gets at the database.
    pub fn incident(now: Timestamp) -> State {
        let mut state = State::healthy(now);
        incident::begin(&mut state, now);
        state
    }

    /// The connector is as it is while everything works.
    pub fn restore_connector(&mut self, now: Timestamp) {
        self.set(CONNECTOR, connector());
        self.test_result = reachable(now);
    }

    /// The instance has that address, and the network the way to it, such as 10.77.2.2 in 10.77.2.0/24; the service is told so.
    pub fn move_database(&mut self, address: &str, range: &str) {
        self.patch(INSTANCE, &json!({"ipAddresses": [{"type": "PRIVATE", "ipAddress": address}]}));
        self.patch(PEERING_ROUTE, &json!({"destRange": range}));
        let route = json!({
            "destRange": range, "type": "SUBNET_PEERING_ROUTE", "priority": 0, "imported": true, "nextHopRegion": REGION,
        });
        self.patch(PEERING_ROUTES, &json!({"INCOMING": [route]}));
        if let Some((first, length)) = range.split_once('/') {
            self.patch(ALLOCATED_RANGE, &json!({"address": first, "prefixLength": length.parse::<i32>().ok()}));
        }
        self.set_variable("DATABASE_HOST", address);
    }

    /// The variable of the service's environment, and of its revision's that serves, has that value.
    pub fn set_variable(&mut self, name: &str, value: &str) {
        for (object, containers) in [(SERVICE, "/template/containers"), (READY_REVISION, "/containers")] {
            let Some(mut changed) = self.object(object).cloned() else { continue };
            let containers = changed.pointer_mut(containers).and_then(Value::as_array_mut).into_iter().flatten();
            let variables = containers.filter_map(|container| container["env"].as_array_mut()).flatten();
            for variable in variables.filter(|variable| variable["name"] == name) {
                variable["value"] = json!(value);
            }
            self.set(object, changed);
        }
    }
}

/// A time before now, as the APIs spell it.
pub(super) fn ago(now: Timestamp, ago: SignedDuration) -> String {
    now.saturating_sub(ago).unwrap_or_default().to_string()
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

pub(super) fn succeeded(kind: &str, since: &str) -> Value {
    json!({"type": kind, "state": "CONDITION_SUCCEEDED", "lastTransitionTime": since})
}

fn run(state: &mut State, now: Timestamp) {
    let deployed = ago(now, days(3));
    let template = template();
    let service = json!({
        "name": SERVICE, "uid": "0c2c7d33-5d7c-4c53-8f0c-3f0e8f2a4d11", "generation": "41", "observedGeneration": "41",
        "createTime": ago(now, days(200)), "updateTime": deployed, "creator": "deploy@netra-staging.iam.gserviceaccount.com",
        "lastModifier": "deploy@netra-staging.iam.gserviceaccount.com", "client": "gcloud", "ingress": "INGRESS_TRAFFIC_ALL",
        "launchStage": "GA", "template": template, "etag": "\"CJ2r0rkGEIi1_8YD\"",
        "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        "latestReadyRevision": READY_REVISION, "latestCreatedRevision": READY_REVISION,
        "terminalCondition": succeeded("Ready", &deployed),
        "conditions": [succeeded("RoutesReady", &deployed), succeeded("ConfigurationsReady", &deployed)],
        "uri": "https://backend-abcdefghij-uc.a.run.app", "urls": ["https://backend-abcdefghij-uc.a.run.app"],
    });
    state.set(SERVICE, service);
    let conditions = ["Ready", "Active", "ContainerHealthy", "ContainerReady", "ResourcesAvailable"];
    let conditions: Vec<Value> = conditions.iter().map(|kind| succeeded(kind, &deployed)).collect();
    state.set(READY_REVISION, revision(READY_REVISION, &deployed, &template, json!(conditions)));
}

/// A revision is its template's fields beside its own.
pub(super) fn revision(name: &str, created: &str, template: &Value, conditions: Value) -> Value {
    let mut revision = template.clone();
    revision["name"] = json!(name);
    revision["service"] = json!("backend");
    revision["uid"] = json!("b5f6a6d0-8a51-4f0e-9d0c-54b7a1d0c7e2");
    revision["generation"] = json!("1");
    revision["observedGeneration"] = json!("1");
    revision["createTime"] = json!(created);
    revision["updateTime"] = json!(created);
    revision["launchStage"] = json!("GA");
    revision["conditions"] = conditions;
    revision
}

fn template() -> Value {
    let secret = json!({"secretKeyRef": {"secret": "staging-db-password", "version": "latest"}});
    let env = json!([
        {"name": "CLOUD_SQL_INSTANCE", "value": CONNECTION_NAME},
        {"name": "DATABASE_HOST", "value": INSTANCE_ADDRESS},
        {"name": "DATABASE_PORT", "value": "5432"},
        {"name": "DATABASE_INIT_TIMEOUT_SECONDS", "value": "35.0"},
        {"name": "SESSION_KEY", "value": SECRET},
        {"name": "DATABASE_PASSWORD", "valueSource": secret},
    ]);
    let probe = json!({
        "initialDelaySeconds": 0, "timeoutSeconds": 5, "periodSeconds": 5, "failureThreshold": 7, "tcpSocket": {"port": 8080},
    });
    json!({
        "serviceAccount": ACCOUNT, "timeout": "300s", "maxInstanceRequestConcurrency": 80,
        "scaling": {"minInstanceCount": 1, "maxInstanceCount": 10},
        "vpcAccess": {"connector": CONNECTOR, "egress": "PRIVATE_RANGES_ONLY"},
        "volumes": [{"name": "cloudsql", "cloudSqlInstance": {"instances": [CONNECTION_NAME]}}],
        "containers": [{
            "name": "backend", "image": "us-central1-docker.pkg.dev/netra-staging/apps/backend:2026-11-22",
            "ports": [{"name": "http1", "containerPort": 8080}], "env": env, "startupProbe": probe,
            "resources": {"limits": {"cpu": "1000m", "memory": "512Mi"}, "cpuIdle": true, "startupCpuBoost": true},
            "volumeMounts": [{"name": "cloudsql", "mountPath": "/cloudsql"}],
        }],
    })
}

fn connector() -> Value {
    json!({
        "name": CONNECTOR, "network": "staging-vpc", "ipCidrRange": "10.8.0.0/28", "state": "READY", "machineType": "e2-micro",
        "minInstances": 2, "maxInstances": 10, "minThroughput": 200, "maxThroughput": 1000,
        "connectedProjects": ["netra-staging"],
    })
}

fn database(state: &mut State, now: Timestamp) {
    let created = ago(now, days(300));
    let settings = json!({
        "kind": "sql#settings", "activationPolicy": "ALWAYS", "availabilityType": "REGIONAL", "tier": "db-custom-2-7680",
        "edition": "ENTERPRISE", "pricingPlan": "PER_USE", "dataDiskSizeGb": "100", "dataDiskType": "PD_SSD",
        "storageAutoResize": true, "settingsVersion": "17", "connectorEnforcement": "NOT_REQUIRED",
        "databaseFlags": [{"name": "max_connections", "value": "200"}, {"name": "cloudsql.iam_authentication", "value": "on"}],
        "ipConfiguration": {
            "ipv4Enabled": false, "privateNetwork": NETWORK, "allocatedIpRange": "staging-services",
            "sslMode": "ENCRYPTED_ONLY", "serverCaMode": "GOOGLE_MANAGED_INTERNAL_CA",
        },
        "maintenanceWindow": {"kind": "sql#maintenanceWindow", "day": 7, "hour": 3, "updateTrack": "stable"},
    });
    let instance = json!({
        "kind": "sql#instance", "name": "staging-shared-postgres", "project": PROJECT, "connectionName": CONNECTION_NAME,
        "region": REGION, "gceZone": "us-central1-a", "secondaryGceZone": "us-central1-f", "state": "RUNNABLE",
        "databaseVersion": "POSTGRES_16", "databaseInstalledVersion": "POSTGRES_16_4", "backendType": "SECOND_GEN",
        "instanceType": "CLOUD_SQL_INSTANCE", "createTime": created, "etag": "a2b4", "settings": settings,
        "sqlNetworkArchitecture": "NEW_NETWORK_ARCHITECTURE",
        "ipAddresses": [{"type": "PRIVATE", "ipAddress": INSTANCE_ADDRESS}],
        "serviceAccountEmailAddress": "p123456789012-abcdef@gcp-sa-cloud-sql.iam.gserviceaccount.com",
        "selfLink": format!("https://sqladmin.googleapis.com/v1/{INSTANCE}"),
        "outOfDiskReport": {"sqlOutOfDiskState": "NORMAL"},
    });
    state.set(INSTANCE, instance);
    let users = [("app", "BUILT_IN", ""), ("backend@netra-staging.iam", "CLOUD_IAM_SERVICE_ACCOUNT", "")];
    for (name, kind, host) in users {
        let user = json!({
            "kind": "sql#user", "name": name, "type": kind, "host": host, "instance": "staging-shared-postgres", "project": PROJECT,
        });
        state.set(format!("{INSTANCE}/users/{name}"), user);
    }
    let (begun, ended) = (ago(now, days(12)), ago(now, days(12) - SignedDuration::from_mins(4)));
    let operation = json!({
        "kind": "sql#operation", "name": "9f6c1f7e-0000-4000-8000-000000000017", "operationType": "UPDATE", "status": "DONE",
        "user": "dba@netra.example", "targetId": "staging-shared-postgres", "targetProject": PROJECT,
        "insertTime": begun, "startTime": begun, "endTime": ended,
    });
    state.set(format!("projects/{PROJECT}/operations/9f6c1f7e-0000-4000-8000-000000000017"), operation);
}

fn network(state: &mut State) {
    let url = format!("{COMPUTE}/{NETWORK}");
    let producer = format!("{COMPUTE}/projects/speckle-umbrella-tp/global/networks/servicenetworking");
    let peering = json!({
        "name": PEERING, "network": producer, "state": "ACTIVE", "stateDetails": "[2026-02-01T09:00:00.000-08:00]: Connected.",
        "autoCreateRoutes": true, "exchangeSubnetRoutes": true, "exportCustomRoutes": true, "importCustomRoutes": true,
        "exportSubnetRoutesWithPublicIp": false, "importSubnetRoutesWithPublicIp": false,
    });
    let network = json!({
        "kind": "compute#network", "id": "4711471147114711", "name": "staging-vpc", "selfLink": url, "mtu": 1460,
        "autoCreateSubnetworks": false, "subnetworks": [format!("{COMPUTE}/{SUBNETWORK}")],
        "routingConfig": {"routingMode": "REGIONAL"}, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
        "peerings": [peering],
    });
    state.set(NETWORK, network);
    let imported = json!({
        "destRange": "10.20.0.0/24", "type": "SUBNET_PEERING_ROUTE", "priority": 0, "imported": true, "nextHopRegion": REGION,
    });
    let exported = json!({
        "destRange": "10.10.0.0/24", "type": "SUBNET_PEERING_ROUTE", "priority": 0, "imported": true, "nextHopRegion": REGION,
    });
    state.set(PEERING_ROUTES, json!({"INCOMING": [imported], "OUTGOING": [exported]}));
    let allocated = json!({
        "kind": "compute#address", "id": "4711471147114717", "name": "staging-services", "network": url, "address": "10.20.0.0",
        "prefixLength": 24, "addressType": "INTERNAL", "purpose": "VPC_PEERING", "networkTier": "PREMIUM", "status": "RESERVED",
        "selfLink": format!("{COMPUTE}/{ALLOCATED_RANGE}"),
    });
    state.set(ALLOCATED_RANGE, allocated);
    let subnet = json!({
        "kind": "compute#subnetwork", "id": "4711471147114712", "name": "staging-us-central1", "network": url,
        "region": format!("{COMPUTE}/projects/{PROJECT}/regions/{REGION}"), "ipCidrRange": "10.10.0.0/24",
        "gatewayAddress": "10.10.0.1", "purpose": "PRIVATE", "stackType": "IPV4_ONLY", "privateIpGoogleAccess": true,
        "selfLink": format!("{COMPUTE}/{SUBNETWORK}"),
    });
    state.set(SUBNETWORK, subnet);
    let route = |name: &str, range: &str, priority: u32, hop: &str, value: String| {
        let mut route = json!({
            "kind": "compute#route", "id": "4711471147114713", "name": name, "network": url, "destRange": range,
            "priority": priority, "selfLink": format!("{COMPUTE}/projects/{PROJECT}/global/routes/{name}"),
        });
        route[hop] = json!(value);
        route
    };
    let internet = format!("{COMPUTE}/projects/{PROJECT}/global/gateways/default-internet-gateway");
    let routes = [
        route("default-route-0000000000000001", "0.0.0.0/0", 1000, "nextHopGateway", internet),
        route("default-route-0000000000000002", "10.10.0.0/24", 0, "nextHopNetwork", url.clone()),
        route("peering-route-5d1f0c2a9b7e4386", "10.20.0.0/24", 0, "nextHopPeering", PEERING.to_owned()),
    ];
    for route in routes {
        state.set(format!("projects/{PROJECT}/global/routes/{}", route["name"].as_str().unwrap_or_default()), route);
    }
    let rule = json!({
        "kind": "compute#firewall", "id": "4711471147114714", "name": "allow-internal", "network": url, "direction": "INGRESS",
        "priority": 65534, "sourceRanges": ["10.0.0.0/8"], "allowed": [{"IPProtocol": "tcp", "ports": ["0-65535"]}],
        "disabled": false, "selfLink": format!("{COMPUTE}/projects/{PROJECT}/global/firewalls/allow-internal"),
    });
    state.set(format!("projects/{PROJECT}/global/firewalls/allow-internal"), rule);
    let allowed = json!({
        "kind": "compute#firewallPolicyRule", "priority": 1000, "direction": "EGRESS", "action": "goto_next",
        "match": {"destIpRanges": ["0.0.0.0/0"], "layer4Configs": [{"ipProtocol": "all"}]},
    });
    let policy = json!({"name": "netra-org-policy", "shortName": "netra-org", "type": "HIERARCHY", "rules": [allowed]});
    state.set(FIREWALL_POLICIES, json!({"firewallPolicys": [policy]}));
}

/// The network that a project is created with, in auto mode; nothing is peered with it.
fn default_network(state: &mut State) {
    let name = format!("projects/{PROJECT}/global/networks/default");
    let (url, subnet) =
        (format!("{COMPUTE}/{name}"), format!("projects/{PROJECT}/regions/{REGION}/subnetworks/default"));
    let network = json!({
        "kind": "compute#network", "id": "4711471147114715", "name": "default", "selfLink": url, "mtu": 1460,
        "autoCreateSubnetworks": true, "subnetworks": [format!("{COMPUTE}/{subnet}")],
        "routingConfig": {"routingMode": "REGIONAL"}, "networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL",
    });
    state.set(name, network);
    let fields = json!({
        "kind": "compute#subnetwork", "id": "4711471147114716", "name": "default", "network": url,
        "region": format!("{COMPUTE}/projects/{PROJECT}/regions/{REGION}"), "ipCidrRange": "10.128.0.0/20",
        "gatewayAddress": "10.128.0.1", "purpose": "PRIVATE", "stackType": "IPV4_ONLY", "privateIpGoogleAccess": false,
        "selfLink": format!("{COMPUTE}/{subnet}"),
    });
    state.set(subnet, fields);
}

fn zone() -> Value {
    json!({
        "kind": "dns#managedZone", "id": "8008135", "name": "staging-internal", "dnsName": "staging.internal.",
        "description": "Names of the staging network", "visibility": "private", "creationTime": "2026-02-01T09:00:00.000Z",
        "privateVisibilityConfig": {
            "kind": "dns#managedZonePrivateVisibilityConfig",
            "networks": [{
                "kind": "dns#managedZonePrivateVisibilityConfigNetwork", "networkUrl": format!("{COMPUTE}/{NETWORK}"),
            }],
        },
    })
}

fn policy() -> Value {
    let account = format!("serviceAccount:{ACCOUNT}");
    json!({
        "version": 1, "etag": "BwYw1h0Zq3U=",
        "bindings": [
            {"role": "roles/cloudsql.client", "members": [account]},
            {"role": "roles/cloudsql.instanceUser", "members": [account]},
            {"role": "roles/owner", "members": ["user:dba@netra.example"]},
        ],
    })
}

fn event(now: Timestamp) -> Value {
    json!({
        "name": EVENT, "title": "Elevated latency of BigQuery in europe-west4", "description": "Mitigated.",
        "category": "INCIDENT", "detailedCategory": "CONFIRMED_INCIDENT", "state": "CLOSED", "detailedState": "RESOLVED",
        "relevance": "NOT_IMPACTED", "startTime": ago(now, days(9)), "endTime": ago(now, days(8)),
        "updateTime": ago(now, days(8)),
        "eventImpacts": [{"product": {"productName": "BigQuery", "id": "9CcrhHUcFevXPSVaSxkf"}, "location": {"locationName": "europe-west4"}}],
    })
}

fn reachable(now: Timestamp) -> Value {
    let step = json!({
        "description": "Final state: packet delivered to Cloud SQL instance.", "state": "DELIVER", "projectId": PROJECT,
        "deliver": {"target": "CLOUD_SQL_INSTANCE", "resourceUri": INSTANCE},
    });
    json!({"reachabilityDetails": {"result": "REACHABLE", "verifyTime": now.to_string(), "traces": [{"steps": [step]}]}})
}
