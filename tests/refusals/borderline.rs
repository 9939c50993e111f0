//! Specs that only runready can tell are bad, and specs that are good.

use super::manifests::{Bad, bad};

/// What only runready itself can tell: Stalled in a cluster.
pub const ONLY_WE_CAN_TELL: &[Bad] = &[
    bad(
        "a cron expression of four fields",
        "schedule: '*/5 * * *' # here",
        "spec.schedule",
        "Write five fields (minute hour day-of-month month day-of-week), such as \"*/5 * * * *\"",
    ),
    bad(
        "a cron expression of a minute that is none",
        "schedule: '99 * * * *' # here",
        "spec.schedule",
        "Number out of bounds. Write five fields",
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
        "a header that is the WebSocket handshake's own, with a value in it",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: in\n      http: {url: 'http://127.0.0.1:1/'}\n      capture: [{name: v, header: x-v}]\n    - name: talk\n      websocket:\n        url: ws://127.0.0.1:1/\n        headers: [{name: Connection, value: '${v}'}] # here",
        "spec.probes[0].journey.steps[1].websocket.headers",
        "connection is the handshake's own header: leave it out",
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
        "a refusal that is no regular expression",
        "probes:\n- name: a\n  tcp:\n    host: 127.0.0.1\n    port: 1\n    steps:\n    - expect: x\n      refusal: '(' # here",
        "spec.probes[0].tcp.steps[0].refusal",
        "is not a regular expression (RE2 syntax)",
    ),
    bad(
        "bytes to send that are not base64",
        "probes:\n- name: a\n  tcp:\n    host: 127.0.0.1\n    port: 1\n    steps:\n    - sendBase64: a-b # here",
        "spec.probes[0].tcp.steps[0].sendBase64",
        "is not base64 with padding, such as AAEC",
    ),
    bad(
        "a resolver that is no address",
        "probes:\n- name: a\n  dns:\n    name: h\n    resolver: dns.example # here",
        "spec.probes[0].dns.resolver",
        "is not an address to ask: write 10.0.0.2, 10.0.0.2:53 or [fd00::53]:53",
    ),
    bad(
        "a name to ask for that is none",
        "probes:\n- name: a\n  dns:\n    name: db..internal # here",
        "spec.probes[0].dns.name",
        "\"db..internal\" is not a DNS name",
    ),
    bad(
        "a host whose name is none",
        "probes:\n- name: a\n  tcp:\n    host: db..internal # here\n    port: 1",
        "spec.probes[0].tcp.host",
        "\"db..internal\" is not a DNS name",
    ),
    bad(
        "a URL whose host is no name",
        "probes:\n- name: a\n  http:\n    url: http://db..internal/ # here",
        "spec.probes[0].http.url",
        "\"db..internal\" is not a DNS name",
    ),
    bad(
        "a name that no DNS server is asked for",
        "probes:\n- name: a\n  dns:\n    name: db.localhost # here",
        "spec.probes[0].dns.name",
        "resolvers answer it themselves",
    ),
    bad(
        "an address to ask for",
        "probes:\n- name: a\n  dns:\n    name: 10.0.0.3 # here",
        "spec.probes[0].dns.name",
        "10.0.0.3 is an address: only its recordType PTR can be asked for",
    ),
    bad(
        "a header that says where a request ends",
        "probes:\n- name: a\n  http:\n    url: http://127.0.0.1:1\n    headers:\n    - name: Content-Length # here\n      value: '3'",
        "spec.probes[0].http.headers[0].name",
        "content-length says where the body ends, and is set by runready",
    ),
    bad(
        "a header that says where a request ends, with a value in it",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: in\n      http: {url: 'http://127.0.0.1:1/'}\n      capture: [{name: v, header: x-v}]\n    - name: out\n      http:\n        url: http://127.0.0.1:1/\n        headers:\n        - name: Transfer-Encoding # here\n          value: '${v}'",
        "spec.probes[0].journey.steps[1].http.headers[0].name",
        "transfer-encoding says where the body ends",
    ),
    bad(
        "a resolver at port 0",
        "probes:\n- name: a\n  dns:\n    name: h\n    resolver: 10.0.0.2:0 # here",
        "spec.probes[0].dns.resolver",
        "is not an address to ask",
    ),
    bad(
        "a URL with port 0",
        "probes:\n- name: a\n  http:\n    url: http://h:0/ # here",
        "spec.probes[0].http.url",
        "has port 0, at which nothing can listen",
    ),
    bad(
        "a URL whose port is none",
        "probes:\n- name: a\n  http:\n    url: http://h:seventy/ # here",
        "spec.probes[0].http.url",
        "is not a URL",
    ),
    bad(
        "a value that no earlier step captures",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      http:\n        url: http://127.0.0.1:1/${id} # here\n      capture: [{name: id, jsonPath: $.id}]",
        "spec.probes[0].journey.steps[0].http.url",
        "no earlier step captures ${id}",
    ),
    bad(
        "a host that an earlier step would choose",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      http: {url: 'http://127.0.0.1:1/'}\n      capture: [{name: host, jsonPath: $.host}]\n    - name: t\n      http:\n        url: http://${host}/ # here",
        "spec.probes[0].journey.steps[1].http.url",
        "a value can stand after the host alone",
    ),
    bad(
        "a value in a statement",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      http: {url: 'http://127.0.0.1:1/'}\n      capture: [{name: id, jsonPath: $.id}]\n    - name: t\n      postgres:\n        host: 127.0.0.1\n        database: d\n        user: u\n        query: SELECT ${id} # here",
        "spec.probes[0].journey.steps[1].postgres.query",
        "what a peer answers must not become one",
    ),
    bad(
        "a step's instance that has no connection name",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      postgres:\n        database: d\n        user: u\n        cloudSql:\n          instance: bogus # here",
        "spec.probes[0].journey.steps[0].postgres.cloudSql.instance",
        "PROJECT:REGION:INSTANCE",
    ),
    bad(
        "a step's CA that is not used",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      http:\n        url: https://127.0.0.1:1/\n        tls: {caSecretRef: {name: ca}, insecureSkipVerify: true} # here",
        "spec.probes[0].journey.steps[0].http.tls",
        "caSecretRef is not used with insecureSkipVerify",
    ),
    bad(
        "a step's subprotocol that is not offered",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      websocket:\n        url: ws://127.0.0.1:1/\n        expectSubprotocol: chat # here",
        "spec.probes[0].journey.steps[0].websocket.expectSubprotocol",
        "expectSubprotocol must be one of subprotocols",
    ),
    bad(
        "a step's time to a message that is not expected",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      websocket:\n        url: ws://127.0.0.1:1/\n        maxTimeToFirstMessage: 1s # here",
        "spec.probes[0].journey.steps[0].websocket.maxTimeToFirstMessage",
        "measured where a message is expected",
    ),
    bad(
        "a step's credentials twice, with a value in them",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: in\n      http: {url: 'http://127.0.0.1:1/'}\n      capture: [{name: v, header: x-v}]\n    - name: s\n      http:\n        url: http://127.0.0.1:1/\n        headers: [{name: Authorization, value: 'Bearer ${v}'}]\n        auth: {googleIdToken: {audience: 'http://127.0.0.1:1'}} # here",
        "spec.probes[0].journey.steps[1].http.auth",
        "leave it out of headers",
    ),
    bad(
        "a cookie of a WebSocket",
        "probes:\n- name: a\n  journey:\n    steps:\n    - name: s\n      websocket: {url: 'ws://127.0.0.1:1/'}\n      capture:\n      - name: c\n        cookie: sid # here",
        "spec.probes[0].journey.steps[0].capture[0].cookie",
        "is there for http alone, and this is websocket",
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
    (
        "everything of a journey",
        "probes:\n- name: a\n  journey:\n    budget: 10s\n    secrets: [{name: password, secretRef: {name: s, key: k}}]\n    steps:\n    - name: login\n      http: {url: 'https://h/login', method: POST, headers: [{name: Content-Type, value: application/json}], body: '{\"password\": \"${password}\"}'}\n      capture: [{name: token, jsonPath: $.token}, {name: id, header: x-id}, {name: sid, cookie: sid}, {name: nr, regex: 'nr=([0-9]+)'}]\n      assert: ['status == 200']\n      timeout: 2s\n    - name: chat\n      websocket: {url: 'wss://h/chats/${id}?n=${nr}', headers: [{name: Authorization, value: 'Bearer ${token}'}], steps: [{send: '{\"id\": \"${id}\"}'}, {expect: x}]}\n      capture: [{name: last, message: true}]\n    - name: row\n      postgres: {host: h, database: d, user: u}\n    - name: logout\n      always: true\n      http: {url: 'https://h/logout', headers: [{name: Cookie, value: 'sid=${sid}'}], body: '${last}'}",
    ),
    ("fractions and compound durations", "interval: 1.5s\ntimeout: 1s250ms"),
    (
        "microseconds",
        "probes:\n- name: a\n  tcp: {host: h, port: 1}\n  maxLatency: 1500µs\n- name: b\n  tcp: {host: h, port: 1}\n  maxLatency: 1500us",
    ),
    (
        "names to ask for",
        "probes:\n- name: a\n  dns: {name: 10.0.0.3, recordType: PTR}\n- name: b\n  dns: {name: my_db.internal.}\n- name: c\n  dns: {name: _pg._tcp.internal, recordType: SRV}",
    ),
    (
        "everything of mysql",
        "probes:\n- name: a\n  mysql:\n    host: h\n    port: 3307\n    database: d\n    user: u\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: VerifyFull, serverName: db.internal, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    query: SELECT 2\n    expectRows: 1\n    writable: true\n    connections: 10\n    initQueries: [SET NAMES utf8mb4]\n    payloadBytes: 65536\n- name: b\n  mysql: {socket: '/cloudsql/p:r:i', user: u}",
    ),
    (
        "everything of postgres",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: VerifyFull, serverName: db.internal, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    query: SELECT 2\n    expectRows: 1\n    writable: true\n  assert: [\"latency < duration('300ms')\", \"row.version == '2' && rows == 1\"]\n  maxLatency: 500ms\n  required: false\n  stageTimeouts: {connect: 5s, query: 1s}",
    ),
    (
        "a postgres socket",
        "probes:\n- name: a\n  postgres: {socket: '/cloudsql/p:r:i', database: d, user: u}\n- name: b\n  postgres: {socket: /run/postgresql/.s.PGSQL.5433, database: d, user: u}",
    ),
    (
        "everything of tcp",
        "probes:\n- name: a\n  tcp:\n    host: h\n    port: 1\n    happyEyeballs: true\n    steps:\n    - {expect: '^220 ', refusal: '^5', within: 5s}\n    - {send: \"STARTTLS\\r\\n\"}\n    - {startTls: true}\n    - {sendBase64: AAEC}\n    tls: {serverName: h, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}",
    ),
    (
        "everything of sqlserver",
        "probes:\n- name: a\n  sqlserver:\n    host: h\n    port: 1434\n    database: d\n    user: u\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: VerifyFull, serverName: db.internal, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    query: SELECT 2\n    expectRows: 1\n    writable: true\n    connections: 10\n    initQueries: [SET LOCK_TIMEOUT 1000]\n    payloadBytes: 65536\n  assert: [\"rows == 1\"]\n- name: b\n  sqlserver: {cloudSql: {instance: 'p:r:i', ipType: Psc}, user: u, passwordSecretRef: {name: s, key: k}}",
    ),
    (
        "everything of redis",
        "probes:\n- name: a\n  redis:\n    host: h\n    port: 6378\n    happyEyeballs: true\n    user: app\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: VerifyCa, serverName: h, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    database: 3\n    role: Master\n    roundTrip: true\n    connections: 5\n    initQueries: [CLIENT SETNAME app]\n    payloadBytes: 65536\n  assert: [\"role == 'Master' && replicas >= 1\"]\n- name: b\n  redis: {host: h, tls: {caSecretRef: {name: ca}}}",
    ),
    (
        "everything of load",
        "timeZone: Europe/Berlin\nschedule: '*/5 * * * *'\nprobes:\n- name: a\n  tcp: {host: h, port: 1}\n- name: b\n  load:\n    probe: a\n    ratePerSecond: 50\n    window: 1m\n    successRatio: 99.9%\n    latency: {p50: 1ms, p95: 2ms, p99: 3ms, max: 4ms}\n    every: 61s\n    afterRecovery: true\n    reuseConnections: false\n- name: c\n  load: {probe: a, concurrency: 5, schedule: '0 3 * * *', successRatio: 100%}",
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
        "everything of grpc",
        "probes:\n- name: a\n  grpc:\n    host: h\n    port: 443\n    service: orders.v1.Orders\n    method: Watch\n    metadata: [{name: x-tenant, value: t}, {name: x-trace-bin, value: AP8Q}]\n    metadataFromSecret: [{name: x-api-key, secretRef: {name: s, key: k}}]\n    auth: {bearer: {tokenSecretRef: {name: s, key: k}}}\n    authority: 'orders.internal:8443'\n    tls: {serverName: orders.internal, caSecretRef: {name: ca}, clientCertSecretRef: {name: c}}\n    happyEyeballs: true\n  assert: [\"status == 'OK' && serving == 'SERVING'\"]\n- name: b\n  grpc: {host: '::1', port: 50051, plaintext: true, auth: {bearer: {tokenSecretRef: {name: s, key: k}}}, authority: '[::1]:1'}",
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
