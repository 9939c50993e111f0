//! Specs that must be refused, with what must be said of them, and specs that must not. Data only.

/// A manifest that must be refused. The line of the fault ends in `# here`, if it is that of a field.
pub struct Bad {
    /// What is wrong with it.
    pub what: &'static str,
    /// The spec, without its indentation; gets a sound probe unless it has `probes`.
    pub spec: &'static str,
    /// The field that both must name.
    pub field: &'static str,
    /// What both must say.
    pub says: &'static str,
}

pub const fn bad(what: &'static str, spec: &'static str, field: &'static str, says: &'static str) -> Bad {
    Bad { what, spec, field, says }
}

const KINDS: &str = "exactly one kind per probe: set one of dns, tcp, tls, http, websocket, grpc, postgres, mysql, sqlserver, redis, journey or load";
const GO_STYLE: &str = "must be a Go-style duration with a unit, such as 500ms, 30s or 1m30s";
const WITHIN: &str = "timeout must not be longer than the interval (default 30s)";
const AT_LEAST: &str = "must be at least 1s";
const BARE_HOST: &str = "must be a bare host name or address: no scheme, port, path, zone or brackets";
const URL: &str = "must be an absolute http:// or https:// URL with a host and without user or password";

/// What the API server refuses.
pub const BAD: &[Bad] = &[
    bad("no kind in an entry", "probes:\n- name: a # here", "spec.probes[0]", KINDS),
    bad(
        "two kinds in one entry",
        "probes:\n- name: a # here\n  tcp: {host: h, port: 1}\n  dns: {name: h}",
        "spec.probes[0]",
        KINDS,
    ),
    bad(
        "an address with a zone",
        "probes:\n- name: a\n  tcp: {host: fe80::1%eth0, port: 1} # here",
        "spec.probes[0].tcp.host",
        BARE_HOST,
    ),
    bad(
        "a load without a pace",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b\n  load: {probe: a, every: 1h} # here",
        "spec.probes[1].load",
        "set exactly one pace: ratePerSecond",
    ),
    bad(
        "a load that never runs",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b\n  load: {probe: a, concurrency: 1} # here",
        "spec.probes[1].load",
        "say when the load runs: every (such as 1h), schedule",
    ),
    bad(
        "a load with two times",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b\n  load:\n    probe: a\n    concurrency: 1\n    every: 1h\n    schedule: 0 * * * * # here",
        "spec.probes[1].load.schedule",
        "every and schedule exclude each other",
    ),
    bad(
        "a load that follows upon itself",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b\n  load:\n    probe: a\n    concurrency: 1\n    every: 30s # here",
        "spec.probes[1].load.every",
        "every must be longer than the load's window",
    ),
    bad(
        "a load of a probe listed later",
        "probes: # here\n- name: b\n  load: {probe: a, concurrency: 1, every: 1h}\n- name: a\n  tcp: {host: h, port: 1}",
        "spec.probes",
        "load.probe must name another probe of this check, listed before the load",
    ),
    bad(
        "a ratio without its sign",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b\n  load:\n    probe: a\n    concurrency: 1\n    every: 1h\n    successRatio: '0.99' # here",
        "spec.probes[1].load.successRatio",
        "must be a percentage with its sign, such as 99.9%",
    ),
    bad(
        "a load with assertions",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b # here\n  load: {probe: a, concurrency: 1, every: 1h}\n  maxLatency: 1s",
        "spec.probes[1]",
        "a load has bounds of its own: set load.latency",
    ),
    bad(
        "a CA beside no verification",
        "probes:\n- name: a\n  http: {url: \"https://h/\", tls: {insecureSkipVerify: true, caSecretRef: {name: ca}}} # here",
        "spec.probes[0].http.tls",
        "caSecretRef is not used with insecureSkipVerify",
    ),
    bad("no probes", "probes: [] # here", "spec.probes", "must have at least one probe"),
    bad("probes left out", "interval: 30s\nno-probes", "spec.probes", "Required value"),
    bad(
        "two probes of one name",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: a # here\n  tcp: {host: h, port: 2}",
        "spec.probes[1]",
        "Duplicate value: {\"name\":\"a\"}",
    ),
    bad(
        "a probe's name in capitals",
        "probes:\n- name: Database # here\n  tcp: {host: h, port: 1}",
        "spec.probes[0].name",
        "must be a name of lower-case letters, digits and '-', such as database",
    ),
    bad("a probe without a name", "probes:\n- tcp: {host: h, port: 1} # here", "spec.probes[0].name", "Required value"),
    bad(
        "an empty host",
        "probes:\n- name: a\n  tcp:\n    host: '' # here\n    port: 1",
        "spec.probes[0].tcp.host",
        "must name a host: a DNS name such as db.internal, or an address such as 10.20.0.3",
    ),
    bad(
        "a host with a scheme",
        "probes:\n- name: a\n  tcp:\n    host: tcp://h # here\n    port: 1",
        "spec.probes[0].tcp.host",
        BARE_HOST,
    ),
    bad(
        "a host with a port",
        "probes:\n- name: a\n  tls:\n    host: h:443 # here\n    port: 443",
        "spec.probes[0].tls.host",
        BARE_HOST,
    ),
    bad(
        "an IPv6 address in brackets",
        "probes:\n- name: a\n  tcp:\n    host: '[::1]' # here\n    port: 443",
        "spec.probes[0].tcp.host",
        BARE_HOST,
    ),
    bad("no host at all", "probes:\n- name: a\n  tcp: {port: 1} # here", "spec.probes[0].tcp.host", "Required value"),
    bad(
        "port 0",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 0 # here",
        "spec.probes[0].tcp.port",
        "should be greater than or equal to 1",
    ),
    bad(
        "port 65536",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 65536 # here",
        "spec.probes[0].tcp.port",
        "should be less than or equal to 65535",
    ),
    bad(
        "a negative port",
        "probes:\n- name: a\n  tls:\n    host: h\n    port: -1 # here",
        "spec.probes[0].tls.port",
        "should be greater than or equal to 1",
    ),
    bad(
        "a port by name",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: http # here",
        "spec.probes[0].tcp.port",
        "must be of type integer: \"string\"",
    ),
    bad("an interval under 1 s", "interval: 500ms # here", "spec.interval", AT_LEAST),
    bad("an interval of nothing", "interval: 0s # here", "spec.interval", AT_LEAST),
    bad("a timeout longer than the interval", "interval: 10s\ntimeout: 11s # here", "spec.timeout", WITHIN),
    bad("a timeout longer than the default interval", "timeout: 31s # here", "spec.timeout", WITHIN),
    bad(
        "both interval and schedule",
        "interval: 30s\nschedule: '*/5 * * * *' # here",
        "spec.schedule",
        "interval and schedule exclude each other: keep interval for a steady beat, or schedule for cron times",
    ),
    bad(
        "inspect without a service",
        "inspect: {} # here",
        "spec.inspect",
        "inspect has a meaning only together with service: name the Cloud Run service whose path is to be inspected",
    ),
    bad(
        "readings that would be too young",
        "service: {project: p, region: r, name: backend}\ninspect:\n  interval: 9s # here",
        "spec.inspect.interval",
        "must be at least 10s: reading more often uses up the project's quota of Google's APIs",
    ),
    bad(
        "an inspection that there is not",
        "service: {project: p, region: r, name: backend}\ninspect:\n  skip:\n  - Weather # here",
        "spec.inspect.skip[0]",
        "Unsupported value: \"Weather\"",
    ),
    bad(
        "an inspection that is skipped twice",
        "service: {project: p, region: r, name: backend}\ninspect:\n  skip:\n  - Logs\n  - Logs # here",
        "spec.inspect.skip[1]",
        "Duplicate value: \"Logs\"",
    ),
    bad(
        "a connector by its short name",
        "service: {project: p, region: r, name: backend}\ninspect:\n  connector: staging # here",
        "spec.inspect.connector",
        "must name the connector in full, such as projects/netra-staging/locations/us-central1/connectors/staging-connector",
    ),
    bad(
        "an instance without its region",
        "service: {project: p, region: r, name: backend}\ninspect:\n  instance: p:db # here",
        "spec.inspect.instance",
        "must be the instance's connection name, PROJECT:REGION:INSTANCE",
    ),
    bad(
        "a network by its short name",
        "service: {project: p, region: r, name: backend}\ninspect:\n  network: default # here",
        "spec.inspect.network",
        "must name the network in full, such as projects/netra-staging/global/networks/staging-vpc",
    ),
    bad(
        "a baseline without a service",
        "baseline: {notBefore: \"2026-11-25T12:00:00Z\"} # here",
        "spec.baseline",
        "baseline has a meaning only together with service: name the Cloud Run service whose configuration is compared",
    ),
    bad(
        "a baseline that is pinned and learned anew",
        "service: {project: p, region: r, name: backend}\nbaseline: {notBefore: \"2026-11-25T12:00:00Z\", objects: [{inspection: Service}]} # here",
        "spec.baseline",
        "set either objects, to pin a configuration, or notBefore, to have it learned anew",
    ),
    bad(
        "a baseline that says nothing",
        "service: {project: p, region: r, name: backend}\nbaseline: {} # here",
        "spec.baseline",
        "set either objects, to pin a configuration, or notBefore, to have it learned anew",
    ),
    bad(
        "a time zone without a schedule",
        "timeZone: Europe/Berlin # here",
        "spec.timeZone",
        "timeZone has a meaning only together with schedule",
    ),
    bad("a duration without a unit", "interval: '30' # here", "spec.interval", GO_STYLE),
    bad("a duration as a number", "interval: 30 # here", "spec.interval", "must be of type string: \"integer\""),
    bad("a duration in words", "timeout: 1 day # here", "spec.timeout", GO_STYLE),
    bad("a duration in days", "startupBudget: 1d # here", "spec.startupBudget", GO_STYLE),
    bad("a negative duration", "timeout: -5s # here", "spec.timeout", GO_STYLE),
    bad("an empty duration", "startupBudget: '' # here", "spec.startupBudget", GO_STYLE),
    bad("a duration of nothing", "startupBudget: 0s # here", "spec.startupBudget", "must be longer than zero"),
    bad(
        "a stage's limit that is no duration",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  stageTimeouts:\n    connect: 5 s # here",
        "spec.probes[0].stageTimeouts.connect",
        GO_STYLE,
    ),
    bad(
        "a latency that is no duration",
        "probes:\n- name: a\n  maxLatency: fast # here\n  tcp: {host: h, port: 1}",
        "spec.probes[0].maxLatency",
        GO_STYLE,
    ),
    bad(
        "a failure threshold of 0",
        "failureThreshold: 0 # here",
        "spec.failureThreshold",
        "greater than or equal to 1",
    ),
    bad(
        "a success threshold of 0",
        "successThreshold: 0 # here",
        "spec.successThreshold",
        "greater than or equal to 1",
    ),
    bad("a negative threshold", "failureThreshold: -2 # here", "spec.failureThreshold", "greater than or equal to 1"),
    bad("an unknown field of the spec", "intervall: 30s # here", "spec.intervall", "unknown field \"spec.intervall\""),
    bad(
        "an unknown field of the service",
        "service:\n  project: p\n  region: r\n  name: backend\n  zone: z # here",
        "spec.service.zone",
        "unknown field \"spec.service.zone\"",
    ),
    bad(
        "an unknown kind",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  oracle: {} # here",
        "spec.probes[0].oracle",
        "unknown field \"spec.probes[0].oracle\"",
    ),
    bad(
        "an unknown field of a probe",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 1\n    ports: 2 # here",
        "spec.probes[0].tcp.ports",
        "unknown field \"spec.probes[0].tcp.ports\"",
    ),
    bad(
        "an unknown stage",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  stageTimeouts:\n    conect: 5s # here",
        "spec.probes[0].stageTimeouts.conect",
        "unknown field \"spec.probes[0].stageTimeouts.conect\"",
    ),
    bad(
        "dependsOn names an unknown probe",
        "probes: # here\n- name: a\n  tcp: {host: h, port: 1}\n  dependsOn: [b]",
        "spec.probes",
        "dependsOn names a probe that this check does not have: use the name of another entry of probes",
    ),
    bad(
        "dependsOn names its own probe",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  dependsOn: [a] # here",
        "spec.probes[0].dependsOn",
        "a probe can't depend on itself: name probes listed before it",
    ),
    bad(
        "dependsOn goes in a circle",
        "probes: # here\n- name: a\n  tcp: {host: h, port: 1}\n  dependsOn: [b]\n- name: b\n  tcp: {host: h, port: 1}\n  dependsOn: [a]",
        "spec.probes",
        "dependsOn may only name probes listed before its own: move what is depended on up (in a cycle no order fits; break it)",
    ),
    bad(
        "a URL without a scheme",
        "probes:\n- name: a\n  http:\n    url: example.com/healthz # here",
        "spec.probes[0].http.url",
        URL,
    ),
    bad(
        "a URL of another scheme",
        "probes:\n- name: a\n  http:\n    url: ftp://example.com # here",
        "spec.probes[0].http.url",
        URL,
    ),
    bad(
        "a URL with a password",
        "probes:\n- name: a\n  http:\n    url: https://me:secret@example.com/ # here",
        "spec.probes[0].http.url",
        URL,
    ),
    bad("an empty URL", "probes:\n- name: a\n  http:\n    url: '' # here", "spec.probes[0].http.url", URL),
    bad(
        "a method in small letters",
        "probes:\n- name: a\n  http:\n    url: http://h\n    method: get # here",
        "spec.probes[0].http.method",
        "must be an HTTP method in capital letters, such as GET",
    ),
    bad(
        "a header name with a space",
        "probes:\n- name: a\n  http:\n    url: http://h\n    headers:\n    - name: X Y # here\n      value: v",
        "spec.probes[0].http.headers[0].name",
        "must be a header name, such as Accept",
    ),
    bad(
        "a header name with a colon, for a Secret",
        "probes:\n- name: a\n  http:\n    url: http://h\n    headersFromSecret:\n    - name: 'Authorization:' # here\n      secretRef: {name: s, key: k}",
        "spec.probes[0].http.headersFromSecret[0].name",
        "must be a header name, such as Authorization",
    ),
    bad(
        "a status code that is none",
        "probes:\n- name: a\n  http:\n    url: http://h\n    expectStatus:\n    - 20 # here",
        "spec.probes[0].http.expectStatus[0]",
        "should be greater than or equal to 100",
    ),
    bad(
        "an HTTP version that is none",
        "probes:\n- name: a\n  http:\n    url: http://h\n    httpVersion: '1.1' # here",
        "spec.probes[0].http.httpVersion",
        "supported values: \"Http1\", \"Http2\"",
    ),
    bad(
        "TLS settings for plain text",
        "probes:\n- name: a\n  grpc: {host: h, port: 1, plaintext: true, tls: {}} # here",
        "spec.probes[0].grpc",
        "tls is not used with plaintext: set one of the two",
    ),
    bad(
        "a gRPC target as a URL",
        "probes:\n- name: a\n  grpc:\n    host: https://h # here\n    port: 1",
        "spec.probes[0].grpc.host",
        BARE_HOST,
    ),
    bad(
        "a method that the health service does not have",
        "probes:\n- name: a\n  grpc:\n    host: h\n    port: 1\n    method: List # here",
        "spec.probes[0].grpc.method",
        "supported values: \"Check\", \"Watch\"",
    ),
    bad(
        "metadata in capital letters",
        "probes:\n- name: a\n  grpc:\n    host: h\n    port: 1\n    metadata:\n    - name: X-Tenant # here\n      value: v",
        "spec.probes[0].grpc.metadata[0].name",
        "must be a metadata name of lower-case letters",
    ),
    bad(
        "metadata of the protocol itself",
        "probes:\n- name: a\n  grpc:\n    host: h\n    port: 1\n    metadata:\n    - name: grpc-timeout # here\n      value: 1S",
        "spec.probes[0].grpc.metadata[0].name",
        "is a name of the protocol itself: metadata can't set it",
    ),
    bad(
        "metadata of the protocol itself, from a Secret",
        "probes:\n- name: a\n  grpc:\n    host: h\n    port: 1\n    metadataFromSecret:\n    - name: te # here\n      secretRef: {name: s, key: k}",
        "spec.probes[0].grpc.metadataFromSecret[0].name",
        "is a name of the protocol itself: metadata can't set it",
    ),
    bad(
        "a DNS record type that is none",
        "probes:\n- name: a\n  dns:\n    name: h\n    recordType: a # here",
        "spec.probes[0].dns.recordType",
        "supported values: \"A\", \"AAAA\"",
    ),
    bad(
        "an empty DNS name",
        "probes:\n- name: a\n  dns:\n    name: '' # here",
        "spec.probes[0].dns.name",
        "must be a DNS name, such as db.internal",
    ),
    bad(
        "an empty assertion",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  assert:\n  - '' # here",
        "spec.probes[0].assert[0]",
        "should be at least 1 chars long",
    ),
    bad(
        "a WebSocket by an HTTP URL",
        "probes:\n- name: a\n  websocket:\n    url: https://h/chat # here",
        "spec.probes[0].websocket.url",
        "must be an absolute ws:// or wss:// URL with a host and without user, password or fragment",
    ),
    bad(
        "a WebSocket's URL with a fragment",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat#room # here",
        "spec.probes[0].websocket.url",
        "must be an absolute ws:// or wss:// URL with a host and without user, password or fragment",
    ),
    bad(
        "a subprotocol with a space",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    subprotocols:\n    - chat v1 # here",
        "spec.probes[0].websocket.subprotocols[0]",
        "must be the name of a subprotocol, such as chat.v1: one token, without spaces or commas",
    ),
    bad(
        "a subprotocol expected that is not offered",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    expectSubprotocol: chat.v2 # here\n    subprotocols: [chat.v1]",
        "spec.probes[0].websocket.expectSubprotocol",
        "expectSubprotocol must be one of subprotocols",
    ),
    bad("suspend in words", "suspend: 'later' # here", "spec.suspend", "must be of type boolean: \"string\""),
];
