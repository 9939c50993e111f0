//! runready: Cloud Run readiness. Says which layer broke, on what evidence, and when it is truly restored.
//!
//! ```text
//!            manifests                                   status: verdict, conditions; events; metrics
//!                |                                                          ^
//!                v                                                          |
//!  source ---> resolve ---> plan ---> engine: one state machine per check ---> status::write
//!  watches a   reads the    spec in,  step(state, event, now) -> effects,      coalesces, retries;
//!  cluster or  Secrets      plan out  carried out by a shell with a            back to the source
//!  a folder                           timer wheel
//!                                        | due           ^ evidence
//!                                        v               |
//!                                      probe: resolve, connect, tls, handshake, query ...
//!
//!  within a step:  evidence -> diagnosis (which layer) -> status::assess (conditions) -> status::render
//! ```
//!
//! `api` holds the types that people see, `manifest` reads and validates files, `controller` joins the parts, `serve`,
//! `metrics` and `telemetry` show what goes on, and `cli` has one file for each subcommand. Only `source` knows Kubernetes;
//! from `plan` on nobody reads a spec; the step of `engine`, `diagnosis` and all of `status` but `write` are pure.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod api;
pub mod baseline;
pub mod cli;
pub mod cloud;
pub mod controller;
pub mod diagnosis;
pub mod engine;
pub mod evidence;
pub mod import;
pub mod inspect;
pub mod manifest;
pub mod metrics;
pub mod plan;
pub mod probe;
pub mod reasons;
pub mod refusal;
pub mod resolve;
pub mod serve;
pub mod source;
pub mod standin;
pub mod status;
pub mod telemetry;
