//! The ordered table of rules. An earlier rule's finding is nearer to the root than a later one's.

use super::{Case, Finding, answer, cloud, cloudsql, own, path, server};

/// One rule: a stable id, a line for the docs, and the function that looks at a case.
pub struct Rule {
    /// Stable id, `family/name`.
    pub id: &'static str,
    /// When it speaks, and what it says; a row of docs/diagnosis.md.
    pub says: &'static str,
    /// Looks at the case.
    pub look: fn(&Case<'_>) -> Vec<Finding>,
}

/// Every rule, from the root of a path to its leaves.
pub const RULES: &[Rule] = &[
    Rule {
        id: cloud::service::MISSING,
        says: "The Cloud Run Admin API knows no such service: CloudRun.",
        look: cloud::service::missing,
    },
    Rule {
        id: cloud::connector::MISSING,
        says: "The VPC connector that the service names does not exist: the Egress.",
        look: cloud::connector::missing,
    },
    Rule {
        id: cloud::connector::NO_ACCESS,
        says: "The service has neither a connector nor a network interface, and what it must reach is in the VPC network alone: the Egress.",
        look: cloud::connector::no_access,
    },
    Rule {
        id: cloud::service::NETWORK,
        says: "Cloud Run says that the network or subnet which the service names does not exist: the Egress.",
        look: cloud::service::vpc_network,
    },
    Rule {
        id: cloud::connector::STATE,
        says: "The VPC connector is in error, or is being created or deleted: the Egress. One that is being changed is worth a remark beside silent probes.",
        look: cloud::connector::state,
    },
    Rule {
        id: cloud::connector::MISMATCH,
        says: "The way into the VPC network leads elsewhere: a connector of another region, or another network than the instance's: the Egress.",
        look: cloud::connector::mismatch,
    },
    Rule {
        id: cloud::network::PEERING,
        says: "The private services connection is gone, not active, or has lost the instance's range: the Network.",
        look: cloud::network::peering,
    },
    Rule {
        id: cloud::network::ROUTE,
        says: "No route of the network leads to the private target, or another one takes its packets: the Network.",
        look: cloud::network::route,
    },
    Rule {
        id: cloud::firewall::DENIES,
        says: "The firewall rule that decides on the service's packets to the target denies them: the Network, with the rule's name.",
        look: cloud::firewall::denies,
    },
    Rule {
        id: cloud::test::DROPS,
        says: "A connectivity test of Google's names what drops the packets, or lost its own: the layer by the test's cause.",
        look: cloud::test::drops,
    },
    Rule {
        id: cloud::network::OVERLAP,
        says: "A range of the path overlaps 172.17.0.0/16, which Cloud SQL uses itself, or the connector's overlaps another: the Network.",
        look: cloud::network::ranges_overlap,
    },
    Rule {
        id: cloud::zones::ZONE,
        says: "A name is not resolved, and the private zone that should answer is not attached to the service's network, or hands the question on: the Network.",
        look: cloud::zones::zone,
    },
    Rule {
        id: cloud::instance::MISSING,
        says: "The Cloud SQL Admin API knows no such instance: the Database.",
        look: cloud::instance::missing,
    },
    Rule {
        id: cloud::instance::SUSPENDED,
        says: "Google has suspended the instance: the Database, with the reason and what removes it.",
        look: cloud::instance::suspended,
    },
    Rule {
        id: cloud::instance::DISK_FULL,
        says: "Cloud SQL has shut the instance down because its disk is full: the Database.",
        look: cloud::instance::disk_full,
    },
    Rule {
        id: cloud::instance::STOPPED,
        says: "The instance is RUNNABLE with activation policy NEVER: its owner has stopped the Database.",
        look: cloud::instance::stopped,
    },
    Rule {
        id: cloud::instance::STATE,
        says: "The instance is being created, maintained, repaired or deleted, or has failed: the Database. What passes by itself is said to pass.",
        look: cloud::instance::state,
    },
    Rule {
        id: cloud::instance::NO_ADDRESS,
        says: "A probe aims at a private address, and the instance has none: the Database.",
        look: cloud::instance::no_private_address,
    },
    Rule {
        id: cloud::instance::ADDRESS_CHANGED,
        says: "A probe aims at an address that the instance does not have: the Application's configuration.",
        look: cloud::instance::address_changed,
    },
    Rule {
        id: cloud::load::CONNECTIONS,
        says: "The database refuses connections, and Google Cloud says how many are open and allowed; or nearly all are taken: the Database.",
        look: cloud::load::connections,
    },
    Rule {
        id: cloud::policy::CONNECTOR,
        says: "The instance lets nobody in but through a Cloud SQL connector, and the probe that is turned away comes directly: the Application's configuration.",
        look: cloud::policy::connector_required,
    },
    Rule {
        id: cloud::policy::SSL,
        says: "The instance demands TLS or a client certificate, and the probe that is turned away brings none: the Application's configuration.",
        look: cloud::policy::ssl_mode,
    },
    Rule {
        id: cloud::operation::OPERATION,
        says: "The instance is being restarted, failed over, updated or maintained, or was within ten minutes, beside a probe that this explains: the Database. By itself a remark.",
        look: cloud::operation::operation,
    },
    Rule {
        id: cloud::region::IMPACTED,
        says: "An active event of Personalized Service Health hits or concerns the project, in the path's products and region: the Region.",
        look: cloud::region::impacted,
    },
    Rule {
        id: cloud::connector::PUBLIC,
        says: "A public target is silent, and the service's egress sends private ranges alone by the VPC network: the Egress.",
        look: cloud::connector::public,
    },
    Rule {
        id: cloud::load::SUBNET,
        says: "The subnet of Direct VPC egress has too few addresses left for new instances: the Egress.",
        look: cloud::load::subnet,
    },
    Rule {
        id: cloud::load::CONNECTOR,
        says: "The VPC connector is at the limit of its CPU or its instances: the Egress.",
        look: cloud::load::connector,
    },
    Rule {
        id: cloud::load::SATURATED,
        says: "The instance is at the limit of its CPU, memory or disk, or a replica is far behind: the Database.",
        look: cloud::load::saturated,
    },
    Rule {
        id: cloud::drift::DRIFT,
        says: "The configuration differs from the baseline in a way that explains the stage which fails: the layer of what changed. Other changes are remarks.",
        look: cloud::drift::drift,
    },
    Rule {
        id: cloudsql::API,
        says: "The Cloud SQL Admin API fails: Egress where it can't be reached, the Region where it answers with a 5xx.",
        look: cloudsql::api,
    },
    Rule {
        id: cloudsql::CONFIGURATION,
        says: "The Cloud SQL Admin API answers, and what it says keeps a connector from the instance: its name, region, addresses, CA: the Application's configuration or the Database's.",
        look: cloudsql::configuration,
    },
    Rule {
        id: cloudsql::IDENTITY,
        says: "The server at a Cloud SQL instance's address has not proven to be the instance (Network), does not take our certificate (Database), or takes it for expired (Prober).",
        look: cloudsql::identity,
    },
    Rule {
        id: path::ALL_SILENT,
        says: "Several targets without a common address were tried, every connection attempt stayed unanswered, and nothing at all answers from this vantage: the way out (Egress).",
        look: path::all_silent,
    },
    Rule {
        id: path::TARGETS_SILENT,
        says: "Several targets without a common address are silent at once, while something else answers from the same vantage: the Network that they have in common.",
        look: path::targets_silent,
    },
    Rule {
        id: path::ADDRESS_SILENT,
        says: "Connections to an address stay unanswered: the Network on the way to it. The more ports of it are silent, and the more other addresses answer, the surer.",
        look: path::address_silent,
    },
    Rule {
        id: path::UNREACHABLE,
        says: "A router, or the host, reported that there is no way (ICMP): the Network.",
        look: path::unreachable,
    },
    Rule {
        id: path::LARGE_PACKETS,
        says: "Small results come through and large ones don't, on two connections: full-size packets are lost on the way (MTU): the Network.",
        look: path::large_packets,
    },
    Rule { id: path::NAME, says: "The name could not be resolved: the Network's DNS.", look: path::name },
    Rule {
        id: server::SOCKET,
        says: "The Unix socket is not there, or may not be used: CloudRun where it should be mounted below /cloudsql, otherwise the Application's configuration.",
        look: server::socket,
    },
    Rule {
        id: server::PORT_REFUSED,
        says: "A port refuses while another port of the same host answers: the server process on that port, Database or Application by the probe's kind.",
        look: server::port_refused,
    },
    Rule {
        id: server::REFUSED,
        says: "A port refuses and nothing else is known of the host: the server process on that port, Database or Application by the probe's kind.",
        look: server::refused,
    },
    Rule {
        id: answer::DATABASE_STATE,
        says: "The database itself says that it is starting, shutting down, full of connections or read-only: the Database.",
        look: answer::database_state,
    },
    Rule {
        id: answer::CREDENTIALS,
        says: "The path is healthy up to authentication, and the server refuses the role, its password or its database: the Application's configuration.",
        look: answer::credentials,
    },
    Rule {
        id: answer::TOKEN,
        says: "No token could be had for the request, so it was not sent: the Application's configuration, or the token's issuer.",
        look: answer::token,
    },
    Rule {
        id: answer::TLS,
        says: "The peer answers, but TLS fails: certificates, names, versions: the Application's configuration.",
        look: answer::tls,
    },
    Rule {
        id: server::HANGS,
        says: "The server accepts connections but does not answer in time: the server, Database or Application by the probe's kind.",
        look: server::hangs,
    },
    Rule {
        id: server::CUTS,
        says: "The connection is reset or closed before the answer: the server, or what stands in front of it.",
        look: server::cuts,
    },
    Rule {
        id: cloud::contradiction::STARTUP,
        says: "The container exits at its start while a probe logs in and runs its query: the path is well, the Application's start is not.",
        look: cloud::contradiction::startup,
    },
    Rule {
        id: cloud::service::CONDITION,
        says: "A condition of the service or a revision does not hold: CloudRun, Egress or Application by its reason. Beside a failing database it is its symptom.",
        look: cloud::service::condition,
    },
    Rule {
        id: answer::CLOUD_RUN,
        says: "Cloud Run itself answers in the service's place: its instances do not start, crash or are full: CloudRun. Beside a failing database it is its symptom.",
        look: answer::cloud_run,
    },
    Rule {
        id: answer::UNEXPECTED,
        says: "The peer answers, but not as expected: the Application. An HTTP 5xx (for a WebSocket close code 1011, too), or a gRPC server that does not serve, beside a failing database is its symptom.",
        look: answer::unexpected,
    },
    Rule {
        id: own::UNDER_LOAD,
        says: "It answers one request, but not the many of a load, or not fast enough: what serves it, the Application.",
        look: own::under_load,
    },
    Rule {
        id: own::TOO_SLOW,
        says: "It works, but slower than allowed (maxLatency, startupBudget, a journey's budget).",
        look: own::too_slow,
    },
    Rule {
        id: cloud::access::ACCESS,
        says: "The project's policy shows no role by which the service's account may connect to the instance: the Application's configuration.",
        look: cloud::access::access,
    },
    Rule {
        id: cloud::contradiction::TIMEOUT,
        says: "The log tells another time-out than the environment or the check's startupBudget: the Application's configuration.",
        look: cloud::contradiction::effective_timeout,
    },
    Rule {
        id: own::SPEC,
        says: "The check can't be carried out as it is written: a Secret or a field of the spec.",
        look: own::spec,
    },
    Rule {
        id: own::NOT_ALLOWED,
        says: "Whoever runs runready does not allow what the check asks for: nothing is known about the path.",
        look: own::not_allowed,
    },
    Rule {
        id: own::PROBER,
        says: "runready could not carry out the probe: nothing is known about the path.",
        look: own::prober,
    },
];
