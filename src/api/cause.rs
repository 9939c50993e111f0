//! The closed vocabulary of causes: what was found, whose matter that usually is, and what to do. Data only.
//!
//! A cause is stable: it stands in statuses, events and metrics, and people alert on it. The vocabulary is extended,
//! never renamed. `docs/causes.md` is generated from this table, and a test holds the two together.

use serde::{Deserialize, Serialize};
use std::fmt;

use super::layer::Layer;

macro_rules! causes {
    ($($(#[doc = $summary:literal])+ $name:ident => $layer:ident, $remedy:literal;)+) => {
        /// Why a probe is not healthy.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Cause {
            $($(#[doc = $summary])+ $name,)+
        }

        impl Cause {
            /// Every cause, in the order of the path.
            pub const ALL: &'static [Cause] = &[$(Cause::$name),+];

            /// The name used in status, events and metrics.
            pub const fn as_str(self) -> &'static str {
                match self { $(Cause::$name => stringify!($name),)+ }
            }

            /// One sentence on what was found.
            pub fn summary(self) -> &'static str {
                match self { $(Cause::$name => concat!($($summary),+).trim_start(),)+ }
            }

            /// What to do next.
            pub const fn remedy(self) -> &'static str {
                match self { $(Cause::$name => $remedy,)+ }
            }

            /// The layer it points to when nothing else is known. Diagnosis may say better.
            pub const fn usual_layer(self) -> Layer {
                match self { $(Cause::$name => Layer::$layer,)+ }
            }
        }
    };
}

