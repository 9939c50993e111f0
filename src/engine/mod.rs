//! The engine: a pure state machine per check, and the shell that carries its effects out.
//!
//! [`state`] does no I/O and reads no clock. The shell owns the clock, the timer wheel and the running probes;
//! [`handle`] is what the rest of the program has of it.

mod complaints;
pub mod handle;
mod inspects;
mod shell;
pub mod state;
pub mod track;
pub mod wheel;

pub use handle::{Engine, Inbox, Parts};
pub use inspects::Inspects;
pub use state::{CheckState, Effect, Event, Now, Settings, Start};
