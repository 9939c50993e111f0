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

const fn bad(what: &'static str, spec: &'static str, field: &'static str, says: &'static str) -> Bad {
    Bad { what, spec, field, says }
}

const KINDS: &str = "exactly one kind per probe: set one of dns, tcp, tls, http, websocket or postgres";
const GO_STYLE: &str = "must be a Go-style duration with a unit, such as 500ms, 30s or 1m30s";
const ONE_WAY: &str = "set exactly one way to the database: host (with port), or socket";
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
        "a database without a way to it",
        "probes:\n- name: a\n  postgres: {database: d, user: u} # here",
        "spec.probes[0].postgres",
        ONE_WAY,
    ),
    bad(
        "a database with two ways to it",
        "probes:\n- name: a\n  postgres: {host: h, socket: /cloudsql/p:r:i, database: d, user: u} # here",
        "spec.probes[0].postgres",
        ONE_WAY,
    ),
    bad(
        "a socket by a relative path",
        "probes:\n- name: a\n  postgres:\n    socket: cloudsql/p:r:i # here\n    database: d\n    user: u",
        "spec.probes[0].postgres.socket",
        "must be an absolute path without a slash at its end, such as /cloudsql/PROJECT:REGION:INSTANCE",
    ),
    bad(
        "a socket whose path is too long with its name",
        "probes:\n- name: a\n  postgres:\n    socket: /12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345 # here\n    database: d\n    user: u",
        "spec.probes[0].postgres.socket",
        "the socket's path, /.s.PGSQL.PORT included, must have at most 107 bytes",
    ),
    bad(
        "TLS over a socket",
        "probes:\n- name: a\n  postgres:\n    socket: /cloudsql/p:r:i\n    database: d\n    user: u\n    tls: {mode: Prefer} # here",
        "spec.probes[0].postgres.tls",
        "TLS is never used over a Unix socket",
    ),
    bad(
        "happyEyeballs over a socket",
        "probes:\n- name: a\n  postgres:\n    socket: /cloudsql/p:r:i\n    database: d\n    user: u\n    happyEyeballs: true # here",
        "spec.probes[0].postgres.happyEyeballs",
        "happyEyeballs chooses among the addresses of a host",
    ),
    bad(
        "more connections than are opened",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    connections: 201 # here",
        "spec.probes[0].postgres.connections",
        "should be less than or equal to 200",
    ),
    bad(
        "a payload of a few bytes",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    payloadBytes: 100 # here",
        "spec.probes[0].postgres.payloadBytes",
        "should be greater than or equal to 1024",
    ),
    bad(
        "an initQuery of nothing",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    initQueries:\n    - '' # here",
        "spec.probes[0].postgres.initQueries[0]",
        "should be at least 1 chars long",
    ),
    bad(
        "a CA that the mode does not look at",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    tls: {mode: Require, caSecretRef: {name: ca}} # here",
        "spec.probes[0].postgres.tls",
        "caSecretRef is used by the modes VerifyCa and VerifyFull alone",
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
    bad(
        "a postgres port out of range",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    port: 70000 # here",
        "spec.probes[0].postgres.port",
        "should be less than or equal to 65535",
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
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  mysql: {} # here",
        "spec.probes[0].mysql",
        "unknown field \"spec.probes[0].mysql\"",
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
        "a Secret of another namespace",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef:\n      name: s\n      key: k\n      namespace: other # here",
        "spec.probes[0].postgres.passwordSecretRef.namespace",
        "unknown field \"spec.probes[0].postgres.passwordSecretRef.namespace\"",
    ),
    bad(
        "a Secret of another namespace, by its name",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef:\n      name: other/s # here\n      key: k",
        "spec.probes[0].postgres.passwordSecretRef.name",
        "must be the name of a Secret in this namespace",
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
        "two ways to authenticate",
        "probes:\n- name: a\n  http:\n    url: https://h\n    auth: {basic: {username: u, passwordSecretRef: {name: s, key: k}}, bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].http.auth",
        "exactly one way to authenticate: set one of basic",
    ),
    bad(
        "no way to authenticate",
        "probes:\n- name: a\n  http:\n    url: https://h\n    auth: {} # here",
        "spec.probes[0].http.auth",
        "exactly one way to authenticate: set one of basic",
    ),
    bad(
        "a user name with a colon",
        "probes:\n- name: a\n  http:\n    url: https://h\n    auth:\n      basic:\n        username: 'a:b' # here\n        passwordSecretRef: {name: s, key: k}",
        "spec.probes[0].http.auth.basic.username",
        "must be a user name without a colon",
    ),
    bad(
        "credentials in plain text",
        "probes:\n- name: a\n  http:\n    url: http://h.example.com/\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].http.auth",
        "auth over plain text shows the credentials to everyone on the way: use https://",
    ),
    bad(
        "credentials in plain text to a name that looks like the own host",
        "probes:\n- name: a\n  http:\n    url: http://127.0.0.1.example.com/\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].http.auth",
        "auth over plain text shows the credentials to everyone on the way: use https://",
    ),
    bad(
        "credentials twice",
        "probes:\n- name: a\n  http:\n    url: https://h\n    headers: [{name: authorization, value: v}]\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].http.auth",
        "auth sets the header Authorization: leave it out of headers and headersFromSecret",
    ),
    bad(
        "credentials twice, from Secrets",
        "probes:\n- name: a\n  http:\n    url: https://h\n    headersFromSecret: [{name: Authorization, secretRef: {name: s, key: k}}]\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].http.auth",
        "auth sets the header Authorization: leave it out of headers and headersFromSecret",
    ),
    bad(
        "an ID token of runready's own for another host",
        "probes:\n- name: a\n  http:\n    url: https://h.example.com/\n    auth: {googleIdToken: {audience: 'https://victim.run.app'}} # here",
        "spec.probes[0].http.auth",
        "without serviceAccountKeySecretRef the token is for the host that is asked alone: leave audience out",
    ),
    bad(
        "an ID token of runready's own for a host that begins alike",
        "probes:\n- name: a\n  http:\n    url: https://h.example.com.evil.test/\n    auth: {googleIdToken: {audience: 'https://h.example.com'}} # here",
        "spec.probes[0].http.auth",
        "without serviceAccountKeySecretRef the token is for the host that is asked alone: leave audience out",
    ),
    bad(
        "a client's secret in plain text",
        "probes:\n- name: a\n  http:\n    url: https://h\n    auth:\n      oauth2:\n        clientId: c\n        clientSecretRef: {name: s, key: k}\n        tokenUrl: http://login.example.com/token # here",
        "spec.probes[0].http.auth.oauth2.tokenUrl",
        "must be an https:// address: the client's secret is sent there",
    ),
    bad(
        "an unknown way to show a client's secret",
        "probes:\n- name: a\n  http:\n    url: https://h\n    auth:\n      oauth2:\n        clientId: c\n        tokenUrl: https://h/token\n        clientSecretRef: {name: s, key: k}\n        clientAuth: Header # here",
        "spec.probes[0].http.auth.oauth2.clientAuth",
        "supported values: \"Basic\", \"Body\"",
    ),
    bad(
        "a WebSocket's credentials in plain text",
        "probes:\n- name: a\n  websocket:\n    url: ws://h.example.com/\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].websocket.auth",
        "auth over plain text shows the credentials to everyone on the way: use https:// (or wss://)",
    ),
    bad(
        "a WebSocket with an ID token of runready's own for another host",
        "probes:\n- name: a\n  websocket:\n    url: wss://h.example.com/\n    auth: {googleIdToken: {audience: 'https://victim.run.app'}} # here",
        "spec.probes[0].websocket.auth",
        "without serviceAccountKeySecretRef the token is for the host that is asked alone: leave audience out",
    ),
    bad(
        "a WebSocket's credentials twice, from Secrets",
        "probes:\n- name: a\n  websocket:\n    url: wss://h\n    headersFromSecret: [{name: Authorization, secretRef: {name: s, key: k}}]\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}} # here",
        "spec.probes[0].websocket.auth",
        "auth sets the header Authorization: leave it out of headers and headersFromSecret",
    ),
    bad(
        "a TLS mode in libpq's spelling",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    tls:\n      mode: verify-full # here",
        "spec.probes[0].postgres.tls.mode",
        "supported values: \"Disable\", \"Prefer\", \"Require\", \"VerifyCa\", \"VerifyFull\"",
    ),
    bad(
        "no database",
        "probes:\n- name: a\n  postgres:\n    host: h\n    user: u\n    database: '' # here",
        "spec.probes[0].postgres.database",
        "must name the database to open",
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
    bad(
        "a time to the first message without one",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    maxTimeToFirstMessage: 2s # here\n    steps: [{send: x}]",
        "spec.probes[0].websocket.maxTimeToFirstMessage",
        "add a step with expect or expectJson",
    ),
    bad(
        "a step of two actions",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - {send: x, expect: hello} # here",
        "spec.probes[0].websocket.steps[0]",
        "exactly one action per step: set one of send, sendBase64, expect, expectJson or ping",
    ),
    bad(
        "a step without an action",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - {} # here",
        "spec.probes[0].websocket.steps[0]",
        "exactly one action per step",
    ),
    bad(
        "a limit to sending",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - send: x\n      within: 1s # here",
        "spec.probes[0].websocket.steps[0].within",
        "within limits a wait",
    ),
    bad(
        "a number of messages to wait for a pong",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - ping: true\n      maxMessages: 5 # here",
        "spec.probes[0].websocket.steps[0].maxMessages",
        "maxMessages has a meaning only together with expect or expectJson",
    ),
    bad(
        "a ping that is none",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - ping: false # here",
        "spec.probes[0].websocket.steps[0].ping",
        "must be true: leave the step out instead",
    ),
    bad(
        "a JSONPath with descendants",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - expectJson:\n        path: $..type # here",
        "spec.probes[0].websocket.steps[0].expectJson.path",
        "must be a JSONPath of names, indexes and *",
    ),
    bad(
        "a JSONPath with a filter",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/chat\n    steps:\n    - expectJson:\n        path: $[?@.a] # here",
        "spec.probes[0].websocket.steps[0].expectJson.path",
        "must be a JSONPath of names, indexes and *",
    ),
    bad("suspend in words", "suspend: 'later' # here", "spec.suspend", "must be of type boolean: \"string\""),
];

/// What only runready itself can tell: Stalled in a cluster.
pub const ONLY_WE_CAN_TELL: &[Bad] = &[
    bad(
        "a cron expression of four fields",
        "schedule: '*/5 * * *' # here",
        "spec.schedule",
        "Write five fields (minute hour day-of-month month day-of-week), such as \"*/5 * * * *\"",
    ),
    bad("a cron expression that never comes due", "schedule: 0 0 31 2 * # here", "spec.schedule", "never comes due"),
    bad(
        "a time zone that is none",
        "schedule: 0 6 * * *\ntimeZone: Mars/Olympus # here",
        "spec.timeZone",
        "is not a time zone: write an IANA name, such as Europe/Berlin or UTC",
    ),
    bad(
        "a regular expression that is none",
        "probes:\n- name: a\n  tcp:\n    host: 127.0.0.1\n    port: 1\n    expect: '(' # here",
        "spec.probes[0].tcp.expect",
        "is not a regular expression (RE2 syntax)",
    ),
    bad(
        "an assertion that is no CEL",
        "probes:\n- name: a\n  assert:\n  - status = 200 # here\n  http:\n    url: http://127.0.0.1:1",
        "spec.probes[0].assert[0]",
        "column 8: is not CEL: ",
    ),
    bad(
        "an assertion on what the probe does not have",
        "probes:\n- name: a\n  tcp: {host: 127.0.0.1, port: 1}\n  assert:\n  - latency < duration('1s')\n  - status == 200 # here",
        "spec.probes[0].assert[1]",
        "column 1: `status` is not known here; a probe of kind tcp has latency, stages, received",
    ),
    bad(
        "a header that is the WebSocket handshake's own",
        "probes:\n- name: a\n  websocket:\n    url: ws://127.0.0.1:1/\n    headers: [{name: Sec-WebSocket-Protocol, value: chat}] # here",
        "spec.probes[0].websocket.headers",
        "sec-websocket-protocol is the handshake's own header: use subprotocols",
    ),
    bad(
        "a regular expression for a message that is none",
        "probes:\n- name: a\n  websocket:\n    url: ws://127.0.0.1:1/\n    steps:\n    - expect: '(' # here",
        "spec.probes[0].websocket.steps[0].expect",
        "is not a regular expression (RE2 syntax)",
    ),
    bad(
        "a message that is not base64",
        "probes:\n- name: a\n  websocket:\n    url: ws://127.0.0.1:1/\n    steps:\n    - sendBase64: a-b # here",
        "spec.probes[0].websocket.steps[0].sendBase64",
        "is not base64 with padding, such as AAEC",
    ),
    bad(
        "a resolver that is no address",
        "probes:\n- name: a\n  dns:\n    name: h\n    resolver: dns.example # here",
        "spec.probes[0].dns.resolver",
        "is not an address: write 10.0.0.2, 10.0.0.2:53 or [fd00::53]:53",
    ),
    bad(
        "a URL whose port is none",
        "probes:\n- name: a\n  http:\n    url: http://h:seventy/ # here",
        "spec.probes[0].http.url",
        "is not a URL",
    ),
];

/// What both take.
pub const GOOD: &[(&str, &str)] = &[
    ("the least that there can be", "probes:\n- name: a\n  tcp: {host: h, port: 1}"),
    ("a timeout as long as the interval", "interval: 1m30s\ntimeout: 1m30s"),
    (
        "a timeout longer than the default interval, on a schedule",
        "schedule: '*/5 * * * *'\ntimeZone: Europe/Berlin\ntimeout: 2m",
    ),
    (
        "IPv6 addresses",
        "probes:\n- name: a\n  tcp: {host: '2001:db8::1', port: 1}\n- name: b\n  http: {url: 'http://[::1]:8080/'}",
    ),
    ("fractions and compound durations", "interval: 1.5s\ntimeout: 1s250ms"),
    (
        "everything of postgres",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: VerifyFull, serverName: db.internal, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    query: SELECT 2\n    expectRows: 1\n    writable: true\n  assert: [\"latency < duration('300ms')\", \"row.version == '2' && rows == 1\"]\n  maxLatency: 500ms\n  required: false\n  stageTimeouts: {connect: 5s, query: 1s}",
    ),
    (
        "a postgres socket",
        "probes:\n- name: a\n  postgres: {socket: '/cloudsql/p:r:i', database: d, user: u}\n- name: b\n  postgres: {socket: /run/postgresql/.s.PGSQL.5433, database: d, user: u}",
    ),
    (
        "everything of websocket",
        "probes:\n- name: a\n  websocket:\n    url: wss://h/x?y=z\n    headers: [{name: Origin, value: 'https://h'}]\n    headersFromSecret: [{name: Authorization, secretRef: {name: s, key: k}}]\n    subprotocols: [chat.v1, chat.v2]\n    expectSubprotocol: chat.v2\n    tls: {serverName: h, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    steps:\n    - {send: x}\n    - {sendBase64: AAEC}\n    - {expect: '^x$', within: 5s, maxMessages: 10}\n    - {expectJson: {path: $}}\n    - {expectJson: {path: '$.choices[-1][*].*[\"first name\"]', matches: x}}\n    - {ping: true, within: 1s}\n    maxTimeToFirstMessage: 2s\n    maxMessageBytes: 1024\n    happyEyeballs: true",
    ),
    (
        "credentials in plain text to the own host, and where that is allowed",
        "probes:\n- name: a\n  http: {url: 'http://127.0.0.1:8080/x', auth: {bearer: {tokenSecretRef: {name: s, key: k}}}}\n- name: d\n  websocket: {url: 'ws://localhost:8080/x', auth: {bearer: {tokenSecretRef: {name: s, key: k}}}}\n- name: b\n  http: {url: 'http://h.mesh.internal/', auth: {allowPlainText: true, basic: {username: u, passwordSecretRef: {name: s, key: k}}}}\n- name: c\n  http: {url: 'http://[::1]', auth: {bearer: {tokenSecretRef: {name: s, key: k}}}}",
    ),
    (
        "tokens that are fetched",
        "probes:\n- name: a\n  http: {url: 'https://a.run.app/x', auth: {googleIdToken: {}}}\n- name: b\n  http: {url: 'https://a.run.app/x', auth: {googleIdToken: {audience: 'https://a.run.app'}}}\n- name: c\n  http:\n    url: https://h\n    auth:\n      googleIdToken: {audience: any, serviceAccountKeySecretRef: {name: s, key: k}}\n- name: d\n  stageTimeouts: {token: 2s}\n  http:\n    url: https://h\n    auth:\n      oauth2: {tokenUrl: 'https://login.example.com/token', clientId: c, clientSecretRef: {name: s, key: k}, scopes: ['a:b', 'https://x/y'], audience: z, clientAuth: Body, caSecretRef: {name: ca}}",
    ),
    (
        "everything of http",
        "probes:\n- name: a\n  dns: {name: h, recordType: AAAA, resolver: '10.0.0.2:53', expect: ['::1']}\n- name: b\n  dependsOn: [a]\n  http:\n    url: https://h/x?y=z\n    method: POST\n    headers: [{name: Accept, value: '*/*'}]\n    headersFromSecret: [{name: Authorization, secretRef: {name: s, key: k}}]\n    body: b\n    expectStatus: [200, 404]\n    expectBody: ok\n    expectHeaders: [{name: Content-Type, value: json}]\n    maxBodyBytes: 10\n    followRedirects: 2\n    tls: {insecureSkipVerify: true}\n    httpVersion: Http2",
    ),
];