causes! {
    /// No OAuth token could be had with which to ask Google's APIs.
    CredentialsFailed => Prober, "Give runready credentials: on GKE, bind its Kubernetes service account to a Google one (workload identity); elsewhere, name a credentials file with GOOGLE_APPLICATION_CREDENTIALS. Nothing is known about the path.";
    /// The Cloud SQL Admin API knows no such instance (HTTP 404).
    CloudSqlInstanceNotFound => Application, "Compare project and instance with the connection name that `gcloud sql instances describe` shows: PROJECT:REGION:INSTANCE.";
    /// The Cloud SQL Admin API refuses runready's account (HTTP 403).
    CloudSqlPermissionDenied => Prober, "Grant runready's account the role roles/cloudsql.client in the instance's project, and see that the Cloud SQL Admin API is enabled there. Nothing is known about the path: applications connect with accounts of their own.";
    /// The Cloud SQL Admin API has answered too many requests (HTTP 429).
    CloudSqlThrottled => Prober, "Look for what uses up the project's quota of the Cloud SQL Admin API (applications that make a connector for every connection, say), or raise the quota. Nothing is known about the path until then.";
    /// The Cloud SQL Admin API can't be reached, does not answer in time, or fails (HTTP 5xx).
    CloudSqlApiFailed => Region, "Check that sqladmin.googleapis.com is reachable from the vantage (Cloud NAT or Private Google Access, firewall, DNS), and look at Google's service health.";
    /// The instance is in another region than its name says.
    CloudSqlRegionMismatch => Application, "Correct the region in the instance's connection name; applications with the same name fail as well.";
    /// The instance is not of the second generation, or not managed by Google.
    CloudSqlGenerationUnsupported => Database, "Reach this instance by host and port: connectors serve second generation instances alone.";
    /// The instance has no address of the type asked for.
    CloudSqlAddressMissing => Database, "Give the instance an address of this type (private services access, public IP or Private Service Connect), or ask for one that it has with ipType.";
    /// The instance does not give a readable CA certificate for its server.
    CloudSqlServerCaInvalid => Database, "Look at the instance's server CA certificates (`gcloud sql ssl server-ca-certs list`); rotate them if they are damaged.";
    /// This database engine has no IAM login.
    CloudSqlIamLoginUnsupported => Application, "Leave iamLogin out, and log in with a user and password: IAM login exists for PostgreSQL and MySQL alone.";
    /// The Cloud SQL Admin API did not issue a usable ephemeral certificate.
    CloudSqlCertificateFailed => Database, "Look at the message and at the instance's state: an instance that is being created, repaired or deleted issues no certificates.";
    /// The ephemeral certificate had expired before it could be used or renewed.
    CloudSqlCertificateExpired => Prober, "Compare the clock where runready runs with the real time; if it is right, see why certificates can't be renewed in time.";
    /// The Cloud Run service does not exist in its project and region (HTTP 404 of the Cloud Run Admin API).
    ServiceMissing => CloudRun, "Compare project, region and name in spec.service with `gcloud run services list`; if the service was deleted, deploy it again.";
    /// The service has no way into the VPC network, although what it must reach is there alone.
    VpcAccessMissing => Egress, "Attach it again: `gcloud run services update SERVICE --region REGION --vpc-connector CONNECTOR`, or --network and --subnet for Direct VPC egress; then put the attachment where the next deployment takes it from, or that loses it again.";
    /// The service's way into the VPC network does not lead to what it must reach: another region, another network, or traffic that does not take it.
    VpcAccessMismatch => Egress, "Give the service a connector (or a subnet) of its own region in the network of the target, and let all traffic that needs it go by it (--vpc-egress=all-traffic for public addresses).";
    /// The Serverless VPC Access connector that the service names does not exist.
    ConnectorMissing => Egress, "Create the connector again with the name, network and range that it had (`gcloud compute networks vpc-access connectors create`), or attach the service to one that exists.";
    /// The Serverless VPC Access connector does not take traffic: in error, or being created, changed or deleted.
    ConnectorNotReady => Egress, "Look at `gcloud compute networks vpc-access connectors describe`. One in ERROR does not mend itself: delete and create it again with the same network, range and machine type, or move the service to Direct VPC egress.";
    /// The private services connection, by which the VPC network reaches the instance, is gone, not active, or has lost its routes.
    PeeringLost => Network, "Compare `gcloud services vpc-peerings list --network NETWORK` with the ranges that were allocated, and connect again: `gcloud services vpc-peerings update --service servicenetworking.googleapis.com --network NETWORK --ranges RANGES`.";
    /// No route of the VPC network leads to the target, or another one takes its packets.
    RouteMissing => Network, "Look at `gcloud compute routes list` for the network: restore the route (or the subnet or peering that gives it), or narrow the one that takes its packets.";
    /// A firewall rule of the VPC network denies the service's packets.
    FirewallDenies => Network, "Let the port pass: an EGRESS allow rule of a lower priority number for the target's range, or a narrower deny rule; see what changed it in the audit log.";
    /// Ranges on the path overlap: with 172.17.0.0/16, which Cloud SQL uses itself, or with one another.
    RangesOverlap => Network, "Move the connector, or the subnet, to a range of its own: none in 172.17.0.0/16, and none that a subnet or a peering of the network has already.";
    /// A private DNS zone that should answer for the name does not, for the network that the service is in.
    DnsZoneDetached => Network, "Let the network see the zone: `gcloud dns managed-zones update ZONE --networks NETWORK,...`, with the networks that it has already.";
    /// A connectivity test of Google's finds that packets are dropped on the way.
    PacketsDropped => Network, "Open the test's trace in the Network Intelligence Center: it names the object at which the packets end.";
    /// The Cloud SQL instance does not exist.
    InstanceMissing => Database, "Compare the connection name with `gcloud sql instances list`; a deleted instance can only be restored from a backup.";
    /// Its owner has stopped the instance: its activation policy is NEVER.
    InstanceStopped => Database, "Start it: `gcloud sql instances patch INSTANCE --activation-policy=ALWAYS`; then find out who or what stops it (a schedule, a cost script), or it happens again.";
    /// Google has suspended the instance.
    InstanceSuspended => Database, "Remove the reason that Cloud SQL gives; nothing on the path mends a suspended instance.";
    /// The instance is not in a state in which it serves: being created, maintained, repaired or deleted, or failed.
    InstanceUnavailable => Database, "Look at `gcloud sql instances describe` and `gcloud sql operations list`: maintenance and a creation pass by themselves; a failed instance needs Google's support, or a restore.";
    /// The instance was or is being restarted, failed over, updated or maintained.
    InstanceOperation => Database, "Wait for the operation to end (`gcloud sql operations list`); if it was not planned, ask whoever asked for it.";
    /// The instance's disk is full: Cloud SQL has shut it down, or will.
    DiskFull => Database, "Enlarge the disk (`gcloud sql instances patch --storage-size`) and turn automatic storage increase on; a disk never shrinks again.";
    /// What connects aims at an address that the instance does not have any more.
    AddressChanged => Application, "Point the service to the instance's present address, best by name or through the Cloud SQL connector, which look it up.";
    /// The instance takes connections through a Cloud SQL connector or the Auth Proxy alone, and this one comes directly.
    ConnectorRequired => Application, "Connect through the Cloud SQL connector or the Auth Proxy, or let direct connections in: `gcloud sql instances patch --connector-enforcement=NOT_REQUIRED`.";
    /// No role that is seen lets the service's account connect to the instance.
    AccessNotGranted => Application, "Grant the service's account roles/cloudsql.client in the instance's project (for IAM login also roles/cloudsql.instanceUser), unless a folder, the organisation or a group grants it.";
    /// A resource on the path is at its limit: CPU, memory, instances, addresses or connections.
    ResourcesExhausted => Database, "Give it more of what it lacks, or find what uses it up; the summary names which.";
    /// Cloud Run says that the service or its revision is not ready, or its container exits at start-up.
    RevisionFailed => CloudRun, "Read the condition's message and the revision's log; traffic stays on the latest ready revision, if there is one.";
    /// The time-out that is in force is another than the one that is configured.
    EffectiveTimeoutDiffers => Application, "Find where the shorter value comes from: a default in the code, another variable, a deployment that did not take the change; set it in one place alone.";
    /// Google says that a product of the path is disturbed in its region.
    RegionImpacted => Region, "Follow the event in Personalized Service Health; move traffic to another region if you can, and change nothing on the path meanwhile.";
    /// The configuration of the path differs from the one with which it worked.
    ConfigurationDrift => Application, "Restore the value that worked, or make the new one the baseline if it was meant.";
    /// The DNS server says that the name does not exist (NXDOMAIN, RFC 1035).
    NameNotFound => Network, "Check the spelling of the host, and that the private DNS zone is attached to the network of the vantage.";
    /// The name exists, but has no address or no record of the type asked for (NODATA, RFC 2308).
    NoAddress => Network, "Add an A or AAAA record for the name, or ask for a record type that it has.";
    /// No DNS server answered in time.
    ResolverTimeout => Network, "Check that the resolver is reachable from the vantage: UDP and TCP port 53, firewall rules, and the DNS server policy of the network.";
    /// No DNS server can be reached: its port is refused, or no route leads to it.
    ResolverUnreachable => Network, "Check the address of the resolver (/etc/resolv.conf, or the check's resolver), that it listens on UDP and TCP port 53, and the routes to it.";
    /// The DNS server answered that it could not resolve the name (SERVFAIL, REFUSED or a malformed answer).
    ResolverFailed => Network, "Look at the DNS server's own logs and forwarding targets; a private zone's forwarder may be unreachable.";
    /// The target may not be probed from here: whoever runs runready does not allow its address, port, name or socket.
    TargetNotAllowed => Prober, "Point the check to another target, or ask whoever runs runready to allow this one; the message names the rule. Nothing is known about the path.";
    /// The check asks for more than whoever runs runready allows.
    LimitExceeded => Prober, "Ask for less, or have whoever runs runready raise the limit that the message names. Nothing is known about the path.";
    /// The host answered that nothing listens on the port (TCP RST).
    ConnectionRefused => Application, "Check that the server process runs and listens on this address and port.";
    /// Nothing answered the connection attempt.
    ConnectTimeout => Network, "Check, along the path, the VPC connector or Direct VPC egress, firewall rules, routes and peering, and that the target's address is still the one configured.";
    /// A router or the host itself reported that the host can't be reached (ICMP host unreachable, EHOSTUNREACH).
    HostUnreachable => Network, "Check that the host is up and its address is right, and look for a firewall rule that rejects.";
    /// There is no route to the target's network (ICMP network unreachable, ENETUNREACH).
    NetworkUnreachable => Network, "Check routes, VPC peering and, for IPv6, that the vantage has IPv6 at all.";
    /// There is no Unix socket at the path.
    SocketNotFound => CloudRun, "Check that the instance is attached to this service (gcloud run services update --add-cloudsql-instances), and that its connection name in the path is spelled PROJECT:REGION:INSTANCE; elsewhere, that the server or the Auth Proxy runs and makes its socket there.";
    /// The Unix socket is there, but this user may not use it.
    SocketPermissionDenied => Application, "Run as a user that may write to the socket and search the directories above it, or have the server or the Auth Proxy make it with wider permissions.";
    /// The connection was reset in the middle of the exchange (TCP RST).
    ConnectionReset => Network, "Look at the server's log for a crash or a limit, and for a firewall or proxy that cuts connections.";
    /// The peer closed the connection before it had answered.
    ConnectionClosed => Application, "Look at the server's log: it accepted the connection and then hung up.";
    /// The server does not speak TLS on this port, although the check demands it.
    TlsNotOffered => Application, "Turn TLS on at the server, or lower the check's TLS mode if plain text is meant.";
    /// The server lets nobody in over plain text (MySQL error 3159, require_secure_transport; SQL Server: Force Encryption), and the check asks for no TLS.
    TlsRequired => Application, "Set the check's TLS mode to Require, VerifyCa or VerifyFull.";
    /// The TLS handshake did not finish in time.
    TlsTimeout => Application, "The port answers TCP but not TLS: check that it is a TLS port and that the server is not overloaded. If both are so, the server's certificate may be the first message that is larger than the path's packets: see payloadBytes and LargePacketsLost.";
    /// What answers at the instance's address shows no certificate.
    CloudSqlServerCertificateMissing => Network, "Find out what answers at this address: an instance of Cloud SQL always shows its certificate, so another server does, by an overlapping or stale route, or a proxy. No password or query was sent.";
    /// The certificate that is shown at the instance's address was not issued by the CA of the instance's settings.
    CloudSqlServerCertificateUntrusted => Network, "Find out what answers at this address: an overlapping or stale route, a proxy that opens TLS, or another instance. A server CA that was rotated is asked for by runready itself, within a minute. No password or query was sent.";
    /// The certificate that is shown at the instance's address is of the right CA, but names another server.
    CloudSqlIdentityMismatch => Network, "Find out what answers at this address: an overlapping or stale route, a proxy, or another instance. No password or query was sent.";
    /// The instance does not accept the ephemeral certificate.
    CloudSqlCertificateRejected => Database, "runready asks for another certificate by itself, from half a minute on. If that one is refused, too: compare the clock here with the instance's, see what has changed at the instance (`gcloud sql operations list`), and whether a policy or a proxy on the way asks for other client certificates.";
    /// The TLS handshake failed: alert, version or cipher mismatch, or bytes that are not TLS.
    TlsProtocolError => Application, "Check that the port speaks TLS 1.2 or 1.3, and look at the server's log for the other side of the failure.";
    /// The peer's certificate has expired.
    CertificateExpired => Application, "Renew the server's certificate.";
    /// The peer's certificate is not valid yet.
    CertificateNotYetValid => Application, "Check the server's certificate dates, and the clocks on both sides.";
    /// The peer's certificate was not issued by a trusted CA.
    CertificateUntrusted => Application, "Give the check the right CA bundle with caSecretRef (for Cloud SQL: the instance's server CA), or fix the chain that the server sends.";
    /// The peer's certificate is for another name.
    CertificateNameMismatch => Application, "Set serverName to a name that is in the certificate, or reissue the certificate with this name.";
    /// The peer's certificate expires sooner than minValidity allows.
    CertificateExpiresSoon => Application, "Renew the server's certificate before it expires.";
    /// The server demands a client certificate that it was not given, or did not accept.
    ClientCertificateRequired => Application, "Set clientCertSecretRef to a certificate that the server trusts.";
    /// What answered does not speak the expected protocol.
    ProtocolMismatch => Application, "Check host and port: another service listens there, or a proxy answers in its place.";
    /// The server accepted the connection but did not answer the protocol's first message in time.
    HandshakeTimeout => Database, "The server accepts connections but does not serve them: look at its load, its connection limit, and any proxy in front of it.";
    /// The database is starting up or recovering and takes no connections yet (SQLSTATE 57P03; Redis: LOADING; SQL Server errors 18401, 40613).
    ServerStarting => Database, "Wait for the start or recovery to finish; if it does not, look at the database's log.";
    /// The database is shutting down (SQLSTATE 57P01, 57P02; MySQL error 1053).
    ServerShuttingDown => Database, "Find out who stops it: maintenance, a failover or a restart; look at the instance's operations.";
    /// The database has no connection left, in all or for this user (SQLSTATE 53300; MySQL errors 1040, 1203, 1226; Redis: maxclients; SQL Server errors 10928, 10929, 17809).
    TooManyConnections => Database, "Find what holds the connections (pg_stat_activity, SHOW PROCESSLIST, CLIENT LIST, sys.dm_exec_sessions), bound the services' pools, or raise the limit (max_connections, maxclients, user connections).";
    /// The server has blocked the host that the probe comes from, after too many connections of it that came to nothing (MySQL error 1129).
    HostBlocked => Database, "Run FLUSH HOSTS (MySQL 8: TRUNCATE TABLE performance_schema.host_cache), then find what connects and hangs up: bare TCP health checks do, or a broken client; raise max_connect_errors if they must.";
    /// The server refused the credentials (SQLSTATE 28P01; MySQL error 1045; Redis: WRONGPASS; SQL Server errors 18456, 18487, 18488).
    AuthenticationFailed => Application, "Check the user and the password in the Secret: it may have been rotated on one side only.";
    /// The server asks for an authentication method that can't be served with what the check has.
    AuthenticationMethodUnsupported => Application, "Give the check what the method needs (a password, say), or change what the server asks of this role (pg_hba.conf, the account's plugin).";
    /// The server did not decide on the credentials in time.
    AuthenticationTimeout => Database, "The server answers but authentication hangs: look at its load, and at LDAP, PAM or another service that it asks.";
    /// The server lets this role in from nowhere, or not in this way (SQLSTATE 28000, 42501; MySQL errors 1044, 1130, 1142; Redis: NOPERM, DENIED; SQL Server errors 229, 18470, 18486).
    AccessDenied => Application, "Check the role's privileges and the server's access rules (pg_hba.conf, authorized networks, TLS required; Redis: the user's ACL, protected mode).";
    /// The database does not exist, or SQL Server does not open it for this login (SQLSTATE 3D000; MySQL error 1049; SQL Server error 4060).
    DatabaseNotFound => Application, "Check the database name, or create the database.";
    /// The server failed for a reason of its own: memory, disk, an internal error (SQLSTATE classes 53, 57, 58 and XX), or one that it gives at login and that has no cause here.
    ServerError => Database, "Read the error's code and message, and look at the database's log, disk and memory.";
    /// The server refused the query.
    QueryFailed => Application, "Read the error's code and message: the query, the schema or the role's privileges don't fit.";
    /// The query did not finish in time.
    QueryTimeout => Database, "Look for locks and load on the database, and at the query's plan.";
    /// A replica has lost its master, and serves nothing, or what it had when it lost it (Redis: MASTERDOWN, master_link_status down).
    MasterDown => Database, "Find out why the replica does not reach its master: a failover under way, the network between the two, or a master whose password changed.";
    /// Small results come through and large ones don't: full-size packets are lost on the way (a path MTU that nobody reports).
    LargePacketsLost => Network, "Make packets fit the path: Google Cloud's VPC networks carry 1460 bytes by default, a VPN or interconnect less. Let ICMP type 3 code 4 (fragmentation needed; ICMPv6 type 2) through every firewall on the way, clamp the TCP MSS at the VPN gateway or router, or lower the MTU of the server's interface.";
    /// The server does not accept writes (SQLSTATE 25006, in recovery; MySQL read_only, errors 1290, 1792, 1836; Redis: READONLY; SQL Server Updateability, error 3906): a replica, or an endpoint that failed over.
    ReadOnly => Database, "Point the service to the primary, or find out why a failover has not finished.";
    /// The answer is not the expected one.
    UnexpectedResult => Application, "Compare the answer with the check's expectation: one of the two is out of date.";
    /// A rule of `assert` does not hold for what was answered, or can't be evaluated.
    AssertionFailed => Application, "Compare the values in the message with the rule: the service answers, but not what the check asserts.";
    /// No token could be had for the request, so it was not sent.
    TokenFailed => Application, "Read what the token endpoint answered: check tokenUrl, the client's identifier and secret or the service account's key, the scopes and the audience. Nothing is known of the endpoint itself.";
    /// Cloud Run had no instance that could take the request within the time that it waits for one (its answer: 500).
    CloudRunNoInstance => CloudRun, "Look at the service's log for 'no available instance' and at its start-up times: set min instances, shorten the start, or enable startup CPU boost.";
    /// Cloud Run's instance did not start, crashed, or broke off its answer (its answer: 503).
    CloudRunInstanceFailed => CloudRun, "Look at the revision's log for a failed start-up probe, a crash, an exceeded memory limit or a malformed response, and at what the container needs to start: its database, its secrets.";
    /// Cloud Run turned the request away because its instances are full and it may start no more (its answer: 429).
    CloudRunThrottled => CloudRun, "Raise the service's max instances or concurrency, or find what takes the instances up: slow requests, a slow dependency, a surge.";
    /// The HTTP status is not among those expected.
    StatusUnexpected => Application, "Look at the service's log for this request; a 5xx may be the symptom of a failing dependency.";
    /// What was waited for did not arrive in time: a response's header or body, an expected text or message.
    ResponseTimeout => Application, "The service accepts connections but does not answer as it should within the time: look at its load, and at what it waits for.";
    /// The response's body does not match.
    BodyMismatch => Application, "Compare the body with expectBody: the service answers, but not what the check expects.";
    /// The answer is larger than allowed.
    ResponseTooLarge => Application, "Raise maxBodyBytes (maxMessageBytes of a websocket), or point the check to a smaller answer.";
    /// The gRPC server answers, and says that it, or the service asked for, does not serve now.
    NotServing => Application, "Look at the service's log for why it reports itself unhealthy: a dependency that it waits for, or a start or shutdown that does not end.";
    /// The server speaks gRPC, but has no health service (UNIMPLEMENTED).
    GrpcUnimplemented => Application, "Register grpc.health.v1.Health in the server (grpc-go: google.golang.org/grpc/health; Java: HealthStatusManager; Rust: tonic-health), or, if it has one, check port and authority: another server answers.";
    /// The gRPC server does not know the service whose health is asked for (NOT_FOUND, SERVICE_UNKNOWN).
    GrpcServiceUnknown => Application, "Set service to the full name under which the server reports its health, such as orders.v1.Orders, or leave it out to ask for the server as a whole.";
    /// The gRPC call ended with a status that is not OK.
    GrpcFailed => Application, "Read the status and message, and look at the service's log; UNAVAILABLE comes from a server that is shutting down, or from a proxy without a healthy backend.";
    /// The redirects did not end within followRedirects.
    TooManyRedirects => Application, "Look for a redirect loop, or raise followRedirects.";
    /// The server did not upgrade the connection to a WebSocket (an HTTP status other than 101).
    UpgradeRefused => Application, "Look at the status: 401 and 403 speak of credentials, the Origin header or IAM, 404 of the path, 426 of the WebSocket version, 200 and 400 of a proxy that drops the Upgrade header, 5xx of the service behind.";
    /// The server, or a proxy before it, closed the WebSocket before the last step was done.
    WebSocketClosed => Application, "Look at the close code and reason: 1001, 1012 and 1013 speak of a restart or of load, 1008 of credentials or a policy, 1011 of an error in the service, 1006 of a crash or of a proxy's time-out.";
    /// A step's answer does not hold what a later step of the journey needs.
    CaptureMissing => Application, "Compare the answer with the step's capture: the service answers, but no longer what the journey takes from it.";
    /// The steps of a journey answer, but together they take longer than its budget.
    JourneyBudgetExceeded => Application, "See in the steps where the time went, and make that step faster; or raise the journey's budget, if its users have that patience.";
    /// The probe succeeded, but was slower than maxLatency or maxTimeToFirstMessage.
    LatencyExceeded => Network, "See in the stages where the time went: connect speaks of the path, query or request of the server.";
    /// The path answers, but takes longer than the service grants itself to come up.
    StartupBudgetExceeded => Application, "Raise the service's start-up limit, or make the slow stage faster: until then the service fails to start.";
    /// Under load, fewer requests succeeded than successRatio demands.
    LoadNotSustained => Application, "Look at the causes by share in the message, and at what the service runs out of under load: instances, connections, CPU.";
    /// Under load, requests took longer than load.latency allows.
    LoadLatencyExceeded => Application, "Find what queues under load: too few instances, a pool that is too small, a lock; or raise the bound if the service may be that slow.";
    /// runready could not send the load at the pace that it should have.
    LoadNotGenerated => Prober, "Give the operator more CPU, or lower the load: it was itself too late, so nothing is known of the peer.";
    /// The Secret that the probe needs does not exist.
    SecretNotFound => Application, "Create the Secret in the check's namespace; it is picked up at once.";
    /// The Secret exists, but lacks the key.
    SecretKeyMissing => Application, "Add the key to the Secret, or name a key that it has.";
    /// The spec can't be carried out.
    InvalidSpec => Application, "Correct the field that the message names.";
    /// runready could not carry out the probe: no sockets, no memory, or a defect.
    ProberError => Prober, "Look at the operator's log, limits (file descriptors, memory) and its own network policy; nothing is known about the path.";
}

