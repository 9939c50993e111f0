//! The real parts that the tests run against, started and stopped by them: an API server, PostgreSQL, networks with
//! faults. Each says why when it can't start here, and `skip::require` turns that into a skip or a failure.

pub mod agent;
pub mod apiserver;
pub mod backend;
pub mod cert;
pub mod chat;
pub mod checks;
pub mod cloudsql;
pub mod cluster;
pub mod discovery;
pub mod google;
pub mod grpc;
pub mod helm;
pub mod hostile;
pub mod kstatus;
pub mod mariadb;
pub mod mysql8;
pub mod netns;
pub mod openmetrics;
pub mod operator;
pub mod pginstall;
pub mod pgsetup;
pub mod postgres;
pub mod probe;
pub mod process;
pub mod redis;
pub mod relay;
pub mod scratch;
pub mod skip;
pub mod tds;
pub mod wait;
pub mod web;
