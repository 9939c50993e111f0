//! The ordered table of rules. An earlier rule's finding is nearer to the root than a later one's.

use super::{Case, Finding, answer, cloudsql, own, path, server};

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
        id: cloudsql::API,
        says: "The Cloud SQL Admin API fails: Egress where it can't be reached, the Region where it answers with a 5xx.",
        look: cloudsql::api,
    },
    Rule {
        id: cloudsql::CONFIGURATION,
        says: "The Cloud SQL Admin API answers, and what it says keeps a connector from the instance: its name, permission, region, addresses, CA: the Application's configuration or the Database's.",
        look: cloudsql::configuration,
    },
    Rule {
        id: cloudsql::IDENTITY,
        says: "The server at a Cloud SQL instance's address has not proven to be the instance (Network), or takes our certificate for expired (Prober).",
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