impl Cause {
    /// Whether the check can't be carried out as it is written: no further observation is needed to be sure.
    pub const fn is_of_the_spec(self) -> bool {
        matches!(
            self,
            Cause::TargetNotAllowed
                | Cause::LimitExceeded
                | Cause::SecretNotFound
                | Cause::SecretKeyMissing
                | Cause::InvalidSpec
        )
    }

    /// Whether it is what Google Cloud says of its own objects: no probe ends in it.
    pub const fn is_of_the_cloud(self) -> bool {
        matches!(
            self,
            Cause::ServiceMissing
                | Cause::VpcAccessMissing
                | Cause::VpcAccessMismatch
                | Cause::ConnectorMissing
                | Cause::ConnectorNotReady
                | Cause::PeeringLost
                | Cause::RouteMissing
                | Cause::FirewallDenies
                | Cause::RangesOverlap
                | Cause::DnsZoneDetached
                | Cause::PacketsDropped
                | Cause::InstanceMissing
                | Cause::InstanceStopped
                | Cause::InstanceSuspended
                | Cause::InstanceUnavailable
                | Cause::InstanceOperation
                | Cause::DiskFull
                | Cause::AddressChanged
                | Cause::ConnectorRequired
                | Cause::AccessNotGranted
                | Cause::ResourcesExhausted
                | Cause::RevisionFailed
                | Cause::EffectiveTimeoutDiffers
                | Cause::RegionImpacted
                | Cause::ConfigurationDrift
        )
    }

    /// Whether the cause says that *we* could not tell, which is Unknown: never healthy, never guilty.
    pub const fn is_unknown(self) -> bool {
        matches!(
            self,
            Cause::CredentialsFailed
                | Cause::CloudSqlPermissionDenied
                | Cause::CloudSqlThrottled
                | Cause::TargetNotAllowed
                | Cause::LimitExceeded
                | Cause::LoadNotGenerated
                | Cause::SecretNotFound
                | Cause::SecretKeyMissing
                | Cause::InvalidSpec
                | Cause::ProberError
        )
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
