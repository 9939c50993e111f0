//! runready: Cloud Run readiness. Says which layer broke, on what evidence, and when it is truly restored.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod api;
pub mod cli;
pub mod controller;
pub mod diagnosis;
pub mod engine;
pub mod evidence;
pub mod manifest;
pub mod metrics;
pub mod plan;
pub mod probe;
pub mod resolve;
pub mod serve;
pub mod source;
pub mod status;
pub mod telemetry;
