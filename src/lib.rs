//! runready: Cloud Run readiness. Says which layer broke, on what evidence, and when it is truly restored.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod api;
pub mod diagnosis;
pub mod evidence;
pub mod manifest;
pub mod plan;
pub mod probe;
pub mod source;
