//! The one test program: each module is a capability of the product, tried against the real parts in `support`.
//! `tests/run` prepares the machine and runs it; `tests/run bed` runs the modules whose names hold that word.

mod bed;
mod bed_netns;
mod bed_postgres;
mod chart;
mod chart_account;
mod cli;
mod cluster;
mod controller;
mod demo;
mod diagnosis;
mod docs;
mod engine;
mod folder;
mod gitops;
mod layering;
mod leader;
mod planner;
mod probe_database;
mod probe_dns;
mod probe_http;
mod probe_memory;
mod probe_netns;
mod probe_postgres;
mod probe_postgres_hostile;
mod probe_table;
mod probe_tcp;
mod probe_tls;
mod refusals;
mod safety;
mod secrets;
mod serving;
mod story;
mod support;
