//! The one test program: each module is a capability of the product, tried against the real parts in `support`.
//! `tests/run` prepares the machine and runs it; `tests/run bed` runs the modules whose names hold that word.

mod bed;
mod bed_netns;
mod bed_postgres;
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
mod refusals;
mod secrets;
mod serving;
mod story;
mod support;
