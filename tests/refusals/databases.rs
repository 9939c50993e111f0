//! Databases that must be refused: two ways to one or none, settings that have no meaning together. Data only.

use super::manifests::{Bad, bad};

const ONE_WAY: &str = "set exactly one way to the database: host (with port); socket, such as";

/// What the API server refuses of a database.
pub const BAD_DATABASES: &[Bad] = &[
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
        "a sqlserver probe without a way",
        "probes:\n- name: a\n  sqlserver: {user: u, passwordSecretRef: {name: s, key: k}} # here",
        "spec.probes[0].sqlserver",
        "set exactly one way to the database: host (with port), or cloudSql",
    ),
    bad(
        "a sqlserver probe with two ways",
        "probes:\n- name: a\n  sqlserver: {host: h, cloudSql: {instance: 'p:r:i'}, user: u, passwordSecretRef: {name: s, key: k}} # here",
        "spec.probes[0].sqlserver",
        "set exactly one way to the database: host (with port), or cloudSql",
    ),
    bad(
        "a sqlserver probe of nobody",
        "probes:\n- name: a\n  sqlserver:\n    host: h\n    user: '' # here\n    passwordSecretRef: {name: s, key: k}",
        "spec.probes[0].sqlserver.user",
        "must name the user to log in as",
    ),
    bad(
        "an IAM login to SQL Server",
        "probes:\n- name: a\n  sqlserver:\n    cloudSql: {instance: 'p:r:i', iamLogin: true} # here\n    user: u\n    passwordSecretRef: {name: s, key: k}",
        "spec.probes[0].sqlserver.cloudSql",
        "Cloud SQL has no IAM logins for SQL Server",
    ),
    bad(
        "TLS settings of sqlserver beside a connector",
        "probes:\n- name: a\n  sqlserver:\n    cloudSql: {instance: 'p:r:i'}\n    user: u\n    passwordSecretRef: {name: s, key: k}\n    tls: {mode: Prefer} # here",
        "spec.probes[0].sqlserver.tls",
        "cloudSql is always within mutual TLS",
    ),
    bad(
        "a redis user without a password",
        "probes:\n- name: a\n  redis:\n    host: h\n    user: app # here",
        "spec.probes[0].redis.user",
        "name the Secret that holds the user's password",
    ),
    bad(
        "a CA beside a redis mode that ignores it",
        "probes:\n- name: a\n  redis:\n    host: h\n    tls: {mode: Require, caSecretRef: {name: ca}} # here",
        "spec.probes[0].redis.tls",
        "caSecretRef is used by the modes VerifyCa and VerifyFull alone",
    ),
    bad(
        "a redis role that there is not",
        "probes:\n- name: a\n  redis:\n    host: h\n    role: Primary # here",
        "spec.probes[0].redis.role",
        "Primary",
    ),
    bad(
        "a redis database below zero",
        "probes:\n- name: a\n  redis:\n    host: h\n    database: -1 # here",
        "spec.probes[0].redis.database",
        "-1",
    ),
    bad(
        "a redis command in two lines",
        "probes:\n- name: a\n  redis:\n    host: h\n    initQueries:\n    - \"PING\\nPING\" # here",
        "spec.probes[0].redis.initQueries[0]",
        "must be one command in one line, such as CLIENT SETNAME app",
    ),
    bad(
        "an instance beside a host",
        "probes:\n- name: a\n  postgres: {host: h, cloudSql: {instance: \"p:r:i\"}, database: d, user: u} # here",
        "spec.probes[0].postgres",
        ONE_WAY,
    ),
    bad(
        "an instance without its region",
        "probes:\n- name: a\n  postgres:\n    cloudSql:\n      instance: project:instance # here\n    database: d\n    user: u",
        "spec.probes[0].postgres.cloudSql.instance",
        "must be the instance's connection name, PROJECT:REGION:INSTANCE",
    ),
    bad(
        "TLS within the tunnel to an instance",
        "probes:\n- name: a\n  postgres:\n    cloudSql: {instance: \"p:r:i\"}\n    database: d\n    user: u\n    tls: {mode: Prefer} # here",
        "spec.probes[0].postgres.tls",
        "cloudSql is always within mutual TLS",
    ),
    bad(
        "IAM login with a password",
        "probes:\n- name: a\n  postgres:\n    cloudSql: {instance: \"p:r:i\", iamLogin: true}\n    database: d\n    user: u\n    passwordSecretRef: {name: s, key: k} # here",
        "spec.probes[0].postgres.passwordSecretRef",
        "a token stands in for the password",
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
        "a postgres port out of range",
        "probes:\n- name: a\n  postgres:\n    host: h\n    database: d\n    user: u\n    port: 70000 # here",
        "spec.probes[0].postgres.port",
        "should be less than or equal to 65535",
    ),
    bad(
        "a mysql probe without a way",
        "probes:\n- name: a\n  mysql: {user: u} # here",
        "spec.probes[0].mysql",
        ONE_WAY,
    ),
    bad(
        "TLS over a socket of mysql",
        "probes:\n- name: a\n  mysql:\n    socket: /cloudsql/p:r:i\n    user: u\n    tls: {mode: Prefer} # here",
        "spec.probes[0].mysql.tls",
        "TLS is never used over a Unix socket",
    ),
    bad(
        "a mysql probe of nobody",
        "probes:\n- name: a\n  mysql:\n    host: h\n    user: '' # here",
        "spec.probes[0].mysql.user",
        "must name the user to log in as",
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
];
