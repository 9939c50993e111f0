//! The engine: a pure state machine per check, and the shell that carries its effects out.
//!
//! [`state`] does no I/O and reads no clock. [`shell`] owns the clock, the timer wheel and the running probes.

pub mod shell;
pub mod state;
pub mod track;
pub mod wheel;

pub use shell::{Engine, Inbox};
pub use state::{CheckState, Effect, Event, Now, Settings, Start};
